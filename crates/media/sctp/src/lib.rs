//! An SCTP association of data channels (RFC 8831, RFC 9260) as a state machine without sockets and clocks.
//!
//! * in: [`Association::handle_packet`], [`Association::handle_timeout`];
//! * out, after every input and every command: [`Association::poll_packet`] and [`Association::poll_event`] until they
//!   give nothing, then [`Association::poll_timeout`];
//! * commands: [`Association::open`], [`Association::send`], [`Association::close_stream`].
//!
//! The protocol itself is `sctp-proto`'s. What is around it here:
//!
//! * **Time.** Whoever initiates with that library is given the system's clock for the first deadline. [`Association`]
//!   finds out by how much that clock differs from its caller's, and translates.
//! * **Randomness.** The library draws verification tags, initial sequence numbers and its cookie from the system, and
//!   the streams of a FORWARD-TSN are named in the order of a randomly seeded table. None of it decides what is sent when:
//!   two runs with the same loss differ in those bytes alone.
//! * **Size.** Its packets can exceed what it was told. [`packet::split`] divides them.
//! * **Trust.** The peer is authenticated and may still be anybody. [`admission`] keeps away from the library what would
//!   make it keep much for little, or work much for little.
//! * **Panics.** None is known. One would cost its association, which fails, and nobody else.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod admission;
mod association;
#[doc(hidden)]
pub mod fuzzing;
pub mod packet;

pub use association::{
    Association, AssociationCounters, Reliability, Role, SctpEvent, SendError, Settings,
};

/// Longest packet: what the DTLS crate takes as application data, for a path of 1280 bytes.
pub const MAX_PACKET: usize = 1200;
