//! The group of pictures that a stream is in the middle of, for receivers who come now.
//!
//! Its packets are in the stream's ring anyway. Who comes while it is young begins with its key frame instead of asking
//! the sender for another, which would cost every other receiver, too.

use std::time::{Duration, Instant};

use super::ProducerStream;

/// A receiver must get everything since the key frame before it is in time with the others, so an old one is no help.
/// With this much two key frames serve everybody who comes within two seconds, their travel included.
const MAX_AGE: Duration = Duration::from_millis(1200);

/// Packets on their way again that the receiver can wait for, as a part of all: one in ten. With more the picture would
/// stand still for longer than a new key frame takes.
const MAX_MISSING: u64 = 10;

/// Where the present group of pictures begins.
#[derive(Debug, Default)]
pub(crate) struct Gop {
    present: Option<Present>,
}

#[derive(Clone, Copy, Debug)]
struct Present {
    first: u64,
    timestamp: u32,
    began: Instant,
    /// Packets since then that are nothing but padding, and therefore not in the ring.
    paddings: u64,
}

/// What a receiver is to be sent before it gets new packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// The first packet of the key frame.
    pub(crate) first: u64,
    pub(crate) bytes: usize,
    /// The sender's timestamps of the key frame and of the newest frame.
    pub(crate) timestamps: (u32, u32),
}

impl Gop {
    /// A packet of a key frame's beginning arrived. Some codecs have more than one.
    pub(super) fn handle_key_frame(&mut self, now: Instant, sequence: u64, timestamp: u32) {
        match &mut self.present {
            Some(present) if present.timestamp == timestamp => {
                present.first = present.first.min(sequence);
            }
            Some(present) if sequence < present.first => {}
            _ => {
                self.present = Some(Present {
                    first: sequence,
                    timestamp,
                    began: now,
                    paddings: 0,
                });
            }
        }
    }

    /// Whether a picture with this timestamp is the key frame.
    pub(super) fn is_key_frame(&self, timestamp: u32) -> bool {
        self.present
            .is_some_and(|present| present.timestamp == timestamp)
    }

    /// A packet of padding arrived.
    pub(super) fn handle_padding(&mut self, sequence: u64) {
        if let Some(present) = &mut self.present
            && sequence > present.first
        {
            present.paddings += 1;
        }
    }

    /// A packet is lost for good: pictures are broken from it on.
    pub(crate) fn handle_loss(&mut self) {
        self.present = None;
    }
}

impl ProducerStream {
    /// The group of pictures so far, if it is young, and whole or about to be. `repaired`: whether lost packets come again.
    pub(crate) fn past(&self, now: Instant, repaired: bool) -> Option<Past> {
        let present = self.gop.present?;
        if now.saturating_duration_since(present.began) > MAX_AGE {
            return None;
        }
        let highest = self.highest?;
        let (newest, _) = self.ring.get(highest)?;
        let (mut bytes, mut missing) = (0, 0);
        for sequence in present.first..=highest {
            match self.ring.get(sequence) {
                Some((_, packet)) => bytes += packet.len(),
                None => missing += 1,
            }
        }
        let missing = u64::saturating_sub(missing, present.paddings);
        let tolerable = if repaired {
            (highest - present.first) / MAX_MISSING
        } else {
            0
        };
        (missing <= tolerable && self.ring.get(present.first).is_some()).then_some(Past {
            first: present.first,
            bytes,
            timestamps: (present.timestamp, newest.timestamp),
        })
    }
}
