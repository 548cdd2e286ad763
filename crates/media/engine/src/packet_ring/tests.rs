use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn payload(sequence: u64, len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| (sequence as usize * 31 + index) as u8)
        .collect()
}

fn has(ring: &PacketRing<u64>, sequence: u64, len: usize) -> bool {
    ring.get(sequence) == Some((&sequence, &payload(sequence, len)[..]))
}

#[test]
fn packets_are_found_by_their_number() {
    let now = Instant::now();
    let mut ring = PacketRing::for_video();
    assert_eq!(ring.get(0), None);
    assert!(ring.insert(now, 70_000, 70_000, &[], &payload(70_000, 1200)));
    assert!(ring.insert(now, 70_002, 70_002, &[], &payload(70_002, 3)));
    assert!(ring.insert(now, 70_001, 70_001, &[], &[]));
    assert!(
        !ring.insert(now, 70_001, 70_001, &[], &payload(70_001, 1)),
        "a duplicate"
    );
    assert!(has(&ring, 70_000, 1200) && has(&ring, 70_001, 0) && has(&ring, 70_002, 3));
    assert_eq!(ring.get(69_999), None);
    assert_eq!(ring.get(70_000 + INITIAL_SLOTS as u64), None);
}

#[test]
fn nothing_is_allocated_before_the_first_packet_and_little_for_sound() {
    let start = Instant::now();
    let mut ring = PacketRing::for_audio();
    assert_eq!((ring.bytes.capacity(), ring.slots.capacity()), (0, 0));
    for sequence in 0..1000u64 {
        assert!(ring.insert(
            start + 20 * MS * sequence as u32,
            sequence,
            sequence,
            &[],
            &payload(sequence, 80)
        ));
    }
    assert_eq!(ring.bytes.len(), INITIAL_BYTES);
    assert!(ring.slots.len() <= 128);
    assert!((905..1000).all(|sequence| has(&ring, sequence, 80)));
    assert!(
        (0..890).all(|sequence| ring.get(sequence).is_none()),
        "older than two seconds"
    );
}

#[test]
fn two_seconds_of_video_are_kept_while_the_ring_grows() {
    let start = Instant::now();
    let mut ring = PacketRing::for_video();
    // 2.4 Mb/s.
    for sequence in 0..2000u64 {
        let now = start + 4 * MS * sequence as u32;
        assert!(ring.insert(now, sequence, sequence, &[], &payload(sequence, 1200)));
        let oldest = sequence.saturating_sub(499);
        assert!(
            has(&ring, oldest, 1200) && has(&ring, u64::midpoint(oldest, sequence), 1200),
            "{sequence}"
        );
    }
    assert_eq!(ring.bytes.len(), 1 << 20);
    assert_eq!(ring.slots.len(), 512);
    assert_eq!(ring.get(1400), None);
}

#[test]
fn limits_hold_at_any_rate() {
    let now = Instant::now();
    let mut ring = PacketRing::for_video();
    for sequence in 0..20_000u64 {
        assert!(ring.insert(now, sequence, sequence, &[], &payload(sequence, 1200)));
        assert!(has(&ring, sequence, 1200));
    }
    assert_eq!(
        (ring.bytes.len(), ring.slots.len()),
        (MAX_VIDEO_BYTES, MAX_VIDEO_SLOTS)
    );
    assert!((18_400..20_000).all(|sequence| has(&ring, sequence, 1200)));
    let mut small = PacketRing::for_audio();
    for sequence in 0..20_000u64 {
        assert!(small.insert(now, sequence, sequence, &[], &payload(sequence, 10)));
    }
    assert_eq!(small.slots.len(), MAX_AUDIO_SLOTS);
    assert!(!small.insert(now, 10, 10, &[], &[1]), "far too late");
    assert!(!small.insert(now, 20_000, 20_000, &[], &[0; MAX_PAYLOAD + 1]));
    assert_eq!(small.get(20_000), None);
}

#[test]
fn a_ring_that_was_silent_for_long_forgets() {
    let start = Instant::now();
    let mut ring = PacketRing::for_video();
    assert!(ring.insert(start, 1, 1, &[], &payload(1, 100)));
    assert!(
        has(&ring, 1, 100),
        "still there for whoever asks before anything new comes"
    );
    assert!(ring.insert(start + LONGEST_AGE + MS, 2, 2, &[], &payload(2, 100)));
    assert_eq!(ring.get(1), None);
    assert!(has(&ring, 2, 100));
}

proptest! {
    #[test]
    fn what_is_returned_is_what_was_kept(
        steps in prop::collection::vec((0u64..6, 0usize..1500, 0u32..30, prop::bool::weighted(0.1)), 1..800),
        audio: bool,
    ) {
        let mut now = Instant::now();
        let mut ring = if audio { PacketRing::for_audio() } else { PacketRing::for_video() };
        let mut model = BTreeMap::new();
        let mut newest = 1u64 << 20;
        for (round, (step, len, gap, late)) in steps.into_iter().enumerate() {
            now += MS * gap;
            let sequence = if late { newest - step * 40 } else { newest + step };
            newest = newest.max(sequence);
            let known = model.contains_key(&sequence);
            let kept = ring.insert(now, sequence, sequence, &[], &payload(sequence, len));
            prop_assert!(!(kept && known && ring.get(sequence).is_none()));
            if kept {
                model.insert(sequence, (now, len));
                prop_assert!(has(&ring, sequence, len));
            }
            if round % 37 != 0 {
                continue;
            }
            for (&sequence, &(arrived, len)) in model.range(newest.saturating_sub(3000)..) {
                match ring.get(sequence) {
                    Some((&meta, bytes)) => {
                        prop_assert_eq!(meta, sequence);
                        prop_assert_eq!(bytes, payload(sequence, len));
                        prop_assert!(now - arrived <= ring.longest + MS);
                    }
                    // The last kilobytes are there however small the ring.
                    None => prop_assert!(now - arrived > MAX_AGE || newest - sequence > 5),
                }
            }
        }
        prop_assert!(ring.bytes.len() <= ring.max_bytes && ring.slots.len() <= ring.max_slots);
    }
}
