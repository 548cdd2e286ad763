//! One WebRTC transport as a state machine, without sockets, clocks or threads.

/// What a transport is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no third one")]
pub enum Direction {
    /// From the server.
    Receive,
    /// To the server.
    Send,
}
