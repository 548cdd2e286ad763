//! What is made of a run.
#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people, far below 2^53"
)]

use std::time::Duration;

use super::{Run, Sample};

/// Before this everything is still to be learnt.
const SETTLED: Duration = Duration::from_secs(5);

/// What is forwarded is counted over this long.
const WINDOW: Duration = Duration::from_secs(1);

/// Share of the best that counts as being back after a step up.
const BACK: f64 = 0.8;

/// Figures of a run.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Mean distance of the estimate from the truth after five seconds, as a share of it: from the link's capacity, or
    /// from the band between what is wanted and the capacity where less is wanted. `None` without an estimate.
    pub estimate_error: Option<f64>,
    /// Mean of the estimate after five seconds, bit/s.
    pub estimate: Option<f64>,
    /// What was forwarded after five seconds as a share of the highest stream that fits the link at each time.
    pub utilisation: f64,
    /// Time that datagrams waited in the queue: half of them less than this.
    pub queue_p50: Duration,
    /// Time that datagrams waited in the queue: all but 5 % less than this.
    pub queue_p95: Duration,
    /// Share of the datagrams that did not arrive.
    pub loss: f64,
    /// Changes from one stream to another one, or to none.
    pub switches: usize,
    /// Longest time without a new picture.
    pub longest_gap: Duration,
    /// After each step up the time until 80 % of what fits was forwarded; `None`: never.
    pub back_after: Vec<Option<Duration>>,
    /// Share of what was sent that only measured.
    pub probation: f64,
}

impl Run {
    /// Figures of the run.
    pub fn figures(&self) -> Figures {
        let mut waits: Vec<Duration> = self.passages.iter().filter_map(|one| one.wait).collect();
        waits.sort_unstable();
        let lost = self.passages.len() - waits.len();
        let bytes: usize = self.passages.iter().map(|one| one.len).sum();
        let settled = || self.samples.iter().filter(|sample| sample.at >= SETTLED);
        Figures {
            estimate_error: mean(settled().filter_map(|sample| self.error(sample))),
            estimate: mean(settled().filter_map(|sample| Some(sample.estimate? as f64))),
            utilisation: self.utilisation(),
            queue_p50: percentile(&waits, 50),
            queue_p95: percentile(&waits, 95),
            loss: lost as f64 / self.passages.len().max(1) as f64,
            switches: self.layers.len().saturating_sub(1),
            longest_gap: self.frames.longest_gap,
            back_after: self.back_after(),
            probation: self.probation_bytes as f64 / bytes.max(1) as f64,
        }
    }

    /// Forwarded bit/s within a time before each sample, headers included.
    pub fn forwarded(&self, window: Duration) -> Vec<(Duration, f64)> {
        let mut sent_before = vec![0];
        sent_before.extend(self.passages.iter().scan(0, |sum, one| {
            *sum += one.len;
            Some(*sum)
        }));
        let sent_until = |at: Duration| {
            let until = self.start + at;
            sent_before[self.passages.partition_point(|one| one.at <= until)]
        };
        let rate = |at: Duration| {
            let before = at.checked_sub(window).map_or(0, sent_until);
            (sent_until(at) - before) as f64 * 8.0 / window.as_secs_f64()
        };
        let samples = self.samples.iter();
        samples.map(|sample| (sample.at, rate(sample.at))).collect()
    }

    /// What the best stream takes that fits through the link at a time; the lowest one when none does.
    pub fn best(&self, capacity: u64) -> u64 {
        let fitting = self.stream_rates.iter().filter(|rate| **rate <= capacity);
        fitting
            .max()
            .copied()
            .unwrap_or_else(|| capacity.min(self.stream_rates[0]))
    }

    fn error(&self, sample: &Sample) -> Option<f64> {
        let estimate = sample.estimate? as f64;
        let capacity = sample.capacity as f64 * self.payload_share();
        let wanted = capacity.min(self.stream_rates[2] as f64 * self.payload_share());
        Some(((estimate - capacity).max(0.0) + (wanted - estimate).max(0.0)) / capacity)
    }

    /// What of a datagram is neither IP nor UDP: the link carries those, too, and the engine does not count them.
    fn payload_share(&self) -> f64 {
        let bytes: usize = self.passages.iter().map(|one| one.len).sum();
        let headers = self.passages.len() * 28;
        1.0 - headers as f64 / bytes.max(1) as f64
    }

    fn utilisation(&self) -> f64 {
        let passages = self.passages.iter();
        let settled = passages.filter(|one| one.at >= self.start + SETTLED);
        let bits: usize = settled.map(|one| one.len * 8).sum();
        let seconds = self.time.saturating_sub(SETTLED).as_secs_f64();
        let samples = self.samples.iter().filter(|sample| sample.at >= SETTLED);
        let best = mean(samples.map(|sample| self.best(sample.capacity) as f64));
        best.map_or(0.0, |best| bits as f64 / (best * seconds).max(1.0))
    }

    fn back_after(&self) -> Vec<Option<Duration>> {
        let rates = self.forwarded(WINDOW);
        let changes = self.path.link.capacity.changes();
        let ups = changes.windows(2).filter(|pair| pair[1].1 > pair[0].1);
        ups.map(|pair| {
            let (from, capacity) = pair[1];
            let enough = self.best(capacity) as f64 * BACK;
            let back = rates
                .iter()
                .find(|(at, rate)| *at >= from && *rate >= enough);
            back.map(|(at, _)| at.saturating_sub(from))
        })
        .collect()
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}
