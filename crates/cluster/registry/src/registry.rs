//! What nodes ask of a registry.

use std::{fmt::Debug, time::Duration};

use futures_util::future::BoxFuture;
use plenum_ids::{NodeEpoch, NodeId, PeerId, RoomEpoch, RoomName};

use crate::{
    Claim, ClaimRequest, Incarnation, Leases, NodeRecord, NodesView, PartMark, PeerPlace,
    RegistryError, RoomRecord,
};

/// What comes of a question to the registry.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, RegistryError>>;

/// Where a cluster's facts are kept. Every answer comes within a bound: a registry that is away is
/// [`RegistryError::Unreachable`], and a question is never asked twice on the caller's behalf.
///
/// What a node writes carries the epoch of its start. It is refused ([`RegistryError::Fenced`]) once a later start of
/// the same node has registered.
pub trait Registry: Send + Sync + Debug + 'static {
    /// A node starts: its epoch is higher than any that the registry remembers, and than `at_least`, which the node
    /// remembers. What earlier starts left stays until [`Registry::sweep`].
    fn register(
        &self,
        node: NodeId,
        at_least: NodeEpoch,
        record: NodeRecord,
    ) -> Answer<'_, Registered>;

    /// The node lives. A registry that has forgotten it takes it up again.
    fn renew(&self, node: NodeId, epoch: NodeEpoch, record: NodeRecord) -> Answer<'_, Renewed>;

    /// The node goes: its lease ends now. Its rooms stay until [`Registry::sweep`].
    fn resign(&self, node: NodeId, epoch: NodeEpoch) -> Answer<'_, ()>;

    /// Who lives: the small part of [`Registry::nodes`], to be asked each second.
    fn leases(&self) -> Answer<'_, Leases>;

    /// All nodes with their records.
    fn nodes(&self) -> Answer<'_, NodesView>;

    /// Finds a room's home or makes one, at once for everybody: a living home stays, else the first candidate that
    /// lives and does not drain is it, under the next epoch.
    fn claim(&self, request: ClaimRequest) -> Answer<'_, Claim>;

    /// The home gives the room up, if it still is its home. The answer says whether it was.
    fn release(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        epoch: RoomEpoch,
    ) -> Answer<'_, bool>;

    /// A node has a part of the room, which has come so far. A mark older than the stored one of the same start changes
    /// nothing. Refused ([`RegistryError::Unleased`]) unless the node has renewed within `lease`.
    fn put_part(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        mark: PartMark,
        lease: Duration,
    ) -> Answer<'_, ()>;

    /// A node's part has ended, and its peers with it.
    fn remove_part(&self, room: RoomName, node: NodeId, node_epoch: NodeEpoch) -> Answer<'_, ()>;

    /// What is known about a room, if somebody has it: a home or a part.
    fn room(&self, room: RoomName) -> Answer<'_, Option<RoomRecord>>;

    /// Rooms that have their home or a part at a node, by name.
    fn rooms_of(&self, node: NodeId) -> Answer<'_, Vec<RoomName>>;

    /// A peer is at a node, with a note of at most [`crate::MAX_PEER_NOTE`] bytes. Refused as [`Registry::put_part`] is.
    fn put_peer(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        peer: PeerId,
        note: String,
        lease: Duration,
    ) -> Answer<'_, ()>;

    /// A peer is at that node no longer.
    fn remove_peer(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        peer: PeerId,
    ) -> Answer<'_, ()>;

    /// Where one peer of a room is, or all of them are: at the nodes that have parts of the room. One peer can be at
    /// two nodes for a moment.
    fn peers(&self, room: RoomName, only: Option<PeerId>) -> Answer<'_, Vec<PeerPlace>>;

    /// Removes what a dead node, or an earlier start of a living one, left. Everybody may do it, as often as he likes.
    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept>;
}

/// A node's start is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Registered {
    /// Its number.
    pub epoch: NodeEpoch,
    /// Who took it.
    pub incarnation: Incarnation,
}

/// A lease goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Renewed {
    /// Who took it.
    pub incarnation: Incarnation,
}

/// What is to be swept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "nodes put it together")]
pub struct Sweep {
    /// Whose leavings.
    pub node: NodeId,
    /// Of this start and of those before it.
    pub epoch: NodeEpoch,
    /// After how long without a renewal a node is dead: while it renews, its present start is not swept.
    pub lease: Duration,
    /// The registry as the caller knows it: any other one refuses.
    pub seen: Incarnation,
}

/// What was swept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Swept {
    /// Rooms that lost a home or a part by it.
    pub rooms: Vec<RoomName>,
}
