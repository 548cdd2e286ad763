//! Whole clusters in virtual time: nodes, a registry, a bus and links that delay, lose and break, under one seed.
//!
//! `PLENUM_SEED=17 cargo test -p plenum-cluster --test it seeds` runs one seed again and prints what happens.
#![expect(
    clippy::print_stdout,
    reason = "a seed that is run again tells its story"
)]

mod checks;
mod node;
mod registry;
mod script;
mod world;

use plenum_cluster::{Fault, plant};

use crate::world::{Trouble, World};

/// Seeds of every run; `PLENUM_LONG_TESTS=1` runs ten times as many.
const SEEDS: u64 = 2_000;

fn run(seed: u64, loud: bool) -> Result<(), Trouble> {
    let mut world = World::new(seed, loud);
    script::play(&mut world)?;
    world.quiet()
}

#[test]
fn seeds_find_nothing() {
    plant(None);
    if let Ok(seed) = std::env::var("PLENUM_SEED") {
        let seed = seed.parse().expect("a number");
        run(seed, true).unwrap_or_else(|trouble| panic!("{trouble}"));
        return;
    }
    let many = std::env::var_os("PLENUM_LONG_TESTS").is_some();
    for seed in 0..SEEDS * if many { 10 } else { 1 } {
        if let Err(trouble) = run(seed, false) {
            panic!(
                "{trouble}\nagain: PLENUM_SEED={seed} cargo test -p plenum-cluster --test it seeds -- --nocapture"
            );
        }
    }
}

/// A check that finds no mistake checks nothing: each of ten is made on purpose, and found.
#[test]
fn seeds_find_each_mistake_that_is_made_on_purpose() {
    for fault in Fault::ALL {
        plant(Some(fault));
        let found = (0..SEEDS).find_map(|seed| Some((seed, run(seed, false).err()?)));
        plant(None);
        let (seed, trouble) = found.unwrap_or_else(|| panic!("{fault:?} was not found"));
        println!("{fault:?}: seed {seed}: {trouble}");
    }
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    plant(None);
    let story = |seed| {
        let mut world = World::new(seed, false);
        let end = script::play(&mut world).and_then(|()| world.quiet());
        (world.happened(), end.is_ok())
    };
    assert_eq!(story(4), story(4));
    assert_ne!(story(4).0, story(5).0);
}
