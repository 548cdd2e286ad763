//! Where the payload descriptors of VP8 and VP9 have what a forwarder renumbers.

/// Places of picture id and TL0PICIDX in a payload, for rewriting any copy of it without reading it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureFields {
    /// 0: there is none. No descriptor begins with either field.
    picture_id_at: u8,
    /// Whether the picture id has 15 bits.
    long: bool,
    /// 0: there is none.
    tl0_at: u8,
}

impl PictureFields {
    /// Of a payload that has neither.
    pub const NONE: Self = Self {
        picture_id_at: 0,
        long: false,
        tl0_at: 0,
    };

    /// Fields one after another: a picture id at `start`, if there is one, and TL0PICIDX `gap` bytes behind it.
    pub(crate) fn new(start: u8, picture_id: Option<u16>, long: bool, tl0_gap: Option<u8>) -> Self {
        let len = match (picture_id, long) {
            (None, _) => 0,
            (Some(_), false) => 1,
            (Some(_), true) => 2,
        };
        Self {
            picture_id_at: if len > 0 { start } else { 0 },
            long,
            tl0_at: tl0_gap.map_or(0, |gap| start + len + gap),
        }
    }

    /// Overwrites the fields in the payload that they were found in, or in a copy of it. A short picture id takes the low
    /// 7 bits, a long one 15.
    #[inline]
    pub fn write(self, payload: &mut [u8], picture_id: u16, tl0_pic_idx: u8) {
        let [high, low] = picture_id.to_be_bytes();
        let at = usize::from(self.picture_id_at);
        if at > 0 && self.long {
            if let Some(place) = payload.get_mut(at..at + 2) {
                place.copy_from_slice(&[0x80 | high, low]);
            }
        } else if at > 0
            && let Some(place) = payload.get_mut(at)
        {
            *place = low & 0x7f;
        }
        let at = usize::from(self.tl0_at);
        if at > 0
            && let Some(place) = payload.get_mut(at)
        {
            *place = tl0_pic_idx;
        }
    }
}
