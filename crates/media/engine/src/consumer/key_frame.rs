//! The newest key frame of a consumer, and how far it has come.

use std::time::Instant;

use super::Consumer;

/// A key frame that is on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastKey {
    /// Its first outgoing number.
    first: u64,
    /// The sender's.
    timestamp: u32,
    came: Instant,
    /// When one of its packets last left.
    left: Instant,
}

/// A key frame that had to wait and leaves, or has left. A newer one may have come since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BegunKey {
    /// The sender's.
    pub(crate) timestamp: u32,
    /// When its first packet left.
    pub(crate) since: Instant,
    /// When one of them last left.
    pub(crate) left: Instant,
}

impl Consumer {
    /// A packet of a key frame was accepted.
    pub(super) fn note_key_frame(&mut self, now: Instant, out: u64, timestamp: u32) {
        if self.last_key.is_none_or(|last| last.timestamp != timestamp) {
            self.last_key = Some(LastKey {
                first: out,
                timestamp,
                came: now,
                left: now,
            });
        }
    }

    /// Whether a packet is of the last key frame.
    pub(crate) fn is_of_key_frame(&self, out: u64, timestamp: u32) -> bool {
        self.last_key
            .is_some_and(|key| out >= key.first && timestamp == key.timestamp)
    }

    /// Whether a packet is of the last key frame, or comes before it.
    pub(crate) fn is_up_to_key_frame(&self, out: u64, timestamp: u32) -> bool {
        self.last_key
            .is_some_and(|key| out < key.first || timestamp == key.timestamp)
    }

    /// A packet leaves that has waited.
    pub(crate) fn waited_packet_leaves(&mut self, now: Instant, out: u64, timestamp: u32) {
        if self.is_of_key_frame(out, timestamp)
            && let Some(key) = &mut self.last_key
        {
            key.left = now;
            if self
                .begun_key
                .is_none_or(|begun| begun.timestamp != timestamp)
            {
                self.begun_key = Some(BegunKey {
                    timestamp,
                    since: now,
                    left: now,
                });
            }
        }
        if let Some(begun) = self
            .begun_key
            .as_mut()
            .filter(|it| it.timestamp == timestamp)
        {
            begun.left = now;
        }
    }

    /// When a packet of the last key frame last left.
    pub(crate) fn key_frame_left(&self) -> Option<Instant> {
        self.last_key.map(|key| key.left)
    }

    /// The key frame that began to leave last after it had waited.
    pub(crate) fn begun_key_frame(&self) -> Option<BegunKey> {
        self.begun_key
    }

    /// The first outgoing number of the last key frame, and when it came.
    pub(crate) fn last_key_frame(&self) -> Option<(u64, Instant)> {
        self.last_key.map(|key| (key.first, key.came))
    }
}
