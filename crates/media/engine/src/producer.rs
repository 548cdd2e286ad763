//! State of one producer and its streams.

use std::time::{Duration, Instant};

use plenum_codec::red::Primary;
use plenum_ids::{ProducerId, RouterId};
use plenum_params::{
    event::EncodingScore,
    media::{CodecKind, MediaKind, ReceiveCodec, ReceiveEncoding, ReceiveParameters},
    stats::StreamStats,
    trace::TraceTypes,
};

use crate::{
    demand::Demand, key_frame_requests::KeyFrameRequests, layer_reader::LayerReader,
    nack_generator::NackGenerator, observers::Levels, packet::PacketMeta, packet_ring::PacketRing,
    rate::RateCounter, reception::Reception,
};

mod activity;
mod gop;
mod layers;

use activity::LayerActivity;
use gop::Gop;

pub(crate) use gop::Past;

/// Between two changes of a stream's SSRC. Senders change it when they negotiate anew, which takes longer; each change
/// costs events, key frames and memory to begin with, so that a sender must not have one with every packet.
const SSRC_CHANGE_INTERVAL: Duration = Duration::from_millis(500);

/// A media source that a peer sends, or another worker for a peer of its own.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about one source"
)]
pub(crate) struct Producer {
    pub(crate) id: ProducerId,
    /// Whose consumers it is for.
    pub(crate) router: RouterId,
    pub(crate) transport: usize,
    /// It comes from another worker: the one that it is sent to judges it.
    pub(crate) is_piped: bool,
    pub(crate) parameters: ReceiveParameters,
    pub(crate) paused: bool,
    /// What of it somebody wants to look into.
    pub(crate) trace: TraceTypes,
    pub(crate) streams: Vec<ProducerStream>,
    pub(crate) consumers: Vec<usize>,
    /// Whether its transport knows that there is something to be asked of its sender.
    pub(crate) is_asking: bool,
    /// Packets of this batch, in order of arrival.
    pub(crate) fresh: Vec<Fresh>,
    /// Other layers arrive than consumers were told of.
    pub(crate) layers_changed: bool,
    /// What its sender was told of what anybody wants.
    pub(crate) demand: Demand,
    /// How loud it is, when somebody observes that.
    pub(crate) levels: Option<Box<Levels>>,
    /// Scores of a piped producer's streams where they come in; empty until they were told. What a trunk loses is repaired
    /// there or not at all, and says nothing of the picture that its sender gives.
    pub(crate) origin_scores: Vec<u8>,
    /// Codec by received payload type.
    codecs: PayloadTypes,
}

/// A packet that arrived in this batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) stream: u8,
    pub(crate) sequence: u64,
    /// Only padding: the sequence number is skipped and nothing sent.
    pub(crate) empty: bool,
}

/// One RTP stream of a producer.
pub(crate) struct ProducerStream {
    /// Known once signalled or learnt.
    pub(crate) ssrc: Option<u32>,
    pub(crate) rtx_ssrc: Option<u32>,
    /// When the sender last gave the stream another SSRC.
    pub(crate) ssrc_changed: Option<Instant>,
    pub(crate) ring: PacketRing<PacketMeta>,
    pub(crate) reception: Reception,
    pub(crate) nacks: NackGenerator,
    pub(crate) key_frames: KeyFrameRequests,
    /// When the stream began, or began anew.
    pub(crate) first_packet: Option<Instant>,
    pub(crate) last_packet: Option<Instant>,
    /// Sender report: its NTP time, its RTP timestamp, when it arrived.
    pub(crate) sender_report: Option<(u64, u32, Instant)>,
    pub(crate) score: u8,
    pub(crate) mime_type: String,
    pub(crate) rate: RateCounter,
    /// The same without key frames, of streams without layers.
    pub(crate) steady: RateCounter,
    pub(crate) counters: StreamCounters,
    pub(crate) reader: LayerReader,
    pub(crate) activity: LayerActivity,
    pub(crate) gop: Gop,
    /// Whether packets arrive, so that consumers can get the stream.
    pub(crate) live: bool,
    /// Frames of lower streams since the last packet.
    missed_frames: u8,
    highest: Option<u64>,
}

/// Plain counts of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamCounters {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) discarded: u64,
    pub(crate) rtx_discarded: u64,
    pub(crate) retransmitted: u64,
    pub(crate) repaired: u64,
    pub(crate) nacks: u64,
    pub(crate) nacked_packets: u64,
    pub(crate) plis: u64,
    pub(crate) firs: u64,
}

/// What is known of a packet before it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) now: Instant,
    pub(crate) sequence: u64,
    pub(crate) payload_type: u8,
    pub(crate) retransmission: bool,
}

impl Producer {
    pub(crate) fn new(
        id: ProducerId,
        router: RouterId,
        transport: usize,
        parameters: ReceiveParameters,
        paused: bool,
    ) -> Self {
        let streams = parameters.encodings.iter().map(|encoding| ProducerStream {
            ssrc: encoding.ssrc,
            rtx_ssrc: encoding.rtx_ssrc,
            ssrc_changed: None,
            ring: ring_for(parameters.kind),
            reception: Reception::default(),
            nacks: NackGenerator::default(),
            key_frames: KeyFrameRequests::default(),
            first_packet: None,
            last_packet: None,
            sender_report: None,
            score: 0,
            mime_type: parameters
                .codecs
                .first()
                .map(|codec| codec.mime_type.clone())
                .unwrap_or_default(),
            rate: RateCounter::default(),
            steady: RateCounter::default(),
            counters: StreamCounters::default(),
            reader: LayerReader::new(encoding),
            activity: LayerActivity::new(encoding),
            gop: Gop::default(),
            live: false,
            missed_frames: 0,
            highest: None,
        });
        Self {
            id,
            router,
            transport,
            is_piped: false,
            paused,
            trace: TraceTypes::NONE,
            streams: streams.collect(),
            consumers: Vec::new(),
            is_asking: false,
            fresh: Vec::new(),
            layers_changed: false,
            demand: Demand::default(),
            levels: None,
            origin_scores: Vec::new(),
            codecs: PayloadTypes::new(&parameters.codecs),
            parameters,
        }
    }

    /// The media codec of a payload type, and whether the type is its retransmission format.
    pub(crate) fn codec(&self, payload_type: u8) -> Option<(&ReceiveCodec, bool)> {
        let (index, retransmission) = self.codecs.get(payload_type)?;
        Some((self.parameters.codecs.get(index)?, retransmission))
    }

    /// The router's payload type of what is new in a redundant payload, and where it begins.
    fn primary(&self, payload: &[u8]) -> Option<(u8, u16)> {
        let primary = Primary::find(payload).ok()?;
        let (codec, is_rtx) = self.codec(primary.payload_type)?;
        let is_media = !is_rtx && codec.codec != CodecKind::Red;
        let start = u16::try_from(primary.start).ok()?;
        is_media.then_some((codec.mapped_payload_type, start))
    }

    /// Keeps a decrypted media packet and returns whether it is new. `descriptor` is its dependency descriptor, empty
    /// when it has none.
    pub(crate) fn handle_media(
        &mut self,
        stream_index: u8,
        arrival: Arrival,
        mut meta: PacketMeta,
        descriptor: &[u8],
        payload: &[u8],
    ) -> bool {
        let Some((codec, _)) = self.codec(arrival.payload_type) else {
            return false;
        };
        let (codec_kind, clock_rate, mut nack) =
            (codec.codec, codec.clock_rate, codec.feedback.nack);
        meta.payload_type = codec.mapped_payload_type;
        if codec_kind == CodecKind::Red && !payload.is_empty() {
            let Some((payload_type, start)) = self.primary(payload) else {
                if let Some(stream) = self.streams.get_mut(usize::from(stream_index)) {
                    stream.counters.discarded += 1;
                }
                return false;
            };
            (meta.primary_type, meta.primary_at) = (payload_type, start);
            // Browsers say nothing of feedback here. The numbers are those of the codec inside.
            let mut codecs = self.parameters.codecs.iter();
            nack = codecs.any(|codec| codec.feedback.nack);
        }
        let is_audio = self.parameters.kind == MediaKind::Audio;
        let Some(stream) = self.streams.get_mut(usize::from(stream_index)) else {
            return false;
        };
        let Arrival {
            now,
            sequence,
            retransmission,
            ..
        } = arrival;
        meta.sync_point = is_audio;
        if !is_audio && !payload.is_empty() {
            stream
                .reader
                .read(codec_kind, sequence, &mut meta, payload, descriptor);
        }
        if !retransmission {
            stream
                .reception
                .handle_packet(now, sequence, meta.timestamp, clock_rate);
        }
        if retransmission && !nack {
            return false;
        }
        if nack {
            let repaired =
                stream
                    .nacks
                    .handle_packet(now, sequence, retransmission, meta.sync_point);
            if retransmission && !repaired {
                stream.counters.rtx_discarded += 1;
                return false;
            }
            stream.counters.repaired += u64::from(repaired);
        }
        if payload.is_empty() {
            stream.gop.handle_padding(sequence);
            self.fresh.push(Fresh {
                stream: stream_index,
                sequence,
                empty: true,
            });
            return true;
        }
        let kept = descriptor.get(..usize::from(meta.layer.descriptor_len));
        if !stream
            .ring
            .insert(now, sequence, meta, kept.unwrap_or_default(), payload)
        {
            stream.counters.discarded += 1;
            return false;
        }
        let is_next = stream.highest.is_none_or(|highest| highest < sequence);
        let told = stream.reader.told_layers();
        self.layers_changed |= stream
            .activity
            .handle_packet(now, &meta.layer, payload.len(), told);
        if meta.sync_point && !is_audio && codec_kind != CodecKind::Other {
            stream.gop.handle_key_frame(now, sequence, meta.timestamp);
        }
        stream.highest = stream.highest.max(Some(sequence));
        stream.first_packet.get_or_insert(now);
        stream.last_packet = Some(now);
        stream.counters.packets += 1;
        stream.counters.bytes += payload.len() as u64;
        stream.rate.add(now, payload.len());
        if !stream.gop.is_key_frame(meta.timestamp) {
            stream.steady.add(now, payload.len());
        }
        // Which packet of an unknown codec answers a request cannot be told. Any that follows it counts, else the sender
        // would be asked for ever; who still misses a key frame asks again.
        if meta.sync_point && (codec_kind != CodecKind::Other || stream.key_frames.is_asked()) {
            stream.key_frames.handle_key_frame(now);
        }
        self.fresh.push(Fresh {
            stream: stream_index,
            sequence,
            empty: false,
        });
        if stream.reader.brought_meaning() && !is_next {
            self.read_again(now, stream_index, codec_kind, sequence);
        }
        if self.streams.len() > 1 {
            self.handle_simulcast(now, stream_index, is_next && meta.layer.start);
        }
        true
    }

    /// Reads packets whose layers could not be told before this one came.
    fn read_again(&mut self, now: Instant, index: u8, codec: CodecKind, sequence: u64) {
        let Some(stream) = self.streams.get_mut(usize::from(index)) else {
            return;
        };
        for sequence in sequence + 1..=stream.highest.unwrap_or(0) {
            let Some((&meta, bytes)) = stream.ring.get(sequence) else {
                continue;
            };
            let (mut meta, len) = (meta, usize::from(meta.layer.descriptor_len));
            let Some((descriptor, payload)) = bytes.split_at_checked(len) else {
                continue;
            };
            if !meta.layer.unknown {
                continue;
            }
            stream
                .reader
                .read(codec, sequence, &mut meta, payload, descriptor);
            let (told, size) = (stream.reader.told_layers(), payload.len());
            self.layers_changed |= stream.activity.handle_packet(now, &meta.layer, size, told);
            stream.ring.set_meta(sequence, meta);
            self.fresh.push(Fresh {
                stream: index,
                sequence,
                empty: false,
            });
        }
    }

    /// Whether consumers can start at a packet of this batch in a stream.
    pub(crate) fn brings_sync_point(&self, stream: u8) -> bool {
        let Some(ring) = self
            .streams
            .get(usize::from(stream))
            .map(|stream| &stream.ring)
        else {
            return false;
        };
        self.fresh
            .iter()
            .filter(|fresh| fresh.stream == stream)
            .any(|fresh| {
                ring.get(fresh.sequence)
                    .is_some_and(|(meta, _)| meta.sync_point)
            })
    }

    /// What another worker says of a stream's score, which then counts. Of a stream that it does not name nothing came.
    pub(crate) fn origin_score(&self, stream: usize) -> Option<u8> {
        let is_told = !self.origin_scores.is_empty();
        is_told.then(|| self.origin_scores.get(stream).copied().unwrap_or(0))
    }

    /// Scores of the streams seen on the wire.
    pub(crate) fn scores(&self) -> Vec<EncodingScore> {
        let seen = self
            .streams
            .iter()
            .zip(&self.parameters.encodings)
            .enumerate();
        seen.filter_map(|(index, (stream, encoding))| {
            Some(EncodingScore {
                encoding_index: index as u8,
                ssrc: stream.ssrc.filter(|_| stream.last_packet.is_some())?,
                rid: encoding.rid.clone(),
                score: stream.score,
            })
        })
        .collect()
    }

    /// One entry per stream seen on the wire.
    pub(crate) fn stats(&self, now: Instant) -> Vec<StreamStats> {
        let seen = self
            .streams
            .iter()
            .enumerate()
            .filter(|(_, stream)| stream.last_packet.is_some());
        seen.map(|(index, _)| self.stream_stats(now, index))
            .collect()
    }

    /// Counters of one stream.
    pub(crate) fn stream_stats(&self, now: Instant, index: usize) -> StreamStats {
        let Some(stream) = self.streams.get(index) else {
            return StreamStats::default();
        };
        let counters = &stream.counters;
        StreamStats {
            ssrc: stream.ssrc.unwrap_or_default(),
            rtx_ssrc: stream.rtx_ssrc,
            rid: self
                .parameters
                .encodings
                .get(index)
                .and_then(|encoding| encoding.rid.clone()),
            kind: Some(self.parameters.kind),
            mime_type: stream.mime_type.clone(),
            packets_lost: u64::try_from(stream.reception.cumulative_lost()).unwrap_or(0),
            fraction_lost: stream.reception.fraction_lost(),
            jitter: stream.reception.jitter(),
            packets_discarded: counters.discarded,
            rtx_packets_discarded: stream.rtx_ssrc.map(|_| counters.rtx_discarded),
            packets_retransmitted: counters.retransmitted,
            packets_repaired: counters.repaired,
            nack_count: counters.nacks,
            nack_packet_count: counters.nacked_packets,
            pli_count: counters.plis,
            fir_count: counters.firs,
            round_trip_time_ms: None,
            score: stream.score,
            packet_count: counters.packets,
            byte_count: counters.bytes,
            bitrate: stream.rate.bitrate(now),
            bitrate_by_layer: self.bitrate_by_layer(now, index),
        }
    }
}

impl ProducerStream {
    /// Whether a new SSRC may take the stream over.
    pub(crate) fn may_change_ssrc(&self, now: Instant) -> bool {
        self.ssrc.is_none()
            || self.ssrc_changed.is_none_or(|changed| {
                now.saturating_duration_since(changed) >= SSRC_CHANGE_INTERVAL
            })
    }

    /// The sender gave the stream a new SSRC: numbers and times begin anew, counters go on.
    pub(crate) fn restart(&mut self, kind: MediaKind, encoding: &ReceiveEncoding) {
        self.ring = ring_for(kind);
        self.reader = LayerReader::new(encoding);
        self.activity = LayerActivity::new(encoding);
        self.gop = Gop::default();
        self.reception = Reception::default();
        self.nacks = NackGenerator::default();
        self.key_frames = KeyFrameRequests::default();
        self.first_packet = None;
        self.last_packet = None;
        self.sender_report = None;
        self.highest = None;
    }

    /// A kept packet: what is known of it, its dependency descriptor (empty without one), its payload.
    pub(crate) fn packet(&self, sequence: u64) -> Option<(&PacketMeta, &[u8], &[u8])> {
        let (meta, bytes) = self.ring.get(sequence)?;
        let (descriptor, payload) = bytes.split_at_checked(meta.layer.descriptor_len.into())?;
        Some((meta, descriptor, payload))
    }

    /// The newest packet's extended sequence number.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// The extended sequence number of a packet known by its 16 low bits: the one nearest to the highest seen.
    pub(crate) fn extend(&self, sequence_number: u16) -> Option<u64> {
        let highest = self.highest?;
        let distance = sequence_number.wrapping_sub(highest as u16).cast_signed();
        highest.checked_add_signed(i64::from(distance))
    }
}

fn ring_for(kind: MediaKind) -> PacketRing<PacketMeta> {
    match kind {
        MediaKind::Audio => PacketRing::for_audio(),
        MediaKind::Video => PacketRing::for_video(),
    }
}

/// Payload type → index of the media codec, and whether it is the retransmission format.
#[derive(Debug)]
struct PayloadTypes(Box<[u8; 128]>);

impl PayloadTypes {
    const NONE: u8 = 0xff;
    const RTX: u8 = 0x80;

    fn new(codecs: &[ReceiveCodec]) -> Self {
        let mut table = Box::new([Self::NONE; 128]);
        for (index, codec) in codecs.iter().enumerate().take(usize::from(Self::RTX) - 1) {
            if let Some(slot) = table.get_mut(usize::from(codec.payload_type)) {
                *slot = index as u8;
            }
            if let Some(slot) = codec
                .rtx_payload_type
                .and_then(|rtx| table.get_mut(usize::from(rtx)))
            {
                *slot = index as u8 | Self::RTX;
            }
        }
        Self(table)
    }

    fn get(&self, payload_type: u8) -> Option<(usize, bool)> {
        let entry = *self.0.get(usize::from(payload_type))?;
        (entry != Self::NONE).then_some((usize::from(entry & !Self::RTX), entry & Self::RTX != 0))
    }
}
