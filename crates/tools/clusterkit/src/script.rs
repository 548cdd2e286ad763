//! What happens to a cluster: people who come and go, and trouble.

use std::time::Duration;

use rand::RngExt as _;

use crate::{
    part::Part,
    world::{Trouble, World, pair},
};

/// Plays the seed's story. What people do is the caller's: at that node, which may have no part of the room, or no process.
///
/// # Errors
///
/// Says what went wrong.
pub fn play<P: Part>(
    world: &mut World<P>,
    mut act: impl FnMut(&mut World<P>, usize),
) -> Result<(), Trouble> {
    world.pass(Duration::from_secs(2))?;
    for _ in 0..world.rng.random_range(10..60) {
        step(world, &mut act);
        let calm = world.rng.random_range(0..8) == 0;
        let most = if calm { 9_000 } else { 600 };
        let wait = Duration::from_millis(world.rng.random_range(1..most));
        world.pass(wait)?;
        world.check()?;
    }
    Ok(())
}

fn step<P: Part>(world: &mut World<P>, act: &mut impl FnMut(&mut World<P>, usize)) {
    let count = world.nodes.len();
    let index = world.rng.random_range(0..count);
    let other = (index + world.rng.random_range(1..count)) % count;
    match world.rng.random_range(0..100) {
        0..56 => act(world, index),
        56..68 => world.turn(index),
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
            // Those who were there come back at once.
            if world.rng.random_bool(0.5) {
                world.turn(index);
            }
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
            if world.cuts.contains(&pair(index, other)) {
                world.heal(index, other);
            } else {
                world.cut(index, other);
            }
        }
        87..94 => {
            if world.nodes[index].registry_cut {
                world.heal_registry(index);
            } else {
                world.say(|| format!("node-{index} and the registry: cut"));
                world.nodes[index].registry_cut = true;
                world.touch(index);
            }
        }
        _ => {
            world.say(|| "the registry forgets".to_owned());
            let now = world.now;
            world.registry.forget(now);
        }
    }
}
