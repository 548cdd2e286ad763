//! How well a receiver behind a narrow link is served: seeded links under a virtual clock, as a table and as curves.
//!
//! `bench-bwe [--write FOLDER] [NAME…]`: all links or those named; with a folder, page and curves go there.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{env, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use plenum_bench::bwe::{page, plot, terminal_row, terminal_title};
use plenum_harness::congestion::{paths, run};

/// Virtual time of each run.
const TIME: Duration = Duration::from_mins(1);

fn main() -> Result<()> {
    let mut folder = None;
    let mut names = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--write" {
            let value = arguments.next().context("--write needs a folder")?;
            folder = Some(PathBuf::from(value));
        } else {
            names.push(argument);
        }
    }
    let mut paths = paths();
    if !names.is_empty() {
        let known: Vec<&str> = paths.iter().map(|path| path.name).collect();
        for name in &names {
            ensure!(
                known.contains(&name.as_str()),
                "no link {name}; there are {}",
                known.join(", ")
            );
        }
        paths.retain(|path| names.iter().any(|name| name == path.name));
    }
    println!("{}", terminal_title());
    let mut results = Vec::new();
    for path in paths {
        let run = run(path, TIME);
        let figures = run.figures();
        println!("{}", terminal_row(&run, &figures));
        results.push((run, figures));
    }
    let Some(folder) = folder else { return Ok(()) };
    fs::create_dir_all(&folder)?;
    for (run, _) in &results {
        plot(run, &folder.join(format!("{}.svg", run.path.name)))?;
    }
    if names.is_empty() {
        let text = page(
            &results,
            include_str!("../bwe/head.md"),
            include_str!("../bwe/notes.md"),
        );
        fs::write(folder.join("README.md"), text)?;
    }
    println!("\nwritten to {}", folder.display());
    Ok(())
}
