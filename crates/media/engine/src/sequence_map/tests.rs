use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[test]
fn numbers_follow_each_other_and_keep_the_gaps_of_loss() {
    let mut map = SequenceMap::new(500);
    assert_eq!(map.map(70_000), Some(500));
    assert_eq!(map.map(70_001), Some(501));
    assert_eq!(map.map(70_004), Some(504));
    assert_eq!(map.map(70_002), Some(502));
    assert_eq!(map.map(69_999), None, "older than the first");
}

#[test]
fn skipped_packets_leave_no_gap() {
    let mut map = SequenceMap::new(0);
    assert_eq!(map.map(10), Some(0));
    map.skip(11);
    map.skip(12);
    assert_eq!(map.map(13), Some(1));
    assert_eq!(map.map(11), None);
    assert_eq!(map.map(12), None);
    // 14 is late, 15 is left out.
    map.skip(15);
    assert_eq!(map.map(16), Some(3));
    assert_eq!(map.map(14), Some(2));
    assert_eq!(map.reverse(1), Some(13));
    assert_eq!(map.reverse(2), Some(14));
    assert_eq!(map.reverse(3), Some(16));
    assert_eq!(map.reverse(4), None);
}

#[test]
fn a_skip_that_comes_too_late_changes_nothing() {
    let mut map = SequenceMap::new(0);
    map.skip(4);
    assert_eq!(map.map(5), Some(0));
    assert_eq!(map.map(7), Some(2));
    map.skip(6);
    assert_eq!(map.map(8), Some(3));
}

#[test]
fn a_jump_continues_the_numbers() {
    let mut map = SequenceMap::new(65_530);
    assert_eq!(map.jump(1000), 65_530);
    for sequence in 1000..1010 {
        assert_eq!(map.map(sequence), Some(65_530 + sequence - 1000));
    }
    map.skip(1010);
    assert_eq!(map.jump(20), 65_540);
    assert_eq!(map.map(20), Some(65_540));
    assert_eq!(
        map.map(1005),
        Some(65_540 + 985),
        "numbers above the jump are of the new stream"
    );
    let mut map = SequenceMap::new(0);
    map.jump(5000);
    assert_eq!(map.map(5000), Some(0));
    assert_eq!(map.map(5001), Some(1));
    assert_eq!(map.jump(9000), 2);
    assert_eq!(map.map(5002), None, "of the old stream");
    assert_eq!(map.map(9000), Some(2));
    assert_eq!(map.reverse(1), Some(5001));
    assert_eq!(map.reverse(2), Some(9000));
}

#[test]
fn the_first_packet_of_a_stream_may_be_skipped() {
    let mut map = SequenceMap::new(7);
    map.jump(100);
    map.skip(100);
    assert_eq!(map.map(100), None);
    assert_eq!(map.map(101), Some(7));
    assert_eq!(map.reverse(7), Some(101));
}

#[test]
fn nothing_sent_has_no_reverse() {
    let map = SequenceMap::new(0);
    assert_eq!(map.reverse(0), None);
    let map = SequenceMap::new(9);
    assert_eq!(map.reverse(8), None);
}

#[test]
fn history_is_bounded() {
    let mut map = SequenceMap::new(0);
    map.jump(0);
    for sequence in 0..100_000u64 {
        if sequence % 2 == 0 {
            assert_eq!(map.map(sequence), Some(sequence / 2));
        } else {
            map.skip(sequence);
        }
        assert!(map.changes.len() <= HISTORY && map.present <= map.changes.len());
    }
    assert_eq!(map.map(99_998), Some(49_999));
    assert_eq!(map.map(99_000), None);
    assert_eq!(map.reverse(49_990u64 as u16), Some(99_980));
    assert_eq!(map.reverse(49_000u64 as u16), None);
}

/// What happens to one number of the incoming stream.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Forward,
    Lose,
    Skip,
    Jump(u64),
}

fn fates() -> impl Strategy<Value = Vec<(Fate, usize)>> {
    let fate = prop_oneof![
        12 => Just(Fate::Forward),
        2 => Just(Fate::Lose),
        3 => Just(Fate::Skip),
        1 => (0u64..1 << 20).prop_map(Fate::Jump),
    ];
    // The number is by how many places the packet is late: not, as networks reorder, or as late as a retransmission.
    let late = prop_oneof![8 => Just(0usize), 2 => 0..12usize, 1 => 0..400usize];
    prop::collection::vec((fate, late), 1..500)
}

proptest! {
    #[test]
    fn outgoing_numbers_are_unique_ordered_and_reversible(fates in fates(), first in 0u64..1 << 20) {
        // Arrivals in the order in which they reach the map, as (segment, sequence, fate).
        let mut arrivals = Vec::new();
        let (mut segment, mut sequence) = (0, 1u64 << 16);
        for (place, (fate, late)) in fates.into_iter().enumerate() {
            if let Fate::Jump(to) = fate {
                segment += 1;
                sequence = to;
                arrivals.push((place, segment, sequence, fate));
            } else {
                arrivals.push((place + late, segment, sequence, fate));
            }
            sequence += 1;
        }
        arrivals.sort_by_key(|&(place, segment, ..)| (segment, place));
        let mut map = SequenceMap::new(first);
        map.jump(1 << 16);
        let mut used = BTreeSet::new();
        let mut of_segment: BTreeMap<(usize, u64), u64> = BTreeMap::new();
        for (_, segment, sequence, fate) in arrivals {
            let mapped = match fate {
                Fate::Lose => None,
                Fate::Skip => { map.skip(sequence); None }
                Fate::Jump(_) => {
                    let out = map.jump(sequence);
                    prop_assert!(used.last().is_none_or(|&last: &u64| out == last + 1));
                    let mapped = map.map(sequence);
                    prop_assert_eq!(mapped, Some(out));
                    mapped
                }
                Fate::Forward => map.map(sequence),
            };
            if let Some(out) = mapped {
                prop_assert!(used.insert(out), "{out} given twice");
                prop_assert_eq!(map.reverse(out as u16), Some(sequence));
                of_segment.insert((segment, sequence), out);
            }
        }
        let outs: Vec<u64> = of_segment.values().copied().collect();
        prop_assert!(outs.is_sorted_by(|a, b| a < b), "not in the order of the input");
        if map.changes.len() < HISTORY {
            for (&(_, sequence), &out) in &of_segment {
                prop_assert_eq!(map.reverse(out as u16), Some(sequence));
            }
        }
    }

    #[test]
    fn what_came_before_a_jump_forward_gets_no_number_any_more(
        before in prop::collection::vec(0u64..100, 1..50),
        after in prop::collection::vec((0u64..300, any::<bool>()), 1..100),
        first: u16,
    ) {
        let mut map = SequenceMap::new(first.into());
        map.jump(0);
        let mut last = None;
        for sequence in before {
            last = last.max(map.map(sequence));
        }
        let restart = map.jump(150);
        prop_assert_eq!(Some(restart), last.map(|last| last + 1));
        for (sequence, skip) in after {
            if skip {
                map.skip(sequence);
            } else if let Some(out) = map.map(sequence) {
                prop_assert!(sequence >= 150 && out >= restart, "{sequence} became {out}");
            }
        }
    }

    #[test]
    fn without_loss_there_is_no_gap(skipped in prop::collection::vec(any::<bool>(), 1..400), first: u16) {
        let mut map = SequenceMap::new(first.into());
        map.jump(77);
        let mut next = u64::from(first);
        for (sequence, skip) in (77..).zip(skipped) {
            if skip {
                map.skip(sequence);
            } else {
                prop_assert_eq!(map.map(sequence), Some(next));
                next += 1;
            }
        }
    }
}
