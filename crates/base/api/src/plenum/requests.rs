//! What clients ask for, and the answers.

use plenum_ids::{DataProducerId, ProducerId};
use plenum_params::{
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    sctp_parameters::SctpStreamParametersJson,
    transport::{DtlsFingerprint, DtlsRole},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::welcome::Peer;
use crate::{
    grants::{Grants, Role},
    transport::IceParametersJson,
};

/// An answer without content, and a request that needs none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "Record<string, never>"))]
pub struct Empty {}

/// `join`: connects the transports and joins, in one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct Join {
    /// For people. A name from a token wins.
    pub display_name: Option<String>,
    /// `{flag, name, version}` usually, passed on as it is.
    #[cfg_attr(feature = "ts", ts(optional, type = "Record<string, unknown>"))]
    pub device: Option<Value>,
    /// For applications, passed on as it is.
    #[cfg_attr(feature = "ts", ts(optional, type = "Record<string, unknown>"))]
    pub app_data: Option<Value>,
    /// Absent: the client does not receive audio and video.
    #[cfg_attr(feature = "ts", ts(optional, type = "types.RtpCapabilities"))]
    pub rtp_capabilities: Option<RtpCapabilities>,
    /// What the client says to each transport of the `welcome` that it uses.
    #[cfg_attr(feature = "ts", ts(optional, as = "Option<Vec<ConnectTransport>>"))]
    pub transports: Vec<ConnectTransport>,
    /// What of the others it wants; everything when absent.
    pub subscription: Option<Subscription>,
}

/// The client's side of a transport.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConnectTransport {
    /// Which transport.
    pub transport_id: String,
    /// The client's certificate.
    #[cfg_attr(feature = "ts", ts(type = "types.DtlsParameters"))]
    pub dtls_parameters: DtlsParameters,
}

/// DTLS parameters as clients give them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DtlsParameters {
    /// `auto` when absent.
    #[serde(default)]
    pub role: Option<DtlsRole>,
    /// Of the client's certificate.
    pub fingerprints: Vec<DtlsFingerprint>,
}

/// `createTransport`: when the `welcome` had none, and the client may have one now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CreateTransport {
    /// What for.
    pub direction: Direction,
}

/// What a transport is for, from the client's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "there is no third one")]
pub enum Direction {
    /// To produce on.
    Send,
    /// For consumers.
    Recv,
}

/// What a client wants of the others without asking for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "the words of the protocol")]
pub enum Subscription {
    /// Everything.
    #[default]
    All,
    /// Sound.
    Audio,
    /// Nothing.
    None,
    /// Only what it asks for by `consume`.
    Manual,
    /// Sound, and pictures of so many who spoke last.
    Speakers(u16),
}

/// Answer to `join`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Joined<'a> {
    /// Everybody who was there already.
    pub peers: Vec<Peer<'a>>,
    /// How the client is called here: by its token if that says so.
    pub display_name: &'a str,
    /// What the client is.
    pub role: Role,
    /// What the client may do.
    pub grants: &'a Grants,
}

/// The other answer to `join`: somebody must let the client in. `admitted` follows, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Waiting {
    /// Always true.
    #[cfg_attr(feature = "ts", ts(type = "true"))]
    pub waiting: bool,
}

/// `produce`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Produce {
    /// On which transport.
    pub transport_id: String,
    /// Audio or video.
    #[cfg_attr(feature = "ts", ts(type = "types.MediaKind"))]
    pub kind: MediaKind,
    /// What will be sent.
    #[cfg_attr(feature = "ts", ts(type = "types.RtpParameters"))]
    pub rtp_parameters: RtpParameters,
    /// Passed on to the consumers. `source: "screensharing"` or `share: true` is a screen.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional, type = "Record<string, unknown>"))]
    pub app_data: Option<Value>,
    /// Starts paused.
    #[serde(default)]
    pub paused: Option<bool>,
    /// After `migrate`: the identifier that it had before.
    #[serde(default)]
    pub producer_id: Option<String>,
}

/// Answer to `produce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Produced {
    /// The new producer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub producer_id: ProducerId,
}

/// `produceData`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ProduceData {
    /// On which transport.
    pub transport_id: String,
    /// How messages will be sent.
    #[cfg_attr(feature = "ts", ts(type = "types.SctpStreamParameters"))]
    pub sctp_stream_parameters: SctpStreamParametersJson,
    /// `chat`, `bot`, or whatever else the application wants.
    #[serde(default)]
    pub label: Option<String>,
    /// For applications.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Passed on to the data consumers.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional, type = "Record<string, unknown>"))]
    pub app_data: Option<Value>,
}

/// Answer to `produceData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DataProduced {
    /// The new data producer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub data_producer_id: DataProducerId,
}

/// `closeProducer`, `pauseProducer`, `resumeProducer` of the client's own, `closeProducerOf` of anybody's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProducerReference {
    /// Which producer.
    pub producer_id: String,
}

/// `consume`: things that the subscription does not bring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct Consume {
    /// Audio and video.
    pub producer_ids: Option<Vec<String>>,
    /// Data channels.
    pub data_producer_ids: Option<Vec<String>>,
    /// Nothing shall come before `resumeConsumers`.
    pub paused: Option<bool>,
    /// Highest layers wanted.
    pub layers: Option<Layers>,
}

/// Highest layers wanted; what is beyond the highest there is counts as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Layers {
    /// Lowest is 0.
    pub spatial_layer: u32,
    /// Lowest is 0; the highest there is when absent.
    #[serde(default)]
    pub temporal_layer: Option<u32>,
}

/// `closeConsumers`, `pauseConsumers`, `resumeConsumers`. Identifiers of what has gone are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerReferences {
    /// Which consumers.
    pub consumer_ids: Vec<String>,
}

/// `requestKeyFrame`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerReference {
    /// Which consumer.
    pub consumer_id: String,
}

/// `setConsumerLayers`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct SetConsumerLayers {
    /// Which consumer.
    pub consumer_id: String,
    /// Lowest is 0.
    pub spatial_layer: u32,
    /// Lowest is 0; the highest there is when absent.
    #[serde(default)]
    pub temporal_layer: Option<u32>,
}

/// `setConsumerPriority`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SetConsumerPriority {
    /// Which consumer.
    pub consumer_id: String,
    /// 1 to 255.
    pub priority: u8,
}

/// `subscribe`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Subscribe {
    /// Takes the place of the one before.
    pub subscription: Subscription,
}

/// `restartIce`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct TransportReference {
    /// Which transport.
    pub transport_id: String,
}

/// Answer to `restartIce`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct IceRestarted {
    /// New credentials.
    #[cfg_attr(feature = "ts", ts(type = "types.IceParameters"))]
    pub ice_parameters: IceParametersJson,
}

/// `setDisplayName`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SetDisplayName {
    /// The new name.
    pub display_name: String,
}

/// `getStats`: of one object, named by one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct GetStats {
    /// A transport.
    pub transport_id: Option<String>,
    /// One of the client's producers.
    pub producer_id: Option<String>,
    /// A consumer.
    pub consumer_id: Option<String>,
    /// One of the client's data producers.
    pub data_producer_id: Option<String>,
    /// A data consumer.
    pub data_consumer_id: Option<String>,
}

/// Answer to `getStats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats<T> {
    /// As in mediasoup, with members of our own.
    pub stats: T,
}

/// `raiseHand`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RaiseHand {
    /// False: lower it again.
    pub raised: bool,
}

/// `lowerHand`, `kick`, `admit`, `refuse`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PeerReference {
    /// Who.
    pub peer_id: String,
}

/// `setRole`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SetRole {
    /// Who.
    pub peer_id: String,
    /// What from now on.
    pub role: Role,
}

/// `setGrants`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SetGrants {
    /// Who.
    pub peer_id: String,
    /// All of it; what is not named has its default.
    pub grants: Grants,
}

/// `mute`: pauses what others produce, in the room's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct Mute {
    /// Whom; absent: all but hosts.
    pub peer_id: Option<String>,
    /// Only this; absent: both.
    #[cfg_attr(feature = "ts", ts(optional, type = "types.MediaKind"))]
    pub kind: Option<MediaKind>,
}

/// `setRoom`: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct SetRoom {
    /// Nobody but hosts may join.
    pub locked: Option<bool>,
    /// Who joins waits for a host.
    pub lobby: Option<bool>,
    /// How many may be in it; `null`: as many as the server takes.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "ts", ts(optional, type = "number | null"))]
    pub max_peers: Option<Option<u32>>,
    /// For applications.
    #[serde(deserialize_with = "present")]
    #[cfg_attr(feature = "ts", ts(optional, type = "unknown"))]
    pub metadata: Option<Value>,
}

/// Tells `null` from what is absent.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn subscriptions_are_words_or_a_number_of_speakers() {
        for (text, subscription) in [
            (json!("all"), Subscription::All),
            (json!("audio"), Subscription::Audio),
            (json!("none"), Subscription::None),
            (json!("manual"), Subscription::Manual),
            (json!({"speakers": 4}), Subscription::Speakers(4)),
        ] {
            let read: Subscription = serde_json::from_value(text).expect("known");
            assert_eq!(read, subscription);
        }
        assert!(serde_json::from_value::<Subscription>(json!("some")).is_err());
    }

    #[test]
    fn no_bound_is_not_the_same_as_no_word_about_it() {
        let read = |value| serde_json::from_value::<SetRoom>(value).expect("known");
        assert_eq!(read(json!({})), SetRoom::default());
        assert_eq!(read(json!({"maxPeers": null})).max_peers, Some(None));
        assert_eq!(read(json!({"maxPeers": 3})).max_peers, Some(Some(3)));
        assert_eq!(read(json!({"metadata": null})).metadata, Some(Value::Null));
        assert_eq!(read(json!({"locked": true})).locked, Some(true));
    }

    #[test]
    fn a_join_needs_nothing() {
        let join: Join = serde_json::from_str("{}").expect("empty");
        assert_eq!(join, Join::default());
    }
}
