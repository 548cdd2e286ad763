//! Nodes of a cluster, and why people are where they are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeList {
    /// By name; those of which nobody has heard for long are not there. A node without a cluster has none.
    pub nodes: Vec<NodeSummary>,
    /// The node that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

/// A node as the one knows it that was asked: what it tells of itself, some seconds ago.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSummary {
    /// Its identifier.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Which start of it.
    pub epoch: u64,
    /// Whether its lease holds.
    pub alive: bool,
    /// How long ago that was renewed, when it was read.
    pub lease_age_ms: u64,
    /// It takes nobody any more.
    pub draining: bool,
    /// `all`, `media` or `signal`.
    pub role: String,
    /// What it runs.
    pub version: String,
    /// Where clients reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Where other nodes reach it.
    pub link_address: String,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Who connects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isp: Option<String>,
    /// Latitude and longitude in degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<[f32; 2]>,
    /// What else is said of it.
    pub labels: Vec<String>,
    /// The namespaces that it serves; all, if none is named.
    pub namespaces: Vec<String>,
    /// From -100 to 100.
    pub priority: i8,
    /// In the operator's unit.
    pub cost: f32,
    /// The fullest of its resources, 0 to 1.
    pub load: f32,
    /// Joins that were sent there and may not be in its figures yet.
    pub pending_joins: u32,
    /// Rooms with a part there.
    pub rooms: u32,
    /// Peers.
    pub peers: u32,
    /// Streams that come in.
    pub producers: u32,
    /// Streams that go out.
    pub consumers: u32,
    /// Media workers that run.
    pub workers: u32,
    /// Bits of media that come in each second.
    pub ingress: u64,
    /// Bits of media that go out each second.
    pub egress: u64,
    /// Bits a second that its uplink carries; 0: not known.
    pub egress_capacity: u64,
    /// Bits of media in, a second and peer.
    pub ingress_per_peer: u64,
    /// Bits of media out, a second and peer.
    pub egress_per_peer: u64,
    /// How that is spread over the peers, which the means above do not show.
    pub peer_bitrates: PeerBitrates,
    /// Its machine.
    pub machine: MachineStatus,
}

/// What the peers of a node send and receive, by their transports: with everything, not only media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerBitrates {
    /// From them.
    pub received: BitrateSummary,
    /// To them.
    pub sent: BitrateSummary,
}

/// Bitrates of many, in bits a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BitrateSummary {
    /// Of how many. Who sends (or is sent) nothing is none of them.
    pub count: u32,
    /// Half of them have no more.
    pub p50: u64,
    /// 95 % have no more.
    pub p95: u64,
    /// Nobody has more.
    pub max: u64,
}

/// The machine that a node is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineStatus {
    /// Share of all cores that is used, 0 to 1.
    pub cpu: f32,
    /// Its cores.
    pub cores: u32,
    /// Bytes of memory that are used.
    pub memory_used: u64,
    /// Bytes of memory that there are.
    pub memory_total: u64,
    /// Bits received a second.
    pub network_received: u64,
    /// Bits sent a second.
    pub network_sent: u64,
    /// Bytes used on the disk of the system.
    pub disk_used: u64,
    /// Bytes that it has.
    pub disk_total: u64,
}

/// `GET /api/v1/nodes/{node}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDetail {
    /// What it tells of itself.
    #[serde(flatten)]
    pub status: NodeSummary,
    /// The link to it from the node that was asked; absent: there is none, or it is that node itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<NodeLink>,
}

/// The link between two nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeLink {
    /// `up`, `connecting` or `down`.
    pub state: String,
    /// Which start of the other node it is to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Milliseconds of a round trip, measured by heartbeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// `GET /api/v1/rooms/{namespace}/{room}/peers/{peer}/placement`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerPlacement {
    /// Who.
    pub peer_id: String,
    /// At which nodes it is: one, or two for a moment while it moves.
    pub places: Vec<PlacedAt>,
}

/// Where a peer is, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedAt {
    /// At which node.
    pub node: String,
    /// Which start of it.
    pub epoch: u64,
    /// What decided, for people.
    pub reasons: Vec<String>,
}

/// `GET /dispatch`: where somebody is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dispatched {
    /// To which node.
    pub node: Option<String>,
    /// Where clients reach it; absent: through the node that was asked, which relays.
    pub url: Option<String>,
    /// Whether that is the node that was asked.
    pub here: bool,
    /// What decided, for people.
    pub reasons: Vec<String>,
}
