//! Which packets there are for one consumer.

use std::time::Instant;

use plenum_params::media::MediaKind;

use super::{FanOut, MAX_PACKET, OSN_LEN};
use crate::{
    consumer::{Consumer, MAX_DESCRIPTOR},
    pacer::{Item, ItemKind},
    packet::PacketMeta,
    producer::{Fresh, Producer, ProducerStream},
};

/// Collects the packets of one consumer.
pub(super) struct Collector<'a> {
    pub(super) fan_out: &'a mut FanOut,
    pub(super) now: Instant,
    /// Bytes that protection adds to a packet.
    pub(super) overhead: usize,
    pub(super) key: usize,
    pub(super) consumer: &'a mut Consumer,
    pub(super) producer: &'a Producer,
}

impl Collector<'_> {
    /// Adds this batch's packets.
    pub(super) fn collect(&mut self) {
        self.begin();
        for &fresh in &self.producer.fresh {
            if !self.consumer.passes_over(fresh.stream) {
                self.add(fresh);
                self.begin();
            }
        }
    }

    /// Adds what is here of a stream with which the consumer begins now.
    #[inline]
    fn begin(&mut self) {
        let Some((stream, first)) = self.consumer.poll_start(self.now, self.producer) else {
            return;
        };
        let highest = self.producer.streams.get(usize::from(stream));
        let highest = highest.and_then(ProducerStream::highest).unwrap_or(first);
        for sequence in first..=highest {
            self.add(Fresh {
                stream,
                sequence,
                empty: false,
            });
        }
    }

    /// Adds a packet, if it is for the consumer and not on its way already.
    fn add(&mut self, fresh: Fresh) {
        let Some(stream) = self.producer.streams.get(usize::from(fresh.stream)) else {
            return;
        };
        let nothing;
        let (meta, descriptor, payload) = match stream.packet(fresh.sequence) {
            Some(packet) => packet,
            None if fresh.empty => {
                nothing = PacketMeta::default();
                (&nothing, &[][..], &[][..])
            }
            None => return,
        };
        let accepted = self.consumer.accept(self.now, self.producer, fresh, meta);
        let Some(accepted) = accepted else {
            return;
        };
        let mut item = Item {
            consumer: self.key as u32,
            stream: fresh.stream,
            kind: match self.consumer.outline.kind {
                MediaKind::Audio => ItemKind::Audio,
                MediaKind::Video => ItemKind::Video,
            },
            filler: accepted.filler,
            beside: self.consumer.is_beside_estimate(),
            size: 0,
            sequence: fresh.sequence,
            out: accepted.out,
        };
        let size = packet_size(self.consumer, stream, &item, meta, descriptor, payload);
        let size = size + self.overhead;
        if size <= MAX_PACKET {
            item.size = size as u16;
            self.fan_out.push(item);
        }
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
        let known = stream.reader.structure(item.sequence);
        consumer.write_descriptor(item.out, descriptor, known, &mut buffer)
    };
    let (_, payload) = consumer.form(item.out, meta, payload);
    let header_len = consumer
        .template
        .header_len(&meta.extensions, descriptor_len);
    header_len + if item.filler { 0 } else { payload.len() }
}

/// A packet to be sent again, if its ring still has it.
pub(super) fn retransmission(
    overhead: usize,
    consumer_key: usize,
    consumer: &Consumer,
    producer: &Producer,
    out: u64,
) -> Option<Item> {
    let (epoch, sequence) = consumer.epoch(out).zip(consumer.source(out))?;
    let stream = producer.streams.get(usize::from(epoch.stream))?;
    let (meta, descriptor, payload) = stream.packet(sequence)?;
    let choice = consumer.choice(out).ok()?;
    if choice.is_some() && meta.layer.unknown {
        return None;
    }
    let mut item = Item {
        consumer: consumer_key as u32,
        stream: epoch.stream,
        kind: ItemKind::Retransmission,
        filler: choice.is_some_and(|choice| !choice.takes(&meta.layer)),
        beside: consumer.is_beside_estimate(),
        size: 0,
        sequence,
        out,
    };
    let mut size = packet_size(consumer, stream, &item, meta, descriptor, payload) + overhead;
    if consumer.outline.rtx_ssrc.is_some() {
        size += OSN_LEN;
    } else {
        item.kind = ItemKind::Repetition;
        size += usize::from(consumer.repeat(out)?.padding);
    }
    item.size = u16::try_from(size).ok()?;
    (size <= MAX_PACKET).then_some(item)
}
