//! The protoo envelope: one JSON object per text frame.
//!
//! `data` stays raw text here; the dialect decodes it into the type that the method wants, so that a large message
//! is never blown up into a tree of values.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, value::RawValue};

/// A message of the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Incoming<'a> {
    /// Wants an answer under the same id.
    Request {
        id: Number,
        method: Cow<'a, str>,
        data: &'a str,
    },
    /// Answers a request of ours.
    Response {
        id: u64,
        result: Result<&'a str, Refusal<'a>>,
    },
    /// Wants no answer.
    Notification { method: Cow<'a, str>, data: &'a str },
}

/// The client refused a request of ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal<'a> {
    pub(crate) code: i64,
    pub(crate) reason: Cow<'a, str>,
}

impl<'a> Incoming<'a> {
    /// `None`: not a protoo message; the frame is to be ignored.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        // Struct decoding would take an array of the right length for an object.
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).ok()?;
        let data = envelope.data.map_or(EMPTY, object_or_empty);
        if envelope.request.0 {
            Some(Self::Request {
                id: decode(envelope.id?)?,
                method: text_of(envelope.method?)?,
                data,
            })
        } else if envelope.response.0 {
            let id = decode::<Number>(envelope.id?)?.as_u64()?;
            let result = if envelope.ok.0 {
                Ok(data)
            } else {
                Err(Refusal {
                    code: envelope
                        .error_code
                        .and_then(decode::<Number>)
                        .and_then(|code| code.as_i64())
                        .unwrap_or(500),
                    reason: envelope.error_reason.and_then(text_of).unwrap_or_default(),
                })
            };
            Some(Self::Response { id, result })
        } else if envelope.notification.0 {
            Some(Self::Notification {
                method: text_of(envelope.method?)?,
                data,
            })
        } else {
            None
        }
    }
}

/// A request of ours.
pub(crate) fn request(id: u64, method: &str, data: &impl Serialize) -> String {
    to_text(&Outgoing {
        request: Some(true),
        id: Some(&id.into()),
        method: Some(method),
        data: Some(data),
        ..Outgoing::default()
    })
}

/// The answer to a request of the client.
pub(crate) fn ok_response(id: &Number, data: &impl Serialize) -> String {
    to_text(&Outgoing {
        response: Some(true),
        id: Some(id),
        ok: Some(true),
        data: Some(data),
        ..Outgoing::default()
    })
}

/// The refusal of a request of the client. Clients want `ok` absent, not false.
pub(crate) fn error_response(id: &Number, code: u16, reason: &str) -> String {
    to_text(&Outgoing::<()> {
        response: Some(true),
        id: Some(id),
        error_code: Some(code),
        error_reason: Some(reason),
        ..Outgoing::default()
    })
}

/// Something the client shall know.
pub(crate) fn notification(method: &str, data: &impl Serialize) -> String {
    to_text(&Outgoing {
        notification: Some(true),
        method: Some(method),
        data: Some(data),
        ..Outgoing::default()
    })
}

const EMPTY: &str = "{}";

/// A falsy `data` reads as an empty object.
fn object_or_empty(raw: &RawValue) -> &str {
    match raw.get() {
        "null" | "false" | "0" | "\"\"" => EMPTY,
        text => text,
    }
}

fn decode<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Borrows where the text holds no escape.
fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    decode::<BorrowedText<'_>>(raw).map(|text| text.0)
}

#[derive(Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

fn to_text(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("our messages hold only strings, numbers and lists")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(default)]
    request: Truthy,
    #[serde(default)]
    response: Truthy,
    #[serde(default)]
    notification: Truthy,
    #[serde(default)]
    ok: Truthy,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    method: Option<&'a RawValue>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error_code: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error_reason: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_reason: Option<&'a str>,
}

impl<T> Default for Outgoing<'_, T> {
    fn default() -> Self {
        Self {
            request: None,
            response: None,
            notification: None,
            id: None,
            ok: None,
            method: None,
            data: None,
            error_code: None,
            error_reason: None,
        }
    }
}

/// A flag in the sense of JavaScript, where most of the peers of this protocol are written.
#[derive(Clone, Copy, Debug, Default)]
struct Truthy(bool);

impl<'de> Deserialize<'de> for Truthy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TruthyVisitor)
    }
}

struct TruthyVisitor;

impl<'de> Visitor<'de> for TruthyVisitor {
    type Value = Truthy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Truthy, E> {
        Ok(Truthy(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Truthy, E> {
        Ok(Truthy(value != 0))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Truthy, E> {
        Ok(Truthy(value != 0))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Truthy, E> {
        Ok(Truthy(value != 0.0))
    }

    fn visit_str<E>(self, value: &str) -> Result<Truthy, E> {
        Ok(Truthy(!value.is_empty()))
    }

    fn visit_unit<E>(self) -> Result<Truthy, E> {
        Ok(Truthy(false))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Truthy, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Truthy(true))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Truthy, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Truthy(true))
    }
}

#[cfg(test)]
mod tests;
