//! What nodes write to each other about rooms. Fields that are not known are passed over, so that two versions understand each
//! other.

use plenum_cluster::Stamp;
use plenum_ids::{NodeEpoch, NodeId, RoomName};
use plenum_room::{NodeFailure, NodeReply, NodeRequest, PartChange, PartHint, PartSnapshot};
use serde::{Deserialize, Serialize};

/// The channel on which all of a part is told; opened with a [`PartQuestion`], it brings [`Told`] in pieces.
pub(crate) const PART: &str = "part";

/// The channel on which a node's parts ask another node's.
pub(crate) const ROOMS: &str = "rooms";

/// What the bus carries about one room: what a part tells all others, several things at once if they come fast.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bulletin<I = Item> {
    /// Whose part.
    pub(crate) node: NodeId,
    /// Which start of that node.
    pub(crate) epoch: NodeEpoch,
    /// In order.
    pub(crate) items: Vec<I>,
}

/// One thing that a part tells. A number without a change says that there is one, which is to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Item {
    /// The change's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    /// The change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<PartChange>,
    /// The part has ended, after so many changes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ended: bool,
    /// Something that may get lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<PartHint>,
}

/// Whose part somebody wants to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartQuestion {
    pub(crate) room: RoomName,
}

/// All of a part as of some number, or that there is none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// After so many changes.
    pub(crate) stamp: Stamp,
    /// `None`: there is no part, and there was none after so many changes.
    #[serde(default)]
    pub(crate) part: Option<Box<PartSnapshot>>,
}

/// A part asks or tells another one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) room: RoomName,
    /// Repeated in the answer; `None`: it is only told.
    #[serde(default)]
    pub(crate) ask: Option<u64>,
    pub(crate) request: NodeRequest,
}

/// The other part's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) ask: u64,
    #[serde(default)]
    pub(crate) said: Option<NodeReply>,
    #[serde(default)]
    pub(crate) failure: Option<NodeFailure>,
}

impl Reply {
    pub(crate) fn new(ask: u64, result: Result<NodeReply, NodeFailure>) -> Self {
        let (said, failure) = match result {
            Ok(said) => (Some(said), None),
            Err(failure) => (None, Some(failure)),
        };
        Self { ask, said, failure }
    }

    pub(crate) fn into_result(self) -> Result<NodeReply, NodeFailure> {
        match (self.said, self.failure) {
            (Some(said), None) => Ok(said),
            (_, Some(failure)) => Err(failure),
            (None, None) => Err(NodeFailure::Lost),
        }
    }
}
