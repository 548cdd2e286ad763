use super::*;
use crate::ArrivalTime;

const MS: Duration = Duration::from_millis(1);

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps)
}

fn estimator(now: Instant) -> BandwidthEstimator {
    BandwidthEstimator::new(EstimatorConfig::default(), now)
}

fn wanting(next_step: u64) -> Demand {
    Demand {
        wanted: kbps(next_step * 2),
        next_step: Some(kbps(next_step)),
        sending: kbps(100),
    }
}

#[test]
fn remb_is_the_estimate_where_there_is_nothing_else() {
    let start = Instant::now();
    let mut estimator = estimator(start);
    estimator.handle_remb(start, kbps(400));
    assert_eq!(estimator.estimate(), kbps(400));
    estimator.handle_remb(start, kbps(2400));
    assert_eq!(estimator.estimate(), kbps(2400));
    estimator.handle_remb(start, Bitrate::MAX);
    assert_eq!(estimator.estimate(), kbps(100_000));
    // Loss in reports lowers it all the same.
    for second in 1..5 {
        estimator.handle_report(start + 1000 * second * MS, 64, Some(80 * MS));
    }
    assert!(estimator.estimate() < kbps(70_000));
    assert_eq!(estimator.state().round_trip, Some(80 * MS));
}

#[test]
fn remb_is_raised_by_long_probes() {
    let start = Instant::now();
    let mut estimator = estimator(start);
    estimator.handle_remb(start, kbps(400));
    estimator.set_demand(start, wanting(500));
    let probe = estimator.poll_probe(start).expect("a reason");
    assert!(probe.bitrate > kbps(500), "{probe:?}");
    assert!(probe.bytes as u64 >= probe.bitrate.bytes_in(500 * MS));
}

#[test]
fn remb_caps_what_feedback_says() {
    let start = Instant::now();
    let mut estimator = estimator(start);
    for number in 0..20_u16 {
        let now = start + u32::from(number) * 20 * MS;
        estimator.handle_sent(now, number, 1000, None);
        let arrival = ArrivalTime::from_micros(i64::from(number) * 20_000);
        estimator.handle_feedback(now + 50 * MS, [(number, Some(arrival))].into_iter());
    }
    let before = estimator.estimate();
    assert!(before >= kbps(1000));
    estimator.handle_remb(start, kbps(300));
    assert_eq!(estimator.estimate(), kbps(300));
    estimator.handle_remb(start, kbps(30_000));
    assert_eq!(estimator.estimate(), before, "it only caps");
}

#[test]
fn the_round_trip_comes_from_feedback() {
    let start = Instant::now();
    let mut estimator = estimator(start);
    assert_eq!(estimator.state().round_trip, None);
    estimator.handle_sent(start, 1, 100, None);
    let arrival = Some(ArrivalTime::from_micros(-5));
    estimator.handle_feedback(start + 70 * MS, [(1, arrival)].into_iter());
    assert_eq!(estimator.state().round_trip, Some(70 * MS));
}

#[test]
fn silence_lowers_the_estimate_step_by_step_but_not_while_nothing_is_sent() {
    let start = Instant::now();
    let mut estimator = estimator(start);
    assert_eq!(estimator.poll_timeout(), None);
    estimator.handle_sent(start, 1, 100, None);
    estimator.handle_feedback(start + 50 * MS, [(1, None)].into_iter());
    assert_eq!(estimator.poll_timeout(), None, "everything is answered");
    estimator.handle_sent(start + 60 * MS, 2, 100, None);
    for _ in 0..2 {
        let due = estimator.poll_timeout().expect("an answer is due");
        estimator.handle_timeout(due);
    }
    let twice = kbps(1000).scaled(SILENCE_FACTOR).scaled(SILENCE_FACTOR);
    assert_eq!(estimator.estimate(), twice);
}

#[test]
fn limits_take_effect_at_once() {
    let start = Instant::now();
    let mut estimator = estimator(start);
    estimator.set_limits(start, kbps(30), kbps(500));
    assert_eq!(estimator.estimate(), kbps(500));
    estimator.set_limits(start, kbps(800), kbps(500));
    assert_eq!(estimator.estimate(), kbps(800), "the lower one wins");
}

#[test]
fn a_probe_is_handed_out_once() {
    let start = Instant::now();
    let mut estimator = estimator(start);
    estimator.set_demand(start, wanting(2000));
    assert!(estimator.poll_probe(start).is_some());
    assert!(estimator.state().probing.is_some());
    estimator.set_demand(start, wanting(2000));
    assert_eq!(estimator.poll_probe(start), None);
}
