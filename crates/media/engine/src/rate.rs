//! Bit rate over the last second.

use std::time::{Duration, Instant};

use plenum_prefetch::{prefetch, prefetch_all};

/// Buckets of the window. Ten of them make the window slide in steps that statistics cannot tell from smooth.
const BUCKETS: usize = 10;

/// Width of one bucket, so that the window is one second: what browsers' statistics are compared with.
const BUCKET: Duration = Duration::from_millis(100);

/// Counts bytes in a sliding window of one second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateCounter {
    bytes: [u32; BUCKETS],
    /// When the newest bucket began; `None` before the first byte.
    newest_began: Option<Instant>,
    newest: u8,
}

impl RateCounter {
    /// Asks for all of it: see [`prefetching`](crate::prefetching).
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch_all(&self.bytes);
        prefetch(&self.newest_began);
    }

    /// Counts `bytes` at `now`. A time before the newest bucket counts as that bucket.
    pub(crate) fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        if let Some(bucket) = self.bytes.get_mut(usize::from(self.newest)) {
            *bucket = bucket.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Bits per second over the window that ends at `now`.
    pub(crate) fn bitrate(&self, now: Instant) -> u32 {
        let Some(began) = self.newest_began else {
            return 0;
        };
        let (passed, part) = buckets_since(began, now);
        if passed >= BUCKETS {
            return 0;
        }
        // The oldest `passed` buckets have left the window; the newest one is only partly over.
        let kept = self
            .bytes
            .iter()
            .cycle()
            .skip(usize::from(self.newest) + 1 + passed)
            .take(BUCKETS - passed);
        let bits = kept.map(|&bytes| u64::from(bytes)).sum::<u64>() * 8;
        let window = BUCKET * (BUCKETS as u32 - 1) + part;
        u32::try_from(bits * 1_000_000 / window.as_micros() as u64).unwrap_or(u32::MAX)
    }

    /// Makes the bucket that `now` falls into the newest one.
    fn advance(&mut self, now: Instant) {
        let began = *self.newest_began.get_or_insert(now);
        // Almost every call ends here, without a division.
        if now.saturating_duration_since(began) < BUCKET {
            return;
        }
        let (passed, part) = buckets_since(began, now);
        for _ in 0..passed.min(BUCKETS) {
            self.newest = (self.newest + 1) % BUCKETS as u8;
            self.bytes[usize::from(self.newest)] = 0;
        }
        self.newest_began = now.checked_sub(part);
    }
}

/// Whole buckets between two instants, and the rest.
fn buckets_since(began: Instant, now: Instant) -> (usize, Duration) {
    let elapsed = now.saturating_duration_since(began).as_micros() as u64;
    let bucket = BUCKET.as_micros() as u64;
    let part = Duration::from_micros(elapsed % bucket);
    (
        usize::try_from(elapsed / bucket).unwrap_or(usize::MAX),
        part,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_steady_stream_shows_its_rate() {
        let mut now = Instant::now();
        let mut rate = RateCounter::default();
        // 1250 bytes each 10 ms: 1 Mb/s.
        for _ in 0..300 {
            rate.add(now, 1250);
            now += 10 * MS;
        }
        let measured = rate.bitrate(now);
        assert!((950_000..=1_050_000).contains(&measured), "{measured}");
    }

    #[test]
    fn silence_empties_the_window() {
        let start = Instant::now();
        let mut rate = RateCounter::default();
        assert_eq!(rate.bitrate(start), 0);
        rate.add(start, 1000);
        assert!(rate.bitrate(start) > 0);
        let mut last = u32::MAX;
        for step in 0..12 {
            let measured = rate.bitrate(start + 100 * MS * step);
            assert!(measured <= last);
            last = measured;
        }
        assert_eq!(last, 0);
        rate.add(start + 3600 * 1000 * MS, 10);
        assert!(rate.bitrate(start + 3600 * 1000 * MS) < 100);
    }

    proptest! {
        #[test]
        fn never_more_than_what_was_counted(steps in prop::collection::vec((0u32..400, 0usize..3000), 1..200)) {
            let mut now = Instant::now();
            let mut rate = RateCounter::default();
            let mut total = 0u64;
            for (gap, bytes) in steps {
                now += MS * gap;
                rate.add(now, bytes);
                total += bytes as u64;
                // Nine tenths of a second is the shortest window.
                prop_assert!(u64::from(rate.bitrate(now)) <= total * 8 * 10 / 9 + 1);
            }
        }
    }
}
