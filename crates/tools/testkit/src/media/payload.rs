//! Payloads of one video frame: descriptors and the first bytes of the bitstream, by codec.

use super::video::VideoFormat;

/// H.264 parameter sets, constrained baseline, level 3.1.
const SPS: [u8; 10] = [0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x80];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// NAL unit types and importance (H.264 §7.4.1).
const NAL_IDR: u8 = 0x65;
const NAL_NON_IDR: u8 = 0x41;

/// Payload structures of RFC 6184 §5.2.
const STAP_A: u8 = 0x78;
const FU_A: u8 = 28;

/// OBU headers without size field (AV1 §5.3.2): sequence header, frame.
const OBU_SEQUENCE_HEADER: u8 = 1 << 3;
const OBU_FRAME: u8 = 6 << 3;

/// Width and height that key frames announce.
const SIZE: [u16; 2] = [1280, 720];

/// What the descriptors say of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameInfo {
    pub(super) format: VideoFormat,
    pub(super) is_key: bool,
    pub(super) picture_id: u16,
    pub(super) tl0_pic_idx: u8,
}

impl FrameInfo {
    /// First bytes of the frame's bitstream, in front of the body.
    pub(super) fn bitstream_head(self) -> Vec<u8> {
        let [width, height] = SIZE.map(u16::to_be_bytes);
        match (self.format, self.is_key) {
            (VideoFormat::Av1, _) => vec![OBU_FRAME],
            // The NAL unit's header is part of the descriptor: fragments carry it in pieces.
            (VideoFormat::H264, _) => Vec::new(),
            // RFC 6386 §9.1: frame tag (a 0 bit on key frames, version 0, shown), start code, size little-endian.
            (VideoFormat::Vp8, true) => {
                vec![
                    0x10, 0x20, 0, 0x9d, 0x01, 0x2a, width[1], width[0], height[1], height[0],
                ]
            }
            (VideoFormat::Vp8, false) => vec![0x11, 0x20, 0],
            // Frame marker 2, profile 0, frame type, shown; the sync code on key frames.
            (VideoFormat::Vp9, true) => vec![0x82, 0x49, 0x83, 0x42],
            (VideoFormat::Vp9, false) => vec![0x86],
        }
    }

    /// Bytes in front of a piece of the bitstream.
    pub(super) fn descriptor(self, is_first: bool, is_last: bool) -> Vec<u8> {
        match self.format {
            VideoFormat::Av1 => self.av1_descriptor(is_first, is_last),
            VideoFormat::H264 => self.h264_descriptor(is_first, is_last),
            VideoFormat::Vp8 => self.vp8_descriptor(is_first),
            VideoFormat::Vp9 => self.vp9_descriptor(is_first, is_last),
        }
    }

    /// Payload of a packet that goes before the frame: the parameter sets of an H.264 key frame.
    pub(super) fn parameter_sets(self) -> Option<Vec<u8>> {
        if self.format != VideoFormat::H264 || !self.is_key {
            return None;
        }
        let mut payload = vec![STAP_A];
        for nal in [&SPS[..], &PPS[..]] {
            payload.extend((nal.len() as u16).to_be_bytes());
            payload.extend(nal);
        }
        Some(payload)
    }

    /// RFC 7741 §4.2: picture id of 15 bits, TL0PICIDX, TID.
    fn vp8_descriptor(self, is_first: bool) -> Vec<u8> {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        vec![
            0x80 | u8::from(is_first) << 4,
            0xe0,
            high,
            low,
            self.tl0_pic_idx,
            0,
        ]
    }

    /// RFC 9628 §4.2: non-flexible mode, one layer; the scalability structure on key frames.
    fn vp9_descriptor(self, is_first: bool, is_last: bool) -> Vec<u8> {
        let has_structure = self.is_key && is_first;
        let flags = 0x80
            | u8::from(!self.is_key) << 6
            | u8::from(is_first) << 3
            | u8::from(is_last) << 2
            | u8::from(has_structure) << 1;
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let mut descriptor = vec![flags, high, low];
        if has_structure {
            // One spatial layer, with its size, without a picture group.
            descriptor.push(0x10);
            descriptor.extend(SIZE.iter().flat_map(|side| side.to_be_bytes()));
        }
        descriptor
    }

    /// RFC 6184 §5.6 and §5.8.
    fn h264_descriptor(self, is_first: bool, is_last: bool) -> Vec<u8> {
        let nal = if self.is_key { NAL_IDR } else { NAL_NON_IDR };
        if is_first && is_last {
            return vec![nal];
        }
        vec![
            nal & 0xe0 | FU_A,
            u8::from(is_first) << 7 | u8::from(is_last) << 6 | nal & 0x1f,
        ]
    }

    /// AV1 RTP payload §4.4: the aggregation header, and the sequence header in front of a key frame.
    fn av1_descriptor(self, is_first: bool, is_last: bool) -> Vec<u8> {
        let continues = u8::from(!is_first) << 7 | u8::from(!is_last) << 6;
        if !(self.is_key && is_first) {
            return vec![continues | 1 << 4];
        }
        let sequence_header = [OBU_SEQUENCE_HEADER, 0, 0, 0, 0x2a, 0xbf, 0xff, 0xca];
        let mut descriptor = vec![continues | 2 << 4 | 1 << 3, sequence_header.len() as u8];
        descriptor.extend(sequence_header);
        descriptor
    }
}
