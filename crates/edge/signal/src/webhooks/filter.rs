//! Which events a target gets.

use super::{WebhookError, event::EVENTS};

/// Which events a target gets.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Names, or beginnings of names that end in `*`.
    events: Vec<String>,
    /// None: all.
    namespaces: Vec<String>,
}

impl Filter {
    /// No names: all events.
    pub(crate) fn new(events: &[String], namespaces: &[String]) -> Result<Self, WebhookError> {
        let unknown = |name: &&String| !EVENTS.iter().any(|event| matches(name, event));
        if let Some(name) = events.iter().find(unknown) {
            return Err(WebhookError::Event {
                name: name.clone(),
                known: EVENTS.join(", "),
            });
        }
        let mut events = events.to_vec();
        if events.is_empty() {
            events.push("*".to_owned());
        }
        Ok(Self {
            events,
            namespaces: namespaces.to_vec(),
        })
    }

    pub(crate) fn wants(&self, event: &str, namespace: &str) -> bool {
        let named = self.events.iter().any(|pattern| matches(pattern, event));
        named && (self.namespaces.is_empty() || self.namespaces.iter().any(|it| it == namespace))
    }

    pub(crate) fn events(&self) -> &[String] {
        &self.events
    }

    pub(crate) fn namespaces(&self) -> &[String] {
        &self.namespaces
    }
}

fn matches(pattern: &str, event: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => event.starts_with(beginning),
        None => pattern == event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beginnings_and_namespaces_choose() {
        let strings = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let all = Filter::new(&[], &[]).expect("everything");
        assert!(EVENTS.iter().all(|event| all.wants(event, "any")));
        let some = Filter::new(&strings(&["peer*", "roomClosed"]), &strings(&["a", "b"]));
        let some = some.expect("known");
        assert!(some.wants("peerJoined", "a") && some.wants("roomClosed", "b"));
        assert!(!some.wants("roomOpened", "a") && !some.wants("peerJoined", "c"));
        for unknown in ["peerSneezed", "peer", "pear*", ""] {
            assert!(Filter::new(&strings(&[unknown]), &[]).is_err(), "{unknown}");
        }
    }
}
