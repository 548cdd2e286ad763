use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const ROUND_TRIP: Duration = Duration::from_millis(50);

fn receive(generator: &mut NackGenerator, now: Instant, sequences: impl IntoIterator<Item = u64>) {
    for sequence in sequences {
        generator.handle_packet(now, sequence, false, false);
    }
}

fn poll(generator: &mut NackGenerator, now: Instant) -> (Vec<u16>, bool) {
    let mut lost = Vec::new();
    let key_frame = generator.poll_nacks(now, ROUND_TRIP, &mut lost);
    (lost, key_frame)
}

#[test]
fn a_gap_is_asked_for_after_the_reorder_delay_and_once_per_round_trip() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [100, 101]);
    assert_eq!(generator.poll_timeout(), None);
    receive(&mut generator, start, [104]);
    assert_eq!(generator.poll_timeout(), Some(start + REORDER_DELAY));
    assert_eq!(poll(&mut generator, start), (vec![], false));
    assert_eq!(
        poll(&mut generator, start + REORDER_DELAY),
        (vec![102, 103], false)
    );
    assert!(
        !generator.handle_packet(start + 20 * MS, 104, false, false),
        "a duplicate repairs nothing"
    );
    assert!(generator.handle_packet(start + 30 * MS, 102, true, false));
    assert!(
        !generator.handle_packet(start + 30 * MS, 102, true, false),
        "repaired already"
    );
    assert_eq!(
        generator.poll_timeout(),
        Some(start + REORDER_DELAY + ROUND_TRIP)
    );
    assert_eq!(
        poll(&mut generator, start + REORDER_DELAY + ROUND_TRIP),
        (vec![103], false)
    );
    assert!(
        generator.handle_packet(start + 70 * MS, 103, false, false),
        "late, but asked for"
    );
    assert_eq!(generator.poll_timeout(), None);
}

#[test]
fn reordered_packets_are_not_asked_for() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [1, 4]);
    assert!(
        !generator.handle_packet(start + MS, 3, false, false),
        "late, but never asked for"
    );
    receive(&mut generator, start + 2 * MS, [2]);
    assert_eq!(generator.poll_timeout(), None);
    assert_eq!(poll(&mut generator, start + 10 * MS), (vec![], false));
}

#[test]
fn a_packet_is_given_up_after_ten_requests() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [0xffff, 0x1_0001]);
    let mut requests = Vec::new();
    while let Some(due) = generator.poll_timeout() {
        requests.extend(poll(&mut generator, due).0);
    }
    assert_eq!(requests, vec![0; usize::from(MAX_RETRIES)]);
}

#[test]
fn the_round_trip_is_kept_within_reason() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [1, 3]);
    let mut lost = Vec::new();
    let mut due = generator.poll_timeout().expect("a gap");
    for (round_trip, expected) in [
        (Duration::ZERO, MIN_RETRY_INTERVAL),
        (100 * MS, 100 * MS),
        (Duration::MAX, MAX_RETRY_INTERVAL),
    ] {
        generator.poll_nacks(due, round_trip, &mut lost);
        let next = generator.poll_timeout().expect("still missing");
        assert_eq!(next - due, expected);
        due = next;
    }
}

#[test]
fn an_overflow_falls_back_to_the_newest_key_frame() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [0, 600]);
    generator.handle_packet(start, 601, false, true);
    receive(&mut generator, start, [1101]);
    let (lost, key_frame) = poll(&mut generator, start + 10 * MS);
    assert!(!key_frame);
    assert_eq!(lost, (602..1101).collect::<Vec<u16>>());
}

#[test]
fn an_overflow_without_a_key_frame_asks_for_one() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [0, 600, 1300]);
    assert_eq!(generator.poll_timeout(), Some(start));
    assert_eq!(poll(&mut generator, start), (vec![], true));
    assert_eq!(poll(&mut generator, start + 100 * MS), (vec![], false));
    assert_eq!(generator.poll_timeout(), None);
    receive(&mut generator, start, [1302]);
    assert_eq!(poll(&mut generator, start + 100 * MS), (vec![1301], false));
}

#[test]
fn a_jump_that_ends_in_a_key_frame_needs_nothing() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [0]);
    generator.handle_packet(start, 1 << 40, false, true);
    assert_eq!(poll(&mut generator, start + 10 * MS), (vec![], false));
}

#[test]
fn retransmissions_before_and_ahead_of_the_stream() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    assert!(!generator.handle_packet(start, 5, true, false));
    receive(&mut generator, start, [10]);
    assert!(
        generator.handle_packet(start, 12, true, false),
        "the lost last packet, repeated as a probe"
    );
    assert_eq!(poll(&mut generator, start + 10 * MS), (vec![11], false));
}

#[test]
fn old_packets_are_given_up() {
    let start = Instant::now();
    let mut generator = NackGenerator::default();
    receive(&mut generator, start, [1, 3]);
    receive(&mut generator, start, 4..=3 + MAX_AGE);
    assert_eq!(poll(&mut generator, start + 10 * MS), (vec![], false));
}

proptest! {
    #[test]
    fn every_loss_is_asked_for_and_nothing_else(
        lost in prop::collection::vec(prop::bool::weighted(0.2), 2..600),
        start_sequence in 0u64..1 << 20,
    ) {
        let start = Instant::now();
        let mut generator = NackGenerator::default();
        let mut expected = BTreeSet::new();
        for (index, is_lost) in lost.iter().enumerate() {
            let sequence = start_sequence + index as u64;
            let is_end = index == 0 || index + 1 == lost.len();
            if *is_lost && !is_end {
                expected.insert(sequence as u16);
            } else {
                receive(&mut generator, start + MS * index as u32, [sequence]);
            }
        }
        let mut asked = BTreeSet::new();
        let mut rounds = 0;
        while let Some(due) = generator.poll_timeout() {
            let (lost, key_frame) = poll(&mut generator, due);
            prop_assert!(!key_frame);
            asked.extend(lost);
            rounds += 1;
            prop_assert!(rounds < 10_000);
        }
        prop_assert_eq!(asked, expected);
    }

    #[test]
    fn the_list_stays_bounded_and_ordered(
        packets in prop::collection::vec((any::<u64>(), 0u8..6, any::<bool>(), any::<bool>()), 1..300),
    ) {
        let mut now = Instant::now();
        let mut generator = NackGenerator::default();
        let mut sequence = 1u64 << 20;
        for (random, kind, retransmission, key_frame) in packets {
            sequence = match kind {
                0 => random >> 8,
                1 => sequence.saturating_add(random % 2000),
                2 => sequence.saturating_sub(random % 2000),
                _ => sequence.saturating_add(1 + random % 3),
            };
            generator.handle_packet(now, sequence, retransmission, key_frame);
            prop_assert!(generator.missing.len() <= MAX_MISSING);
            prop_assert!(generator.missing.iter().is_sorted_by(|a, b| a.sequence < b.sequence));
            prop_assert!(generator.poll_timeout().is_some() || generator.missing.is_empty());
            now += MS * (random % 8) as u32;
            poll(&mut generator, now);
        }
    }
}
