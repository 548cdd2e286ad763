//! With which code a socket is closed, and what that tells the client to do. The whole table stands in
//! `docs/protocol/plenum.md`.

use plenum_api::plenum::CloseWord;
use plenum_host::SessionEnd;
use plenum_room::CloseReason;

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client has left.
    Left,
    /// Nobody came back in time.
    Gone,
    /// More happened than is kept, or somebody came back who had not been here.
    Forgotten,
    /// There is no place where its room could go on.
    NoPlace,
    /// The node is to be empty, and its room is at another one.
    NodeLeaves,
    /// Its session in the room has ended.
    Session(SessionEnd),
    /// It was asked to join again and did not.
    Stayed,
    /// It joined with a transport that cannot be connected.
    Unconnectable,
    /// The room could not make what a client needs.
    NoEntrance,
}

impl Ending {
    /// Code and reason for the client.
    pub(super) fn close_frame(self) -> (u16, String) {
        let (code, word, reason) = match self {
            Self::Left => (NORMAL, CloseWord::Left, "good bye"),
            Self::Gone | Self::Forgotten => return no_session(),
            Self::NoPlace => (
                TRY_AGAIN_LATER,
                CloseWord::Unavailable,
                "no media worker takes the room, try again later",
            ),
            Self::NodeLeaves => (
                SERVICE_RESTART,
                CloseWord::Moved,
                "the room is better reached through another node",
            ),
            Self::Stayed => (
                SERVICE_RESTART,
                CloseWord::Moved,
                "did not join again after the room moved",
            ),
            Self::Unconnectable => (
                DO_NOT_RETURN,
                CloseWord::BadTransport,
                "a transport cannot be connected",
            ),
            Self::NoEntrance => (
                TRY_AGAIN_LATER,
                CloseWord::Unavailable,
                "the room cannot make transports",
            ),
            Self::Session(SessionEnd::Room(reason)) => {
                (code_of(reason), word_of(reason), reason.as_str())
            }
            Self::Session(SessionEnd::Moved) => (
                SERVICE_RESTART,
                CloseWord::Moved,
                "the room has moved to another media worker",
            ),
            Self::Session(SessionEnd::Shutdown) => (
                SERVICE_RESTART,
                CloseWord::Restart,
                "server is shutting down",
            ),
            Self::Session(_) => (
                TRY_AGAIN_LATER,
                CloseWord::TooSlow,
                "messages were not taken in time",
            ),
        };
        (code, word.with(reason))
    }

    /// Whether a client who comes back for a session that has ended is to hear why: otherwise it would just begin anew.
    pub(super) fn outlives_socket(self) -> bool {
        matches!(self.close_frame().0, DO_NOT_RETURN | FORBIDDEN)
    }
}

/// There is nothing to resume: begin anew.
pub(super) fn no_session() -> (u16, String) {
    let reason = CloseWord::NoSession.with("there is no such session any more");
    (NOTHING_TO_RESUME, reason)
}

/// A socket whose session goes on elsewhere.
pub(super) fn resumed_elsewhere() -> (u16, String) {
    let reason = CloseWord::Resumed.with("the session goes on over another connection");
    (DO_NOT_RETURN, reason)
}

/// What programs are told of a room's reason.
pub(super) fn word_of(reason: CloseReason) -> CloseWord {
    match reason {
        CloseReason::JoinTimeout => CloseWord::JoinTimeout,
        CloseReason::Kicked => CloseWord::Kicked,
        CloseReason::Locked => CloseWord::Locked,
        CloseReason::Refused => CloseWord::Refused,
        CloseReason::Replaced => CloseWord::Replaced,
        CloseReason::RoomClosed => CloseWord::RoomClosed,
        CloseReason::RoomFull => CloseWord::RoomFull,
        CloseReason::RouterLost => CloseWord::WorkerLost,
        CloseReason::TransportLost => CloseWord::TransportLost,
        // A reason that nobody gave a word yet is a fault of ours.
        _ => CloseWord::Internal,
    }
}

const fn code_of(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::RouterLost | CloseReason::TransportLost => SERVICE_RESTART,
        reason if reason.is_refusal() => FORBIDDEN,
        _ => DO_NOT_RETURN,
    }
}

/// RFC 6455 §7.4.1.
const NORMAL: u16 = 1000;

/// RFC 6455 registry: "Service Restart".
pub(super) const SERVICE_RESTART: u16 = 1012;

/// RFC 6455 registry: "Try Again Later".
const TRY_AGAIN_LATER: u16 = 1013;

/// protoo's own code.
const DO_NOT_RETURN: u16 = 4000;

/// As `ErrorKind::Forbidden` closes.
const FORBIDDEN: u16 = 4403;

/// Begin anew.
const NOTHING_TO_RESUME: u16 = 4404;

#[cfg(test)]
mod tests {
    use plenum_api::error::ErrorKind;

    use super::*;

    #[test]
    fn everybody_is_told_what_to_do() {
        let room = |reason| Ending::Session(SessionEnd::Room(reason));
        for (ending, code, word) in [
            (Ending::Left, 1000, "left"),
            (Ending::Gone, 4404, "noSession"),
            (Ending::Forgotten, 4404, "noSession"),
            (Ending::NoPlace, 1013, "unavailable"),
            (Ending::Stayed, 1012, "moved"),
            (Ending::Unconnectable, 4000, "badTransport"),
            (Ending::NoEntrance, 1013, "unavailable"),
            (room(CloseReason::Kicked), 4403, "kicked"),
            (room(CloseReason::Locked), 4403, "locked"),
            (room(CloseReason::Refused), 4403, "refused"),
            (room(CloseReason::Replaced), 4000, "replaced"),
            (room(CloseReason::RoomClosed), 4000, "roomClosed"),
            (room(CloseReason::RoomFull), 4000, "roomFull"),
            (room(CloseReason::JoinTimeout), 4000, "joinTimeout"),
            (room(CloseReason::RouterLost), 1012, "workerLost"),
            (room(CloseReason::TransportLost), 1012, "transportLost"),
            (Ending::Session(SessionEnd::Moved), 1012, "moved"),
            (Ending::Session(SessionEnd::Shutdown), 1012, "restart"),
            (Ending::Session(SessionEnd::Overrun), 1013, "tooSlow"),
        ] {
            let (given, reason) = ending.close_frame();
            assert_eq!(given, code, "{ending:?}");
            let first = reason.split_once(": ").map(|(first, _)| first);
            assert_eq!(first, Some(word), "{ending:?}");
            // RFC 6455 §5.5.
            assert!(reason.len() <= 123);
            assert_eq!(ending.outlives_socket(), code == 4000 || code == 4403);
        }
        assert_eq!(ErrorKind::Forbidden.close_code(), FORBIDDEN);
    }
}
