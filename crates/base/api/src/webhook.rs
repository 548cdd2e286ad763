//! What is posted to webhooks, and what operators see of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Body of a delivery: something happened in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEvent {
    /// Unique, and the same when it is delivered again.
    pub id: String,
    /// What happened, for instance `peerJoined`.
    pub event: String,
    /// When, in milliseconds since 1970.
    pub timestamp: u64,
    /// Namespace of the room.
    pub namespace: String,
    /// Name of the room.
    pub room: String,
    /// Tells this room from an earlier or later one of the same name; the later one has the higher number.
    pub life: u64,
    /// 1 for the first event of this room since it was opened, then 2 and so on.
    pub sequence: u64,
    /// Events before this one, of any room, that this node could not keep: look up how rooms are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// More of it, by `event`.
    pub data: Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// `GET /api/v1/webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookList {
    /// In the order of the settings.
    pub targets: Vec<WebhookStatus>,
}

/// How deliveries to a target go. Counters are since the node started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStatus {
    /// Its place in the settings, from 0.
    pub target: usize,
    /// Where to, without what may be secret in it.
    pub url: String,
    /// Names of events that it gets.
    pub events: Vec<String>,
    /// Namespaces whose events it gets; none: of all.
    pub namespaces: Vec<String>,
    /// Events that wait or are on their way.
    pub waiting: usize,
    /// Events that it took.
    pub delivered: u64,
    /// Deliveries that failed, also of events that it took later.
    pub failures: u64,
    /// Events that were given up and can be sent again.
    pub dead_letters: usize,
    /// Dead letters that made room for later ones.
    pub forgotten: u64,
    /// Why the latest delivery failed, until one succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// `GET /api/v1/webhooks/dead-letters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterList {
    /// By target, oldest first.
    pub dead_letters: Vec<DeadLetterInfo>,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterInfo {
    /// Names it in `/api/v1/webhooks/dead-letters/{id}/retry`.
    pub id: String,
    /// The target that did not take it.
    pub target: usize,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up, in milliseconds since 1970.
    pub died_at: u64,
    /// What it says.
    pub payload: WebhookEvent,
}

/// The answer to `POST /api/v1/webhooks/dead-letters/retry` and `…/{id}/retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLettersRetried {
    /// Dead letters that are delivered again.
    pub retried: usize,
    /// Dead letters that are left.
    pub left: usize,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_delivery_has_the_shape_that_is_documented() {
        let event = WebhookEvent {
            id: "evt_1".to_owned(),
            event: "peerJoined".to_owned(),
            timestamp: 5,
            namespace: "default".to_owned(),
            room: "r".to_owned(),
            life: 7,
            sequence: 2,
            lost: 0,
            data: json!({"peerId": "ada"}),
        };
        let shown = json!({
            "id": "evt_1", "event": "peerJoined", "timestamp": 5, "namespace": "default", "room": "r",
            "life": 7, "sequence": 2, "data": {"peerId": "ada"},
        });
        assert_eq!(serde_json::to_value(&event).expect("plain data"), shown);
        assert_eq!(
            serde_json::from_value::<WebhookEvent>(shown).expect("the same"),
            event
        );
    }
}
