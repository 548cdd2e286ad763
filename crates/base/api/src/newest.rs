//! Messages of the newest protoo dialect, as mediasoup-demo's applications speak it since October 2025.
//!
//! Here is what differs from [`crate::classic`]: mostly names. What clients say in the same words in both dialects is decoded
//! by the types there.

use std::net::IpAddr;

use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_params::{
    event::Layers,
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    sctp_parameters::SctpStreamParametersJson,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    classic::ConsumerScoreJson,
    ice::IceServer,
    transport::{IceParametersJson, TransportParametersJson},
};

/// `createWebRtcTransport`. Whether there shall be data channels is not asked any more: there always are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateWebRtcTransport {
    /// The client cannot use UDP.
    pub force_tcp: bool,
    /// `{direction}`
    pub app_data: Option<Value>,
}

/// What the client will do with a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two ways along a road")]
pub enum Direction {
    /// Receive.
    Consumer,
    /// Send.
    Producer,
}

impl CreateWebRtcTransport {
    /// `None`: it is not said in the words of this dialect.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self.app_data.as_ref()?.get("direction")?.as_str()? {
            "consumer" => Some(Direction::Consumer),
            "producer" => Some(Direction::Producer),
            _ => None,
        }
    }
}

/// Answer to `getRouterRtpCapabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouterCapabilities<'a> {
    /// What the router can do.
    pub router_rtp_capabilities: &'a RtpCapabilities,
}

/// The same answer to a client whose dialect is not known yet: each finds what it looks for and ignores the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CapabilitiesForAll<'a> {
    /// Where the classic dialect has it.
    #[serde(flatten)]
    pub capabilities: &'a RtpCapabilities,
    /// Where this one has it.
    pub router_rtp_capabilities: &'a RtpCapabilities,
}

/// Answer to `createWebRtcTransport`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportCreated {
    /// The new transport.
    pub transport_id: TransportId,
    /// How to connect to it.
    #[serde(flatten)]
    pub parameters: TransportParametersJson,
    /// What helps the client to find a path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ice_servers: Vec<IceServer>,
}

/// Answer to `restartIce`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IceRestarted {
    /// The new credentials.
    pub ice_parameters: IceParametersJson,
}

/// Answer to `produce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Produced {
    /// The new producer.
    pub producer_id: ProducerId,
}

/// Answer to `produceData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataProduced {
    /// The new data producer.
    pub data_producer_id: DataProducerId,
}

/// Answer to every request for statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stats<T> {
    /// Entries like those of the classic dialect.
    pub stats: T,
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
    pub peer_id: &'a PeerId,
    /// For people.
    pub display_name: &'a str,
    /// `{flag, name, version}`
    pub device: &'a Value,
    /// Where it connects from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<IpAddr>,
}

/// `newPeer`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NewPeer<'a> {
    /// Who joined.
    pub peer: PeerDescription<'a>,
}

/// Request `newConsumer` of the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewConsumer<'a> {
    /// Who sends.
    pub peer_id: &'a PeerId,
    /// The client's transport that it is on.
    pub transport_id: TransportId,
    /// The new consumer.
    pub consumer_id: ConsumerId,
    /// What is sent.
    pub producer_id: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// How it will be sent.
    pub rtp_parameters: &'a RtpParameters,
    /// `simple`, `simulcast` or `svc`.
    #[serde(rename = "type")]
    pub consumer_type: &'a str,
    /// Whether the producer is paused.
    pub producer_paused: bool,
    /// Quality now.
    pub consumer_score: ConsumerScoreJson,
    /// The producer's, with `peerId` added.
    pub app_data: &'a Map<String, Value>,
}

/// Request `newDataConsumer` of the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDataConsumer<'a> {
    /// Who writes; absent: the bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<&'a PeerId>,
    /// The client's transport that it is on.
    pub transport_id: TransportId,
    /// The new data consumer.
    pub data_consumer_id: DataConsumerId,
    /// What is written.
    pub data_producer_id: DataProducerId,
    /// How it will be sent.
    pub sctp_stream_parameters: SctpStreamParametersJson,
    /// The data producer's.
    pub label: &'a str,
    /// The data producer's.
    pub protocol: &'a str,
    /// The data producer's, with `peerId` added.
    pub app_data: &'a Map<String, Value>,
}

/// `consumerLayersChanged`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerLayersChanged {
    /// Which consumer.
    pub consumer_id: ConsumerId,
    /// Absent when nothing is forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<ConsumerLayers>,
}

/// What a consumer forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerLayers {
    /// Lowest is 0.
    pub spatial_layer: u8,
    /// Lowest is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporal_layer: Option<u8>,
}

impl From<Layers> for ConsumerLayers {
    fn from(layers: Layers) -> Self {
        Self {
            spatial_layer: layers.spatial,
            temporal_layer: layers.temporal,
        }
    }
}

/// `activeSpeaker`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveSpeaker<'a> {
    /// Who has the floor; absent: nobody any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<&'a PeerId>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_direction_is_one_of_two_words() {
        let direction = |data: Value| {
            let create = serde_json::from_value::<CreateWebRtcTransport>(data);
            create.expect("decodes").direction()
        };
        let said = |direction: Value| json!({"appData": {"direction": direction}});
        assert_eq!(
            direction(said(json!("producer"))),
            Some(Direction::Producer)
        );
        assert_eq!(
            direction(said(json!("consumer"))),
            Some(Direction::Consumer)
        );
        for odd in [
            said(json!("both")),
            said(json!(1)),
            json!({"appData": []}),
            json!({"appData": null, "producing": true}),
            json!({}),
        ] {
            assert_eq!(direction(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn who_does_not_know_a_client_tells_it_everything() {
        let capabilities = RtpCapabilities::default();
        let json = serde_json::to_value(CapabilitiesForAll {
            capabilities: &capabilities,
            router_rtp_capabilities: &capabilities,
        })
        .expect("plain data");
        let plain = serde_json::to_value(&capabilities).expect("plain data");
        for (name, value) in plain.as_object().expect("an object") {
            assert_eq!(&json[name], value);
        }
        assert_eq!(json["routerRtpCapabilities"], plain);
    }
}
