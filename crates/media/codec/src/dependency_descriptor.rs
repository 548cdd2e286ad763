//! Dependency descriptor (RTP Payload Format For AV1 v1.0.0, appendix A): a header extension that tells, for any
//! codec, to which layers a frame belongs and who needs it.
//!
//! Key frames carry a [`TemplateStructure`]; the descriptors of later frames refer to it, so that a reader keeps the
//! last structure of each stream.

use crate::{CodecError, bits::BitReader};

mod frame;
mod rewrite;
mod structure;
#[cfg(test)]
mod tests;

pub use frame::{FrameDependencies, MAX_REFERENCES};
pub use rewrite::{set_active_decode_targets, set_frame_number, write_with_active_targets};
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

/// A descriptor without the structure that it may bring: what is needed packet by packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketDependencies {
    /// Fields of every descriptor.
    pub fields: MandatoryFields,
    /// Whether the descriptor brings a new structure: the first packet of a key frame.
    pub brings_structure: bool,
    /// Decode targets that the sender currently produces, bit 0 for the first; absent when they did not change.
    pub active_decode_targets: Option<u32>,
    /// What the frame is to others; `None` when no structure is known.
    pub frame: Option<FrameDependencies>,
}

impl PacketDependencies {
    /// Reads an extension value. `known` is the last structure of the stream, and becomes the one that the value brings.
    /// A malformed value leaves it as it is.
    pub fn read(value: &[u8], known: &mut Option<TemplateStructure>) -> Result<Self, CodecError> {
        if !brings_structure(value) {
            return read_extended(value, known.as_ref()).map(|(packet, _)| packet);
        }
        let structure = Extended::read_structure(value)?;
        let (packet, _) = read_extended(value, Some(&structure))?;
        *known = Some(structure);
        Ok(packet)
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

impl DependencyDescriptor {
    /// Reads an extension value. `known` is the last structure of the stream.
    ///
    /// A descriptor that refers to a template outside its structure is malformed. Without any structure only the
    /// mandatory fields can be told.
    pub fn parse(value: &[u8], known: Option<&TemplateStructure>) -> Result<Self, CodecError> {
        let structure = brings_structure(value)
            .then(|| Extended::read_structure(value))
            .transpose()?;
        let (packet, _) = read_extended(value, structure.as_ref().or(known))?;
        Ok(Self {
            fields: packet.fields,
            structure,
            active_decode_targets: packet.active_decode_targets,
            frame: packet.frame,
        })
    }

    /// Whether this is the first packet of a key frame: only those bring a structure.
    pub const fn is_key_frame(&self) -> bool {
        self.structure.is_some() && self.fields.start_of_frame
    }
}

/// Whether a value brings a structure: it has extended fields, and the first of them says so.
pub fn brings_structure(value: &[u8]) -> bool {
    value
        .get(MandatoryFields::LEN)
        .is_some_and(|flags| flags & 0x80 != 0)
}

/// Flags and bit positions of the extended fields.
#[derive(Clone, Copy, Debug, Default)]
struct Extended {
    has_structure: bool,
    has_active_targets: bool,
    custom: CustomFlags,
    /// Where the structure ends, or would begin.
    structure_end: usize,
    /// Where the last field ends.
    end: usize,
}

/// What a frame tells itself instead of leaving it to its template.
#[derive(Clone, Copy, Debug, Default)]
struct CustomFlags {
    indications: bool,
    references: bool,
    chains: bool,
}

impl Extended {
    /// Number of flags in front of the structure.
    const FLAGS: u32 = 5;

    fn read_flags(reader: &mut BitReader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            has_structure: reader.flag()?,
            has_active_targets: reader.flag()?,
            custom: CustomFlags {
                indications: reader.flag()?,
                references: reader.flag()?,
                chains: reader.flag()?,
            },
            ..Self::default()
        })
    }

    fn read_structure(value: &[u8]) -> Result<TemplateStructure, CodecError> {
        let mut reader = extended_reader(value);
        Self::read_flags(&mut reader)?;
        TemplateStructure::read(&mut reader)
    }
}

/// A reader behind the mandatory fields.
fn extended_reader(value: &[u8]) -> BitReader<'_> {
    BitReader::new(value.get(MandatoryFields::LEN..).unwrap_or_default())
}

/// Everything but the structure, which is `structure` whether the value brings it or not.
fn read_extended(
    value: &[u8],
    structure: Option<&TemplateStructure>,
) -> Result<(PacketDependencies, Extended), CodecError> {
    let mut packet = PacketDependencies {
        fields: MandatoryFields::parse(value)?,
        brings_structure: false,
        active_decode_targets: None,
        frame: None,
    };
    let mut reader = extended_reader(value);
    let mut extended = Extended::default();
    if value.len() > MandatoryFields::LEN {
        extended = Extended::read_flags(&mut reader)?;
    }
    let Some(structure) = structure else {
        return Ok((packet, extended));
    };
    if extended.has_structure {
        reader.skip(structure.wire_bits())?;
        packet.brings_structure = true;
        packet.active_decode_targets = Some(structure.all_decode_targets());
    }
    extended.structure_end = reader.position();
    if extended.has_active_targets {
        packet.active_decode_targets = Some(reader.bits(structure.decode_target_count().into())?);
    }
    packet.frame = Some(FrameDependencies::read(
        &mut reader,
        packet.fields.template_id,
        extended.custom,
        structure,
    )?);
    extended.end = reader.position();
    Ok((packet, extended))
}
