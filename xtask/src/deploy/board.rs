//! The Grafana board.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::Named;

/// Everything that a board asks Prometheus. What a board must have to be usable is checked on the way.
pub(crate) fn expressions(text: &str) -> anyhow::Result<Vec<Named>> {
    let board: Value = serde_json::from_str(text).context("not JSON")?;
    for key in ["title", "uid"] {
        ensure!(board[key].is_string(), "the board has no {key}");
    }
    ensure!(
        board["id"].is_null(),
        "the board has the id of somebody's Grafana"
    );
    let panels = board["panels"].as_array().context("no panels")?;
    let (mut named, mut ids) = (Vec::new(), BTreeSet::new());
    for panel in panels {
        let title = panel["title"].as_str().context("a panel without title")?;
        let id = panel["id"].as_u64().context("a panel without id")?;
        ensure!(ids.insert(id), "two panels have the id {id}");
        ensure!(panel["gridPos"].is_object(), "{title} has no place");
        if panel["type"] == "row" {
            continue;
        }
        let source = panel["datasource"]["uid"].as_str();
        ensure!(
            source == Some("${datasource}"),
            "{title} is bound to somebody's data source"
        );
        let targets = panel["targets"].as_array().context("no targets")?;
        ensure!(!targets.is_empty(), "{title} shows nothing");
        for target in targets {
            let text = target["expr"].as_str().context("a target without expr")?;
            named.push(Named {
                name: title.to_owned(),
                text: text.to_owned(),
            });
        }
    }
    for variable in board["templating"]["list"].as_array().into_iter().flatten() {
        // `label_values(metric, label)` is Grafana's own.
        let query = variable["query"].as_str().unwrap_or_default();
        if let Some(inner) = query.strip_prefix("label_values(") {
            let metric = inner.split(',').next().unwrap_or_default();
            let name = variable["name"].as_str().unwrap_or("a variable");
            named.push(Named {
                name: name.to_owned(),
                text: metric.to_owned(),
            });
        }
    }
    Ok(named)
}
