//! Times as people write them: `90s`, `1.5m`, `250ms`.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer, Serializer};

/// A number with its unit; seconds without one.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "a number with ms, s, m or h behind it";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match text.get(digits.len()..) {
        Some("ms") => 0.001,
        Some("" | "s") => 1.0,
        Some("m") => 60.0,
        Some("h") => 3600.0,
        _ => return Err(EXPECTED),
    };
    let number: f64 = digits.parse().map_err(|_| EXPECTED)?;
    let seconds = number * scale;
    // A week is longer than anybody watches.
    if (0.0..=604_800.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("from 0 s to a week")
    }
}

pub(crate) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text)
        .map(Some)
        .map_err(|expected| serde::de::Error::custom(format!("\"{text}\": {expected} is expected")))
}

pub(crate) fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        for (text, milliseconds) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("250ms", 250),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "s", "-1s", "1w", "1 s", "NaN", "inf", "1e99s", "9h9"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
