//! Which neighbouring packets to one destination leave as one segmented message (`UDP_SEGMENT`).
//!
//! All segments of a message have one size, only the last may be shorter. A packet that is a little smaller than its
//! neighbours is padded (RFC 3550 §5.1) up to their size, because a second message costs far more than a byte.

/// Padding that a packet may be given to make it as long as its neighbours. Packetisers split a frame into parts that
/// differ by one byte at most, so one byte joins whole frames, and more would not join much else.
pub(crate) const MAX_EQUALISE_PADDING: u16 = 1;

/// Segments of one message: `UDP_MAX_SEGMENTS` of Linux before 6.9, which later versions still take.
pub(crate) const MAX_SEGMENTS: usize = 64;

/// Bytes of one message: the largest UDP payload over IPv4, which is also the largest that can be segmented.
pub(crate) const MAX_GROUP_BYTES: usize = 65_507;

/// A run of neighbouring packets that leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Packets in the run.
    pub(crate) count: u16,
    /// Size of every packet of the run, the missing bytes being padding; the last one keeps its own size.
    pub(crate) segment_size: u16,
}

/// Divides packets of the given sizes into as few groups as the rules allow; `groups` is cleared first.
///
/// A group has at most `budget` bytes, unless it is a single packet that is larger than that by itself. Taking the
/// longest possible run each time is optimal, because every part of a valid run is a valid run.
pub(crate) fn plan_groups(sizes: &[u16], budget: usize, groups: &mut Vec<Group>) {
    groups.clear();
    let budget = budget.min(MAX_GROUP_BYTES);
    let mut rest = sizes;
    while !rest.is_empty() {
        let group = longest_group(rest, budget);
        groups.push(group);
        rest = rest.get(usize::from(group.count)..).unwrap_or_default();
    }
}

/// The longest valid run at the head of `sizes`, which is not empty.
fn longest_group(sizes: &[u16], budget: usize) -> Group {
    let mut group = Group {
        count: 0,
        segment_size: 0,
    };
    let (mut smallest, mut largest) = (u16::MAX, 0);
    for (index, &size) in sizes.iter().enumerate().take(MAX_SEGMENTS) {
        // Until another packet follows, this one is the last: it may be short, but not longer than a segment.
        let segment_size = largest.max(size);
        let fits = index * usize::from(segment_size) + usize::from(size) <= budget;
        let padded_enough = index == 0 || segment_size - smallest <= MAX_EQUALISE_PADDING;
        if index > 0 && !(fits && padded_enough) {
            break;
        }
        group = Group {
            count: index as u16 + 1,
            segment_size,
        };
        largest = segment_size;
        smallest = smallest.min(size);
        if largest - smallest > MAX_EQUALISE_PADDING {
            break;
        }
    }
    group
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(sizes: &[u16], budget: usize) -> Vec<(u16, u16)> {
        let mut groups = vec![Group {
            count: 9,
            segment_size: 9,
        }];
        plan_groups(sizes, budget, &mut groups);
        groups
            .iter()
            .map(|group| (group.count, group.segment_size))
            .collect()
    }

    #[test]
    fn equal_neighbours_with_a_short_tail_are_one_group() {
        assert_eq!(plan(&[1200, 1200, 1200, 300], MAX_GROUP_BYTES), [(4, 1200)]);
        assert_eq!(plan(&[], MAX_GROUP_BYTES), []);
        assert_eq!(plan(&[80], MAX_GROUP_BYTES), [(1, 80)]);
    }

    #[test]
    fn one_byte_of_difference_is_padded() {
        assert_eq!(
            plan(&[1139, 1140, 1139, 1140, 1139], MAX_GROUP_BYTES),
            [(5, 1140)]
        );
        assert_eq!(
            plan(&[1139, 1141, 1141], MAX_GROUP_BYTES),
            [(1, 1139), (2, 1141)]
        );
        assert_eq!(
            plan(&[1140, 1139, 1141], MAX_GROUP_BYTES),
            [(2, 1140), (1, 1141)]
        );
    }

    #[test]
    fn a_short_packet_ends_its_group() {
        assert_eq!(
            plan(&[1200, 90, 90, 1200, 1200], MAX_GROUP_BYTES),
            [(2, 1200), (1, 90), (2, 1200)]
        );
    }

    #[test]
    fn the_limits_of_a_message_are_kept() {
        assert_eq!(
            plan(&[100; 130], MAX_GROUP_BYTES),
            [(64, 100), (64, 100), (2, 100)]
        );
        assert_eq!(plan(&[1500; 50], MAX_GROUP_BYTES), [(43, 1500), (7, 1500)]);
        assert_eq!(plan(&[1000, 1000, 1000], 2500), [(2, 1000), (1, 1000)]);
        assert_eq!(plan(&[1000, 1000, 500], 2500), [(3, 1000)]);
        assert_eq!(plan(&[1000, 1000], 10), [(1, 1000), (1, 1000)]);
    }

    fn is_valid(sizes: &[u16], budget: usize) -> bool {
        let Some((&last, head)) = sizes.split_last() else {
            return false;
        };
        let largest = sizes.iter().copied().max().unwrap_or(0);
        let on_the_wire = head.len() * usize::from(largest) + usize::from(last);
        sizes.len() == 1
            || sizes.len() <= MAX_SEGMENTS
                && on_the_wire <= budget.min(MAX_GROUP_BYTES)
                && head
                    .iter()
                    .all(|&size| largest - size <= MAX_EQUALISE_PADDING)
    }

    /// The smallest possible number of groups, by trying every division.
    fn fewest(sizes: &[u16], budget: usize) -> usize {
        let mut best = vec![0; sizes.len() + 1];
        for end in 1..=sizes.len() {
            let starts = (0..end).filter(|&start| is_valid(&sizes[start..end], budget));
            best[end] = starts
                .map(|start| best[start] + 1)
                .min()
                .expect("a single packet is valid");
        }
        best[sizes.len()]
    }

    proptest! {
        #[test]
        fn groups_partition_the_packets_and_are_valid_and_few(
            sizes in prop::collection::vec(prop_oneof![4 => 1099u16..=1101, 1 => 40u16..1500], 0..150),
            budget in prop_oneof![Just(MAX_GROUP_BYTES), 1500usize..20_000],
        ) {
            let mut groups = Vec::new();
            plan_groups(&sizes, budget, &mut groups);
            let mut rest = &sizes[..];
            for group in &groups {
                let (run, tail) = rest.split_at(usize::from(group.count));
                prop_assert!(is_valid(run, budget), "{run:?}");
                prop_assert_eq!(run.iter().copied().max(), Some(group.segment_size));
                rest = tail;
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(groups.len(), fewest(&sizes, budget));
        }
    }
}
