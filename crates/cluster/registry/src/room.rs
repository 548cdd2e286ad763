//! What a registry knows about rooms.

use std::time::Duration;

use plenum_ids::{NodeEpoch, NodeId, PeerId, RoomEpoch, RoomName};
use serde::{Deserialize, Serialize};

use crate::Incarnation;

/// A room looks for its home.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "nodes put it together")]
pub struct ClaimRequest {
    /// Which room.
    pub room: RoomName,
    /// Where it may live, the best first. Those that are dead or draining are passed over.
    pub candidates: Vec<NodeId>,
    /// The highest epoch of the room that the caller has heard of. A registry that knows only a lower one has lost a
    /// claim: the home it remembers does not count.
    pub at_least: RoomEpoch,
    /// After how long without a renewal a node is dead.
    pub lease: Duration,
    /// Whether a room that nobody has is made.
    pub create: bool,
    /// Where the join is counted for which this is asked.
    pub joins: Joins,
    /// The registry as the caller knows it: any other one refuses.
    pub seen: Incarnation,
}

/// Where a claim's join goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Joins {
    /// To the home.
    #[default]
    Home,
    /// To this node, wherever the home is.
    At(NodeId),
    /// Nobody joins: a home is claimed for its own sake.
    Nowhere,
}

/// The home of a room, as a claim found or made it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Claim {
    /// Which node.
    pub home: NodeId,
    /// Which start of it.
    pub home_epoch: NodeEpoch,
    /// Which home of this room it is.
    pub epoch: RoomEpoch,
    /// It was not the home before this claim.
    pub created: bool,
    /// Joins sent to the node where this one goes that may not be in its figures yet, with this one.
    pub pending: u32,
}

/// The home in a room's record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct RoomHome {
    /// Which node.
    pub node: NodeId,
    /// Which start of it. Whether that one lives is for the reader to find out.
    pub node_epoch: NodeEpoch,
    /// Which home of this room it is.
    pub epoch: RoomEpoch,
}

/// How far a node's part of a room has come: a newcomer sees by it what it has missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "nodes put it together")]
#[serde(default)]
pub struct PartMark {
    /// Changes so far.
    pub seq: u64,
    /// Peers in the part.
    pub peers: u32,
    /// Their producers.
    pub producers: u32,
    /// Whatever tells two states of one number apart; 0 where the owner gives none.
    pub digest: u64,
}

/// A node's part of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct RoomPart {
    /// Whose.
    pub node: NodeId,
    /// Which start of it.
    pub node_epoch: NodeEpoch,
    /// How far it has come.
    pub mark: PartMark,
}

/// All that is known about a room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct RoomRecord {
    /// Its home, if it has one. That one may be dead.
    pub home: Option<RoomHome>,
    /// The highest epoch that a home of it had.
    pub epoch: RoomEpoch,
    /// Its parts, by node's name.
    pub parts: Vec<RoomPart>,
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct PeerPlace {
    /// Who.
    pub peer: PeerId,
    /// At which node.
    pub node: NodeId,
    /// Which start of it.
    pub node_epoch: NodeEpoch,
    /// What that node noted: why the peer is there, for example.
    pub note: String,
}
