//! The alert rules. They are YAML, of which only as much is read as they need: a key and its value on each line.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};

use super::Named;

/// The expressions of all rules. Each rule must say what it means and how bad it is.
pub(crate) fn expressions(text: &str) -> anyhow::Result<Vec<Named>> {
    let mut rules: Vec<BTreeMap<&str, String>> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indentation = line.len() - content.len();
        let pair = content.trim_start_matches("- ").split_once(':');
        let (key, value) = pair.with_context(|| format!("line {number} is no key and value"))?;
        let value = unquote(value.trim()).with_context(|| format!("line {number}"))?;
        match (indentation, key) {
            (0, "groups") | (2, "name") | (4, "rules") | (8, "labels" | "annotations") => {}
            (6, "alert") => rules.push(BTreeMap::from([(key, value)])),
            (8, "expr" | "for") | (10, "severity" | "summary" | "description") => {
                let rule = rules.last_mut().context("a line before the first alert")?;
                ensure!(
                    rule.insert(key, value).is_none(),
                    "line {number}: {key} comes twice"
                );
            }
            _ => bail!("line {number}: {key} is not understood here"),
        }
    }
    ensure!(!rules.is_empty(), "no rules");
    rules.into_iter().map(named).collect()
}

fn named(mut rule: BTreeMap<&str, String>) -> anyhow::Result<Named> {
    let name = rule.remove("alert").unwrap_or_default();
    for key in ["for", "severity", "summary", "description"] {
        let value = rule.get(key).is_some_and(|value| !value.is_empty());
        ensure!(value, "{name} has no {key}");
    }
    let severity = &rule["severity"];
    ensure!(
        ["critical", "warning"].contains(&severity.as_str()),
        "{name}: how bad is {severity}?"
    );
    let text = rule.remove("expr");
    let text = text.with_context(|| format!("{name} has no expr"))?;
    Ok(Named { name, text })
}

/// A plain value, or one in single quotes. Plain ones must not look like something else to other readers.
fn unquote(value: &str) -> anyhow::Result<String> {
    if let Some(inner) = value.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'').context("a quote does not end")?;
        ensure!(
            !inner.replace("''", "").contains('\''),
            "a quote inside quotes"
        );
        return Ok(inner.replace("''", "'"));
    }
    let risky = value.starts_with(['"', '|', '>', '{', '[', '&', '*', '!', '%', '@', '`'])
        || value.contains(": ")
        || value.contains(" #");
    ensure!(!risky, "put the value in single quotes: {value}");
    Ok(value.to_owned())
}
