//! What one target is still to be told: a line for each room, of which the first event alone is on its way.
//!
//! Neither sockets nor clocks: events go in with [`Outbox::push`], deliveries come out of [`Outbox::poll_delivery`], and
//! what became of each goes in with [`Outbox::handle_outcome`].
//!
//! ```text
//! push ─▶ waiting in its room's line ─▶ on its way ─▶ delivered
//!   │ queue full                  ▲          │ failed
//!   ▼                             └ pause ◀──┤
//! dead letters ◀─────────────────────────────┘ failed too often
//! ```

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Bounds of one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Events that wait or are on their way.
    pub(crate) letters: usize,
    /// Their bodies together, in bytes.
    pub(crate) bytes: usize,
    /// Deliveries at a time.
    pub(crate) in_flight: usize,
    /// Events given up that are kept.
    pub(crate) dead: usize,
    /// Deliveries of an event that may fail.
    pub(crate) attempts: u32,
    /// Pause after the first failure, twice as long after each further one, …
    pub(crate) first_pause: Duration,
    /// … up to this.
    pub(crate) longest_pause: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // Some kilobytes each: ten minutes of a node where fifteen things happen a second.
            letters: 10_000,
            bytes: 16 << 20,
            // A receiver that takes 100 ms gets 160 events a second, and one that hangs has few connections of ours.
            in_flight: 16,
            dead: 1_000,
            // With the pauses below about five minutes in all: a restart or a deployment of the receiver.
            attempts: 10,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
        }
    }
}

/// An event as it is delivered.
#[derive(Debug)]
pub(crate) struct Letter {
    /// The same in every delivery to every target.
    pub(crate) id: String,
    /// Name of the event.
    pub(crate) event: String,
    pub(crate) namespace: String,
    pub(crate) room: String,
    /// JSON.
    pub(crate) body: Vec<u8>,
}

/// The line of a room.
pub(crate) type Line = Arc<str>;

impl Letter {
    fn line(&self) -> Line {
        format!("{}/{}", self.namespace, self.room).into()
    }
}

/// Something to do: deliver this, then say how it went.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) line: Line,
    pub(crate) letter: Arc<Letter>,
    /// 1 is the first.
    pub(crate) attempt: u32,
}

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For people; nothing that the receiver wrote.
    pub(crate) reason: String,
    /// The receiver asked for a pause.
    pub(crate) retry_after: Option<Duration>,
}

/// An event that was given up.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub(crate) number: u64,
    pub(crate) letter: Arc<Letter>,
    pub(crate) attempts: u32,
    pub(crate) reason: String,
    pub(crate) died: SystemTime,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    /// Deliveries that failed, also of events that were delivered later.
    pub(crate) failures: u64,
    /// Events given up.
    pub(crate) died: u64,
    /// Dead letters that made room for later ones.
    pub(crate) forgotten: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    bounds: Bounds,
    lines: HashMap<Line, Queue>,
    /// Lines whose first letter may go, in turn.
    ready: VecDeque<Line>,
    /// Lines that pause.
    pausing: BinaryHeap<Reverse<(Instant, Line)>>,
    in_flight: usize,
    letters: usize,
    bytes: usize,
    dead: VecDeque<DeadLetter>,
    last_number: u64,
    counts: Counts,
}

/// A line is in `lines` as long as it has letters; the first one is in `ready`, pauses, or is on its way.
#[derive(Debug, Default)]
struct Queue {
    letters: VecDeque<Arc<Letter>>,
    /// Failed deliveries of the first one.
    failed: u32,
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lines: HashMap::new(),
            ready: VecDeque::new(),
            pausing: BinaryHeap::new(),
            in_flight: 0,
            letters: 0,
            bytes: 0,
            dead: VecDeque::new(),
            last_number: 0,
            counts: Counts::default(),
        }
    }

    /// Something happened. When too much waits, it becomes a dead letter at once: what waits was there first.
    pub(crate) fn push(&mut self, now: SystemTime, letter: Arc<Letter>) {
        if self.has_room_for(&letter) {
            self.enqueue(letter);
        } else {
            self.bury(
                now,
                letter,
                0,
                "too many events wait for this target".to_owned(),
            );
        }
    }

    /// What to deliver next; `None`: nothing now.
    pub(crate) fn poll_delivery(&mut self, now: Instant) -> Option<Delivery> {
        while let Some(Reverse((until, _))) = self.pausing.peek()
            && *until <= now
            && let Some(Reverse((_, line))) = self.pausing.pop()
        {
            self.ready.push_back(line);
        }
        if self.in_flight >= self.bounds.in_flight {
            return None;
        }
        let line = self.ready.pop_front()?;
        let queue = self.lines.get(&line)?;
        let letter = Arc::clone(queue.letters.front()?);
        let attempt = queue.failed + 1;
        self.in_flight += 1;
        Some(Delivery {
            line,
            letter,
            attempt,
        })
    }

    /// When there may be something to deliver without anything else happening.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let Reverse((until, _)) = self.pausing.peek()?;
        (self.in_flight < self.bounds.in_flight).then_some(*until)
    }

    /// How the delivery of a line's first letter went. `random` is for the pause.
    pub(crate) fn handle_outcome(
        &mut self,
        (now, date): (Instant, SystemTime),
        line: &Line,
        outcome: Result<(), Failure>,
        random: u32,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(queue) = self.lines.get_mut(line) else {
            return;
        };
        let Err(failure) = outcome else {
            self.counts.delivered += 1;
            self.finish_first(line);
            return;
        };
        self.counts.failures += 1;
        queue.failed += 1;
        if queue.failed < self.bounds.attempts {
            let pause = self.bounds.pause(queue.failed, failure.retry_after, random);
            self.pausing.push(Reverse((now + pause, line.clone())));
            return;
        }
        let attempts = queue.failed;
        if let Some(letter) = self.finish_first(line) {
            self.bury(date, letter, attempts, failure.reason);
        }
    }

    /// Events that were given up, oldest first.
    pub(crate) fn dead_letters(&self) -> impl Iterator<Item = &DeadLetter> {
        self.dead.iter()
    }

    /// Delivers a dead letter after all, behind what waits of its room; `None`: all of them. Says how many there were;
    /// those that find no room stay.
    pub(crate) fn retry(&mut self, number: Option<u64>) -> usize {
        let mut kept = VecDeque::new();
        let mut count = 0;
        for dead in std::mem::take(&mut self.dead) {
            let wanted = number.is_none_or(|number| number == dead.number);
            if wanted && self.has_room_for(&dead.letter) {
                count += 1;
                self.enqueue(dead.letter);
            } else {
                kept.push_back(dead);
            }
        }
        self.dead = kept;
        count
    }

    /// Events that wait or are on their way.
    pub(crate) const fn waiting(&self) -> usize {
        self.letters
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    fn has_room_for(&self, letter: &Letter) -> bool {
        self.letters < self.bounds.letters && self.bytes + letter.body.len() <= self.bounds.bytes
    }

    fn enqueue(&mut self, letter: Arc<Letter>) {
        self.letters += 1;
        self.bytes += letter.body.len();
        let line = letter.line();
        let queue = self.lines.entry(line.clone()).or_default();
        queue.letters.push_back(letter);
        if queue.letters.len() == 1 {
            self.ready.push_back(line);
        }
    }

    /// A line's first letter is no longer its business; the next one has its turn.
    fn finish_first(&mut self, line: &Line) -> Option<Arc<Letter>> {
        let queue = self.lines.get_mut(line)?;
        let letter = queue.letters.pop_front()?;
        queue.failed = 0;
        if queue.letters.is_empty() {
            self.lines.remove(line);
        } else {
            self.ready.push_back(line.clone());
        }
        self.letters -= 1;
        self.bytes -= letter.body.len();
        Some(letter)
    }

    fn bury(&mut self, died: SystemTime, letter: Arc<Letter>, attempts: u32, reason: String) {
        self.counts.died += 1;
        if self.dead.len() >= self.bounds.dead {
            self.dead.pop_front();
            self.counts.forgotten += 1;
        }
        self.last_number += 1;
        self.dead.push_back(DeadLetter {
            number: self.last_number,
            letter,
            attempts,
            reason,
            died,
        });
    }
}

impl Bounds {
    /// Between half and the whole of what is due, so that receivers that come back are not met by everybody at once; never
    /// less than the receiver asked for.
    fn pause(&self, failed: u32, asked: Option<Duration>, random: u32) -> Duration {
        let doubled = self
            .first_pause
            .saturating_mul(1_u32.checked_shl(failed - 1).unwrap_or(u32::MAX));
        let due = doubled.min(self.longest_pause);
        let share = f64::from(random) / f64::from(u32::MAX);
        let pause = due.mul_f64(0.5 + share / 2.0);
        asked.map_or(pause, |asked| pause.max(asked.min(self.longest_pause)))
    }
}

#[cfg(test)]
mod tests;
