use super::*;

const STEP: Duration = Duration::from_millis(100);

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps)
}

/// Of which packets the delay is known does not matter here: of the newest.
fn signals(usage: Usage, acknowledged: u64) -> Signals {
    Signals {
        usage,
        standing_queue: false,
        acknowledged: Some(kbps(acknowledged)),
        saturated: None,
        measured: Instant::now() + Duration::from_hours(1),
        offered: Some(kbps(acknowledged)),
        queue: Duration::ZERO,
        drained: true,
        round_trip: Duration::from_millis(50),
        application_limited: false,
        ceiling: Bitrate::MAX,
    }
}

#[test]
fn overuse_falls_to_a_part_of_what_arrives_and_once_per_round_trip() {
    let start = Instant::now();
    let mut control = RateControl::new(kbps(1000), start);
    assert!(control.update(start, signals(Usage::Overuse, 900)));
    assert_eq!(control.rate(), kbps(765));
    assert!(!control.update(start + STEP, signals(Usage::Overuse, 765)));
    assert_eq!(control.rate(), kbps(765), "feedback cannot show it yet");
    assert!(control.update(start + 3 * STEP, signals(Usage::Overuse, 765)));
    assert_eq!(control.rate(), kbps(765).scaled(BACKOFF));
}

#[test]
fn a_rate_that_is_far_too_high_does_not_wait() {
    let start = Instant::now();
    let mut control = RateControl::new(kbps(5000), start);
    control.update(start, signals(Usage::Overuse, 4000));
    assert!(control.update(start + STEP, signals(Usage::Overuse, 700)));
    assert_eq!(control.rate(), kbps(595));
}

#[test]
fn a_cut_waits_for_packets_that_left_after_the_last_one() {
    let start = Instant::now();
    let mut control = RateControl::new(kbps(1000), start);
    let old = Signals {
        measured: start,
        ..signals(Usage::Overuse, 765)
    };
    assert!(control.update(start, old));
    assert!(
        !control.update(start + 20 * STEP, old),
        "nothing new is known"
    );
    let new = Signals {
        measured: start + STEP,
        ..old
    };
    assert!(control.update(start + 20 * STEP, new));
}

#[test]
fn a_path_that_collapsed_is_known_before_the_average_falls() {
    let start = Instant::now();
    let collapsed = |kilobits, wait| Signals {
        saturated: Some(Saturated {
            rate: kbps(kilobits),
            wait: Duration::from_millis(wait),
        }),
        ..signals(Usage::Normal, 1500)
    };
    let mut control = RateControl::new(kbps(2000), start);
    assert!(!control.update(start, collapsed(200, 90)), "a short queue");
    assert!(
        !control.update(start, collapsed(1200, 200)),
        "not that narrow"
    );
    assert!(control.update(start, collapsed(200, 250)));
    assert_eq!(
        control.rate(),
        kbps(120),
        "a quarter less until the queue is gone"
    );
}

#[test]
fn a_long_queue_is_drained_and_then_the_rate_comes_back() {
    let start = Instant::now();
    let mut control = RateControl::new(kbps(1000), start);
    let overuse = Signals {
        queue: Duration::from_millis(400),
        drained: false,
        ..signals(Usage::Overuse, 1000)
    };
    control.update(start, overuse);
    assert_eq!(control.rate(), kbps(600));
    for step in 1..3 {
        control.update(start + STEP * step, signals(Usage::Normal, 600));
    }
    assert_eq!(control.rate(), kbps(850));
}

#[test]
fn little_that_is_sent_does_not_drag_the_estimate_down() {
    let start = Instant::now();
    let mut control = RateControl::new(kbps(3000), start);
    let limited = Signals {
        application_limited: true,
        ..signals(Usage::Overuse, 300)
    };
    control.update(start, limited);
    assert_eq!(control.rate(), kbps(2550), "all of it arrived");
    let late = Signals {
        offered: Some(kbps(500)),
        ..limited
    };
    control.update(start + 10 * STEP, late);
    assert_eq!(control.rate(), kbps(255), "it does not even carry this");
}

#[test]
fn growth_is_quick_far_from_the_capacity_slow_near_it_and_needs_evidence() {
    let start = Instant::now();
    let grown = |control: &mut RateControl, acknowledged, steps| {
        let before = control.rate();
        for step in 1..=steps {
            control.update(start + STEP * step, signals(Usage::Normal, acknowledged));
        }
        control.rate().ratio(before)
    };
    let mut unknown = RateControl::new(kbps(1000), start);
    let factor = grown(&mut unknown, 1000, 11);
    assert!((1.07..1.09).contains(&factor), "{factor}");
    assert!(
        grown(&mut unknown, 1000, 100) < 1.2,
        "a quarter more than arrives"
    );

    let mut known = RateControl::new(kbps(1000), start);
    known.measured_capacity(kbps(1050));
    let factor = grown(&mut known, 1000, 11);
    assert!((1.03..1.07).contains(&factor), "{factor}");
    let factor = grown(&mut known, 600, 50);
    assert!(factor < 1.001, "nothing new arrives: {factor}");
}

#[test]
fn a_standing_queue_is_cut_and_underuse_holds() {
    let start = Instant::now();
    let mut control = RateControl::new(kbps(1000), start);
    let standing = Signals {
        standing_queue: true,
        ..signals(Usage::Normal, 1000)
    };
    assert!(control.update(start, standing));
    assert_eq!(control.rate(), kbps(850));
    for step in 1..10 {
        control.update(start + STEP * step, signals(Usage::Underuse, 1000));
    }
    assert_eq!(control.rate(), kbps(850));
}
