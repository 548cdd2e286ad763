//! VP8 payload descriptor (RFC 7741 §4.2) and the first bytes of the frame (§4.3).

use crate::{CodecError, PictureFields, bits::ByteReader};

#[cfg(test)]
mod tests;

/// What a payload says about its place in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent bits of the wire format"
)]
pub struct Descriptor {
    /// N: no other frame refers to this one.
    pub non_reference: bool,
    /// S: the payload begins a VP8 partition.
    pub start_of_partition: bool,
    /// PID: the partition, 0–7.
    pub partition_index: u8,
    /// Picture id, 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// M: whether the picture id has 15 bits.
    pub long_picture_id: bool,
    /// TL0PICIDX: running number of the base temporal layer's frames.
    pub tl0_pic_idx: Option<u8>,
    /// TID: temporal layer.
    pub temporal_id: Option<u8>,
    /// Y: the frame refers to the base layer only, so that a receiver may switch up to its layer here.
    pub layer_sync: bool,
    /// KEYIDX: running number of key frames.
    pub key_index: Option<u8>,
    /// Whether this is the first payload of a key frame.
    pub is_key_frame: bool,
    /// Width and height, in the first payload of a key frame.
    pub resolution: Option<(u16, u16)>,
    /// Length of the descriptor.
    pub header_len: usize,
}

impl Descriptor {
    /// Where the picture id begins, if there is one.
    const PICTURE_ID_AT: u8 = 2;

    /// Reads the descriptor of a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let mut reader = ByteReader::new(payload);
        let first = reader.u8()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            start_of_partition: first & 0x10 != 0,
            partition_index: first & 0x07,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            descriptor.read_extension(&mut reader)?;
        }
        descriptor.header_len = reader.position();
        if descriptor.start_of_partition && descriptor.partition_index == 0 {
            descriptor.read_frame_tag(reader.rest());
        }
        Ok(descriptor)
    }

    fn read_extension(&mut self, reader: &mut ByteReader<'_>) -> Result<(), CodecError> {
        let present = reader.u8()?;
        if present & 0x80 != 0 {
            let high = reader.u8()?;
            self.long_picture_id = high & 0x80 != 0;
            let high = u16::from(high & 0x7f);
            self.picture_id = Some(if self.long_picture_id {
                high << 8 | u16::from(reader.u8()?)
            } else {
                high
            });
        }
        if present & 0x40 != 0 {
            self.tl0_pic_idx = Some(reader.u8()?);
        }
        if present & 0x30 != 0 {
            let byte = reader.u8()?;
            if present & 0x20 != 0 {
                self.temporal_id = Some(byte >> 6);
                self.layer_sync = byte & 0x20 != 0;
            }
            if present & 0x10 != 0 {
                self.key_index = Some(byte & 0x1f);
            }
        }
        Ok(())
    }

    /// Reads the frame tag (RFC 6386 §9.1) at the head of the first partition.
    fn read_frame_tag(&mut self, frame: &[u8]) {
        // The P bit of an inter frame is set.
        self.is_key_frame = frame.first().is_some_and(|byte| byte & 1 == 0);
        if !self.is_key_frame {
            return;
        }
        if let Some(&[0x9d, 0x01, 0x2a, w0, w1, h0, h1]) = frame.get(3..10) {
            // The two bits above each size are a scaling hint.
            let size = |bytes| u16::from_le_bytes(bytes) & 0x3fff;
            self.resolution = Some((size([w0, w1]), size([h0, h1])));
        }
    }

    /// Where the payload has its picture id and TL0PICIDX.
    pub fn picture_fields(&self) -> PictureFields {
        let tl0_gap = self.tl0_pic_idx.map(|_| 0);
        PictureFields::new(
            Self::PICTURE_ID_AT,
            self.picture_id,
            self.long_picture_id,
            tl0_gap,
        )
    }

    /// Overwrites picture id and TL0PICIDX in the payload that this descriptor was read from. Fields that the payload
    /// does not have stay absent; a short picture id takes the low 7 bits.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: u16, tl0_pic_idx: u8) {
        self.picture_fields()
            .write(payload, picture_id, tl0_pic_idx);
    }
}
