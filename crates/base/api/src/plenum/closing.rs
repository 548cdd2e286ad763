//! Why a socket is closed, in a word that programs can rely on.

use serde::Serialize;

use crate::error::ErrorKind;

/// With what the reason of a close frame begins, before `: ` and words for people; so does the `errorReason` of a `join` that
/// is refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum CloseWord {
    /// Nothing to be understood was asked for.
    BadRequest,
    /// A `join` named a transport that cannot be connected.
    BadTransport,
    /// It does not fit what is there.
    Conflict,
    /// The token or a setting does not allow it.
    Forbidden,
    /// Our own fault.
    Internal,
    /// The client did not join in time.
    JoinTimeout,
    /// A host sent the client away.
    Kicked,
    /// The client said so.
    Left,
    /// The room is locked.
    Locked,
    /// The room has moved and the client did not come along.
    Moved,
    /// There is nothing (any more) to resume.
    NoSession,
    /// What was asked for is not there.
    NotFound,
    /// Not offered by this server.
    NotImplemented,
    /// The client was not let in from the lobby.
    Refused,
    /// The same peer came by another session.
    Replaced,
    /// The server ends, and another one will be there.
    Restart,
    /// This session goes on on another socket.
    Resumed,
    /// The room was closed.
    RoomClosed,
    /// The room has as many peers as it may have.
    RoomFull,
    /// The query is longer than it may be.
    TooLarge,
    /// A limit of whoever comes was reached.
    TooMany,
    /// The client did not take its messages in time.
    TooSlow,
    /// The media connection was lost.
    TransportLost,
    /// The token is missing, or not taken (any more).
    Unauthorized,
    /// Not possible now.
    Unavailable,
    /// The media worker was lost.
    WorkerLost,
}

impl CloseWord {
    /// Every word, for tables and tests.
    pub const ALL: [Self; 26] = [
        Self::BadRequest,
        Self::BadTransport,
        Self::Conflict,
        Self::Forbidden,
        Self::Internal,
        Self::JoinTimeout,
        Self::Kicked,
        Self::Left,
        Self::Locked,
        Self::Moved,
        Self::NoSession,
        Self::NotFound,
        Self::NotImplemented,
        Self::Refused,
        Self::Replaced,
        Self::Restart,
        Self::Resumed,
        Self::RoomClosed,
        Self::RoomFull,
        Self::TooLarge,
        Self::TooMany,
        Self::TooSlow,
        Self::TransportLost,
        Self::Unauthorized,
        Self::Unavailable,
        Self::WorkerLost,
    ];

    /// As it stands in a reason.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "badRequest",
            Self::BadTransport => "badTransport",
            Self::Conflict => "conflict",
            Self::Forbidden => "forbidden",
            Self::Internal => "internal",
            Self::JoinTimeout => "joinTimeout",
            Self::Kicked => "kicked",
            Self::Left => "left",
            Self::Locked => "locked",
            Self::Moved => "moved",
            Self::NoSession => "noSession",
            Self::NotFound => "notFound",
            Self::NotImplemented => "notImplemented",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
            Self::Restart => "restart",
            Self::Resumed => "resumed",
            Self::RoomClosed => "roomClosed",
            Self::RoomFull => "roomFull",
            Self::TooLarge => "tooLarge",
            Self::TooMany => "tooMany",
            Self::TooSlow => "tooSlow",
            Self::TransportLost => "transportLost",
            Self::Unauthorized => "unauthorized",
            Self::Unavailable => "unavailable",
            Self::WorkerLost => "workerLost",
        }
    }

    /// A whole reason.
    #[must_use]
    pub fn with(self, reason: &str) -> String {
        format!("{}: {reason}", self.as_str())
    }
}

impl From<ErrorKind> for CloseWord {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::BadRequest => Self::BadRequest,
            ErrorKind::Unauthorized => Self::Unauthorized,
            ErrorKind::Forbidden => Self::Forbidden,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::TooLarge => Self::TooLarge,
            ErrorKind::TooMany => Self::TooMany,
            ErrorKind::Internal => Self::Internal,
            ErrorKind::NotImplemented => Self::NotImplemented,
            ErrorKind::Unavailable => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_distinct_and_what_types_say() {
        let words: HashSet<_> = CloseWord::ALL.iter().map(|word| word.as_str()).collect();
        assert_eq!(words.len(), CloseWord::ALL.len());
        for word in CloseWord::ALL {
            let written = serde_json::to_value(word).expect("plain data");
            assert_eq!(written, word.as_str());
        }
        let kinds: HashSet<_> = ErrorKind::ALL.map(CloseWord::from).into();
        assert_eq!(kinds.len(), ErrorKind::ALL.len());
    }
}
