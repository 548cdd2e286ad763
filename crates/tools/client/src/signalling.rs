//! Signalling: one task for each client, which speaks its dialect, keeps its transports on a media thread, and comes back
//! when its connection breaks.

pub(crate) use dispatch::fuzz_answer;
pub(crate) use session::{Answer, Command, Known, Session};

mod commands;
mod dispatch;
mod door;
mod frames;
mod joining;
mod parameters;
mod recovery;
mod session;
mod told;
mod wire;

pub(crate) use frames::fuzz_frames;
