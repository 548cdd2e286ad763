//! VP9 payload descriptor (RFC 9628 §4.2).

use crate::{CodecError, PictureFields, bits::ByteReader};

#[cfg(test)]
mod tests;

/// Most spatial layers: `N_S` has three bits.
pub const MAX_SPATIAL_LAYERS: usize = 8;

/// Most reference indices of a frame in flexible mode (RFC 9628 §4.2).
pub const MAX_REFERENCES: usize = 3;

/// What a payload says about its place in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent bits of the wire format"
)]
pub struct Descriptor {
    /// I: picture id, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// Whether the picture id has 15 bits.
    pub long_picture_id: bool,
    /// P: the frame refers to earlier pictures.
    pub inter_picture_predicted: bool,
    /// F: references are listed in every packet.
    pub flexible_mode: bool,
    /// B: the payload begins a layer frame.
    pub start_of_frame: bool,
    /// E: the payload ends a layer frame.
    pub end_of_frame: bool,
    /// Z: no frame of a higher spatial layer refers to this one.
    pub not_spatial_reference: bool,
    /// L: layer of the frame.
    pub layer: Option<Layer>,
    /// TL0PICIDX: running number of the base temporal layer's pictures; not in flexible mode.
    pub tl0_pic_idx: Option<u8>,
    /// `P_DIFF`: how many pictures back the references are, in flexible mode; 0 where there is none.
    pub references: [u8; MAX_REFERENCES],
    /// V: scalability structure.
    pub structure: Option<Structure>,
    /// Length of the descriptor.
    pub header_len: usize,
}

/// Layer of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// TID.
    pub temporal_id: u8,
    /// U: a receiver may switch up to this temporal layer here.
    pub switching_up_point: bool,
    /// SID.
    pub spatial_id: u8,
    /// D: the frame refers to the spatial layer below.
    pub inter_layer_predicted: bool,
}

/// Scalability structure: what layers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Number of spatial layers, 1–8.
    pub spatial_layers: u8,
    /// Y: width and height of each spatial layer, zero beyond their number.
    pub resolutions: Option<[(u16, u16); MAX_SPATIAL_LAYERS]>,
    /// `N_G`: number of pictures in the group that repeats, 0 when it is not described.
    pub picture_group_size: u8,
}

impl Descriptor {
    /// Reads the descriptor of a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let mut reader = ByteReader::new(payload);
        let first = reader.u8()?;
        let mut descriptor = Self {
            inter_picture_predicted: first & 0x40 != 0,
            flexible_mode: first & 0x10 != 0,
            start_of_frame: first & 0x08 != 0,
            end_of_frame: first & 0x04 != 0,
            not_spatial_reference: first & 0x01 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            let high = reader.u8()?;
            descriptor.long_picture_id = high & 0x80 != 0;
            let high = u16::from(high & 0x7f);
            let long = descriptor.long_picture_id;
            descriptor.picture_id = Some(if long {
                high << 8 | u16::from(reader.u8()?)
            } else {
                high
            });
        }
        if first & 0x20 != 0 {
            descriptor.layer = Some(Layer::from_byte(reader.u8()?));
            if !descriptor.flexible_mode {
                descriptor.tl0_pic_idx = Some(reader.u8()?);
            }
        }
        if descriptor.flexible_mode && descriptor.inter_picture_predicted {
            descriptor.references = read_references(&mut reader)?;
        }
        if first & 0x02 != 0 {
            descriptor.structure = Some(Structure::read(&mut reader)?);
        }
        descriptor.header_len = reader.position();
        Ok(descriptor)
    }

    /// Whether this is the first payload of a key picture: the base spatial layer without reference to the past.
    pub fn is_key_frame(&self) -> bool {
        let is_base = self
            .layer
            .is_none_or(|layer| layer.spatial_id == 0 && !layer.inter_layer_predicted);
        self.start_of_frame && is_base && !self.inter_picture_predicted
    }

    /// Spatial layer of the frame, 0 where layers are not told.
    pub fn spatial_id(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.spatial_id)
    }

    /// Temporal layer of the frame, 0 where layers are not told.
    pub fn temporal_id(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.temporal_id)
    }

    /// Whether a receiver of the spatial layer below can go on with this frame's layer: the frame needs no earlier
    /// picture. In full SVC and k-SVC senders do that on key pictures, and when they add a spatial layer.
    pub const fn is_spatial_switch_point(&self) -> bool {
        self.start_of_frame && !self.inter_picture_predicted
    }

    /// Whether the frame refers to its own spatial layer alone, though there is one below, as all frames between the
    /// key pictures of k-SVC do.
    pub fn is_without_lower_layers(&self) -> bool {
        let has_lower = |layer: Layer| layer.spatial_id > 0 && !layer.inter_layer_predicted;
        self.inter_picture_predicted && self.layer.is_some_and(has_lower)
    }

    /// Whether the payload is the last of its picture for a receiver of spatial layers up to `highest`, when the sender
    /// makes that layer.
    pub fn ends_picture(&self, highest: u8) -> bool {
        self.end_of_frame && self.spatial_id() >= highest
    }

    /// Where the payload has its picture id and TL0PICIDX.
    pub fn picture_fields(&self) -> PictureFields {
        // TL0PICIDX comes behind the byte of the layer.
        let tl0_gap = self.tl0_pic_idx.map(|_| 1);
        PictureFields::new(1, self.picture_id, self.long_picture_id, tl0_gap)
    }

    /// Overwrites picture id and TL0PICIDX in the payload that this descriptor was read from. Fields that the payload
    /// does not have stay absent; a short picture id takes the low 7 bits.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: u16, tl0_pic_idx: u8) {
        self.picture_fields()
            .write(payload, picture_id, tl0_pic_idx);
    }
}

impl Layer {
    const fn from_byte(byte: u8) -> Self {
        Self {
            temporal_id: byte >> 5,
            switching_up_point: byte & 0x10 != 0,
            spatial_id: byte >> 1 & 0x07,
            inter_layer_predicted: byte & 0x01 != 0,
        }
    }
}

/// Reads `P_DIFF` and its N bit, which says that another one follows.
fn read_references(reader: &mut ByteReader<'_>) -> Result<[u8; MAX_REFERENCES], CodecError> {
    let mut references = [0; MAX_REFERENCES];
    for reference in &mut references {
        let byte = reader.u8()?;
        *reference = byte >> 1;
        if byte & 1 == 0 {
            return Ok(references);
        }
    }
    Err(CodecError::Malformed("more than three reference indices"))
}

impl Structure {
    fn read(reader: &mut ByteReader<'_>) -> Result<Self, CodecError> {
        let first = reader.u8()?;
        let mut structure = Self {
            spatial_layers: (first >> 5) + 1,
            ..Self::default()
        };
        if first & 0x10 != 0 {
            let mut resolutions = [(0, 0); MAX_SPATIAL_LAYERS];
            for resolution in resolutions.iter_mut().take(structure.spatial_layers.into()) {
                *resolution = (reader.u16()?, reader.u16()?);
            }
            structure.resolutions = Some(resolutions);
        }
        if first & 0x08 != 0 {
            structure.picture_group_size = reader.u8()?;
            for _ in 0..structure.picture_group_size {
                let references = reader.u8()? >> 2 & 0x03;
                for _ in 0..references {
                    reader.u8()?;
                }
            }
        }
        Ok(structure)
    }
}
