//! A node in figures, for those who look often: nobody is asked, and it costs the same however many peers there are.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use plenum_api::status::WorkerDrain;
use plenum_params::stats::WorkerStats;
use plenum_supervisor::{NodeUsage, WorkerInfo, WorkerState};

use crate::{
    placement::Capacity,
    status::{load, state_name},
};

/// A node as it was a moment ago.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct NodeFigures {
    /// Whether joins are taken.
    pub ready: bool,
    /// Whether it is about to end.
    pub closing: bool,
    /// Rooms.
    pub rooms: usize,
    /// Peers that have joined.
    pub peers: usize,
    /// Rooms that were opened since the start.
    pub rooms_opened: u64,
    /// Clients that were let into a room since the start.
    pub sessions_opened: u64,
    /// Events of workers that wait for being brought to their rooms.
    pub events_waiting: usize,
    /// Processor time used by the node itself, without its workers.
    pub cpu_time: Duration,
    /// Resident memory of the node itself in bytes.
    pub memory: u64,
    /// Open file descriptors of the node itself.
    pub descriptors: u32,
    /// Most that it may have.
    pub descriptors_limit: u64,
    /// One entry per worker, in the order of their numbers.
    pub workers: Vec<WorkerFigures>,
}

/// A worker as it was at its last heartbeat.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkerFigures {
    /// Number of the worker, from 0.
    pub id: u16,
    /// One of [`WORKER_STATES`].
    pub state: &'static str,
    /// Whether a limit is reached, so that it takes no new rooms.
    pub full: bool,
    /// How long it has been in its state.
    pub since: Duration,
    /// Processes that died before this one.
    pub restarts: u32,
    /// Rooms on it.
    pub rooms: usize,
    /// Smoothed; 1.0 is one core.
    pub cpu_usage: f32,
    /// Counters of all its processes together, which never fall; the rest is of the process that runs.
    pub totals: WorkerStats,
    /// Requests without an answer.
    pub requests_waiting: usize,
    /// Bytes for it that wait on its control socket.
    pub control_bytes_waiting: usize,
    /// CPU from which on it takes no new rooms; 1.0 is one core.
    pub cpu_limit: Option<f32>,
    /// Consumers from which on it takes no new rooms.
    pub consumers_limit: Option<u64>,
    /// Memory in bytes from which on it takes no new rooms.
    pub memory_limit: Option<u64>,
    /// Bytes sent a second from which on it takes no new rooms.
    pub egress_limit: Option<u64>,
}

/// Everything that a worker can be.
pub const WORKER_STATES: [&str; 5] = ["running", "restarting", "held", "draining", "drained"];

/// Counts of a host that its tasks keep up.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Peers that have joined, of all rooms.
    peers: AtomicUsize,
    pub(crate) rooms_opened: AtomicU64,
    pub(crate) sessions_opened: AtomicU64,
    pub(crate) events_waiting: AtomicUsize,
}

impl Counts {
    /// A room has so many peers now, and had so many before.
    pub(crate) fn note_peers(&self, before: usize, now: usize) {
        // Wraps where it falls, and so does the sum.
        let change = now.wrapping_sub(before);
        self.peers.fetch_add(change, Ordering::Relaxed);
    }

    pub(crate) fn peers(&self) -> usize {
        self.peers.load(Ordering::Relaxed)
    }
}

impl NodeFigures {
    pub(crate) fn new(counts: &Counts, usage: &NodeUsage) -> Self {
        Self {
            peers: counts.peers(),
            rooms_opened: counts.rooms_opened.load(Ordering::Relaxed),
            sessions_opened: counts.sessions_opened.load(Ordering::Relaxed),
            events_waiting: counts.events_waiting.load(Ordering::Relaxed),
            cpu_time: usage.cpu_time,
            memory: usage.memory,
            descriptors: usage.descriptors,
            descriptors_limit: usage.descriptors_limit,
            ..Self::default()
        }
    }
}

pub(crate) fn worker_figures(
    info: &WorkerInfo,
    drain: &WorkerDrain,
    capacity: &Capacity,
) -> WorkerFigures {
    let mut totals = info.totals.clone();
    // Read by the node, too, and so also of a worker that does not answer.
    totals.memory = info.memory;
    WorkerFigures {
        id: info.id.0,
        state: match info.state {
            WorkerState::Running => drain.state,
            state => state_name(state),
        },
        full: capacity.exhausted_by(&load(info)).is_some(),
        since: info.since,
        restarts: info.restarts,
        rooms: drain.rooms_left,
        cpu_usage: info.cpu_usage,
        totals,
        requests_waiting: info.backlog.requests,
        control_bytes_waiting: info.backlog.bytes,
        cpu_limit: capacity.cpu,
        consumers_limit: capacity.consumers,
        memory_limit: capacity.memory,
        egress_limit: capacity.egress.map(|bits| bits / 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_come_and_go() {
        let counts = Counts::default();
        for (before, now, all) in [(0, 3, 3), (0, 2, 5), (3, 1, 3), (2, 0, 1), (1, 0, 0)] {
            counts.note_peers(before, now);
            assert_eq!(counts.peers(), all);
        }
    }
}
