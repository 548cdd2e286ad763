//! A room as operators see it.

use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, TransportId};
use plenum_params::media::MediaKind;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::grants::{Grants, Role};

/// Everything of a room.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomDetail {
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub room: String,
    /// When it was opened: milliseconds since 1970, UTC.
    pub opened_at: u64,
    /// Nobody but hosts may join.
    pub locked: bool,
    /// Those who are no hosts wait until one lets them in.
    pub lobby: bool,
    /// How many peers may be there; `null`: as many as the server allows.
    pub max_peers: Option<u32>,
    /// What it is said to be about, for applications.
    pub metadata: Value,
    /// Where it lives.
    pub places: Vec<PlaceDetail>,
    /// Everybody who is connected; who has been so longest comes first.
    pub peers: Vec<PeerDetail>,
    /// What comes here from other nodes of a cluster.
    pub from_nodes: Vec<FromNode>,
    /// What is brought from here to other nodes.
    pub to_nodes: Vec<ToNode>,
}

/// What somebody sends, and what comes here from another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FromNode {
    /// What.
    #[schema(value_type = String, format = "uuid")]
    pub producer_id: ProducerId,
    /// From which node: its own, or one that takes it, too.
    pub node: String,
    /// Over how many nodes it gets here, this one included.
    pub hops: u8,
}

/// What is brought from here to another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToNode {
    /// What.
    #[schema(value_type = String, format = "uuid")]
    pub producer_id: ProducerId,
    /// To which node.
    pub node: String,
}

/// A room's part at one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceDetail {
    /// Number of the worker; `null`: it has just gone.
    pub worker_id: Option<u16>,
    /// The router there.
    #[schema(value_type = String, format = "uuid")]
    pub router_id: RouterId,
    /// Peers there.
    pub peers: usize,
    /// Producers that come in there.
    pub producers: usize,
    /// Producers that are brought there from other places.
    pub pipes: usize,
}

/// Somebody who is connected.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerDetail {
    /// Who.
    pub peer_id: String,
    /// Number of the worker where its transports are.
    pub worker_id: Option<u16>,
    /// How it came in: `classic`, `newest`, `socketio`, `broadcaster`, `whip`, `whep` or `plenum`.
    pub door: String,
    /// Where it comes from.
    pub remote: Option<String>,
    /// How far it has come: `connected`, `waiting` (in the lobby) or `joined`.
    pub state: String,
    /// Name to show; empty until it wants to join.
    pub display_name: String,
    /// What it runs on, as it told us.
    pub device: Value,
    /// What it is, once it has joined.
    pub role: Option<Role>,
    /// What it was given, its role not considered.
    pub grants: Grants,
    /// It would like to speak.
    pub hand_raised: bool,
    /// Oldest first.
    pub transports: Vec<TransportDetail>,
}

/// A transport with what is on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransportDetail {
    /// Which one.
    #[schema(value_type = String, format = "uuid")]
    pub transport_id: TransportId,
    /// Whose.
    pub peer_id: String,
    /// `webrtc` or `plain`.
    #[serde(rename = "type")]
    pub form: String,
    /// Its client wants its consumers there.
    pub consuming: bool,
    /// It has data channels.
    pub data: bool,
    /// Its client has said how to connect.
    pub connected: bool,
    /// Oldest first.
    pub producers: Vec<ProducerDetail>,
    /// By identifier.
    pub consumers: Vec<ConsumerDetail>,
    /// Oldest first.
    pub data_producers: Vec<DataProducerDetail>,
    /// By identifier.
    pub data_consumers: Vec<DataConsumerDetail>,
}

/// A producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProducerDetail {
    /// Which one.
    #[schema(value_type = String, format = "uuid")]
    pub producer_id: ProducerId,
    /// Whose.
    pub peer_id: String,
    /// Where it comes in.
    #[schema(value_type = String, format = "uuid")]
    pub transport_id: TransportId,
    /// `audio` or `video`.
    #[schema(value_type = String)]
    pub kind: MediaKind,
    /// `simple`, `simulcast` or `svc`.
    #[serde(rename = "type")]
    pub form: String,
    /// Whether it is paused.
    pub paused: bool,
    /// The first codec's name.
    pub codec: Option<String>,
    /// Consumers of it.
    pub consumers: usize,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerDetail {
    /// Which one.
    #[schema(value_type = String, format = "uuid")]
    pub consumer_id: ConsumerId,
    /// Whose.
    pub peer_id: String,
    /// Where it goes out.
    #[schema(value_type = String, format = "uuid")]
    pub transport_id: TransportId,
    /// What it consumes.
    #[schema(value_type = String, format = "uuid")]
    pub producer_id: ProducerId,
    /// Its client has paused it.
    pub paused: bool,
    /// Its client has been told of it.
    pub announced: bool,
    /// The last score, 0 to 10.
    pub score: Option<u8>,
}

/// A data producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataProducerDetail {
    /// Which one.
    #[schema(value_type = String, format = "uuid")]
    pub data_producer_id: DataProducerId,
    /// Whose.
    pub peer_id: String,
    /// Where it comes in.
    #[schema(value_type = String, format = "uuid")]
    pub transport_id: TransportId,
    /// For applications.
    pub label: String,
    /// For applications.
    pub protocol: String,
    /// Data consumers of it.
    pub consumers: usize,
}

/// A data consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerDetail {
    /// Which one.
    #[schema(value_type = String, format = "uuid")]
    pub data_consumer_id: DataConsumerId,
    /// Whose.
    pub peer_id: String,
    /// Where it goes out.
    #[schema(value_type = String, format = "uuid")]
    pub transport_id: TransportId,
    /// What it reads.
    #[schema(value_type = String, format = "uuid")]
    pub data_producer_id: DataProducerId,
}
