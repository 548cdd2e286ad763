//! The results as a table, for terminals and for the page.

use std::fmt::Write as _;

use crate::{Figures, Report, Spread};

/// What a row says, and how it is read off.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: [Row; 26] = [
    ("People placed", |f| count(f.joins)),
    ("People refused", |f| count(f.refused)),
    ("Round trip to the node, p50, ms", |f| {
        tenth(f.round_trip_ms.p50)
    }),
    ("p95", |f| tenth(f.round_trip_ms.p95)),
    ("p99", |f| tenth(f.round_trip_ms.p99)),
    ("From one person to another, p50, ms", |f| {
        tenth(f.path_ms.p50)
    }),
    ("p95", |f| tenth(f.path_ms.p95)),
    ("p99", |f| tenth(f.path_ms.p99)),
    ("Load at the busiest moment, mean", |f| {
        percent(f.load_at_peak.mean)
    }),
    ("p95 of the nodes", |f| percent(f.load_at_peak.p95)),
    ("fullest node", |f| percent(f.load_at_peak.max)),
    ("Fullest node of the day", |f| percent(f.highest_load)),
    ("Nodes and moments with more than 100 %", |f| {
        percent_fine(f.overloaded)
    }),
    ("Between nodes, mean, Gb/s", |f| gigabits(f.piped_mean)),
    ("at its highest, Gb/s", |f| gigabits(f.piped_peak)),
    ("of all that nodes send", |f| percent(f.piped_share)),
    ("most that one node sent to others, Mb/s", |f| {
        format!("{:.0}", f.piped_by_one / 1e6)
    }),
    ("Nodes of a room, mean", |f| {
        format!("{:.2}", f.nodes_per_room)
    }),
    ("Nodes of the event", |f| count(f.nodes_of_event)),
    ("Hops of its tree", |f| optional(f.tree_depth)),
    ("nodes for which the tree had no room", |f| {
        if f.tree_depth == 0 {
            return "–".to_owned();
        }
        f.tree_unreachable.to_string()
    }),
    ("Moved because a node failed", |f| {
        count(f.moved_by_failures)
    }),
    ("Moved because a node was drained", |f| {
        count(f.moved_by_drains)
    }),
    ("Lost a node and found no other", |f| count(f.lost)),
    ("A decision, p50 / p99, µs", |f| times(&f.decision_us)),
    ("A decision for the event, p50 / p99, µs", |f| {
        times(&f.event_decision_us)
    }),
];

/// The results in columns, aligned for a terminal.
#[must_use]
pub fn table(report: &Report) -> String {
    let names = report
        .results
        .iter()
        .map(|figures| figures.choice.to_string());
    let mut lines = vec![line("", names)];
    for (name, value) in ROWS {
        lines.push(line(name, report.results.iter().map(value)));
    }
    lines.concat()
}

fn line(name: &str, values: impl Iterator<Item = String>) -> String {
    let mut line = format!("{name:<42}");
    for value in values {
        let _ = write!(line, "{value:>17}");
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// The same in Markdown.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = String::from("| |");
    for figures in &report.results {
        let _ = write!(text, " `{}` |", figures.choice);
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(report.results.len()));
    for (name, value) in ROWS {
        let _ = write!(text, "\n| {name} |");
        for figures in &report.results {
            let _ = write!(text, " {} |", value(figures));
        }
    }
    text.push('\n');
    text
}

/// With a thin space between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 3 == first {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

fn tenth(number: f64) -> String {
    format!("{number:.1}")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn percent_fine(share: f64) -> String {
    format!("{:.3} %", share * 100.0)
}

/// What nobody decided took no time.
fn times(spread: &Spread) -> String {
    if spread.max == 0.0 {
        "–".to_owned()
    } else {
        format!("{:.1} / {:.1}", spread.p50, spread.p99)
    }
}

fn optional(number: u32) -> String {
    if number == 0 {
        "–".to_owned()
    } else {
        number.to_string()
    }
}

fn gigabits(bitrate: f64) -> String {
    format!("{:.2}", bitrate / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1\u{2009}234\u{2009}567");
        assert_eq!(count(123_456), "123\u{2009}456");
    }
}
