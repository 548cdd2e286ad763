//! Why sessions end.

use serde::{Deserialize, Serialize};

/// Why a session is closed by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum CloseReason {
    /// It did not join in time.
    JoinTimeout,
    /// A host sent it away.
    Kicked,
    /// The room is locked.
    Locked,
    /// It was not let in from the lobby.
    Refused,
    /// Another session has its peer id now.
    Replaced,
    /// The room has as many peers as it may have.
    RoomFull,
    /// The worker under its place is gone; connecting again gives a new one.
    RouterLost,
    /// One of its transports lost ICE consent, or failed or ended its DTLS.
    TransportLost,
    /// The room was closed. A reason of a newer node that has no word here is read as this one.
    #[serde(other)]
    RoomClosed,
}

impl CloseReason {
    /// Whether the same client should connect again by itself.
    #[must_use]
    pub const fn may_reconnect(self) -> bool {
        matches!(self, Self::RouterLost)
    }

    /// Whether the client was not wanted, whoever else may be.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Kicked | Self::Locked | Self::Refused)
    }

    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JoinTimeout => "did not join in time",
            Self::Kicked => "sent away by a host",
            Self::Locked => "the room is locked",
            Self::Refused => "not let in from the lobby",
            Self::Replaced => "replaced by a newer connection of the same peer",
            Self::RoomClosed => "room closed",
            Self::RoomFull => "room is full",
            Self::RouterLost => "media worker lost",
            Self::TransportLost => "media connection lost",
        }
    }
}
