//! What happens to the packets of one transport when its budget does not cover them.

use std::time::Instant;

use slab::Slab;

use super::probation::{self, Source};
use crate::{
    consumer::Consumer,
    engine::Engine,
    pacer::{Item, ItemKind, MAX_AUDIO_AGE, MAX_VIDEO_AGE, Pacer},
    producer::Producer,
    transport::Transport,
};

/// A queue that is longer is no key frame any more: half of what may wait.
const MAX_KEY_FRAME_PACKETS: usize = 1024;

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
        let mut room = transport.congestion.room(now);
        while let Some(item) = pacer.pop(now, extra, room > 0) {
            let (size, waited) = (usize::from(item.size), pacer.waited(now));
            let is_late = item.kind == ItemKind::Audio && waited > MAX_AUDIO_AGE;
            if is_late || !is_there(&mut self.consumers, &self.producers, &item, now) {
                continue;
            }
            pacer.leaves(now, &item, extra, room > 0);
            if !waited.is_zero() {
                self.counters.paced.add(waited, 1);
            }
            extra = extra.saturating_sub(size);
            room = room.saturating_sub(size as u64);
            fan_out.push(item);
        }
        if extra > 0 {
            let source = Source::find(now, transport, &self.consumers, &self.producers);
            if let Some(source) = source {
                probation::fill(now, fan_out, transport, &source, overhead, extra);
            } else {
                transport.congestion.probing.abandon();
            }
        }
        if transport.pacer.overflowing(now) {
            let waiting = &mut fan_out.waiting_video;
            relieve(
                now,
                transport,
                &mut self.consumers,
                &self.producers,
                waiting,
            );
        }
        let pacer = &transport.pacer;
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

/// Takes away from what has waited for too long. Whoever fills the queue pays for it; the others' pictures stay whole.
fn relieve(
    now: Instant,
    transport: &mut Transport,
    consumers: &mut Slab<Consumer>,
    producers: &Slab<Producer>,
    waiting: &mut Vec<(u32, usize)>,
) {
    let pacer = &mut transport.pacer;
    pacer.waiting_video(waiting);
    let Some(&(key, bytes)) = waiting.iter().max_by_key(|(_, bytes)| *bytes) else {
        return;
    };
    let Some(consumer) = consumers.get_mut(key as usize) else {
        return;
    };
    let producer = producers.get(consumer.producer);
    if producer.is_some_and(|producer| key_frame_waits(pacer, key, consumer, producer))
        && pacer.len() <= MAX_KEY_FRAME_PACKETS
    {
        // Cut off, it would be asked for again and be as large: late is better than never. Others need not wait for it.
        let is_alone = waiting.iter().all(|&(other, _)| other == key);
        if !is_alone && bytes > 0 {
            pacer.defer(now, key);
        }
        return;
    }
    let since_key = consumer
        .key_frame_left()
        .map(|left| now.saturating_duration_since(left));
    if since_key.is_some_and(|since| since < MAX_VIDEO_AGE) && pacer.len() <= MAX_KEY_FRAME_PACKETS
    {
        // What came behind a key frame while that was under way has waited for it alone.
        return;
    }
    pacer.cut_off(key, consumer.next_out());
    consumer.resync();
}

/// Whether the last key frame of a consumer has not left yet, or only in part, or parts of it are about to leave again.
pub(crate) fn key_frame_waits(
    pacer: &Pacer,
    key: u32,
    consumer: &Consumer,
    producer: &Producer,
) -> bool {
    if pacer.repairs(key) {
        return true;
    }
    let Some(item) = pacer.waiting_of(key).next() else {
        return false;
    };
    let stream = producer.streams.get(usize::from(item.stream));
    let packet = stream.and_then(|stream| stream.packet(item.sequence));
    packet.is_some_and(|(meta, ..)| consumer.is_up_to_key_frame(item.out, meta.timestamp))
}

/// Whether a packet that has waited can still be written: its consumer goes on, and its bytes were not overwritten.
fn is_there(
    consumers: &mut Slab<Consumer>,
    producers: &Slab<Producer>,
    item: &Item,
    now: Instant,
) -> bool {
    let Some(consumer) = consumers.get_mut(item.consumer as usize) else {
        return false;
    };
    let Some(producer) = producers.get(consumer.producer) else {
        return false;
    };
    let stream = producer.streams.get(usize::from(item.stream));
    let Some((meta, ..)) = stream.and_then(|stream| stream.packet(item.sequence)) else {
        return false;
    };
    if consumer.is_of_key_frame(item.out, meta.timestamp) {
        consumer.key_frame_leaves(now);
    }
    !consumer.paused && consumer.epoch(item.out).is_some() && consumer.choice(item.out).is_ok()
}
