//! Others on the same link: a download like TCP Reno's (RFC 5681), and a sender that does not care.

use std::{collections::VecDeque, time::Duration};

use super::link::Queue;

/// Bytes of a full packet, headers included.
const PACKET: usize = 1500;

/// Packets that may be sent before the first answer (RFC 6928).
const INITIAL_WINDOW: f64 = 10.0;

/// What a receiver's buffer allows at most, far above what any link here needs.
const MAX_WINDOW: f64 = 4096.0;

/// A flow of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossFlow {
    /// What it is like.
    pub kind: CrossKind,
    /// When it begins, since the link was set.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
}

/// How others behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the models that there are")]
pub enum CrossKind {
    /// So many bits per second whatever happens.
    Constant(u64),
    /// A window that grows until a packet is lost, and is halved then. Its round trip takes so long without the queue.
    Reno(Duration),
}

/// A flow that runs.
#[derive(Debug)]
pub(super) struct FlowState {
    flow: CrossFlow,
    /// Bytes that got into the queue.
    pub(super) bytes: u64,
    window: f64,
    threshold: f64,
    in_flight: u32,
    /// Losses of packets sent before this are part of one that was already reacted to.
    recovered: Duration,
    /// What the sender will learn and when, in order: when the packet was sent, whether it arrived.
    answers: VecDeque<(Duration, Duration, bool)>,
    /// When it sends of its own accord; a window moves on answers after the first time.
    next_send: Option<Duration>,
}

impl FlowState {
    pub(super) fn new(flow: CrossFlow) -> Self {
        Self {
            flow,
            bytes: 0,
            window: INITIAL_WINDOW,
            threshold: MAX_WINDOW,
            in_flight: 0,
            recovered: Duration::ZERO,
            answers: VecDeque::new(),
            next_send: Some(flow.from),
        }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Duration> {
        let answer = self.answers.front().map(|(at, ..)| *at);
        let next = [answer, self.next_send].into_iter().flatten().min()?;
        (next < self.flow.until).then_some(next)
    }

    /// Does what happens at [`Self::next`].
    pub(super) fn handle(&mut self, now: Duration, queue: &mut Queue) {
        match self.flow.kind {
            CrossKind::Constant(bits_per_second) => {
                if queue.push(now, PACKET).is_some() {
                    self.bytes += PACKET as u64;
                }
                let gap = PACKET as u64 * 8 * 1_000_000_000 / bits_per_second.max(1);
                self.next_send = Some(now + Duration::from_nanos(gap));
            }
            CrossKind::Reno(round_trip) => {
                self.next_send = None;
                if let Some((at, sent, arrived)) = self.answers.pop_front() {
                    if at <= now {
                        self.handle_answer(now, sent, arrived);
                    } else {
                        self.answers.push_front((at, sent, arrived));
                    }
                }
                self.fill_window(now, round_trip, queue);
            }
        }
    }

    fn handle_answer(&mut self, now: Duration, sent: Duration, arrived: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if arrived {
            let growth = if self.window < self.threshold {
                1.0
            } else {
                1.0 / self.window
            };
            self.window = (self.window + growth).min(MAX_WINDOW);
        } else if sent >= self.recovered {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = self.threshold;
            self.recovered = now;
        }
    }

    fn fill_window(&mut self, now: Duration, round_trip: Duration, queue: &mut Queue) {
        while f64::from(self.in_flight + 1) <= self.window {
            self.in_flight += 1;
            let (departure, arrived) = match queue.push(now, PACKET) {
                Some((_, departure)) => (departure, true),
                // A loss shows when those behind it are answered.
                None => (queue.free(now), false),
            };
            self.bytes += PACKET as u64 * u64::from(arrived);
            self.answers
                .push_back((departure + round_trip, now, arrived));
        }
    }
}
