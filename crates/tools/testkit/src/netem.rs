//! One direction of a bad network as a state machine: loss, delay, jitter, reordering, duplication and a bottleneck with
//! a queue, whose rate may change and which others may use. The same seed and the same input give the same output.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use crate::rng::Rng;

mod cross;
mod link;

use link::LinkState;

pub use cross::{CrossFlow, CrossKind};
pub use link::{Capacity, ChannelAccess, Link, Passage};

/// Bytes of IPv4 and UDP headers, which a bottleneck carries, too.
const IP_UDP_OVERHEAD: usize = 28;

/// Properties of one direction. The default is a perfect network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetemConfig {
    /// Which datagrams get lost.
    pub loss: Loss,
    /// What every datagram takes.
    pub delay: Duration,
    /// What a datagram takes in addition, evenly distributed from zero. Order is kept.
    pub jitter: Duration,
    /// Probability that a datagram is overtaken by those behind it.
    pub reorder: f64,
    /// How much later an overtaken datagram arrives.
    pub reorder_delay: Duration,
    /// Probability that a datagram arrives twice.
    pub duplicate: f64,
    /// The narrowest link on the way.
    pub bottleneck: Option<Bottleneck>,
}

/// Which datagrams get lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Loss in bursts (Gilbert–Elliott): a good and a bad state, each with its own loss, changing before each datagram.
    Burst {
        /// Probability of changing from good to bad.
        to_bad: f64,
        /// Probability of changing from bad to good; its inverse is the mean length of a bad period.
        to_good: f64,
        /// Loss in the good state.
        good: f64,
        /// Loss in the bad state.
        bad: f64,
    },
    /// None.
    #[default]
    None,
    /// Each one with this probability.
    Random(f64),
}

/// A link of limited rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bottleneck {
    /// Bits per second, IP and UDP headers included.
    pub bits_per_second: u32,
    /// A datagram that would wait longer than this is dropped.
    pub max_queue: Duration,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetemCounters {
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that arrived, twice counted when they arrived twice.
    pub delivered: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Dropped by the full queue of the bottleneck.
    pub dropped: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Overtaken.
    pub reordered: u64,
}

/// One direction of a network. `A` says where a datagram comes from or goes to.
#[derive(Debug)]
pub struct Netem<A> {
    config: NetemConfig,
    rng: Rng,
    is_bad: bool,
    /// When the bottleneck has sent everything that is queued.
    bottleneck_free: Option<Instant>,
    /// When the last datagram that keeps its order arrives.
    last_arrival: Option<Instant>,
    /// In place of the configuration's bottleneck.
    link: Option<LinkState>,
    /// What became of every datagram, when somebody wants to know.
    pub passages: Option<Vec<Passage>>,
    in_flight: BinaryHeap<Reverse<InFlight<A>>>,
    pushed: u64,
    counters: NetemCounters,
}

impl<A: Clone> Netem<A> {
    /// A network with these properties.
    pub fn new(config: NetemConfig, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            is_bad: false,
            bottleneck_free: None,
            last_arrival: None,
            link: None,
            passages: None,
            in_flight: BinaryHeap::new(),
            pushed: 0,
            counters: NetemCounters::default(),
        }
    }

    /// Changes the properties; what is on its way is not affected.
    pub fn configure(&mut self, config: NetemConfig) {
        self.config = config;
    }

    /// Sends through this link from now on, in place of the configuration's bottleneck.
    pub fn set_link(&mut self, now: Instant, link: Link) {
        let rng = Rng::new(self.rng.next_u64());
        self.link = Some(LinkState::new(link, now, rng));
    }

    /// How long a datagram would wait for those in front of it that came now; zero without a link.
    pub fn queue_delay(&mut self, now: Instant) -> Duration {
        let link = self.link.as_mut();
        link.map_or(Duration::ZERO, |link| link.queue_delay(now))
    }

    /// Bytes of others that the link has taken.
    pub fn others_bytes(&self) -> u64 {
        self.link.as_ref().map_or(0, LinkState::others_bytes)
    }

    /// Sends a datagram.
    pub fn handle_packet(&mut self, now: Instant, data: Vec<u8>, address: A) {
        self.counters.sent += 1;
        if self.is_lost() {
            self.counters.lost += 1;
            self.note(now, data.len(), None);
            return;
        }
        let passage = self.departure(now, data.len());
        self.note(now, data.len(), passage.map(|(wait, _)| wait));
        let Some((_, departure)) = passage else {
            self.counters.dropped += 1;
            return;
        };
        let mut arrival =
            departure + self.config.delay + self.rng.duration_up_to(self.config.jitter);
        if self.rng.chance(self.config.reorder) {
            self.counters.reordered += 1;
            arrival += self.config.reorder_delay;
        } else {
            arrival = self.last_arrival.map_or(arrival, |last| arrival.max(last));
            self.last_arrival = Some(arrival);
        }
        if self.rng.chance(self.config.duplicate) {
            self.counters.duplicated += 1;
            self.push(arrival, data.clone(), address.clone());
        }
        self.push(arrival, data, address);
    }

    /// The next datagram that has arrived.
    pub fn poll(&mut self, now: Instant) -> Option<(A, Vec<u8>)> {
        if self.in_flight.peek()?.0.arrival > now {
            return None;
        }
        let Reverse(datagram) = self.in_flight.pop()?;
        self.counters.delivered += 1;
        Some((datagram.address, datagram.data))
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight
            .peek()
            .map(|Reverse(datagram)| datagram.arrival)
    }

    /// What has happened so far.
    pub const fn counters(&self) -> NetemCounters {
        self.counters
    }

    fn is_lost(&mut self) -> bool {
        match self.config.loss {
            Loss::Burst {
                to_bad,
                to_good,
                good,
                bad,
            } => {
                let change = if self.is_bad { to_good } else { to_bad };
                self.is_bad ^= self.rng.chance(change);
                self.rng.chance(if self.is_bad { bad } else { good })
            }
            Loss::None => false,
            Loss::Random(probability) => self.rng.chance(probability),
        }
    }

    /// How long the datagram waits and when the bottleneck has sent it; `None` when its queue is full.
    fn departure(&mut self, now: Instant, len: usize) -> Option<(Duration, Instant)> {
        if let Some(link) = &mut self.link {
            return link.push(now, len + IP_UDP_OVERHEAD);
        }
        let Some(bottleneck) = self.config.bottleneck else {
            return Some((Duration::ZERO, now));
        };
        let start = self.bottleneck_free.map_or(now, |free| free.max(now));
        if start - now > bottleneck.max_queue {
            return None;
        }
        let bits = (len + IP_UDP_OVERHEAD) as u64 * 8;
        let end = start
            + Duration::from_nanos(
                bits * 1_000_000_000 / u64::from(bottleneck.bits_per_second.max(1)),
            );
        self.bottleneck_free = Some(end);
        Some((start - now, end))
    }

    fn note(&mut self, at: Instant, len: usize, wait: Option<Duration>) {
        if let Some(passages) = &mut self.passages {
            let len = len + IP_UDP_OVERHEAD;
            passages.push(Passage { at, len, wait });
        }
    }

    fn push(&mut self, arrival: Instant, data: Vec<u8>, address: A) {
        let order = self.pushed;
        self.pushed += 1;
        self.in_flight.push(Reverse(InFlight {
            arrival,
            order,
            data,
            address,
        }));
    }
}

#[derive(Debug)]
struct InFlight<A> {
    arrival: Instant,
    /// Keeps the order of datagrams that arrive at once.
    order: u64,
    data: Vec<u8>,
    address: A,
}

impl<A> PartialEq for InFlight<A> {
    fn eq(&self, other: &Self) -> bool {
        (self.arrival, self.order) == (other.arrival, other.order)
    }
}

impl<A> Eq for InFlight<A> {}

impl<A> PartialOrd for InFlight<A> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<A> Ord for InFlight<A> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrival, self.order).cmp(&(other.arrival, other.order))
    }
}

#[cfg(test)]
mod tests;
