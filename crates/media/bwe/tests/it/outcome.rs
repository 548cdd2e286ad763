//! What a simulation has shown, and figures of it.

use std::fmt::Write;

/// What was seen every 50 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: f64,
    pub(crate) estimate: f64,
    pub(crate) capacity: f64,
    pub(crate) allocated: f64,
    pub(crate) queue_ms: f64,
    pub(crate) delivered: u64,
    pub(crate) probing: bool,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) samples: Vec<Sample>,
    pub(crate) probes: u32,
    pub(crate) padding: u64,
    pub(crate) switches: u32,
    pub(crate) delivered: u64,
    pub(crate) rival_delivered: u64,
}

impl Outcome {
    fn within(&self, from: f64, to: f64) -> impl Iterator<Item = &Sample> {
        let samples = self.samples.iter();
        samples.filter(move |sample| sample.at >= from && sample.at < to)
    }

    /// Mean of the estimate in parts of the capacity.
    pub(crate) fn mean_share(&self, from: f64, to: f64) -> f64 {
        let shares: Vec<f64> = self
            .within(from, to)
            .map(|sample| sample.estimate / sample.capacity)
            .collect();
        shares.iter().sum::<f64>() / shares.len() as f64
    }

    /// The lowest estimate in parts of the capacity.
    pub(crate) fn lowest_share(&self, from: f64, to: f64) -> f64 {
        self.within(from, to)
            .map(|sample| sample.estimate / sample.capacity)
            .fold(f64::MAX, f64::min)
    }

    /// The highest estimate, in kb/s.
    pub(crate) fn highest(&self) -> f64 {
        self.samples
            .iter()
            .map(|sample| sample.estimate)
            .fold(0.0, f64::max)
    }

    /// Part of the time in which the estimate is within so many parts of the capacity.
    pub(crate) fn time_within(&self, from: f64, to: f64, low: f64, high: f64) -> f64 {
        let all = self.within(from, to).count();
        let good = self
            .within(from, to)
            .filter(|sample| (low..=high).contains(&(sample.estimate / sample.capacity)));
        good.count() as f64 / all as f64
    }

    /// Mean of what arrived, in kb/s.
    pub(crate) fn throughput(&self, from: f64, to: f64) -> f64 {
        let first = self.within(from, to).next().expect("samples");
        let last = self.within(from, to).last().expect("samples");
        (last.delivered - first.delivered) as f64 * 8.0 / 1000.0 / (last.at - first.at)
    }

    /// The queue that so many parts of the 50 ms stayed below, in ms.
    pub(crate) fn queue_percentile(&self, from: f64, to: f64, part: f64) -> f64 {
        let mut queues: Vec<f64> = self
            .within(from, to)
            .map(|sample| sample.queue_ms)
            .collect();
        queues.sort_by(f64::total_cmp);
        queues[((queues.len() - 1) as f64 * part) as usize]
    }

    /// From when on, after `from`, the estimate first reached this part of the capacity, in seconds after `from`.
    pub(crate) fn time_to_reach(&self, from: f64, part: f64) -> f64 {
        self.within(from, f64::MAX)
            .find(|sample| sample.estimate >= part * sample.capacity)
            .map_or(f64::MAX, |sample| sample.at - from)
    }

    /// The course of it, for people who look at a failure.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("   s estimate capacity allocated queue\n");
        for sample in self.samples.iter().step_by(5) {
            let Sample {
                at,
                estimate,
                capacity,
                allocated,
                queue_ms,
                probing,
                ..
            } = sample;
            let probing = if *probing { " probing" } else { "" };
            let _ = writeln!(
                text,
                "{at:4.2} {estimate:8.0} {capacity:8.0} {allocated:9.0} {queue_ms:5.0}{probing}"
            );
        }
        let Self {
            probes,
            padding,
            switches,
            ..
        } = self;
        let _ = writeln!(
            text,
            "{probes} probes, {padding} bytes of padding, {switches} switches"
        );
        text
    }
}
