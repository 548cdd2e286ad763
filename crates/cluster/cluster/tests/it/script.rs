//! What happens to a cluster: people who come and go, and trouble.

use std::time::Duration;

use rand::RngExt as _;

use crate::{
    node::Change,
    world::{Trouble, World, pair},
};

/// Plays the seed's story.
pub(crate) fn play(world: &mut World) -> Result<(), Trouble> {
    world.pass(Duration::from_secs(2))?;
    for _ in 0..world.rng.random_range(10..60) {
        step(world);
        let calm = world.rng.random_range(0..8) == 0;
        let most = if calm { 9_000 } else { 600 };
        let wait = Duration::from_millis(world.rng.random_range(1..most));
        world.pass(wait)?;
    }
    Ok(())
}

fn step(world: &mut World) {
    let count = world.nodes.len();
    let index = world.rng.random_range(0..count);
    let other = (index + world.rng.random_range(1..count)) % count;
    let item = world.rng.random_range(1..9);
    match world.rng.random_range(0..100) {
        0..36 => world.act(index, |process, now| {
            process.change(now, Change::Add(item));
        }),
        36..56 => world.act(index, |process, now| {
            process.change(now, Change::Remove(item));
        }),
        56..68 => world.act(index, |process, now| {
            if let Some(epoch) = process.membership.epoch() {
                process.turn(now, epoch);
            }
        }),
        68..73 => {
            if world.nodes[index].process.is_some() {
                world.kill(index);
            } else {
                world.start(index);
            }
        }
        73..77 => {
            world.kill(index);
            world.start(index);
        }
        77..81 => {
            if world.nodes[index].paused {
                world.resume(index);
            } else if world.nodes[index].process.is_some() {
                world.say(|| format!("node-{index} is paused"));
                world.nodes[index].paused = true;
                world.touch(index);
            }
        }
        81..87 => {
            let cut = pair(index, other);
            world.say(|| format!("cut between {cut:?}, or healed"));
            if !world.cuts.remove(&cut) {
                world.cuts.insert(cut);
            }
        }
        87..94 => {
            let cut = &mut world.nodes[index].registry_cut;
            *cut = !*cut;
            world.say(|| format!("node-{index} and the registry: cut, or healed"));
            world.touch(index);
        }
        _ => {
            world.say(|| "the registry forgets".to_owned());
            let now = world.now;
            world.registry.forget(now);
        }
    }
}
