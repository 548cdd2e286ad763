//! Observers: who is loud in a router, and who speaks.
//!
//! What arrives is counted once for each producer that anybody watches ([`Levels`]): a few integer operations per audio
//! packet, however many observers there are. An observer looks at these counts when its interval is over.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use plenum_ids::{ProducerId, RouterId, RtpObserverId};
use plenum_params::{event::Event, observer::AudioLevelOptions};
use slab::Slab;

use crate::{engine::Engine, producer::Producer, timers::Timers};

mod levels;
mod loudest;
mod speaker;

pub(crate) use levels::Levels;
use loudest::Loudest;
use speaker::DominantSpeaker;

/// All observers of an engine.
#[derive(Debug, Default)]
pub(crate) struct Observers {
    pub(crate) keys: HashMap<RtpObserverId, usize>,
    pub(crate) list: Slab<Observer>,
    /// When each looks next.
    pub(crate) timers: Timers,
}

/// One observer.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) id: RtpObserverId,
    pub(crate) router: RouterId,
    pub(crate) interval: Duration,
    pub(crate) paused: bool,
    pub(crate) members: Vec<Member>,
    kind: Kind,
}

/// A producer that an observer watches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) producer: usize,
    /// What its levels came to when the interval began.
    began: levels::Sum,
}

#[derive(Debug)]
enum Kind {
    Loudest(Loudest),
    Speaker(Box<DominantSpeaker>),
}

impl Observer {
    pub(crate) fn of_levels(
        id: RtpObserverId,
        router: RouterId,
        options: AudioLevelOptions,
    ) -> Self {
        let kind = Kind::Loudest(Loudest::new(options));
        let interval = Duration::from_millis(options.interval_ms.into());
        Self::new(id, router, interval, kind)
    }

    pub(crate) fn of_speakers(id: RtpObserverId, router: RouterId, interval: Duration) -> Self {
        let kind = Kind::Speaker(Box::default());
        Self::new(id, router, interval, kind)
    }

    fn new(id: RtpObserverId, router: RouterId, interval: Duration, kind: Kind) -> Self {
        Self {
            id,
            router,
            interval,
            paused: false,
            members: Vec::new(),
            kind,
        }
    }

    /// Whether there is anything to look at.
    pub(crate) fn is_awake(&self) -> bool {
        !self.paused && !self.members.is_empty()
    }

    /// Watches a producer from now on.
    pub(crate) fn add(&mut self, key: usize, levels: &Levels) {
        self.members.push(Member {
            producer: key,
            began: levels.sum(),
        });
    }

    /// Watches a producer no longer; `false` when it did not.
    pub(crate) fn remove(&mut self, key: usize) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.producer != key);
        self.members.len() < before
    }

    /// Forgets what came before `now`. Gives what is to be told: who was heard is not any more.
    pub(crate) fn begin_anew(&mut self, producers: &Slab<Producer>) -> Option<Event> {
        for member in &mut self.members {
            let levels = producers.get(member.producer);
            if let Some(levels) = levels.and_then(|producer| producer.levels.as_deref()) {
                member.began = levels.sum();
            }
        }
        match &mut self.kind {
            Kind::Loudest(loudest) => loudest.fall_silent(self.id),
            Kind::Speaker(_) => None,
        }
    }

    /// Looks at what came in the interval that is over.
    fn look(&mut self, now: Instant, producers: &mut Slab<Producer>) -> Option<Event> {
        match &mut self.kind {
            Kind::Loudest(loudest) => loudest.look(self.id, &mut self.members, producers),
            Kind::Speaker(speaker) => speaker.look(now, self.id, &self.members, producers),
        }
    }
}

impl Engine {
    /// Lets observers look whose interval is over.
    pub(crate) fn handle_observers_timeout(&mut self, now: Instant) {
        while let Some(key) = self.observers.timers.pop_due(now) {
            let Some(observer) = self.observers.list.get_mut(key) else {
                continue;
            };
            // Also when the last one has gone: who was heard is not any more.
            self.events.extend(observer.look(now, &mut self.producers));
            if observer.is_awake() {
                let next = now + observer.interval;
                self.observers.timers.schedule(key, next);
            }
        }
    }

    /// A producer is gone: nobody watches it, and nothing is said of it.
    pub(crate) fn forget_observed(&mut self, key: usize, producer: &Producer) {
        let Some(levels) = &producer.levels else {
            return;
        };
        for &observer in &levels.observers {
            if let Some(observer) = self.observers.list.get_mut(observer) {
                observer.remove(key);
            }
        }
        let id: ProducerId = producer.id;
        self.events.retain_mut(|event| match event {
            Event::DominantSpeaker { producer, .. } => *producer != id,
            Event::Volumes { volumes, .. } => {
                volumes.retain(|(producer, _)| *producer != id);
                !volumes.is_empty()
            }
            _ => true,
        });
    }
}
