//! A stream that is being received.

use std::time::{Duration, Instant};

use plenum_codec::VideoCodec;
use plenum_params::{media::MediaKind, rtp_parameters::RtpParameters};
use plenum_rtp::{RtpHeader, SequenceUnwrapper, ext::AbsCaptureTime, rtcp::ReportBlock};
use plenum_srtp::InboundStream;

use super::{losses::Losses, reception::Reception};
use crate::{Codec, sink::ReceivedPacket, stats::Received};

/// A stream to be received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers make it")]
pub struct ReceiveStream {
    /// Sound or pictures.
    pub kind: MediaKind,
    /// SSRC of the media packets.
    pub ssrc: u32,
    /// SSRC of retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// Payload type of the media packets.
    pub payload_type: u8,
    /// Ticks of the RTP clock in a second.
    pub clock_rate: u32,
    /// For finding key frames.
    pub codec: Option<Codec>,
    /// Whether lost packets can be asked for.
    pub nack: bool,
    /// Whether key frames can be asked for.
    pub pli: bool,
    /// Identifier of the header extension with transport-wide numbers.
    pub transport_cc: Option<u8>,
    /// Identifier of the header extension with capture times.
    pub abs_capture_time: Option<u8>,
}

/// Between two requests for a key frame: what an encoder takes to make one, and a round trip.
const KEY_FRAME_PAUSE: Duration = Duration::from_millis(500);

/// A stream that has begun without a key frame is asked for one after so long, as libwebrtc does.
const FIRST_KEY_FRAME: Duration = Duration::from_millis(200);

impl ReceiveStream {
    /// What a consumer's parameters say. `None`: they name no stream.
    pub fn from_parameters(kind: MediaKind, parameters: &RtpParameters) -> Option<Self> {
        let codec = parameters
            .codecs
            .iter()
            .find(|codec| !codec.mime_type.is_rtx())?;
        let encoding = parameters.encodings.first()?;
        let has = |word, parameter| {
            let mut feedback = codec.rtcp_feedback.iter();
            feedback.any(|feedback| feedback.is(word, parameter))
        };
        let extension = |uri: &str| {
            let mut extensions = parameters.header_extensions.iter();
            let found = extensions.find(|extension| extension.uri == uri);
            found.map(|extension| extension.id)
        };
        Some(Self {
            kind,
            ssrc: encoding.ssrc?,
            rtx_ssrc: encoding.rtx.map(|rtx| rtx.ssrc),
            payload_type: codec.payload_type,
            clock_rate: codec.clock_rate,
            codec: Codec::from_name(codec.mime_type.subtype()),
            nack: has("nack", ""),
            pli: has("nack", "pli") || has("ccm", "fir"),
            transport_cc: extension(TRANSPORT_CC).filter(|_| has("transport-cc", "")),
            abs_capture_time: extension(ABS_CAPTURE_TIME),
        })
    }
}

/// Name of the header extension with transport-wide numbers.
pub(super) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Name of the header extension with capture times.
const ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";

/// What is remembered of it.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) stream: ReceiveStream,
    pub(super) media: InboundStream,
    pub(super) rtx: InboundStream,
    unwrapper: SequenceUnwrapper,
    pub(super) losses: Losses,
    reception: Reception,
    pub(super) received: Received,
    /// When a key frame is to be asked for, until one comes.
    key_frame_due: Option<Instant>,
    /// When the first packet came.
    began: Option<Instant>,
    key_frame_asked: Option<Instant>,
}

impl Receiving {
    pub(super) fn new(stream: ReceiveStream) -> Self {
        Self {
            stream,
            media: InboundStream::new(),
            rtx: InboundStream::new(),
            unwrapper: SequenceUnwrapper::new(),
            losses: Losses::default(),
            reception: Reception::default(),
            received: Received::default(),
            key_frame_due: None,
            began: None,
            key_frame_asked: None,
        }
    }

    /// Takes a decrypted packet of the media SSRC, or of retransmissions. `None`: nobody needs it.
    pub(super) fn handle_packet<'a>(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        packet: &'a [u8],
        is_rtx: bool,
    ) -> Option<ReceivedPacket<'a>> {
        let mut payload = packet.get(header.payload(packet).ok()?)?;
        let mut number = header.sequence_number;
        if payload.is_empty() {
            self.received.padding_bytes += packet.len() as u64;
        }
        if is_rtx {
            let (original, rest) = payload.split_first_chunk()?;
            number = u16::from_be_bytes(*original);
            payload = rest;
        }
        let before = self.unwrapper.highest();
        let sequence = self.unwrapper.extend(number);
        if !is_rtx {
            let clock_rate = self.stream.clock_rate;
            self.reception
                .handle_packet(now, sequence, header.timestamp, clock_rate);
        }
        let mut is_recovered = is_rtx;
        match before {
            Some(highest) if sequence <= highest => {
                let Some(was_asked) = self.losses.arrived(sequence) else {
                    self.received.duplicates += 1;
                    return None;
                };
                self.received.recovered += u64::from(was_asked);
                is_recovered |= was_asked;
            }
            Some(highest) if self.stream.nack => {
                let given_up = self.losses.gap(now, highest + 1..sequence);
                self.give_up(now, given_up, given_up);
            }
            Some(highest) => {
                let gap = sequence - highest - 1;
                self.give_up(now, gap, gap);
            }
            None => {}
        }
        if payload.is_empty() {
            return None;
        }
        let mut taken = self.count(now, header, sequence, payload, is_recovered);
        if let Some(wanted) = self.stream.abs_capture_time {
            let mut extensions = header.extensions(packet);
            let value = extensions.find(|(id, _)| *id == wanted);
            let time = value.and_then(|(_, value)| AbsCaptureTime::parse(value));
            taken.captured = time.map(|time| time.capture_time);
        }
        Some(taken)
    }

    fn count<'a>(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        sequence: u64,
        payload: &'a [u8],
        is_recovered: bool,
    ) -> ReceivedPacket<'a> {
        let is_key = self
            .stream
            .codec
            .and_then(video_codec)
            .is_some_and(|codec| plenum_codec::is_key_frame(codec, payload));
        let is_frame = header.marker || self.stream.kind == MediaKind::Audio;
        self.received.packets += 1;
        self.received.bytes += (header.header_len + payload.len()) as u64;
        self.received.frames += u64::from(is_frame);
        self.received.key_frames += u64::from(is_key);
        let began = *self.began.get_or_insert(now);
        if is_key {
            self.key_frame_due = None;
        } else if self.received.key_frames == 0
            && self.stream.codec.and_then(video_codec).is_some()
            && now.saturating_duration_since(began) > FIRST_KEY_FRAME
        {
            self.request_key_frame(now);
        }
        ReceivedPacket {
            arrived: now,
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            is_key,
            is_recovered,
            payload_type: self.stream.payload_type,
            captured: None,
            payload,
        }
    }

    fn give_up(&mut self, now: Instant, missed: u64, lost: u64) {
        self.received.missed += missed;
        self.received.lost += lost;
        if lost > 0 && self.stream.kind == MediaKind::Video {
            self.request_key_frame(now);
        }
    }

    /// Puts the numbers to be asked for now into `asked`.
    pub(super) fn look_for_losses(
        &mut self,
        now: Instant,
        round_trip: Duration,
        asked: &mut Vec<u16>,
    ) {
        let looked = self.losses.look(now, round_trip, asked);
        self.give_up(now, looked.missed, looked.lost);
        self.received.nacks += asked.len() as u64;
    }

    /// Whether a key frame is to be asked for now. It counts as asked for then.
    pub(super) fn take_key_frame_request(&mut self, now: Instant) -> bool {
        if self.key_frame_due.is_none_or(|due| due > now) {
            return false;
        }
        self.key_frame_due = Some(now + KEY_FRAME_PAUSE);
        self.key_frame_asked = Some(now);
        self.received.key_frame_requests += 1;
        true
    }

    /// Wants a key frame, as soon as one may be asked for.
    pub(super) fn request_key_frame(&mut self, now: Instant) {
        if self.stream.pli && self.key_frame_due.is_none() {
            let earliest = self.key_frame_asked.map(|asked| asked + KEY_FRAME_PAUSE);
            self.key_frame_due = Some(earliest.map_or(now, |earliest| earliest.max(now)));
        }
    }

    /// When something is to be asked for.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let losses = self.losses.poll_timeout();
        losses.into_iter().chain(self.key_frame_due).min()
    }

    pub(super) const fn handle_sender_report(&mut self, now: Instant, compact_ntp: u32) {
        self.reception.handle_sender_report(now, compact_ntp);
    }

    pub(super) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        self.reception
            .report(now, self.stream.ssrc, self.stream.clock_rate)
    }

    pub(super) const fn jitter(&self) -> Duration {
        self.reception.jitter()
    }
}

const fn video_codec(codec: Codec) -> Option<VideoCodec> {
    match codec {
        Codec::Av1 => Some(VideoCodec::Av1),
        Codec::H264 => Some(VideoCodec::H264),
        Codec::Opus => None,
        Codec::Vp8 => Some(VideoCodec::Vp8),
        Codec::Vp9 => Some(VideoCodec::Vp9),
    }
}
