//! Bodies of the admin API, `/api/v1`.

use serde::Serialize;
use utoipa::ToSchema;

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
    /// Numbers of the workers that it is on.
    pub workers: Vec<u16>,
    /// When it was opened: milliseconds since 1970, UTC.
    pub opened_at: u64,
}
