//! Entry point for fuzzers: whatever a receiver says, the estimate stays within its limits.

use std::time::{Duration, Instant};

use crate::{ArrivalTime, BandwidthEstimator, Bitrate, Demand, EstimatorConfig};

/// Plays the bytes as a course of packets sent, feedback, reports and time that passes.
#[expect(
    clippy::disallowed_methods,
    reason = "an `Instant` cannot be made otherwise, and only differences to it matter"
)]
pub fn fuzz_feedback(data: &[u8]) {
    let now = Instant::now();
    let config = EstimatorConfig::default();
    let mut play = Play {
        estimator: BandwidthEstimator::new(config, now),
        now,
        sequence: 0xfff0,
    };
    let mut data = data;
    while let Some((&kind, rest)) = data.split_first() {
        let (argument, rest) = rest.split_at(rest.len().min(4));
        let mut bytes = [0; 4];
        bytes[..argument.len()].copy_from_slice(argument);
        let [count, ..] = bytes;
        let (packets, rest) = match kind % 8 {
            2 | 3 => rest.split_at(rest.len().min(usize::from(count) * 3)),
            _ => rest.split_at(0),
        };
        play.step(kind % 8, bytes, packets);
        data = rest;
        let estimate = play.estimator.estimate();
        assert!(
            estimate >= config.min && estimate <= config.max,
            "the estimate is within its limits"
        );
    }
}

struct Play {
    estimator: BandwidthEstimator,
    now: Instant,
    sequence: u16,
}

impl Play {
    fn step(&mut self, kind: u8, argument: [u8; 4], packets: &[u8]) {
        let now = self.now;
        let number = u32::from_le_bytes(argument);
        match kind {
            0 | 1 => {
                let [count, size, skip, _] = argument;
                let probe = self.estimator.poll_probe(now).map(|probe| probe.id);
                self.sequence = self.sequence.wrapping_add(skip.into());
                for _ in 0..count {
                    self.sequence = self.sequence.wrapping_add(1);
                    let size = usize::from(size) * 6;
                    self.estimator.handle_sent(now, self.sequence, size, probe);
                }
            }
            2 | 3 => self.feedback(argument, packets),
            4 => self
                .estimator
                .handle_remb(now, Bitrate::from_bps(u64::from(number) << 12)),
            5 => {
                let [lost, trip, ..] = argument;
                let trip = (trip > 0).then(|| Duration::from_millis(trip.into()));
                self.estimator.handle_report(now, lost, trip);
            }
            6 => {
                let wanted = Bitrate::from_bps(number.into());
                let demand = Demand {
                    wanted,
                    next_step: (number & 1 > 0).then_some(wanted.scaled(0.5)),
                    sending: Bitrate::ZERO,
                };
                self.estimator.set_demand(now, demand);
            }
            _ => {
                self.now += Duration::from_micros((number % 4_000_000).into());
                let due = self.estimator.poll_timeout();
                if due.is_some_and(|due| due <= self.now) {
                    self.estimator.handle_timeout(self.now);
                }
            }
        }
    }

    /// Packets from some way back on; three bytes tell whether and when each arrived.
    fn feedback(&mut self, argument: [u8; 4], packets: &[u8]) {
        let [_, back, high, low] = argument;
        let first = self.sequence.wrapping_sub(back.into());
        // A far-away clock now and then.
        let base = i64::from(i8::from_le_bytes([high])) << (low % 56);
        let packets = packets.chunks(3).enumerate().map(|(index, bytes)| {
            let number = first.wrapping_add(u16::try_from(index).unwrap_or_default());
            let mut delta = [0; 4];
            delta[..bytes.len()].copy_from_slice(bytes);
            let delta = i32::from_le_bytes(delta);
            let arrival = ArrivalTime::from_micros(base.saturating_add(delta.into()));
            (number, (delta & 7 > 0).then_some(arrival))
        });
        self.estimator.handle_feedback(self.now, packets);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_taken_calmly(data in prop::collection::vec(any::<u8>(), 0..2000)) {
            super::fuzz_feedback(&data);
        }
    }
}
