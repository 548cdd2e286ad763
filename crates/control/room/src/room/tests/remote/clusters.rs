//! Rooms with workers on whole clusters: the protocol between nodes, the registry, the bus and the links are those of
//! `plenum-clusterkit`, under one seed.
//!
//! `PLENUM_SEED=17 cargo test -p plenum-room seeds_find_nothing -- --nocapture` runs one seed again and tells what happens.
#![expect(
    clippy::print_stdout,
    reason = "which seed finds which mistake is worth knowing"
)]

mod part;

use std::panic::{AssertUnwindSafe, catch_unwind};

use plenum_cluster::{Fault, plant};
use plenum_clusterkit::{Trouble, World as Nodes, play, run_seeds};
use rand::RngExt as _;

use super::*;
use part::RoomPart;

/// Seeds of every run.
const SEEDS: u64 = 2_000;

const AGAIN: &str = "cargo test -p plenum-room seeds_find_nothing -- --nocapture";

/// People do something at a node, and perhaps at others.
fn happen(nodes: &mut Nodes<RoomPart>, index: usize) {
    for other in 0..nodes.nodes() {
        if other == index || nodes.rng.random_bool(0.5) {
            happen_at(nodes, other);
        }
    }
}

/// Somebody does something at a node; who comes where no part of the room is opens one.
fn happen_at(nodes: &mut Nodes<RoomPart>, index: usize) {
    if nodes.part(index).is_none() {
        return nodes.open(index);
    }
    let (what, count) = (nodes.rng.random_range(0..100), nodes.rng.random_range(1..5));
    nodes.act(index, |process, now| {
        let Some(seat) = process.seat().filter(|seat| seat.part().is_open()) else {
            return;
        };
        // Newcomers wait at the door.
        if seat.is_settled(now) {
            seat.act(now, |part| match what {
                0 => part.close(now),
                1..50 if part.peers().len() < 2 => part.come(now),
                _ => part.live(now, count),
            });
        }
    });
}

/// Everybody goes to another node, as when one is to be stopped: the part there ends, and nobody is lost.
fn drain(nodes: &mut Nodes<RoomPart>) -> Result<(), Trouble> {
    let open = (0..nodes.nodes()).filter(|index| nodes.part(*index).is_some());
    let open: Vec<_> = open.collect();
    let [from, to, ..] = open[..] else {
        return Ok(());
    };
    nodes.say(|| format!("node-{from} is drained"));
    let peers = nodes.part(from).expect("it is open").peers();
    for peer in peers {
        nodes.act(to, |process, now| {
            if let Some(seat) = process.seat() {
                seat.act(now, |part| part.welcome(now, &peer));
            }
        });
        nodes.pass(Duration::from_millis(300))?;
    }
    nodes.quiet()?;
    nodes.act(from, plenum_clusterkit::Process::close);
    nodes.quiet()?;
    if nodes.part(from).is_some() {
        return Err(Trouble::new(format!("the drain of node-{from} never ends")));
    }
    Ok(())
}

/// Everybody leaves, and nothing is left.
fn leave(nodes: &mut Nodes<RoomPart>) -> Result<(), Trouble> {
    for index in 0..nodes.nodes() {
        nodes.act(index, |process, now| {
            if let Some(seat) = process.seat() {
                seat.act(now, |part| part.leave(now));
            }
        });
    }
    nodes.quiet()?;
    let mut parts = (0..nodes.nodes()).filter_map(|index| nodes.part(index));
    if !parts.all(RoomPart::is_empty) {
        return Err(Trouble::new("something is left of those who have left"));
    }
    nodes.close_all();
    nodes.quiet()
}

fn story(seed: u64, loud: bool) -> Result<(), Trouble> {
    let mut nodes = Nodes::new(seed, loud);
    play(&mut nodes, happen)?;
    nodes.quiet()?;
    drain(&mut nodes)?;
    leave(&mut nodes)
}

#[test]
fn seeds_find_nothing() {
    plant(None);
    run_seeds(SEEDS, AGAIN, story);
}

/// A room suffers from all mistakes but one, which shows in the registry alone: sets of numbers in place of rooms find it.
#[test]
fn seeds_find_each_mistake_that_is_made_on_purpose() {
    let all = Fault::ALL.into_iter();
    for fault in all.filter(|fault| *fault != Fault::SkipNodeEpoch) {
        plant(Some(fault));
        let found = (0..SEEDS).find_map(|seed| {
            let end = catch_unwind(AssertUnwindSafe(|| story(seed, false)));
            let trouble = match end {
                Ok(end) => end.err()?.to_string(),
                Err(_) => "a room's books are wrong".to_owned(),
            };
            Some((seed, trouble))
        });
        plant(None);
        let (seed, trouble) = found.unwrap_or_else(|| panic!("{fault:?} was not found"));
        println!("{fault:?}: seed {seed}: {trouble}");
    }
}
