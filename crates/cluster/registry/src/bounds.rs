//! How large what is kept may be. A registry is shared by everybody: one node's mistake must not fill it.

use std::time::Duration;

use plenum_ids::{NamespaceId, NodeEpoch, NodeId, PeerId, RoomEpoch, RoomName};

use crate::{ClaimRequest, Joins, NodeRecord, PartMark, RegistryError};

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

/// How long a registry remembers the epoch of a room that nobody has. A process that comes back after a longer pause
/// finds its lease gone for so long that it needs no epoch to know.
pub(crate) const KEEP_ROOMS: Duration = Duration::from_hours(1);
/// How long a registry remembers the epoch of a node that is gone: longer than a repair takes. A node that comes back
/// later remembers its epoch itself, or nobody remembers it.
pub(crate) const KEEP_NODES: Duration = Duration::from_hours(30 * 24);

pub(crate) fn claim(request: &ClaimRequest) -> Result<(), RegistryError> {
    room(&request.room)?;
    room_epoch(request.at_least)?;
    length(
        "a list of candidates",
        request.candidates.len(),
        MAX_CANDIDATES,
    )?;
    request.candidates.iter().try_for_each(node)?;
    match &request.joins {
        Joins::At(at) => node(at),
        Joins::Home | Joins::Nowhere => Ok(()),
    }
}

pub(crate) fn part(name: &RoomName, of: &NodeId, epoch: NodeEpoch) -> Result<(), RegistryError> {
    room(name)?;
    node(of)?;
    node_epoch(epoch)
}

/// A part's mark as it is stored.
pub(crate) fn mark(mark: &PartMark) -> Result<String, RegistryError> {
    number("the number of a part's changes", mark.seq)?;
    serde_json::to_string(mark).map_err(|_| RegistryError::Refused {
        what: "a part's mark",
    })
}

pub(crate) fn note(note: &str) -> Result<(), RegistryError> {
    length("a note about a peer", note.len(), MAX_PEER_NOTE)
}

pub(crate) fn topic(topic: &str) -> Result<(), RegistryError> {
    length("a topic", topic.len(), MAX_TOPIC)
}

pub(crate) fn message(message: &[u8]) -> Result<(), RegistryError> {
    length("a message", message.len(), MAX_MESSAGE)
}

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
