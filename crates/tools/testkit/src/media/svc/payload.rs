//! Payloads of layered frames: descriptors and the first bytes of the bitstream, by codec.

use super::{
    encoder::PlannedFrame,
    mode::SvcMode,
    pattern::{Step, is_switching_up_point, picture_diffs},
};
use crate::media::video::VideoFormat;

/// H.264 parameter sets, constrained baseline, level 3.1.
const SPS: [u8; 10] = [0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x80];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// NAL unit types (H.264 table 7-1) and payload structures (RFC 6184 table 1).
const NAL_SLICE: u8 = 1;
const NAL_IDR: u8 = 5;
const NAL_PREFIX: u8 = 14;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// A slice header that begins with `first_mb_in_slice` 0.
const SLICE_HEADER: u8 = 0x88;

/// OBU headers without size field (AV1 §5.3.2): sequence header, frame; the flag of a layer in the next byte.
const OBU_SEQUENCE_HEADER: u8 = 1 << 3;
const OBU_FRAME: u8 = 6 << 3;
const OBU_HAS_LAYER: u8 = 1 << 2;

/// Size of the highest spatial layer; each one below has half of it.
const SIZE: [u16; 2] = [1280, 720];

/// What the descriptors of a frame's packets say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payloads<'a> {
    pub(super) format: VideoFormat,
    pub(super) mode: SvcMode,
    pub(super) pattern: &'static [Step],
    /// Spatial layers that are being made.
    pub(super) active: u8,
    pub(super) frame: &'a PlannedFrame,
    pub(super) picture_id: u16,
    pub(super) tl0_pic_idx: u8,
    /// VP9: every packet lists its references.
    pub(super) is_flexible: bool,
}

impl Payloads<'_> {
    /// First bytes of the frame's bitstream, in front of the body.
    pub(super) fn bitstream_head(self) -> Vec<u8> {
        let [width, height] = SIZE.map(u16::to_be_bytes);
        let is_key = self.frame.is_key;
        match self.format {
            VideoFormat::Av1 if self.has_layers() => vec![
                OBU_FRAME | OBU_HAS_LAYER,
                self.frame.temporal << 5 | self.frame.spatial << 3,
            ],
            VideoFormat::Av1 => vec![OBU_FRAME],
            // The NAL unit's header is part of the descriptor: fragments carry it in pieces.
            VideoFormat::H264 => vec![SLICE_HEADER],
            // RFC 6386 §9.1: frame tag (a 0 bit on key frames), start code, size little-endian.
            VideoFormat::Vp8 if is_key => vec![
                0x10, 0x20, 0, 0x9d, 0x01, 0x2a, width[1], width[0], height[1], height[0],
            ],
            VideoFormat::Vp8 => vec![0x11, 0x20, 0],
            // Frame marker 2, profile 0, frame type, shown; the sync code on key frames.
            VideoFormat::Vp9 if is_key => vec![0x82, 0x49, 0x83, 0x42],
            VideoFormat::Vp9 => vec![0x86],
        }
    }

    /// Whole payloads in front of the frame's own: H.264 parameter sets and prefix unit.
    pub(super) fn leading(self) -> Vec<Vec<u8>> {
        if self.format != VideoFormat::H264 {
            return Vec::new();
        }
        let prefix = (self.mode.temporal > 1).then(|| self.prefix_unit());
        if self.frame.is_key {
            let units = [&SPS[..], &PPS[..]].into_iter().chain(prefix.as_deref());
            return vec![aggregate(units)];
        }
        prefix.into_iter().collect()
    }

    /// A short H.264 frame: everything in one payload.
    pub(super) fn aggregated(self, bitstream: &[u8]) -> Vec<u8> {
        let mut slice = vec![self.nal_header()];
        slice.extend(bitstream);
        let prefix = (self.mode.temporal > 1).then(|| self.prefix_unit());
        let parameter_sets = [&SPS[..], &PPS[..]];
        let sets = parameter_sets.into_iter().filter(|_| self.frame.is_key);
        aggregate(sets.chain(prefix.as_deref()).chain([&slice[..]]))
    }

    /// Bytes in front of a piece of the bitstream.
    pub(super) fn descriptor(self, is_first: bool, is_last: bool) -> Vec<u8> {
        match self.format {
            VideoFormat::Av1 => self.av1(is_first, is_last),
            VideoFormat::H264 => self.h264(is_first, is_last),
            VideoFormat::Vp8 => self.vp8(is_first),
            VideoFormat::Vp9 => self.vp9(is_first, is_last),
        }
    }

    const fn has_layers(self) -> bool {
        self.mode.spatial > 1 || self.mode.temporal > 1
    }

    /// RFC 7741 §4.2: picture id of 15 bits, TL0PICIDX, TID, Y.
    fn vp8(self, is_first: bool) -> Vec<u8> {
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let layer = self.frame.temporal << 6 | u8::from(self.frame.is_layer_sync) << 5;
        vec![
            0x80 | u8::from(self.frame.is_discardable) << 5 | u8::from(is_first) << 4,
            0xe0,
            high,
            low,
            self.tl0_pic_idx,
            layer,
        ]
    }

    /// RFC 9628 §4.2.
    fn vp9(self, is_first: bool, is_last: bool) -> Vec<u8> {
        let frame = self.frame;
        let is_inter_picture = !frame.picture_diffs.is_empty();
        let has_structure = frame.tells_layers && is_first;
        let flags = 0x80
            | u8::from(is_inter_picture) << 6
            | 0x20
            | u8::from(self.is_flexible) << 4
            | u8::from(is_first) << 3
            | u8::from(is_last) << 2
            | u8::from(has_structure) << 1
            | u8::from(!frame.is_spatial_reference);
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let is_up = is_switching_up_point(self.pattern, frame.pattern_index);
        let layer = frame.temporal << 5
            | u8::from(is_up) << 4
            | frame.spatial << 1
            | u8::from(frame.is_inter_layer);
        let mut descriptor = vec![flags, high, low, layer];
        if self.is_flexible {
            let last = frame.picture_diffs.len().saturating_sub(1);
            for (index, diff) in frame.picture_diffs.iter().enumerate() {
                descriptor.push((*diff as u8) << 1 | u8::from(index < last));
            }
        } else {
            descriptor.push(self.tl0_pic_idx);
        }
        if has_structure {
            descriptor.extend(self.vp9_structure());
        }
        descriptor
    }

    /// Spatial layers with their sizes, and in non-flexible mode the group of pictures that repeats.
    fn vp9_structure(self) -> Vec<u8> {
        let mut structure = vec![(self.active - 1) << 5 | 0x10 | u8::from(!self.is_flexible) << 3];
        for spatial in 0..self.active {
            let shift = self.mode.spatial - 1 - spatial;
            structure.extend(SIZE.iter().flat_map(|side| (side >> shift).to_be_bytes()));
        }
        if !self.is_flexible {
            structure.push(self.pattern.len() as u8);
            let diffs = picture_diffs(self.pattern);
            for (index, (step, diffs)) in self.pattern.iter().zip(diffs).enumerate() {
                let is_up = is_switching_up_point(self.pattern, index);
                structure
                    .push(step.temporal << 5 | u8::from(is_up) << 4 | (diffs.len() as u8) << 2);
                structure.extend(diffs.iter().map(|diff| *diff as u8));
            }
        }
        structure
    }

    /// Header of the slice's NAL unit: nobody refers to a discardable one.
    fn nal_header(self) -> u8 {
        let nal_type = if self.frame.is_key {
            NAL_IDR
        } else {
            NAL_SLICE
        };
        self.reference_bits() | nal_type
    }

    const fn reference_bits(self) -> u8 {
        match (self.frame.is_key, self.frame.is_discardable) {
            (true, _) => 3 << 5,
            (false, true) => 0,
            (false, false) => 2 << 5,
        }
    }

    /// `nal_unit_header_svc_extension()` (H.264 §G.7.3.1.1).
    fn prefix_unit(self) -> Vec<u8> {
        vec![
            self.reference_bits() | NAL_PREFIX,
            0x80 | u8::from(self.frame.is_key) << 6,
            0x80,
            self.frame.temporal << 5 | u8::from(self.frame.is_discardable) << 3 | 0x07,
        ]
    }

    /// RFC 6184 §5.8.
    fn h264(self, is_first: bool, is_last: bool) -> Vec<u8> {
        let nal = self.nal_header();
        vec![
            nal & 0xe0 | FU_A,
            u8::from(is_first) << 7 | u8::from(is_last) << 6 | nal & 0x1f,
        ]
    }

    /// AV1 RTP payload §4.4: the aggregation header, and the sequence header in front of a key frame.
    fn av1(self, is_first: bool, is_last: bool) -> Vec<u8> {
        let continues = u8::from(!is_first) << 7 | u8::from(!is_last) << 6;
        if !(self.frame.is_key && is_first) {
            return vec![continues | 1 << 4];
        }
        let sequence_header = [OBU_SEQUENCE_HEADER, 0, 0, 0, 0x2a, 0xbf, 0xff, 0xca];
        let mut descriptor = vec![continues | 2 << 4 | 1 << 3, sequence_header.len() as u8];
        descriptor.extend(sequence_header);
        descriptor
    }
}

/// Single-time aggregation packet of whole NAL units.
fn aggregate<'a>(units: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = vec![3 << 5 | STAP_A];
    for unit in units {
        payload.extend((unit.len() as u16).to_be_bytes());
        payload.extend(unit);
    }
    payload
}
