//! Which worker a new room goes to: a pure function from what is known of the workers to a choice with its reason.
//!
//! In this order: workers that are gone or at a limit are passed over; of the others, those with the **fewest rooms**;
//! of several, those with the **lower CPU**; of several, the **least recently used**. Differences of CPU under
//! [`CPU_TOLERANCE`] count as none. "About equal" is not transitive (0.10 ≈ 0.19 ≈ 0.28), so that it is measured from
//! one point: a worker stays in the choice if it is less than the tolerance above the *lowest* CPU among those with the
//! fewest rooms.

use std::{cmp::Reverse, fmt};

use plenum_ids::WorkerId;
use serde::{Deserialize, Serialize};

/// What a worker uses of what it can use. The same words serve for all workers of a node together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "one figure per limit")]
pub struct Load {
    /// Smoothed processor use; 1.0 is one core.
    pub cpu: f32,
    /// Consumers.
    pub consumers: u64,
    /// Resident bytes.
    pub memory: u64,
    /// Bits sent a second, as UDP payload.
    pub egress: u64,
}

/// Limits from which on no more rooms are taken; those that are there stay, and so do joins to them. `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Capacity {
    /// Processor use; 1.0 is one core.
    pub cpu: Option<f32>,
    /// Consumers.
    pub consumers: Option<u64>,
    /// Resident bytes.
    pub memory: Option<u64>,
    /// Bits sent a second, as UDP payload.
    pub egress: Option<u64>,
}

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Resource {
    /// Consumers.
    Consumers,
    /// Processor time.
    Cpu,
    /// Bandwidth out.
    Egress,
    /// Resident memory.
    Memory,
}

/// A worker as the choice sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) worker: WorkerId,
    /// Its process takes requests.
    pub(crate) open: bool,
    /// It is to have no rooms.
    pub(crate) draining: bool,
    pub(crate) rooms: usize,
    /// Grows with every choice; 0: never chosen.
    pub(crate) last_used: u64,
    pub(crate) load: Load,
}

/// Where a room went, and why there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Placement {
    /// The worker.
    pub worker: WorkerId,
    /// What decided.
    pub reason: Reason,
    /// Rooms that it had before this one.
    pub rooms: usize,
    /// Its processor use then; 1.0 is one core.
    pub cpu: f32,
    /// Workers that were out of the question, and why.
    pub passed_over: Vec<(WorkerId, Obstacle)>,
}

/// The rule that was left with one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No other had so few rooms.
    FewestRooms,
    /// Others had as few rooms and about as little CPU, but got a room later.
    LeastRecentlyUsed,
    /// Others had as few rooms, and clearly more CPU.
    LowerCpu,
    /// All others were passed over, or there is no other.
    OnlyOne,
}

/// Why a worker takes no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// Its process is gone.
    Closed,
    /// It is being drained, or has been.
    Draining,
    /// It is at a limit.
    Full(Resource),
}

/// Why no worker takes a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All that run are being drained.
    AllDraining,
    /// None runs.
    NoWorker,
    /// All that run are at a limit; of the first of them this one.
    WorkersFull(Resource),
    /// All together are at a limit of the node.
    NodeFull(Resource),
}

/// A tenth of a core: what one of two equal workers may show more than the other by chance of sampling (the kernel counts
/// in steps of 10 ms, and joins come in bursts), so that smaller differences would only make the choice erratic.
pub(crate) const CPU_TOLERANCE: f32 = 0.10;

/// Chooses a worker. The same arguments give the same choice, in whatever order the candidates come.
pub(crate) fn choose(
    candidates: &[Candidate],
    per_worker: &Capacity,
    of_node: &Capacity,
) -> Result<Placement, NoPlace> {
    let mut open = Vec::with_capacity(candidates.len());
    let mut passed_over = Vec::new();
    let mut total = Load::default();
    for candidate in candidates {
        total.add(&candidate.load);
        match obstacle(candidate, per_worker) {
            None => open.push(candidate),
            Some(obstacle) => passed_over.push((candidate.worker, obstacle)),
        }
    }
    if candidates.iter().any(|candidate| candidate.open)
        && let Some(resource) = of_node.exhausted_by(&total)
    {
        return Err(NoPlace::NodeFull(resource));
    }
    let (chosen, reason) = best(open).ok_or_else(|| nowhere(&passed_over))?;
    Ok(Placement {
        worker: chosen.worker,
        reason,
        rooms: chosen.rooms,
        cpu: chosen.load.cpu,
        passed_over,
    })
}

/// Applies the rules one by one until one worker is left.
fn best(mut left: Vec<&Candidate>) -> Option<(&Candidate, Reason)> {
    if let [only] = left[..] {
        return Some((only, Reason::OnlyOne));
    }
    let fewest = left.iter().map(|candidate| candidate.rooms).min()?;
    left.retain(|candidate| candidate.rooms == fewest);
    if let [only] = left[..] {
        return Some((only, Reason::FewestRooms));
    }
    let lowest = left.iter().map(|candidate| candidate.cpu());
    let lowest = lowest.min_by(f32::total_cmp)?;
    left.retain(|candidate| candidate.cpu() - lowest < CPU_TOLERANCE);
    if let [only] = left[..] {
        return Some((only, Reason::LowerCpu));
    }
    // Of workers that were never used, the first.
    let oldest = left
        .into_iter()
        .max_by_key(|candidate| (Reverse(candidate.last_used), Reverse(candidate.worker)))?;
    Some((oldest, Reason::LeastRecentlyUsed))
}

/// What keeps rooms away from a worker.
pub(crate) fn obstacle(candidate: &Candidate, limits: &Capacity) -> Option<Obstacle> {
    if !candidate.open {
        return Some(Obstacle::Closed);
    }
    if candidate.draining {
        return Some(Obstacle::Draining);
    }
    limits.exhausted_by(&candidate.load).map(Obstacle::Full)
}

fn nowhere(passed_over: &[(WorkerId, Obstacle)]) -> NoPlace {
    let mut draining = false;
    for (_, obstacle) in passed_over {
        match obstacle {
            Obstacle::Full(resource) => return NoPlace::WorkersFull(*resource),
            Obstacle::Draining => draining = true,
            Obstacle::Closed => {}
        }
    }
    if draining {
        NoPlace::AllDraining
    } else {
        NoPlace::NoWorker
    }
}

impl Candidate {
    /// A figure that can be compared, whatever was measured.
    fn cpu(&self) -> f32 {
        self.load.cpu.clamp(0.0, f32::MAX).max(0.0)
    }
}

impl Load {
    pub(crate) fn add(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.consumers = self.consumers.saturating_add(other.consumers);
        self.memory = self.memory.saturating_add(other.memory);
        self.egress = self.egress.saturating_add(other.egress);
    }
}

impl Capacity {
    /// The first limit that is reached.
    pub(crate) fn exhausted_by(&self, load: &Load) -> Option<Resource> {
        let reached = |limit: Option<u64>, used| limit.is_some_and(|limit| used >= limit);
        if self.cpu.is_some_and(|limit| load.cpu >= limit) {
            Some(Resource::Cpu)
        } else if reached(self.egress, load.egress) {
            Some(Resource::Egress)
        } else if reached(self.consumers, load.consumers) {
            Some(Resource::Consumers)
        } else if reached(self.memory, load.memory) {
            Some(Resource::Memory)
        } else {
            None
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rooms, cpu, .. } = self;
        write!(
            f,
            "{} ({rooms} rooms, {:.0} % CPU)",
            self.reason,
            cpu * 100.0
        )?;
        for (worker, obstacle) in &self.passed_over {
            write!(f, "; worker {worker} {obstacle}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FewestRooms => "fewest rooms",
            Self::LeastRecentlyUsed => "least recently used",
            Self::LowerCpu => "lower CPU",
            Self::OnlyOne => "the only worker",
        })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("is gone"),
            Self::Draining => f.write_str("is being drained"),
            Self::Full(resource) => write!(f, "is full ({resource})"),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Consumers => "consumers",
            Self::Cpu => "CPU",
            Self::Egress => "egress",
            Self::Memory => "memory",
        })
    }
}

#[cfg(test)]
mod tests;
