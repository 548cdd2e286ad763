//! Dependency descriptor (RTP Payload Format For AV1 v1.0.0, appendix A): a header extension that tells, for any
//! codec, to which layers a frame belongs and who needs it.
//!
//! Key frames carry a [`TemplateStructure`]; the descriptors of later frames refer to it, so that a reader keeps the
//! last structure of each stream.

use crate::{CodecError, bits::BitReader};

mod structure;
#[cfg(test)]
mod tests;

pub use structure::{
    DecodeTargetIndication, Layer, MAX_DECODE_TARGETS, MAX_TEMPLATES, TemplateStructure,
};

/// The fields that every descriptor has, and that can be read without a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MandatoryFields {
    /// Whether the packet is the first of its frame.
    pub start_of_frame: bool,
    /// Whether the packet is the last of its frame.
    pub end_of_frame: bool,
    /// Template of the frame, 0–63.
    pub template_id: u8,
    /// Running number of frames.
    pub frame_number: u16,
}

impl MandatoryFields {
    /// Length on the wire.
    pub const LEN: usize = 3;

    /// Reads the first three bytes of an extension value.
    pub fn parse(value: &[u8]) -> Result<Self, CodecError> {
        let &[first, n0, n1] = value.first_chunk().ok_or(CodecError::TooShort)?;
        Ok(Self {
            start_of_frame: first & 0x80 != 0,
            end_of_frame: first & 0x40 != 0,
            template_id: first & 0x3f,
            frame_number: u16::from_be_bytes([n0, n1]),
        })
    }
}

/// A whole descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// Fields of every descriptor.
    pub fields: MandatoryFields,
    /// The new structure, if the descriptor brings one.
    pub structure: Option<TemplateStructure>,
    /// Decode targets that the sender currently produces, bit 0 for the first; absent when they did not change.
    pub active_decode_targets: Option<u32>,
    /// What the frame is to others; `None` when no structure is known.
    pub frame: Option<FrameDependencies>,
}

/// What a frame is to the layers and decode targets of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameDependencies {
    /// Layer of the frame.
    pub layer: Layer,
    /// Indications of all decode targets, two bits each, the first target lowest.
    indications: u64,
}

impl FrameDependencies {
    /// What the frame is to a decode target.
    pub const fn indication(&self, decode_target: u8) -> DecodeTargetIndication {
        DecodeTargetIndication::at(self.indications, decode_target)
    }
}

impl DependencyDescriptor {
    /// Reads an extension value. `known` is the last structure of the stream.
    ///
    /// A descriptor that refers to a template outside its structure is malformed. Without any structure only the
    /// mandatory fields can be told.
    pub fn parse(value: &[u8], known: Option<&TemplateStructure>) -> Result<Self, CodecError> {
        let fields = MandatoryFields::parse(value)?;
        let mut reader = BitReader::new(value.get(MandatoryFields::LEN..).unwrap_or_default());
        let mut descriptor = Self {
            fields,
            structure: None,
            active_decode_targets: None,
            frame: None,
        };
        let mut custom = CustomFlags::default();
        if value.len() > MandatoryFields::LEN {
            let has_structure = reader.flag()?;
            let has_active_targets = reader.flag()?;
            custom = CustomFlags {
                indications: reader.flag()?,
                references: reader.flag()?,
                chains: reader.flag()?,
            };
            if has_structure {
                let structure = TemplateStructure::read(&mut reader)?;
                descriptor.active_decode_targets = Some(structure.all_decode_targets());
                descriptor.structure = Some(structure);
            }
            if has_active_targets {
                let Some(structure) = descriptor.structure.as_ref().or(known) else {
                    return Ok(descriptor);
                };
                descriptor.active_decode_targets =
                    Some(reader.bits(structure.decode_target_count().into())?);
            }
        }
        if let Some(structure) = descriptor.structure.as_ref().or(known) {
            descriptor.frame = Some(read_frame(
                &mut reader,
                fields.template_id,
                custom,
                structure,
            )?);
        }
        Ok(descriptor)
    }

    /// Whether this is the first packet of a key frame: only those bring a structure.
    pub const fn is_key_frame(&self) -> bool {
        self.structure.is_some() && self.fields.start_of_frame
    }
}

/// What a frame tells itself instead of leaving it to its template.
#[derive(Clone, Copy, Debug, Default)]
struct CustomFlags {
    indications: bool,
    references: bool,
    chains: bool,
}

/// `frame_dependency_definition()` of the specification. References and chains are read over: who forwards by decode
/// target does not need them.
fn read_frame(
    reader: &mut BitReader<'_>,
    template_id: u8,
    custom: CustomFlags,
    structure: &TemplateStructure,
) -> Result<FrameDependencies, CodecError> {
    let (layer, mut indications) = structure
        .template(template_id)
        .ok_or(CodecError::Malformed("unknown template"))?;
    if custom.indications {
        indications = structure::read_indications(reader, structure.decode_target_count())?;
    }
    if custom.references {
        loop {
            let nibbles = reader.bits(2)?;
            if nibbles == 0 {
                break;
            }
            reader.bits(4 * nibbles)?;
        }
    }
    if custom.chains {
        for _ in 0..structure.chain_count() {
            reader.bits(8)?;
        }
    }
    Ok(FrameDependencies { layer, indications })
}
