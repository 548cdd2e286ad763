//! From a planned group to protected packets in the send batch.

use std::time::Instant;

use plenum_params::{
    media::MediaKind,
    trace::{TraceInfo, TraceObject, TraceTypes},
};
use plenum_srtp::SrtpProfile;
use slab::Slab;

use super::{OSN_LEN, probation};
use crate::{
    consumer::{Consumer, MAX_DESCRIPTOR, Stamp},
    counters::Counters,
    group_plan::Group,
    pacer::{Item, ItemKind},
    producer::Producer,
    trace::{Traces, traced},
    transport::{DirectionCounters, SrtpSession, Transport},
};

/// Everything needed to write the packets of one group.
pub(super) struct GroupWriter<'a> {
    pub(super) now: Instant,
    pub(super) abs_send_time: [u8; 3],
    pub(super) transport: &'a mut Transport,
    pub(super) producers: &'a Slab<Producer>,
    pub(super) consumers: &'a mut Slab<Consumer>,
    pub(super) counters: &'a mut Counters,
    pub(super) traces: &'a mut Traces,
}

impl GroupWriter<'_> {
    /// Writes and seals the packets one after another; returns the bytes used. A packet that cannot be written ends the
    /// group early, since a gap inside it would shift every later segment.
    pub(super) fn write(
        &mut self,
        group: Group,
        items: &[Item],
        sizes: &[u16],
        region: &mut [u8],
    ) -> usize {
        let Transport {
            srtp: Some(session),
            twcc_sequence,
            congestion,
            sent,
            id,
            trace,
            ..
        } = &mut *self.transport
        else {
            return 0;
        };
        let segment_size = usize::from(group.segment_size);
        let Some(mut tally) = items.first().map(Tally::new) else {
            return 0;
        };
        let (mut used, mut packets) = (0, 0);
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
            match item.kind {
                ItemKind::Repetition => {
                    // Never another packet under the same number: see `Repeat`.
                    let Some(repeat) = consumer.repeat(item.out) else {
                        break;
                    };
                    (padding, stamp) = (usize::from(repeat.padding), repeat.stamp);
                }
                ItemKind::Audio | ItemKind::Video => {
                    consumer.remember_stamp(item.out, stamp, padding);
                }
                ItemKind::Retransmission | ItemKind::Probation | ItemKind::Padding => {}
            }
            let buffer = &mut region[used..end];
            let written = if item.kind == ItemKind::Padding {
                let sequence = &mut congestion.probing.padding_sequence;
                probation::write(session, consumer, sequence, stamp, buffer)
            } else {
                write_packet(session, consumer, producer, item, padding, stamp, buffer)
            };
            let Some(len) = written else {
                break;
            };
            if item.kind != ItemKind::Repetition && consumer.template.is_sequenced() {
                congestion.handle_sent(self.now, *twcc_sequence, len);
                *twcc_sequence = twcc_sequence.wrapping_add(1);
            }
            let is_probe = matches!(item.kind, ItemKind::Probation | ItemKind::Padding);
            if is_probe {
                congestion.probing.count_extra(self.now, len);
            }
            if !consumer.trace.is_empty() || is_probe && !trace.is_empty() {
                let packet = Sent {
                    consumer,
                    producer,
                    item,
                    stamp,
                    overhead: session.profile.rtp_overhead(),
                    bytes: region.get(used..used + len).unwrap_or_default(),
                };
                let probed = is_probe.then_some((TraceObject::Transport(*id), *trace));
                packet.trace(self.now, self.traces, probed);
            }
            if !tally.takes(item) {
                let again = tally.count(self.now, session.profile, sent, self.consumers);
                self.counters.media.retransmissions_sent += again;
                tally = Tally::new(item);
            }
            tally.packets += 1;
            tally.bytes += len;
            packets += 1;
            used += len;
        }
        let again = tally.count(self.now, session.profile, sent, self.consumers);
        self.counters.media.retransmissions_sent += again;
        self.counters.media.rtp_sent += packets;
        self.counters.datagrams_sent += packets;
        self.counters.bytes_sent += used as u64;
        used
    }
}

/// A packet that is about to leave.
struct Sent<'a> {
    consumer: &'a Consumer,
    producer: &'a Producer,
    item: &'a Item,
    stamp: Stamp,
    /// Bytes that protection added.
    overhead: usize,
    bytes: &'a [u8],
}

impl Sent<'_> {
    /// Tells who looks into its consumer, and, if it probes the path, into its transport.
    #[cold]
    fn trace(&self, now: Instant, traces: &mut Traces, probed: Option<(TraceObject, TraceTypes)>) {
        let (consumer, item) = (self.consumer, self.item);
        let stream = self.producer.streams.get(usize::from(item.stream));
        let kept = stream.and_then(|stream| stream.packet(item.sequence));
        let kept = kept.filter(|_| item.kind != ItemKind::Padding);
        let plain = self.bytes.len().saturating_sub(self.overhead);
        let Some(mut packet) = traced(self.bytes, plain, kept.map(|(meta, ..)| meta)) else {
            return;
        };
        packet.is_rtx = Some(packet.ssrc) == consumer.outline.rtx_ssrc;
        packet.is_key_frame &= consumer.outline.kind == MediaKind::Video;
        let is_sequenced = consumer.template.is_sequenced();
        packet.wide_sequence_number = is_sequenced.then_some(self.stamp.transport_sequence);
        traces.add_packet(now, consumer.traced_as(), true, packet);
        if let Some(probed) = probed {
            traces.add(now, probed, true, TraceInfo::Probation(packet));
        }
    }
}

/// Packets of one consumer that were sent for the same reason, to be counted together.
#[derive(Clone, Copy, Debug)]
struct Tally {
    consumer: u32,
    kind: ItemKind,
    packets: u64,
    bytes: usize,
}

impl Tally {
    fn new(item: &Item) -> Self {
        Self {
            consumer: item.consumer,
            kind: item.kind,
            packets: 0,
            bytes: 0,
        }
    }

    fn takes(&self, item: &Item) -> bool {
        (self.consumer, self.kind) == (item.consumer, item.kind)
    }

    /// Counts them, and returns how many of them were sent again.
    fn count(
        &self,
        now: Instant,
        profile: SrtpProfile,
        sent: &mut DirectionCounters,
        consumers: &mut Slab<Consumer>,
    ) -> u64 {
        if self.packets == 0 {
            return 0;
        }
        let extra = matches!(self.kind, ItemKind::Probation | ItemKind::Padding);
        let again = matches!(self.kind, ItemKind::Retransmission | ItemKind::Repetition);
        sent.count_rtp_packets(now, self.packets, self.bytes, extra || again);
        if !extra && let Some(consumer) = consumers.get_mut(self.consumer as usize) {
            let overhead = self.packets as usize * profile.rtp_overhead();
            consumer.counters.packets += self.packets;
            consumer.counters.bytes += (self.bytes - overhead) as u64;
            consumer.counters.retransmitted += if again { self.packets } else { 0 };
            consumer.rate.add(now, self.bytes);
        }
        if again { self.packets } else { 0 }
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
    let (payload_type, payload) = consumer.form(item.out, meta, payload);
    // Filled with zeros only where there is a descriptor.
    let mut descriptor_buffer;
    let (descriptor, payload) = if item.filler {
        (&[][..], &[][..])
    } else if descriptor.is_empty() {
        (descriptor, payload)
    } else {
        descriptor_buffer = [0; MAX_DESCRIPTOR];
        let known = stream.reader.structure(item.sequence);
        let len = consumer.write_descriptor(item.out, descriptor, known, &mut descriptor_buffer);
        (descriptor_buffer.get(..len)?, payload)
    };
    let format = consumer.codec(payload_type);
    let rtx = match (item.kind, consumer.outline.rtx_ssrc) {
        (ItemKind::Retransmission | ItemKind::Probation, Some(ssrc)) => {
            Some((ssrc, format?.rtx_payload_type?))
        }
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
        payload_type: match (rtx, format) {
            (Some((_, payload_type)), _) => payload_type,
            (None, Some(format)) => format.wire_payload_type,
            // What fills a gap may stand for something that the receiver does not take.
            (None, None) => payload_type,
        },
        sequence_number: index as u16,
        timestamp: epoch.timestamp(meta.timestamp),
        ssrc: rtx.map_or(consumer.outline.ssrc, |(ssrc, _)| ssrc),
    };
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
    if !consumer.rewrite_picture_id(item.out, &meta.layer, body) {
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
