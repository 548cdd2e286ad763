//! Messages of the Socket.IO protocol of Dirvann's mediasoup-sfu-webrtc-video-rooms: the data of events and of their
//! acknowledgements.
//!
//! Some members have names with underscores and some do not; that is how its page reads and writes them.

use plenum_ids::{ConsumerId, PeerId, ProducerId, TransportId};
use plenum_params::{
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    transport::DtlsParameters,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    classic::ClientDtlsParameters,
    ice::IceServer,
    transport::{IceCandidateJson, IceParametersJson, TransportParametersJson},
};

/// What a client may say when it connects (`auth`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Handshake {
    /// What proves who it is.
    pub token: Option<String>,
    /// Where the rooms are that it names.
    pub namespace: Option<String>,
}

/// `createRoom`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CreateRoom {
    /// Which room.
    pub room_id: String,
}

/// `join`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Join {
    /// Which room.
    pub room_id: String,
    /// For people.
    #[serde(default)]
    pub name: String,
}

/// `createWebRtcTransport`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateWebRtcTransport {
    /// The client cannot use UDP.
    pub force_tcp: bool,
    /// Present when the client will send on it.
    pub rtp_capabilities: Option<Value>,
}

/// `connectTransport`
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ConnectTransport {
    /// Which transport.
    pub transport_id: String,
    /// The client's certificate.
    #[serde(rename = "dtlsParameters")]
    pub dtls_parameters: ClientDtlsParameters,
}

/// `produce`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Produce {
    /// On which transport.
    pub producer_transport_id: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What will be sent.
    pub rtp_parameters: RtpParameters,
}

/// `consume`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consume {
    /// On which transport.
    pub consumer_transport_id: String,
    /// What.
    pub producer_id: String,
    /// What the client can receive.
    pub rtp_capabilities: RtpCapabilities,
}

/// `producerClosed`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ProducerReference {
    /// Which producer.
    pub producer_id: String,
}

/// Answer to `join` and `getMyRoomInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomInfo<'a> {
    /// Which room.
    pub id: &'a str,
    /// JSON in a string: pairs of an identifier and a [`RoomPeer`].
    pub peers: String,
}

impl<'a> RoomInfo<'a> {
    /// The room with everybody in it.
    #[must_use]
    pub fn new(id: &'a str, peers: &[RoomPeer<'_>]) -> Self {
        let pairs: Vec<_> = peers.iter().map(|peer| (peer.id, peer)).collect();
        let peers = serde_json::to_string(&pairs).unwrap_or_default();
        Self { id, peers }
    }
}

/// Somebody in a room. What a server of this protocol knows of somebody's media does not survive the way into JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomPeer<'a> {
    /// Who.
    pub id: &'a PeerId,
    /// For people.
    pub name: &'a str,
    /// Always empty.
    pub transports: Map<String, Value>,
    /// Always empty.
    pub consumers: Map<String, Value>,
    /// Always empty.
    pub producers: Map<String, Value>,
}

impl<'a> RoomPeer<'a> {
    /// Somebody by this name.
    #[must_use]
    pub fn new(id: &'a PeerId, name: &'a str) -> Self {
        Self {
            id,
            name,
            transports: Map::new(),
            consumers: Map::new(),
            producers: Map::new(),
        }
    }
}

/// Answer to `createWebRtcTransport`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportCreated {
    /// The new transport.
    pub id: TransportId,
    /// Our ICE credentials.
    pub ice_parameters: IceParametersJson,
    /// Our candidates.
    pub ice_candidates: Vec<IceCandidateJson>,
    /// Our certificate.
    pub dtls_parameters: DtlsParameters,
    /// What helps the client to find a path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ice_servers: Vec<IceServer>,
}

impl TransportCreated {
    /// There are no data channels in this protocol.
    #[must_use]
    pub fn new(
        id: TransportId,
        parameters: TransportParametersJson,
        ice_servers: Vec<IceServer>,
    ) -> Self {
        Self {
            id,
            ice_parameters: parameters.ice_parameters,
            ice_candidates: parameters.ice_candidates,
            dtls_parameters: parameters.dtls_parameters,
            ice_servers,
        }
    }
}

/// Answer to `produce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Produced {
    /// The new producer.
    pub producer_id: ProducerId,
}

/// Answer to `consume`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumed<'a> {
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
    /// Whether the producer is paused.
    pub producer_paused: bool,
}

/// One entry of `newProducers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewProducer {
    /// Which producer.
    pub producer_id: ProducerId,
    /// Who sends it; absent in the list that a client asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_socket_id: Option<PeerId>,
}

/// `consumerClosed`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConsumerClosed {
    /// Which consumer.
    pub consumer_id: ConsumerId,
}

/// Answer to whatever could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// For people.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_peers_of_a_room_are_json_in_a_string() {
        let (ada, bob) = (PeerId::from("a"), PeerId::from("b"));
        let info = RoomInfo::new(
            "room",
            &[RoomPeer::new(&ada, "Ada"), RoomPeer::new(&bob, "")],
        );
        assert_eq!(info.id, "room");
        let peers: Value = serde_json::from_str(&info.peers).expect("JSON");
        let peer = |id, name| json!({"id": id, "name": name, "transports": {}, "consumers": {}, "producers": {}});
        assert_eq!(
            peers,
            json!([["a", peer("a", "Ada")], ["b", peer("b", "")]])
        );
    }

    #[test]
    fn a_producer_has_an_owner_only_when_it_is_told_of() {
        let mut producer = NewProducer {
            producer_id: ProducerId::from_u128(1),
            producer_socket_id: None,
        };
        let json = serde_json::to_value(&producer).expect("plain data");
        assert_eq!(json, json!({"producer_id": ProducerId::from_u128(1)}));
        producer.producer_socket_id = Some(PeerId::from("a"));
        let json = serde_json::to_value(&producer).expect("plain data");
        assert_eq!(json["producer_socket_id"], "a");
    }
}
