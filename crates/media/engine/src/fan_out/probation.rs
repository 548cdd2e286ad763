//! Packets that are sent to find out what the path carries, when there is not enough else to send.
//!
//! Best are recent packets of a picture again, as retransmissions: one that was lost is repaired before it is missed.
//! Without any, padding goes out on a retransmission stream, whose receiver drops it. Receivers without retransmissions
//! get it on a stream of its own, which mediasoup's clients expect (SSRC 1234, payload type 127, header extensions as the
//! first video).

use std::time::{Duration, Instant};

use plenum_params::media::MediaKind;
use slab::Slab;

use super::{FanOut, retransmission};
use crate::{
    consumer::{Consumer, PacketHeader, Stamp},
    pacer::{Item, ItemKind},
    packet::ExtensionValues,
    producer::Producer,
    transport::{SrtpSession, Transport},
};

/// SSRC of the probation stream.
const PROBATION_SSRC: u32 = 1234;

/// Payload type of the probation stream.
const PROBATION_PAYLOAD_TYPE: u8 = 127;

/// Padding of a packet on a retransmission stream. RFC 3550 §5.1 counts it in one byte; libwebrtc pads by 224 at most.
const RTX_PADDING: usize = 224;

/// Payload of a packet on the probation stream: with headers about as long as a packet of a picture.
const PROBATION_PAYLOAD: usize = 1100;

/// Packets back from the newest that are sent again: a few frames.
const RECENT: u64 = 32;

/// Packets that are shorter than this are not worth their headers.
const MIN_USEFUL: u16 = 300;

/// Packets of one helping.
const MAX_HELPING: usize = 64;

/// Streams that sent nothing for this long have nothing recent: packets are kept for two seconds.
const MAX_SILENCE: Duration = Duration::from_secs(1);

/// Whose packets a probe is made of.
pub(super) struct Source<'a> {
    key: usize,
    consumer: &'a Consumer,
    producer: &'a Producer,
    /// Number of the newest packet, where recent ones can be sent again.
    newest: Option<u64>,
}

impl<'a> Source<'a> {
    /// The most useful consumer among those whose packets are numbered.
    pub(super) fn find(
        now: Instant,
        transport: &Transport,
        consumers: &'a Slab<Consumer>,
        producers: &'a Slab<Producer>,
    ) -> Option<Self> {
        let sources = transport.consumers.iter().filter_map(|&key| {
            let consumer = consumers.get(key).filter(|it| is_suitable(it))?;
            let producer = producers.get(consumer.producer)?;
            let last = consumer.last_sent().filter(|(_, at)| {
                consumer.outline.rtx_ssrc.is_some()
                    && now.saturating_duration_since(*at) < MAX_SILENCE
            });
            let rank = (last.map(|(_, at)| at), consumer.outline.rtx_ssrc.is_some());
            let source = Self {
                key,
                consumer,
                producer,
                newest: last.map(|(newest, _)| newest),
            };
            Some((rank, source))
        });
        sources
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, source)| source)
    }

    /// A recent packet to be sent again.
    fn recent(&self, transport: &mut Transport, overhead: usize) -> Option<Item> {
        let newest = self.newest?;
        for _ in 0..RECENT {
            let distance = transport.congestion.probing.next_distance(RECENT);
            let out = newest.saturating_sub(distance);
            if transport.pacer.is_abandoned(self.key, out) {
                continue;
            }
            let found = retransmission(overhead, self.key, self.consumer, self.producer, out);
            if let Some(item) = found.filter(|item| item.size >= MIN_USEFUL) {
                return Some(Item {
                    kind: ItemKind::Probation,
                    ..item
                });
            }
        }
        None
    }

    fn padding(&self, overhead: usize) -> Item {
        let template = &self.consumer.template;
        let header = template.header_len(&ExtensionValues::default(), 0);
        let payload = match self.consumer.outline.rtx_ssrc {
            Some(_) => RTX_PADDING,
            None => PROBATION_PAYLOAD,
        };
        Item {
            consumer: self.key as u32,
            stream: 0,
            kind: ItemKind::Padding,
            filler: false,
            beside: false,
            size: (header + payload + overhead) as u16,
            sequence: 0,
            out: 0,
        }
    }
}

fn is_suitable(consumer: &Consumer) -> bool {
    !consumer.paused
        && consumer.parameters.kind == MediaKind::Video
        && consumer.template.is_sequenced()
}

/// Adds packets until `bytes` are reached.
pub(super) fn fill(
    now: Instant,
    fan_out: &mut FanOut,
    transport: &mut Transport,
    source: &Source<'_>,
    overhead: usize,
    bytes: usize,
) {
    let mut left = bytes;
    for _ in 0..MAX_HELPING {
        if left == 0 {
            break;
        }
        let item = source.recent(transport, overhead);
        let item = item.unwrap_or_else(|| source.padding(overhead));
        left = left.saturating_sub(item.size.into());
        transport.pacer.bursts.add(now, item.size.into());
        fan_out.push(item);
    }
}

/// Writes and seals a packet of padding into `buffer`, which is exactly as long as the protected packet.
pub(super) fn write(
    session: &mut SrtpSession,
    consumer: &mut Consumer,
    sequence: &mut u64,
    stamp: Stamp,
    buffer: &mut [u8],
) -> Option<usize> {
    let plain = buffer.len().checked_sub(session.profile.rtp_overhead())?;
    let rtx = consumer.outline.rtx_ssrc.and_then(|ssrc| {
        let mut codecs = consumer.parameters.codecs.iter();
        Some((ssrc, codecs.find_map(|codec| codec.rtx_payload_type)?))
    });
    let (index, ssrc, payload_type) = match rtx {
        Some((ssrc, payload_type)) => (&mut consumer.rtx_sequence, ssrc, payload_type),
        None => (sequence, PROBATION_SSRC, PROBATION_PAYLOAD_TYPE),
    };
    let number = *index;
    *index += 1;
    let header = PacketHeader {
        padding: rtx.is_some(),
        marker: false,
        payload_type,
        sequence_number: number as u16,
        timestamp: consumer.last_timestamp(),
        ssrc,
    };
    let values = ExtensionValues::default();
    let header_len = consumer.template.write(buffer, header, &values, &[], stamp);
    let body = buffer.get_mut(header_len..plain)?;
    body.fill(0);
    if rtx.is_some() {
        let count = u8::try_from(body.len()).ok()?;
        *body.last_mut()? = count;
    }
    session
        .sealer
        .seal_rtp(number, buffer, header_len, plain)
        .ok()
}
