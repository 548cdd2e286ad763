//! Messages of the classic protoo dialect: what follows `method` in a request, response or notification.
//!
//! Identifiers in what clients say stay text until they are looked up, so that a wrong one can be named in the refusal.

use plenum_ids::{ConsumerId, PeerId, ProducerId, TransportId};
use plenum_params::{
    event::{ConsumerScore, EncodingScore, Layers},
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    transport::{DtlsFingerprint, DtlsRole},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ice::IceServer, transport::TransportParametersJson};

mod channels;
mod speakers;

pub use channels::{
    DataConsumerNotice, DataConsumerReference, DataProduced, DataProducerReference,
    NewDataConsumer, ProduceData,
};
pub use speakers::{ActiveSpeaker, DominantSpeaker, PeerVolume, SpeakingPeers};

/// Requests whose answer says nothing but that it is done. In the newest dialect they are notifications.
pub const NEEDS_NO_ANSWER: [&str; 10] = [
    "changeDisplayName",
    "closeProducer",
    "pauseConsumer",
    "pauseProducer",
    "requestConsumerKeyFrame",
    "resumeConsumer",
    "resumeProducer",
    "setConsumerPreferedLayers",
    "setConsumerPreferredLayers",
    "setConsumerPriority",
];

/// `createWebRtcTransport`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateWebRtcTransport {
    /// The client cannot use UDP.
    pub force_tcp: bool,
    /// The client will send on it.
    pub producing: bool,
    /// The client will receive on it.
    pub consuming: bool,
    /// Present when the client wants data channels.
    pub sctp_capabilities: Option<Value>,
}

/// `connectWebRtcTransport`. `iceParameters`, which some clients add, are of no use to an ICE-lite server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectWebRtcTransport {
    /// Which transport.
    pub transport_id: String,
    /// The client's certificate.
    pub dtls_parameters: ClientDtlsParameters,
}

/// DTLS parameters as clients give them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ClientDtlsParameters {
    /// `auto` when absent.
    #[serde(default)]
    pub role: Option<DtlsRole>,
    /// Of the client's certificate.
    pub fingerprints: Vec<DtlsFingerprint>,
}

/// `join`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Join {
    /// For people.
    pub display_name: Option<String>,
    /// `{flag, name, version}`, passed on as it is.
    pub device: Option<Value>,
    /// Absent when the client does not receive.
    pub rtp_capabilities: Option<RtpCapabilities>,
    /// Present when the client takes data consumers.
    pub sctp_capabilities: Option<Value>,
    /// `{demand: true, migrate: true, volumes: true}`: which of our own messages the client understands. Absent with other servers'
    /// clients.
    pub plenum: Option<Value>,
}

impl Join {
    /// Whether the client wants to hear `producerDemand`.
    #[must_use]
    pub fn demand(&self) -> bool {
        self.says("demand")
    }

    /// Whether the client joins again when it hears `migrate`.
    #[must_use]
    pub fn migrate(&self) -> bool {
        self.says("migrate")
    }

    /// Whether the client wants to hear `speakingPeers` and `dominantSpeaker`, and not `activeSpeaker`.
    #[must_use]
    pub fn volumes(&self) -> bool {
        self.says("volumes")
    }

    fn says(&self, word: &str) -> bool {
        let plenum = self.plenum.as_ref();
        plenum.and_then(|plenum| plenum.get(word)) == Some(&Value::Bool(true))
    }
}

/// `produce`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Produce {
    /// On which transport.
    pub transport_id: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What will be sent.
    pub rtp_parameters: RtpParameters,
    /// Passed on to the consumers.
    #[serde(default)]
    pub app_data: Option<Value>,
    /// `{producerId}`: an identifier that the producer had before `migrate` and wants to keep.
    #[serde(default)]
    pub plenum: Option<Value>,
}

impl Produce {
    /// The identifier that the client wishes for, as it wrote it.
    #[must_use]
    pub fn wished_id(&self) -> Option<&str> {
        self.plenum.as_ref()?.get("producerId")?.as_str()
    }
}

/// `restartIce`, `getTransportStats`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportReference {
    /// Which transport.
    pub transport_id: String,
}

/// `closeProducer`, `pauseProducer`, `resumeProducer`, `getProducerStats`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerReference {
    /// Which producer.
    pub producer_id: String,
}

/// `pauseConsumer`, `resumeConsumer`, `requestConsumerKeyFrame`, `getConsumerStats`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerReference {
    /// Which consumer.
    pub consumer_id: String,
}

/// `setConsumerPreferredLayers`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetConsumerPreferredLayers {
    /// Which consumer.
    pub consumer_id: String,
    /// Lowest is 0. Applications ask for more than there is to get the highest.
    pub spatial_layer: u32,
    /// Highest there is when absent.
    #[serde(default)]
    pub temporal_layer: Option<u32>,
}

impl SetConsumerPreferredLayers {
    /// The layers in our own numbers. No stream has 256 of them, so nothing is lost.
    #[must_use]
    pub fn layers(&self) -> Layers {
        let saturate = |layer| u8::try_from(layer).unwrap_or(u8::MAX);
        Layers {
            spatial: saturate(self.spatial_layer),
            temporal: self.temporal_layer.map(saturate),
        }
    }
}

/// `setConsumerPriority`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetConsumerPriority {
    /// Which consumer.
    pub consumer_id: String,
    /// 1 to 255.
    pub priority: u8,
}

/// `changeDisplayName`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDisplayName {
    /// The new name.
    pub display_name: String,
}

/// An answer without content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// Answer to `produce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Produced {
    /// The new producer.
    pub id: ProducerId,
}

/// Answer to `createWebRtcTransport`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportCreated {
    /// The new transport.
    pub id: TransportId,
    /// How to connect to it.
    #[serde(flatten)]
    pub parameters: TransportParametersJson,
    /// What helps the client to find a path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ice_servers: Vec<IceServer>,
}

/// Answer to `join`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Joined<'a> {
    /// Everybody who was there already.
    pub peers: Vec<PeerDescription<'a>>,
}

/// A peer, as in the answer to `join` and in `newPeer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerDescription<'a> {
    /// Who.
    pub id: &'a PeerId,
    /// For people.
    pub display_name: &'a str,
    /// `{flag, name, version}`
    pub device: &'a Value,
}

/// Request `newConsumer` of the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewConsumer<'a> {
    /// Who sends.
    pub peer_id: &'a PeerId,
    /// What is sent.
    pub producer_id: ProducerId,
    /// The new consumer.
    pub id: ConsumerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// How it will be sent.
    pub rtp_parameters: &'a RtpParameters,
    /// `simple`, `simulcast` or `svc`.
    #[serde(rename = "type")]
    pub consumer_type: &'a str,
    /// The producer's, with `peerId` added.
    pub app_data: &'a Map<String, Value>,
    /// Whether the producer is paused.
    pub producer_paused: bool,
}

/// `mediasoup-version`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Version<'a> {
    /// Shown by clients.
    pub version: &'a str,
}

/// `peerClosed`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerClosed<'a> {
    /// Who left.
    pub peer_id: &'a PeerId,
}

/// `peerDisplayNameChanged`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerDisplayNameChanged<'a> {
    /// Who.
    pub peer_id: &'a PeerId,
    /// New name.
    pub display_name: &'a str,
    /// Former name.
    pub old_display_name: &'a str,
}

/// `consumerClosed`, `consumerPaused`, `consumerResumed`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerNotice {
    /// Which consumer.
    pub consumer_id: ConsumerId,
}

/// `producerScore`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerScoreNotice {
    /// Which producer.
    pub producer_id: ProducerId,
    /// One per encoding.
    pub score: Vec<EncodingScoreJson>,
}

impl ProducerScoreNotice {
    /// The notice for these scores.
    #[must_use]
    pub fn new(producer_id: ProducerId, scores: &[EncodingScore]) -> Self {
        Self {
            producer_id,
            score: scores
                .iter()
                .map(|score| EncodingScoreJson {
                    encoding_idx: score.encoding_index,
                    ssrc: score.ssrc,
                    rid: score.rid.clone(),
                    score: score.score,
                })
                .collect(),
        }
    }
}

/// Quality of one encoding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncodingScoreJson {
    /// Index of the encoding.
    pub encoding_idx: u8,
    /// Its SSRC.
    pub ssrc: u32,
    /// Its RTP stream id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// 0 to 10.
    pub score: u8,
}

/// `producerDemand`, one of our own (`docs/protocol/extensions.md`)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerDemand<'a> {
    /// Which producer.
    pub producer_id: ProducerId,
    /// One per encoding: whether sending it is of any use.
    pub encodings: &'a [bool],
}

/// `migrate`, one of our own (`docs/protocol/extensions.md`)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Migrate {
    /// `workerLost` or `maintenance`.
    pub reason: &'static str,
    /// The old session goes on until the client says `migrated`.
    pub make_before_break: bool,
}

/// `draining`, one of our own (`docs/protocol/extensions.md`)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Draining {
    /// After so many seconds the node ends, if not before.
    pub seconds: u64,
}

/// `consumerScore`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerScoreNotice {
    /// Which consumer.
    pub consumer_id: ConsumerId,
    /// Its quality.
    pub score: ConsumerScoreJson,
}

impl ConsumerScoreNotice {
    /// The notice for this score.
    #[must_use]
    pub fn new(consumer_id: ConsumerId, score: &ConsumerScore) -> Self {
        Self {
            consumer_id,
            score: score.into(),
        }
    }
}

/// Quality of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerScoreJson {
    /// Its own.
    pub score: u8,
    /// Of the stream it forwards.
    pub producer_score: u8,
    /// Of all the producer's streams.
    pub producer_scores: Vec<u8>,
}

impl From<&ConsumerScore> for ConsumerScoreJson {
    fn from(score: &ConsumerScore) -> Self {
        Self {
            score: score.score,
            producer_score: score.producer_score,
            producer_scores: score.producer_scores.clone(),
        }
    }
}

/// `consumerLayersChanged`: both layers `null` when nothing is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerLayersChanged {
    /// Which consumer.
    pub consumer_id: ConsumerId,
    /// Lowest is 0.
    pub spatial_layer: Option<u8>,
    /// Lowest is 0.
    pub temporal_layer: Option<u8>,
}

impl ConsumerLayersChanged {
    /// The notice for these layers.
    #[must_use]
    pub fn new(consumer_id: ConsumerId, layers: Option<Layers>) -> Self {
        Self {
            consumer_id,
            spatial_layer: layers.map(|layers| layers.spatial),
            temporal_layer: layers.and_then(|layers| layers.temporal),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clients_may_leave_out_what_they_do_not_use_and_add_what_we_do_not_know() {
        let join: Join = serde_json::from_value(json!({
            "displayName": "Ada", "device": {"flag": "chrome"}, "unknown": [1],
        }))
        .expect("decodes");
        assert_eq!(join.display_name.as_deref(), Some("Ada"));
        assert!(join.rtp_capabilities.is_none());
        let transport: CreateWebRtcTransport =
            serde_json::from_value(json!({"producing": true})).expect("decodes");
        assert!(transport.producing && !transport.consuming && !transport.force_tcp);
        let connect: ConnectWebRtcTransport = serde_json::from_value(json!({
            "transportId": "t",
            "dtlsParameters": {"fingerprints": [{"algorithm": "sha-256", "value": "AB"}]},
            "iceParameters": {"usernameFragment": "x", "password": "y"},
        }))
        .expect("decodes");
        assert_eq!(connect.dtls_parameters.role, None);
    }

    #[test]
    fn only_clients_who_say_so_hear_of_demand() {
        let says = |plenum: Value| {
            let join = serde_json::from_value::<Join>(json!({"plenum": plenum})).expect("decodes");
            join.demand()
        };
        assert!(says(json!({"demand": true, "unknown": 1})));
        for odd in [json!({}), json!({"demand": 1}), json!([true]), json!(null)] {
            assert!(!says(odd.clone()), "{odd}");
        }
        assert!(!Join::default().demand());
    }

    #[test]
    fn only_clients_who_say_so_migrate_and_they_may_wish_for_an_id() {
        let join = |plenum: Value| {
            serde_json::from_value::<Join>(json!({"plenum": plenum})).expect("decodes")
        };
        assert!(join(json!({"migrate": true})).migrate());
        assert!(join(json!({"volumes": true})).volumes());
        assert!(!join(json!({"demand": true})).migrate());
        let wish = |plenum: Value| {
            let data = json!({
                "transportId": "t", "kind": "audio", "plenum": plenum,
                "rtpParameters": {"codecs": []},
            });
            let produce = serde_json::from_value::<Produce>(data).expect("decodes");
            produce.wished_id().map(str::to_owned)
        };
        assert_eq!(wish(json!({"producerId": "p"})).as_deref(), Some("p"));
        for odd in [json!({}), json!({"producerId": 1}), json!([]), json!(null)] {
            assert_eq!(wish(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn wanted_layers_may_be_higher_than_any_there_are() {
        let layers = |data| {
            let decoded = serde_json::from_value::<SetConsumerPreferredLayers>(data);
            decoded.map(|wanted| wanted.layers())
        };
        let highest = Layers {
            spatial: u8::MAX,
            temporal: None,
        };
        assert_eq!(
            layers(json!({"consumerId": "c", "spatialLayer": 1000, "temporalLayer": null})).ok(),
            Some(highest)
        );
        let lowest = Layers {
            spatial: 0,
            temporal: Some(0),
        };
        assert_eq!(
            layers(json!({"consumerId": "c", "spatialLayer": 0, "temporalLayer": 0})).ok(),
            Some(lowest)
        );
        for odd in [json!(-1), json!(0.5), json!("1"), json!(null)] {
            let data = json!({"consumerId": "c", "spatialLayer": odd});
            assert!(layers(data).is_err(), "{odd}");
        }
    }

    #[test]
    fn layers_are_null_when_nothing_is_forwarded() {
        let id = ConsumerId::from_u128(1);
        let json = |layers| {
            serde_json::to_value(ConsumerLayersChanged::new(id, layers)).expect("plain data")
        };
        assert_eq!(
            json(None),
            json!({"consumerId": id, "spatialLayer": null, "temporalLayer": null})
        );
        let layers = Layers {
            spatial: 2,
            temporal: Some(1),
        };
        assert_eq!(
            json(Some(layers)),
            json!({"consumerId": id, "spatialLayer": 2, "temporalLayer": 1})
        );
    }

    #[test]
    fn scores_have_the_dialects_names() {
        let producer = ProducerId::from_u128(1);
        let scores = [EncodingScore {
            encoding_index: 1,
            ssrc: 5,
            rid: Some("r1".to_owned()),
            score: 9,
        }];
        assert_eq!(
            serde_json::to_value(ProducerScoreNotice::new(producer, &scores)).expect("plain data"),
            json!({"producerId": producer, "score": [
                {"encodingIdx": 1, "ssrc": 5, "rid": "r1", "score": 9}
            ]})
        );
        let consumer = ConsumerId::from_u128(2);
        let score = ConsumerScore {
            score: 10,
            producer_score: 9,
            producer_scores: vec![9],
        };
        assert_eq!(
            serde_json::to_value(ConsumerScoreNotice::new(consumer, &score)).expect("plain data"),
            json!({"consumerId": consumer, "score":
                {"score": 10, "producerScore": 9, "producerScores": [9]}})
        );
    }
}
