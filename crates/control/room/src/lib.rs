//! Rooms and peers as a state machine: commands in, effects out.
//!
//! A [`Room`] knows who is there, what they send and who receives it. It holds no socket, task or clock: whoever runs it
//! passes [`Command`]s with the present time, carries out the [`Effect`]s in the order in which they were written, and
//! calls again when a worker or a client answered. Requests of clients are independent of each other: none waits for
//! another, and none waits for a client's answer.
//!
//! ```text
//! Room::new(config: RoomConfig, seed: [u8; 32], effects: &mut Vec<Effect>) -> Room      asks for the router
//! room.handle(now: Instant, command: Command, effects: &mut Vec<Effect>)
//! room.poll_timeout() -> Option<Instant>                                                 when to send Command::Tick
//! room.session_count() / room.joined_count() -> usize
//! ```
//!
//! The room is free of dialects. Adapters (protoo and others) translate their messages to [`PeerRequest`] and from
//! [`PeerReply`], [`PeerEvent`] and [`ClientRequest`].
#![forbid(unsafe_code)]

mod command;
mod effect;

pub use command::{Command, PeerRequest, RequestId, SessionId, WorkerFailure};
pub use effect::{
    AskId, ClientRequest, CloseReason, Effect, NewConsumer, OpId, PeerEvent, PeerInfo, PeerReply,
    RoomError,
};
