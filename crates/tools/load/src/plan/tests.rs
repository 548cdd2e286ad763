use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::scenario::Shape;

fn plan(parts: &[Part], duration: Option<u64>, doors: usize, seed: u64) -> Plan {
    let options = PlanOptions {
        duration: duration.map(Duration::from_secs),
        room: "load".to_owned(),
        doors,
        seed,
    };
    Plan::new(parts, &options)
}

fn part(kind: Kind, shape: &Shape) -> Part {
    shape.resolve(kind).expect("sound")
}

#[test]
fn everybody_of_a_meeting_sends_and_stays() {
    let shape = Shape {
        rooms: Some(3),
        peers: Some(4),
        ..Shape::default()
    };
    let plan = plan(&[part(Kind::Meeting, &shape)], Some(10), 1, 7);
    assert_eq!(plan.peers.len(), 12);
    assert_eq!(plan.at_once(), 12);
    let mut rooms: BTreeMap<&str, u32> = BTreeMap::new();
    for peer in &plan.peers {
        *rooms.entry(&peer.room).or_default() += 1;
        assert_eq!(peer.leaves, Duration::from_secs(10));
        assert!(peer.joins <= Duration::from_millis(240));
        assert_eq!((peer.sends, peer.senders), (Sends::Both, 3));
        assert!(peer.is_measured);
    }
    let expected = [("load-1", 4), ("load-2", 4), ("load-3", 4)];
    assert_eq!(rooms, BTreeMap::from(expected));
}

#[test]
fn one_room_has_the_name_that_was_said() {
    let plan = plan(&[part(Kind::Meeting, &Shape::default())], None, 1, 7);
    assert!(plan.peers.iter().all(|peer| &*peer.room == "load"));
}

#[test]
fn a_storm_comes_at_once_to_who_is_there_and_leaves_before_the_next() {
    let shape = Shape {
        rounds: Some(3),
        ..Shape::default()
    };
    let storm = part(Kind::JoinStorm, &shape);
    let plan = plan(std::slice::from_ref(&storm), None, 1, 7);
    assert_eq!(plan.peers.len(), 47 + 3 * 50);
    assert_eq!(plan.at_once(), 97);
    let (residents, newcomers): (Vec<_>, Vec<_>) =
        plan.peers.iter().partition(|peer| !peer.is_measured);
    assert_eq!(residents.len(), 47);
    let publishers = residents.iter().filter(|it| it.sends == Sends::Both);
    assert_eq!(publishers.count(), 1);
    assert!(residents.iter().all(|it| it.leaves == plan.ends));
    assert!(newcomers.iter().all(|it| it.senders == 1));
    let moments: BTreeSet<_> = newcomers.iter().map(|it| it.joins).collect();
    assert_eq!(moments.len(), 3);
    let gap = storm.stay + BETWEEN;
    assert!(
        moments
            .iter()
            .zip(moments.iter().skip(1))
            .all(|(a, b)| *a + gap == *b)
    );
}

#[test]
fn a_storm_with_a_rate_comes_over_the_time_that_this_takes() {
    let shape = Shape {
        peers: Some(1),
        joins: Some(100),
        rate: Some(50.0),
        ..Shape::default()
    };
    let plan = plan(&[part(Kind::JoinStorm, &shape)], None, 1, 7);
    let newcomers: Vec<_> = plan.peers.iter().filter(|it| it.is_measured).collect();
    let first = newcomers.first().expect("some").joins;
    for (number, peer) in newcomers.iter().enumerate() {
        let after = peer.joins.saturating_sub(first).as_secs_f64();
        assert!((after - number as f64 / 50.0).abs() <= 0.04, "{after}");
    }
}

#[test]
fn a_churn_keeps_as_many_newcomers_as_come_while_one_stays() {
    let shape = Shape {
        peers: Some(5),
        rate: Some(20.0),
        stay: Some(Duration::from_secs(2)),
        ramp: Some(Duration::ZERO),
        ..Shape::default()
    };
    let plan = plan(&[part(Kind::Churn, &shape)], Some(30), 1, 7);
    let newcomers = plan.peers.iter().filter(|it| it.is_measured).count();
    assert_eq!(newcomers, 28 * 20);
    assert!(
        (5 + 39..=5 + 42).contains(&plan.at_once()),
        "{}",
        plan.at_once()
    );
}

#[test]
fn peers_are_spread_over_all_addresses() {
    let shape = Shape {
        peers: Some(9),
        ..Shape::default()
    };
    let plan = plan(&[part(Kind::Webinar, &shape)], None, 3, 7);
    for door in 0..3 {
        let there = plan.peers.iter().filter(|peer| peer.door == door);
        assert_eq!(there.count(), 3);
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Audio),
        Just(Kind::Churn),
        Just(Kind::JoinStorm),
        Just(Kind::Meeting),
        Just(Kind::Webinar),
    ]
}

fn shapes() -> impl Strategy<Value = (Kind, Shape)> {
    (
        kinds(),
        1..5_u32,
        1..20_u32,
        1..30_u32,
        1..4_u32,
        0.5..50.0_f64,
    )
        .prop_map(|(kind, rooms, peers, joins, rounds, rate)| {
            let is_storm = kind == Kind::JoinStorm;
            let shape = Shape {
                rooms: Some(rooms),
                peers: Some(peers),
                joins: is_storm.then_some(joins),
                rounds: is_storm.then_some(rounds),
                rate: kind.has_rate().then_some(rate),
                ..Shape::default()
            };
            (kind, shape)
        })
}

impl Kind {
    const fn has_rate(self) -> bool {
        self.is_about_newcomers()
    }
}

proptest! {
    #[test]
    fn a_plan_is_in_order_and_the_same_for_the_same_seed(
        given in proptest::collection::vec(shapes(), 1..4),
        duration in proptest::option::of(1..60_u64),
        doors in 1..4_usize,
        seed: u64,
    ) {
        let parts: Vec<_> = given.iter().map(|(kind, shape)| part(*kind, shape)).collect();
        let first = plan(&parts, duration, doors, seed);
        prop_assert_eq!(&first, &plan(&parts, duration, doors, seed));
        let mut last = Duration::ZERO;
        for (number, peer) in first.peers.iter().enumerate() {
            prop_assert_eq!(peer.number as usize, number);
            prop_assert!(last <= peer.joins && peer.joins < first.ends);
            prop_assert!(peer.joins <= peer.leaves && peer.leaves <= first.ends);
            prop_assert!(peer.door < doors);
            last = peer.joins;
        }
        let residents: u64 = parts.iter().map(Part::residents).sum();
        let stay = first.peers.iter().filter(|it| it.leaves == first.ends).count() as u64;
        if duration.is_none() {
            prop_assert!(stay >= residents);
        }
    }
}
