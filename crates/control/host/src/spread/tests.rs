//! The order of choice, then what must hold whatever the places and workers are like.

use plenum_ids::WorkerId;
use proptest::prelude::*;

use super::*;
use crate::placement::{Load, Resource};

const LIMITS: Limits = Limits {
    per_worker: Capacity {
        cpu: Some(0.8),
        consumers: Some(1000),
        memory: None,
        egress: None,
    },
    of_node: Capacity {
        cpu: None,
        consumers: None,
        memory: None,
        egress: None,
    },
    room_consumers: Some(400),
    by_turns: false,
};

fn worker(id: u16, cpu: f32, consumers: u64) -> Candidate {
    Candidate {
        worker: WorkerId(id),
        open: true,
        draining: false,
        rooms: 1,
        last_used: 0,
        load: Load {
            cpu,
            consumers,
            ..Load::default()
        },
    }
}

fn standing(place: u16, consumers: u64, cpu: f32) -> Standing {
    Standing {
        place: PlaceId(place),
        consumers,
        worker: worker(place, cpu, consumers),
    }
}

fn stays(standings: &[Standing], others: &[Candidate]) -> u16 {
    match choose(standings, others, &LIMITS) {
        Ok(Choice::Stay(PlaceId(place))) => place,
        other => panic!("does not stay: {other:?}"),
    }
}

fn spreads(standings: &[Standing], others: &[Candidate]) -> (u16, String) {
    match choose(standings, others, &LIMITS) {
        Ok(Choice::Spread(spread)) => (spread.placement.worker.0, spread.to_string()),
        other => panic!("does not spread: {other:?}"),
    }
}

#[test]
fn a_room_stays_where_it_began_as_long_as_it_can() {
    let idle = worker(9, 0.0, 0);
    assert_eq!(stays(&[standing(0, 399, 0.7)], &[idle]), 0);
    let empty = standing(1, 0, 0.0);
    assert_eq!(stays(&[standing(0, 399, 0.7), empty], &[idle]), 0);
}

#[test]
fn past_a_limit_it_takes_the_emptiest_of_its_other_places_and_then_another_worker() {
    let idle = worker(9, 0.0, 0);
    let full = standing(0, 400, 0.1);
    let busy = standing(0, 10, 0.8);
    assert_eq!(
        stays(&[full, standing(1, 50, 0.1), standing(2, 40, 0.1)], &[idle]),
        2
    );
    assert_eq!(
        stays(&[busy, standing(1, 400, 0.1), standing(2, 40, 0.1)], &[]),
        2
    );
    let (chosen, reason) = spreads(&[full, standing(1, 400, 0.1)], &[idle]);
    assert_eq!(chosen, 9);
    assert_eq!(
        reason,
        "the room has 400 consumers at its first worker; the only worker (1 rooms, 0 % CPU)"
    );
    let (chosen, reason) = spreads(&[busy], &[idle]);
    assert_eq!(chosen, 9);
    assert!(reason.starts_with("the room's first worker is full (CPU);"));
}

#[test]
fn other_rooms_count_too() {
    let mut crowded = standing(0, 10, 0.1);
    crowded.worker.load.consumers = 1000;
    assert_eq!(spreads(&[crowded], &[worker(9, 0.0, 0)]).0, 9);
    let refused = choose(&[crowded], &[], &LIMITS);
    assert_eq!(refused, Err(NoPlace::WorkersFull(Resource::Consumers)));
}

#[test]
fn where_a_room_cannot_spread_it_grows_into_what_is_kept_back() {
    // More of one room than wanted, where nobody else can take it.
    let (full, fuller) = (standing(0, 500, 0.1), standing(1, 600, 0.1));
    assert_eq!(stays(&[fuller, full], &[]), 0);
    assert_eq!(stays(&[full, fuller], &[worker(9, 0.9, 0)]), 0);
    assert_eq!(stays(&[standing(0, 10, 0.85)], &[]), 0);
    let refused = choose(&[standing(0, 10, 0.91)], &[], &LIMITS);
    assert_eq!(refused, Err(NoPlace::WorkersFull(Resource::Cpu)));
}

#[test]
fn a_place_whose_worker_is_gone_is_none() {
    let mut gone = standing(0, 0, 0.0);
    gone.worker.open = false;
    assert_eq!(stays(&[gone, standing(1, 1, 0.0)], &[]), 1);
    assert_eq!(choose(&[gone], &[], &LIMITS), Err(NoPlace::NoWorker));
    assert_eq!(choose(&[], &[], &LIMITS), Err(NoPlace::NoWorker));
}

/// What the host does with the choices: peers come one after the other, and nobody leaves.
fn fill(peers: usize, workers: u16, weight: u64) -> (Vec<Standing>, usize) {
    let mut standings = vec![standing(0, 0, 0.0)];
    let mut refused = 0;
    for _ in 0..peers {
        let taken = standings.len() as u16;
        let others: Vec<_> = (taken..workers).map(|id| worker(id, 0.0, 0)).collect();
        let place = match choose(&standings, &others, &LIMITS) {
            Ok(Choice::Stay(place)) => place,
            Ok(Choice::Spread(spread)) => {
                // The first that nobody has is the first of the candidates.
                assert_eq!(spread.placement.worker, WorkerId(taken));
                standings.push(standing(taken, 0, 0.0));
                PlaceId(taken)
            }
            Err(_) => {
                refused += 1;
                continue;
            }
        };
        let standing = &mut standings[usize::from(place.0)];
        standing.consumers += weight;
        standing.worker.load.consumers += weight;
    }
    (standings, refused)
}

#[test]
fn a_rush_fills_worker_after_worker_and_overshoots_nothing() {
    let (standings, refused) = fill(800, 4, 2);
    let consumers: Vec<_> = standings.iter().map(|it| it.consumers).collect();
    assert_eq!((consumers, refused), (vec![400, 400, 400, 400], 0));
    // Nobody else could take them: all grow together to what a worker may have.
    let (standings, refused) = fill(3000, 4, 2);
    let consumers: Vec<_> = standings.iter().map(|it| it.consumers).collect();
    assert_eq!((consumers, refused), (vec![1000; 4], 1000));
}

fn any_worker(id: u16) -> impl Strategy<Value = Candidate> {
    (any::<bool>(), 0..4_usize, 0.0..1.2_f32, 0..1200_u64).prop_map(
        move |(open, rooms, cpu, consumers)| Candidate {
            open,
            rooms,
            ..worker(id, cpu, consumers)
        },
    )
}

fn any_standing(id: u16) -> impl Strategy<Value = Standing> {
    (any_worker(id), 0..=100_u64).prop_map(move |(worker, share)| Standing {
        place: PlaceId(id),
        consumers: worker.load.consumers * share / 100,
        worker,
    })
}

fn some<T>(
    count: std::ops::Range<u16>,
    make: impl Fn(u16) -> T + Clone,
) -> impl Strategy<Value = Vec<T::Value>>
where
    T: Strategy + fmt::Debug,
{
    count.prop_flat_map(move |count| (0..count).map(make.clone()).collect::<Vec<_>>())
}

#[test]
fn by_turns_peers_go_to_two_places_if_there_are_two_workers() {
    let limits = Limits {
        by_turns: true,
        ..LIMITS
    };
    let place = |standings: &[Standing], others: &[Candidate]| {
        choose(standings, others, &limits).expect("there is room")
    };
    let (stay, others) = (|place| Choice::Stay(PlaceId(place)), [worker(7, 0.1, 0)]);
    assert_eq!(place(&[standing(0, 0, 0.1)], &others), stay(0), "the first");
    let second = place(&[standing(0, 2, 0.1)], &others);
    assert!(matches!(second, Choice::Spread(_)), "{second:?}");
    let two = |one, other| [standing(0, one, 0.1), standing(1, other, 0.1)];
    assert_eq!(place(&two(4, 2), &others), stay(1));
    assert_eq!(place(&two(4, 4), &others), stay(0));
    assert_eq!(place(&[standing(0, 2, 0.1)], &[]), stay(0), "there is one");
}

proptest! {
    #[test]
    fn nobody_goes_where_there_is_no_room(
        standings in some(0..5, any_standing),
        others in some(0..5, |id| any_worker(100 + id)),
    ) {
        let choice = choose(&standings, &others, &LIMITS);
        let open = |it: &Candidate| it.open && it.load.consumers < 1000;
        match &choice {
            Ok(Choice::Stay(place)) => {
                let standing = standings.iter().find(|it| it.place == *place).expect("one of them");
                prop_assert!(open(&standing.worker));
                                prop_assert!(standing.worker.load.cpu < 0.9);
                let fits = standing.consumers < 400 && standing.worker.load.cpu < 0.8;
                // Somewhere else is worse.
                prop_assert!(fits || others.iter().all(|it| !open(it) || it.load.cpu >= 0.8));
            }
            Ok(Choice::Spread(spread)) => {
                let chosen = others.iter().find(|it| it.worker == spread.placement.worker);
                let chosen = chosen.expect("one of the others");
                prop_assert!(open(chosen) && chosen.load.cpu < 0.8);
                for it in &standings {
                    prop_assert!(cause(it, &LIMITS).is_some());
                }
            }
            Err(_) => {
                prop_assert!(standings.is_empty() || others.iter().all(|it| !open(it) || it.load.cpu >= 0.8));
                for it in &standings {
                    prop_assert!(!within_reserve(it, &LIMITS));
                }
            }
        }
        let mut reversed = others;
        reversed.reverse();
        let place = |choice: Result<Choice, NoPlace>| match choice {
            Ok(Choice::Spread(spread)) => Ok(Err(spread.placement.worker)),
            Ok(Choice::Stay(place)) => Ok(Ok(place)),
            Err(refusal) => Err(std::mem::discriminant(&refusal)),
        };
        prop_assert_eq!(place(choose(&standings, &reversed, &LIMITS)), place(choice));
    }

    #[test]
    fn a_room_that_grows_never_overshoots(peers in 0..2000_usize, workers in 1..8_u16, weight in 1..9_u64) {
        let (standings, refused) = fill(peers, workers, weight);
        for standing in &standings {
            prop_assert!(standing.consumers < 1000 + weight);
        }
        let total: u64 = standings.iter().map(|it| it.consumers).sum();
        prop_assert_eq!(total, (peers - refused) as u64 * weight);
        let spread = standings.iter().all(|it| it.consumers < 400 + weight);
        prop_assert!(spread || standings.len() == usize::from(workers));
    }
}
