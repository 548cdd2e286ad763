//! A stream that is being sent.

use std::time::{Duration, Instant};

use plenum_params::media::MediaKind;
use plenum_rtp::{
    HeaderFields, NtpTime, RtpError, RtpHeader, RtpWriter,
    ext::{AbsCaptureTime, AbsSendTime, AudioLevel, TransportSequence},
    ntp::round_trip,
    rtcp::{ReportBlock, SenderInfo},
};

use crate::stats::Sent;

/// A stream to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers make it")]
pub struct SendStream {
    /// Sound or pictures.
    pub kind: MediaKind,
    /// SSRC of the media packets.
    pub ssrc: u32,
    /// SSRC and payload type of retransmissions. Without them nothing is sent again.
    pub rtx: Option<(u32, u8)>,
    /// Payload type of the media packets.
    pub payload_type: u8,
    /// Ticks of the RTP clock in a second.
    pub clock_rate: u32,
    /// Header extensions.
    pub extensions: ExtensionIds,
    /// Value of the extension `mid`.
    pub mid: String,
    /// Value of the extension `rid`, of simulcast streams.
    pub rid: Option<String>,
    /// Of the first packet.
    pub first_sequence_number: u16,
    /// At media time zero.
    pub first_timestamp: u32,
}

/// Identifiers of the header extensions in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers make it")]
pub struct ExtensionIds {
    /// Media section (RFC 9143).
    pub mid: Option<u8>,
    /// Simulcast stream (RFC 8852).
    pub rid: Option<u8>,
    /// Simulcast stream that a retransmission belongs to (RFC 8852).
    pub repaired_rid: Option<u8>,
    /// Loudness (RFC 6464).
    pub audio_level: Option<u8>,
    /// Time of sending.
    pub abs_send_time: Option<u8>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u8>,
    /// Time of capture.
    pub abs_capture_time: Option<u8>,
    /// Dependency descriptor of AV1.
    pub dependency_descriptor: Option<u8>,
}

/// A packet to be sent.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "sources fill it with struct update syntax"
)]
pub struct Packet<'a> {
    /// Which stream of a simulcast publication, lowest first.
    pub encoding: usize,
    /// Media time, counted from the beginning of the stream.
    pub time: Duration,
    /// The RTP marker: the last packet of a picture, or the first of a talk spurt.
    pub marker: bool,
    /// Whether a decoder can begin with this frame.
    pub is_key: bool,
    /// When the frame was captured, for receivers who want to know.
    pub captured: Option<NtpTime>,
    /// How loud it is.
    pub audio_level: Option<AudioLevel>,
    /// Value of the dependency descriptor (AV1).
    pub dependency_descriptor: Option<&'a [u8]>,
    /// The payload, in pieces that follow each other: what codecs put before a frame's bytes, then the bytes.
    pub payload: [&'a [u8]; 2],
}

/// Packets of pictures and of sound that are kept for retransmission: about two seconds at 2.5 Mb/s, one second of Opus.
const HISTORY: (usize, usize) = (512, 64);

/// A packet asked for again so soon is on its way already: the round trip of a near server.
const REPEAT_PAUSE: Duration = Duration::from_millis(20);

/// What is remembered of it.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) stream: SendStream,
    /// Roll-over counter << 16 | sequence number of the next packet.
    next: u64,
    next_rtx: u64,
    history: Box<[Kept]>,
    pub(super) sent: Sent,
    pub(super) fraction_lost: f64,
    pub(super) round_trip: Option<Duration>,
    last: Option<(Instant, u32)>,
}

#[derive(Debug, Default)]
struct Kept {
    index: Option<u64>,
    header_len: usize,
    packet: Vec<u8>,
    sent_again: Option<Instant>,
}

/// What is known only when a packet leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) send_time: AbsSendTime,
    pub(super) transport_sequence: TransportSequence,
}

/// A plain packet that was written into a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) index: u64,
    pub(super) header_len: usize,
    pub(super) len: usize,
}

impl Sending {
    pub(super) fn new(stream: SendStream) -> Self {
        let kept = match (stream.kind, stream.rtx) {
            (_, None) => 0,
            (MediaKind::Video, _) => HISTORY.0,
            (MediaKind::Audio, _) => HISTORY.1,
        };
        Self {
            next: stream.first_sequence_number.into(),
            next_rtx: 0,
            history: (0..kept).map(|_| Kept::default()).collect(),
            stream,
            sent: Sent::default(),
            fraction_lost: 0.0,
            round_trip: None,
            last: None,
        }
    }

    /// Writes the next packet into `out`.
    pub(super) fn write(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        stamp: Stamp,
        out: &mut [u8],
    ) -> Result<Written, RtpError> {
        let index = self.next;
        let timestamp = self.timestamp(packet.time);
        let header_len = self.write_header(packet, timestamp, stamp, out)?;
        let mut len = header_len;
        for piece in packet.payload {
            let space = out.get_mut(len..len + piece.len());
            space.ok_or(RtpError::NoSpace)?.copy_from_slice(piece);
            len += piece.len();
        }
        self.next += 1;
        self.keep(index, header_len, out.get(..len).unwrap_or_default());
        self.last = Some((now, timestamp));
        self.sent.packets += 1;
        self.sent.bytes += len as u64;
        Ok(Written {
            index,
            header_len,
            len,
        })
    }

    fn write_header(
        &self,
        packet: &Packet<'_>,
        timestamp: u32,
        stamp: Stamp,
        out: &mut [u8],
    ) -> Result<usize, RtpError> {
        let (stream, ids) = (&self.stream, &self.stream.extensions);
        let fields = HeaderFields {
            marker: packet.marker,
            payload_type: stream.payload_type,
            sequence_number: self.next as u16,
            timestamp,
            ssrc: stream.ssrc,
            padding: false,
        };
        let mut writer = RtpWriter::begin(out, fields)?;
        if let Some(id) = ids.mid {
            writer.push_extension(id, stream.mid.as_bytes())?;
        }
        if let (Some(id), Some(rid)) = (ids.rid, &stream.rid) {
            writer.push_extension(id, rid.as_bytes())?;
        }
        if let (Some(id), Some(level)) = (ids.audio_level, packet.audio_level) {
            writer.push_extension(id, &level.to_bytes())?;
        }
        if let Some(id) = ids.abs_send_time {
            writer.push_extension(id, &stamp.send_time.to_bytes())?;
        }
        if let Some(id) = ids.transport_cc {
            writer.push_extension(id, &stamp.transport_sequence.to_bytes())?;
        }
        // Once for a frame: where it ends.
        let ends = packet.marker || stream.kind == MediaKind::Audio;
        if let (Some(id), Some(captured)) = (ids.abs_capture_time, packet.captured.filter(|_| ends))
        {
            let value = AbsCaptureTime {
                capture_time: captured,
                clock_offset: None,
            };
            let bytes = value.to_bytes();
            writer.push_extension(id, bytes.get(..value.value_len()).unwrap_or_default())?;
        }
        if let (Some(id), Some(value)) = (ids.dependency_descriptor, packet.dependency_descriptor) {
            writer.push_extension(id, value)?;
        }
        Ok(writer.finish())
    }

    fn keep(&mut self, index: u64, header_len: usize, packet: &[u8]) {
        let slots = self.history.len() as u64;
        let slot = index.checked_rem(slots).unwrap_or_default() as usize;
        if let Some(kept) = self.history.get_mut(slot) {
            kept.index = Some(index);
            kept.header_len = header_len;
            kept.packet.clear();
            kept.packet.extend_from_slice(packet);
            kept.sent_again = None;
        }
    }

    /// Writes the retransmission of a packet (RFC 4588). `None`: it is not known any more, or has just been sent again.
    pub(super) fn write_again(
        &mut self,
        now: Instant,
        lost: u16,
        stamp: Stamp,
        out: &mut [u8],
    ) -> Option<Written> {
        self.sent.nacks += 1;
        let (ssrc, payload_type) = self.stream.rtx?;
        let slots = self.history.len() as u64;
        // Numbers wrap at 65536, which a power of two divides: the low 16 bits say which slot.
        let slot = u64::from(lost).checked_rem(slots)? as usize;
        let kept = self.history.get_mut(slot)?;
        if kept.index.map(|index| index as u16) != Some(lost) {
            self.sent.nacks_too_late += 1;
            return None;
        }
        let just_now = |at: Instant| now.saturating_duration_since(at) < REPEAT_PAUSE;
        if kept.sent_again.is_some_and(just_now) {
            return None;
        }
        let header = RtpHeader::parse(&kept.packet).ok()?;
        let fields = HeaderFields {
            marker: header.marker,
            payload_type,
            sequence_number: self.next_rtx as u16,
            timestamp: header.timestamp,
            ssrc,
            padding: false,
        };
        let ids = &self.stream.extensions;
        let mut writer = RtpWriter::begin(out, fields).ok()?;
        for (id, value) in header.extensions(&kept.packet) {
            let written = if Some(id) == ids.rid {
                ids.repaired_rid
                    .map_or(Ok(()), |id| writer.push_extension(id, value))
            } else if Some(id) == ids.abs_send_time {
                writer.push_extension(id, &stamp.send_time.to_bytes())
            } else if Some(id) == ids.transport_cc {
                writer.push_extension(id, &stamp.transport_sequence.to_bytes())
            } else {
                writer.push_extension(id, value)
            };
            written.ok()?;
        }
        let header_len = writer.finish();
        let payload = kept.packet.get(kept.header_len..)?;
        let (number, rest) = out.get_mut(header_len..)?.split_first_chunk_mut()?;
        *number = lost.to_be_bytes();
        rest.get_mut(..payload.len())?.copy_from_slice(payload);
        kept.sent_again = Some(now);
        self.next_rtx += 1;
        self.sent.retransmitted += 1;
        Some(Written {
            index: self.next_rtx - 1,
            header_len,
            len: header_len + number.len() + payload.len(),
        })
    }

    /// What a sender report says now; `None` before the first packet.
    pub(super) fn sender_info(&self, now: Instant, ntp: NtpTime) -> Option<SenderInfo> {
        let (at, timestamp) = self.last?;
        let since = now.saturating_duration_since(at);
        Some(SenderInfo {
            ssrc: self.stream.ssrc,
            ntp,
            rtp_timestamp: timestamp.wrapping_add(ticks(since, self.stream.clock_rate)),
            packet_count: self.sent.packets as u32,
            octet_count: self.sent.bytes as u32,
        })
    }

    /// Takes the server's report about the stream.
    pub(super) fn handle_report(&mut self, ntp: NtpTime, block: &ReportBlock) {
        self.fraction_lost = f64::from(block.fraction_lost) / 256.0;
        let measured = round_trip(ntp.compact(), block.last_sr, block.delay_since_last_sr);
        self.round_trip = measured.or(self.round_trip);
    }

    fn timestamp(&self, time: Duration) -> u32 {
        let ticks = ticks(time, self.stream.clock_rate);
        self.stream.first_timestamp.wrapping_add(ticks)
    }
}

fn ticks(time: Duration, clock_rate: u32) -> u32 {
    (time.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32
}
