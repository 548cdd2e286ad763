//! What may stand at the cursor: words of commands, and names that the node knows.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use reedline::{Completer, CompletionResult, Span, Suggestion};
use reqwest::Method;
use serde_json::Value;

use crate::{
    client::Request,
    grammar::{JSON, Kind, Part, SPECS, parse},
    node::Node,
    request,
    show::room_name,
    words::{quote, split_open},
};

/// Names are asked for again after so long: a menu asks with every key.
const FRESH: Duration = Duration::from_secs(3);

/// More are of no use in a menu.
const MAX_SUGGESTIONS: usize = 100;

/// Completes lines with what a node knows.
pub(crate) struct NodeCompleter {
    node: Arc<Node>,
    /// Answers by command.
    answers: HashMap<String, (Instant, Option<Value>)>,
}

impl NodeCompleter {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            answers: HashMap::new(),
        }
    }

    /// What may stand where the last of these words begins.
    fn candidates(&mut self, before: &[String]) -> Vec<(String, Option<&'static str>)> {
        let mut found: Vec<(String, Option<&'static str>)> = Vec::new();
        for spec in SPECS {
            let Some(part) = spec.part_after(before) else {
                continue;
            };
            match part {
                Part::Is(word) => {
                    let help = before.is_empty().then_some(spec.help);
                    if !found.iter().any(|(known, _)| known == word) {
                        found.push((word.to_owned(), help));
                    }
                }
                Part::One(kind) | Part::Maybe(kind) | Part::Rest(kind) => {
                    // The first name of a command about rooms is the room's.
                    let at = spec
                        .parts
                        .iter()
                        .position(|it| *it == Part::One(Kind::Room));
                    let room = at.and_then(|at| before.get(at)).cloned();
                    for name in self.names(kind, room.as_deref()) {
                        if !found.iter().any(|(known, _)| *known == name) {
                            found.push((name, None));
                        }
                    }
                }
            }
        }
        if !before.is_empty() {
            found.push((JSON.to_owned(), Some("the answer as it comes")));
        }
        found
    }

    fn names(&mut self, kind: Kind, room: Option<&str>) -> Vec<String> {
        let room = quote(room.unwrap_or_default());
        let strings = |list: &Value, member: &str| -> Vec<String> {
            let list = list.as_array().into_iter().flatten();
            list.filter_map(|it| Some(it[member].as_str()?.to_owned()))
                .collect()
        };
        match kind {
            Kind::Command => SPECS.iter().map(|spec| spec.name().to_owned()).collect(),
            Kind::Object => ["transport:", "producer:", "consumer:"]
                .map(String::from)
                .to_vec(),
            Kind::Worker => {
                let stats = self.answer("workers");
                let workers = stats["workers"].as_array().into_iter().flatten();
                workers
                    .map(|worker| worker["workerId"].to_string())
                    .collect()
            }
            Kind::Node => strings(&self.answer("nodes")["nodes"], "id"),
            Kind::Namespace => {
                let answer = self.answer("namespaces");
                strings(members(&answer, "namespaces"), "namespace")
            }
            Kind::Room => {
                let answer = self.answer("rooms");
                let rooms = members(&answer, "rooms").as_array().into_iter().flatten();
                rooms.map(room_name).collect()
            }
            Kind::Peer => {
                let answer = self.answer(&format!("room {room}"));
                strings(&answer["peers"], "peerId")
            }
            Kind::Transport | Kind::Producer | Kind::Consumer => {
                let answer = self.answer(&format!("room {room}"));
                let peers = answer["peers"].as_array().into_iter().flatten();
                let transports = peers.map(|peer| &peer["transports"]);
                let found = transports.flat_map(|transports| {
                    let each = transports.as_array().into_iter().flatten();
                    match kind {
                        Kind::Transport => strings(transports, "transportId"),
                        Kind::Producer => each
                            .flat_map(|it| strings(&it["producers"], "producerId"))
                            .collect(),
                        _ => each
                            .flat_map(|it| strings(&it["consumers"], "consumerId"))
                            .collect(),
                    }
                });
                found.collect()
            }
            Kind::DeadLetter => strings(&self.answer("dead-letters")["deadLetters"], "id"),
            _ => kind.fixed().iter().map(ToString::to_string).collect(),
        }
    }

    /// What the node says to a command that changes nothing; `null` if nothing.
    fn answer(&mut self, line: &str) -> Value {
        let now = Instant::now();
        if let Some((asked, answer)) = self.answers.get(line)
            && now.saturating_duration_since(*asked) < FRESH
        {
            return answer.clone().unwrap_or_default();
        }
        let request = parse(line)
            .ok()
            .flatten()
            .and_then(|invocation| request::request(&invocation).ok())
            .filter(|request: &Request| request.method == Method::GET);
        let answer = request.and_then(|request| self.node.ask(&request).ok());
        self.answers
            .retain(|_, (asked, _)| now.saturating_duration_since(*asked) < FRESH);
        self.answers
            .insert(line.to_owned(), (Instant::now(), answer.clone()));
        answer.unwrap_or_default()
    }
}

/// A list, which may stand in an object under this name.
fn members<'a>(answer: &'a Value, name: &str) -> &'a Value {
    if answer.is_array() {
        answer
    } else {
        &answer[name]
    }
}

impl Completer for NodeCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let written = line.get(..pos).unwrap_or(line);
        let (mut words, is_open) = split_open(written);
        let ends_word = written.is_empty() || written.ends_with(char::is_whitespace);
        let (begun, start) = match words.pop() {
            Some(word) if is_open || !ends_word => (word.text, word.start),
            other => {
                words.extend(other);
                (String::new(), written.len())
            }
        };
        let before: Vec<String> = words.into_iter().map(|word| word.text).collect();
        let before: Vec<String> = before.into_iter().filter(|word| word != JSON).collect();
        let candidates = self.candidates(&before).into_iter();
        let fitting = candidates.filter(|(name, _)| name.starts_with(&begun));
        let suggestions: Vec<_> = fitting
            .take(MAX_SUGGESTIONS)
            .map(|(name, help)| Suggestion {
                value: quote(&name),
                description: help.map(ToOwned::to_owned),
                span: Span::new(start, pos.max(start)),
                append_whitespace: !name.ends_with(':'),
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn completer() -> NodeCompleter {
        // Nobody listens there; what is asked is remembered.
        let node = Node::new(&crate::Options {
            url: "http://127.0.0.1:9".to_owned(),
            ..crate::Options::default()
        });
        let node = node.expect("an address");
        let mut completer = NodeCompleter::new(Arc::new(node));
        let mut know = |line: &str, answer: Value| {
            // Still fresh when a slow machine gets there.
            let asked = Instant::now() + Duration::from_hours(1);
            completer
                .answers
                .insert(line.to_owned(), (asked, Some(answer)));
        };
        know(
            "workers",
            json!({"workers": [{"workerId": 0}, {"workerId": 1}]}),
        );
        know(
            "rooms",
            json!([
            {"namespace": "default", "room": "board room"}, {"namespace": "acme", "room": "r"}]),
        );
        know(
            "room acme/r",
            json!({"peers": [{"peerId": "ada", "transports": [
            {"producers": [{"producerId": "p1"}], "consumers": [{"consumerId": "c1"}]}]}]}),
        );
        completer
    }

    fn values(line: &str) -> Vec<String> {
        let result = completer().complete(line, line.len());
        let all = result.suggestions().iter().map(|it| it.value.clone());
        all.filter(|value| value != JSON).collect()
    }

    #[test]
    fn commands_and_names_are_completed() {
        assert_eq!(values("wo"), ["workers", "worker"]);
        assert_eq!(
            values("close "),
            ["room", "transport", "producer", "consumer"]
        );
        assert_eq!(values("worker "), ["0", "1"]);
        assert_eq!(values("kick "), ["\"board room\"", "acme/r"]);
        assert_eq!(values("kick \"bo"), ["\"board room\""]);
        assert_eq!(values("kick acme/r "), ["ada"]);
        assert_eq!(values("role acme/r ada "), ["host", "speaker", "listener"]);
        assert_eq!(values("close consumer acme/r "), ["c1"]);
        assert_eq!(values("log-worker 0 info i"), ["info", "ice"]);
        assert_eq!(values("help dr"), ["drain"]);
        assert_eq!(values("dance "), Vec::<String>::new());
        assert_eq!(values("kick nowhere "), Vec::<String>::new());
    }

    #[test]
    fn what_is_completed_replaces_what_was_written_of_it() {
        let line = "kick \"bo";
        let result = completer().complete(line, line.len());
        let suggestion = &result.suggestions()[0];
        assert_eq!((suggestion.span.start, suggestion.span.end), (5, 8));
        assert!(suggestion.append_whitespace);
    }
}
