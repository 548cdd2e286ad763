//! What a client receives.

use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_params::{
    event, media::MediaKind, rtp_parameters::RtpParameters,
    sctp_parameters::SctpStreamParametersJson,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Request `newConsumers` of the server: everything that one event brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct NewConsumers<'a> {
    /// Audio and video.
    pub consumers: Vec<NewConsumer<'a>>,
    /// Data channels.
    pub data_consumers: Vec<NewDataConsumer<'a>>,
}

/// A client's answer to `newConsumers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", default)]
pub struct NewConsumersAnswer {
    /// Consumers that the client could not make. They are closed.
    pub refused: Option<Vec<String>>,
}

/// A consumer for the client to make its half of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct NewConsumer<'a> {
    /// Who sends.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// On which transport it arrives.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub transport_id: TransportId,
    /// The new consumer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub consumer_id: ConsumerId,
    /// What is sent.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub producer_id: ProducerId,
    /// Audio or video.
    #[cfg_attr(feature = "ts", ts(type = "types.MediaKind"))]
    pub kind: MediaKind,
    /// How it is sent.
    #[cfg_attr(feature = "ts", ts(type = "types.RtpParameters"))]
    pub rtp_parameters: &'a RtpParameters,
    /// How many streams and layers stand behind it.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "ts", ts(type = "\"simple\" | \"simulcast\" | \"svc\""))]
    pub consumer_type: &'a str,
    /// The producer is paused.
    pub producer_paused: bool,
    /// Quality now.
    pub consumer_score: ConsumerScore,
    /// The producer's, with `peerId` added.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub app_data: &'a Map<String, Value>,
}

/// A data consumer for the client to make its half of.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct NewDataConsumer<'a> {
    /// Who writes; absent: the room's bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(as = "Option<String>"))]
    pub peer_id: Option<&'a PeerId>,
    /// On which transport it arrives.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub transport_id: TransportId,
    /// The new data consumer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub data_consumer_id: DataConsumerId,
    /// What is written.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub data_producer_id: DataProducerId,
    /// How it is sent.
    #[cfg_attr(feature = "ts", ts(type = "types.SctpStreamParameters"))]
    pub sctp_stream_parameters: SctpStreamParametersJson,
    /// The data producer's.
    pub label: &'a str,
    /// The data producer's.
    pub protocol: &'a str,
    /// The data producer's, with `peerId` added.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub app_data: &'a Map<String, Value>,
}

/// Answer to `consume`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Consumed<'a> {
    /// Audio and video. They run, unless they were wanted paused.
    pub consumers: Vec<NewConsumer<'a>>,
    /// Data channels.
    pub data_consumers: Vec<NewDataConsumer<'a>>,
    /// What could not be had.
    pub refused: Vec<RefusedProducer>,
}

/// What could not be had, in the answer to `consume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct RefusedProducer {
    /// As in the request; a data producer's identifier also stands here.
    pub producer_id: String,
    /// As in HTTP.
    pub code: u16,
    /// For people.
    pub reason: String,
}

/// Quality of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerScore {
    /// Its own, 0 to 10.
    pub score: u8,
    /// Of the stream it forwards.
    pub producer_score: u8,
    /// Of all the producer's streams.
    pub producer_scores: Vec<u8>,
}

impl From<&event::ConsumerScore> for ConsumerScore {
    fn from(score: &event::ConsumerScore) -> Self {
        Self {
            score: score.score,
            producer_score: score.producer_score,
            producer_scores: score.producer_scores.clone(),
        }
    }
}

/// `consumersClosed`: what they consumed is gone, or they are not wanted any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsumersClosed {
    /// Which consumers.
    #[cfg_attr(feature = "ts", ts(type = "Array<string>"))]
    pub consumer_ids: Vec<ConsumerId>,
}

/// `consumerPaused`, `consumerResumed`: its producer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerNotice {
    /// Which consumer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub consumer_id: ConsumerId,
}

/// `consumerScore`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerScoreNotice {
    /// Which consumer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub consumer_id: ConsumerId,
    /// Quality now.
    pub score: ConsumerScore,
}

/// `consumerLayersChanged`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerLayersChanged {
    /// Which consumer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub consumer_id: ConsumerId,
    /// What it forwards now; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<CurrentLayers>,
}

/// Layers that a consumer forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct CurrentLayers {
    /// Lowest is 0.
    pub spatial_layer: u8,
    /// Lowest is 0; absent: there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporal_layer: Option<u8>,
}

impl From<event::Layers> for CurrentLayers {
    fn from(layers: event::Layers) -> Self {
        Self {
            spatial_layer: layers.spatial,
            temporal_layer: layers.temporal,
        }
    }
}

/// `dataConsumerClosed`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerNotice {
    /// Which data consumer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub data_consumer_id: DataConsumerId,
}
