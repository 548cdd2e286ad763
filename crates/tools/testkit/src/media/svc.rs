//! Senders of video with layers: VP8 and H.264 with temporal layers (simulcast is several of them), VP9 and AV1 with
//! spatial ones too.
//!
//! Frames refer to one another as those of libwebrtc's encoders do, and their contents tell it ([`FrameLabel`]), so that
//! [`PictureChecker`](super::PictureChecker) can tell at a receiver whether a decoder would be content.

use std::time::Duration;

use super::{
    source::{PacketFields, RtpSource},
    video::VideoFormat,
};
use crate::rng::Rng;

mod dependencies;
mod encoder;
mod indications;
mod label;
mod mode;
mod pattern;
mod payload;

use dependencies::DescriptorWriter;
use encoder::{Encoder, PlannedFrame};
use payload::Payloads;

pub use label::{DamagedLabel, FrameLabel};
pub use mode::{SvcMode, UnknownMode};

/// Payload of a full packet, about what browsers use.
const MAX_PAYLOAD: usize = 1180;

/// Room in a packet for descriptors.
const MAX_DESCRIPTOR: usize = 30;

/// Frames in a second.
const FRAME_RATE: u32 = 30;

/// How a layered stream is made.
#[derive(Clone, Debug)]
pub struct SvcConfig {
    /// Codec.
    pub format: VideoFormat,
    /// Layers.
    pub mode: SvcMode,
    /// Name of the sender in the contents of its frames.
    pub source: u16,
    /// Bit/s of each spatial layer at 30 pictures a second.
    pub bitrates: Vec<u32>,
    /// The first picture id (VP8, VP9; 15 bits) and frame number of the dependency descriptor.
    pub first_number: u16,
    /// Id of the dependency descriptor, if the sender uses it.
    pub dependency_descriptor: Option<u8>,
    /// A pattern whose upper temporal layers can only be joined in its first half, as libwebrtc has it for VP8.
    pub long_pattern: bool,
    /// VP9: flexible mode.
    pub flexible: bool,
    /// Of the frames' sizes.
    pub seed: u64,
}

/// Layered video as RTP packets.
#[derive(Clone, Debug)]
pub struct SvcSource {
    rtp: RtpSource,
    config: SvcConfig,
    encoder: Encoder,
    /// With its extension id, if the sender uses it.
    descriptors: Option<(u8, DescriptorWriter)>,
    tl0_pic_idx: u8,
    rng: Rng,
}

impl SvcSource {
    /// Time between two pictures.
    pub const PICTURE_TIME: Duration = Duration::from_nanos(1_000_000_000 / FRAME_RATE as u64);

    /// A sender on the stream `rtp`. Its first picture is a key picture.
    pub fn new(rtp: RtpSource, config: SvcConfig) -> Self {
        Self {
            rtp,
            encoder: Encoder::new(config.mode, config.long_pattern),
            descriptors: config.dependency_descriptor.map(|id| {
                let first = config.first_number;
                let writer = DescriptorWriter::new(config.mode, config.long_pattern, first);
                (id, writer)
            }),
            tl0_pic_idx: config.first_number as u8,
            rng: Rng::new(config.seed),
            config,
        }
    }

    /// The stream.
    pub const fn rtp(&self) -> &RtpSource {
        &self.rtp
    }

    /// How the stream is made.
    pub const fn config(&self) -> &SvcConfig {
        &self.config
    }

    /// Makes that many spatial layers from now on; more of them begin with a key picture.
    pub fn set_spatial_layers(&mut self, count: u8) {
        self.encoder.set_active(count);
    }

    /// The packets of the next picture.
    pub fn picture(&mut self, elapsed: Duration, is_key: bool) -> Vec<Vec<u8>> {
        let frames = self.encoder.picture(is_key);
        if frames.first().is_some_and(|frame| frame.temporal == 0) {
            self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        }
        frames
            .iter()
            .flat_map(|frame| self.frame(elapsed, frame))
            .collect()
    }

    fn frame(&mut self, elapsed: Duration, frame: &PlannedFrame) -> Vec<Vec<u8>> {
        let payloads = Payloads {
            format: self.config.format,
            mode: self.config.mode,
            pattern: self.encoder.pattern(),
            active: self.encoder.active(),
            frame,
            picture_id: self.config.first_number.wrapping_add(frame.picture as u16) & 0x7fff,
            tl0_pic_idx: self.tl0_pic_idx,
            is_flexible: self.config.flexible,
        };
        let label = FrameLabel {
            source: self.config.source,
            id: frame.id,
            picture: frame.picture,
            spatial: frame.spatial,
            temporal: frame.temporal,
            references: frame.references.clone(),
        };
        let mut bitstream = payloads.bitstream_head();
        bitstream.extend(label.to_body(self.frame_len(frame)));
        let pieces = pieces(payloads, &bitstream);
        let last = pieces.len() - 1;
        let write = |(index, payload): (usize, Vec<u8>)| {
            let is_last = index == last;
            let fields = PacketFields {
                elapsed,
                marker: is_last && frame.ends_picture,
                audio_level: None,
            };
            let active = self.encoder.active();
            let extension = self.descriptors.as_mut().map(|(id, descriptors)| {
                let value = if index == 0 {
                    descriptors.begin(frame, active, is_last)
                } else {
                    descriptors.resume(frame, is_last)
                };
                (*id, value)
            });
            let extension = extension.as_ref().map(|(id, value)| (*id, &value[..]));
            self.rtp.packet_with(fields, extension, &payload)
        };
        pieces.into_iter().enumerate().map(write).collect()
    }

    /// Lower temporal layers have larger frames, key frames the largest.
    fn frame_len(&mut self, frame: &PlannedFrame) -> usize {
        let bitrate = self.config.bitrates.get(usize::from(frame.spatial));
        let average = bitrate.map_or(1000, |bitrate| bitrate / 8 / FRAME_RATE);
        let per_cent = match (frame.picture_diffs.is_empty(), frame.temporal) {
            (true, _) => 400,
            (false, _) if self.config.mode.temporal == 1 => 100,
            // Two temporal layers share the bits 3 : 2, three 2 : 1 : 2 with four pictures to a turn.
            (false, 0) if self.config.mode.temporal == 2 => 120,
            (false, 0) => 160,
            (false, _) => 80,
        };
        let varied = self.rng.range(80..120);
        (u64::from(average) * per_cent / 100 * varied / 100) as usize
    }
}

/// Payloads of a frame; their sizes differ by a byte at most, as libwebrtc cuts them.
fn pieces(payloads: Payloads<'_>, bitstream: &[u8]) -> Vec<Vec<u8>> {
    if payloads.format == VideoFormat::H264 && bitstream.len() < MAX_PAYLOAD - MAX_DESCRIPTOR {
        return vec![payloads.aggregated(bitstream)];
    }
    let mut pieces = payloads.leading();
    let count = bitstream.len().div_ceil(MAX_PAYLOAD - MAX_DESCRIPTOR);
    let (short, longer) = (bitstream.len() / count, bitstream.len() % count);
    let mut rest = bitstream;
    for index in 0..count {
        let len = short + usize::from(index >= count - longer);
        let (piece, tail) = rest.split_at(len.min(rest.len()));
        let mut payload = payloads.descriptor(index == 0, index + 1 == count);
        payload.extend(piece);
        pieces.push(payload);
        rest = tail;
    }
    pieces
}
