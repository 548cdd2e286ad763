//! What is written on a WebSocket: protoo's frames, which our own dialect shares, and Socket.IO's.

use serde_json::{Map, Value, json};

use crate::{Dialect, Refusal};

/// A message of the server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Incoming {
    /// The answer to one of our requests.
    Answer {
        id: u64,
        result: Result<Value, Refusal>,
    },
    /// The server ended the session by a word (Socket.IO).
    Disconnected(String),
    /// Something that wants no answer.
    Notification { method: String, data: Value },
    /// A sign of life that is to be answered by this text (Socket.IO).
    Ping(&'static str),
    /// A question of the server.
    Request {
        id: u64,
        method: String,
        data: Value,
    },
}

/// A message with its number in our own dialect.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbered {
    pub(super) seq: Option<u64>,
    pub(super) message: Incoming,
}

/// Reads a frame; `None`: it is none that a client has to understand.
pub(super) fn parse(dialect: Dialect, text: &str) -> Option<Numbered> {
    let message = match dialect {
        Dialect::Plenum | Dialect::Protoo => return parse_protoo(text),
        Dialect::SocketIo => parse_socket_io(text)?,
    };
    Some(Numbered { seq: None, message })
}

fn parse_protoo(text: &str) -> Option<Numbered> {
    let Value::Object(mut frame) = serde_json::from_str(text).ok()? else {
        return None;
    };
    let is = |frame: &Map<String, Value>, word: &str| frame.get(word) == Some(&Value::Bool(true));
    let seq = frame.get("seq").and_then(Value::as_u64);
    let id = frame.get("id").and_then(Value::as_u64);
    let mut data = || frame.remove("data").unwrap_or_else(|| json!({}));
    let data = data();
    let method = |frame: &Map<String, Value>| frame.get("method")?.as_str().map(str::to_owned);
    let message = if is(&frame, "request") {
        Incoming::Request {
            id: id?,
            method: method(&frame)?,
            data,
        }
    } else if is(&frame, "response") {
        let result = if is(&frame, "ok") {
            Ok(data)
        } else {
            let code = frame.get("errorCode").and_then(Value::as_u64);
            let reason = frame.get("errorReason").and_then(Value::as_str);
            Err(Refusal {
                code: code.and_then(|code| code.try_into().ok()).unwrap_or(0),
                reason: reason.unwrap_or_default().to_owned(),
            })
        };
        Incoming::Answer { id: id?, result }
    } else if is(&frame, "notification") {
        Incoming::Notification {
            method: method(&frame)?,
            data,
        }
    } else {
        return None;
    };
    Some(Numbered { seq, message })
}

/// Engine.IO 4 with Socket.IO 5 inside, default namespace, no binary data.
fn parse_socket_io(text: &str) -> Option<Incoming> {
    let mut rest = text.chars();
    match rest.next()? {
        // The handshake of Engine.IO.
        '0' => {
            return Some(Incoming::Notification {
                method: OPENED.to_owned(),
                data: serde_json::from_str(rest.as_str()).ok()?,
            });
        }
        '1' => return Some(Incoming::Disconnected("closed".to_owned())),
        '2' => return Some(Incoming::Ping("3")),
        '4' => {}
        _ => return None,
    }
    let kind = rest.next()?;
    let rest = rest.as_str();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (id, data) = rest.split_at_checked(digits)?;
    let data = if data.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(data).ok()?
    };
    match kind {
        '0' => Some(Incoming::Notification {
            method: CONNECTED.to_owned(),
            data,
        }),
        '1' => Some(Incoming::Disconnected("disconnected".to_owned())),
        '2' => {
            let Value::Array(said) = data else {
                return None;
            };
            let mut said = said.into_iter();
            let method = said.next()?.as_str()?.to_owned();
            let data = said.next().unwrap_or_else(|| json!({}));
            Some(Incoming::Notification { method, data })
        }
        '3' => {
            let Value::Array(said) = data else {
                return None;
            };
            let value = said.into_iter().next().unwrap_or(Value::Null);
            let result = match value.get("error") {
                Some(error) => Err(Refusal {
                    code: 0,
                    reason: error
                        .as_str()
                        .map_or_else(|| error.to_string(), str::to_owned),
                }),
                None => Ok(value),
            };
            Some(Incoming::Answer {
                id: id.parse().ok()?,
                result,
            })
        }
        '4' => {
            let reason = data.get("message").and_then(Value::as_str);
            Some(Incoming::Disconnected(
                reason.unwrap_or("refused").to_owned(),
            ))
        }
        _ => None,
    }
}

/// Names of what Socket.IO says before anybody has said anything: no event can have them.
pub(super) const OPENED: &str = "(opened)";
pub(super) const CONNECTED: &str = "(connected)";

/// Writes a request. One of Socket.IO with number 0 wants no acknowledgement.
pub(super) fn request(dialect: Dialect, id: u64, method: &str, data: &Value) -> String {
    match dialect {
        Dialect::Plenum | Dialect::Protoo => {
            json!({"request": true, "id": id, "method": method, "data": data}).to_string()
        }
        Dialect::SocketIo if id == 0 => format!("42{}", json!([method, data])),
        Dialect::SocketIo => format!("42{id}{}", json!([method, data])),
    }
}

/// Writes the answer to a question of the server.
pub(super) fn answer(id: u64, result: &Result<Value, Refusal>) -> String {
    match result {
        Ok(data) => json!({"response": true, "id": id, "ok": true, "data": data}),
        Err(refusal) => json!({
            "response": true, "id": id, "errorCode": refusal.code, "errorReason": refusal.reason,
        }),
    }
    .to_string()
}

/// Reads any bytes as a frame of each dialect.
pub(crate) fn fuzz_frames(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for dialect in [Dialect::Plenum, Dialect::Protoo, Dialect::SocketIo] {
        parse(dialect, text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(dialect: Dialect, text: &str) -> Option<Incoming> {
        parse(dialect, text).map(|numbered| numbered.message)
    }

    #[test]
    fn frames_of_protoo_are_told_apart() {
        let text = r#"{"request":true,"id":7,"method":"newConsumers","data":{"a":1},"seq":3}"#;
        let numbered = parse(Dialect::Plenum, text).expect("a request");
        assert_eq!(numbered.seq, Some(3));
        let (id, method) = (7, "newConsumers".to_owned());
        let data = json!({"a": 1});
        assert_eq!(numbered.message, Incoming::Request { id, method, data });
        let text = r#"{"response":true,"id":1,"errorCode":403,"errorReason":"no"}"#;
        let refused = Incoming::Answer {
            id: 1,
            result: Err(Refusal {
                code: 403,
                reason: "no".to_owned(),
            }),
        };
        assert_eq!(message(Dialect::Protoo, text), Some(refused));
        let text = r#"{"notification":true,"method":"welcome"}"#;
        let told = Incoming::Notification {
            method: "welcome".to_owned(),
            data: json!({}),
        };
        assert_eq!(message(Dialect::Protoo, text), Some(told));
        for text in ["", "[]", "{}", "7", r#"{"request":true,"method":"x"}"#] {
            assert_eq!(message(Dialect::Protoo, text), None, "{text}");
        }
    }

    #[test]
    fn packets_of_socket_io_are_told_apart() {
        let told = |text| message(Dialect::SocketIo, text);
        assert_eq!(told("2"), Some(Incoming::Ping("3")));
        assert_eq!(
            told(r#"4312[{"id":"x"}]"#),
            Some(Incoming::Answer {
                id: 12,
                result: Ok(json!({"id": "x"})),
            })
        );
        assert!(matches!(
            told(r#"431[{"error":"no"}]"#),
            Some(Incoming::Answer { result: Err(_), .. })
        ));
        assert_eq!(
            told(r#"42["newProducers",[1]]"#),
            Some(Incoming::Notification {
                method: "newProducers".to_owned(),
                data: json!([1]),
            })
        );
        assert!(matches!(told("41"), Some(Incoming::Disconnected(_))));
        assert!(matches!(
            told(r#"44{"message":"no"}"#),
            Some(Incoming::Disconnected(_))
        ));
        for text in ["", "4", "43", "42", "42{}", "45", "9", "43x[]"] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_asked_is_read_back(id in 1_u64.., method in "[a-zA-Z]{1,20}", number: i32) {
            let data = json!({"number": number});
            let text = request(Dialect::Protoo, id, &method, &data);
            let read = message(Dialect::Protoo, &text);
            prop_assert_eq!(read, Some(Incoming::Request { id, method, data }));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", packet in "[0-9]{0,5}[\\[\\]{}\",a-z0-9]*") {
            fuzz_frames(text.as_bytes());
            fuzz_frames(packet.as_bytes());
        }
    }
}
