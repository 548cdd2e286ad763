//! How large bursts towards one receiver are.

use std::time::Instant;

use plenum_params::stats::BURST_BOUNDS;

use super::TICK;
use plenum_prefetch::prefetch;

/// Classes of the histogram: up to each bound, and beyond the last.
pub(crate) const CLASSES: usize = BURST_BOUNDS.len() + 1;

/// Bytes per tick, counted as they leave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bursts {
    began: Option<Instant>,
    bytes: u32,
    largest: u32,
    histogram: [u64; CLASSES],
}

impl Bursts {
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(&self.began);
        prefetch(&self.bytes);
    }

    /// Counts bytes that leave. A tick begins with the first bytes after the last one.
    #[inline]
    pub(crate) fn add(&mut self, now: Instant, bytes: usize) {
        if self
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= TICK)
        {
            self.close();
            self.began = Some(now);
        }
        self.bytes = self.bytes.saturating_add(bytes as u32);
    }

    fn close(&mut self) {
        if self.bytes > 0 {
            if let Some(count) = self.histogram.get_mut(class(self.bytes)) {
                *count += 1;
            }
            self.largest = self.largest.max(self.bytes);
        }
        self.bytes = 0;
    }

    /// The largest tick.
    pub(crate) fn largest(&self) -> u32 {
        self.largest.max(self.bytes)
    }

    /// Ticks that are over, by [`BURST_BOUNDS`].
    pub(crate) fn histogram(&self) -> [u64; CLASSES] {
        self.histogram
    }
}

fn class(bytes: u32) -> usize {
    BURST_BOUNDS.partition_point(|&bound| bound < bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ticks_are_sorted_by_size() {
        let start = Instant::now();
        let mut bursts = Bursts::default();
        for (tick, bytes) in (0..).zip([1, 2048, 2049, 4096, 8000, 500_000]) {
            bursts.add(start + TICK * tick, bytes / 2);
            bursts.add(
                start + TICK * tick + Duration::from_millis(4),
                bytes - bytes / 2,
            );
        }
        assert_eq!(
            bursts.histogram(),
            [2, 2, 1, 0, 0, 0, 0],
            "the last one is not over"
        );
        assert_eq!(bursts.largest(), 500_000);
        bursts.add(start + Duration::from_secs(1), 1);
        assert_eq!(bursts.histogram(), [2, 2, 1, 0, 0, 0, 1]);
    }
}
