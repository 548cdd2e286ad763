//! `plenum load`: load on a node or a cluster by native peers.

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use plenum_load::{LoadArgs, html, report::Report};

pub(crate) const EXAMPLES: &str = "Examples:
  plenum load meeting --peers 10 --duration 10s
  plenum load join-storm --rounds 20 --assert 'join.p99<=100ms' --assert 'first_packet.p99<=300ms'
  plenum load churn --rate 20 --json | jq .errors
  plenum load mixed --peers 100 --duration 2m --html report.html
  plenum load run evening.toml --url https://a.example.org --url https://b.example.org

Every scenario has examples of its own: plenum load webinar --help. docs/load.md says what each figure means.
Exit status: 0 done, 1 an assertion does not hold or nobody joined, 2 no such flag.";

pub(crate) fn run(args: LoadArgs) -> anyhow::Result<ExitCode> {
    let options = args.resolve()?;
    Report::knows(&options.assertions)?;
    let (assertions, page) = (options.assertions.clone(), options.html.clone());
    let is_json = options.json;
    let mut report = plenum_load::run(options)?;
    let holds = report.judge(&assertions);
    if let Some(path) = &page {
        fs::write(path, html::page(&report))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let mut output = io::stdout().lock();
    if is_json {
        serde_json::to_writer_pretty(&mut output, &report)?;
        writeln!(output)?;
        // Whoever reads JSON reads it elsewhere; what failed is to be seen here.
        for verdict in report.assertions.iter().filter(|verdict| !verdict.holds) {
            writeln!(io::stderr(), "FAILED  {}", verdict.message)?;
        }
    } else {
        output.write_all(report.text().as_bytes())?;
    }
    let nobody = report.peers.planned > 0 && report.peers.joined == 0;
    if nobody {
        writeln!(io::stderr(), "FAILED  nobody joined")?;
    }
    Ok(if holds && !nobody {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
