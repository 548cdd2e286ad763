//! What happens to the packets of one transport when its budget does not cover them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plenum_params::event::Event;
use slab::Slab;

use super::probation::{self, Source};
use crate::{
    consumer::Consumer,
    engine::Engine,
    pacer::{Item, ItemKind, MAX_AUDIO_AGE, MAX_VIDEO_AGE, Pacer},
    producer::Producer,
    transport::Transport,
};

/// What is longer is no key frame, and a queue that is longer no key frame's wake: half of what may wait.
const MAX_KEY_FRAME_PACKETS: usize = 1024;

/// A key frame that has not left after this long is given up for a newer one: a picture of the past is better than none, but
/// who waits for it longer looks at nothing, asks in vain, and keeps those waiting who were cut off. On a path of
/// 100 kbit/s the largest key frames of cameras, 200 kB, take 16 s where nothing is lost.
const MAX_KEY_FRAME_AGE: Duration = Duration::from_secs(30);

/// For this long after a key frame has left, what was lost of it is sent again before a newer one makes it worthless: on a
/// path with a full queue it is asked for several times. Measured with key frames of 200 kB at 100 kbit/s: 2 s are too few.
const REPAIR_TIME: Duration = Duration::from_secs(5);

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
            // What is not numbered is neither part of a probe nor of what is on its way.
            let numbered = if item.beside { 0 } else { size };
            extra = extra.saturating_sub(numbered);
            room = room.saturating_sub(numbered as u64);
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
                &mut self.events,
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
    events: &mut VecDeque<Event>,
) {
    let pacer = &mut transport.pacer;
    pacer.waiting_video(waiting);
    if outdated_left(now, pacer, consumers, producers, waiting) && !pacer.overflowing(now) {
        return;
    }
    pacer.waiting_video(waiting);
    let Some(&(key, bytes)) = waiting.iter().max_by_key(|(_, bytes)| *bytes) else {
        return;
    };
    let Some(consumer) = consumers.get_mut(key as usize) else {
        return;
    };
    let Some(producer) = producers.get(consumer.producer) else {
        return;
    };
    let of_key_frame = key_frame_packets(pacer, key, consumer, producer);
    if key_frame_waits(now, pacer, key, consumer, producer)
        && of_key_frame <= MAX_KEY_FRAME_PACKETS
        && !pacer.is_full()
    {
        // Cut off, it would be asked for again and be as large: late is better than never. Others need not wait for it.
        let is_alone = waiting.iter().all(|&(other, _)| other == key) && !pacer.holds_any();
        if !is_alone && bytes > 0 {
            pacer.defer(now, key);
        }
        return;
    }
    let since_key = consumer
        .key_frame_left()
        .map(|left| now.saturating_duration_since(left));
    if of_key_frame == 0
        && since_key.is_some_and(|since| since < MAX_VIDEO_AGE)
        && pacer.len() <= MAX_KEY_FRAME_PACKETS
    {
        // What came behind a key frame while that was under way has waited for it alone.
        return;
    }
    pacer.cut_off(key, consumer.next_out());
    consumer.resync();
    // It is told of here: what comes for it is not looked at until it goes on.
    events.extend(consumer.announce_layers(producer));
}

/// Drops what waits of streams of which a newer key frame waits as well: nobody needs it after that. Only an older key frame
/// of which a part has left already goes first, with what was lost of it: on a path that takes seconds for each, none would
/// get through otherwise. Whether it was anything.
fn outdated_left(
    now: Instant,
    pacer: &mut Pacer,
    consumers: &Slab<Consumer>,
    producers: &Slab<Producer>,
    waiting: &[(u32, usize)],
) -> bool {
    let before = pacer.len();
    for &(key, _) in waiting {
        let Some(consumer) = consumers.get(key as usize) else {
            continue;
        };
        let oldest = pacer.waiting_of(key).next();
        let Some((oldest, (begin, _))) = oldest.zip(consumer.last_key_frame()) else {
            continue;
        };
        let producer = producers.get(consumer.producer);
        let at = producer.and_then(|producer| timestamp_of(producer, &oldest));
        let goes_first = consumer.begun_key_frame().is_some_and(|begun| {
            now.saturating_duration_since(begun.since) <= MAX_KEY_FRAME_AGE
                && (Some(begun.timestamp) == at
                    || now.saturating_duration_since(begun.left) < REPAIR_TIME)
        });
        let is_here = pacer.waiting_of(key).any(|item| item.out >= begin);
        if oldest.out < begin && is_here && !goes_first {
            pacer.abandon(key, begin);
        }
    }
    pacer.len() < before
}

/// Packets that wait of a key frame which nothing waits in front of.
fn key_frame_packets(pacer: &Pacer, key: u32, consumer: &Consumer, producer: &Producer) -> usize {
    let waiting = pacer.waiting_of(key);
    waiting
        .take_while(|item| is_up_to_key_frame(consumer, producer, item))
        .count()
}

fn is_up_to_key_frame(consumer: &Consumer, producer: &Producer, item: &Item) -> bool {
    timestamp_of(producer, item).is_some_and(|at| consumer.is_up_to_key_frame(item.out, at))
}

/// The sender's timestamp of a packet that waits.
fn timestamp_of(producer: &Producer, item: &Item) -> Option<u32> {
    let stream = producer.streams.get(usize::from(item.stream))?;
    let (meta, ..) = stream.packet(item.sequence)?;
    Some(meta.timestamp)
}

/// Whether the last key frame of a consumer has not left yet, or only in part, or parts of it are about to leave again. One
/// that came long ago is not waited for any more.
pub(crate) fn key_frame_waits(
    now: Instant,
    pacer: &Pacer,
    key: u32,
    consumer: &Consumer,
    producer: &Producer,
) -> bool {
    let is_young = consumer
        .last_key_frame()
        .is_some_and(|(_, came)| now.saturating_duration_since(came) <= MAX_KEY_FRAME_AGE);
    if !is_young {
        return false;
    }
    let oldest = pacer.waiting_of(key).next();
    pacer.repairs(now, key)
        || oldest.is_some_and(|item| is_up_to_key_frame(consumer, producer, &item))
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
    consumer.waited_packet_leaves(now, item.out, meta.timestamp);
    !consumer.paused && consumer.epoch(item.out).is_some() && consumer.choice(item.out).is_ok()
}
