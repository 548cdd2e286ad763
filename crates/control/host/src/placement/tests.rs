//! The rules one by one, then what must hold whatever the workers are like.

use proptest::prelude::*;

use super::*;

const NO_LIMIT: Capacity = Capacity {
    cpu: None,
    consumers: None,
    memory: None,
    egress: None,
};

const LIMITS: Capacity = Capacity {
    cpu: Some(0.8),
    consumers: Some(1000),
    memory: Some(1 << 30),
    egress: Some(1_000_000_000),
};

fn candidate(worker: u16, rooms: usize, cpu: f32, last_used: u64) -> Candidate {
    Candidate {
        worker: WorkerId(worker),
        open: true,
        draining: false,
        rooms,
        last_used,
        load: Load {
            cpu,
            ..Load::default()
        },
    }
}

fn chosen(candidates: &[Candidate]) -> (u16, Reason) {
    let placement = choose(candidates, &NO_LIMIT, &NO_LIMIT).expect("one is open");
    (placement.worker.0, placement.reason)
}

#[test]
fn fewest_rooms_come_first_however_busy_the_worker_is() {
    let busy = candidate(0, 1, 0.9, 9);
    let idle = candidate(1, 2, 0.0, 1);
    assert_eq!(chosen(&[busy, idle]), (0, Reason::FewestRooms));
}

#[test]
fn lower_cpu_decides_between_equally_many_rooms() {
    let workers = [candidate(0, 2, 0.5, 1), candidate(1, 2, 0.39, 9)];
    assert_eq!(chosen(&workers), (1, Reason::LowerCpu));
    // The busy one with more rooms sets no measure.
    let workers = [
        candidate(0, 2, 0.35, 2),
        candidate(1, 2, 0.3, 3),
        candidate(2, 3, 0.0, 1),
    ];
    assert_eq!(chosen(&workers), (0, Reason::LeastRecentlyUsed));
}

#[test]
fn nearly_equal_cpu_is_measured_from_the_lowest() {
    // Each is near the next, but the last is far from the first.
    let chain = [
        candidate(0, 0, 0.10, 3),
        candidate(1, 0, 0.19, 2),
        candidate(2, 0, 0.28, 1),
    ];
    assert_eq!(chosen(&chain), (1, Reason::LeastRecentlyUsed));
}

#[test]
fn the_one_that_waited_longest_gets_the_room() {
    let workers = [candidate(0, 1, 0.2, 7), candidate(1, 1, 0.25, 5)];
    assert_eq!(chosen(&workers), (1, Reason::LeastRecentlyUsed));
    let unused = [candidate(3, 0, 0.0, 0), candidate(2, 0, 0.0, 0)];
    assert_eq!(chosen(&unused), (2, Reason::LeastRecentlyUsed));
}

#[test]
fn a_placement_tells_who_was_passed_over() {
    let mut gone = candidate(0, 0, 0.0, 0);
    gone.open = false;
    let mut full = candidate(1, 0, 0.0, 0);
    full.load.egress = 1_000_000_000;
    let workers = [gone, full, candidate(2, 5, 0.3, 0)];
    let placement = choose(&workers, &LIMITS, &NO_LIMIT).expect("one is left");
    assert_eq!(placement.worker, WorkerId(2));
    assert_eq!(
        placement.to_string(),
        "the only worker (5 rooms, 30 % CPU); worker 0 is gone; worker 1 is full (egress)"
    );
}

#[test]
fn without_a_place_it_is_said_what_ran_out() {
    assert_eq!(choose(&[], &LIMITS, &LIMITS), Err(NoPlace::NoWorker));
    let mut gone = candidate(0, 0, 0.0, 0);
    gone.open = false;
    assert_eq!(choose(&[gone], &LIMITS, &LIMITS), Err(NoPlace::NoWorker));
    let mut drained = candidate(2, 0, 0.0, 0);
    drained.draining = true;
    let refused = choose(&[gone, drained], &LIMITS, &LIMITS);
    assert_eq!(refused, Err(NoPlace::AllDraining));
    let placed = choose(&[drained, candidate(3, 9, 0.7, 9)], &LIMITS, &NO_LIMIT);
    assert_eq!(placed.map(|placement| placement.worker), Ok(WorkerId(3)));
    let over = |change: fn(&mut Load)| {
        let mut full = candidate(1, 0, 0.0, 0);
        change(&mut full.load);
        choose(&[gone, full], &LIMITS, &NO_LIMIT)
    };
    for (change, resource) in [
        ((|load| load.cpu = 0.8) as fn(&mut Load), Resource::Cpu),
        (|load| load.consumers = 1000, Resource::Consumers),
        (|load| load.memory = 1 << 30, Resource::Memory),
        (|load| load.egress = 1_000_000_000, Resource::Egress),
    ] {
        assert_eq!(over(change), Err(NoPlace::WorkersFull(resource)));
    }
}

#[test]
fn the_nodes_limits_are_for_all_workers_together() {
    let workers = [candidate(0, 0, 0.5, 0), candidate(1, 0, 0.4, 0)];
    let node = |cpu| Capacity {
        cpu: Some(cpu),
        ..NO_LIMIT
    };
    assert!(choose(&workers, &LIMITS, &node(1.0)).is_ok());
    let refused = choose(&workers, &LIMITS, &node(0.9));
    assert_eq!(refused, Err(NoPlace::NodeFull(Resource::Cpu)));
}

#[test]
fn figures_that_are_no_numbers_do_no_harm() {
    let workers = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0]
        .into_iter()
        .enumerate()
        .map(|(index, cpu)| candidate(index as u16, 0, cpu, 0));
    let workers: Vec<_> = workers.collect();
    assert_eq!(chosen(&workers).1, Reason::LeastRecentlyUsed);
    assert!(choose(&workers[1..2], &NO_LIMIT, &NO_LIMIT).is_ok());
}

/// A node of which each worker gets a room at once, as long as nothing else changes.
struct Node {
    workers: Vec<Candidate>,
    choices: u64,
}

impl Node {
    fn new(count: u16) -> Self {
        Self {
            workers: (0..count).map(|id| candidate(id, 0, 0.0, 0)).collect(),
            choices: 0,
        }
    }

    fn open_room(&mut self) -> Placement {
        let placement = choose(&self.workers, &LIMITS, &NO_LIMIT).expect("room for all");
        self.choices += 1;
        let choices = self.choices;
        let chosen = self.worker(placement.worker);
        chosen.rooms += 1;
        chosen.last_used = choices;
        placement
    }

    fn worker(&mut self, id: WorkerId) -> &mut Candidate {
        let mut workers = self.workers.iter_mut();
        let found = workers.find(|candidate| candidate.worker == id);
        found.expect("of this node")
    }
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    (
        any::<[bool; 2]>(),
        0..4usize,
        0..4u64,
        0.0..1.0f32,
        (0..1200u64, 0..(5u64 << 28), 0..1_200_000_000u64),
    )
        .prop_map(
            |([open, draining], rooms, last_used, cpu, figures)| Candidate {
                worker: WorkerId(0),
                open,
                draining,
                rooms,
                last_used,
                load: Load {
                    cpu,
                    consumers: figures.0,
                    memory: figures.1,
                    egress: figures.2,
                },
            },
        )
}

fn any_workers() -> impl Strategy<Value = Vec<Candidate>> {
    proptest::collection::vec(any_candidate(), 0..20).prop_map(|mut workers| {
        for (index, worker) in workers.iter_mut().enumerate() {
            worker.worker = WorkerId(index as u16);
        }
        workers
    })
}

proptest! {
    #[test]
    fn no_closed_or_full_worker_is_ever_chosen(workers in any_workers()) {
        let usable = |candidate: &&Candidate| obstacle(candidate, &LIMITS).is_none();
        let Ok(placement) = choose(&workers, &LIMITS, &NO_LIMIT) else {
            prop_assert_eq!(workers.iter().filter(usable).count(), 0);
            return Ok(());
        };
        let chosen = &workers[usize::from(placement.worker.0)];
        prop_assert!(usable(&chosen));
        let fewest = workers.iter().filter(usable).map(|other| other.rooms).min();
        prop_assert_eq!(Some(chosen.rooms), fewest);
        let unusable = workers.iter().filter(|other| !usable(other)).count();
        prop_assert_eq!(placement.passed_over.len(), unusable);
    }

    #[test]
    fn a_clearly_calmer_worker_with_as_few_rooms_does_not_exist(workers in any_workers()) {
        if let Ok(placement) = choose(&workers, &LIMITS, &NO_LIMIT) {
            let chosen = &workers[usize::from(placement.worker.0)];
            let rivals = workers.iter().filter(|other| {
                obstacle(other, &LIMITS).is_none() && other.rooms == chosen.rooms
            });
            for rival in rivals {
                prop_assert!(chosen.load.cpu - rival.load.cpu < CPU_TOLERANCE);
                if rival.load.cpu <= chosen.load.cpu {
                    prop_assert!(rival.last_used >= chosen.last_used);
                }
            }
        }
    }

    #[test]
    fn the_order_of_the_workers_does_not_matter(workers in any_workers()) {
        let mut backwards = workers.clone();
        backwards.reverse();
        let (one, other) = (
            choose(&workers, &LIMITS, &NO_LIMIT),
            choose(&backwards, &LIMITS, &NO_LIMIT),
        );
        prop_assert_eq!(one.map(|found| found.worker).ok(), other.map(|found| found.worker).ok());
    }

    #[test]
    fn ties_rotate(count in 1..20u16, cpu in proptest::collection::vec(0.3..0.39f32, 20)) {
        let mut node = Node::new(count);
        for (worker, cpu) in node.workers.iter_mut().zip(cpu) {
            worker.load.cpu = cpu;
        }
        // Rooms that end at once: every choice is a tie, and nobody is left out or served twice.
        for _ in 0..3 {
            let mut seen: Vec<_> = (0..count).map(|_| {
                let worker = node.open_room().worker;
                node.worker(worker).rooms -= 1;
                worker
            }).collect();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), usize::from(count));
        }
    }
}

#[test]
fn ten_thousand_rooms_spread_evenly_over_sixteen_workers() {
    let mut node = Node::new(16);
    // Loads that differ, as rooms do.
    for worker in &mut node.workers {
        worker.load.cpu = 0.04 * f32::from(worker.worker.0);
    }
    for _ in 0..10_000 {
        node.open_room();
        let rooms = node.workers.iter().map(|worker| worker.rooms);
        let (least, most) = (rooms.clone().min(), rooms.max());
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| most - least <= 1)
        );
    }
}
