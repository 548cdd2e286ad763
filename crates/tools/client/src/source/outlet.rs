//! What a source writes its packets into.

use std::time::Duration;

use plenum_rtp::ext::AudioLevel;

/// A packet to be sent.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "sources fill it with struct update syntax"
)]
pub struct Packet<'a> {
    /// Which stream of a simulcast publication, lowest first.
    pub encoding: usize,
    /// Media time, counted from the beginning of the stream.
    pub time: Duration,
    /// The RTP marker: the last packet of a picture, or the first of a talk spurt.
    pub marker: bool,
    /// Whether a decoder can begin with this frame.
    pub is_key: bool,
    /// How loud it is.
    pub audio_level: Option<AudioLevel>,
    /// Value of the dependency descriptor (AV1).
    pub dependency_descriptor: Option<&'a [u8]>,
    /// The payload, in pieces that follow each other: what codecs put before a frame's bytes, then the bytes.
    pub payload: [&'a [u8]; 2],
}

/// Takes the packets of one frame.
pub struct Outlet<'a> {
    demand: &'a mut [Demand],
    take: &'a mut dyn FnMut(&Packet<'_>),
    elapsed: Duration,
}

/// What is known about who watches an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "all that there is to know")]
pub struct Demand {
    /// Somebody has asked for a key frame since the last one.
    pub key_frame: bool,
    /// Somebody watches it at all.
    pub at_all: bool,
}

impl<'a> Outlet<'a> {
    /// An outlet whose packets are given to `take`: what a media thread makes, and a test of an own source.
    pub fn new(
        demand: &'a mut [Demand],
        elapsed: Duration,
        take: &'a mut dyn FnMut(&Packet<'_>),
    ) -> Self {
        Self {
            demand,
            take,
            elapsed,
        }
    }

    /// Time since the stream began.
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Whether a key frame of this encoding is asked for. The request is done with when a packet of one is written.
    pub fn wants_key_frame(&self, encoding: usize) -> bool {
        self.demand
            .get(encoding)
            .is_some_and(|demand| demand.key_frame)
    }

    /// Whether anybody watches this encoding. What nobody watches need not be written.
    pub fn is_wanted(&self, encoding: usize) -> bool {
        self.demand
            .get(encoding)
            .is_some_and(|demand| demand.at_all)
    }

    /// Sends a packet. One that is too long for a datagram is left out.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        if packet.is_key
            && let Some(demand) = self.demand.get_mut(packet.encoding)
        {
            demand.key_frame = false;
        }
        (self.take)(packet);
    }
}
