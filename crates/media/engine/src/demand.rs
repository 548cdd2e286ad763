//! Which encodings of a producer anybody would take, so that its sender need not make the others.
//!
//! A receiver that could use an encoding asks for all below it, too: those are where it goes when its path narrows.

use std::time::{Duration, Instant};

use plenum_params::{event::Event, media::MediaKind};

use crate::{consumer::Consumer, engine::Engine};

/// How long an encoding must be unwanted before its sender is told. Starting an encoder again costs a round trip and a
/// key frame, which a viewer who only looked at another tab for a moment shall not cause; `LiveKit`'s dynacast waits as
/// long.
const OFF_DELAY: Duration = Duration::from_secs(5);

/// A set of encodings, bit 0 for the lowest.
type Encodings = u8;

/// What the sender of a producer was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    told: Encodings,
    /// Since when less is wanted than was told.
    lower_since: Option<Instant>,
}

impl Default for Demand {
    /// Senders begin with everything.
    fn default() -> Self {
        Self {
            told: Encodings::MAX,
            lower_since: None,
        }
    }
}

impl Demand {
    /// Somebody wants these; `true` when the sender must be told.
    fn raise(&mut self, wanted: Encodings) -> bool {
        let missing = wanted & !self.told != 0;
        self.told |= wanted;
        missing
    }

    /// All that anybody wants now; `true` when the sender must be told.
    fn settle(&mut self, now: Instant, wanted: Encodings) -> bool {
        if wanted == self.told {
            self.lower_since = None;
            return false;
        }
        if wanted & !self.told != 0 {
            return self.raise(wanted);
        }
        let since = *self.lower_since.get_or_insert(now);
        if now.saturating_duration_since(since) < OFF_DELAY {
            return false;
        }
        self.told = wanted;
        self.lower_since = None;
        true
    }
}

impl Engine {
    /// A consumer appeared or wants more than before.
    pub(crate) fn raise_demand(&mut self, consumer_key: usize) {
        let Some(consumer) = self.consumers.get(consumer_key) else {
            return;
        };
        let key = consumer.producer;
        let Some(producer) = self.producers.get_mut(key) else {
            return;
        };
        if producer
            .demand
            .raise(wanted_by(consumer, producer.streams.len()))
        {
            self.tell_demand(key);
        }
    }

    /// Looks once a second whether something is not wanted any more.
    pub(crate) fn settle_demand(&mut self, now: Instant, key: usize) {
        let Some(producer) = self.producers.get_mut(key) else {
            return;
        };
        let count = producer.streams.len();
        let all = all_of(count);
        let consumers = producer
            .consumers
            .iter()
            .filter_map(|&key| self.consumers.get(key));
        let wanted = consumers.fold(0, |wanted, consumer| wanted | wanted_by(consumer, count));
        producer.demand.told &= all;
        if producer.demand.settle(now, wanted) {
            self.tell_demand(key);
        }
    }

    fn tell_demand(&mut self, key: usize) {
        let Some(producer) = self.producers.get(key) else {
            return;
        };
        let told = producer.demand.told;
        let encodings = (0..producer.streams.len()).map(|index| told >> index & 1 == 1);
        let event = Event::ProducerDemand {
            producer: producer.id,
            encodings: encodings.collect(),
        };
        self.events.push_back(event);
    }
}

/// The encodings that a consumer could use, out of `count`.
fn wanted_by(consumer: &Consumer, count: usize) -> Encodings {
    if consumer.paused {
        return 0;
    }
    if let Some(stream) = consumer.pinned() {
        return 1 << stream;
    }
    match consumer.preferred {
        Some(layers) if consumer.parameters.kind == MediaKind::Video => {
            all_of(count.min(usize::from(layers.spatial) + 1))
        }
        _ => all_of(count),
    }
}

/// The lowest `count` encodings; a producer has at least one and at most four.
fn all_of(count: usize) -> Encodings {
    Encodings::MAX >> (Encodings::BITS as usize).saturating_sub(count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn more_is_told_at_once_and_less_after_a_while() {
        let start = Instant::now();
        let mut demand = Demand {
            told: 0b111,
            lower_since: None,
        };
        assert!(!demand.settle(start, 0b111));
        assert!(!demand.settle(start + SECOND, 0b001), "not yet");
        assert!(!demand.settle(start + 3 * SECOND, 0b001));
        assert!(!demand.raise(0b011), "the sender was not told to stop yet");
        assert!(demand.settle(start + 6 * SECOND, 0b001));
        assert_eq!(demand.told, 0b001);
        assert!(demand.raise(0b011));
        assert!(!demand.raise(0b011), "told once");
        assert_eq!(demand.told, 0b011);
    }

    #[test]
    fn who_comes_back_in_time_costs_nothing() {
        let start = Instant::now();
        let mut demand = Demand {
            told: 0b111,
            lower_since: None,
        };
        assert!(!demand.settle(start, 0));
        assert!(!demand.settle(start + 4 * SECOND, 0b111));
        assert!(!demand.settle(start + 6 * SECOND, 0), "counts from anew");
        assert!(demand.settle(start + 11 * SECOND, 0));
    }

    #[test]
    fn sets_have_as_many_encodings_as_asked_for() {
        assert_eq!([1, 2, 3, 4].map(all_of), [0b1, 0b11, 0b111, 0b1111]);
        assert_eq!(all_of(0), 1);
    }
}
