//! Figures as tables: for the terminal, and as the page that is kept.

use std::{fmt::Write as _, time::Duration};

use plenum_harness::congestion::{Figures, Run};

/// Heads of the columns, short ones for the terminal.
const COLUMNS: [(&str, &str); 10] = [
    ("error", "Estimate off by"),
    ("estimate", "Estimate, Mb/s"),
    ("used", "Used of what fits"),
    ("q p50", "Queue p50, ms"),
    ("q p95", "Queue p95, ms"),
    ("loss", "Loss"),
    ("sw", "Switches"),
    ("gap", "Longest gap, ms"),
    ("back", "80 % after step up, s"),
    ("probes", "Probes"),
];

/// The head of the table in a terminal.
pub fn terminal_title() -> String {
    let heads = COLUMNS.map(|(short, _)| format!("{short:>9}"));
    format!("{:<16}{}", "link", heads.concat())
}

/// A run's row in a terminal.
pub fn terminal_row(run: &Run, figures: &Figures) -> String {
    let cells = cells(figures).map(|cell| format!("{cell:>9}"));
    format!("{:<16}{}", run.path.name, cells.concat())
}

/// The page: text, table and pictures. `notes` go between table and curves.
pub fn page(results: &[(Run, Figures)], head: &str, notes: &str) -> String {
    let mut page = String::from(head);
    let heads = COLUMNS.map(|(_, long)| long);
    // Writing to a string cannot fail.
    let _ = writeln!(page, "| Link | {} |", heads.join(" | "));
    let _ = writeln!(page, "| --- |{}", " --- |".repeat(COLUMNS.len()));
    for (run, figures) in results {
        let row = cells(figures).join(" | ");
        let _ = writeln!(
            page,
            "| [{}]({}.svg) | {row} |",
            run.path.title, run.path.name
        );
    }
    page.push_str(notes);
    for (run, _) in results {
        let _ = writeln!(page, "\n![{}]({}.svg)", run.path.title, run.path.name);
    }
    page
}

fn cells(figures: &Figures) -> [String; COLUMNS.len()] {
    let share = |value: f64| format!("{:.0} %", value * 100.0);
    let fine_share = |value: f64| format!("{:.1} %", value * 100.0);
    let millis = |time: Duration| time.as_millis().to_string();
    let back = figures.back_after.iter().map(|back| {
        back.map_or_else(
            || "never".into(),
            |back| format!("{:.1}", back.as_secs_f64()),
        )
    });
    let back: Vec<String> = back.collect();
    [
        figures.estimate_error.map_or_else(|| "–".into(), share),
        figures
            .estimate
            .map_or_else(|| "–".into(), |bits| format!("{:.2}", bits / 1e6)),
        share(figures.utilisation),
        millis(figures.queue_p50),
        millis(figures.queue_p95),
        fine_share(figures.loss),
        figures.switches.to_string(),
        millis(figures.longest_gap),
        if back.is_empty() {
            "–".into()
        } else {
            back.join(", ")
        },
        fine_share(figures.probation),
    ]
}
