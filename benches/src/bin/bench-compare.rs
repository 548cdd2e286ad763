//! Runs a benchmark of two builds in turn and compares the medians of what they write.
//!
//! ```text
//! bench-compare OLD NEW ROUNDS [argument of the benchmark]...
//! ```
//! OLD and NEW are programs with the same name.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use plenum_bench::report::{machine, median};
use serde_json::Value;

/// By row and field.
type Samples = BTreeMap<(String, String), Vec<f64>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| {
        arguments
            .next()
            .with_context(|| format!("{what} is missing"))
    };
    let (old, new) = (PathBuf::from(next("OLD")?), PathBuf::from(next("NEW")?));
    let rounds: usize = next("ROUNDS")?.parse().context("ROUNDS is a number")?;
    let rest: Vec<String> = arguments.collect();
    let name = new.file_name().and_then(|name| name.to_str());
    let name = name.context("NEW is no program")?.to_owned();
    println!("{name}, old and new in turn, {rounds} rounds");
    println!("{}", machine());
    let (mut old_samples, mut new_samples) = (Samples::new(), Samples::new());
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        run(&old, &name, &rest, &mut old_samples)?;
        run(&new, &name, &rest, &mut new_samples)?;
    }
    println!(
        "{:<64} {:>22} {:>11} {:>11} {:>8}",
        "", "", "old", "new", "new/old"
    );
    for ((row, field), mut old) in old_samples {
        let Some(new) = new_samples.get_mut(&(row.clone(), field.clone())) else {
            println!("{row:<64} {field:>22}: only the old one has it");
            continue;
        };
        let (old, new) = (median(&mut old), median(new));
        let ratio = if old == 0.0 { f64::NAN } else { new / old };
        println!("{row:<64} {field:>22} {old:>11.3} {new:>11.3} {ratio:>7.3}x");
    }
    Ok(())
}

/// Runs one in a folder of its own, where it writes its figures.
fn run(program: &Path, name: &str, arguments: &[String], samples: &mut Samples) -> Result<()> {
    let folder = Path::new("target/compare/run");
    fs::create_dir_all(folder)?;
    let written = folder.join("target");
    if written.exists() {
        fs::remove_dir_all(&written)?;
    }
    let status = Command::new(fs::canonicalize(program)?)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    ensure!(status.success(), "{} failed: {status}", program.display());
    let mut files = 0;
    for entry in fs::read_dir(&written).with_context(|| format!("{name} wrote nothing"))? {
        let text = fs::read_to_string(entry?.path())?;
        collect("", &serde_json::from_str(&text)?, samples);
        files += 1;
    }
    ensure!(files > 0, "{name} wrote nothing");
    Ok(())
}

/// Rows are objects; where they are and their texts together are their names, their numbers are figures.
fn collect(place: &str, value: &Value, samples: &mut Samples) {
    match value {
        Value::Array(rows) => {
            for row in rows {
                collect(place, row, samples);
            }
        }
        Value::Object(fields) => {
            let texts = fields.values().filter_map(Value::as_str);
            let words: Vec<_> = place.split_whitespace().chain(texts).collect();
            let name = words.join(" ");
            for (field, value) in fields {
                if let Some(number) = value.as_f64() {
                    let key = (name.clone(), field.clone());
                    samples.entry(key).or_default().push(number);
                } else {
                    collect(&format!("{name} {field}"), value, samples);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_named_by_their_texts() {
        let mut samples = Samples::new();
        let rows = json!([{"name": "engine", "profile": "GCM", "us": 1.5, "loss": 0}]);
        collect("", &rows, &mut samples);
        collect("", &rows, &mut samples);
        let nested = json!({"far": [{"dialect": "protoo", "answer": {"p50": 3}}], "per_second": 7});
        collect("", &nested, &mut samples);
        let key = |row: &str, field: &str| (row.to_owned(), field.to_owned());
        assert_eq!(samples[&key("engine GCM", "us")], [1.5, 1.5]);
        assert_eq!(samples[&key("engine GCM", "loss")], [0.0, 0.0]);
        assert_eq!(samples[&key("", "per_second")], [7.0]);
        assert_eq!(samples[&key("far protoo answer", "p50")], [3.0]);
    }
}
