//! Who joins when, where, by which protocol, what it sends, and when it leaves: decided before the run begins.
//!
//! A pure function of parts, length and seed. Newcomers come at the times that the plan says, whatever became of those
//! before them (an open loop): a server that is slow does not make its own load lighter, and what a peer waited because
//! of others counts as its own.

use std::{sync::Arc, time::Duration};

use crate::scenario::{Dialect, Kind, Part};

/// A whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Everybody, in the order in which they come.
    pub peers: Vec<Planned>,
    /// When everything ends, from the beginning on.
    pub ends: Duration,
    /// Rooms in which somebody is.
    pub rooms: u32,
}

/// What one peer is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Unique in the run.
    pub number: u32,
    /// Where it goes.
    pub room: Arc<str>,
    /// Which of the run's addresses it begins with.
    pub door: usize,
    /// When it joins, from the beginning of the run on.
    pub joins: Duration,
    /// When it leaves.
    pub leaves: Duration,
    /// How it joins.
    pub dialect: Dialect,
    /// What it sends.
    pub sends: Sends,
    /// Whether its join is among those that are measured.
    pub is_measured: bool,
    /// How many others send something that it can receive once everybody who stays is there.
    pub senders: u32,
}

/// What a peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sends {
    /// Sound.
    Audio,
    /// Sound and pictures.
    Both,
    /// Nothing.
    Nothing,
}

/// What a plan is made of, besides the parts.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// How long the run is at most; what the parts need without it.
    pub duration: Option<Duration>,
    /// What the names of rooms begin with.
    pub room: String,
    /// Addresses that peers are spread over.
    pub doors: usize,
    /// Another one, another order of everything that is left to chance.
    pub seed: u64,
}

impl Plan {
    /// Of these parts, all at once.
    pub fn new(parts: &[Part], options: &PlanOptions) -> Self {
        let needed = parts.iter().map(needs).max().unwrap_or_default();
        let ends = options.duration.unwrap_or(needed);
        let mut builder = Builder {
            random: Random(options.seed),
            doors: options.doors.max(1),
            ends,
            peers: Vec::new(),
            rooms: 0,
        };
        let rooms: u32 = parts.iter().map(|part| part.rooms).sum();
        for part in parts {
            let names: Vec<Arc<str>> = (0..part.rooms)
                .map(|_| {
                    builder.rooms += 1;
                    // A token that holds for one room, or people who look in, want the name that was said.
                    if rooms == 1 {
                        options.room.as_str().into()
                    } else {
                        format!("{}-{}", options.room, builder.rooms).into()
                    }
                })
                .collect();
            builder.residents(part, &names);
            builder.newcomers(part, &names);
        }
        let mut peers = builder.peers;
        peers.retain(|peer| peer.joins < ends);
        peers.sort_by_key(|peer| peer.joins);
        for (number, peer) in (0..).zip(&mut peers) {
            peer.number = number;
            peer.leaves = peer.leaves.min(ends);
        }
        Self { peers, ends, rooms }
    }

    /// How many are there at the same time, at most.
    pub fn at_once(&self) -> usize {
        let mut steps: Vec<(Duration, bool)> = Vec::with_capacity(2 * self.peers.len());
        for peer in &self.peers {
            steps.push((peer.joins, true));
            steps.push((peer.leaves, false));
        }
        // Who leaves makes room for who comes at the same moment.
        steps.sort_unstable();
        let mut now = 0_usize;
        let mut most = 0;
        for (_, comes) in steps {
            if comes {
                now += 1;
                most = most.max(now);
            } else {
                now = now.saturating_sub(1);
            }
        }
        most
    }
}

/// Without anybody's wish: long enough for a picture of a steady state.
const DEFAULT_DURATION: Duration = Duration::from_secs(30);

/// Between who stays and who comes: key frames have gone round, estimates of bandwidth have settled a little.
const SETTLE: Duration = Duration::from_secs(2);

/// Between two rounds of a storm: a server has cleared away what was.
const BETWEEN: Duration = Duration::from_secs(1);

fn needs(part: &Part) -> Duration {
    match part.scenario {
        Kind::JoinStorm => begin_of_round(part, part.rounds),
        _ => part.ramp + DEFAULT_DURATION,
    }
}

/// When a round of a storm begins, from 0.
fn begin_of_round(part: &Part, round: u32) -> Duration {
    part.ramp + SETTLE + (spread(part) + part.stay + BETWEEN) * round
}

/// From the first newcomer of a round to the last.
fn spread(part: &Part) -> Duration {
    let newcomers = f64::from(part.joins) * f64::from(part.rooms);
    part.rate.map_or(Duration::ZERO, |rate| {
        Duration::from_secs_f64(newcomers / rate)
    })
}

struct Builder {
    random: Random,
    doors: usize,
    ends: Duration,
    peers: Vec<Planned>,
    rooms: u32,
}

impl Builder {
    fn residents(&mut self, part: &Part, rooms: &[Arc<str>]) {
        let total = part.residents();
        let step = part.ramp.as_secs_f64() / total.max(1) as f64;
        let mut number = 0_u64;
        // Room by room within each place of the row, so that rooms fill side by side, and senders come first.
        for place in 0..part.peers {
            for room in rooms {
                let within = self.random.share();
                let joins = Duration::from_secs_f64(step * (number as f64 + within));
                let is_publisher = place < part.publishers;
                let others = part.publishers - u32::from(is_publisher);
                self.add(Planned {
                    sends: sends(part, is_publisher),
                    senders: others,
                    is_measured: !part.scenario.is_about_newcomers(),
                    ..self.somebody(part, room, joins, self.ends)
                });
                number += 1;
            }
        }
    }

    fn newcomers(&mut self, part: &Part, rooms: &[Arc<str>]) {
        match (part.scenario, part.rate) {
            (Kind::JoinStorm, rate) => {
                for round in 0..part.rounds {
                    self.round(part, rooms, rate, round);
                }
            }
            (Kind::Churn, Some(rate)) => self.stream(part, rooms, rate),
            _ => {}
        }
    }

    fn round(&mut self, part: &Part, rooms: &[Arc<str>], rate: Option<f64>, round: u32) {
        let begins = begin_of_round(part, round);
        let leaves = begins + spread(part) + part.stay;
        let mut number = 0_u32;
        for _ in 0..part.joins {
            for room in rooms {
                let after =
                    rate.map_or(0.0, |rate| (f64::from(number) + self.random.share()) / rate);
                let joins = begins + Duration::from_secs_f64(after);
                self.newcomer(part, room, joins, leaves);
                number += 1;
            }
        }
    }

    /// As many a second as said, from when those who stay are there until the end.
    fn stream(&mut self, part: &Part, rooms: &[Arc<str>], rate: f64) {
        let begins = part.ramp + SETTLE.min(self.ends / 4);
        let span = self.ends.saturating_sub(begins).as_secs_f64();
        let count = (span * rate).min(crate::scenario::MAX_PEERS as f64) as u64;
        for number in 0..count {
            let after = (number as f64 + self.random.share()) / rate;
            let joins = begins + Duration::from_secs_f64(after);
            if let Some(room) = rooms.get(number as usize % rooms.len().max(1)) {
                self.newcomer(part, room, joins, joins + part.stay);
            }
        }
    }

    fn newcomer(&mut self, part: &Part, room: &Arc<str>, joins: Duration, leaves: Duration) {
        let peer = Planned {
            sends: Sends::Nothing,
            senders: part.publishers,
            is_measured: true,
            ..self.somebody(part, room, joins, leaves)
        };
        self.add(peer);
    }

    fn somebody(&self, part: &Part, room: &Arc<str>, joins: Duration, leaves: Duration) -> Planned {
        Planned {
            number: 0,
            room: Arc::clone(room),
            // By turns: as many at each address as at any other.
            door: self.peers.len() % self.doors,
            joins,
            leaves,
            dialect: part.dialect,
            sends: Sends::Nothing,
            is_measured: false,
            senders: 0,
        }
    }

    fn add(&mut self, peer: Planned) {
        self.peers.push(peer);
    }
}

impl Kind {
    const fn is_about_newcomers(self) -> bool {
        matches!(self, Self::Churn | Self::JoinStorm)
    }
}

const fn sends(part: &Part, is_publisher: bool) -> Sends {
    match (is_publisher, part.video) {
        (false, _) => Sends::Nothing,
        (true, false) => Sends::Audio,
        (true, true) => Sends::Both,
    }
}

/// `SplitMix64`: the same everywhere and for ever, for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to just below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
