//! Times as they were, not as their averages: one HDR histogram for each thing that is measured.
//!
//! Histograms of several threads are added, value by value. A percentile is taken once, from the sum: percentiles of
//! parts have no mean that means anything.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// All times of one kind.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

/// What a report says of them, in milliseconds; nothing where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are what they mean")]
pub struct Summary {
    pub count: u64,
    pub min: Option<f64>,
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub p99_9: Option<f64>,
    pub max: Option<f64>,
}

impl Times {
    /// Ten minutes in microseconds. Whatever took longer counts as that: nobody waits so long for anything here.
    const MOST: u64 = 600_000_000;
    /// Three digits are more than the clocks of a busy machine are worth, and cost 160 KiB.
    const DIGITS: u8 = 3;

    /// None yet.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_max(Self::MOST, Self::DIGITS);
        Self(histogram.expect("the bounds are constants that the library allows"))
    }

    /// One more.
    pub fn record(&mut self, time: Duration) {
        self.record_many(time, 1);
    }

    /// As many more.
    pub fn record_many(&mut self, time: Duration, count: u64) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let value = microseconds.clamp(1, Self::MOST);
        self.0.saturating_record_n(value, count);
    }

    /// All that another one has.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so that everything fits.
        let _ = self.0.add(&other.0);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// For a report.
    pub fn summary(&self) -> Summary {
        if self.0.is_empty() {
            return Summary::default();
        }
        let at = |share: f64| Some(milliseconds(self.0.value_at_quantile(share)));
        Summary {
            count: self.0.len(),
            min: Some(milliseconds(self.0.min())),
            mean: Some((self.0.mean()).round() / 1000.0),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: Some(milliseconds(self.0.max())),
        }
    }

    /// Milliseconds that so large a share did not exceed, for a curve.
    pub fn at(&self, share: f64) -> f64 {
        milliseconds(self.0.value_at_quantile(share))
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_measured_is_nothing_and_not_zero() {
        let summary = Times::new().summary();
        assert_eq!(summary, Summary::default());
        assert_eq!(summary.p99, None);
    }

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut times = Times::new();
        for milliseconds in 1..=1000 {
            times.record(Duration::from_millis(milliseconds));
        }
        let summary = times.summary();
        for (value, expected) in [
            (summary.p50, 500.0),
            (summary.p95, 950.0),
            (summary.p99, 990.0),
            (summary.max, 1000.0),
        ] {
            let value: f64 = value.expect("measured");
            assert!((value / expected - 1.0).abs() < 0.002, "{value} {expected}");
        }
    }

    #[test]
    fn what_is_added_is_as_if_measured_here() {
        let (mut one, mut other, mut both) = (Times::new(), Times::new(), Times::new());
        for number in 0..500_u64 {
            let time = Duration::from_micros(number * number);
            both.record(time);
            if number % 3 == 0 {
                one.record(time);
            } else {
                other.record(time);
            }
        }
        one.add(&other);
        assert_eq!(one.summary(), both.summary());
    }

    #[test]
    fn longer_than_anybody_waits_is_the_longest() {
        let mut times = Times::new();
        times.record(Duration::from_hours(5));
        times.record(Duration::ZERO);
        let summary = times.summary();
        assert_eq!(summary.count, 2);
        assert!(summary.max.expect("measured") > 599_000.0);
    }
}
