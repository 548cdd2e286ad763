//! Running this program under callgrind, and reading what it wrote.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::MEASURED;

/// What the measured part of one run cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "three plain figures")]
pub struct Counts {
    /// Instructions of Rust code, the standard library included.
    pub rust: u64,
    /// Calls from Rust code to anything else.
    pub calls: u64,
    /// Instructions of everything else.
    pub other: u64,
}

/// Runs `program run <operation> <count>` under callgrind.
pub fn count(program: &Path, operation: &str, count: usize, directory: &Path) -> Result<Counts> {
    let profile = directory.join(format!("{operation}.callgrind"));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .args([
            "--compress-strings=no",
            "--compress-pos=no",
            "--demangle=no",
            "--quiet",
        ])
        // What came before is forgotten; what follows is the end of the process. (Collecting in the measured part only
        // would be plainer, but calls are counted elsewhere too.)
        .arg(format!("--zero-before=*{MEASURED}*"))
        .arg(program)
        .args(["run", operation, &count.to_string()])
        .output()
        .context("cannot run valgrind, which `make setup` installs")?;
    ensure!(
        output.status.success(),
        "{operation} under callgrind ended with {}:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let text = std::fs::read_to_string(&profile).context("callgrind wrote nothing")?;
    let counts = parse(&text)?;
    ensure!(
        counts.rust > 0,
        "callgrind did not find the measured part of {operation}"
    );
    Ok(counts)
}

/// Sums a profile in callgrind's text format, names written out.
fn parse(text: &str) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut rust = false;
    let mut callee_is_rust = false;
    let mut inclusive = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            rust = is_rust(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee_is_rust = is_rust(name);
        } else if let Some(call) = line.strip_prefix("calls=") {
            let times: u64 = number(call.split_whitespace().next())?;
            counts.calls += if rust && !callee_is_rust { times } else { 0 };
            // The next line is what the callee cost, which stands at the callee too.
            inclusive = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit())
            && !std::mem::take(&mut inclusive)
        {
            let cost = number(line.split_whitespace().nth(1))?;
            if rust {
                counts.rust += cost;
            } else {
                counts.other += cost;
            }
        }
    }
    Ok(counts)
}

fn number(word: Option<&str>) -> Result<u64> {
    word.and_then(|word| word.parse().ok())
        .context("not a profile of callgrind")
}

/// Whether a mangled symbol is one of Rust, by either scheme.
fn is_rust(symbol: &str) -> bool {
    symbol.starts_with("_ZN") || symbol.starts_with("_R")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
version: 1
events: Ir
positions: line

ob=/bin/program
fl=???
fn=_ZN5bench18measured_from_here17h0E
0 70
cfn=_RNvCs_3rtp5parse
calls=10 0
0 600
cob=/lib/libc.so.6
cfn=memcpy
calls=20 0
0 400

fn=_RNvCs_3rtp5parse
0 500
7 50
cfn=memcpy
calls=5 0
0 50

fn=memcpy
0 440
cfn=other
calls=3 0
0 10

fn=other
0 10

totals: 1070
";

    #[test]
    fn rust_and_the_rest_are_told_apart() {
        let counts = parse(PROFILE).expect("a profile");
        assert_eq!(
            counts,
            Counts {
                rust: 620,
                calls: 25,
                other: 450
            }
        );
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        assert!(parse("fn=a\n0 many\n").is_err());
        assert!(parse("fn=a\ncalls=\n").is_err());
        assert_eq!(parse("").expect("empty"), Counts::default());
    }
}
