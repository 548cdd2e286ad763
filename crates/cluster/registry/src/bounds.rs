//! How large what is kept may be. A registry is shared by everybody: one node's mistake must not fill it.

use plenum_ids::{NamespaceId, NodeEpoch, NodeId, PeerId, RoomEpoch, RoomName};

use crate::{NodeRecord, RegistryError};

/// Bytes of a node's, room's or peer's name. The longest that signalling takes is shorter.
pub const MAX_NAME: usize = 512;
/// Bytes of a node's record as JSON: a status of some kilobytes, written each second.
pub const MAX_RECORD: usize = 64 * 1024;
/// Bytes of what stands beside a peer.
pub const MAX_PEER_NOTE: usize = 1024;
/// Candidates of one claim: more would keep Redis' only thread busy, and nobody looks at the thirty-third.
pub const MAX_CANDIDATES: usize = 32;
/// Bytes of a topic's name: a room's name and some words around it.
pub const MAX_TOPIC: usize = 2 * MAX_NAME;
/// Bytes of a message on the bus. A larger fact is fetched from its owner.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Highest epoch that a registry gives or takes: numbers in Redis' scripts are doubles, exact up to here.
pub const MAX_EPOCH: u64 = (1 << 53) - 2;

pub(crate) fn node(node: &NodeId) -> Result<(), RegistryError> {
    name("a node's name", node.as_str())
}

pub(crate) fn peer(peer: &PeerId) -> Result<(), RegistryError> {
    name("a peer's name", peer.as_str())
}

pub(crate) fn room(room: &RoomName) -> Result<(), RegistryError> {
    if NamespaceId::parse(room.namespace.as_str()).is_err() {
        return Err(RegistryError::Refused {
            what: "a namespace's name",
        });
    }
    name("a room's name", room.room.as_str())
}

pub(crate) fn node_epoch(epoch: NodeEpoch) -> Result<(), RegistryError> {
    number("a node's epoch", epoch.0)
}

pub(crate) fn room_epoch(epoch: RoomEpoch) -> Result<(), RegistryError> {
    number("a room's epoch", epoch.0)
}

/// A record as it is stored.
pub(crate) fn record(record: &NodeRecord) -> Result<String, RegistryError> {
    let what = "a node's record";
    let text = serde_json::to_string(record).map_err(|_| RegistryError::Refused { what })?;
    length(what, text.len(), MAX_RECORD)?;
    Ok(text)
}

pub(crate) fn length(
    what: &'static str,
    length: usize,
    longest: usize,
) -> Result<(), RegistryError> {
    if length > longest {
        return Err(RegistryError::TooLarge {
            what,
            length,
            longest,
        });
    }
    Ok(())
}

fn name(what: &'static str, text: &str) -> Result<(), RegistryError> {
    if text.is_empty() {
        return Err(RegistryError::Refused { what });
    }
    length(what, text.len(), MAX_NAME)
}

fn number(what: &'static str, value: u64) -> Result<(), RegistryError> {
    if value > MAX_EPOCH {
        return Err(RegistryError::Refused { what });
    }
    Ok(())
}
