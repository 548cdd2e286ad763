//! The dependency descriptor as one receiver sees it: frame numbers go on over changes of the stream, and only what is
//! forwarded counts as active.

use plenum_codec::{
    DependencyDescriptor, TemplateStructure,
    dependency_descriptor::{Layer, MandatoryFields, set_frame_number, write_with_active_targets},
};

use super::Consumer;

/// Longest value that an extension can have (RFC 8285 §4.3).
pub(crate) const MAX_DESCRIPTOR: usize = 255;

/// Flags of a value that brings a structure or tells active decode targets.
const TELLS_TARGETS: u8 = 0xc0;

/// Flag of the first packet of a frame.
const START_OF_FRAME: u8 = 0x80;

/// Packets after a change of the choice whose frames tell the active targets, since the first may be a filler, or refer
/// to a structure that comes after it: two or three pictures.
const ANNOUNCED_FOR: u64 = 64;

impl Consumer {
    /// Writes the dependency descriptor of the packet that is sent as number `out` and returns its length, 0 when the
    /// receiver gets none. `known` is what [`LayerReader::structure`](crate::layer_reader::LayerReader::structure) says.
    pub(crate) fn write_descriptor(
        &self,
        out: u64,
        value: &[u8],
        known: Option<(&TemplateStructure, u32)>,
        buffer: &mut [u8; MAX_DESCRIPTOR],
    ) -> usize {
        if !self.template.has_descriptor() {
            return 0;
        }
        let Ok(fields) = MandatoryFields::parse(value) else {
            return 0;
        };
        let len = self
            .write_limited(out, value, known, buffer)
            .unwrap_or_else(|| {
                let place = buffer.get_mut(..value.len());
                place.map_or(0, |place| {
                    place.copy_from_slice(value);
                    value.len()
                })
            });
        let offset = self.epoch(out).map_or(0, |epoch| epoch.frame_number_offset);
        set_frame_number(buffer, fields.frame_number.wrapping_add(offset));
        len
    }

    /// Writes a value that limits the active decode targets to the layers chosen: where the sender tells them, and where
    /// the choice changes. `None`: the value stays as it is.
    ///
    /// A receiver without RTX may be sent a packet again, which must then be the same to the byte whatever structure is in
    /// force by then.
    fn write_limited(
        &self,
        out: u64,
        value: &[u8],
        known: Option<(&TemplateStructure, u32)>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        self.parameters.rtx_ssrc?;
        let choice = self.selector.as_ref()?.at_out(out)?;
        let tells = value
            .get(MandatoryFields::LEN)
            .is_some_and(|flags| flags & TELLS_TARGETS != 0);
        let starts_frame = value
            .first()
            .is_some_and(|first| first & START_OF_FRAME != 0);
        let is_new = starts_frame && choice.age(out) < ANNOUNCED_FOR;
        if !tells && !is_new {
            return None;
        }
        let (known, now_active) = known.unzip();
        let descriptor = DependencyDescriptor::parse(value, known).ok()?;
        let structure = descriptor.structure.as_ref().or(known)?;
        let active = descriptor.active_decode_targets.or(now_active)?;
        let limited = active
            & structure.targets_up_to(Layer {
                spatial_id: choice.spatial,
                temporal_id: choice.temporal,
            });
        if descriptor.active_decode_targets == Some(limited) {
            return None;
        }
        write_with_active_targets(value, known, limited, buffer).ok()
    }
}
