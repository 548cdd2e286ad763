//! The table of metrics.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};

/// What is known of a metric.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    pub(crate) kind: Kind,
    /// Labels, and the values that they can have; none listed: any.
    pub(crate) labels: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// Metrics by the names under which they are asked for.
pub(crate) type Metrics = BTreeMap<String, Metric>;

/// Reads the rows of the page.
pub(crate) fn parse(page: &str) -> anyhow::Result<Metrics> {
    let mut metrics = Metrics::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, _] = cells[..] else {
            bail!("not four columns: {row}");
        };
        let name = name.trim_matches('`');
        let kind = match kind {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "info" => Kind::Info,
            other => bail!("{name} is a {other}"),
        };
        let labels = labels.split("; ").filter(|label| !label.is_empty());
        let labels = labels.map(parse_label).collect::<Result<_, _>>()?;
        metrics.insert(name.to_owned(), Metric { kind, labels });
    }
    ensure!(!metrics.is_empty(), "no metric is listed");
    Ok(metrics)
}

/// `` `name` `` or `` `name` (value, value) ``.
fn parse_label(text: &str) -> anyhow::Result<(String, Vec<String>)> {
    let rest = text.strip_prefix('`').context("a label without quotes")?;
    let (name, rest) = rest.split_once('`').context("a label without quotes")?;
    let values = rest.trim().trim_start_matches('(').trim_end_matches(')');
    let values = values.split(", ").filter(|value| !value.is_empty());
    Ok((name.to_owned(), values.map(str::to_owned).collect()))
}
