//! What happened in a room, as targets are told.

use std::time::{SystemTime, UNIX_EPOCH};

use plenum_api::webhook::WebhookEvent;
use plenum_host::{Happening, RoomEvent};
use serde_json::{Map, Value, json};

use super::outbox::Letter;

/// Names of all events, for whoever chooses some.
pub(crate) const EVENTS: &[&str] = &[
    "grantsChanged",
    "handRaised",
    "peerJoined",
    "peerKnocked",
    "peerLeft",
    "producerAdded",
    "producerRemoved",
    "roleChanged",
    "roomChanged",
    "roomClosed",
    "roomOpened",
];

/// What happened in a room.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) namespace: String,
    pub(crate) room: String,
    pub(crate) life: u64,
    pub(crate) sequence: u64,
    pub(crate) at: SystemTime,
    pub(crate) lost: u64,
    /// One of [`EVENTS`].
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl From<RoomEvent> for Happened {
    fn from(event: RoomEvent) -> Self {
        let (name, data) = match &event.what {
            Happening::Opened => ("roomOpened".to_owned(), json!({})),
            Happening::Closed { goes_on } => ("roomClosed".to_owned(), json!({"goesOn": goes_on})),
            Happening::Room(what) => split(what),
            other => (format!("{other:?}"), json!({})),
        };
        Self {
            namespace: event.room.namespace.to_string(),
            room: event.room.room.to_string(),
            life: event.life,
            sequence: event.sequence,
            at: event.at,
            lost: event.lost,
            event: name,
            data,
        }
    }
}

/// The name of an event, and what else is in it.
fn split(what: &impl serde::Serialize) -> (String, Value) {
    // Plain data: it always has a name.
    let mut members = match serde_json::to_value(what) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let name = match members.remove("type") {
        Some(Value::String(name)) => name,
        _ => String::new(),
    };
    (name, Value::Object(members))
}

impl Happened {
    /// As it is delivered, under this identifier, to whom so many before it were lost for.
    pub(crate) fn to_letter(&self, id: &str, lost: u64) -> Letter {
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let body = WebhookEvent {
            id: id.to_owned(),
            event: self.event.clone(),
            timestamp: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            namespace: self.namespace.clone(),
            room: self.room.clone(),
            life: self.life,
            sequence: self.sequence,
            lost,
            data: self.data.clone(),
        };
        Letter {
            id: id.to_owned(),
            event: self.event.clone(),
            namespace: self.namespace.clone(),
            room: self.room.clone(),
            // Plain data: writing it cannot fail.
            body: serde_json::to_vec(&body).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use plenum_room::RoomEvent as What;

    use super::*;

    #[test]
    fn what_rooms_tell_has_a_name_that_can_be_chosen() {
        let peer = || "ada".into();
        let events = [
            What::HandRaised {
                peer_id: peer(),
                raised: true,
            },
            What::PeerLeft {
                peer_id: peer(),
                reason: None,
            },
            What::ProducerRemoved {
                peer_id: peer(),
                producer_id: plenum_ids::ProducerId::from_u128(1),
            },
        ];
        for event in &events {
            let (name, data) = split(event);
            assert!(EVENTS.contains(&&*name), "{name}");
            assert_eq!(data["peerId"], "ada");
            assert!(data.get("type").is_none());
        }
    }
}
