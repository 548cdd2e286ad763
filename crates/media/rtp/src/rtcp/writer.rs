//! Composing RTCP compound packets in a buffer of the caller.

use std::time::Duration;

use crate::ntp::NtpTime;

use super::{
    COMMON_HEADER_LEN, FirEntry, ReportBlock,
    feedback::{REMB_IDENTIFIER, pack_nacks, remb_bits},
    format, packet_type,
    reports::CNAME,
    twcc::{ChunkEncoder, DeltaEncoder, TwccHead, symbol_of},
    xr::{self, DlrrBlock},
};

/// Appends packets to a compound packet. A packet that does not fit leaves the buffer's used part as it was.
#[derive(Debug)]
pub struct RtcpWriter<'a> {
    buf: &'a mut [u8],
    len: usize,
}

/// The sender's part of a sender report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// SSRC of the sender.
    pub ssrc: u32,
    /// Wall-clock time of the report.
    pub ntp: NtpTime,
    /// The same time in units of the media clock.
    pub rtp_timestamp: u32,
    /// Packets sent since the start.
    pub packet_count: u32,
    /// Payload bytes sent since the start.
    pub octet_count: u32,
}

/// Most report blocks, sources or chunks of one packet: the count has five bits.
pub const MAX_COUNT: usize = 31;

/// Why a packet was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpWriteError {
    /// The buffer is too small.
    #[error("no space in the buffer")]
    NoSpace,
    /// More entries than the packet's count can express.
    #[error("too many entries for one packet")]
    TooManyEntries,
    /// A text of more than 255 bytes.
    #[error("text longer than 255 bytes")]
    TextTooLong,
    /// Feedback on packets of which none arrived.
    #[error("no packet arrived")]
    NothingReceived,
}

impl<'a> RtcpWriter<'a> {
    /// Starts an empty compound packet.
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that are still free.
    pub const fn remaining(&self) -> usize {
        self.buf.len() - self.len
    }

    /// The compound packet so far.
    pub fn written(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }

    /// SR (RFC 3550 §6.4.1) with at most [`MAX_COUNT`] blocks.
    pub fn sender_report(
        &mut self,
        info: SenderInfo,
        blocks: impl IntoIterator<Item = ReportBlock>,
    ) -> Result<(), RtcpWriteError> {
        let mut packet = self.begin()?;
        packet.put_u32(info.ssrc)?;
        packet.put(&info.ntp.as_u64().to_be_bytes())?;
        packet.put_u32(info.rtp_timestamp)?;
        packet.put_u32(info.packet_count)?;
        packet.put_u32(info.octet_count)?;
        let count = packet.put_blocks(blocks)?;
        packet.finish(packet_type::SENDER_REPORT, count)
    }

    /// RR (RFC 3550 §6.4.2) with at most [`MAX_COUNT`] blocks.
    pub fn receiver_report(
        &mut self,
        ssrc: u32,
        blocks: impl IntoIterator<Item = ReportBlock>,
    ) -> Result<(), RtcpWriteError> {
        let mut packet = self.begin()?;
        packet.put_u32(ssrc)?;
        let count = packet.put_blocks(blocks)?;
        packet.finish(packet_type::RECEIVER_REPORT, count)
    }

    /// SDES with the canonical name of one source (RFC 3550 §6.5.1).
    pub fn sdes_cname(&mut self, ssrc: u32, cname: &str) -> Result<(), RtcpWriteError> {
        let len = u8::try_from(cname.len()).map_err(|_| RtcpWriteError::TextTooLong)?;
        let mut packet = self.begin()?;
        packet.put_u32(ssrc)?;
        packet.put(&[CNAME, len])?;
        packet.put(cname.as_bytes())?;
        // At least one zero ends the list of items.
        packet.put(&[0])?;
        packet.finish(packet_type::SDES, 1)
    }

    /// APP (RFC 3550 §6.7), whose data is a multiple of four bytes long.
    pub fn application(
        &mut self,
        ssrc: u32,
        name: [u8; 4],
        data: &[u8],
    ) -> Result<(), RtcpWriteError> {
        let mut packet = self.begin()?;
        packet.put_u32(ssrc)?;
        packet.put(&name)?;
        packet.put(data)?;
        packet.finish(packet_type::APPLICATION, 0)
    }

    /// BYE of at most [`MAX_COUNT`] sources (RFC 3550 §6.6).
    pub fn bye(
        &mut self,
        ssrcs: impl IntoIterator<Item = u32>,
        reason: Option<&str>,
    ) -> Result<(), RtcpWriteError> {
        let mut packet = self.begin()?;
        let mut count = 0;
        for ssrc in ssrcs {
            packet.put_u32(ssrc)?;
            count = next_count(count)?;
        }
        if let Some(reason) = reason {
            let len = u8::try_from(reason.len()).map_err(|_| RtcpWriteError::TextTooLong)?;
            packet.put(&[len])?;
            packet.put(reason.as_bytes())?;
        }
        packet.finish(packet_type::BYE, count)
    }

    /// Generic NACK (RFC 4585 §6.2.1); nothing when nothing is lost. Ascending numbers pack best.
    pub fn nack(
        &mut self,
        sender_ssrc: u32,
        media_ssrc: u32,
        lost: impl IntoIterator<Item = u16>,
    ) -> Result<(), RtcpWriteError> {
        let mut entries = pack_nacks(lost).peekable();
        if entries.peek().is_none() {
            return Ok(());
        }
        let mut packet = self.begin_feedback(sender_ssrc, media_ssrc)?;
        for (packet_id, bitmask) in entries {
            packet.put_u16(packet_id)?;
            packet.put_u16(bitmask)?;
        }
        packet.finish(packet_type::TRANSPORT_FEEDBACK, format::NACK)
    }

    /// Picture loss indication (RFC 4585 §6.3.1).
    pub fn pli(&mut self, sender_ssrc: u32, media_ssrc: u32) -> Result<(), RtcpWriteError> {
        let packet = self.begin_feedback(sender_ssrc, media_ssrc)?;
        packet.finish(packet_type::PAYLOAD_FEEDBACK, format::PLI)
    }

    /// Full intra request (RFC 5104 §4.3.1).
    pub fn fir(
        &mut self,
        sender_ssrc: u32,
        entries: impl IntoIterator<Item = FirEntry>,
    ) -> Result<(), RtcpWriteError> {
        let mut packet = self.begin_feedback(sender_ssrc, 0)?;
        for entry in entries {
            packet.put_u32(entry.ssrc)?;
            packet.put(&[entry.sequence_number, 0, 0, 0])?;
        }
        packet.finish(packet_type::PAYLOAD_FEEDBACK, format::FIR)
    }

    /// Receiver estimated maximum bitrate, in bits per second, of at most 255 streams.
    pub fn remb(
        &mut self,
        sender_ssrc: u32,
        bitrate: u64,
        ssrcs: &[u32],
    ) -> Result<(), RtcpWriteError> {
        let count = u8::try_from(ssrcs.len()).map_err(|_| RtcpWriteError::TooManyEntries)?;
        let mut packet = self.begin_feedback(sender_ssrc, 0)?;
        packet.put(&REMB_IDENTIFIER)?;
        packet.put_u32(u32::from(count) << 24 | remb_bits(bitrate))?;
        for &ssrc in ssrcs {
            packet.put_u32(ssrc)?;
        }
        packet.finish(packet_type::PAYLOAD_FEEDBACK, format::AFB)
    }

    /// Transport-wide feedback on packets from `head.base_sequence_number` on, each with the time of its arrival since
    /// an epoch of the caller, or none when it did not arrive.
    ///
    /// Returns how many packets were reported on, at least one: the rest belongs into further feedback, when the
    /// buffer is full or two arrivals lie more than 8 s apart. One of the packets must have arrived; callers begin
    /// with one that did.
    pub fn transport_feedback<I>(
        &mut self,
        head: TwccHead,
        arrivals: I,
    ) -> Result<u16, RtcpWriteError>
    where
        I: IntoIterator<Item = Option<Duration>, IntoIter: Clone>,
    {
        let arrivals = arrivals.into_iter();
        let room = twcc_room(self.remaining()).ok_or(RtcpWriteError::NoSpace)?;
        let mut deltas = DeltaEncoder::default();
        let fitting = arrivals
            .clone()
            .take(room.into())
            .take_while(|arrival| deltas.encode(*arrival).is_ok());
        let count = fitting.count();
        let run = arrivals.take(count);
        let first = run
            .clone()
            .flatten()
            .next()
            .ok_or(RtcpWriteError::NothingReceived)?;

        let mut packet = self.begin_feedback(head.sender_ssrc, head.media_ssrc)?;
        packet.put_u16(head.base_sequence_number)?;
        packet.put_u16(count as u16)?;
        packet
            .put_u32(DeltaEncoder::reference_time(first) << 8 | u32::from(head.feedback_count))?;
        let (mut deltas, mut chunks) = (DeltaEncoder::default(), ChunkEncoder::default());
        for arrival in run.clone() {
            if let Some(chunk) = chunks.push(symbol_of(deltas.encode(arrival).unwrap_or(None))) {
                packet.put_u16(chunk)?;
            }
        }
        while let Some(chunk) = chunks.flush() {
            packet.put_u16(chunk)?;
        }
        let mut deltas = DeltaEncoder::default();
        for arrival in run {
            if let Ok(Some(delta)) = deltas.encode(arrival) {
                match u8::try_from(delta) {
                    Ok(small) => packet.put(&[small])?,
                    Err(_) => packet.put(&delta.to_be_bytes())?,
                }
            }
        }
        packet.finish(packet_type::TRANSPORT_FEEDBACK, format::TWCC)?;
        Ok(count as u16)
    }

    /// XR with a receiver reference time block (RFC 3611 §4.4).
    pub fn receiver_reference_time(
        &mut self,
        ssrc: u32,
        ntp: NtpTime,
    ) -> Result<(), RtcpWriteError> {
        let mut packet = self.begin()?;
        packet.put_u32(ssrc)?;
        packet.put(&[xr::RRTR, 0, 0, 2])?;
        packet.put(&ntp.as_u64().to_be_bytes())?;
        packet.finish(packet_type::EXTENDED_REPORT, 0)
    }

    /// XR with one DLRR block (RFC 3611 §4.5).
    pub fn dlrr(&mut self, ssrc: u32, answers: &[DlrrBlock]) -> Result<(), RtcpWriteError> {
        let words = u16::try_from(answers.len() * 3).map_err(|_| RtcpWriteError::TooManyEntries)?;
        let mut packet = self.begin()?;
        packet.put_u32(ssrc)?;
        packet.put(&[xr::DLRR, 0])?;
        packet.put_u16(words)?;
        for answer in answers {
            packet.put_u32(answer.ssrc)?;
            packet.put_u32(answer.last_rr)?;
            packet.put_u32(answer.delay_since_last_rr)?;
        }
        packet.finish(packet_type::EXTENDED_REPORT, 0)
    }

    fn begin(&mut self) -> Result<Packet<'_>, RtcpWriteError> {
        let free = self.buf.get_mut(self.len..).unwrap_or_default();
        if free.len() < COMMON_HEADER_LEN {
            return Err(RtcpWriteError::NoSpace);
        }
        Ok(Packet {
            free,
            at: COMMON_HEADER_LEN,
            len: &mut self.len,
        })
    }

    fn begin_feedback(
        &mut self,
        sender_ssrc: u32,
        media_ssrc: u32,
    ) -> Result<Packet<'_>, RtcpWriteError> {
        let mut packet = self.begin()?;
        packet.put_u32(sender_ssrc)?;
        packet.put_u32(media_ssrc)?;
        Ok(packet)
    }
}

/// One packet in the making. It counts only once it is finished.
struct Packet<'w> {
    free: &'w mut [u8],
    at: usize,
    len: &'w mut usize,
}

impl Packet<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), RtcpWriteError> {
        let end = self.at + bytes.len();
        self.free
            .get_mut(self.at..end)
            .ok_or(RtcpWriteError::NoSpace)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    fn put_u16(&mut self, value: u16) -> Result<(), RtcpWriteError> {
        self.put(&value.to_be_bytes())
    }

    fn put_u32(&mut self, value: u32) -> Result<(), RtcpWriteError> {
        self.put(&value.to_be_bytes())
    }

    fn put_blocks(
        &mut self,
        blocks: impl IntoIterator<Item = ReportBlock>,
    ) -> Result<u8, RtcpWriteError> {
        let mut count = 0;
        for block in blocks {
            count = next_count(count)?;
            self.put_u32(block.ssrc)?;
            let lost = block
                .cumulative_lost
                .clamp(-0x0080_0000, 0x007f_ffff)
                .cast_unsigned()
                & 0x00ff_ffff;
            self.put_u32(u32::from(block.fraction_lost) << 24 | lost)?;
            self.put_u32(block.highest_sequence_number)?;
            self.put_u32(block.jitter)?;
            self.put_u32(block.last_sr)?;
            self.put_u32(block.delay_since_last_sr)?;
        }
        Ok(count)
    }

    /// Fills the last word with zeros and writes the common header.
    fn finish(mut self, packet_type: u8, count: u8) -> Result<(), RtcpWriteError> {
        let padding = self.at.next_multiple_of(4) - self.at;
        self.put([0; 3].get(..padding).unwrap_or_default())?;
        let words = u16::try_from(self.at / 4 - 1).map_err(|_| RtcpWriteError::NoSpace)?;
        let [high, low] = words.to_be_bytes();
        let header = self.free.first_chunk_mut().ok_or(RtcpWriteError::NoSpace)?;
        *header = [0x80 | count & 0x1f, packet_type, high, low];
        *self.len += self.at;
        Ok(())
    }
}

fn next_count(count: u8) -> Result<u8, RtcpWriteError> {
    if usize::from(count) == MAX_COUNT {
        Err(RtcpWriteError::TooManyEntries)
    } else {
        Ok(count + 1)
    }
}

/// How many packets transport-wide feedback of this size can surely report on: a chunk of two bytes for seven packets
/// and two bytes of delta each.
fn twcc_room(space: usize) -> Option<u16> {
    /// Common header, two SSRCs, base, count, reference time and feedback count.
    const HEAD: usize = 20;
    /// Up to three bytes of padding, two bytes for a chunk that is not full.
    const SLACK: usize = 5;
    let room = space.checked_sub(HEAD + SLACK)?.saturating_mul(7) / 16;
    u16::try_from(room)
        .ok()
        .or(Some(u16::MAX))
        .filter(|&room| room > 0)
}
