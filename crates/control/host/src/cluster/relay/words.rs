//! What two nodes say to each other about one relayed session.
//!
//! The channel `session` is opened with an [`Opening`] and answered with a [`Greeting`]. From then on each side's messages are
//! numbered ([`Line`](super::line::Line)); what is in them is an [`Order`] or a [`SessionEvent`]. The other node may be of another version: what is
//! not understood and wants an answer gets one, the rest is passed over.

use plenum_api::error::ErrorKind;
use plenum_ids::RoomName;
use plenum_room::{Admission, AskId, CloseReason, RequestId, RoomError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    host::ConnectError,
    options::RoomOptions,
    session::{Order, SessionEnd, SessionEvent},
};

/// With which a channel begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Opening {
    /// Somebody comes in.
    Enter(Box<Entering>),
    /// The link to a session broke; here it is again.
    Attach {
        key: String,
        /// How much of what the far side said was heard.
        heard: u64,
    },
}

/// Who comes in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entering {
    pub(super) room: RoomName,
    pub(super) admission: Admission,
    #[serde(default)]
    pub(super) options: RoomOptions,
    /// It was in the room before: limits of its namespace have let it in.
    #[serde(default)]
    pub(super) again: bool,
    /// Why this node and not another one, for people.
    #[serde(default)]
    pub(super) because: Vec<String>,
    /// Known to nobody else: who has it may attach the session again.
    pub(super) key: String,
}

/// The answer to an [`Opening`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Greeting {
    /// The session goes on.
    Welcome {
        /// How much of what the near side said was heard.
        heard: u64,
    },
    /// It was not let in.
    Refused {
        /// A [`ConnectError`], if this version knows it.
        error: Value,
    },
}

impl Greeting {
    pub(super) fn refused(error: ConnectError) -> Self {
        Self::Refused {
            error: to_json(&error),
        }
    }
}

/// Why somebody was refused. A reason of a newer version is none that this one could tell clients.
pub(super) fn refusal(error: Value) -> ConnectError {
    serde_json::from_value(error).unwrap_or(ConnectError::Refused)
}

/// What is to be done with something that was said.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning<T, R> {
    /// It is understood.
    Known(T),
    /// It is not, and who said it waits for this.
    Unknown(R),
    /// It is not, and nobody waits.
    Nothing,
}

/// An order of the near side.
pub(super) fn order(said: Value) -> Meaning<Order, SessionEvent> {
    let request = said.pointer("/request/request").and_then(Value::as_u64);
    match serde_json::from_value(said) {
        Ok(order) => Meaning::Known(order),
        Err(err) => request.map_or(Meaning::Nothing, |request| {
            let reason = format!("the node that has the room does not understand this: {err}");
            Meaning::Unknown(SessionEvent::Reply {
                request: RequestId(request),
                result: Err(RoomError::new(
                    ErrorKind::NotImplemented,
                    shortened(&reason),
                )),
            })
        }),
    }
}

/// What the room has for the client. A reply that is not understood is an error to the client, and a question is answered with
/// no.
pub(super) fn event(said: Value) -> Meaning<SessionEvent, Order> {
    let number = |path| said.pointer(path).and_then(Value::as_u64);
    let (request, ask) = (number("/reply/request"), number("/ask/ask"));
    let is_end = said.get("end").is_some();
    match serde_json::from_value(said) {
        Ok(event) => Meaning::Known(event),
        Err(_) if is_end => Meaning::Known(SessionEvent::End(LOST)),
        Err(err) => {
            if let Some(request) = request {
                let reason = format!("the answer cannot be understood by this node: {err}");
                let result = Err(RoomError::new(ErrorKind::Internal, shortened(&reason)));
                let request = RequestId(request);
                return Meaning::Known(SessionEvent::Reply { request, result });
            }
            ask.map_or(Meaning::Nothing, |ask| {
                let ask = AskId(ask);
                let accepted = false;
                Meaning::Unknown(Order::Answer { ask, accepted })
            })
        }
    }
}

/// How a session ends whose room cannot be reached any more: clients do what they do when a worker has died.
pub(super) const LOST: SessionEnd = SessionEnd::Room(CloseReason::RouterLost);

/// Characters of a reason that clients are told: it may repeat what they wrote.
const MAX_REASON: usize = 300;

fn shortened(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

/// Numbers that are none (of statistics) become `null`; nothing else of ours is without a form in JSON.
pub(super) fn to_json(it: &impl Serialize) -> Value {
    serde_json::to_value(it).unwrap_or_default()
}

/// One message of a numbered conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Message {
    /// Of what is said, from 1; 0: nothing is.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) number: u64,
    /// How much of what the other side said was heard.
    pub(super) heard: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) say: Option<Value>,
    /// A piece of what is said, as text, because it is too long for a frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) piece: Option<String>,
    /// More pieces of it follow.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) more: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(it: &u64) -> bool {
    *it == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(it: &bool) -> bool {
    !*it
}

/// What somebody said, if it makes sense at all.
pub(super) fn read<T: DeserializeOwned>(said: Value) -> Option<T> {
    serde_json::from_value(said).ok()
}
