//! Whatever a receiver sends, the estimator stays sane.

use std::time::{Duration, Instant};

use plenum_bwe::{ArrivalTime, BandwidthEstimator, Bitrate, Demand, EstimatorConfig};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Input {
    Sent {
        count: u8,
        size: u16,
        skip: u16,
    },
    Feedback(Vec<(u16, Option<i64>)>),
    /// Feedback about what was really sent last.
    Honest {
        received: Vec<bool>,
        spread: u32,
    },
    Remb(u64),
    Report(u8, Option<u32>),
    Demand(u64, Option<u64>),
    Limits(u64, u64),
    Wait(u32),
    Back(u32),
}

fn input() -> impl Strategy<Value = Input> {
    let arrival = prop::option::of(prop_oneof![any::<i64>(), -5_000_000..5_000_000_i64]);
    prop_oneof![
        4 => (1..40_u8, any::<u16>(), prop_oneof![4 => Just(0_u16), 1 => any::<u16>()])
            .prop_map(|(count, size, skip)| Input::Sent { count, size, skip }),
        3 => prop::collection::vec((any::<u16>(), arrival), 0..60).prop_map(Input::Feedback),
        4 => (prop::collection::vec(any::<bool>(), 1..60), 0..200_000_u32)
            .prop_map(|(received, spread)| Input::Honest { received, spread }),
        1 => any::<u64>().prop_map(Input::Remb),
        1 => (any::<u8>(), prop::option::of(any::<u32>())).prop_map(|(lost, trip)| Input::Report(lost, trip)),
        2 => (any::<u64>(), prop::option::of(any::<u64>())).prop_map(|(wanted, next)| Input::Demand(wanted, next)),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(min, max)| Input::Limits(min, max)),
        4 => (0..3_000_000_u32).prop_map(Input::Wait),
        1 => (0..3_000_000_u32).prop_map(Input::Back),
    ]
}

struct Harness {
    estimator: BandwidthEstimator,
    now: Instant,
    sequence: u16,
    min: Bitrate,
    max: Bitrate,
}

impl Harness {
    fn new() -> Self {
        let now = Instant::now() + Duration::from_secs(1000);
        let config = EstimatorConfig::default();
        Self {
            estimator: BandwidthEstimator::new(config, now),
            now,
            sequence: 65_000,
            min: config.min,
            max: config.max,
        }
    }

    fn apply(&mut self, input: Input) {
        let now = self.now;
        match input {
            Input::Sent { count, size, skip } => {
                let probe = self.estimator.poll_probe(now);
                self.sequence = self.sequence.wrapping_add(skip);
                for _ in 0..count {
                    self.sequence = self.sequence.wrapping_add(1);
                    let id = probe.map(|probe| probe.id);
                    self.estimator
                        .handle_sent(now, self.sequence, size.into(), id);
                }
            }
            Input::Feedback(packets) => {
                let packets = packets.into_iter();
                let packets =
                    packets.map(|(number, at)| (number, at.map(ArrivalTime::from_micros)));
                self.estimator.handle_feedback(now, packets);
            }
            Input::Honest { received, spread } => {
                let first = self.sequence.wrapping_sub(received.len() as u16);
                let packets = received.into_iter().enumerate().map(|(index, received)| {
                    let at = i64::from(spread) * index as i64;
                    let number = first.wrapping_add(index as u16);
                    (number, received.then_some(ArrivalTime::from_micros(at)))
                });
                self.estimator.handle_feedback(now, packets);
            }
            Input::Remb(bps) => self.estimator.handle_remb(now, Bitrate::from_bps(bps)),
            Input::Report(lost, trip) => {
                let trip = trip.map(|micros| Duration::from_micros(micros.into()));
                self.estimator.handle_report(now, lost, trip);
            }
            Input::Demand(wanted, next) => {
                let demand = Demand {
                    wanted: Bitrate::from_bps(wanted),
                    next_step: next.map(Bitrate::from_bps),
                    sending: Bitrate::ZERO,
                };
                self.estimator.set_demand(now, demand);
            }
            Input::Limits(min, max) => {
                self.min = Bitrate::from_bps(min);
                self.max = Bitrate::from_bps(max).max(self.min);
                self.estimator
                    .set_limits(now, self.min, Bitrate::from_bps(max));
            }
            Input::Wait(micros) => self.now += Duration::from_micros(micros.into()),
            Input::Back(micros) => self.now -= Duration::from_micros(micros.into()),
        }
        if let Some(due) = self.estimator.poll_timeout()
            && due <= self.now
        {
            self.estimator.handle_timeout(self.now);
        }
    }
}

proptest! {
    #[test]
    fn any_feedback_leaves_the_estimate_between_its_limits(inputs in prop::collection::vec(input(), 0..120)) {
        let mut harness = Harness::new();
        for input in inputs {
            harness.apply(input);
            let estimate = harness.estimator.estimate();
            prop_assert!(estimate >= harness.min && estimate <= harness.max, "{}", estimate);
            let state = harness.estimator.state();
            prop_assert!((0.0..=1.0).contains(&state.loss) && (0.0..=1.0).contains(&state.inherent_loss));
        }
    }
}

#[test]
fn an_idle_estimator_is_small_and_asks_for_nothing() {
    assert!(size_of::<BandwidthEstimator>() <= 2048);
    let now = Instant::now();
    let estimator = BandwidthEstimator::new(EstimatorConfig::default(), now);
    assert_eq!(estimator.poll_timeout(), None);
}

#[test]
fn timeouts_come_to_rest() {
    let start = Instant::now();
    let mut estimator = BandwidthEstimator::new(EstimatorConfig::default(), start);
    let demand = Demand {
        wanted: Bitrate::from_kbps(5000),
        next_step: Some(Bitrate::from_kbps(3000)),
        sending: Bitrate::ZERO,
    };
    estimator.set_demand(start, demand);
    let mut now = start;
    let mut probes = 0_u16;
    let mut timeouts = 0;
    // Nobody answers for ten minutes: probes become rare, and time never stands still.
    while now < start + Duration::from_mins(10) {
        if let Some(probe) = estimator.poll_probe(now) {
            probes += 1;
            for number in 0..20 {
                estimator.handle_sent(now, probes * 100 + number, probe.bytes / 20, Some(probe.id));
            }
        }
        let due = estimator.poll_timeout().expect("something is awaited");
        assert!(due > now, "a timeout that is over comes again");
        now = due;
        estimator.handle_timeout(now);
        timeouts += 1;
    }
    assert!((3..50).contains(&probes), "{probes}");
    assert!(timeouts < 3000, "{timeouts}");
    assert!(estimator.estimate() < Bitrate::from_kbps(40));
}
