//! State of one consumer: which stream it forwards and how packets are rewritten for its receiver.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plenum_ids::ConsumerId;
use plenum_params::{
    event::{ConsumerScore, Layers},
    media::{CodecKind, MediaKind, SendParameters},
    trace::TraceTypes,
};

use crate::{
    history::History,
    packet::{LayerInfo, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS, PacketMeta},
    producer::{Fresh, Producer},
    rate::RateCounter,
    sequence_map::SequenceMap,
};
use plenum_prefetch::prefetch;

mod dependency;
mod header;
mod key_frame;
mod outline;
mod picture_ids;
mod redundancy;
mod selector;
mod sent_window;
mod switching;

use key_frame::{BegunKey, LastKey};
use outline::{Format, Outline};
use picture_ids::PictureIds;
use redundancy::Redundancy;
use selector::{Choice, Selector};
use sent_window::SentWindow;
use switching::Start;

pub(crate) use dependency::MAX_DESCRIPTOR;
pub(crate) use header::{HeaderTemplate, PacketHeader, Stamp};

/// A packet asked for again within this time was most likely asked for twice: about a round trip inside one region.
const RESEND_INTERVAL: Duration = Duration::from_millis(30);

/// A round trip is longer than this only through a queue that is already full; who still misses a packet then shall not
/// have to wait for the queue to drain.
const MAX_RESEND_INTERVAL: Duration = Duration::from_millis(500);

/// Recently retransmitted packets that are remembered per consumer.
const RESENT_HISTORY: usize = 64;

/// Stream switches that retransmissions can look back over. Switches are seconds apart, the ring is two seconds deep.
const MAX_EPOCHS: usize = 4;

/// A producer as it is sent to one peer.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one stream"
)]
pub(crate) struct Consumer {
    pub(crate) id: ConsumerId,
    pub(crate) transport: usize,
    pub(crate) producer: usize,
    pub(crate) parameters: SendParameters,
    pub(crate) paused: bool,
    /// What of it somebody wants to look into.
    pub(crate) trace: TraceTypes,
    pub(crate) template: HeaderTemplate,
    pub(crate) outline: Outline,
    /// Highest layers that the client wants; `None`: all there are.
    pub(crate) preferred: Option<Layers>,
    /// Weight when bandwidth is shared out, 1 to 255.
    pub(crate) priority: u8,
    /// The one stream that another worker gets, with all layers in it.
    pinned: Option<u8>,
    /// What to change to as soon as the stream allows it; `None`: nothing is sent.
    target: Option<LayerTarget>,
    /// Whether the current stream flows; `false` until its next sync point.
    synced: bool,
    /// The stream's numbers have nothing to do with those it had before.
    renumbered: bool,
    /// Where to begin with another stream, once the last frame of the present one is through.
    start: Option<Start>,
    /// Whether the last frame sent goes on.
    frame_is_open: bool,
    missed_key_frame: bool,
    last_key: Option<LastKey>,
    begun_key: Option<BegunKey>,
    /// The first outgoing number since a stream began, until it was asked for.
    begun: Option<u64>,
    /// Only where there are layers to choose.
    selector: Option<Selector>,
    /// Only where picture ids must be rewritten.
    picture_ids: Option<PictureIds>,
    /// Only where the receiver can take redundant sound.
    redundancy: Option<Box<Redundancy>>,
    map: SequenceMap,
    epochs: History<Epoch, MAX_EPOCHS>,
    pub(crate) rtx_sequence: u64,
    last_timestamp: u32,
    last_sent: Option<Instant>,
    highest_out: u64,
    sent: SentWindow,
    /// How recent packets were stamped, kept only where a lost packet is repeated under its own number: then it must be
    /// the same to the byte (see [`Repeat`]).
    repeats: VecDeque<Repeat>,
    resent: VecDeque<(u64, Instant)>,
    /// Newest frame number that was sent.
    last_frame_number: Option<u16>,

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

/// What a consumer is to forward: a stream of its producer, and layers inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerTarget {
    pub(crate) stream: u8,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
}

/// How packets are rewritten since one stream switch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    first_out: u64,
    pub(crate) stream: u8,
    pub(crate) timestamp_offset: u32,
    /// Frames before the one with this timestamp of the sender were past when the epoch began.
    newest_past: Option<u32>,
    pub(crate) frame_number_offset: u16,
}

/// The packet left so long ago that it cannot be told how it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooOld;

/// What becomes of a packet that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Its outgoing sequence number.
    pub(crate) out: u64,
    /// The packet was meant to be left out, but came so late that its number was given away. An empty packet fills the
    /// gap, which the receiver would take for a loss.
    pub(crate) filler: bool,
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
        producer: (usize, &Producer),
        parameters: SendParameters,
        paused: bool,
        first_sequence: u16,
        first_rtx_sequence: u16,
    ) -> Self {
        let (producer_key, producer) = producer;
        let layered = producer.is_layered();
        let has_picture_ids = parameters
            .codecs
            .iter()
            .any(|codec| matches!(codec.codec, CodecKind::Vp8 | CodecKind::Vp9));
        Self {
            id,
            transport,
            producer: producer_key,
            paused,
            trace: TraceTypes::NONE,
            template: HeaderTemplate::new(&parameters),
            outline: Outline::new(&parameters),
            preferred: None,
            priority: 1,
            pinned: None,
            target: None,
            synced: false,
            renumbered: false,
            start: None,
            frame_is_open: false,
            missed_key_frame: false,
            last_key: None,
            begun_key: None,
            begun: None,
            selector: layered.then(Selector::default),
            picture_ids: has_picture_ids.then(PictureIds::default),
            redundancy: Redundancy::of(&parameters),
            map: SequenceMap::new(u64::from(first_sequence)),
            epochs: History::default(),
            rtx_sequence: u64::from(first_rtx_sequence),
            last_timestamp: 0,
            last_sent: None,
            highest_out: u64::from(first_sequence),
            sent: SentWindow::default(),
            repeats: VecDeque::new(),
            resent: VecDeque::new(),
            last_frame_number: None,
            rate: RateCounter::default(),
            counters: SentCounters::default(),
            score: ConsumerScore::default(),
            announced_layers: None,
            report: ReceiverReportValues::default(),
            sent_reports: [None; 4],
            parameters,
        }
    }

    /// A consumer for another worker, where each receiver chooses layers for itself: all packets of one stream pass.
    pub(crate) fn pinned_to(mut self, stream: u8) -> Self {
        self.pinned = Some(stream);
        self.selector = None;
        self.target = Some(LayerTarget {
            stream,
            spatial: MAX_SPATIAL_LAYERS - 1,
            temporal: MAX_TEMPORAL_LAYERS - 1,
        });
        self
    }

    /// The one stream that another worker gets.
    pub(crate) fn pinned(&self) -> Option<u8> {
        self.pinned
    }

    /// Whether it sends to another worker.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// Asks for what most packets need: see [`prefetching`](crate::prefetching).
    pub(crate) fn prefetch(&self) {
        prefetch(&self.transport);
        prefetch(&self.producer);
        prefetch(&self.paused);
        prefetch(&self.target);
        prefetch(&self.start);
        prefetch(&self.epochs);
        prefetch(&self.outline.kind);
        prefetch(&self.outline.ssrc);
        prefetch(&self.last_sent);
        prefetch(&self.highest_out);
        prefetch(&self.last_timestamp);
        prefetch(&self.counters.packets);
        prefetch(&self.selector);
        prefetch(&self.picture_ids);
        prefetch(&self.announced_layers);
        self.template.prefetch();
        self.map.prefetch();
        self.sent.prefetch();
        self.rate.prefetch();
    }

    /// Whether it is sound that the estimate of the path knows nothing of: that is of what is numbered for the transport.
    #[inline]
    pub(crate) fn is_beside_estimate(&self) -> bool {
        self.outline.kind == MediaKind::Audio && !self.template.is_sequenced()
    }

    /// The RTP timestamp of the newest packet.
    pub(crate) fn last_timestamp(&self) -> u32 {
        self.last_timestamp
    }

    /// The stream that flows now.
    #[inline]
    pub(crate) fn current_stream(&self) -> Option<u8> {
        self.epochs
            .newest()
            .filter(|_| self.synced)
            .map(|epoch| epoch.stream)
    }

    /// Current layers in the words of signalling: the simulcast stream or the spatial layer inside the only stream.
    pub(crate) fn layers(&self, producer: &Producer) -> Option<Layers> {
        let stream = self
            .current_stream()
            .filter(|_| !self.paused && !producer.paused)?;
        let choice = self.selector.as_ref()?.current()?;
        Some(Layers {
            spatial: if producer.streams.len() > 1 {
                stream
            } else {
                choice.spatial
            },
            temporal: Some(choice.temporal),
        })
    }

    /// The target in the words of signalling.
    pub(crate) fn target_layers(&self, producer: &Producer) -> Option<Layers> {
        let target = self.target.filter(|_| self.selector.is_some())?;
        Some(Layers {
            spatial: if producer.streams.len() > 1 {
                target.stream
            } else {
                target.spatial
            },
            temporal: Some(target.temporal),
        })
    }

    /// Whether packets of this stream are nothing to the consumer: it gets another one, and stays there.
    #[inline]
    pub(crate) fn passes_over(&self, stream: u8) -> bool {
        let is_target = self.target.is_some_and(|target| target.stream == stream);
        !is_target && self.current_stream() != Some(stream)
    }

    /// Decides about a packet of this batch. `None`: it is not for this consumer.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        producer: &Producer,
        fresh: Fresh,
        meta: &PacketMeta,
    ) -> Option<Accepted> {
        if self.paused || producer.paused {
            return None;
        }
        let stream = Some(fresh.stream);
        if (self.current_stream() != stream || self.target.map(|target| target.stream) != stream)
            && !self.consider_stream(now, fresh, meta)
        {
            return None;
        }
        if fresh.empty || !self.takes(meta) {
            let _ = self.map.skip(fresh.sequence);
            return None;
        }
        if let Some(selector) = &mut self.selector {
            if meta.layer.unknown {
                return None;
            }
            let next_out = self.map.peek(fresh.sequence);
            let forwarded = selector.judge(fresh.sequence, meta, self.target, next_out);
            let is_wanted = self.target.map(|target| target.stream) == stream;
            self.missed_key_frame |= meta.sync_point && is_wanted && self.needs_sync();
            if !forwarded {
                return self.leave_out(fresh.sequence, meta);
            }
        }
        let out = self.map.map(fresh.sequence)?;
        if !self.sent.insert(out) {
            return None;
        }
        if out >= self.highest_out {
            self.advance(now, out, meta);
        }
        if meta.sync_point {
            self.note_key_frame(now, out, meta.timestamp);
        }
        Some(Accepted { out, filler: false })
    }

    /// A packet was accepted, newer than all others.
    fn advance(&mut self, now: Instant, out: u64, meta: &PacketMeta) {
        self.highest_out = out;
        self.last_sent = Some(now);
        if let Some(epoch) = self.epochs.newest() {
            self.last_timestamp = epoch.timestamp(meta.timestamp);
            let frame_number = meta.layer.frame_number;
            self.last_frame_number = Some(frame_number.wrapping_add(epoch.frame_number_offset));
        }
        self.frame_is_open = !self.ends_picture(out, meta);
        if let Some(picture_ids) = &mut self.picture_ids {
            picture_ids.advance(out, &meta.layer);
        }
    }

    /// Leaves a packet out: sequence numbers and VP8 picture ids of later ones close up.
    fn leave_out(&mut self, sequence: u64, meta: &PacketMeta) -> Option<Accepted> {
        let codec = self.codec(meta.payload_type).map(|codec| codec.codec);
        let Some(first_out) = self.map.skip(sequence) else {
            let out = self.map.map(sequence)?;
            return self
                .sent
                .insert(out)
                .then_some(Accepted { out, filler: true });
        };
        if let Some(picture_ids) = &mut self.picture_ids
            && codec == Some(CodecKind::Vp8)
        {
            picture_ids.leave_out(first_out, &meta.layer);
        }
        None
    }

    /// By what choice of layers a packet was sent; `None` when there was nothing to choose.
    #[inline]
    pub(crate) fn choice(&self, out: u64) -> Result<Option<Choice>, TooOld> {
        let Some(selector) = &self.selector else {
            return Ok(None);
        };
        selector.at_out(out).map(Some).ok_or(TooOld)
    }

    /// Whether a packet is the last one of its picture that the receiver gets.
    fn ends_picture(&self, out: u64, meta: &PacketMeta) -> bool {
        let choice = self.choice(out).ok().flatten();
        choice.map_or(meta.marker, |choice| choice.ends_picture(meta))
    }

    /// Whether a key frame passed that the consumer waited for and could not use, because its first packet came late.
    /// Asking tells it once.
    pub(crate) fn missed_key_frame(&mut self) -> bool {
        std::mem::take(&mut self.missed_key_frame)
    }

    /// The outgoing number with which a stream began since the last time.
    pub(crate) fn poll_begun(&mut self) -> Option<u64> {
        self.begun.take()
    }

    /// The codec that the receiver expects behind a payload type.
    #[inline]
    pub(crate) fn codec(&self, payload_type: u8) -> Option<Format> {
        self.outline.format(payload_type)
    }

    /// How the packet with outgoing sequence number `out` is or was rewritten.
    #[inline]
    pub(crate) fn epoch(&self, out: u64) -> Option<Epoch> {
        self.epochs.find(|epoch| epoch.first_out <= out).copied()
    }

    /// Rewrites the picture id of a payload that is sent as number `out`, of which `layer` was read; `false` when it is too
    /// old to tell how.
    #[inline]
    #[must_use]
    pub(crate) fn rewrite_picture_id(
        &self,
        out: u64,
        layer: &LayerInfo,
        payload: &mut [u8],
    ) -> bool {
        let picture_ids = self.picture_ids.as_ref();
        picture_ids.is_none_or(|ids| ids.rewrite(out, layer, payload))
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
            .min(MAX_RESEND_INTERVAL);
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
        if self.outline.rtx_ssrc.is_none() {
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

    /// The outgoing number that everything so far is below.
    pub(crate) fn next_out(&self) -> u64 {
        self.highest_out + 1
    }

    /// The rewriting in force.
    pub(crate) fn current_epoch(&self) -> Option<Epoch> {
        self.epochs.newest().copied()
    }
}

/// A duration in units of an RTP clock.
pub(crate) fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_micros() * u128::from(clock_rate) / 1_000_000) as u32
}

#[cfg(test)]
mod tests;
