//! From packets in producers' rings to segmented messages in the send batch, destination by destination.

use std::{net::SocketAddr, time::Instant};

use plenum_params::{event::Event, media::MediaKind};

use crate::{
    batch::SendBatch,
    engine::Engine,
    group_plan::{Group, plan_groups},
    pacer::{Item, ItemKind, Load},
};

mod collect;
pub(crate) mod pacing;
mod probation;
mod queue;
mod writer;

use collect::{Collector, retransmission};
use queue::{ConsumerList, Queue};
use writer::GroupWriter;

/// The fan-out's queue and its scratch memory, reused from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    /// Transports with packets to write.
    queue: Queue,
    /// Packets of the transport that is being written: first those that may be padded, then exact repetitions.
    items: Vec<Item>,
    /// Repetitions under their own sequence number, until the others are collected.
    repetitions: Vec<Item>,
    sizes: Vec<u16>,
    /// What `items` and `repetitions` come to.
    load: Load,
    groups: Vec<Group>,
    next_group: usize,
    next_item: usize,
    current: Option<Destination>,
    /// Consumers for whom a key frame passed that they could not use.
    missed_key_frames: Vec<usize>,
    /// Bytes that wait, by consumer; while one is looked for that is to be cut off.
    waiting_video: Vec<(u32, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Destination {
    transport: usize,
    socket: u16,
    to: SocketAddr,
}

/// Largest protected packet that is written. Anything longer than an Ethernet frame would not have arrived either.
const MAX_PACKET: usize = 1500;

/// Bytes for the original sequence number in front of a retransmitted payload, RFC 4588 §4.
const OSN_LEN: usize = 2;

impl FanOut {
    /// Puts a transport into the queue: something of it waits.
    pub(crate) fn enqueue(&mut self, transport: usize) {
        self.queue.push(transport);
    }

    /// Puts a transport into the queue because there are packets for one of its consumers.
    #[inline]
    pub(crate) fn enqueue_consumer(&mut self, transport: usize, consumer: usize) {
        self.queue.push_consumer(transport, consumer);
    }

    /// Forgets a closed consumer: its key may soon be another's.
    pub(crate) fn forget_consumer(&mut self, transport: usize, consumer: usize) {
        self.queue.forget_consumer(transport, consumer);
    }

    /// The transport whose turn comes after so many others, and its first consumer.
    #[inline]
    pub(crate) fn upcoming(&self, turns: usize) -> Option<(usize, Option<usize>)> {
        self.queue.upcoming(turns)
    }

    /// Consumers of a transport for whom there are packets.
    pub(crate) fn queued_consumers(&self, transport: usize) -> impl Iterator<Item = usize> {
        self.queue.consumers(transport)
    }

    /// Forgets a closed transport: its key may soon be another's, whose packets must not go to the old address.
    pub(crate) fn forget(&mut self, key: usize) {
        self.queue.forget(key);
        if self
            .current
            .is_some_and(|destination| destination.transport == key)
        {
            self.clear_items();
        }
    }

    /// Transports that wait, and packets that are planned and not written.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len() + self.items.len() + self.repetitions.len()
    }

    fn push(&mut self, item: Item) {
        self.load.add(&item);
        if item.kind == ItemKind::Repetition {
            self.repetitions.push(item);
        } else {
            self.items.push(item);
            self.sizes.push(item.size);
        }
    }

    fn clear_items(&mut self) {
        self.items.clear();
        self.repetitions.clear();
        self.load = Load::default();
        self.sizes.clear();
        self.groups.clear();
        self.next_group = 0;
        self.next_item = 0;
        self.current = None;
    }
}

impl Engine {
    /// Queues every transport with a consumer of a producer that received packets in this batch.
    pub(crate) fn distribute(&mut self) {
        for &producer_key in &self.touched {
            let Some(producer) = self.producers.get(producer_key) else {
                continue;
            };
            for &consumer_key in &producer.consumers {
                let Some(consumer) = self.consumers.get(consumer_key) else {
                    continue;
                };
                if consumer.paused || producer.paused {
                    continue;
                }
                self.fan_out
                    .enqueue_consumer(consumer.transport, consumer_key);
            }
        }
    }

    /// Writes queued packets into `batch`; `true` when some are left.
    pub(crate) fn poll_fan_out(&mut self, now: Instant, batch: &mut SendBatch) -> bool {
        let abs_send_time = abs_send_time(self.clock.unix(now));
        loop {
            if !self.write_groups(now, abs_send_time, batch) {
                return true;
            }
            let Some((key, list)) = self.fan_out.queue.pop() else {
                break;
            };
            self.prefetch_upcoming();
            self.prepare(now, key, list);
        }
        for key in self.touched.drain(..) {
            if let Some(producer) = self.producers.get_mut(key) {
                producer.fresh.clear();
            }
        }
        false
    }

    /// Collects the packets of one transport, as far as its budget goes, and plans their groups.
    fn prepare(&mut self, now: Instant, key: usize, list: ConsumerList) {
        self.fan_out.clear_items();
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let (Some((socket, to)), Some(session)) = (transport.path, &transport.srtp) else {
            transport.retransmissions.clear();
            transport.pacer.clear();
            return;
        };
        if transport.blocked {
            transport.retransmissions.clear();
            return;
        }
        let overhead = session.profile.rtp_overhead();
        self.collect_fresh(now, overhead, list);
        while let Some(consumer) = self.fan_out.missed_key_frames.pop() {
            self.request_key_frame_for(now, consumer);
        }
        self.collect_retransmissions(now, key, overhead);
        let load = self.fan_out.load;
        let admitted = self.transports.get_mut(key).is_some_and(|transport| {
            !transport.congestion.probing.is_active()
                && transport.congestion.has_room(now)
                && transport.pacer.admit(now, load)
        });
        if !admitted {
            self.pace(now, key, overhead);
        }
        let fan_out = &mut self.fan_out;
        plan_groups(&fan_out.sizes, SendBatch::REGION, &mut fan_out.groups);
        for item in fan_out.repetitions.drain(..) {
            fan_out.items.push(item);
            fan_out.sizes.push(item.size);
            fan_out.groups.push(Group {
                count: 1,
                segment_size: item.size,
            });
        }
        fan_out.current = Some(Destination {
            transport: key,
            socket,
            to,
        });
    }

    /// Collects this batch's packets for the consumers of one transport.
    fn collect_fresh(&mut self, now: Instant, overhead: usize, list: ConsumerList) {
        let mut list = list;
        while let Some(key) = self.fan_out.queue.next_consumer(&mut list) {
            let Some(consumer) = self.consumers.get_mut(key) else {
                continue;
            };
            let Some(producer) = self.producers.get(consumer.producer) else {
                continue;
            };
            let transport = self.transports.get(consumer.transport);
            if transport.is_none_or(|transport| transport.pacer.holds(key)) {
                continue;
            }
            let mut collector = Collector {
                fan_out: &mut self.fan_out,
                now,
                overhead,
                key,
                consumer,
                producer,
            };
            collector.collect();
            if let Some(begin) = consumer.poll_begun()
                && let Some(transport) = self.transports.get_mut(consumer.transport)
                && transport.is_behind(now)
            {
                // What waits of the stream before it would hold up a key frame, and nobody needs it after that.
                transport.pacer.abandon(key as u32, begin);
            }
            self.events.extend(consumer.announce_layers(producer));
            if consumer.missed_key_frame() {
                self.fan_out.missed_key_frames.push(key);
            }
        }
    }

    /// Collects what the receiver of one transport asked for again, as far as its path has room. What is left out it asks
    /// for another time.
    fn collect_retransmissions(&mut self, now: Instant, key: usize, overhead: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        for &(consumer_key, out) in &transport.retransmissions {
            let Some(consumer) = self.consumers.get(consumer_key) else {
                continue;
            };
            let Some(producer) = self.producers.get(consumer.producer) else {
                continue;
            };
            let found = retransmission(overhead, consumer_key, consumer, producer, out);
            let Some(item) = found else { continue };
            // Sound is little, and a key frame is worth nothing without all of its packets.
            let stream = producer.streams.get(usize::from(item.stream));
            let packet = stream.and_then(|stream| stream.packet(item.sequence));
            let is_needed = consumer.outline.kind == MediaKind::Audio
                || packet.is_some_and(|(meta, ..)| consumer.is_of_key_frame(out, meta.timestamp));
            if is_needed || transport.pacer.admit_repair(now, item.size.into()) {
                self.fan_out.push(item);
            }
        }
        transport.retransmissions.clear();
    }

    /// Writes the planned groups of the current transport; `false` when the batch is full.
    fn write_groups(
        &mut self,
        now: Instant,
        abs_send_time: [u8; 3],
        batch: &mut SendBatch,
    ) -> bool {
        let Some(destination) = self.fan_out.current else {
            return true;
        };
        let Some(transport) = self.transports.get_mut(destination.transport) else {
            return true;
        };
        while let Some(&group) = self.fan_out.groups.get(self.fan_out.next_group) {
            if !batch.fits(usize::from(group.count) * usize::from(group.segment_size)) {
                return false;
            }
            let first = self.fan_out.next_item;
            let items = &self.fan_out.items[first..first + usize::from(group.count)];
            let sizes = &self.fan_out.sizes[first..first + usize::from(group.count)];
            let mut writer = GroupWriter {
                now,
                abs_send_time,
                transport,
                producers: &self.producers,
                consumers: &mut self.consumers,
                counters: &mut self.counters,
                traces: &mut self.traces,
            };
            let len = writer.write(group, items, sizes, batch.free());
            if len > 0 {
                batch.commit(destination.socket, destination.to, len, group.segment_size);
                self.counters
                    .count_group(&mut transport.group_sizes, usize::from(group.count));
                if !transport.media_started {
                    transport.media_started = true;
                    let transport = transport.id;
                    self.events.push_back(Event::MediaStarted { transport });
                }
            }
            self.fan_out.next_item += usize::from(group.count);
            self.fan_out.next_group += 1;
        }
        self.fan_out.clear_items();
        true
    }
}

/// 24 bits of NTP seconds in 6.18 fixed point, as `abs-send-time` wants them.
fn abs_send_time(unix: std::time::Duration) -> [u8; 3] {
    let fraction = (u64::from(unix.subsec_nanos()) << 18) / 1_000_000_000;
    let value = ((unix.as_secs() & 0x3f) << 18 | fraction) as u32;
    let [_, a, b, c] = value.to_be_bytes();
    [a, b, c]
}
