//! The structure that frames refer to: templates, decode targets, chains, resolutions.

use crate::{CodecError, bits::BitReader};

/// Most templates: their ids have six bits.
pub const MAX_TEMPLATES: usize = 64;

/// Most decode targets: their count has five bits.
pub const MAX_DECODE_TARGETS: usize = 32;

/// Most spatial layers: what two bits of spatial id can tell.
const MAX_SPATIAL_LAYERS: usize = 4;

/// Highest temporal id: three bits.
const MAX_TEMPORAL_ID: u8 = 7;

/// A spatial and a temporal layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Spatial layer, 0–3.
    pub spatial_id: u8,
    /// Temporal layer, 0–7.
    pub temporal_id: u8,
}

/// What a frame is to a decode target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeTargetIndication {
    /// Not part of the target.
    NotPresent,
    /// Part of it, and no other frame of it refers to this one.
    Discardable,
    /// A receiver may switch to the target here.
    Switch,
    /// Part of the target.
    Required,
}

impl DecodeTargetIndication {
    /// The indication of one target among all of a frame.
    pub(super) const fn at(indications: u64, decode_target: u8) -> Self {
        if decode_target as usize >= MAX_DECODE_TARGETS {
            return Self::NotPresent;
        }
        match indications >> (2 * decode_target) & 3 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }
}

/// One template: what frames have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) layer: Layer,
    /// Two bits per decode target, the first one lowest.
    pub(super) indications: u64,
    /// Bit `n` for a reference to the frame `n + 1` back: templates tell 1–16.
    pub(super) references: u16,
    /// Four bits per chain, the first one lowest.
    pub(super) chains: u128,
}

/// Structure of a stream from one key frame to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateStructure {
    template_id_offset: u8,
    decode_target_count: u8,
    template_count: u8,
    templates: [Template; MAX_TEMPLATES],
    chain_count: u8,
    /// Chain that protects each decode target.
    protected_by: [u8; MAX_DECODE_TARGETS],
    /// Highest layer of each decode target.
    target_layers: [Layer; MAX_DECODE_TARGETS],
    resolutions: Option<[(u32, u32); MAX_SPATIAL_LAYERS]>,
    /// Length on the wire.
    wire_bits: usize,
}

impl TemplateStructure {
    /// `template_dependency_structure()` of the specification.
    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, CodecError> {
        let start = reader.position();
        let mut structure = Self {
            template_id_offset: reader.byte(6)?,
            decode_target_count: reader.byte(5)? + 1,
            template_count: 0,
            templates: [Template::default(); MAX_TEMPLATES],
            chain_count: 0,
            protected_by: [0; MAX_DECODE_TARGETS],
            target_layers: [Layer::default(); MAX_DECODE_TARGETS],
            resolutions: None,
            wire_bits: 0,
        };
        structure.read_layers(reader)?;
        let decode_target_count = structure.decode_target_count;
        for template in structure.used_templates_mut() {
            template.indications = read_indications(reader, decode_target_count)?;
        }
        for template in structure.used_templates_mut() {
            while reader.flag()? {
                template.references |= 1 << reader.bits(4)?;
            }
        }
        structure.read_chains(reader)?;
        if reader.flag()? {
            structure.read_resolutions(reader)?;
        }
        structure.find_target_layers();
        structure.wire_bits = reader.position() - start;
        Ok(structure)
    }

    fn read_layers(&mut self, reader: &mut BitReader<'_>) -> Result<(), CodecError> {
        let mut layer = Layer::default();
        for template in &mut self.templates {
            template.layer = layer;
            self.template_count += 1;
            match reader.bits(2)? {
                0 => {}
                1 if layer.temporal_id < MAX_TEMPORAL_ID => layer.temporal_id += 1,
                2 if usize::from(layer.spatial_id) + 1 < MAX_SPATIAL_LAYERS => {
                    layer = Layer {
                        spatial_id: layer.spatial_id + 1,
                        temporal_id: 0,
                    };
                }
                3 => return Ok(()),
                _ => return Err(CodecError::Malformed("too many layers")),
            }
        }
        Err(CodecError::Malformed("too many templates"))
    }

    fn read_chains(&mut self, reader: &mut BitReader<'_>) -> Result<(), CodecError> {
        let chain_count = reader.non_symmetric(u32::from(self.decode_target_count) + 1)?;
        self.chain_count = chain_count as u8;
        if chain_count == 0 {
            return Ok(());
        }
        for protected_by in self
            .protected_by
            .iter_mut()
            .take(self.decode_target_count.into())
        {
            *protected_by = reader.non_symmetric(chain_count)? as u8;
        }
        for template in self.used_templates_mut() {
            for chain in 0..chain_count {
                template.chains |= u128::from(reader.bits(4)?) << (4 * chain);
            }
        }
        Ok(())
    }

    /// `decode_target_layers()` of the specification: the highest layers of the templates in a target.
    fn find_target_layers(&mut self) {
        for target in 0..self.decode_target_count {
            let mut highest = Layer::default();
            for template in self.used_templates() {
                if DecodeTargetIndication::at(template.indications, target)
                    != DecodeTargetIndication::NotPresent
                {
                    highest.spatial_id = highest.spatial_id.max(template.layer.spatial_id);
                    highest.temporal_id = highest.temporal_id.max(template.layer.temporal_id);
                }
            }
            if let Some(layer) = self.target_layers.get_mut(usize::from(target)) {
                *layer = highest;
            }
        }
    }

    fn read_resolutions(&mut self, reader: &mut BitReader<'_>) -> Result<(), CodecError> {
        let mut resolutions = [(0, 0); MAX_SPATIAL_LAYERS];
        let count = usize::from(self.spatial_layer_count());
        for resolution in resolutions.iter_mut().take(count) {
            *resolution = (reader.bits(16)? + 1, reader.bits(16)? + 1);
        }
        self.resolutions = Some(resolutions);
        Ok(())
    }

    pub(super) fn template(&self, template_id: u8) -> Option<&Template> {
        let index = template_id.wrapping_sub(self.template_id_offset) & 0x3f;
        self.used_templates().get(usize::from(index))
    }

    fn used_templates(&self) -> &[Template] {
        self.templates
            .get(..self.template_count.into())
            .unwrap_or_default()
    }

    fn used_templates_mut(&mut self) -> &mut [Template] {
        self.templates
            .get_mut(..self.template_count.into())
            .unwrap_or_default()
    }

    /// Length on the wire in bits.
    pub(super) const fn wire_bits(&self) -> usize {
        self.wire_bits
    }

    /// Layer of the frames with this template.
    pub fn layer(&self, template_id: u8) -> Option<Layer> {
        self.template(template_id).map(|template| template.layer)
    }

    /// Number of templates, 1–64.
    pub const fn template_count(&self) -> u8 {
        self.template_count
    }

    /// Number of decode targets, 1–32.
    pub const fn decode_target_count(&self) -> u8 {
        self.decode_target_count
    }

    /// Number of chains, 0–32.
    pub const fn chain_count(&self) -> u8 {
        self.chain_count
    }

    /// Chain whose frames a decode target cannot miss.
    pub fn protecting_chain(&self, decode_target: u8) -> Option<u8> {
        let is_protected = self.chain_count > 0 && decode_target < self.decode_target_count;
        self.protected_by
            .get(usize::from(decode_target))
            .copied()
            .filter(|_| is_protected)
    }

    /// Highest layer of the frames that a decode target consists of.
    pub fn decode_target_layer(&self, decode_target: u8) -> Option<Layer> {
        self.target_layers()
            .get(usize::from(decode_target))
            .copied()
    }

    /// The first decode target whose highest layer is this one.
    pub fn decode_target(&self, layer: Layer) -> Option<u8> {
        let found = self.target_layers().iter().position(|one| *one == layer);
        found.map(|target| target as u8)
    }

    /// Decode targets that need nothing above a layer, bit 0 for the first.
    pub fn targets_up_to(&self, layer: Layer) -> u32 {
        let is_within = |one: &Layer| {
            one.spatial_id <= layer.spatial_id && one.temporal_id <= layer.temporal_id
        };
        let targets = self.target_layers().iter().enumerate();
        targets
            .filter(|(_, one)| is_within(one))
            .fold(0, |mask, (target, _)| mask | 1 << target)
    }

    fn target_layers(&self) -> &[Layer] {
        self.target_layers
            .get(..self.decode_target_count.into())
            .unwrap_or_default()
    }

    /// Number of spatial layers, 1–4.
    pub fn spatial_layer_count(&self) -> u8 {
        // Templates are ordered by spatial layer.
        self.used_templates()
            .last()
            .map_or(1, |template| template.layer.spatial_id + 1)
    }

    /// Width and height of a spatial layer, if told.
    pub fn resolution(&self, spatial_id: u8) -> Option<(u32, u32)> {
        self.resolutions?
            .get(usize::from(spatial_id))
            .copied()
            .filter(|_| spatial_id < self.spatial_layer_count())
    }

    /// The bitmask of all decode targets.
    pub const fn all_decode_targets(&self) -> u32 {
        u32::MAX >> (MAX_DECODE_TARGETS as u32 - self.decode_target_count as u32)
    }
}

/// Indications of a frame or template for all decode targets.
pub(super) fn read_indications(
    reader: &mut BitReader<'_>,
    decode_targets: u8,
) -> Result<u64, CodecError> {
    let mut indications = 0;
    for target in 0..decode_targets {
        indications |= u64::from(reader.bits(2)?) << (2 * target);
    }
    Ok(indications)
}

/// Gathers the even bits of `pairs`.
pub(super) const fn compress_pairs(pairs: u64) -> u32 {
    let mut bits = pairs & 0x5555_5555_5555_5555;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
}
