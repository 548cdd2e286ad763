//! A bucket of bytes that fills at a steady rate up to its depth.

use std::time::{Duration, Instant};

use super::TICK;

/// Bytes that any 5 ms may carry to a receiver whose path nobody measures: neither transport-wide feedback nor REMB was
/// agreed on. One segmented message is not larger; key frames of 50 senders take a tenth of a second.
pub(crate) const UNMEASURED_TICK_BYTES: u64 = 64 << 10;

/// Half of the budget of a tick may leave at once, the other half as the tick goes on: then no 5 ms carry more than the
/// budget, wherever they begin.
const UNMEASURED_DEPTH: u64 = UNMEASURED_TICK_BYTES / 2;

/// Bytes per second of such a receiver.
const UNMEASURED_RATE: u64 = UNMEASURED_DEPTH * 1000 / TICK.as_millis() as u64;

/// Sustained rate over the estimate, in halves. libwebrtc paces at 2.5 times the estimate what an encoder was told to make
/// smaller than it; a forwarder sends key frames of ten frames' size, and at 2.5 the queue that each one leaves counts as
/// overuse where the path is no wider than the estimate.
const PACING_FACTOR_HALVES: u64 = 3;

/// What the path carries in this time may leave at once: libwebrtc's burst interval (`kDefaultBurstInterval`, 40 ms). A
/// frame of a stream that the path can take leaves so in one piece.
const BURST: Duration = Duration::from_millis(40);

/// Depth that a slow path has, too: two full packets.
const MIN_DEPTH: u64 = 3000;

/// Depth of a fast path: one segmented message.
const MAX_DEPTH: u64 = 64 << 10;

/// No estimate is taken for more; it keeps the arithmetic inside 64 bits.
const MAX_RATE: u64 = 1_000_000_000;

/// The smallest rate: a packet within a second or so, whatever the estimate says.
const MIN_RATE: u64 = 2000;

/// Bytes per second that a trunk carries: 4 Gbit/s, as much as one worker can send at all. What is measured is the other
/// worker's socket buffer.
const TRUNK_RATE: u64 = 500_000_000;

/// Bytes that leave over a trunk at once: a quarter of the buffer that workers ask of the system for their sockets (4 MiB),
/// so that what several workers send to one at a time fits.
const TRUNK_DEPTH: u64 = 1 << 20;

/// Bytes per second that sound has beside what the estimate gives the pictures, whatever that is: sixteen who speak at once,
/// 40 kbit/s each with headers. Browsers do not number sound, so that the estimate is of the pictures alone. libwebrtc paces
/// no sound at all, and no selective forwarder holds it back: an estimate below it is more often that of a receiver without a
/// processor to spare than of such a path, and half of a voice is worth nothing.
const SOUND_RATE: u64 = 80_000;

/// What sixteen who speak at once send in 60 ms, their longest packets.
const SOUND_DEPTH: u64 = 4800;

/// Where pictures have more than that, sound may have as much as they, and this part of it at once: one packet of 20 ms each.
const SOUND_BURST: Duration = Duration::from_millis(20);

/// No more of it leaves at once: packets of a hundred who speak.
const MAX_SOUND_DEPTH: u64 = 12_000;

/// Level and rate are kept in billionths of a byte, so that any number of short steps adds up to the same as a long one.
const SCALE: i64 = 1_000_000_000;

/// Longest time that is added up at once; every bucket is full by then.
const MAX_STEP: Duration = Duration::from_secs(4);

/// A token bucket. Spending may overdraw it by the packet that was begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Bytes per second.
    rate: u64,
    /// Bytes.
    depth: u64,
    /// Billionths of a byte.
    level: i64,
    filled: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            rate: UNMEASURED_RATE,
            depth: UNMEASURED_DEPTH,
            level: UNMEASURED_DEPTH.cast_signed() * SCALE,
            filled: None,
        }
    }
}

impl Budget {
    /// For a trunk.
    pub(crate) fn for_trunk() -> Self {
        Self {
            rate: TRUNK_RATE,
            depth: TRUNK_DEPTH,
            level: TRUNK_DEPTH.cast_signed() * SCALE,
            filled: None,
        }
    }

    /// For sound beside what the path is said to carry.
    pub(crate) fn for_sound() -> Self {
        Self {
            rate: SOUND_RATE,
            depth: SOUND_DEPTH,
            level: SOUND_DEPTH.cast_signed() * SCALE,
            filled: None,
        }
    }

    /// The path carries this many bits per second; `None`: nobody knows.
    pub(crate) fn set_estimate(&mut self, now: Instant, bits_per_second: Option<u64>) {
        self.fill(now);
        let (rate, depth) = match bits_per_second {
            Some(estimate) => {
                let bytes = estimate / 8;
                let burst = bytes.saturating_mul(BURST.as_millis() as u64) / 1000;
                (
                    (bytes.saturating_mul(PACING_FACTOR_HALVES) / 2).clamp(MIN_RATE, MAX_RATE),
                    burst.clamp(MIN_DEPTH, MAX_DEPTH),
                )
            }
            None => (UNMEASURED_RATE, UNMEASURED_DEPTH),
        };
        (self.rate, self.depth) = (rate, depth);
        self.level = self.level.min(depth.cast_signed() * SCALE);
    }

    /// Pictures may have so many bits per second; sound has as much for itself, and some in any case.
    pub(crate) fn set_sound_estimate(&mut self, now: Instant, bits_per_second: u64) {
        self.fill(now);
        self.rate = (bits_per_second / 8).clamp(SOUND_RATE, MAX_RATE);
        let burst = self.rate * SOUND_BURST.as_millis() as u64 / 1000;
        self.depth = burst.clamp(SOUND_DEPTH, MAX_SOUND_DEPTH);
        self.level = self.level.min(self.depth.cast_signed() * SCALE);
    }

    /// Adds what flowed in since the last time.
    #[inline]
    fn fill(&mut self, now: Instant) {
        let filled = *self.filled.get_or_insert(now);
        if now <= filled {
            return;
        }
        // At most 4e9 ns times 1e9 B/s, which 63 bits hold.
        let step = now
            .saturating_duration_since(filled)
            .min(MAX_STEP)
            .as_nanos() as i64;
        let full = self.depth.cast_signed() * SCALE;
        self.level = (self.level + step * self.rate.cast_signed()).min(full);
        self.filled = Some(now);
    }

    /// Whether `bytes` may leave at once.
    #[inline]
    pub(crate) fn covers(&mut self, now: Instant, bytes: usize) -> bool {
        self.fill(now);
        self.level >= scaled(bytes)
    }

    /// Whether another packet may leave.
    pub(crate) fn is_open(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.level > 0
    }

    /// Whether a packet may leave that is worth a debt of one depth.
    pub(crate) fn has_credit(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.level > -(self.depth.cast_signed() * SCALE)
    }

    /// Takes bytes out.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.level = self.level.saturating_sub(scaled(bytes));
    }

    /// When another packet may leave.
    pub(crate) fn opens_at(&self, now: Instant) -> Instant {
        if self.level > 0 {
            return now;
        }
        let missing = self.level.unsigned_abs() + 1;
        self.filled.unwrap_or(now) + Duration::from_nanos(missing.div_ceil(self.rate))
    }

    /// How long `bytes` take at the steady rate.
    pub(crate) fn time_for(&self, bytes: usize) -> Duration {
        Duration::from_nanos(scaled(bytes).unsigned_abs().div_ceil(self.rate))
    }

    /// Bytes that may leave in any 5 ms.
    pub(crate) fn tick_bytes(&self) -> u64 {
        self.depth + self.rate * TICK.as_millis() as u64 / 1000
    }
}

fn scaled(bytes: usize) -> i64 {
    i64::try_from(bytes)
        .unwrap_or(i64::MAX)
        .saturating_mul(SCALE)
}
