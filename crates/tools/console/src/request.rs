//! Commands as requests to the node.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Failure, Request},
    grammar::{Action, Invocation},
};

/// Requests of one command, in turn; the last answer counts.
pub(crate) fn request(invocation: &Invocation) -> Result<Request, Failure> {
    let values = &invocation.values;
    let value = |index: usize| values.get(index).map_or("", String::as_str);
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    let request = match invocation.action {
        Action::Status => Request::new(get, ["readyz"]),
        Action::Stats => api(get, ["stats"]),
        Action::Workers | Action::Worker => Request::new(get, ["stats"]),
        Action::Namespaces => api(get, ["namespaces"]),
        Action::Nodes => api(get, ["nodes"]),
        Action::Node => api(get, ["nodes", value(0)]),
        Action::Why => room(get, value(0), &["peers", value(1), "placement"]),
        Action::Rooms => {
            let mut request = api(get, ["rooms"]);
            request.query = values.iter().map(|it| ("namespace", it.clone())).collect();
            request
        }
        Action::Room
        | Action::Peers
        | Action::Peer
        | Action::Transports
        | Action::Producers
        | Action::Consumers => room(get, value(0), &[]),
        Action::StatsOf => {
            let list = format!("{}s", invocation.what.unwrap_or_default());
            room(get, value(0), &[&list, value(1), "stats"])
        }
        Action::Open => {
            let (namespace, name) = split(value(0));
            api(post, ["rooms"]).with(json!({"namespace": namespace, "room": name}))
        }
        Action::CloseRoom => room(delete, value(0), &[]),
        Action::CloseTransport => room(delete, value(0), &["transports", value(1)]),
        Action::CloseProducer => room(delete, value(0), &["producers", value(1)]),
        Action::CloseConsumer => room(delete, value(0), &["consumers", value(1)]),
        Action::Kick => room(delete, value(0), &["peers", value(1)]),
        Action::Admit => room(post, value(0), &["peers", value(1), "admit"]),
        Action::Refuse => room(post, value(0), &["peers", value(1), "refuse"]),
        Action::Mute => {
            room(post, value(0), &["peers", value(1), "mute"]).with(kind_body(values.get(2)))
        }
        Action::MuteAll => room(post, value(0), &["mute"]).with(kind_body(values.get(1))),
        Action::Lock => change(value(0), json!({"locked": true})),
        Action::Unlock => change(value(0), json!({"locked": false})),
        Action::Lobby => change(value(0), json!({"lobby": switch(value(1))?})),
        Action::Role => {
            room(put, value(0), &["peers", value(1), "role"]).with(json!({"role": value(2)}))
        }
        Action::Drain => api(post, ["workers", value(0), "drain"]),
        Action::Undrain => api(delete, ["workers", value(0), "drain"]),
        Action::Restart => api(post, ["workers", "restart"]),
        Action::Restarting => api(get, ["workers", "restart"]),
        Action::Log => match values.first() {
            None => api(get, ["log"]),
            Some(level) => api(put, ["log"]).with(json!({"level": level})),
        },
        Action::LogWorker => {
            let path = ["workers", value(0), "log"];
            match values.get(1) {
                None => api(get, path),
                Some(level) => api(put, path).with(json!({
                    "level": level,
                    "tags": tags(values.get(2..).unwrap_or_default()),
                })),
            }
        }
        Action::Trace => {
            let body = trace_body(value(1), values.get(2..).unwrap_or_default())?;
            api(put, ["workers", value(0), "trace"]).with(body)
        }
        Action::Traces => api(get, ["workers", value(0), "trace"]),
        Action::Webhooks => api(get, ["webhooks"]),
        Action::DeadLetters => api(get, ["webhooks", "dead-letters"]),
        Action::Retry => match values.first() {
            None => api(post, ["webhooks", "dead-letters", "retry"]),
            Some(id) => api(post, ["webhooks", "dead-letters", id, "retry"]),
        },
        // Nobody is asked.
        Action::Help | Action::Exit => Request::new(get, ["healthz"]),
    };
    Ok(request)
}

fn api<const N: usize>(method: Method, path: [&str; N]) -> Request {
    Request::new(method, ["api", "v1"].into_iter().chain(path))
}

/// Namespace and room of `NAME` or `NAMESPACE/NAME`.
fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("default", name))
}

fn change(name: &str, what: Value) -> Request {
    room(Method::PATCH, name, &[]).with(what)
}

fn switch(word: &str) -> Result<bool, Failure> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Failure::Refused {
            code: 400,
            reason: format!("{other:?} is neither on nor off"),
        }),
    }
}

/// Something about a room.
fn room(method: Method, name: &str, path: &[&str]) -> Request {
    let (namespace, room) = split(name);
    let path = ["api", "v1", "rooms", namespace, room]
        .into_iter()
        .chain(path.iter().copied());
    Request::new(method, path)
}

fn kind_body(kind: Option<&String>) -> Value {
    match kind {
        None => json!({}),
        Some(kind) => json!({"kind": kind}),
    }
}

/// Without any tags all of them: a level alone is meant for everything.
fn tags(given: &[String]) -> Vec<&str> {
    if given.is_empty() {
        return crate::grammar::Kind::Tag.fixed().to_vec();
    }
    given.iter().map(String::as_str).collect()
}

fn trace_body(object: &str, types: &[String]) -> Result<Value, Failure> {
    let (kind, id) = object.split_once(':').unwrap_or_default();
    let name = match kind {
        "transport" => "transportId",
        "producer" => "producerId",
        "consumer" => "consumerId",
        _ => {
            return Err(Failure::Refused {
                code: 400,
                reason: format!(
                    "{object:?} names no object: write transport:ID, producer:ID or consumer:ID"
                ),
            });
        }
    };
    Ok(json!({name: id, "types": types}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{SPECS, parse};

    fn asked(line: &str) -> (String, String, Option<Value>) {
        let invocation = parse(line).expect("a command").expect("something");
        let request = request(&invocation).expect("a request");
        (
            request.method.to_string(),
            request.path.join(" "),
            request.body,
        )
    }

    #[test]
    fn commands_ask_what_they_say() {
        let room = "api v1 rooms default r";
        assert_eq!(
            asked("kick r ada"),
            ("DELETE".into(), format!("{room} peers ada"), None)
        );
        assert_eq!(asked("close room acme/r").1, "api v1 rooms acme r");
        assert_eq!(asked("node fra-1").1, "api v1 nodes fra-1");
        assert_eq!(asked("why r ada").1, format!("{room} peers ada placement"));
        assert_eq!(asked("lobby r on").2, Some(json!({"lobby": true})));
        assert_eq!(
            asked("stats producer r p1").1,
            format!("{room} producers p1 stats")
        );
        assert_eq!(
            asked("open acme/r").2,
            Some(json!({"namespace": "acme", "room": "r"}))
        );
        let maybe = parse("lobby r maybe").expect("a command");
        assert!(request(&maybe.expect("something")).is_err());
        assert_eq!(asked("mute r ada").2, Some(json!({})));
        assert_eq!(asked("mute-all r audio").2, Some(json!({"kind": "audio"})));
        let all = asked("log-worker 1 debug").2.expect("a body");
        assert_eq!(all["tags"].as_array().map(Vec::len), Some(12));
        assert_eq!(
            asked("log-worker 1 debug ice").2,
            Some(json!({"level": "debug", "tags": ["ice"]}))
        );
        assert_eq!(
            asked("trace 0 producer:x rtp").2,
            Some(json!({"producerId": "x", "types": ["rtp"]}))
        );
        let wrong = parse("trace 0 x").expect("a command").expect("something");
        assert!(request(&wrong).is_err());
    }

    #[test]
    fn reading_changes_nothing() {
        for spec in SPECS {
            let invocation = Invocation {
                action: spec.action,
                what: None,
                values: vec!["x".to_owned()],
                json: false,
            };
            let Ok(request) = request(&invocation) else {
                continue;
            };
            let changes = request.method != Method::GET;
            let says_so = [
                "open", "admit", "refuse", "close", "kick", "mute", "mute-all", "lock", "unlock",
                "lobby", "role", "drain", "undrain", "restart", "log", "trace", "retry",
            ];
            assert!(
                !changes || says_so.contains(&spec.name()),
                "{}",
                spec.name()
            );
        }
    }
}
