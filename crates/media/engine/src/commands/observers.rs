//! Observers of audio.

use std::time::{Duration, Instant};

use plenum_ids::{ProducerId, RouterId, RtpObserverId};
use plenum_params::{
    event::Event,
    media::MediaKind,
    observer::{AudioLevelOptions, LEVEL_INTERVALS},
};

use super::Result;
use crate::{
    engine::Engine,
    error::EngineError,
    observers::{Levels, Observer},
};

/// Observers of one router: a room needs two; more than some is a mistake.
const MAX_OBSERVERS_PER_ROUTER: usize = 16;

/// Shortest and longest time between two decisions about who speaks. Half a medium interval would decide on the same
/// speech twice; mediasoup takes no more than 5 s for any observer.
const SPEAKER_INTERVALS: std::ops::RangeInclusive<u16> = 50..=5000;

impl Engine {
    /// Makes an observer of how loud a router's producers are.
    pub fn create_audio_level_observer(
        &mut self,
        router: RouterId,
        id: RtpObserverId,
        options: AudioLevelOptions,
    ) -> Result<()> {
        if !LEVEL_INTERVALS.contains(&options.interval_ms) {
            return Err(EngineError::Invalid(format!(
                "an audio level observer's interval is {} to {} ms",
                LEVEL_INTERVALS.start(),
                LEVEL_INTERVALS.end()
            )));
        }
        if options.max_entries == 0 || !(-127..=0).contains(&options.threshold) {
            return Err(EngineError::Invalid(
                "an audio level observer needs an entry and a threshold of -127 to 0 dBov".into(),
            ));
        }
        self.insert_observer(Observer::of_levels(id, router, options))
    }

    /// Makes an observer of who speaks in a router.
    pub fn create_active_speaker_observer(
        &mut self,
        router: RouterId,
        id: RtpObserverId,
        interval_ms: u16,
    ) -> Result<()> {
        if !SPEAKER_INTERVALS.contains(&interval_ms) {
            return Err(EngineError::Invalid(format!(
                "an active speaker observer's interval is {} to {} ms",
                SPEAKER_INTERVALS.start(),
                SPEAKER_INTERVALS.end()
            )));
        }
        let interval = Duration::from_millis(interval_ms.into());
        self.insert_observer(Observer::of_speakers(id, router, interval))
    }

    fn insert_observer(&mut self, observer: Observer) -> Result<()> {
        let id = observer.id;
        if self.observers.keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("observer {id}")));
        }
        let Some(router) = self.routers.get_mut(&observer.router) else {
            return Err(EngineError::RouterNotFound(observer.router));
        };
        if router.observers.len() >= MAX_OBSERVERS_PER_ROUTER {
            return Err(EngineError::Limit(format!(
                "more than {MAX_OBSERVERS_PER_ROUTER} observers in a router"
            )));
        }
        let key = self.observers.list.insert(observer);
        self.observers.keys.insert(id, key);
        router.observers.push(key);
        Ok(())
    }

    /// Closes an observer. Closing what is gone is no error.
    pub fn close_observer(&mut self, id: RtpObserverId) {
        let Some(&key) = self.observers.keys.get(&id) else {
            return;
        };
        let observer = self.observers.list.get(key);
        if let Some(router) = observer.and_then(|it| self.routers.get_mut(&it.router)) {
            router.observers.retain(|&other| other != key);
        }
        self.remove_observer(key);
    }

    pub(super) fn remove_observer(&mut self, key: usize) {
        let Some(observer) = self.observers.list.try_remove(key) else {
            return;
        };
        self.observers.keys.remove(&observer.id);
        self.observers.timers.cancel(key);
        for member in &observer.members {
            self.stop_watching(key, member.producer);
        }
        let id = observer.id;
        self.events.retain(|event| {
            !matches!(event, Event::Volumes { observer, .. } | Event::Silence { observer } | Event::DominantSpeaker { observer, .. }
                if *observer == id)
        });
    }

    /// Reports nothing for a while. Who was heard is not any more.
    pub fn pause_observer(&mut self, id: RtpObserverId) -> Result<()> {
        let key = self.observer_key(id)?;
        let observer = &mut self.observers.list[key];
        if !std::mem::replace(&mut observer.paused, true) {
            self.events.extend(observer.begin_anew(&self.producers));
            self.observers.timers.cancel(key);
        }
        Ok(())
    }

    /// Reports again, of what comes from now on.
    pub fn resume_observer(&mut self, now: Instant, id: RtpObserverId) -> Result<()> {
        let key = self.observer_key(id)?;
        let observer = &mut self.observers.list[key];
        if std::mem::replace(&mut observer.paused, false) {
            self.events.extend(observer.begin_anew(&self.producers));
            self.wake_observer(now, key);
        }
        Ok(())
    }

    /// Watches a producer. Watching it twice is no error.
    pub fn observe_producer(
        &mut self,
        now: Instant,
        id: RtpObserverId,
        producer_id: ProducerId,
    ) -> Result<()> {
        let key = self.observer_key(id)?;
        let producer_key = self.producer_key(producer_id)?;
        let observer = &mut self.observers.list[key];
        let producer = &mut self.producers[producer_key];
        if producer.router != observer.router {
            return Err(EngineError::Invalid(format!(
                "producer {producer_id} is not in the observer's router"
            )));
        }
        if producer.parameters.kind != MediaKind::Audio {
            return Err(EngineError::Invalid(format!(
                "producer {producer_id} is no audio"
            )));
        }
        let levels = producer
            .levels
            .get_or_insert_with(|| Box::new(Levels::new(now)));
        if levels.observers.contains(&key) {
            return Ok(());
        }
        levels.observers.push(key);
        observer.add(producer_key, levels);
        if observer.members.len() == 1 {
            self.wake_observer(now, key);
        }
        Ok(())
    }

    /// Watches a producer no longer. If it was not watched, that is no error.
    pub fn unobserve_producer(&mut self, id: RtpObserverId, producer: ProducerId) -> Result<()> {
        let key = self.observer_key(id)?;
        let producer = self.producer_key(producer)?;
        if self.observers.list[key].remove(producer) {
            self.stop_watching(key, producer);
        }
        Ok(())
    }

    /// An observer does not watch a producer any more: nobody counts for nobody.
    fn stop_watching(&mut self, observer: usize, producer: usize) {
        let Some(producer) = self.producers.get_mut(producer) else {
            return;
        };
        if let Some(levels) = &mut producer.levels {
            levels.observers.retain(|&other| other != observer);
            if levels.observers.is_empty() {
                producer.levels = None;
            }
        }
    }

    fn wake_observer(&mut self, now: Instant, key: usize) {
        let observer = &self.observers.list[key];
        if observer.is_awake() {
            self.observers.timers.schedule(key, now + observer.interval);
        }
    }

    fn observer_key(&self, id: RtpObserverId) -> Result<usize> {
        let key = self.observers.keys.get(&id).copied();
        key.ok_or(EngineError::ObserverNotFound(id))
    }
}
