//! Our own dialect (`docs/protocol/plenum.md`): protoo's frames, one message to be in a room, and sessions that outlive
//! their sockets.
//!
//! ```text
//! upgrade ── a socket ──► client ◄──► session in a room
//!                          │  │
//!      sessions: by token ─┘  └─ link: the socket there is, and the outbox of what it has not brought yet
//! ```

mod client;
mod closing;
mod entrance;
mod far;
mod handing;
mod incoming;
mod jobs;
mod link;
mod moving;
mod outbox;
mod outgoing;
mod sessions;
mod upgrade;

pub(crate) use far::{enter_far, resume_far};
pub(crate) use handing::adopt;
pub(crate) use incoming::fuzz_message;
pub(crate) use sessions::Sessions;
pub(crate) use upgrade::upgrade;
