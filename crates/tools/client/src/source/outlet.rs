//! What a source writes its packets into.

use std::time::{Duration, Instant};

use super::several;
use crate::peer::Packet;

/// Takes the packets of one frame.
pub struct Outlet<'a> {
    demand: &'a mut [Demand],
    take: &'a mut dyn FnMut(&Packet<'_>),
    now: Instant,
    elapsed: Duration,
}

/// What is known about who watches an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "all that there is to know")]
pub struct Demand {
    /// Somebody has asked for a key frame since the last one.
    pub key_frame: bool,
    /// Somebody watches it at all.
    pub at_all: bool,
}

impl<'a> Outlet<'a> {
    /// An outlet whose packets are given to `take`: what a media thread makes, and a test of an own source.
    pub fn new(
        demand: &'a mut [Demand],
        now: Instant,
        elapsed: Duration,
        take: &'a mut dyn FnMut(&Packet<'_>),
    ) -> Self {
        Self {
            demand,
            take,
            now,
            elapsed,
        }
    }

    /// What time it is.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Time since the stream began.
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Whether a key frame of this encoding is asked for. The request is done with when a packet of one is written.
    pub fn wants_key_frame(&self, encoding: usize) -> bool {
        self.demand
            .get(encoding)
            .is_some_and(|demand| demand.key_frame)
    }

    /// Whether anybody watches this encoding. What nobody watches need not be written.
    pub fn is_wanted(&self, encoding: usize) -> bool {
        self.demand
            .get(encoding)
            .is_some_and(|demand| demand.at_all)
    }

    /// Lets a source that knows of one encoding alone write this one. What nobody watches goes nowhere.
    pub(super) fn of_encoding(&mut self, encoding: usize, write: impl FnOnce(&mut Outlet<'_>)) {
        let mut unwatched = [several::UNWATCHED];
        let demand = self.demand.get_mut(encoding..=encoding);
        let demand = demand.filter(|demand| demand.iter().any(|it| it.at_all));
        let is_watched = demand.is_some();
        let all = &mut *self.take;
        let mut take = |packet: &Packet<'_>| {
            if is_watched {
                all(&several::of(packet, encoding));
            }
        };
        write(&mut Outlet {
            demand: demand.unwrap_or(&mut unwatched),
            take: &mut take,
            now: self.now,
            elapsed: self.elapsed,
        });
    }

    /// Sends a packet. One that is too long for a datagram is left out.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        if packet.is_key
            && let Some(demand) = self.demand.get_mut(packet.encoding)
        {
            demand.key_frame = false;
        }
        (self.take)(packet);
    }
}
