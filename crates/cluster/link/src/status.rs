//! What is told about links.

use std::time::{Duration, SystemTime};

use plenum_ids::{NodeEpoch, NodeId};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{LinkError, Peer};

/// Something happened to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// There is none any more.
    Down {
        /// To whom.
        peer: Peer,
        /// Why.
        reason: DownReason,
    },
    /// A node that has proved who it is says that a later start of this one is connected to it: this one is stale.
    Fenced {
        /// Who says so.
        told_by: Peer,
        /// Which epoch is connected there, as far as is known.
        by: Option<NodeEpoch>,
    },
    /// The listener was too slow and has missed some of these: look at [`Links::status`](crate::Links::status) again.
    Missed,
    /// There is one now.
    Up {
        /// To whom.
        peer: Peer,
    },
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownReason {
    /// The connection broke.
    Broken,
    /// A side did not want it any longer for a reason of its own: it ends, or its secret was retired.
    Ended,
    /// It was not used.
    Idle,
    /// What came cannot be understood.
    Malformed,
    /// A later start of the same node is connected.
    Replaced,
    /// Nothing was heard for three heartbeats.
    Silent,
    /// It does not read what is written to it.
    Stalled,
}

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkState {
    /// It is being closed: nothing new goes over it.
    Closing,
    /// It is being made.
    Dialling,
    /// There is none.
    Down,
    /// There is one.
    Up,
}

/// A link, or the wish for one, as operators see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkStatus {
    /// To which node.
    pub node: NodeId,
    /// How it is.
    pub state: LinkState,
    /// Since when it is so.
    pub since: SystemTime,
    /// Which start of the node, once it is known.
    pub epoch: Option<NodeEpoch>,
    /// Which build that node says it is.
    pub build: Option<String>,
    /// The version of the protocol that both speak.
    pub version: Option<u32>,
    /// Where the connection leads to or comes from.
    pub address: Option<String>,
    /// Where the node says that it can be dialled.
    pub advertised: Option<String>,
    /// Whether this node has dialled.
    pub dialled: bool,
    /// How it is doing.
    pub figures: LinkFigures,
    /// Why none could be made.
    pub last_failure: Option<LinkError>,
    /// Why the last one ended.
    pub last_down: Option<DownReason>,
}

/// How a connection is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkFigures {
    /// Bytes that were written, before encryption.
    pub sent_bytes: u64,
    /// Bytes that were read, after decryption.
    pub received_bytes: u64,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
    /// From a heartbeat to its answer, smoothed.
    pub round_trip: Option<Duration>,
    /// Requests to that node without an answer.
    pub asked: usize,
    /// Requests of that node without an answer.
    pub answering: usize,
    /// Channels.
    pub channels: usize,
}

/// What happens, as it happens.
#[derive(Debug)]
pub struct LinkEvents(broadcast::Receiver<LinkEvent>);

impl LinkEvents {
    pub(crate) fn new(events: broadcast::Receiver<LinkEvent>) -> Self {
        Self(events)
    }

    /// The next event; `None`: the links are gone. It may be dropped while it waits.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(_)) => Some(LinkEvent::Missed),
        }
    }
}
