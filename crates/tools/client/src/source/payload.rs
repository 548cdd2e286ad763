//! What stands in front of a made-up frame's bytes: payload descriptors and the first bytes of the bitstream, by codec.

use super::layers::{LayerFrame, group};
use crate::Codec;

/// Longest head of a payload.
pub(super) const MAX_HEAD: usize = 48;

/// H.264 parameter sets in one aggregation packet (RFC 6184 §5.7.1): constrained baseline, level 3.1, and its pictures'.
const PARAMETER_SETS: [u8; 19] = [
    0x78, 0, 10, 0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x80, 0, 4, 0x68, 0xce,
    0x3c, 0x80,
];

/// NAL unit headers (H.264 §7.4.1), and fragments of a unit (RFC 6184 §5.8).
const NAL_IDR: u8 = 0x65;
const NAL_NON_IDR: u8 = 0x41;
const FU_A: u8 = 28;

/// A sequence header without size field (AV1 §5.3.2), and the header of a frame.
const SEQUENCE_HEADER: [u8; 8] = [1 << 3, 0, 0, 0, 0x2a, 0xbf, 0xff, 0xca];
const OBU_FRAME: u8 = 6 << 3;

/// Width and height that key frames announce: 1280 × 720.
const WIDTH: [u8; 2] = 1280_u16.to_be_bytes();
const HEIGHT: [u8; 2] = 720_u16.to_be_bytes();

/// The running numbers of one stream.
#[derive(Clone, Debug)]
pub(super) struct Descriptors {
    codec: Codec,
    picture_id: u16,
    tl0_pic_idx: u8,
}

/// What the heads of a frame's packets say.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameInfo {
    codec: Codec,
    pub(super) is_key: bool,
    picture_id: u16,
    tl0_pic_idx: u8,
    layer: Option<LayerFrame>,
}

impl Descriptors {
    pub(super) const fn new(codec: Codec) -> Self {
        Self {
            codec,
            picture_id: 0,
            tl0_pic_idx: 0,
        }
    }

    pub(super) const fn next_frame(&mut self, is_key: bool) -> FrameInfo {
        let info = FrameInfo {
            codec: self.codec,
            is_key,
            picture_id: self.picture_id,
            tl0_pic_idx: self.tl0_pic_idx,
            layer: None,
        };
        self.picture_id = self.picture_id.wrapping_add(1) & 0x7fff;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        info
    }
}

impl FrameInfo {
    /// The same for one layer of the picture; only VP9's descriptor tells it.
    pub(super) const fn of_layer(mut self, layer: LayerFrame) -> Self {
        self.layer = Some(layer);
        self
    }

    /// The payload of a packet that goes before the frame.
    pub(super) fn parameter_sets(self) -> Option<&'static [u8]> {
        (self.codec == Codec::H264 && self.is_key).then_some(&PARAMETER_SETS[..])
    }

    /// Writes what stands in front of a piece of a made-up frame, and returns its length.
    pub(super) fn head(self, is_first: bool, is_last: bool, out: &mut [u8; MAX_HEAD]) -> usize {
        let len = self.descriptor(is_first, is_last, out);
        let mut head = Head { out, len };
        if is_first {
            self.bitstream(&mut head);
        }
        head.len
    }

    /// Writes the descriptor of a piece of a frame, and returns its length.
    pub(super) fn descriptor(
        self,
        is_first: bool,
        is_last: bool,
        out: &mut [u8; MAX_HEAD],
    ) -> usize {
        let mut head = Head { out, len: 0 };
        match self.codec {
            Codec::Av1 => self.av1(is_first, is_last, &mut head),
            Codec::H264 => self.h264(is_first, is_last, &mut head),
            Codec::Opus => {}
            Codec::Vp8 => self.vp8(is_first, &mut head),
            Codec::Vp9 => match self.layer {
                Some(layer) => self.vp9_layer(layer, is_first, is_last, &mut head),
                None => self.vp9(is_first, is_last, &mut head),
            },
        }
        head.len
    }

    /// The first bytes of a frame that nobody has encoded.
    fn bitstream(self, head: &mut Head<'_>) {
        match (self.codec, self.is_key) {
            (Codec::Av1, true) => {
                head.put(&[SEQUENCE_HEADER.len() as u8]);
                head.put(&SEQUENCE_HEADER);
                head.put(&[OBU_FRAME]);
            }
            (Codec::Av1, false) => head.put(&[OBU_FRAME]),
            // The unit's header is part of what stands before it.
            (Codec::H264 | Codec::Opus, _) => {}
            // RFC 6386 §9.1: frame tag (a 0 bit on key frames, version 0, shown), start code, size little-endian.
            (Codec::Vp8, true) => {
                head.put(&[0x10, 0x20, 0, 0x9d, 0x01, 0x2a]);
                head.put(&[WIDTH[1], WIDTH[0], HEIGHT[1], HEIGHT[0]]);
            }
            (Codec::Vp8, false) => head.put(&[0x11, 0x20, 0]),
            // Frame marker 2, profile 0, frame type, shown; the sync code on key frames.
            (Codec::Vp9, true) => head.put(&[0x82, 0x49, 0x83, 0x42]),
            (Codec::Vp9, false) => head.put(&[0x86]),
        }
    }

    /// RFC 7741 §4.2: picture id of 15 bits, TL0PICIDX, TID.
    fn vp8(self, is_first: bool, head: &mut Head<'_>) {
        head.put(&[0x80 | u8::from(is_first) << 4, 0xe0]);
        head.put(&(self.picture_id | 0x8000).to_be_bytes());
        head.put(&[self.tl0_pic_idx, 0]);
    }

    /// RFC 9628 §4.2: non-flexible mode, one layer; the scalability structure (one spatial layer, without sizes, without a
    /// picture group) on key frames.
    fn vp9(self, is_first: bool, is_last: bool, head: &mut Head<'_>) {
        let has_structure = self.is_key && is_first;
        head.put(&[0x80
            | u8::from(!self.is_key) << 6
            | u8::from(is_first) << 3
            | u8::from(is_last) << 2
            | u8::from(has_structure) << 1]);
        head.put(&(self.picture_id | 0x8000).to_be_bytes());
        if has_structure {
            head.put(&[0]);
        }
    }

    /// RFC 9628 §4.2: non-flexible mode with layers. The scalability structure of key frames describes the group of pictures
    /// that repeats, without sizes: those are in the bitstream.
    fn vp9_layer(self, layer: LayerFrame, is_first: bool, is_last: bool, head: &mut Head<'_>) {
        let has_structure = self.is_key && is_first && layer.spatial == 0;
        head.put(&[0x80
            | u8::from(!self.is_key) << 6
            | 1 << 5
            | u8::from(is_first) << 3
            | u8::from(is_last) << 2
            | u8::from(has_structure) << 1
            | u8::from(!layer.is_needed_above)]);
        head.put(&(self.picture_id | 0x8000).to_be_bytes());
        // Higher temporal layers need nothing but lower ones: everybody may go up to them at any picture.
        let switches_up = layer.temporal > 0;
        head.put(&[
            layer.temporal << 5
                | u8::from(switches_up) << 4
                | layer.spatial << 1
                | u8::from(layer.needs_lower),
            layer.tl0_pic_idx,
        ]);
        if has_structure {
            let group = group(layer.mode.temporal());
            head.put(&[(layer.mode.spatial() - 1) << 5 | 1 << 3, group.len() as u8]);
            for (temporal, back) in group {
                // One reference each.
                head.put(&[temporal << 5 | u8::from(*temporal > 0) << 4 | 1 << 2, *back]);
            }
        }
    }

    /// RFC 6184 §5.6 and §5.8.
    fn h264(self, is_first: bool, is_last: bool, head: &mut Head<'_>) {
        let nal = if self.is_key { NAL_IDR } else { NAL_NON_IDR };
        if is_first && is_last {
            head.put(&[nal]);
        } else {
            let ends = u8::from(is_first) << 7 | u8::from(is_last) << 6;
            head.put(&[nal & 0xe0 | FU_A, ends | nal & 0x1f]);
        }
    }

    /// AV1 RTP payload §4.4: the aggregation header. A made-up key frame has a sequence header in front.
    fn av1(self, is_first: bool, is_last: bool, head: &mut Head<'_>) {
        let continues = u8::from(!is_first) << 7 | u8::from(!is_last) << 6;
        head.put(&[if self.is_key && is_first {
            continues | 2 << 4 | 1 << 3
        } else {
            continues | 1 << 4
        }]);
    }
}

struct Head<'a> {
    out: &'a mut [u8; MAX_HEAD],
    len: usize,
}

impl Head<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(space) = self.out.get_mut(self.len..end) {
            space.copy_from_slice(bytes);
            self.len = end;
        }
    }
}
