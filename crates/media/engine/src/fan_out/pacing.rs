//! What happens to the packets of one transport when its budget does not cover them.

use std::time::Instant;

use slab::Slab;

use super::probation::{self, Source};
use crate::{consumer::Consumer, engine::Engine, pacer::Item, producer::Producer};

impl Engine {
    /// Makes what was collected wait, and takes out of everything that waits what may leave now.
    pub(super) fn pace(&mut self, now: Instant, key: usize, overhead: usize) {
        let fan_out = &mut self.fan_out;
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let pacer = &mut transport.pacer;
        for item in fan_out.items.drain(..).chain(fan_out.repetitions.drain(..)) {
            pacer.push(now, item);
        }
        fan_out.clear_items();
        let mut extra = transport.congestion.probing.wanted(now);
        let has_room = transport.congestion.has_room(now);
        while let Some(item) = pacer.pop(now, extra, has_room) {
            if is_there(&self.consumers, &self.producers, &item) {
                extra = extra.saturating_sub(item.size.into());
                let waited = pacer.waited(now);
                if !waited.is_zero() {
                    self.counters.paced.add(waited, 1);
                }
                fan_out.push(item);
            }
        }
        if extra > 0 {
            let source = Source::find(now, transport, &self.consumers, &self.producers);
            if let Some(source) = source {
                probation::fill(now, fan_out, transport, &source, overhead, extra);
            } else {
                transport.congestion.probing.abandon();
            }
        }
        let pacer = &mut transport.pacer;
        if pacer.overflowing(now) {
            pacer.waiting_video(&mut fan_out.waiting_video);
            // Whoever fills the queue pays for it; the others' pictures stay whole.
            let largest = fan_out.waiting_video.iter().max_by_key(|(_, bytes)| *bytes);
            if let Some(&(consumer_key, _)) = largest {
                pacer.cut_off(consumer_key);
                if let Some(consumer) = self.consumers.get_mut(consumer_key as usize) {
                    consumer.resync();
                }
            }
        }
        let dues = [
            pacer.next_release(now),
            transport.congestion.probing.poll_timeout(),
        ];
        if let Some(due) = dues.into_iter().flatten().min() {
            self.timers.schedule(key, due);
        }
        self.resume_cut_off(now, key);
    }

    /// Asks for key frames for the consumers that may go on, now that little waits.
    fn resume_cut_off(&mut self, now: Instant, key: usize) {
        while let Some(consumer) = self
            .transports
            .get_mut(key)
            .and_then(|transport| transport.pacer.resumed(now))
        {
            self.request_key_frame_for(now, consumer);
        }
    }
}

/// Whether a packet that has waited can still be written: its consumer goes on, and its bytes were not overwritten.
fn is_there(consumers: &Slab<Consumer>, producers: &Slab<Producer>, item: &Item) -> bool {
    let Some(consumer) = consumers.get(item.consumer as usize) else {
        return false;
    };
    let Some(producer) = producers.get(consumer.producer) else {
        return false;
    };
    let stream = producer.streams.get(usize::from(item.stream));
    !consumer.paused
        && consumer.epoch(item.out).is_some()
        && consumer.choice(item.out).is_ok()
        && stream.is_some_and(|stream| stream.packet(item.sequence).is_some())
}
