//! Our own dialect: one message to be in a room, consumers in batches, sessions that outlive their sockets.

pub(crate) mod caller;
mod crowd;
mod joining;
mod resuming;
mod rooms;
