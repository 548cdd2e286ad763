//! From packets in producers' rings to segmented messages in the send batch, destination by destination.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use slab::Slab;

use crate::{
    batch::SendBatch,
    consumer::{Consumer, MAX_DESCRIPTOR, Stamp},
    counters::Counters,
    engine::Engine,
    group_plan::{Group, plan_groups},
    packet::PacketMeta,
    producer::{Fresh, Producer, ProducerStream},
    transport::{SrtpSession, Transport},
};

/// The fan-out's queue and its scratch memory, reused from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    /// Transports with packets to write.
    queue: VecDeque<usize>,
    /// Packets of the transport that is being written: first those that may be padded, then exact repetitions.
    items: Vec<Item>,
    /// Repetitions under their own sequence number, until the others are collected.
    repetitions: Vec<(Item, u16)>,
    sizes: Vec<u16>,
    groups: Vec<Group>,
    next_group: usize,
    next_item: usize,
    current: Option<Destination>,
    /// Consumers for whom a key frame passed that they could not use.
    missed_key_frames: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Destination {
    transport: usize,
    socket: u8,
    to: SocketAddr,
}

/// One packet for one consumer.
#[derive(Clone, Copy, Debug)]
struct Item {
    consumer: u32,
    stream: u8,
    retransmission: bool,
    /// Only the header is sent, to fill a gap in the numbers.
    filler: bool,
    sequence: u64,
    out: u64,
}

/// Largest protected packet that is written. Anything longer than an Ethernet frame would not have arrived either.
const MAX_PACKET: usize = 1500;

/// Bytes for the original sequence number in front of a retransmitted payload, RFC 4588 §4.
const OSN_LEN: usize = 2;

impl FanOut {
    /// Puts a transport into the queue.
    pub(crate) fn enqueue(&mut self, key: usize, transport: &mut Transport) {
        if !transport.dirty {
            transport.dirty = true;
            self.queue.push_back(key);
        }
    }

    /// Forgets a closed transport: its key may soon be another's, whose packets must not go to the old address.
    pub(crate) fn forget(&mut self, key: usize) {
        self.queue.retain(|&queued| queued != key);
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

    fn clear_items(&mut self) {
        self.items.clear();
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
                let Some(transport) = self.transports.get_mut(consumer.transport) else {
                    continue;
                };
                transport.dirty_consumers.push(consumer_key);
                self.fan_out.enqueue(consumer.transport, transport);
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
            let Some(key) = self.fan_out.queue.pop_front() else {
                break;
            };
            self.prepare(now, key);
        }
        for key in self.touched.drain(..) {
            if let Some(producer) = self.producers.get_mut(key) {
                producer.fresh.clear();
            }
        }
        false
    }

    /// Collects the packets of one transport and plans their groups.
    fn prepare(&mut self, now: Instant, key: usize) {
        let fan_out = &mut self.fan_out;
        fan_out.clear_items();
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        transport.dirty = false;
        if let (Some((socket, to)), Some(session)) = (transport.path, &transport.srtp) {
            let overhead = session.profile.rtp_overhead();
            for &consumer_key in &transport.dirty_consumers {
                let Some(consumer) = self.consumers.get_mut(consumer_key) else {
                    continue;
                };
                let Some(producer) = self.producers.get(consumer.producer) else {
                    continue;
                };
                collect(fan_out, now, overhead, consumer_key, consumer, producer);
                self.events.extend(consumer.announce_layers(producer));
                if consumer.missed_key_frame() {
                    fan_out.missed_key_frames.push(consumer_key);
                }
            }
            for &(consumer_key, out) in &transport.retransmissions {
                let Some(consumer) = self.consumers.get(consumer_key) else {
                    continue;
                };
                let Some(producer) = self.producers.get(consumer.producer) else {
                    continue;
                };
                collect_retransmission(fan_out, overhead, consumer_key, consumer, producer, out);
            }
            plan_groups(&fan_out.sizes, SendBatch::REGION, &mut fan_out.groups);
            for (item, size) in fan_out.repetitions.drain(..) {
                fan_out.items.push(item);
                fan_out.sizes.push(size);
                fan_out.groups.push(Group {
                    count: 1,
                    segment_size: size,
                });
            }
            fan_out.current = Some(Destination {
                transport: key,
                socket,
                to,
            });
        }
        transport.dirty_consumers.clear();
        transport.retransmissions.clear();
        while let Some(consumer) = self.fan_out.missed_key_frames.pop() {
            self.request_key_frame_for(now, consumer);
        }
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
            };
            let len = writer.write(group, items, sizes, batch.free());
            if len > 0 {
                batch.commit(destination.socket, destination.to, len, group.segment_size);
                self.counters.count_group(usize::from(group.count));
            }
            self.fan_out.next_item += usize::from(group.count);
            self.fan_out.next_group += 1;
        }
        self.fan_out.clear_items();
        true
    }
}

/// Adds this batch's packets of one consumer.
fn collect(
    fan_out: &mut FanOut,
    now: Instant,
    overhead: usize,
    consumer_key: usize,
    consumer: &mut Consumer,
    producer: &Producer,
) {
    for &fresh in &producer.fresh {
        collect_packet(
            fan_out,
            now,
            overhead,
            consumer_key,
            consumer,
            producer,
            fresh,
        );
        if let Some((stream, first)) = consumer.poll_start(now, producer) {
            let highest = producer.streams.get(usize::from(stream));
            let highest = highest.and_then(ProducerStream::highest).unwrap_or(first);
            for sequence in first..=highest {
                let fresh = Fresh {
                    stream,
                    sequence,
                    empty: false,
                };
                collect_packet(
                    fan_out,
                    now,
                    overhead,
                    consumer_key,
                    consumer,
                    producer,
                    fresh,
                );
            }
        }
    }
}

/// Adds one packet of one consumer, if it is for it and not on its way already.
fn collect_packet(
    fan_out: &mut FanOut,
    now: Instant,
    overhead: usize,
    consumer_key: usize,
    consumer: &mut Consumer,
    producer: &Producer,
    fresh: Fresh,
) {
    let Some(stream) = producer.streams.get(usize::from(fresh.stream)) else {
        return;
    };
    let nothing = PacketMeta::default();
    let (meta, descriptor, payload) = match stream.packet(fresh.sequence) {
        Some(packet) => packet,
        None if fresh.empty => (&nothing, &[][..], &[][..]),
        None => return,
    };
    let Some(accepted) = consumer.accept(now, producer, fresh, meta) else {
        return;
    };
    let item = Item {
        consumer: consumer_key as u32,
        stream: fresh.stream,
        retransmission: false,
        filler: accepted.filler,
        sequence: fresh.sequence,
        out: accepted.out,
    };
    let size = packet_size(consumer, stream, &item, meta, descriptor, payload) + overhead;
    if size <= MAX_PACKET {
        fan_out.items.push(item);
        fan_out.sizes.push(size as u16);
    }
}

/// Size of a packet before protection.
fn packet_size(
    consumer: &Consumer,
    stream: &ProducerStream,
    item: &Item,
    meta: &PacketMeta,
    descriptor: &[u8],
    payload: &[u8],
) -> usize {
    let descriptor_len = if descriptor.is_empty() || item.filler {
        0
    } else {
        let mut buffer = [0; MAX_DESCRIPTOR];
        consumer.write_descriptor(item.out, descriptor, &stream.reader, &mut buffer)
    };
    let header_len = consumer
        .template
        .header_len(&meta.extensions, descriptor_len);
    header_len + if item.filler { 0 } else { payload.len() }
}

/// Adds one packet that the receiver asked for again, if its ring still has it.
fn collect_retransmission(
    fan_out: &mut FanOut,
    overhead: usize,
    consumer_key: usize,
    consumer: &Consumer,
    producer: &Producer,
    out: u64,
) {
    let Some((epoch, sequence)) = consumer.epoch(out).zip(consumer.source(out)) else {
        return;
    };
    let Some(stream) = producer.streams.get(usize::from(epoch.stream)) else {
        return;
    };
    let Some((meta, descriptor, payload)) = stream.packet(sequence) else {
        return;
    };
    let Ok(choice) = consumer.choice(out) else {
        return;
    };
    let item = Item {
        consumer: consumer_key as u32,
        stream: epoch.stream,
        retransmission: true,
        filler: choice.is_some_and(|choice| !choice.takes(&meta.layer)),
        sequence,
        out,
    };
    let size = packet_size(consumer, stream, &item, meta, descriptor, payload) + overhead;
    if consumer.parameters.rtx_ssrc.is_some() {
        if size + OSN_LEN <= MAX_PACKET {
            fan_out.items.push(item);
            fan_out.sizes.push((size + OSN_LEN) as u16);
        }
    } else if let Some(repeat) = consumer.repeat(out) {
        let size = size + usize::from(repeat.padding);
        if size <= MAX_PACKET {
            fan_out.repetitions.push((item, size as u16));
        }
    }
}

/// Everything needed to write the packets of one group.
struct GroupWriter<'a> {
    now: Instant,
    abs_send_time: [u8; 3],
    transport: &'a mut Transport,
    producers: &'a Slab<Producer>,
    consumers: &'a mut Slab<Consumer>,
    counters: &'a mut Counters,
}

impl GroupWriter<'_> {
    /// Writes and seals the packets one after another; returns the bytes used. A packet that cannot be written ends the
    /// group early, since a gap inside it would shift every later segment.
    fn write(&mut self, group: Group, items: &[Item], sizes: &[u16], region: &mut [u8]) -> usize {
        let Transport {
            srtp: Some(session),
            twcc_sequence,
            sent,
            ..
        } = &mut *self.transport
        else {
            return 0;
        };
        let segment_size = usize::from(group.segment_size);
        let mut used = 0;
        for (index, (item, &size)) in items.iter().zip(sizes).enumerate() {
            let Some(consumer) = self.consumers.get_mut(item.consumer as usize) else {
                break;
            };
            let Some(producer) = self.producers.get(consumer.producer) else {
                break;
            };
            let last = index + 1 == items.len();
            let mut padding = if last {
                0
            } else {
                segment_size - usize::from(size)
            };
            let mut stamp = Stamp {
                abs_send_time: self.abs_send_time,
                transport_sequence: *twcc_sequence,
            };
            let end = (used + usize::from(size) + padding).min(region.len());
            let repeat = consumer.repeat(item.out).filter(|_| item.retransmission);
            if let Some(repeat) = repeat {
                (padding, stamp) = (usize::from(repeat.padding), repeat.stamp);
            } else if !item.retransmission {
                consumer.remember_stamp(item.out, stamp, padding);
            }
            let Some(len) = write_packet(
                session,
                consumer,
                producer,
                item,
                padding,
                stamp,
                &mut region[used..end],
            ) else {
                break;
            };
            if consumer.template.is_sequenced() && repeat.is_none() {
                *twcc_sequence = twcc_sequence.wrapping_add(1);
            }
            consumer.counters.packets += 1;
            consumer.counters.bytes += (len - session.profile.rtp_overhead()) as u64;
            consumer.counters.retransmitted += u64::from(item.retransmission);
            consumer.rate.add(self.now, len);
            sent.count_rtp(self.now, len, item.retransmission);
            self.counters.datagrams_sent += 1;
            self.counters.bytes_sent += len as u64;
            used += len;
        }
        used
    }
}

/// Writes and seals one packet into `buffer`, which is exactly as long as the protected packet.
fn write_packet(
    session: &mut SrtpSession,
    consumer: &mut Consumer,
    producer: &Producer,
    item: &Item,
    padding: usize,
    stamp: Stamp,
    buffer: &mut [u8],
) -> Option<usize> {
    let stream = producer.streams.get(usize::from(item.stream))?;
    let (meta, descriptor, payload) = stream.packet(item.sequence)?;
    let epoch = consumer.epoch(item.out)?;
    let choice = consumer.choice(item.out).ok()?;
    let mut descriptor_buffer = [0; MAX_DESCRIPTOR];
    let (descriptor_len, payload) = if item.filler {
        (0, &[][..])
    } else if descriptor.is_empty() {
        (0, payload)
    } else {
        let buffer = &mut descriptor_buffer;
        let len = consumer.write_descriptor(item.out, descriptor, &stream.reader, buffer);
        (len, payload)
    };
    let rtx = match (item.retransmission, consumer.parameters.rtx_ssrc) {
        (true, Some(ssrc)) => Some((ssrc, consumer.codec(meta.payload_type)?.rtx_payload_type?)),
        _ => None,
    };
    let index = if rtx.is_some() {
        consumer.rtx_sequence
    } else {
        item.out
    };
    let header = crate::consumer::PacketHeader {
        padding: padding > 0,
        marker: !item.filler && choice.map_or(meta.marker, |choice| choice.ends_picture(meta)),
        payload_type: rtx.map_or(meta.payload_type, |(_, payload_type)| payload_type),
        sequence_number: index as u16,
        timestamp: meta.timestamp.wrapping_add(epoch.timestamp_offset),
        ssrc: rtx.map_or(consumer.parameters.ssrc, |(ssrc, _)| ssrc),
    };
    let descriptor = descriptor_buffer.get(..descriptor_len)?;
    let header_len = consumer
        .template
        .write(buffer, header, &meta.extensions, descriptor, stamp);
    let mut at = header_len;
    if rtx.is_some() {
        consumer.rtx_sequence += 1;
        buffer
            .get_mut(at..at + OSN_LEN)?
            .copy_from_slice(&(item.out as u16).to_be_bytes());
        at += OSN_LEN;
    }
    let body = buffer.get_mut(at..at + payload.len())?;
    body.copy_from_slice(payload);
    if !consumer.rewrite_picture_id(item.out, meta.payload_type, body) {
        return None;
    }
    at += payload.len();
    if padding > 0 {
        // RFC 3550 §5.1: the last padding byte counts the padding, itself included.
        let bytes = buffer.get_mut(at..at + padding)?;
        bytes.fill(0);
        *bytes.last_mut()? = padding as u8;
        at += padding;
    }
    session.sealer.seal_rtp(index, buffer, header_len, at).ok()
}

/// 24 bits of NTP seconds in 6.18 fixed point, as `abs-send-time` wants them.
fn abs_send_time(unix: std::time::Duration) -> [u8; 3] {
    let fraction = (u64::from(unix.subsec_nanos()) << 18) / 1_000_000_000;
    let value = ((unix.as_secs() & 0x3f) << 18 | fraction) as u32;
    let [_, a, b, c] = value.to_be_bytes();
    [a, b, c]
}
