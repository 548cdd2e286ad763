//! Checks of what is deployed beside the binary: the Grafana board and the alert rules use only what a node exports, and
//! in ways that make sense. What a node exports stands in `docs/metrics.md`, which a test of `plenum-signal` keeps true.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};

mod board;
mod expression;
mod rules;
mod table;
#[cfg(test)]
mod tests;

/// What was checked.
pub(crate) struct Report {
    pub(crate) expressions: usize,
    pub(crate) metrics: usize,
}

/// Checks the files of a repository.
pub(crate) fn check(root: &Path) -> anyhow::Result<Report> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let metrics = table::parse(&read(METRICS)?).context(METRICS)?;
    let mut found = Vec::new();
    for path in BOARDS {
        let expressions = board::expressions(&read(path)?).context(*path)?;
        found.extend(expressions.into_iter().map(|it| (*path, it)));
    }
    for path in RULES {
        let expressions = rules::expressions(&read(path)?).context(*path)?;
        found.extend(expressions.into_iter().map(|it| (*path, it)));
    }
    let problems: Vec<String> = found
        .iter()
        .flat_map(|(path, named)| {
            let problems = expression::check(&metrics, &named.text);
            problems
                .into_iter()
                .map(move |problem| format!("{path}: {}: {problem}", named.name))
        })
        .collect();
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(Report {
        expressions: found.len(),
        metrics: metrics.len(),
    })
}

const METRICS: &str = "docs/metrics.md";
const BOARDS: &[&str] = &["deploy/grafana/plenum.json"];
const RULES: &[&str] = &["deploy/grafana/alerts.yml"];

/// An expression and what it is for.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) text: String,
}
