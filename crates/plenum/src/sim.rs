//! `plenum sim`: how nodes would be chosen in a synthetic world.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use plenum_sim::{Choice, Options, Progress};

pub(crate) const EXAMPLES: &str = "Examples:
  plenum sim                                   100 000 people, five ways to choose
  plenum sim --policy user --hours 4           one policy, a short day
  plenum sim --users 1000000 --write docs/perf/placement
  plenum sim --nodes 30 --users 5000 --json | jq '.results[].round_trip_ms'

The same seed gives the same figures, but for the time that decisions take.";

/// What is simulated.
#[derive(Args, Debug)]
pub(crate) struct SimArgs {
    /// Nodes in the world, spread over 30 regions.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    nodes: u32,
    /// People of the day; a tenth of them come to one event.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    users: u32,
    /// Another seed, another day.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// How long the day is.
    #[arg(long, value_name = "HOURS", default_value_t = 24.0, value_parser = hours)]
    hours: f64,
    /// Who decides: room, user, stream, broadcast or random; one or several. All, if not given.
    #[arg(long, value_name = "POLICY", value_delimiter = ',')]
    policy: Vec<Choice>,
    /// Print all figures as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Write a page with charts, and the figures, into this folder.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub(crate) fn run(args: &SimArgs) -> anyhow::Result<ExitCode> {
    let mut options = Options {
        nodes: args.nodes,
        users: args.users,
        seed: args.seed,
        hours: args.hours,
        ..Options::default()
    };
    if !args.policy.is_empty() {
        options.choices.clone_from(&args.policy);
    }
    let mut line = Line::default();
    let report = plenum_sim::run(&options, &mut |progress| line.show(progress));
    line.clear();
    let mut output = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut output, &report)?;
        writeln!(output)?;
    } else {
        output.write_all(plenum_sim::table(&report).as_bytes())?;
    }
    if let Some(folder) = &args.write {
        plenum_sim::write(&report, folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line that says how far the run is, where somebody looks.
#[derive(Default)]
struct Line {
    percent: u32,
}

impl Line {
    const WIDTH: usize = 40;

    fn show(&mut self, progress: Progress) {
        let percent = (1_u32..=100)
            .take_while(|percent| f64::from(*percent) <= progress.done * 100.0)
            .last()
            .unwrap_or(0);
        if percent == self.percent || !io::stderr().is_terminal() {
            return;
        }
        self.percent = percent;
        let full = Self::WIDTH * percent as usize / 100;
        let bar = "#".repeat(full);
        // Whoever closed standard error does not want to know.
        let _ = write!(
            io::stderr(),
            "\r[{bar:<width$}] {percent:>3} %  {:<10}",
            progress.choice.as_str(),
            width = Self::WIDTH
        );
    }

    fn clear(&self) {
        if self.percent > 0 {
            let _ = write!(io::stderr(), "\r{:<60}\r", "");
        }
    }
}

fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.1..=168.0).contains(&hours) {
        Ok(hours)
    } else {
        Err("from 0.1 to 168".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_some_minutes_and_at_most_a_week() {
        assert_eq!(hours("24"), Ok(24.0));
        for nonsense in ["", "0", "-1", "NaN", "inf", "200"] {
            assert!(hours(nonsense).is_err(), "{nonsense}");
        }
    }
}
