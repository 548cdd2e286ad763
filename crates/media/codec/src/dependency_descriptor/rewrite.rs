//! Descriptors changed for one receiver: another frame number, other active decode targets.

use super::{Extended, MandatoryFields, TemplateStructure, brings_structure, read_extended};
use crate::{
    CodecError,
    bits::{BitReader, BitWriter, overwrite_bits},
};

/// Where the frame number stands.
const FRAME_NUMBER: std::ops::Range<usize> = 1..3;

/// Overwrites the frame number of an extension value.
pub fn set_frame_number(value: &mut [u8], frame_number: u16) {
    if let Some(place) = value.get_mut(FRAME_NUMBER) {
        place.copy_from_slice(&frame_number.to_be_bytes());
    }
}

/// Overwrites the active decode targets of a value that tells them and returns whether it does.
///
/// `known` is the last structure of the stream; it is not needed when the value brings one.
pub fn set_active_decode_targets(
    value: &mut [u8],
    known: Option<&TemplateStructure>,
    active: u32,
) -> Result<bool, CodecError> {
    let (extended, decode_targets) = layout(value, known)?;
    if !extended.has_active_targets {
        return Ok(false);
    }
    let at = MandatoryFields::LEN * 8 + extended.structure_end;
    overwrite_bits(value, at, active, decode_targets.into())?;
    Ok(true)
}

/// Writes a value once more, now telling these active decode targets, and returns its length, which is at most five
/// bytes more than before.
///
/// `known` is the last structure of the stream; it is not needed when the value brings one.
pub fn write_with_active_targets(
    value: &[u8],
    known: Option<&TemplateStructure>,
    active: u32,
    out: &mut [u8],
) -> Result<usize, CodecError> {
    let (extended, decode_targets) = layout(value, known)?;
    let mut reader = BitReader::new(value);
    let mut writer = BitWriter::new(out);
    writer.copy(&mut reader, MandatoryFields::LEN * 8)?;
    writer.put(u32::from(extended.has_structure), 1)?;
    writer.put(1, 1)?;
    let flags = if value.len() > MandatoryFields::LEN {
        reader.skip(2)?;
        writer.copy(&mut reader, 3)?;
        Extended::FLAGS as usize
    } else {
        writer.put(0, 3)?;
        0
    };
    writer.copy(&mut reader, extended.structure_end - flags)?;
    writer.put(active, decode_targets.into())?;
    let mut read = extended.structure_end;
    if extended.has_active_targets {
        reader.skip(decode_targets.into())?;
        read += usize::from(decode_targets);
    }
    writer.copy(&mut reader, extended.end - read)?;
    writer.finish()
}

/// Flags and positions of a value, and the number of its structure's decode targets.
fn layout(value: &[u8], known: Option<&TemplateStructure>) -> Result<(Extended, u8), CodecError> {
    let own = brings_structure(value)
        .then(|| Extended::read_structure(value))
        .transpose()?;
    let structure = own
        .as_ref()
        .or(known)
        .ok_or(CodecError::Malformed("no structure is known"))?;
    let (_, extended) = read_extended(value, Some(structure))?;
    Ok((extended, structure.decode_target_count()))
}
