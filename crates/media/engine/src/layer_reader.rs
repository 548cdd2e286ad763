//! Which layers a packet belongs to: from the payload descriptor of VP8 and VP9, from the dependency descriptor of
//! everything else, from NAL units of H.264.
//!
//! VP8 and VP9 are read by their own descriptors even where a dependency descriptor comes with them: their picture ids
//! have to be rewritten anyway, and libwebrtc describes VP8 by a fixed structure that knows no switching points. A stream
//! whose payload is encrypted end to end has layers only if it brings a dependency descriptor.

use plenum_codec::{
    VideoCodec,
    dependency_descriptor::{
        FrameDependencies, MandatoryFields, PacketDependencies, TemplateStructure, brings_structure,
    },
    h264, vp8, vp9,
};
use plenum_params::media::{CodecKind, ReceiveEncoding, SpatialDependency};

use crate::packet::{LayerInfo, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS, PacketMeta};

/// Frames whose temporal layer is remembered for packets that do not tell it themselves: as many as come in the two
/// seconds that packets are kept, since a packet that is lost twice comes a quarter of a second late.
const RECENT_FRAMES: usize = 64;

/// Frames that dependency descriptors may refer back to and that are remembered: a turn of the longest temporal pattern
/// that libwebrtc has, eight pictures, with four spatial layers.
const REFERABLE_FRAMES: usize = 32;

/// What reading the packets of one stream has to remember.
#[derive(Debug)]
pub(crate) struct LayerReader {
    /// Temporal layers as declared.
    temporal_layers: u8,
    spatial_dependency: SpatialDependency,
    dependencies: Option<Box<Dependencies>>,
    /// H.264: time and temporal layer of the last frames with prefix units.
    recent: [Option<(u32, u8)>; RECENT_FRAMES],
    /// The newest packet: sequence number, timestamp, marker.
    newest: Option<(u64, u32, bool)>,
    /// Spatial layers that the sender says it sends now.
    told_layers: Option<u8>,
    brought_meaning: bool,
}

/// What the dependency descriptors of a stream refer to.
#[derive(Debug, Default)]
struct Dependencies {
    structure: Option<TemplateStructure>,
    /// Sequence number of the packet that brought the structure.
    since: u64,
    /// What held before, for late packets.
    previous: Option<TemplateStructure>,
    /// Decode targets that the sender produces now.
    active: u32,
    /// Recent frames, by the low bits of their numbers.
    frames: [Option<SeenFrame>; REFERABLE_FRAMES],
}

/// A frame that later ones may refer to.
#[derive(Clone, Copy, Debug)]
struct SeenFrame {
    number: u16,
    timestamp: u32,
    temporal: u8,
    /// Whether it refers to nothing of its own temporal layer or above.
    enters: bool,
}

impl Dependencies {
    /// Whether a frame can be the first of its temporal layer: it refers to lower ones alone, directly or by a frame of
    /// its own picture. An indication to switch tells it of later frames only (appendix A.4.4): it holds for who can
    /// decode this one.
    fn enters(&mut self, number: u16, timestamp: u32, frame: &FrameDependencies) -> bool {
        let temporal = frame.layer.temporal_id;
        let enters = frame.references().all(|back| {
            let referred = number.wrapping_sub(back);
            let seen = self.frames.get(usize::from(referred) % REFERABLE_FRAMES);
            let seen = seen
                .copied()
                .flatten()
                .filter(|seen| seen.number == referred);
            seen.is_some_and(|seen| {
                seen.temporal < temporal || seen.timestamp == timestamp && seen.enters
            })
        });
        if let Some(place) = self.frames.get_mut(usize::from(number) % REFERABLE_FRAMES) {
            *place = Some(SeenFrame {
                number,
                timestamp,
                temporal,
                enters,
            });
        }
        enters
    }

    /// Reads a descriptor by the structure that was in force when it was sent; both are returned.
    fn read(
        &mut self,
        sequence: u64,
        value: &[u8],
    ) -> Option<(PacketDependencies, &TemplateStructure)> {
        let is_late = self.structure.is_some() && sequence < self.since;
        if !is_late && brings_structure(value) && sequence > self.since {
            self.previous = self.structure.clone();
            self.since = sequence;
        }
        let known = if is_late {
            &mut self.previous
        } else {
            &mut self.structure
        };
        let packet = PacketDependencies::read(value, known).ok()?;
        if let (false, Some(active)) = (is_late, packet.active_decode_targets) {
            self.active = active;
        }
        Some((packet, known.as_ref()?))
    }
}

impl LayerReader {
    pub(crate) fn new(encoding: &ReceiveEncoding) -> Self {
        Self {
            temporal_layers: encoding.temporal_layers.clamp(1, MAX_TEMPORAL_LAYERS),
            spatial_dependency: encoding.spatial_dependency,
            dependencies: None,
            recent: [None; RECENT_FRAMES],
            newest: None,
            told_layers: None,
            brought_meaning: false,
        }
    }

    /// How many spatial layers the sender says it sends now, if it says so.
    pub(crate) fn told_layers(&self) -> Option<u8> {
        self.told_layers
    }

    /// The structure that the descriptor of a packet refers to, and the decode targets that are active now.
    pub(crate) fn structure(&self, sequence: u64) -> Option<(&TemplateStructure, u32)> {
        let dependencies = self.dependencies.as_ref()?;
        let structure = if sequence < dependencies.since {
            &dependencies.previous
        } else {
            &dependencies.structure
        };
        Some((structure.as_ref()?, dependencies.active))
    }

    /// Fills in layer and sync point of a video packet with a payload.
    pub(crate) fn read(
        &mut self,
        codec: CodecKind,
        sequence: u64,
        meta: &mut PacketMeta,
        payload: &[u8],
        descriptor: &[u8],
    ) {
        meta.layer = LayerInfo {
            start: self.follows_a_frame(sequence, meta),
            end: meta.marker,
            ..LayerInfo::ONLY
        };
        meta.sync_point = match codec {
            CodecKind::Vp8 => read_vp8(&mut meta.layer, payload),
            CodecKind::Vp9 => self.read_vp9(&mut meta.layer, payload),
            CodecKind::H264 => self.read_h264(meta, payload),
            CodecKind::H265 => plenum_codec::is_key_frame(VideoCodec::H265, payload),
            CodecKind::Av1 => plenum_codec::is_key_frame(VideoCodec::Av1, payload),
            _ => true,
        };
        if !descriptor.is_empty() {
            self.read_descriptor(codec, sequence, meta, descriptor);
        } else if self.dependencies.is_some() && !is_self_describing(codec) {
            // A stream that has descriptors has them on every packet.
            meta.layer.needed_by = 0;
            meta.sync_point = false;
        }
        if meta.sync_point {
            meta.layer.set_key();
        }
    }

    /// Whether the packet read last brought what others are understood by, some of which may have come before it.
    pub(crate) fn brought_meaning(&mut self) -> bool {
        std::mem::take(&mut self.brought_meaning)
    }

    /// Whether the packet before this one is here and ended a frame: then this one begins the next.
    fn follows_a_frame(&mut self, sequence: u64, meta: &PacketMeta) -> bool {
        let follows = self.newest.is_none_or(|(newest, timestamp, marker)| {
            newest + 1 == sequence && (marker || timestamp != meta.timestamp)
        });
        if self.newest.is_none_or(|(newest, ..)| newest < sequence) {
            self.newest = Some((sequence, meta.timestamp, meta.marker));
        }
        follows
    }

    fn read_vp9(&mut self, layer: &mut LayerInfo, payload: &[u8]) -> bool {
        let Ok(descriptor) = vp9::Descriptor::parse(payload) else {
            return false;
        };
        let is_key = descriptor.is_key_frame();
        layer.start = descriptor.start_of_frame;
        layer.end = descriptor.end_of_frame;
        layer.picture_id = descriptor.picture_id;
        layer.picture_fields = descriptor.picture_fields();
        layer.tl0 = descriptor.tl0_pic_idx.unwrap_or(0);
        if let Some(structure) = descriptor.structure {
            self.told_layers = Some(structure.spatial_layers);
        }
        let Some(own) = descriptor.layer else {
            return is_key;
        };
        layer.spatial = own.spatial_id;
        layer.temporal = own.temporal_id;
        // With Z nothing above refers to the frame, neither in this picture nor later. Where layers always depend on each
        // other that is so because there is nothing above now, and then it is what everybody wants to see.
        let is_apart = self.spatial_dependency != SpatialDependency::Always;
        layer.needed_by = if descriptor.not_spatial_reference && is_apart {
            1u8.checked_shl(own.spatial_id.into()).unwrap_or(0)
        } else {
            u8::MAX.checked_shl(own.spatial_id.into()).unwrap_or(0)
        };
        // U speaks of higher layers in later pictures only; of the picture itself nothing tells whether it refers to
        // earlier ones of its layer.
        if own.switching_up_point {
            layer.temporal_up = [MAX_TEMPORAL_LAYERS - 1; MAX_SPATIAL_LAYERS as usize];
        }
        is_key
    }

    /// Prefix units tell the temporal layer. Without them `nal_ref_idc` 0 marks the highest of the declared layers, the
    /// only one that nothing refers to; the layers below it cannot be told apart.
    ///
    /// Encoders for WebRTC nest temporal layers (ITU-T H.264 §G.8.8.1: a picture refers to none of its own layer above
    /// the lowest), so that each of them can be entered at any of its pictures.
    fn read_h264(&mut self, meta: &mut PacketMeta, payload: &[u8]) -> bool {
        let is_key = h264::is_key_frame(payload);
        if self.temporal_layers < 2 {
            return is_key;
        }
        let told = h264::svc_layer(payload).ok().flatten();
        if let Some(told) = told {
            self.recent.rotate_right(1);
            self.recent[0] = Some((meta.timestamp, told.temporal_id));
            self.brought_meaning = true;
        }
        let mut recent = self.recent.iter().flatten();
        let remembered = recent.find(|(timestamp, _)| *timestamp == meta.timestamp);
        let temporal = if let Some((_, temporal)) = remembered {
            *temporal
        } else if is_key {
            0
        } else if self.recent[0].is_some() {
            // The prefix unit is still on its way.
            meta.layer.unknown = true;
            return false;
        } else if h264::reference_idc(payload) == Some(0) {
            self.temporal_layers - 1
        } else {
            0
        };
        meta.layer.temporal = temporal;
        meta.layer.enters = true;
        meta.layer.temporal_up = [temporal; MAX_SPATIAL_LAYERS as usize];
        is_key
    }

    fn read_descriptor(
        &mut self,
        codec: CodecKind,
        sequence: u64,
        meta: &mut PacketMeta,
        value: &[u8],
    ) {
        let Ok(fields) = MandatoryFields::parse(value) else {
            return;
        };
        meta.layer.frame_number = fields.frame_number;
        meta.layer.descriptor_len = u8::try_from(value.len()).unwrap_or(0);
        let dependencies = self.dependencies.get_or_insert_default();
        let read = dependencies.read(sequence, value);
        if is_self_describing(codec) {
            return;
        }
        meta.layer.start = fields.start_of_frame;
        meta.layer.end = fields.end_of_frame;
        meta.layer.needed_by = 0;
        meta.sync_point = false;
        let Some((packet, structure)) = read else {
            meta.layer.unknown = true;
            return;
        };
        let Some(frame) = packet.frame else {
            return;
        };
        self.brought_meaning = packet.brings_structure;
        meta.layer.spatial = frame.layer.spatial_id;
        meta.layer.temporal = frame.layer.temporal_id;
        meta.sync_point =
            packet.brings_structure && fields.start_of_frame && frame.layer.spatial_id == 0;
        read_targets(
            &mut meta.layer,
            structure,
            frame.targets(),
            frame.switch_targets(),
        );
        if let Some(active) = packet.active_decode_targets {
            self.told_layers = Some(spatial_layers(structure, active));
        }
        if fields.start_of_frame {
            meta.layer.enters = dependencies.enters(fields.frame_number, meta.timestamp, &frame);
        }
    }
}

/// Whether the payload itself tells layers, so that a dependency descriptor only has to be passed on.
fn is_self_describing(codec: CodecKind) -> bool {
    matches!(codec, CodecKind::Vp8 | CodecKind::Vp9)
}

fn read_vp8(layer: &mut LayerInfo, payload: &[u8]) -> bool {
    let Ok(descriptor) = vp8::Descriptor::parse(payload) else {
        return false;
    };
    layer.start = descriptor.start_of_partition && descriptor.partition_index == 0;
    layer.picture_id = descriptor.picture_id;
    layer.picture_fields = descriptor.picture_fields();
    layer.tl0 = descriptor.tl0_pic_idx.unwrap_or(0);
    layer.temporal = descriptor.temporal_id.unwrap_or(0);
    if descriptor.layer_sync {
        layer.enters = true;
        layer.temporal_up = [layer.temporal; MAX_SPATIAL_LAYERS as usize];
    }
    descriptor.is_key_frame
}

/// From decode targets to layers: a target is known by the highest layers that it consists of.
fn read_targets(layer: &mut LayerInfo, structure: &TemplateStructure, part: u32, switch: u32) {
    // Spatial layers with a target that cannot be entered here.
    let mut closed = 0u8;
    for target in 0..structure.decode_target_count() {
        let Some(highest) = structure.decode_target_layer(target) else {
            continue;
        };
        let spatial = highest.spatial_id.min(MAX_SPATIAL_LAYERS - 1);
        let bit = 1u8 << spatial;
        layer.needed_by |= if part >> target & 1 == 1 { bit } else { 0 };
        if switch >> target & 1 == 0 {
            closed |= bit;
            continue;
        }
        if let Some(up) = layer.temporal_up.get_mut(usize::from(spatial)) {
            *up = (*up).max(highest.temporal_id.min(MAX_TEMPORAL_LAYERS - 1));
        }
    }
    let open = (0..structure.spatial_layer_count())
        .rev()
        .find(|spatial| layer.needed_by & !closed & 1 << spatial != 0);
    layer.spatial_up = open.unwrap_or(0);
}

/// Spatial layers up to the highest of these decode targets.
fn spatial_layers(structure: &TemplateStructure, targets: u32) -> u8 {
    let active = (0..structure.decode_target_count()).filter(|target| targets >> target & 1 == 1);
    let layers = active.filter_map(|target| structure.decode_target_layer(target));
    layers.map(|layer| layer.spatial_id + 1).max().unwrap_or(1)
}
