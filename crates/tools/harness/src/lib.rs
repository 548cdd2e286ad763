//! An engine with native peers around it, under a virtual clock and behind networks that may be bad: the set-up that the
//! engine's tests and the benchmarks share.
//!
//! * [`World`] is the engine, its peers, and a [`Network`] in front of each peer that wants one.
//! * [`TrunkLine`] lies between the engines of two worlds.
//! * [`parameters`] says what senders and receivers of each codec negotiate.
//! * [`congestion`] judges how a receiver behind a narrow link is served.
//! * [`Vp8Packet`] writes single packets, for tests that care about each of them; whole streams are
//!   `plenum_testkit::media`'s.
#![forbid(unsafe_code)]

pub mod congestion;
pub mod data;
mod network;
pub mod parameters;
mod trunk;
mod vp8_packet;
mod world;

pub use network::Network;
pub use trunk::{FAR, NEAR, Pipe, TRUNK, TrunkLine, piped};
pub use vp8_packet::Vp8Packet;
pub use world::{ROUTER, STEP, World, WorldConfig, address, transport};
