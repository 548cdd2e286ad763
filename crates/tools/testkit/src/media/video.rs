//! A sender of video.

use std::time::Duration;

use super::{
    body::frame_body,
    payload::FrameInfo,
    source::{PacketFields, RtpSource},
};
use crate::trace::TracePacket;

/// Payload of a full packet, about what browsers use.
const MAX_PAYLOAD: usize = 1180;

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VideoFormat {
    /// AV1.
    Av1,
    /// H.264, packetisation mode 1.
    H264,
    /// VP8.
    Vp8,
    /// VP9, non-flexible mode, one layer.
    Vp9,
}

/// Video frames as RTP packets.
#[derive(Clone, Debug)]
pub struct VideoSource {
    rtp: RtpSource,
    format: VideoFormat,
    number: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
}

impl VideoSource {
    /// A sender on the stream `rtp` whose first picture id is `picture_id` (VP8, VP9; 15 bits).
    pub const fn new(rtp: RtpSource, format: VideoFormat, picture_id: u16) -> Self {
        Self {
            rtp,
            format,
            number: 0,
            picture_id: picture_id & 0x7fff,
            tl0_pic_idx: 0,
        }
    }

    /// The stream.
    pub const fn rtp(&self) -> &RtpSource {
        &self.rtp
    }

    /// Number of the next frame, which its contents will carry.
    pub const fn next_number(&self) -> u32 {
        self.number
    }

    /// The packets of a frame of about `len` bytes, in pieces that differ by a byte at most, as libwebrtc cuts them.
    pub fn frame(&mut self, elapsed: Duration, is_key: bool, len: usize) -> Vec<Vec<u8>> {
        let info = self.next_info(is_key);
        let bitstream = self.bitstream(info, len);
        let count = bitstream.len().div_ceil(MAX_PAYLOAD - 10);
        let (short, longer) = (bitstream.len() / count, bitstream.len() % count);
        let lens = (0..count).map(|index| short + usize::from(index >= count - longer));
        self.packets(elapsed, info, &bitstream, lens)
    }

    /// The packets of a frame with the sizes of a recorded one. Sizes below what headers need are exceeded.
    pub fn traced_frame(
        &mut self,
        elapsed: Duration,
        is_key: bool,
        frame: &[TracePacket],
    ) -> Vec<Vec<u8>> {
        let info = self.next_info(is_key);
        let header_len = self.rtp.header_len(PacketFields::default());
        let last = frame.len().saturating_sub(1);
        let piece_len = |(index, packet): (usize, &TracePacket)| {
            let overhead = header_len + info.descriptor(index == 0, index == last).len();
            packet.rtp_len().saturating_sub(overhead).max(1)
        };
        let mut lens: Vec<usize> = frame.iter().enumerate().map(piece_len).collect();
        let head_len = info.bitstream_head().len();
        let bitstream = self.bitstream(info, lens.iter().sum::<usize>().saturating_sub(head_len));
        if let Some(last) = lens.last_mut() {
            *last = usize::MAX;
        }
        self.packets(elapsed, info, &bitstream, lens)
    }

    fn next_info(&mut self, is_key: bool) -> FrameInfo {
        let info = FrameInfo {
            format: self.format,
            is_key,
            picture_id: self.picture_id,
            tl0_pic_idx: self.tl0_pic_idx,
        };
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        info
    }

    fn bitstream(&mut self, info: FrameInfo, body_len: usize) -> Vec<u8> {
        let mut bitstream = info.bitstream_head();
        bitstream.extend(frame_body(self.number, body_len));
        self.number += 1;
        bitstream
    }

    /// Cuts the bitstream into pieces of the given lengths, the last one as short as it must be.
    fn packets(
        &mut self,
        elapsed: Duration,
        info: FrameInfo,
        bitstream: &[u8],
        lens: impl IntoIterator<Item = usize>,
    ) -> Vec<Vec<u8>> {
        let fields = PacketFields {
            elapsed,
            ..PacketFields::default()
        };
        let mut packets = Vec::new();
        if let Some(payload) = info.parameter_sets() {
            packets.push(self.rtp.packet(fields, &payload));
        }
        let mut rest = bitstream;
        for len in lens {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at(len.min(rest.len()));
            let (is_first, is_last) = (rest.len() == bitstream.len(), tail.is_empty());
            let mut payload = info.descriptor(is_first, is_last);
            payload.extend(piece);
            packets.push(self.rtp.packet(
                PacketFields {
                    marker: is_last,
                    ..fields
                },
                &payload,
            ));
            rest = tail;
        }
        packets
    }
}
