//! What operators ask for. Members that nobody knows are refused: a misspelt wish that is silently left out is worse.

use plenum_ids::NamespaceId;
use plenum_params::media::MediaKind;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::grants::Role;

/// `POST /api/v1/rooms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is asked for by itself"
)]
pub struct NewRoom {
    /// Its namespace.
    #[serde(default = "default_namespace")]
    #[schema(default = "default")]
    pub namespace: String,
    /// Its name there.
    #[schema(min_length = 1, max_length = 256)]
    pub room: String,
    /// What it is about, for applications; clients are told.
    #[serde(default)]
    pub metadata: Value,
    /// How many peers may be there, if fewer than the server allows.
    #[serde(default)]
    pub max_peers: Option<u32>,
    /// Nobody but hosts may join.
    #[serde(default)]
    pub locked: bool,
    /// Those who are no hosts wait until one lets them in.
    #[serde(default)]
    pub lobby: bool,
    /// Seconds that it stays while nobody is there; 300 if nothing is said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 86400)]
    pub empty_timeout: Option<u32>,
    /// The only video codec that it takes.
    #[serde(default)]
    pub codec: Option<VideoCodec>,
    /// Offers none of the header extensions that bandwidth is estimated with.
    #[serde(default)]
    pub disable_bwe: bool,
    /// Peers go by turns to two workers, with pipes between them.
    #[serde(default)]
    pub use_pipe_transports: bool,
    /// Consumers that a peer gets of each producer beyond the first one, for load tests.
    #[serde(default)]
    #[schema(maximum = 255)]
    pub consumer_replicas: u8,
}

fn default_namespace() -> String {
    NamespaceId::DEFAULT_NAME.to_owned()
}

/// A video codec that a room can be confined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "what routers offer")]
pub enum VideoCodec {
    /// AV1.
    Av1,
    /// H.264, with all profiles.
    H264,
    /// VP8.
    Vp8,
    /// VP9, with all profiles.
    Vp9,
}

/// `PATCH /api/v1/rooms/{namespace}/{room}`: what is named is changed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RoomChange {
    /// Whether nobody but hosts may join.
    pub locked: Option<bool>,
    /// Whether those who are no hosts wait until one lets them in.
    pub lobby: Option<bool>,
    /// How many peers may be there; `null`: as many as the server allows.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    pub max_peers: Option<Option<u32>>,
    /// What it is about, for applications; clients are told. `null` takes it away.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub metadata: Option<Value>,
}

/// Tells `null` from nothing.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// `PUT …/peers/{peer}/role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a role is a role")]
pub struct RoleWish {
    /// What it is from now on.
    pub role: Role,
}

/// `POST …/mute`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "one wish")]
pub struct MuteWish {
    /// `null` or nothing: both.
    #[schema(value_type = Option<MutedKind>)]
    pub kind: Option<MediaKind>,
}

/// [`MediaKind`] as the API describes it.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "a description")]
enum MutedKind {
    Audio,
    Video,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_room_needs_a_name_and_nothing_else() {
        let room: NewRoom = serde_json::from_value(json!({"room": "a"})).expect("complete");
        assert_eq!((&*room.namespace, &*room.room), ("default", "a"));
        assert_eq!(room.codec, None);
        for wrong in [
            json!({}),
            json!({"room": "a", "lockd": true}),
            json!({"room": "a", "codec": "h263"}),
            json!({"room": "a", "maxPeers": -1}),
        ] {
            assert!(
                serde_json::from_value::<NewRoom>(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn null_takes_away_and_nothing_leaves_as_it_is() {
        let change = |json| serde_json::from_value::<RoomChange>(json).expect("well-formed");
        assert_eq!(change(json!({})), RoomChange::default());
        let taken = change(json!({"maxPeers": null, "metadata": null}));
        assert_eq!(taken.max_peers, Some(None));
        assert_eq!(taken.metadata, Some(Value::Null));
        assert_eq!(change(json!({"maxPeers": 3})).max_peers, Some(Some(3)));
    }
}
