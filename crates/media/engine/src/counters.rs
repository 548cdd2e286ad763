//! The engine's own counters: plain integers, read by snapshot.

use plenum_params::stats::{DelayHistogram, MediaCounters};

/// Counts since the engine was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
    /// Datagrams that led to no transport, were malformed, replayed or not authentic.
    pub(crate) discarded: u64,
    /// Messages with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 segments.
    pub(crate) group_sizes: [u64; 6],
    pub(crate) media: MediaCounters,
    /// How long packets waited in pacers, of those that did.
    pub(crate) paced: DelayHistogram,
}

impl Counters {
    /// Counts a message of `segments` datagrams, which `transport` counts too.
    pub(crate) fn count_group(&mut self, transport: &mut [u64; 6], segments: usize) {
        let class = (usize::BITS - 1 - segments.max(1).leading_zeros()).min(5);
        self.group_sizes[class as usize] += 1;
        transport[class as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_by_powers_of_two() {
        let (mut counters, mut own) = (Counters::default(), [0; 6]);
        for segments in [1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 64] {
            counters.count_group(&mut own, segments);
        }
        assert_eq!(counters.group_sizes, [1, 2, 2, 2, 2, 2]);
        assert_eq!(own, counters.group_sizes);
    }
}
