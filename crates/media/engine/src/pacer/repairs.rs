//! How much of what a path carries may go to packets that are sent again.
//!
//! A receiver behind a queue that overflows misses a third of everything and asks for all of it, again and again. Sent
//! without measure, the answers keep the queue full for seconds after the picture itself has become small enough.

use std::time::{Duration, Instant};

/// Everything together, pictures and repairs, may take this part of the estimate, in percent. Less than all, so that the
/// queue that made the repairs necessary drains.
const TOTAL_PERCENT: u64 = 90;

/// Repairs may take this part of the estimate, in percent, however much pictures take: a stream without layers that is
/// more than the estimate would never be repaired.
const OWN_PERCENT: u64 = 25;

/// What was not used is kept for this long: bursts of loss are repaired at once.
const DEPTH_MS: u64 = 250;

/// Longest time that is added up at once; every bucket is full by then.
const MAX_STEP: Duration = Duration::from_secs(2);

/// Two token buckets: one that all packets are taken out of, one for repairs alone. Only repairs wait, until one of the
/// two has something left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repairs {
    /// What the path carries, bytes per second; `None`: nobody knows, and nothing is held back.
    path: Option<u64>,
    /// Bytes, from minus to plus the depth.
    total: i64,
    own: i64,
    filled: Option<Instant>,
}

impl Repairs {
    /// The path carries this many bits per second; `None`: nobody knows.
    pub(super) fn set_estimate(&mut self, now: Instant, bits_per_second: Option<u64>) {
        self.fill(now);
        let is_new = self.path.is_none();
        self.path = bits_per_second.map(|bits| bits / 8);
        let (total, own) = (
            self.bytes(TOTAL_PERCENT, DEPTH_MS),
            self.bytes(OWN_PERCENT, DEPTH_MS),
        );
        self.total = if is_new { total } else { self.total.min(total) };
        self.own = if is_new { own } else { self.own.min(own) };
    }

    /// A packet leaves.
    #[inline]
    pub(super) fn spend(&mut self, bytes: usize) {
        let left = self.total.saturating_sub_unsigned(bytes as u64);
        self.total = left.max(-self.bytes(TOTAL_PERCENT, DEPTH_MS));
    }

    /// A packet is sent again, for which there was room.
    pub(super) fn repair(&mut self, bytes: usize) {
        self.own = self.own.saturating_sub_unsigned(bytes as u64);
    }

    /// Whether a packet may be sent again now.
    pub(super) fn is_open(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.path.is_none() || self.total > 0 || self.own > 0
    }

    fn fill(&mut self, now: Instant) {
        let filled = *self.filled.get_or_insert(now);
        let passed = now.saturating_duration_since(filled);
        // Whole milliseconds only; the rest counts the next time.
        let millis = passed.min(MAX_STEP).as_millis() as u64;
        let filled_up = |level: i64, percent| {
            let level = level.saturating_add(self.bytes(percent, millis));
            level.min(self.bytes(percent, DEPTH_MS))
        };
        (self.total, self.own) = (
            filled_up(self.total, TOTAL_PERCENT),
            filled_up(self.own, OWN_PERCENT),
        );
        self.filled = Some(if passed < MAX_STEP {
            filled + Duration::from_millis(millis)
        } else {
            now
        });
    }

    /// What a part of the path carries in some time.
    fn bytes(&self, percent: u64, millis: u64) -> i64 {
        let bytes = self.path.unwrap_or(0).saturating_mul(percent * millis) / 100_000;
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn without_an_estimate_nothing_is_held_back() {
        let mut repairs = Repairs::default();
        let now = Instant::now();
        for _ in 0..1000 {
            repairs.spend(1200);
            repairs.repair(1200);
        }
        assert!(repairs.is_open(now));
    }

    /// Bytes that are repaired within 10 s beside `pictures` bytes a second, on a path of 100 000 bytes a second.
    fn repaired_beside(pictures: usize) -> usize {
        let start = Instant::now();
        let mut repairs = Repairs::default();
        repairs.set_estimate(start, Some(800_000));
        let mut repaired = 0;
        for step in 0..10_000 {
            let now = start + MS * step;
            repairs.spend(pictures / 1000);
            while repairs.is_open(now) {
                repairs.spend(500);
                repairs.repair(500);
                repaired += 500;
            }
        }
        repaired
    }

    #[test]
    fn repairs_get_what_pictures_leave() {
        let repaired = repaired_beside(50_000);
        assert!((400_000..=450_000).contains(&repaired), "{repaired}");
    }

    #[test]
    fn repairs_get_a_quarter_of_the_path_at_least() {
        let repaired = repaired_beside(300_000);
        assert!((250_000..=265_000).contains(&repaired), "{repaired}");
    }
}
