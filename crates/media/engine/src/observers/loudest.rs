//! Who was loud in the last interval.

use std::cmp::Reverse;

use plenum_ids::{ProducerId, RtpObserverId};
use plenum_params::{event::Event, observer::AudioLevelOptions};
use slab::Slab;

use super::Member;
use crate::producer::Producer;

/// Packets that an interval must have to say something, as in mediasoup: 200 ms of them.
const MIN_PACKETS: u64 = 10;

/// What an audio level observer remembers.
#[derive(Debug)]
pub(super) struct Loudest {
    options: AudioLevelOptions,
    /// Somebody was heard in the interval before.
    is_heard: bool,
}

impl Loudest {
    pub(super) fn new(options: AudioLevelOptions) -> Self {
        Self {
            options,
            is_heard: false,
        }
    }

    /// The averages of the interval that is over; the next begins.
    pub(super) fn look(
        &mut self,
        observer: RtpObserverId,
        members: &mut [Member],
        producers: &Slab<Producer>,
    ) -> Option<Event> {
        let mut volumes = Vec::new();
        for member in members {
            let Some(producer) = producers.get(member.producer) else {
                continue;
            };
            let Some(levels) = &producer.levels else {
                continue;
            };
            let (began, ended) = (member.began, levels.sum());
            member.began = ended;
            let packets = ended.packets - began.packets;
            if packets < MIN_PACKETS || producer.paused {
                continue;
            }
            // At most 127, rounded.
            let below = (ended.below - began.below + packets / 2) / packets;
            let average = -(below as i8);
            if average >= self.options.threshold {
                volumes.push((producer.id, average));
            }
        }
        if volumes.is_empty() {
            return self.fall_silent(observer);
        }
        self.is_heard = true;
        volumes.sort_unstable_by_key(|&(producer, average): &(ProducerId, i8)| {
            (Reverse(average), producer)
        });
        volumes.truncate(self.options.max_entries.into());
        Some(Event::Volumes { observer, volumes })
    }

    /// Nobody is heard; what is to be said of it, once.
    pub(super) fn fall_silent(&mut self, observer: RtpObserverId) -> Option<Event> {
        std::mem::take(&mut self.is_heard).then_some(Event::Silence { observer })
    }
}
