//! What one frame is to the layers and decode targets of its stream.

use super::{
    CustomFlags, DecodeTargetIndication, Layer, MAX_DECODE_TARGETS, TemplateStructure,
    structure::{Template, compress_pairs, read_indications},
};
use crate::{CodecError, bits::BitReader};

/// Most references of a frame that tells its own. AV1 has seven of them (AV1 specification §3, `REFS_PER_FRAME`), VP9
/// three.
pub const MAX_REFERENCES: usize = 8;

/// What a frame is to the layers and decode targets of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameDependencies {
    /// Layer of the frame.
    pub layer: Layer,
    /// Indications of all decode targets, two bits each, the first target lowest.
    indications: u64,
    references: References,
    chains: Chains,
}

/// How far back the frames lie that a frame refers to, in frame numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum References {
    /// Those of the template.
    Template(u16),
    /// The frame's own ones.
    Own([u16; MAX_REFERENCES], u8),
}

/// How far back the last frame of each chain lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chains {
    /// Those of the template.
    Template(u128),
    /// The frame's own ones.
    Own([u8; MAX_DECODE_TARGETS]),
}

impl FrameDependencies {
    /// `frame_dependency_definition()` of the specification.
    pub(super) fn read(
        reader: &mut BitReader<'_>,
        template_id: u8,
        custom: CustomFlags,
        structure: &TemplateStructure,
    ) -> Result<Self, CodecError> {
        let template: &Template = structure
            .template(template_id)
            .ok_or(CodecError::Malformed("unknown template"))?;
        let mut frame = Self {
            layer: template.layer,
            indications: template.indications,
            references: References::Template(template.references),
            chains: Chains::Template(template.chains),
        };
        if custom.indications {
            frame.indications = read_indications(reader, structure.decode_target_count())?;
        }
        if custom.references {
            frame.references = read_references(reader)?;
        }
        if custom.chains {
            let mut chains = [0; MAX_DECODE_TARGETS];
            for chain in chains.iter_mut().take(structure.chain_count().into()) {
                *chain = reader.byte(8)?;
            }
            frame.chains = Chains::Own(chains);
        }
        Ok(frame)
    }

    /// What the frame is to a decode target.
    pub const fn indication(&self, decode_target: u8) -> DecodeTargetIndication {
        DecodeTargetIndication::at(self.indications, decode_target)
    }

    /// Decode targets that the frame is part of, bit 0 for the first.
    pub const fn targets(&self) -> u32 {
        compress_pairs(self.indications | self.indications >> 1)
    }

    /// Decode targets that a receiver may switch to at this frame, bit 0 for the first.
    pub const fn switch_targets(&self) -> u32 {
        compress_pairs(self.indications >> 1 & !self.indications)
    }

    /// How far back the frames lie that this one refers to, in frame numbers.
    pub fn references(&self) -> impl Iterator<Item = u16> {
        let references = self.references;
        (0..16u16).filter_map(move |index| match references {
            References::Template(mask) => (mask >> index & 1 == 1).then_some(index + 1),
            References::Own(own, count) => own
                .get(usize::from(index))
                .copied()
                .filter(|_| index < u16::from(count)),
        })
    }

    /// How far back the last frame of a chain lies; 0 when none is needed, as in a key frame. `None` beyond what a
    /// structure can have.
    pub fn chain_diff(&self, chain: u8) -> Option<u8> {
        if usize::from(chain) >= MAX_DECODE_TARGETS {
            return None;
        }
        match self.chains {
            Chains::Template(diffs) => Some((diffs >> (4 * u32::from(chain)) & 0xf) as u8),
            Chains::Own(diffs) => diffs.get(usize::from(chain)).copied(),
        }
    }
}

/// References of 4, 8 or 12 bits each; a size of zero ends them.
fn read_references(reader: &mut BitReader<'_>) -> Result<References, CodecError> {
    let mut references = [0; MAX_REFERENCES];
    for count in 0..=MAX_REFERENCES {
        let nibbles = reader.bits(2)?;
        if nibbles == 0 {
            return Ok(References::Own(references, count as u8));
        }
        let Some(reference) = references.get_mut(count) else {
            break;
        };
        *reference = reader.bits(4 * nibbles)? as u16 + 1;
    }
    Err(CodecError::Malformed("too many references"))
}
