//! `[webhooks]`: who is told what happens in rooms.

use std::path::PathBuf;

use toml::{Table, Value};

use crate::{Secret, setting::Setting};

/// `[webhooks]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhooks {
    /// Where events are posted to; `None`: nowhere but to `targets`.
    pub url: Option<String>,
    /// What deliveries are signed with; two while one is exchanged.
    pub secret: Vec<Secret>,
    /// A file with further secrets, one a line, that is read again when it changes.
    pub secret_file: Option<PathBuf>,
    /// Names of events, a part of them ending in `*`.
    pub events: String,
    /// Further receivers.
    pub targets: Vec<WebhookTarget>,
    /// Seconds that a receiver may take to answer.
    pub timeout_s: u32,
    /// Deliveries of an event that may fail before it is given up.
    pub max_attempts: u32,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            url: None,
            secret: Vec::new(),
            secret_file: None,
            events: "*".into(),
            targets: Vec::new(),
            // What receivers elsewhere are given is five to thirty.
            timeout_s: 10,
            // With pauses that double up to a minute about five minutes: a restart of the receiver.
            max_attempts: 10,
        }
    }
}

impl Webhooks {
    /// All receivers: the one that stands alone first.
    pub fn all(&self) -> Vec<WebhookTarget> {
        let alone = self.url.iter().map(|url| WebhookTarget {
            url: url.clone(),
            secret: self.secret.clone(),
            secret_file: self.secret_file.clone(),
            events: self.events.clone(),
            namespaces: String::new(),
        });
        alone.chain(self.targets.iter().cloned()).collect()
    }
}

/// One of `webhooks.targets`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookTarget {
    /// Where events are posted to.
    pub url: String,
    /// As [`Webhooks::secret`].
    pub secret: Vec<Secret>,
    /// As [`Webhooks::secret_file`].
    pub secret_file: Option<PathBuf>,
    /// As [`Webhooks::events`].
    pub events: String,
    /// Namespaces whose events it gets, apart by white space; empty: all.
    pub namespaces: String,
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn from_toml(value: &Value) -> Option<Self> {
        value.as_str().map(Into::into)
    }

    fn to_toml(&self) -> Option<Value> {
        // Every path that a setting can name is text.
        self.to_str().map(|text| Value::String(text.into()))
    }
}

impl Setting for Vec<WebhookTarget> {
    const EXPECTED: &'static str =
        "tables with url and, if need be, secret, secret_file, events, namespaces";

    /// As in the file: there is no short form.
    fn from_text(text: &str) -> Option<Self> {
        let table: Table = format!("targets = {text}").parse().ok()?;
        Self::from_toml(table.get("targets")?)
    }

    fn from_toml(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(target).collect()
    }

    fn to_toml(&self) -> Option<Value> {
        let tables = self.iter().map(|target| Value::Table(table(target)));
        (!self.is_empty()).then(|| Value::Array(tables.collect()))
    }
}

fn table(target: &WebhookTarget) -> Table {
    let text = |text: &String| (!text.is_empty()).then(|| Value::String(text.clone()));
    let values = [
        ("url", text(&target.url)),
        ("secret", target.secret.to_toml()),
        ("secret_file", target.secret_file.to_toml()),
        ("events", text(&target.events)),
        ("namespaces", text(&target.namespaces)),
    ];
    let given = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}

fn target(value: &Value) -> Option<WebhookTarget> {
    let table = value.as_table()?;
    let mut target = WebhookTarget {
        url: String::from_toml(table.get("url")?)?,
        secret: Vec::new(),
        secret_file: None,
        events: Webhooks::default().events,
        namespaces: String::new(),
    };
    for (name, value) in table {
        match name.as_str() {
            "url" => {}
            "secret" => target.secret = Vec::from_toml(value)?,
            "secret_file" => target.secret_file = Some(PathBuf::from_toml(value)?),
            "events" => target.events = words(value)?,
            "namespaces" => target.namespaces = words(value)?,
            _ => return None,
        }
    }
    Some(target)
}

/// A text, or a list of words.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Array(list) => {
            let words: Option<Vec<_>> = list.iter().map(Value::as_str).collect();
            Some(words?.join(" "))
        }
        one => String::from_toml(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Option<Vec<WebhookTarget>> {
        let table: Table = text.parse().expect("TOML");
        Vec::from_toml(&table["targets"])
    }

    #[test]
    fn targets_are_tables() {
        let all = targets(
            "targets = [{ url = \"https://a/\", secret = [\"n\", \"o\"], events = [\"peer*\", \"roomClosed\"] }, { url = \"http://b\", secret_file = \"/s\", namespaces = \"x y\" }]",
        );
        let all = all.expect("well-formed");
        assert_eq!(
            (all[0].secret.len(), &*all[0].events),
            (2, "peer* roomClosed")
        );
        assert_eq!(all[1].secret_file, Some("/s".into()));
        assert_eq!((&*all[1].namespaces, &*all[1].events), ("x y", "*"));
        for wrong in [
            "targets = 7",
            "targets = [{}]",
            "targets = [{ url = 7 }]",
            "targets = [{ url = \"x\", sekret = \"s\" }]",
            "targets = [{ url = \"x\", events = [7] }]",
        ] {
            assert_eq!(targets(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_one_that_stands_alone_comes_first() {
        let settings = Webhooks {
            url: Some("https://one".to_owned()),
            secret: vec!["s".into()],
            targets: targets("targets = [{ url = \"https://two\" }]").expect("well-formed"),
            ..Webhooks::default()
        };
        let urls: Vec<_> = settings.all().into_iter().map(|it| it.url).collect();
        assert_eq!(urls, ["https://one", "https://two"]);
        assert!(Webhooks::default().all().is_empty());
    }
}
