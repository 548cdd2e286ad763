//! One packet as a receiver reads it.

use plenum_codec::{
    DependencyDescriptor, TemplateStructure, av1,
    dependency_descriptor::FrameDependencies,
    h264::{self, nal_type},
    vp8, vp9,
};
use plenum_rtp::RtpHeader;

use crate::media::video::VideoFormat;

/// What packet and descriptors tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Packet {
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    /// Whether the frame begins or ends here, as far as descriptors tell; `None` where only picture bounds do.
    pub(super) starts_frame: Option<bool>,
    pub(super) ends_frame: Option<bool>,
    /// A piece of the bitstream.
    pub(super) bitstream: Vec<u8>,
    /// Bytes at the head of a frame's bitstream that its sender's contents follow.
    pub(super) head_len: usize,
    /// Spatial and temporal layer, where told.
    pub(super) spatial: Option<u8>,
    pub(super) temporal: Option<u8>,
    pub(super) picture_id: Option<u16>,
    pub(super) tl0_pic_idx: Option<u8>,
    pub(super) described: Option<Described>,
}

/// What the dependency descriptor tells.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) frame_number: u16,
    pub(super) frame: FrameDependencies,
    pub(super) active: Option<u32>,
}

impl Packet {
    /// Reads a packet; `structure` is the last one of the stream. `Ok(None)`: padding alone.
    pub(super) fn parse(
        packet: &[u8],
        format: VideoFormat,
        descriptor_id: Option<u8>,
        structure: &mut Option<TemplateStructure>,
    ) -> Result<Option<Self>, &'static str> {
        let header = RtpHeader::parse(packet).map_err(|_| "RTP header")?;
        let range = header.payload(packet).map_err(|_| "RTP payload")?;
        let payload = packet.get(range).unwrap_or_default();
        if payload.is_empty() {
            return Ok(None);
        }
        let mut read = Self {
            timestamp: header.timestamp,
            marker: header.marker,
            ..Self::default()
        };
        match format {
            VideoFormat::Av1 => read.av1(payload),
            VideoFormat::H264 => read.h264(payload)?,
            VideoFormat::Vp8 => read.vp8(payload)?,
            VideoFormat::Vp9 => read.vp9(payload)?,
        }
        if let Some(id) = descriptor_id {
            let mut extensions = header.extensions(packet);
            let (_, value) = extensions
                .find(|(found, _)| *found == id)
                .ok_or("no dependency descriptor")?;
            read.describe(value, structure)?;
        }
        Ok(Some(read))
    }

    fn describe(
        &mut self,
        value: &[u8],
        structure: &mut Option<TemplateStructure>,
    ) -> Result<(), &'static str> {
        let descriptor = DependencyDescriptor::parse(value, structure.as_ref())
            .map_err(|_| "dependency descriptor")?;
        if descriptor.structure.is_some() {
            structure.clone_from(&descriptor.structure);
        }
        let frame = descriptor.frame.ok_or("no template structure")?;
        self.starts_frame = Some(descriptor.fields.start_of_frame);
        self.ends_frame = Some(descriptor.fields.end_of_frame);
        self.spatial = Some(frame.layer.spatial_id);
        self.temporal = Some(frame.layer.temporal_id);
        self.described = Some(Described {
            frame_number: descriptor.fields.frame_number,
            frame,
            active: descriptor.active_decode_targets,
        });
        Ok(())
    }

    fn vp8(&mut self, payload: &[u8]) -> Result<(), &'static str> {
        let descriptor = vp8::Descriptor::parse(payload).map_err(|_| "VP8 descriptor")?;
        let is_start = descriptor.start_of_partition && descriptor.partition_index == 0;
        self.starts_frame = Some(is_start);
        self.head_len = if descriptor.is_key_frame { 10 } else { 3 };
        self.temporal = descriptor.temporal_id;
        self.picture_id = descriptor.picture_id;
        self.tl0_pic_idx = descriptor.tl0_pic_idx;
        self.bitstream = payload
            .get(descriptor.header_len..)
            .unwrap_or_default()
            .to_vec();
        Ok(())
    }

    fn vp9(&mut self, payload: &[u8]) -> Result<(), &'static str> {
        let descriptor = vp9::Descriptor::parse(payload).map_err(|_| "VP9 descriptor")?;
        self.starts_frame = Some(descriptor.start_of_frame);
        self.ends_frame = Some(descriptor.end_of_frame);
        self.spatial = Some(descriptor.spatial_id());
        self.temporal = Some(descriptor.temporal_id());
        self.picture_id = descriptor.picture_id;
        self.tl0_pic_idx = descriptor.tl0_pic_idx;
        self.bitstream = payload
            .get(descriptor.header_len..)
            .unwrap_or_default()
            .to_vec();
        // The frame type bit of the uncompressed header.
        self.head_len = if self.bitstream.first() == Some(&0x82) {
            4
        } else {
            1
        };
        Ok(())
    }

    fn h264(&mut self, payload: &[u8]) -> Result<(), &'static str> {
        self.head_len = 1;
        for unit in h264::NalUnits::new(payload) {
            if matches!(unit.nal_type, 1 | nal_type::IDR) {
                self.bitstream.extend(unit.body);
            }
            let layer = h264::SvcLayer::of(&unit).map_err(|_| "H.264 prefix unit")?;
            if let Some(layer) = layer {
                self.temporal = Some(layer.temporal_id);
            }
        }
        Ok(())
    }

    fn av1(&mut self, payload: &[u8]) {
        self.head_len = 1;
        for obu in av1::Obus::new(payload) {
            match obu.header {
                Some(header) if header.obu_type == av1::obu_type::SEQUENCE_HEADER => continue,
                Some(header) if header.layer.is_some() => self.head_len = 2,
                _ => {}
            }
            self.bitstream.extend(obu.data);
        }
    }
}
