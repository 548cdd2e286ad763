//! Where the media goes that a client receives.

use std::time::Instant;

pub use plenum_rtp::NtpTime;

pub use frames::{Assembler, Frame, FrameSink};

mod frames;
mod obus;

/// Takes the packets of one consumer. Called on a media thread, which serves many clients: it must be quick and must not
/// block.
pub trait Sink: Send + 'static {
    /// A packet has come: decrypted, retransmissions turned back into what they replace, none of them twice, in the order
    /// of their arrival.
    fn packet(&mut self, packet: &ReceivedPacket<'_>);

    /// Nothing follows.
    fn closed(&mut self) {}
}

/// A packet of a consumer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReceivedPacket<'a> {
    /// When it came.
    pub arrived: Instant,
    /// Its number in the stream, which never wraps.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The RTP marker.
    pub marker: bool,
    /// Whether a key frame begins with it.
    pub is_key: bool,
    /// Whether it had been lost before it came.
    pub is_recovered: bool,
    /// Payload type.
    pub payload_type: u8,
    /// When its frame was captured, by the sender's clock, where the sender tells; on one packet of a frame at most.
    pub captured: Option<NtpTime>,
    /// What it carries.
    pub payload: &'a [u8],
}
