//! What the receiver remembers of one inbound RTP stream: roll-over counter and replay window.

use crate::window::ReplayWindow;
use crate::{MAX_PACKET_INDEX, SrtpError};

/// Packets back from the newest that are told apart from replays. Retransmissions without RTX come back
/// with their old index: 1024 packets are half a second of a 20 Mb/s stream, well over a NACK round trip.
pub const RTP_WINDOW: u64 = ReplayWindow::<WORDS>::BITS;

/// Roll-over and replay state of one inbound SSRC, owned by the caller.
///
/// [`crate::Opener::open_rtp`] changes it only when the packet authenticated. For an SSRC never seen
/// before, pass a new one and keep it only if opening succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundStream {
    window: ReplayWindow<WORDS>,
}

/// The state of an [`InboundStream`] as plain data, for handing a live transport over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "plain data that other processes build"
)]
pub struct InboundSnapshot {
    /// Highest accepted packet index (roll-over counter << 16 | sequence number); none before the first.
    pub highest: Option<u64>,
    /// Ring of accepted indexes: index `i` is bit `i % 64` of word `i / 64 % 16`.
    pub seen: [u64; WORDS],
}

impl InboundStream {
    /// A stream of which nothing arrived yet. Its roll-over counter starts at 0 (RFC 3711 §3.3.1).
    pub const fn new() -> Self {
        Self {
            window: ReplayWindow::new(),
        }
    }

    /// A stream joined late, whose roll-over counter was told by its sender.
    pub const fn with_roll_over_counter(roll_over_counter: u32, sequence_number: u16) -> Self {
        let highest = ((roll_over_counter as u64) << 16) | sequence_number as u64;
        Self {
            window: ReplayWindow::from_parts(Some(highest), [0; WORDS]),
        }
    }

    /// Continues where a snapshot was taken.
    pub const fn restore(snapshot: &InboundSnapshot) -> Self {
        Self {
            window: ReplayWindow::from_parts(snapshot.highest, snapshot.seen),
        }
    }

    /// The state as plain data.
    pub const fn snapshot(&self) -> InboundSnapshot {
        InboundSnapshot {
            highest: self.window.highest(),
            seen: self.window.seen(),
        }
    }

    /// The highest accepted packet index; 0 before the first packet.
    pub fn extended(&self) -> u64 {
        self.window.highest().unwrap_or(0)
    }

    /// Whether no packet was accepted yet.
    pub const fn is_new(&self) -> bool {
        self.window.highest().is_none()
    }

    /// The packet index that a sequence number most likely stands for (RFC 3711 §3.3.1), if it was not
    /// accepted before.
    pub(crate) fn admit(&self, sequence_number: u16) -> Result<u64, SrtpError> {
        let index = self.estimate(sequence_number)?;
        self.window.check(index)?;
        Ok(index)
    }

    /// Records that the packet with this index authenticated.
    pub(crate) fn accept(&mut self, index: u64) {
        self.window.accept(index);
    }

    fn estimate(&self, sequence_number: u16) -> Result<u64, SrtpError> {
        let sequence = u64::from(sequence_number);
        let Some(highest) = self.window.highest() else {
            return Ok(sequence);
        };
        let (cycle, last) = (highest & !0xffff, highest & 0xffff);
        if last < HALF && sequence > last + HALF {
            // From before the last roll-over; there is nothing before the first one.
            let earlier = cycle.checked_sub(CYCLE).ok_or(SrtpError::TooOld)?;
            return Ok(earlier | sequence);
        }
        let index = if last >= HALF && sequence < last - HALF {
            cycle + CYCLE
        } else {
            cycle
        } | sequence;
        if index > MAX_PACKET_INDEX {
            return Err(SrtpError::IndexExhausted);
        }
        Ok(index)
    }
}

impl Default for InboundStream {
    fn default() -> Self {
        Self::new()
    }
}

/// 64-bit words of the window.
const WORDS: usize = 16;

/// Half of the sequence number space.
const HALF: u64 = 1 << 15;

/// One turn of the sequence number.
const CYCLE: u64 = 1 << 16;
