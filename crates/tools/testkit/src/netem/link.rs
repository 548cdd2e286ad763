//! The narrowest link on the way, in all its particulars: a rate that changes, a bounded queue, a channel that is not
//! always to be had, and others who use it.

use std::time::{Duration, Instant};

use crate::rng::Rng;

use super::cross::{CrossFlow, FlowState};

/// Settings of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// What it carries.
    pub capacity: Capacity,
    /// A datagram that would wait longer than this is dropped.
    pub max_queue: Duration,
    /// When the sender may use the channel; `None`: always.
    pub access: Option<ChannelAccess>,
    /// Who else uses it.
    pub others: Vec<CrossFlow>,
}

/// Bits per second over time, IP and UDP headers included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// From when on, since the link was set; the first one holds before that, too.
    steps: Vec<(Duration, u64)>,
}

/// A shared channel like Wi-Fi's: what has gathered leaves together when the sender's turn comes. Order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAccess {
    /// From one turn to the next, evenly distributed from zero.
    pub gap: Duration,
    /// About how often the channel is lost for longer.
    pub stall_every: Duration,
    /// For how long at most, evenly distributed from half of it.
    pub stall: Duration,
}

/// What became of a datagram in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// When it came.
    pub at: Instant,
    /// Its length, IP and UDP headers included.
    pub len: usize,
    /// How long it waited for those in front of it; `None`: it was lost.
    pub wait: Option<Duration>,
}

impl Link {
    /// A link of constant rate.
    pub fn constant(bits_per_second: u64, max_queue: Duration) -> Self {
        Self {
            capacity: Capacity::constant(bits_per_second),
            max_queue,
            access: None,
            others: Vec::new(),
        }
    }
}

impl Capacity {
    /// The same at all times.
    pub fn constant(bits_per_second: u64) -> Self {
        Self::steps(&[(Duration::ZERO, bits_per_second)])
    }

    /// These rates, each from its time on.
    ///
    /// # Panics
    /// When there is none, or they are not in order.
    pub fn steps(steps: &[(Duration, u64)]) -> Self {
        assert!(!steps.is_empty() && steps.is_sorted_by_key(|(at, _)| *at));
        Self {
            steps: steps.to_vec(),
        }
    }

    /// The rate so long after the link was set.
    pub fn at(&self, elapsed: Duration) -> u64 {
        let later = self.steps.partition_point(|(from, _)| *from <= elapsed);
        self.steps[later.saturating_sub(1)].1
    }

    /// When each rate begins.
    pub fn changes(&self) -> &[(Duration, u64)] {
        &self.steps
    }

    /// When so many bits have passed whose first one enters at `start`.
    fn finish(&self, start: Duration, bits: u64) -> Duration {
        let mut index = self.steps.partition_point(|(from, _)| *from <= start);
        let (mut at, mut left) = (start, u128::from(bits) * 1_000_000_000);
        loop {
            let rate = u128::from(self.steps[index.saturating_sub(1)].1.max(1));
            let needed = Duration::from_nanos((left / rate) as u64);
            match self.steps.get(index) {
                Some((change, _)) if at + needed > *change => {
                    left -= (change.saturating_sub(at).as_nanos() * rate).min(left);
                    at = *change;
                    index += 1;
                }
                _ => return at + needed,
            }
        }
    }
}

/// A link in use.
#[derive(Debug)]
pub(super) struct LinkState {
    link: Link,
    origin: Instant,
    queue: Queue,
    flows: Vec<FlowState>,
    rng: Rng,
    /// The sender's next turn, and when the channel is lost again.
    next_access: Duration,
    next_stall: Duration,
}

/// First in, first out. Times are since the link was set.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: Capacity,
    /// Longest wait.
    bound: Duration,
    /// When everything that is queued has left.
    free: Duration,
}

impl Queue {
    /// Waiting time and departure of a datagram that comes now; `None` when there is no room.
    pub(super) fn push(&mut self, now: Duration, len: usize) -> Option<(Duration, Duration)> {
        let start = self.free.max(now);
        let wait = start.saturating_sub(now);
        if wait > self.bound {
            return None;
        }
        self.free = self.capacity.finish(start, len as u64 * 8);
        Some((wait, self.free))
    }

    /// When everything that is queued has left.
    pub(super) fn free(&self, now: Duration) -> Duration {
        self.free.max(now)
    }
}

impl LinkState {
    pub(super) fn new(link: Link, now: Instant, rng: Rng) -> Self {
        Self {
            queue: Queue {
                capacity: link.capacity.clone(),
                bound: link.max_queue,
                free: Duration::ZERO,
            },
            flows: link.others.iter().copied().map(FlowState::new).collect(),
            next_stall: link
                .access
                .map_or(Duration::MAX, |access| access.stall_every),
            link,
            origin: now,
            rng,
            next_access: Duration::ZERO,
        }
    }

    /// Waiting time and departure of a datagram that comes now; `None` when there is no room.
    pub(super) fn push(&mut self, now: Instant, len: usize) -> Option<(Duration, Instant)> {
        let now = now.saturating_duration_since(self.origin);
        self.run_others(now);
        let (wait, departure) = self.queue.push(now, len)?;
        Some((wait, self.origin + self.release(departure)))
    }

    /// How long a datagram would wait that came now.
    pub(super) fn queue_delay(&mut self, now: Instant) -> Duration {
        let now = now.saturating_duration_since(self.origin);
        self.run_others(now);
        self.queue.free.saturating_sub(now)
    }

    /// Bytes of others that have passed or are queued.
    pub(super) fn others_bytes(&self) -> u64 {
        self.flows.iter().map(|flow| flow.bytes).sum()
    }

    /// What others have done until now, in order.
    fn run_others(&mut self, now: Duration) {
        loop {
            let flows = self.flows.iter_mut();
            let due = flows.filter_map(|flow| Some((flow.next()?, flow)));
            let Some((at, flow)) = due.min_by_key(|(at, _)| *at).filter(|(at, _)| *at <= now)
            else {
                return;
            };
            flow.handle(at, &mut self.queue);
        }
    }

    /// When the channel takes what is ready at `ready`.
    fn release(&mut self, ready: Duration) -> Duration {
        let Some(access) = self.link.access else {
            return ready;
        };
        while self.next_access < ready {
            self.next_access += self
                .rng
                .duration_up_to(access.gap)
                .max(Duration::from_micros(1));
            if self.next_access >= self.next_stall {
                let half = access.stall / 2;
                self.next_access += half + self.rng.duration_up_to(half);
                let half = access.stall_every / 2;
                self.next_stall =
                    self.next_access + half + self.rng.duration_up_to(access.stall_every);
            }
        }
        self.next_access
    }
}
