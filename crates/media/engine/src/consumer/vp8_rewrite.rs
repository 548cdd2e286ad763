//! Continuous VP8 picture ids over stream switches (RFC 7741 §4.2).

use plenum_codec::vp8;

/// Highest picture id and TL0PICIDX that the receiver saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PictureIds {
    last_picture_id: Option<u16>,
    last_tl0: Option<u8>,
}

impl PictureIds {
    /// Marks an offset that the first packet of a stream decides.
    pub(crate) const UNDECIDED: u16 = u16::MAX;

    /// Rewrites the descriptor of `payload` by the offsets of its epoch, deciding them when they are undecided.
    pub(crate) fn rewrite(&mut self, offset: &mut u16, tl0_offset: &mut u8, payload: &mut [u8]) {
        let Ok(descriptor) = vp8::Descriptor::parse(payload) else {
            return;
        };
        let Some(picture_id) = descriptor.picture_id else {
            return;
        };
        // Seven or fifteen bits, as the sender chose.
        let mask = if descriptor.long_picture_id {
            0x7fff
        } else {
            0x7f
        };
        if *offset == Self::UNDECIDED {
            let next = self
                .last_picture_id
                .map_or(picture_id, |last| last.wrapping_add(1));
            *offset = next.wrapping_sub(picture_id) & mask;
            let tl0 = descriptor.tl0_pic_idx.unwrap_or(0);
            let next_tl0 = self.last_tl0.map_or(tl0, |last| last.wrapping_add(1));
            *tl0_offset = next_tl0.wrapping_sub(tl0);
        }
        let new_id = picture_id.wrapping_add(*offset) & mask;
        let new_tl0 = descriptor
            .tl0_pic_idx
            .map(|index| index.wrapping_add(*tl0_offset));
        if *offset != 0 || *tl0_offset != 0 {
            descriptor.rewrite(payload, new_id, new_tl0.unwrap_or(0));
        }
        let newer = |last: u16| new_id.wrapping_sub(last) & mask <= mask / 2;
        if self.last_picture_id.is_none_or(newer) {
            self.last_picture_id = Some(new_id);
            self.last_tl0 = new_tl0.or(self.last_tl0);
        }
    }
}
