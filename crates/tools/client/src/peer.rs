//! One WebRTC transport as a state machine, without sockets, clocks, threads or randomness of its own.
//!
//! A [`Transport`] is the full ICE agent and the DTLS client towards an ICE-lite server, as browsers are. Towards a Plenum
//! node a participant has two of them, one for each [`Direction`].
//!
//! The calling contract, by kinds of methods:
//!
//! * `handle_*` take something in: a datagram, the time. They change state, and put datagrams for the server into the
//!   [`Datagrams`] that they are given, which the caller sends and clears whenever it likes.
//! * plain verbs are commands: [`Transport::add_stream`], [`Transport::send`], [`Transport::request_key_frame`].
//! * [`Transport::poll_event`] is to be asked until it gives nothing, after any of the above.
//! * [`Transport::poll_timeout`] then says when [`Transport::handle_timeout`] is to be called at the latest.
//!
//! A packet that comes is decrypted where it lies, and handed to the caller's function without a copy. A packet that goes
//! is written once into the batch and protected there, and kept once for retransmission in memory that is used again and
//! again: neither allocates.

pub use datagrams::{Datagram, Datagrams};
pub use ice::IceError;
pub use receiving::ReceiveStream;
pub use sending::{ExtensionIds, Packet, SendStream};
pub use transport::{StreamKey, Transport, TransportConfig, TransportEvent};

mod arrivals;
mod datagrams;
mod ice;
mod losses;
mod receiving;
mod reception;
mod sending;
mod transport;

/// What a transport is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no third one")]
pub enum Direction {
    /// From the server.
    Receive,
    /// To the server.
    Send,
}

#[cfg(test)]
mod tests;
