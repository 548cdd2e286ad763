//! State of one consumer: which stream it forwards and how packets are rewritten for its receiver.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plenum_ids::ConsumerId;
use plenum_params::{
    event::{ConsumerScore, Layers},
    media::{CodecKind, SendCodec, SendParameters},
};

use crate::{
    packet::PacketMeta,
    producer::{Fresh, Producer},
    rate::RateCounter,
    sequence_map::SequenceMap,
};

mod header;
mod sent_window;
mod vp8_rewrite;

use sent_window::SentWindow;

pub(crate) use header::{HeaderTemplate, PacketHeader, Stamp};
pub(crate) use vp8_rewrite::PictureIds;

/// A packet asked for again within this time was most likely asked for twice: about a round trip inside one region.
const RESEND_INTERVAL: Duration = Duration::from_millis(30);

/// Recently retransmitted packets that are remembered per consumer.
const RESENT_HISTORY: usize = 64;

/// Stream switches that retransmissions can look back over. Switches are seconds apart, the ring is two seconds deep.
const MAX_EPOCHS: usize = 4;

/// A producer as it is sent to one peer.
pub(crate) struct Consumer {
    pub(crate) id: ConsumerId,
    pub(crate) transport: usize,
    pub(crate) producer: usize,
    pub(crate) parameters: SendParameters,
    pub(crate) paused: bool,
    pub(crate) template: HeaderTemplate,
    /// The stream to change to at its next sync point.
    pub(crate) target: Option<u8>,
    /// Whether the current stream flows; `false` until its next sync point.
    synced: bool,
    map: SequenceMap,
    epochs: VecDeque<Epoch>,
    pub(crate) rtx_sequence: u64,
    last_timestamp: u32,
    last_sent: Option<Instant>,
    highest_out: u64,
    sent: SentWindow,
    /// How recent packets were stamped, kept only where a lost packet is repeated under its own number: then it must be
    /// the same to the byte (see [`Repeat`]).
    repeats: VecDeque<Repeat>,
    resent: VecDeque<(u64, Instant)>,
    pub(crate) picture_ids: PictureIds,

    pub(crate) rate: RateCounter,
    pub(crate) counters: SentCounters,
    pub(crate) score: ConsumerScore,
    /// The layers that the node was last told of.
    pub(crate) announced_layers: Option<Layers>,
    pub(crate) report: ReceiverReportValues,
    /// The newest sender reports, newest first: compact NTP time, and when each left. A receiver's report may still
    /// name the one before the last.
    pub(crate) sent_reports: [Option<(u32, Instant)>; 4],
}

/// How packets are rewritten since one stream switch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    first_out: u64,
    pub(crate) stream: u8,
    pub(crate) timestamp_offset: u32,
    pub(crate) picture_id_offset: u16,
    pub(crate) tl0_offset: u8,
}

/// What was added to a packet when it was sent.
///
/// A receiver without RTX gets a lost packet again under its own sequence number, and so under the same nonce. With GCM
/// two different packets under one nonce give the authentication key away, so the repetition is made of the same bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    pub(crate) out: u64,
    pub(crate) stamp: Stamp,
    pub(crate) padding: u8,
}

/// Packets that can be repeated: a second of audio.
const REPEAT_HISTORY: usize = 50;

/// Plain counts of what was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SentCounters {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) retransmitted: u64,
    pub(crate) nacks: u64,
    pub(crate) nacked_packets: u64,
    pub(crate) plis: u64,
    pub(crate) firs: u64,
}

/// The receiver's last report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReceiverReportValues {
    pub(crate) lost: u32,
    pub(crate) fraction_lost: u8,
    pub(crate) jitter: u32,
    pub(crate) round_trip: Option<Duration>,
}

impl Consumer {
    pub(crate) fn new(
        id: ConsumerId,
        transport: usize,
        producer: usize,
        parameters: SendParameters,
        paused: bool,
        first_sequence: u16,
        first_rtx_sequence: u16,
    ) -> Self {
        Self {
            id,
            transport,
            producer,
            paused,
            template: HeaderTemplate::new(&parameters),
            target: None,
            synced: false,
            map: SequenceMap::new(u64::from(first_sequence)),
            epochs: VecDeque::new(),
            rtx_sequence: u64::from(first_rtx_sequence),
            last_timestamp: 0,
            last_sent: None,
            highest_out: u64::from(first_sequence),
            sent: SentWindow::default(),
            repeats: VecDeque::new(),
            resent: VecDeque::new(),
            picture_ids: PictureIds::default(),
            rate: RateCounter::default(),
            counters: SentCounters::default(),
            score: ConsumerScore::default(),
            announced_layers: None,
            report: ReceiverReportValues::default(),
            sent_reports: [None; 4],
            parameters,
        }
    }

    /// Waits for the next sync point before anything is sent again.
    pub(crate) fn resync(&mut self) {
        self.synced = false;
    }

    /// The stream that flows now.
    pub(crate) fn current_stream(&self) -> Option<u8> {
        self.epochs
            .back()
            .filter(|_| self.synced)
            .map(|epoch| epoch.stream)
    }

    /// Current layers in the words of signalling: the simulcast stream, or nothing.
    pub(crate) fn layers(&self) -> Option<Layers> {
        self.current_stream().map(|stream| Layers {
            spatial: stream,
            temporal: None,
        })
    }

    /// Whether a key frame of the target stream is waited for.
    pub(crate) fn needs_sync(&self) -> bool {
        !self.paused
            && self.target.is_some()
            && (!self.synced || self.current_stream() != self.target)
    }

    /// Decides about a packet of this batch: its outgoing sequence number, or `None` when it is not for this consumer.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        producer: &Producer,
        fresh: Fresh,
        meta: &PacketMeta,
    ) -> Option<u64> {
        if self.paused || producer.paused {
            return None;
        }
        if self.current_stream() != Some(fresh.stream) || self.target != Some(fresh.stream) {
            let switch = self.target == Some(fresh.stream) && meta.sync_point && !fresh.empty;
            if switch && self.codec(meta.payload_type).is_some() {
                self.switch(now, producer, fresh, meta);
            } else if self.current_stream() != Some(fresh.stream) {
                return None;
            }
        }
        if fresh.empty {
            self.map.skip(fresh.sequence);
            return None;
        }
        if self.codec(meta.payload_type).is_none() {
            self.map.skip(fresh.sequence);
            return None;
        }
        let out = self.map.map(fresh.sequence)?;
        if !self.sent.insert(out) {
            return None;
        }
        if out >= self.highest_out {
            self.highest_out = out;
            let offset = self.epochs.back().map_or(0, |epoch| epoch.timestamp_offset);
            self.last_timestamp = meta.timestamp.wrapping_add(offset);
            self.last_sent = Some(now);
        }
        Some(out)
    }

    /// Starts to forward `fresh.stream` with this packet, continuing sequence numbers and timestamps.
    fn switch(&mut self, now: Instant, producer: &Producer, fresh: Fresh, meta: &PacketMeta) {
        let first_out = self.map.jump(fresh.sequence);
        let previous = self.epochs.back().copied();
        let timestamp_offset = match (previous, self.last_sent) {
            // The same stream goes on after a pause: its clock ran on.
            (Some(epoch), _) if epoch.stream == fresh.stream => epoch.timestamp_offset,
            (Some(epoch), Some(last_sent)) => self
                .offset_by_reports(producer, epoch, fresh.stream)
                .filter(|offset| {
                    // Reports of a confused sender must not move time backwards.
                    meta.timestamp
                        .wrapping_add(*offset)
                        .wrapping_sub(self.last_timestamp)
                        .cast_signed()
                        > 0
                })
                .unwrap_or_else(|| {
                    let clock_rate = self
                        .codec(meta.payload_type)
                        .map_or(90_000, |codec| codec.clock_rate);
                    let elapsed = ticks(now.saturating_duration_since(last_sent), clock_rate);
                    let next = self.last_timestamp.wrapping_add(elapsed.max(1));
                    next.wrapping_sub(meta.timestamp)
                }),
            _ => 0,
        };
        let (picture_id_offset, tl0_offset) = match previous {
            Some(epoch) if epoch.stream == fresh.stream => {
                (epoch.picture_id_offset, epoch.tl0_offset)
            }
            Some(_) => (PictureIds::UNDECIDED, 0),
            None => (0, 0),
        };
        if self.epochs.len() == MAX_EPOCHS {
            self.epochs.pop_front();
        }
        let stream = fresh.stream;
        self.epochs.push_back(Epoch {
            first_out,
            stream,
            timestamp_offset,
            picture_id_offset,
            tl0_offset,
        });
        self.synced = true;
    }

    /// The offset that keeps the capture time of both streams on one line, by their senders' reports.
    fn offset_by_reports(&self, producer: &Producer, old: Epoch, stream: u8) -> Option<u32> {
        let clock_rate = self.parameters.codecs.first()?.clock_rate;
        let (old_ntp, old_rtp, _) = producer
            .streams
            .get(usize::from(old.stream))?
            .sender_report?;
        let (new_ntp, new_rtp, _) = producer.streams.get(usize::from(stream))?.sender_report?;
        // NTP time has 32 bits of fraction (RFC 5905 §6); the difference may be negative.
        let elapsed = i128::from(new_ntp.wrapping_sub(old_ntp).cast_signed());
        let new_on_old =
            old_rtp.wrapping_add(((elapsed * i128::from(clock_rate)) >> 32).cast_unsigned() as u32);
        Some(
            new_on_old
                .wrapping_add(old.timestamp_offset)
                .wrapping_sub(new_rtp),
        )
    }

    /// The codec that the receiver expects behind a payload type.
    pub(crate) fn codec(&self, payload_type: u8) -> Option<&SendCodec> {
        self.parameters
            .codecs
            .iter()
            .find(|codec| codec.payload_type == payload_type)
    }

    /// How the packet with outgoing sequence number `out` is or was rewritten.
    pub(crate) fn epoch(&self, out: u64) -> Option<Epoch> {
        self.epochs
            .iter()
            .rev()
            .find(|epoch| epoch.first_out <= out)
            .copied()
    }

    /// Settles how picture ids continue once the first packet of a new stream is written.
    pub(crate) fn rewrite_picture_id(&mut self, out: u64, payload_type: u8, payload: &mut [u8]) {
        if self
            .codec(payload_type)
            .is_none_or(|codec| codec.codec != CodecKind::Vp8)
        {
            return;
        }
        let Some(epoch) = self
            .epochs
            .iter_mut()
            .rev()
            .find(|epoch| epoch.first_out <= out)
        else {
            return;
        };
        self.picture_ids
            .rewrite(&mut epoch.picture_id_offset, &mut epoch.tl0_offset, payload);
    }

    /// The producer's packet behind a sequence number that the receiver reports as lost, unless it was just sent again.
    pub(crate) fn lost_packet(&mut self, now: Instant, sequence_number: u16) -> Option<(u64, u64)> {
        let distance = (self.highest_out as u16).wrapping_sub(sequence_number);
        let out = self.highest_out.checked_sub(u64::from(distance))?;
        let sequence = self.map.reverse(sequence_number)?;
        let interval = self
            .report
            .round_trip
            .unwrap_or(RESEND_INTERVAL)
            .min(Duration::from_millis(200));
        self.resent
            .retain(|(_, at)| now.saturating_duration_since(*at) < interval);
        if self.resent.iter().any(|(resent, _)| *resent == out)
            || self.resent.len() >= RESENT_HISTORY
        {
            return None;
        }
        self.resent.push_back((out, now));
        Some((out, sequence))
    }

    /// Remembers how a packet was stamped, if it may have to be repeated as it is.
    pub(crate) fn remember_stamp(&mut self, out: u64, stamp: Stamp, padding: usize) {
        if self.parameters.rtx_ssrc.is_none() {
            if self.repeats.len() == REPEAT_HISTORY {
                self.repeats.pop_front();
            }
            self.repeats.push_back(Repeat {
                out,
                stamp,
                padding: padding as u8,
            });
        }
    }

    /// How a packet was stamped when it was first sent.
    pub(crate) fn repeat(&self, out: u64) -> Option<Repeat> {
        self.repeats
            .iter()
            .find(|repeat| repeat.out == out)
            .copied()
    }

    /// The producer's extended sequence number behind an outgoing one.
    pub(crate) fn source(&self, out: u64) -> Option<u64> {
        self.map.reverse(out as u16)
    }

    /// Last outgoing sequence number and RTP timestamp, once something was sent.
    pub(crate) fn last_sent(&self) -> Option<(u64, Instant)> {
        self.last_sent.map(|at| (self.highest_out, at))
    }

    /// The rewriting in force.
    pub(crate) fn current_epoch(&self) -> Option<Epoch> {
        self.epochs.back().copied()
    }
}

/// A duration in units of an RTP clock.
pub(crate) fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_micros() * u128::from(clock_rate) / 1_000_000) as u32
}
