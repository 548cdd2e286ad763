//! A bottleneck: a queue in front of a line whose rate changes, random loss, and a radio that holds packets back.

use crate::random::Random;

/// All times are microseconds.
pub(crate) type Micros = u64;

#[derive(Clone, Debug)]
pub(crate) struct LinkConfig {
    /// From when on the line has which rate, in bits per second.
    pub(crate) capacity: Vec<(Micros, u64)>,
    /// A packet that would wait longer is dropped.
    pub(crate) longest_queue: Micros,
    pub(crate) propagation: Micros,
    /// Part of packets lost whatever is sent.
    pub(crate) loss: f64,
    /// The radio is silent for up to this long every 50 to 150 ms, then delivers what it held.
    pub(crate) stall: Micros,
    pub(crate) seed: u64,
}

impl LinkConfig {
    pub(crate) fn steady(kbps: u64) -> Self {
        Self {
            capacity: vec![(0, kbps * 1000)],
            longest_queue: 300_000,
            propagation: 25_000,
            loss: 0.0,
            stall: 0,
            seed: 1,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    config: LinkConfig,
    random: Random,
    busy_until: Micros,
    /// Current silence of the radio.
    stall: (Micros, Micros),
    last_arrival: Micros,
}

impl Link {
    pub(crate) fn new(config: LinkConfig) -> Self {
        Self {
            random: Random::new(config.seed),
            config,
            busy_until: 0,
            stall: (0, 0),
            last_arrival: 0,
        }
    }

    pub(crate) fn capacity(&self, now: Micros) -> u64 {
        let steps = self.config.capacity.iter();
        let current = steps.take_while(|(from, _)| *from <= now).last();
        current.expect("a capacity from the beginning").1
    }

    /// How long a packet that comes now waits.
    pub(crate) fn queue(&self, now: Micros) -> Micros {
        self.busy_until.saturating_sub(now)
    }

    /// Carries a packet: when it arrives, `None` if it is lost.
    pub(crate) fn send(&mut self, now: Micros, bytes: usize) -> Option<Micros> {
        if self.queue(now) > self.config.longest_queue {
            return None;
        }
        let start = self.busy_until.max(now);
        self.busy_until = start + bytes as u64 * 8_000_000 / self.capacity(start);
        if self.random.part() < self.config.loss {
            return None;
        }
        let arrival = self.held_back(self.busy_until + self.config.propagation);
        self.last_arrival = self.last_arrival.max(arrival);
        Some(self.last_arrival)
    }

    fn held_back(&mut self, arrival: Micros) -> Micros {
        if self.config.stall == 0 {
            return arrival;
        }
        while self.stall.1 < arrival {
            let from = self.stall.1 + self.random.between(50_000, 150_000);
            let length = self.random.between(0, self.config.stall);
            self.stall = (from, from + length);
            if from > arrival {
                break;
            }
        }
        if arrival >= self.stall.0 {
            arrival.max(self.stall.1)
        } else {
            arrival
        }
    }
}
