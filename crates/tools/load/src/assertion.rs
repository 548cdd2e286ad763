//! What a run must reach: `join.p99<300ms`, `errors==0`, `media.received.loss_percent<=0.5%`.
//!
//! ```text
//! assertion := path op value
//! path      := name ( "." name )*         a figure of the report, as in its JSON
//! op        := "<" | "<=" | ">" | ">=" | "==" | "!="
//! value     := number unit? | "true" | "false"
//! unit      := "us" | "ms" | "s" | "m" | "%" | "k" | "M" | "G"
//! ```
//!
//! Times are milliseconds in reports, and become those here. Some words are short for others ([`ALIASES`]), `_ms` and
//! the like at the end of a name may be left out, and `p99.9` is `p99_9`. `errors` alone is the sum of all kinds, a kind
//! that did not happen is 0. A figure that was not measured holds for nothing.

use std::{fmt, str::FromStr};

use serde::Serialize;
use serde_json::{Map, Value};

/// One thing that must be so.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    path: Vec<String>,
    op: Op,
    limit: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
    Unequal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    None,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Percent,
    Kilo,
    Mega,
    Giga,
    Truth,
}

/// Why a text is no assertion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// Neither `<` nor any of the others.
    #[error("{0:?}: one of < <= > >= == != is missing")]
    NoComparison(String),
    /// Nothing that a report has.
    #[error("{path:?} is no figure of a report; those there are: {known}")]
    NoFigure {
        /// What was named.
        path: String,
        /// What may be.
        known: String,
    },
    /// Not a name, or too many of them.
    #[error("{0:?} is no name of a figure")]
    NoPath(String),
    /// Not a number with a unit.
    #[error("{0:?} is no number with us, ms, s, m, %, k, M, G or nothing behind it")]
    NoValue(String),
}

/// How an assertion came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// As it was written, in its plain form.
    pub assertion: String,
    /// Whether it holds.
    pub holds: bool,
    /// What was measured, in the unit of the report; nothing, if nothing was.
    pub measured: Option<f64>,
    /// What was asked for, in the same unit.
    pub limit: f64,
    /// For people: what it is, and by how much it is too much.
    pub message: String,
}

/// Short words.
pub const ALIASES: &[(&str, &str)] = &[
    ("join", "join.last_answer_ms"),
    ("first_packet", "join.first_packet_ms"),
    ("first_key_frame", "join.first_key_frame_ms"),
    ("loss", "media.received.loss_percent"),
    ("delay", "media.forwarding_delay_ms"),
    ("jitter", "media.jitter_ms"),
    ("failed", "peers.failed"),
];

/// Longer than any path of a report, with a method's name in it.
const LONGEST: usize = 120;

impl FromStr for Assertion {
    type Err = AssertionError;

    fn from_str(text: &str) -> Result<Self, AssertionError> {
        let at = text
            .find(['<', '>', '=', '!'])
            .ok_or_else(|| AssertionError::NoComparison(excerpt(text)))?;
        let (path, rest) = text.split_at(at);
        let (op, value) =
            Op::split(rest).ok_or_else(|| AssertionError::NoComparison(excerpt(text)))?;
        let (limit, unit) = parse_value(value.trim())
            .ok_or_else(|| AssertionError::NoValue(excerpt(value.trim())))?;
        let path = path.trim();
        let path = parse_path(path).ok_or_else(|| AssertionError::NoPath(excerpt(path)))?;
        Ok(Self {
            path,
            op,
            limit,
            unit,
        })
    }
}

impl Assertion {
    /// Whether a report has such a figure at all; `sample` is any report.
    pub fn check(&self, sample: &Value) -> Result<(), AssertionError> {
        let Found::Nothing { known } = self.find(sample) else {
            return Ok(());
        };
        Err(AssertionError::NoFigure {
            path: self.path.join("."),
            known: known.join(", "),
        })
    }

    /// Whether it holds for a report.
    pub fn judge(&self, report: &Value) -> Verdict {
        let limit = self.limit * self.unit.scale();
        let measured = match self.find(report) {
            Found::Figure(value) => value,
            Found::Nothing { .. } => None,
        };
        let holds = measured.is_some_and(|measured| self.op.holds(measured, limit));
        let assertion = self.to_string();
        let message = match measured {
            None => format!("{assertion}: nothing was measured"),
            Some(measured) => {
                let measured_text = self.unit.show(measured);
                if holds {
                    format!("{assertion}: it is {measured_text}")
                } else {
                    let by = self.unit.show((measured - limit).abs());
                    format!("{assertion}: it is {measured_text}, which misses it by {by}")
                }
            }
        };
        Verdict {
            assertion,
            holds,
            measured,
            limit,
            message,
        }
    }

    fn find(&self, report: &Value) -> Found {
        let mut at = report;
        for (index, name) in self.path.iter().enumerate() {
            let next = match at {
                Value::Object(members) => member(members, name),
                Value::Array(list) => name.parse().ok().and_then(|index: usize| list.get(index)),
                // Of something that is not there any name may be right.
                Value::Null => return Found::Figure(None),
                _ => None,
            };
            at = match next {
                Some(next) => next,
                None if self.may_come(index, at) => {
                    // Whatever has not happened has not happened even once.
                    let is_count = self.path.first().is_some_and(|first| first == "errors");
                    return Found::Figure(is_count.then_some(0.0));
                }
                None => return Found::nothing(at),
            };
        }
        match at {
            Value::Number(number) => Found::Figure(number.as_f64()),
            Value::Bool(truth) => Found::Figure(Some(f64::from(u8::from(*truth)))),
            Value::Null => Found::Figure(None),
            Value::Object(members) if self.path == ["errors"] => {
                let counts = members.values().filter_map(Value::as_f64);
                // Nothing sums up to a zero with a sign, which nobody wants to read.
                Found::Figure(Some(counts.sum::<f64>() + 0.0))
            }
            _ => Found::nothing(at),
        }
    }

    /// Whether a name that is not there depends on what happens.
    fn may_come(&self, index: usize, within: &Value) -> bool {
        let is_last = index + 1 == self.path.len();
        let before: Vec<&str> = self.path.iter().take(index).map(String::as_str).collect();
        match before[..] {
            ["errors"] => is_last,
            ["join", "messages" | "messages_ms"] => true,
            _ => {
                within.is_array()
                    && self
                        .path
                        .get(index)
                        .is_some_and(|it| it.parse::<usize>().is_ok())
            }
        }
    }
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let with_unit = || {
        UNITS
            .iter()
            .find_map(|unit| members.get(&format!("{name}{unit}")))
    };
    members.get(name).or_else(with_unit)
}

enum Found {
    /// There is such a figure; `None`: it was not measured.
    Figure(Option<f64>),
    /// There is none of that name, but these.
    Nothing { known: Vec<String> },
}

impl Found {
    fn nothing(within: &Value) -> Self {
        let known = match within {
            Value::Object(members) => members.keys().cloned().collect(),
            Value::Array(_) => vec!["a number".to_owned()],
            _ => Vec::new(),
        };
        Self::Nothing { known }
    }
}

/// What names may leave out.
const UNITS: &[&str] = &["_ms", "_percent", "_bytes", "_bps", "_s"];

fn parse_path(text: &str) -> Option<Vec<String>> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let text = expand(text);
    // A digit behind a percentile belongs to it.
    let text = text.replace(".p99.9", ".p99_9");
    let names: Vec<String> = text.split('.').map(str::to_owned).collect();
    let is_name = |name: &String| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':'))
    };
    names.iter().all(is_name).then_some(names)
}

fn expand(text: &str) -> String {
    let (first, rest) = text
        .split_once('.')
        .map_or((text, None), |(first, rest)| (first, Some(rest)));
    let Some((_, long)) = ALIASES.iter().find(|(short, _)| *short == first) else {
        return text.to_owned();
    };
    match rest {
        None => (*long).to_owned(),
        // `join` is a part of the report, too, whose figures have names of their own.
        Some(rest) if first == "join" && !is_of_times(rest) => text.to_owned(),
        Some(rest) => format!("{long}.{rest}"),
    }
}

/// Whether it is what a summary of times has.
fn is_of_times(name: &str) -> bool {
    matches!(name, "count" | "min" | "mean" | "max")
        || name
            .strip_prefix('p')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn parse_value(text: &str) -> Option<(f64, Unit)> {
    match text {
        "true" => return Some((1.0, Unit::Truth)),
        "false" => return Some((0.0, Unit::Truth)),
        _ => {}
    }
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = match text.get(number.len()..)? {
        "" => Unit::None,
        "us" => Unit::Microseconds,
        "ms" => Unit::Milliseconds,
        "s" => Unit::Seconds,
        "m" => Unit::Minutes,
        "%" => Unit::Percent,
        "k" => Unit::Kilo,
        "M" => Unit::Mega,
        "G" => Unit::Giga,
        _ => return None,
    };
    let number = number.trim_end();
    let is_plain = number
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let value: f64 = number.parse().ok()?;
    (is_plain && value.is_finite()).then_some((value, unit))
}

impl Op {
    const ALL: [(&'static str, Self); 6] = [
        // Longer ones first.
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<", Self::Below),
        (">", Self::Above),
    ];

    fn split(text: &str) -> Option<(Self, &str)> {
        Self::ALL
            .iter()
            .find_map(|(sign, op)| Some((*op, text.strip_prefix(sign)?)))
    }

    fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, op)| *op == self);
        found.map_or("", |(sign, _)| sign)
    }

    fn holds(self, measured: f64, limit: f64) -> bool {
        match self {
            Self::Below => measured < limit,
            Self::AtMost => measured <= limit,
            Self::Above => measured > limit,
            Self::AtLeast => measured >= limit,
            Self::Equal => (measured - limit).abs() < f64::EPSILON,
            Self::Unequal => (measured - limit).abs() >= f64::EPSILON,
        }
    }
}

impl Unit {
    /// To what reports are written in.
    const fn scale(self) -> f64 {
        match self {
            Self::None | Self::Milliseconds | Self::Percent | Self::Truth => 1.0,
            Self::Microseconds => 0.001,
            Self::Seconds | Self::Kilo => 1000.0,
            Self::Minutes => 60_000.0,
            Self::Mega => 1e6,
            Self::Giga => 1e9,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::None | Self::Truth => "",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Percent => "%",
            Self::Kilo => "k",
            Self::Mega => "M",
            Self::Giga => "G",
        }
    }

    /// A figure of a report, as who asked wrote it.
    fn show(self, figure: f64) -> String {
        if self == Self::Truth {
            return (figure != 0.0).to_string();
        }
        let text = format!("{:.3}", figure / self.scale());
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{}", self.as_str())
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path.join("."), self.op.as_str())?;
        if self.unit == Unit::Truth {
            return write!(f, "{}", self.limit != 0.0);
        }
        write!(f, "{}{}", self.limit, self.unit.as_str())
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
#[path = "assertion/tests.rs"]
mod tests;
