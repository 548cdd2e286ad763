//! Whole clusters in virtual time: the protocol with sets of numbers as parts of a room, under one seed.
//!
//! `PLENUM_SEED=17 cargo test -p plenum-cluster --test it seeds_find_nothing -- --nocapture` runs one seed again and tells what
//! happens.
#![expect(
    clippy::print_stdout,
    reason = "which seed finds which mistake is worth knowing"
)]

mod items;

use plenum_cluster::{Fault, plant};
use plenum_clusterkit::{Trouble, World, play, run_seeds};
use rand::RngExt as _;

use crate::items::{Change, Items};

/// Seeds of every run.
const SEEDS: u64 = 2_000;

const AGAIN: &str = "cargo test -p plenum-cluster --test it seeds_find_nothing -- --nocapture";

fn happen(world: &mut World<Items>, index: usize) {
    if world.part(index).is_none() {
        return world.open(index);
    }
    let item = world.rng.random_range(1..9);
    let change = if world.rng.random_range(0..56) < 36 {
        Change::Add(item)
    } else {
        Change::Remove(item)
    };
    world.act(index, |process, now| {
        if let Some(seat) = process.seat() {
            seat.act(now, |items| items.change(change));
        }
    });
}

fn story(seed: u64, loud: bool) -> (World<Items>, Result<(), Trouble>) {
    let mut world = World::new(seed, loud);
    let end = play(&mut world, happen).and_then(|()| world.quiet());
    (world, end)
}

#[test]
fn seeds_find_nothing() {
    plant(None);
    run_seeds(SEEDS, AGAIN, |seed, loud| story(seed, loud).1);
}

/// A check that finds no mistake checks nothing: each that there is a name for is made on purpose, and found.
#[test]
fn seeds_find_each_mistake_that_is_made_on_purpose() {
    for fault in Fault::ALL {
        plant(Some(fault));
        let found = (0..SEEDS).find_map(|seed| Some((seed, story(seed, false).1.err()?)));
        plant(None);
        let (seed, trouble) = found.unwrap_or_else(|| panic!("{fault:?} was not found"));
        println!("{fault:?}: seed {seed}: {trouble}");
    }
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    plant(None);
    let told = |seed| {
        let (world, end) = story(seed, false);
        (world.happened(), end.is_ok())
    };
    assert_eq!(told(4), told(4));
    assert_ne!(told(4).0, told(5).0);
}
