//! What happens to a part of a room, numbered by the node that owns it.

use plenum_ids::NodeEpoch;
use serde::{Deserialize, Serialize};

/// How far a part has come: which start of its node, how many changes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[expect(clippy::exhaustive_structs, reason = "plain data, in this order")]
pub struct Stamp {
    /// Which start of the owner. A part of a later one has nothing to do with what was before.
    pub epoch: NodeEpoch,
    /// Changes of this part so far; the first one is 1.
    pub seq: u64,
}

/// A change with its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Numbered<C> {
    /// Its number.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// What changed.
    pub change: C,
}

/// Numbers a part's changes.
///
/// One log lives as long as its node's process holds parts of that room: a room that ends at a node and begins there anew goes
/// on counting ([`Log::resume`]), so that no number ever means two things.
#[derive(Debug)]
pub struct Log {
    stamp: Stamp,
}

impl Log {
    /// The part of a node's start begins, empty.
    #[must_use]
    pub const fn new(epoch: NodeEpoch) -> Self {
        Self {
            stamp: Stamp { epoch, seq: 0 },
        }
    }

    /// A part begins anew where an earlier one of the same start had come to.
    #[must_use]
    pub const fn resume(stamp: Stamp) -> Self {
        Self { stamp }
    }

    /// The next number for a change.
    pub const fn number<C>(&mut self, change: C) -> Numbered<C> {
        self.stamp.seq += 1;
        Numbered {
            stamp: self.stamp,
            change,
        }
    }

    /// How far it has come: belongs to a snapshot made now.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }
}
