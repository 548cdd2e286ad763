//! The committed table, and the comparison with it.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Relative change that is no change. Inlining decisions of the compiler move with unrelated edits; what is worth an
/// alarm is well above.
pub const TOLERANCE: f64 = 0.05;

/// The same for another compiler than that of the table, whose optimisations differ.
pub const FOREIGN_TOLERANCE: f64 = 0.25;

/// Absolute change that is no change, so that the smallest functions are not guarded to the instruction.
const SLACK_INSTRUCTIONS: f64 = 3.0;
const SLACK_CALLS: f64 = 0.1;

const HEAD: &str = "\
# Instructions per operation, counted by `make bench-instructions`, which fails when one takes more than 5 % more than
# stands here (25 % with another compiler). `make bench-instructions-update` writes the file anew: commit it together
# with the reason for the change.
#
# instructions: of Rust code. calls: from Rust code into C, that is, memory copied, compared or allocated by libc, and
# cryptography. What C itself costs is not guarded, because it depends on the processor.
";

/// Where and with what the table was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "as in the file")]
pub struct Origin {
    /// Output of `rustc --version`.
    pub compiler: String,
    /// Processor architecture, in Rust's words.
    pub architecture: String,
}

/// What one operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "as in the file")]
pub struct Cost {
    /// Instructions of Rust code.
    pub instructions: f64,
    /// Calls from Rust code into C.
    pub calls: f64,
}

/// The committed table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "as in the file")]
pub struct Table {
    /// How it came about.
    pub origin: Origin,
    /// By name of the operation.
    pub operations: BTreeMap<String, Cost>,
}

/// How a figure relates to that of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else")]
pub enum Verdict {
    /// Within the tolerance.
    Same,
    /// Less than that.
    Better,
    /// More than that.
    Worse,
    /// Not in the table.
    New,
}

impl Table {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("benches/instructions.toml is not readable")
    }

    /// The file, with what its readers must know.
    pub fn to_text(&self) -> String {
        let mut text = String::from(HEAD);
        let Origin {
            compiler,
            architecture,
        } = &self.origin;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[origin]\ncompiler = \"{compiler}\"\narchitecture = \"{architecture}\"\n\n[operations]\n"
        );
        for (
            name,
            Cost {
                instructions,
                calls,
            },
        ) in &self.operations
        {
            let _ = writeln!(
                text,
                "{name} = {{ instructions = {instructions:.1}, calls = {calls:.1} }}"
            );
        }
        text
    }

    /// The tolerance that holds here; `None`: figures of another architecture tell nothing.
    pub fn tolerance(&self, here: &Origin) -> Option<f64> {
        if self.origin.architecture != here.architecture {
            None
        } else if self.origin.compiler == here.compiler {
            Some(TOLERANCE)
        } else {
            Some(FOREIGN_TOLERANCE)
        }
    }

    /// Judges what was counted for one operation.
    pub fn judge(&self, name: &str, counted: Cost, tolerance: f64) -> Verdict {
        let Some(known) = self.operations.get(name) else {
            return Verdict::New;
        };
        let verdicts = [
            compare(
                known.instructions,
                counted.instructions,
                tolerance,
                SLACK_INSTRUCTIONS,
            ),
            compare(known.calls, counted.calls, tolerance, SLACK_CALLS),
        ];
        [Verdict::Worse, Verdict::Better]
            .into_iter()
            .find(|verdict| verdicts.contains(verdict))
            .unwrap_or(Verdict::Same)
    }
}

fn compare(known: f64, counted: f64, tolerance: f64, slack: f64) -> Verdict {
    let allowed = (known * tolerance).max(slack);
    if counted > known + allowed {
        Verdict::Worse
    } else if counted < known - allowed {
        Verdict::Better
    } else {
        Verdict::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(compiler: &str, architecture: &str) -> Origin {
        Origin {
            compiler: compiler.into(),
            architecture: architecture.into(),
        }
    }

    fn table() -> Table {
        let operations = [(
            "parse",
            Cost {
                instructions: 1000.0,
                calls: 4.0,
            },
        )];
        Table {
            origin: origin("rustc 1", "x86_64"),
            operations: operations
                .map(|(name, cost)| (name.to_owned(), cost))
                .into(),
        }
    }

    #[test]
    fn the_file_reads_back() {
        assert_eq!(Table::parse(&table().to_text()).expect("our own"), table());
        assert!(Table::parse("operations = 1").is_err());
    }

    #[test]
    fn five_per_cent_are_tolerated() {
        let judge = |instructions, calls| {
            table().judge(
                "parse",
                Cost {
                    instructions,
                    calls,
                },
                TOLERANCE,
            )
        };
        assert_eq!(judge(1049.0, 4.0), Verdict::Same);
        assert_eq!(judge(951.0, 4.0), Verdict::Same);
        assert_eq!(judge(1051.0, 4.0), Verdict::Worse);
        assert_eq!(judge(949.0, 4.0), Verdict::Better);
        assert_eq!(
            judge(1000.0, 5.0),
            Verdict::Worse,
            "one more copy or allocation"
        );
        assert_eq!(
            judge(500.0, 5.0),
            Verdict::Worse,
            "less of one does not excuse more of the other"
        );
        assert_eq!(
            table().judge(
                "other",
                Cost {
                    instructions: 1.0,
                    calls: 0.0
                },
                TOLERANCE
            ),
            Verdict::New
        );
    }

    #[test]
    fn the_smallest_functions_have_some_slack() {
        assert_eq!(
            compare(10.0, 13.0, TOLERANCE, SLACK_INSTRUCTIONS),
            Verdict::Same
        );
        assert_eq!(
            compare(10.0, 14.0, TOLERANCE, SLACK_INSTRUCTIONS),
            Verdict::Worse
        );
    }

    #[test]
    fn another_compiler_is_given_more_and_another_architecture_is_not_judged() {
        assert_eq!(
            table().tolerance(&origin("rustc 1", "x86_64")),
            Some(TOLERANCE)
        );
        assert_eq!(
            table().tolerance(&origin("rustc 2", "x86_64")),
            Some(FOREIGN_TOLERANCE)
        );
        assert_eq!(table().tolerance(&origin("rustc 1", "aarch64")), None);
    }
}
