//! Bodies of the admin API, `/api/v1`.

mod details;
mod nodes;
mod wishes;

use serde::Serialize;
use utoipa::ToSchema;

pub use details::{
    ConsumerDetail, DataConsumerDetail, DataProducerDetail, FromNode, PeerDetail, PlaceDetail,
    ProducerDetail, RoomDetail, ToNode, TransportDetail,
};
pub use nodes::{
    BitrateSummary, Dispatched, MachineStatus, NodeDetail, NodeLink, NodeList, NodeSummary,
    PeerBitrates, PeerPlacement, PlacedAt,
};
pub use wishes::{MuteWish, NewRoom, RoleWish, RoomChange, VideoCodec};

/// `GET /api/v1/namespaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct NamespaceList {
    /// By name.
    pub namespaces: Vec<NamespaceStatus>,
}

/// One namespace, with what it has and may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceStatus {
    /// Its name; `default` where none is named.
    pub namespace: String,
    /// Rooms.
    pub rooms: usize,
    /// Peers that have joined.
    pub peers: usize,
    /// Clients, joined or not.
    pub sessions: usize,
    /// Most rooms; `null`: as many as the node takes.
    pub max_rooms: Option<usize>,
    /// Most clients in all its rooms together; `null`: as many as the node takes.
    pub max_peers: Option<usize>,
    /// Most clients in one room; `null`: as many as rooms take.
    pub max_peers_per_room: Option<usize>,
}

/// `GET /api/v1/rooms`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoomList {
    /// By namespace and name.
    pub rooms: Vec<RoomSummary>,
    /// Where the rest begins, for `cursor`; absent: these were all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One room in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomSummary {
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub room: String,
    /// Peers that have joined.
    pub peers: usize,
    /// Clients, joined or not.
    pub sessions: usize,
    /// What they send.
    pub producers: usize,
    /// What they receive, if all that is sent goes to everybody else.
    pub consumers: u64,
    /// Numbers of the workers that it is on.
    pub workers: Vec<u16>,
    /// When it was opened: milliseconds since 1970, UTC.
    pub opened_at: u64,
}

/// `GET …/peers`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PeerList {
    /// Who has been connected longest comes first.
    pub peers: Vec<PeerDetail>,
}

/// `GET …/transports`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TransportList {
    /// Peer by peer.
    pub transports: Vec<TransportDetail>,
}

/// `GET …/producers`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProducerList {
    /// Peer by peer.
    pub producers: Vec<ProducerDetail>,
    /// Peer by peer.
    pub data_producers: Vec<DataProducerDetail>,
}

/// `GET …/consumers`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerList {
    /// Peer by peer.
    pub consumers: Vec<ConsumerDetail>,
    /// Peer by peer.
    pub data_consumers: Vec<DataConsumerDetail>,
}

/// `GET …/stats` of media objects.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MediaStats {
    /// As clients get them: one entry for a transport, one per stream for producers and consumers.
    pub stats: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// `GET /api/v1/workers`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkerList {
    /// By number.
    pub workers: Vec<crate::status::WorkerStatus>,
}
