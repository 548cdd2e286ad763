//! Durations counted in buckets, in fixed memory.

use std::time::Duration;

/// Buckets between one power of two and the next: a value is known to about 3 %.
const STEPS: usize = 32;

/// Powers of two of a microsecond from [`STEPS`] on; the last one holds what is above 2 min.
const OCTAVES: usize = 22;

/// How often which duration was seen, in microseconds with 5 significant bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64]>,
}

impl Histogram {
    /// One in which nothing was seen.
    pub fn new() -> Self {
        Self {
            counts: vec![0; STEPS * (OCTAVES + 1)].into_boxed_slice(),
        }
    }

    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
        }
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// Takes away what had been counted before: what was seen between two readings.
    pub fn subtract(&mut self, earlier: &Self) {
        for (count, before) in self.counts.iter_mut().zip(&earlier.counts) {
            *count = count.saturating_sub(*before);
        }
    }

    /// How many were counted.
    pub fn len(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// The duration that this share (0 to 1) of all does not exceed; `None` when nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let len = self.len();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a rank among so many; shares are clamped"
        )]
        let rank = ((share.clamp(0.0, 1.0) * len as f64).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets().find_map(|(duration, count)| {
            seen += count;
            (seen >= rank).then_some(duration)
        })
    }

    /// Durations that were seen (the upper ends of their buckets), and how often.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counts = self.counts.iter().copied().enumerate();
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(index, count)| (Duration::from_micros(upper_end(index)), count))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("len", &self.len())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .finish()
    }
}

/// The bucket of a value: itself below [`STEPS`], then [`STEPS`] per power of two.
fn bucket(micros: u64) -> usize {
    let steps = STEPS as u64;
    if micros < steps {
        return micros as usize;
    }
    let octave = (micros.ilog2() - steps.ilog2()) as usize;
    let within = (micros >> octave) as usize - STEPS;
    (STEPS * (octave + 1) + within).min(STEPS * (OCTAVES + 1) - 1)
}

/// The largest value of a bucket.
fn upper_end(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let (octave, within) = (index / STEPS - 1, index % STEPS);
    ((STEPS + within + 1) << octave) as u64 - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), None);
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let median = histogram.quantile(0.5).expect("some were counted");
        assert!(
            (50_000..=52_000).contains(&median.as_micros()),
            "{median:?}"
        );
        let earlier = histogram.clone();
        histogram.record(Duration::from_hours(1));
        assert_eq!(histogram.len(), 101);
        histogram.subtract(&earlier);
        assert_eq!(histogram.len(), 1);
        histogram.merge(&earlier);
        assert_eq!(histogram.len(), 101);
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_values(micros in 0_u64..100_000_000) {
            let end = upper_end(bucket(micros));
            prop_assert!(micros <= end);
            prop_assert!(end - micros <= micros / 32);
        }
    }
}
