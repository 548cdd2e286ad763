//! With which code a socket is closed, and what that tells the client to do. The whole table stands in
//! `docs/protocol/plenum.md`.

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
    pub(super) const fn close_frame(self) -> (u16, &'static str) {
        match self {
            Self::Left => (NORMAL, "left"),
            Self::Gone | Self::Forgotten => (NOTHING_TO_RESUME, NO_SESSION),
            Self::NoPlace => (
                TRY_AGAIN_LATER,
                "no media worker takes the room, try again later",
            ),
            Self::Stayed => (SERVICE_RESTART, "did not join again after the room moved"),
            Self::Unconnectable => (DO_NOT_RETURN, "a transport cannot be connected"),
            Self::NoEntrance => (TRY_AGAIN_LATER, "the room cannot make transports"),
            Self::Session(SessionEnd::Room(reason)) => (code_of(reason), reason.as_str()),
            Self::Session(SessionEnd::Moved) => (
                SERVICE_RESTART,
                "the room has moved to another media worker",
            ),
            Self::Session(SessionEnd::Shutdown) => (SERVICE_RESTART, "server is shutting down"),
            Self::Session(_) => (TRY_AGAIN_LATER, "messages were not taken in time"),
        }
    }

    /// Whether a client who comes back for a session that has ended is to hear why: otherwise it would just begin anew.
    pub(super) const fn outlives_socket(self) -> bool {
        matches!(self.close_frame().0, DO_NOT_RETURN | FORBIDDEN)
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
const SERVICE_RESTART: u16 = 1012;

/// RFC 6455 registry: "Try Again Later".
const TRY_AGAIN_LATER: u16 = 1013;

/// protoo's own code, also for a socket whose session goes on elsewhere.
pub(super) const DO_NOT_RETURN: u16 = 4000;

/// As `ErrorKind::Forbidden` closes.
const FORBIDDEN: u16 = 4403;

/// Begin anew.
pub(super) const NOTHING_TO_RESUME: u16 = 4404;

/// What goes with it.
pub(super) const NO_SESSION: &str = "there is no such session any more";

#[cfg(test)]
mod tests {
    use plenum_api::error::ErrorKind;

    use super::*;

    #[test]
    fn everybody_is_told_what_to_do() {
        let room = |reason| Ending::Session(SessionEnd::Room(reason));
        for (ending, code) in [
            (Ending::Left, 1000),
            (Ending::Gone, 4404),
            (Ending::Forgotten, 4404),
            (Ending::NoPlace, 1013),
            (Ending::Stayed, 1012),
            (Ending::Unconnectable, 4000),
            (Ending::NoEntrance, 1013),
            (room(CloseReason::Kicked), 4403),
            (room(CloseReason::Locked), 4403),
            (room(CloseReason::Refused), 4403),
            (room(CloseReason::Replaced), 4000),
            (room(CloseReason::RoomClosed), 4000),
            (room(CloseReason::RoomFull), 4000),
            (room(CloseReason::JoinTimeout), 4000),
            (room(CloseReason::RouterLost), 1012),
            (room(CloseReason::TransportLost), 1012),
            (Ending::Session(SessionEnd::Moved), 1012),
            (Ending::Session(SessionEnd::Shutdown), 1012),
            (Ending::Session(SessionEnd::Overrun), 1013),
        ] {
            let (given, reason) = ending.close_frame();
            assert_eq!(given, code, "{ending:?}");
            // RFC 6455 §5.5.
            assert!(reason.len() <= 123);
            assert_eq!(ending.outlives_socket(), code == 4000 || code == 4403);
        }
        assert_eq!(ErrorKind::Forbidden.close_code(), FORBIDDEN);
    }
}
