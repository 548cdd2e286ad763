//! A room as those see it who look after it.

use std::net::IpAddr;

use plenum_api::grants::{Grants, Role};
use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, NodeId, PeerId, ProducerId, RouterId, TransportId,
};
use plenum_params::media::MediaKind;
use serde::Serialize;
use serde_json::Value;

use crate::{
    admission::Door,
    command::{PlaceId, SessionId},
    info::RoomProperties,
};

/// Everything of a room that can be told, see [`crate::Room::view`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct RoomView {
    /// What hosts have decided.
    #[serde(flatten)]
    pub properties: RoomProperties,
    /// Where it lives.
    pub places: Vec<PlaceView>,
    /// Everybody who is connected; who has been so longest comes first.
    pub peers: Vec<PeerView>,
    /// Those who have joined at other nodes, as far as this one knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_peers: Vec<RemotePeerView>,
    /// What comes here from other nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from_nodes: Vec<FromNodeView>,
    /// What is brought from here to other nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to_nodes: Vec<ToNodeView>,
}

/// What somebody sends, and what comes here from another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct FromNodeView {
    /// What.
    pub producer_id: ProducerId,
    /// From which node: its own, or one that takes it, too.
    pub node: NodeId,
    /// Over how many nodes it gets here, this one included.
    pub hops: u8,
}

/// What is brought from here to another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct ToNodeView {
    /// What.
    pub producer_id: ProducerId,
    /// To which node.
    pub node: NodeId,
}

/// Somebody who has joined at another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct RemotePeerView {
    /// Who.
    pub peer_id: PeerId,
    /// Where.
    pub node: NodeId,
    /// When it joined, in milliseconds since 1970 by that node's clock.
    pub joined_at: u64,
    /// Where it comes from.
    pub remote: Option<IpAddr>,
    /// Name to show.
    pub display_name: String,
    /// What it is.
    pub role: Role,
    /// What it was given, its role not considered.
    pub grants: Grants,
    /// It would like to speak.
    pub hand_raised: bool,
    /// What it sends, oldest first.
    pub producers: Vec<ProducerId>,
    /// Those of them that are brought here.
    pub piped: Vec<ProducerId>,
}

/// One place of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct PlaceView {
    /// Its number in the room.
    pub place: PlaceId,
    /// The router there.
    pub router_id: RouterId,
    /// How many peers are there.
    pub peers: usize,
    /// How many producers come in there.
    pub producers: usize,
    /// How many producers of other places are brought there.
    pub pipes: usize,
}

/// Somebody who is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct PeerView {
    /// Who.
    pub peer_id: PeerId,
    /// Its session.
    pub session: SessionId,
    /// Where its transports are.
    pub place: PlaceId,
    /// How it came in.
    pub door: Door,
    /// Where it comes from.
    pub remote: Option<IpAddr>,
    /// How far it has come.
    pub state: PeerState,
    /// Name to show; empty until it wants to join.
    pub display_name: String,
    /// What it runs on.
    pub device: Value,
    /// What it is, once it has joined.
    pub role: Option<Role>,
    /// What it was given, its role not considered.
    pub grants: Grants,
    /// It would like to speak.
    pub hand_raised: bool,
    /// Oldest first.
    pub transports: Vec<TransportView>,
}

/// How far somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum PeerState {
    /// It has not joined.
    Connected,
    /// It is in the lobby.
    Waiting,
    /// It has joined.
    Joined,
}

/// A transport with what is on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct TransportView {
    /// Which one.
    pub transport_id: TransportId,
    /// `webrtc` or `plain`.
    #[serde(rename = "type")]
    pub form: &'static str,
    /// Its client wants its consumers there.
    pub consuming: bool,
    /// It has data channels.
    pub data: bool,
    /// Its client has said how to connect.
    pub connected: bool,
    /// Oldest first.
    pub producers: Vec<ProducerView>,
    /// By identifier.
    pub consumers: Vec<ConsumerView>,
    /// Oldest first.
    pub data_producers: Vec<DataProducerView>,
    /// By identifier.
    pub data_consumers: Vec<DataConsumerView>,
}

/// A producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct ProducerView {
    /// Which one.
    pub producer_id: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// `simple`, `simulcast` or `svc`.
    #[serde(rename = "type")]
    pub form: &'static str,
    /// Whether it is paused.
    pub paused: bool,
    /// The first codec's name.
    pub codec: Option<String>,
    /// How many consumers it has.
    pub consumers: usize,
    /// The places that it is brought to.
    pub piped_to: Vec<PlaceId>,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct ConsumerView {
    /// Which one.
    pub consumer_id: ConsumerId,
    /// What it consumes.
    pub producer_id: ProducerId,
    /// Its client paused it.
    pub paused: bool,
    /// Its client has been told of it.
    pub announced: bool,
    /// The last score, 0 to 10.
    pub score: Option<u8>,
}

/// A data producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct DataProducerView {
    /// Which one.
    pub data_producer_id: DataProducerId,
    /// For applications.
    pub label: String,
    /// For applications.
    pub protocol: String,
    /// How many data consumers it has.
    pub consumers: usize,
}

/// A data consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct DataConsumerView {
    /// Which one.
    pub data_consumer_id: DataConsumerId,
    /// What it reads.
    pub data_producer_id: DataProducerId,
}
