use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// What a sender learns: arrival by number, `None` for what is reported as lost.
fn merge(feedback: &FeedbackDescription<'_>, into: &mut BTreeMap<u16, Option<Duration>>) {
    for (index, arrival) in feedback.arrivals.iter().enumerate() {
        let sequence_number = feedback.base_sequence.wrapping_add(index as u16);
        let known = into.entry(sequence_number).or_default();
        *known = known.or(*arrival);
    }
}

fn drain(receiver: &mut TwccReceiver, now: Instant) -> BTreeMap<u16, Option<Duration>> {
    let mut reported = BTreeMap::new();
    while let Some(feedback) = receiver.poll_feedback(now) {
        assert!(feedback.arrivals.len() <= MAX_PER_REPORT);
        assert!(feedback.arrivals.iter().any(Option::is_some));
        merge(&feedback, &mut reported);
    }
    reported
}

#[test]
fn reports_come_every_100_ms_and_cover_the_losses() {
    let start = Instant::now();
    let mut receiver = TwccReceiver::default();
    assert_eq!(receiver.poll_timeout(), None);
    assert_eq!(
        receiver.handle_packet(start, 0xfffe),
        Some(start + INTERVAL)
    );
    assert_eq!(receiver.handle_packet(start + 10 * MS, 0xffff), None);
    assert_eq!(receiver.handle_packet(start + 30 * MS, 2), None);
    assert_eq!(receiver.poll_feedback(start + 99 * MS), None);
    let expected = FeedbackDescription {
        base_sequence: 0xfffe,
        arrivals: &[
            Some(Duration::ZERO),
            Some(10 * MS),
            None,
            None,
            Some(30 * MS),
        ],
    };
    assert_eq!(receiver.poll_feedback(start + 100 * MS), Some(expected));
    assert_eq!(receiver.poll_feedback(start + 100 * MS), None);
    assert_eq!(receiver.poll_timeout(), None);
    assert_eq!(
        receiver.handle_packet(start + 130 * MS, 4),
        Some(start + 200 * MS)
    );
    let expected = FeedbackDescription {
        base_sequence: 3,
        arrivals: &[None, Some(130 * MS)],
    };
    assert_eq!(receiver.poll_feedback(start + 200 * MS), Some(expected));
}

#[test]
fn many_packets_are_reported_early() {
    let start = Instant::now();
    let mut receiver = TwccReceiver::default();
    for sequence_number in 0..63 {
        receiver.handle_packet(start + MS, sequence_number);
    }
    assert_eq!(receiver.poll_feedback(start + 2 * MS), None);
    assert_eq!(
        receiver.handle_packet(start + 2 * MS, 63),
        Some(start + 2 * MS)
    );
    assert_eq!(drain(&mut receiver, start + 2 * MS).len(), 64);
}

#[test]
fn a_late_packet_is_reported_again_with_what_followed() {
    let start = Instant::now();
    let mut receiver = TwccReceiver::default();
    for sequence_number in [10, 11, 13] {
        receiver.handle_packet(start, sequence_number);
    }
    assert_eq!(drain(&mut receiver, start + 100 * MS).get(&12), Some(&None));
    receiver.handle_packet(start + 120 * MS, 12);
    receiver.handle_packet(start + 130 * MS, 14);
    let reported = drain(&mut receiver, start + 200 * MS);
    assert_eq!(
        reported,
        BTreeMap::from([
            (12, Some(120 * MS)),
            (13, Some(Duration::ZERO)),
            (14, Some(130 * MS))
        ])
    );
    assert_eq!(
        receiver.handle_packet(start + 220 * MS, 13),
        None,
        "a duplicate"
    );
    assert_eq!(receiver.poll_timeout(), None);
}

#[test]
fn a_large_step_starts_anew_and_a_long_gap_is_told_in_part() {
    let start = Instant::now();
    let mut receiver = TwccReceiver::default();
    receiver.handle_packet(start, 1);
    drain(&mut receiver, start + 100 * MS);
    receiver.handle_packet(start + 110 * MS, 1000);
    let reported = drain(&mut receiver, start + 200 * MS);
    assert_eq!(reported.len(), MAX_PER_REPORT / 2 + 1);
    assert_eq!(reported.last_key_value(), Some((&1000, &Some(110 * MS))));
    receiver.handle_packet(start + 210 * MS, 20_000);
    assert_eq!(
        drain(&mut receiver, start + 300 * MS),
        BTreeMap::from([(20_000, Some(210 * MS))])
    );
    receiver.handle_packet(start + 310 * MS, 17_000);
    assert_eq!(receiver.poll_timeout(), None, "too old to be remembered");
}

#[test]
fn memory_is_bounded_and_kept() {
    let mut now = Instant::now();
    let mut receiver = TwccReceiver::default();
    for index in 0..100_000u32 {
        now += MS / 4;
        receiver.handle_packet(now, index as u16);
        if receiver.poll_timeout().is_some_and(|due| due <= now) {
            drain(&mut receiver, now);
        }
        assert!(receiver.arrivals.len() <= MAX_REMEMBERED);
    }
    assert!(receiver.arrivals.len() <= 2100);
}

proptest! {
    #[test]
    fn everything_that_arrived_is_reported_with_its_time(
        packets in prop::collection::vec((0u64..40_000, prop::bool::weighted(0.15), 0u16..6), 1..600),
        first: u16,
    ) {
        let start = Instant::now();
        let mut receiver = TwccReceiver::default();
        let mut now = start;
        let mut arrived = BTreeMap::new();
        let mut reported = BTreeMap::new();
        for (index, (gap_micros, lost, early)) in packets.iter().enumerate() {
            now += Duration::from_micros(*gap_micros);
            if *lost {
                continue;
            }
            // Some packets overtake others.
            let sequence_number = first.wrapping_add(index as u16).wrapping_add(*early);
            if index == 0 || arrived.contains_key(&sequence_number) {
                continue;
            }
            receiver.handle_packet(now, sequence_number);
            arrived.insert(sequence_number, now);
            if receiver.poll_timeout().is_some_and(|due| due <= now) {
                while let Some(feedback) = receiver.poll_feedback(now) {
                    merge(&feedback, &mut reported);
                }
            }
        }
        if let Some(due) = receiver.poll_timeout() {
            reported.append(&mut drain(&mut receiver, due));
        }
        let origin = arrived.values().min().copied().unwrap_or(start);
        let mut unknown = 0;
        for (sequence_number, at) in &arrived {
            match reported.get(sequence_number) {
                Some(Some(told)) => prop_assert_eq!(*at - origin, *told),
                _ => unknown += 1,
            }
        }
        // Only packets that came before the first one in number, but after it in time, are unknown.
        prop_assert!(unknown <= 6);
    }

    #[test]
    fn no_input_panics(packets in prop::collection::vec((any::<u16>(), 0u32..20_000), 1..500)) {
        let mut now = Instant::now();
        let mut receiver = TwccReceiver::default();
        for (sequence_number, gap) in packets {
            now += MS * gap;
            receiver.handle_packet(now, sequence_number);
            drain(&mut receiver, now);
            prop_assert!(receiver.arrivals.len() <= MAX_REMEMBERED + 1);
        }
    }
}
