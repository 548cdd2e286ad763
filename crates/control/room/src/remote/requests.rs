//! What parts of a room ask each other.

use plenum_api::{error::ErrorKind, grants::Role};
use plenum_ids::{NodeId, PeerId, RoomEpoch};
use serde::{Deserialize, Serialize};

use crate::{
    admin::AdminCommand,
    command::PlaceId,
    effect::RoomError,
    remote::{HostWords, NodeKey, PipeOffer, PipeSource},
};

/// A request of another node that is to be answered with [`crate::Effect::AnswerNode`]. Chosen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeAskId(pub u64);

/// What a part asks another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum NodeRequest {
    /// → [`NodeReply::Pipe`]; bring something here. Asked.
    OpenPipe(OpenPipe),
    /// A pipe that the asking part takes is not needed any more, whatever has become of it. Told.
    ClosePipe {
        /// [`OpenPipe::life`].
        life: u64,
        /// Its number.
        pipe: u64,
    },
    /// Which streams of a pipe somebody wants. Told, for the first time when the far end is there.
    WantStreams {
        /// [`OpenPipe::life`].
        life: u64,
        /// Its number.
        pipe: u64,
        /// One for each stream.
        wanted: Vec<bool>,
    },
    /// A pipe that the told part takes is gone at its near end. Told.
    PipeGone {
        /// [`OpenPipe::life`].
        life: u64,
        /// Its number.
        pipe: u64,
    },
    /// → [`NodeReply::Done`]; something that hosts decide. About a peer it is asked of the node that has the peer, about the
    /// room of its home. Asked.
    Decide {
        /// Who wants it; `None`: an operator.
        by: Option<PeerId>,
        /// What.
        command: Box<AdminCommand>,
    },
    /// → [`NodeReply::Done`]; the home has chosen somebody to be host because there is none. Asked.
    Appoint {
        /// Whom.
        peer: PeerId,
        /// What it is from now on.
        role: Role,
    },
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// What is asked for with [`NodeRequest::OpenPipe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "hosts complete it")]
pub struct OpenPipe {
    /// Tells the part that asks from an earlier one at the same node, see [`crate::PartSnapshot::life`].
    pub life: u64,
    /// Its number there, never used twice.
    pub pipe: u64,
    /// What to bring.
    pub source: PipeSource,
    /// Where the asking part wants it.
    pub place: PlaceId,
    /// How often it was sent on to another node ([`NodeReply::Elsewhere`]).
    #[serde(default)]
    pub hops: u8,
    /// Left to the asking part's host: nodes that are so much nearer to it than the asked one that it had rather take it from
    /// them, the nearest first. None when the first attempt has failed.
    #[serde(default)]
    pub near: Vec<NodeId>,
    /// How often it has failed.
    #[serde(default)]
    pub failures: u8,
    /// Left to the asking part's host: where the worker under that place is.
    #[serde(default)]
    pub end: HostWords,
}

/// The answer to a [`NodeRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum NodeReply {
    /// It is done.
    Done,
    /// The near end is there.
    Pipe {
        /// What the far end must know.
        offer: Box<PipeOffer>,
    },
    /// Not from here, where enough others take it, or from where it is far: from one of those.
    Elsewhere {
        /// Which one.
        node: NodeKey,
    },
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// Why another node did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum NodeFailure {
    /// It is gone, or did not answer in time. It may have done it.
    Lost,
    /// It said no.
    Refused {
        /// [`ErrorKind::code`].
        code: u16,
        /// For people.
        reason: String,
    },
}

impl NodeFailure {
    /// The refusal of a room, as it travels.
    #[must_use]
    pub fn refused(error: &RoomError) -> Self {
        Self::Refused {
            code: error.kind.code(),
            reason: error.reason.clone(),
        }
    }

    /// In the words of clients.
    pub(crate) fn into_error(self) -> RoomError {
        match self {
            Self::Lost => RoomError::new(
                ErrorKind::Unavailable,
                "another node of the room cannot be reached, try again",
            ),
            Self::Refused { code, reason } => {
                let kind = ErrorKind::ALL.into_iter().find(|it| it.code() == code);
                let reason: String = reason.chars().take(MAX_REASON).collect();
                RoomError::new(kind.unwrap_or(ErrorKind::Internal), reason)
            }
        }
    }
}

/// Characters of another node's reason that clients are told: ours are below 100.
const MAX_REASON: usize = 300;

/// Where what concerns the room as a whole is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "here, there, or out of reach")]
pub enum Home {
    /// Here. Whatever the parts of the room that can be reached have told was applied before.
    Here(RoomEpoch),
    /// At another node, which is asked.
    There(NodeKey, RoomEpoch),
    /// Nobody knows, or at a node that cannot be reached: nothing is decided now.
    Unreachable,
}
