//! Which worker a peer of a room goes to: a pure function from what is known of the room's places and of the other workers
//! to a choice.
//!
//! In this order: the place that the room **began with**, then the **least loaded** of its other places, then **another
//! worker**, chosen like one for a new room. A place is passed over when its worker is at a limit for rooms, or has as
//! many consumers of this room as one room may have there. If nothing is left, the peer is refused only if the workers
//! are really full: limits of one room are there for it to spread, and of the CPU something is kept back for the rooms
//! that grow.

use std::fmt;

use plenum_room::PlaceId;

use crate::placement::{self, Candidate, Capacity, NoPlace, Obstacle, Placement};

/// A place of the room and the worker under it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) place: PlaceId,
    /// Consumers of the room there, those of peers on their way included.
    pub(crate) consumers: u64,
    pub(crate) worker: Candidate,
}

/// From when on a room spreads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    pub(crate) per_worker: Capacity,
    pub(crate) of_node: Capacity,
    /// Consumers of one room at one worker.
    pub(crate) room_consumers: Option<u64>,
    /// Peers go by turns to two places, whatever these carry.
    pub(crate) by_turns: bool,
}

/// Where a peer goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    /// To a place that the room has.
    Stay(PlaceId),
    /// To another worker.
    Spread(Spread),
}

/// A room goes to another worker, too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The worker, and why that one.
    pub(crate) placement: Placement,
    /// What kept the peer from the place that the room began with.
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    /// It is to be so.
    Asked,
    Worker(Obstacle),
    /// The room has so many consumers there.
    Room(u64),
}

/// Chooses a place for a peer. `standings` are the room's places, oldest first, `others` the workers that it is not on.
pub(crate) fn choose(
    standings: &[Standing],
    others: &[Candidate],
    limits: &Limits,
) -> Result<Choice, NoPlace> {
    let cause = |standing: &Standing| cause(standing, limits);
    let Some((first, further)) = standings.split_first() else {
        return Err(NoPlace::NoWorker);
    };
    if limits.by_turns
        && let Some(choice) = by_turns(standings, others, limits)
    {
        return Ok(choice);
    }
    let Some(at_first) = cause(first) else {
        return Ok(Choice::Stay(first.place));
    };
    let fitting = further.iter().filter(|it| cause(it).is_none());
    if let Some(place) = least(fitting) {
        return Ok(Choice::Stay(place));
    }
    let refusal = match placement::choose(others, &limits.per_worker, &limits.of_node) {
        Ok(placement) => {
            let cause = at_first;
            return Ok(Choice::Spread(Spread { placement, cause }));
        }
        Err(refusal) => refusal,
    };
    let room = |it: &&Standing| matches!(cause(it), Some(Cause::Room(_)));
    let cpu = |it: &&Standing| within_reserve(it, limits);
    least(standings.iter().filter(room))
        .or_else(|| least(standings.iter().filter(cpu)))
        .map(Choice::Stay)
        .ok_or(match at_first {
            Cause::Worker(Obstacle::Full(resource)) => NoPlace::WorkersFull(resource),
            _ => refusal,
        })
}

/// The emptier of two places, or another worker for the second peer; `None`: the room cannot have it so.
fn by_turns(standings: &[Standing], others: &[Candidate], limits: &Limits) -> Option<Choice> {
    let fitting = || standings.iter().filter(|it| cause(it, limits).is_none());
    if standings.len() < 2 && fitting().any(|first| first.consumers > 0) {
        let placement = placement::choose(others, &limits.per_worker, &limits.of_node).ok()?;
        let cause = Cause::Asked;
        return Some(Choice::Spread(Spread { placement, cause }));
    }
    least(fitting()).map(Choice::Stay)
}

/// Why a peer should not go to a place.
fn cause(standing: &Standing, limits: &Limits) -> Option<Cause> {
    if let Some(obstacle) = placement::obstacle(&standing.worker, &limits.per_worker) {
        return Some(Cause::Worker(obstacle));
    }
    let most = limits.room_consumers;
    let is_over = most.is_some_and(|most| standing.consumers >= most);
    is_over.then_some(Cause::Room(standing.consumers))
}

/// Whether nothing but the CPU stands against a place, and half of what the limit keeps back is still there.
fn within_reserve(standing: &Standing, limits: &Limits) -> bool {
    let reserve = |limit: f32| limit.midpoint(limit.max(1.0));
    let grown = Limits {
        per_worker: Capacity {
            cpu: limits.per_worker.cpu.map(reserve),
            ..limits.per_worker
        },
        ..*limits
    };
    matches!(cause(standing, &grown), None | Some(Cause::Room(_)))
}

fn least<'a>(standings: impl Iterator<Item = &'a Standing>) -> Option<PlaceId> {
    let least = standings.min_by_key(|standing| (standing.consumers, standing.place));
    least.map(|standing| standing.place)
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Asked => f.write_str("the room is to have two routers")?,
            Cause::Worker(obstacle) => write!(f, "the room's first worker {obstacle}")?,
            Cause::Room(consumers) => {
                write!(f, "the room has {consumers} consumers at its first worker")?;
            }
        }
        write!(f, "; {}", self.placement)
    }
}

#[cfg(test)]
mod tests;
