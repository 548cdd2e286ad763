//! Picture ids of VP8 and VP9 as one receiver sees them (RFC 7741 §4.2, RFC 9628 §4.2).
//!
//! They go on over changes of the stream. In VP8 they also close up where frames are left out: libwebrtc takes a gap for
//! a lost frame and waits. In VP9 references count picture ids, so that what is left out leaves its gap.

use crate::{history::History, packet::LayerInfo};

/// Shifts that are remembered: one for each frame left out, as many as 30 frames a second make in the two seconds that
/// packets are kept, twice over.
const HISTORY: usize = 128;

/// What is added to picture ids and TL0PICIDX, now and for packets that were sent before.
#[derive(Debug, Default)]
pub(crate) struct PictureIds {
    /// Ordered by `first_out`, which is different in each.
    shifts: History<Shift, HISTORY>,
    /// Newest picture id and TL0PICIDX that were sent.
    last: Option<(u16, u8)>,
    /// Picture id of the last frame left out, as its sender wrote it.
    left_out: Option<u16>,
}

/// From the packet with this outgoing number on.
#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    first_out: u64,
    picture_id: u16,
    tl0: u8,
}

impl PictureIds {
    /// Goes on with another stream, or with the same one after a pause, of which `layer` is the first packet. Picture ids
    /// follow the last one if they close up, else the pause leaves its gap.
    pub(crate) fn begin(&mut self, first_out: u64, layer: &LayerInfo, closes_up: bool) {
        self.left_out = None;
        let (Some(picture_id), Some((last_id, last_tl0))) = (layer.picture_id, self.last) else {
            return;
        };
        let now = self.shifts.newest().map_or(0, |shift| shift.picture_id);
        self.push(Shift {
            first_out,
            picture_id: if closes_up {
                last_id.wrapping_add(1).wrapping_sub(picture_id)
            } else {
                now
            },
            tl0: last_tl0.wrapping_add(1).wrapping_sub(layer.tl0),
        });
    }

    /// Leaves out a packet of a VP8 frame. The next packet gets the outgoing number `first_out`.
    pub(crate) fn leave_out(&mut self, first_out: u64, layer: &LayerInfo) {
        if layer.picture_id.is_none() || self.left_out == layer.picture_id {
            return;
        }
        self.left_out = layer.picture_id;
        let last = self.shifts.newest().copied().unwrap_or_default();
        self.push(Shift {
            first_out,
            picture_id: last.picture_id.wrapping_sub(1),
            ..last
        });
    }

    /// A packet is sent as number `out`, newer than all others. It may come late, when frames behind it have been left out
    /// already.
    pub(crate) fn advance(&mut self, out: u64, layer: &LayerInfo) {
        if let Some(picture_id) = layer.picture_id {
            let shift = self.shifts.find(|shift| shift.first_out <= out);
            let shift = shift.copied().unwrap_or_default();
            self.last = Some((
                picture_id.wrapping_add(shift.picture_id),
                layer.tl0.wrapping_add(shift.tl0),
            ));
        }
    }

    /// Rewrites the descriptor of a payload that is sent as number `out`, of which `layer` was read; `false` when it is too
    /// old to tell how.
    #[inline]
    #[must_use]
    pub(crate) fn rewrite(&self, out: u64, layer: &LayerInfo, payload: &mut [u8]) -> bool {
        let Some(shift) = self.shifts.find(|shift| shift.first_out <= out) else {
            return !self.shifts.is_full();
        };
        // The descriptor keeps its 7 or 15 bits.
        let id = layer.picture_id.unwrap_or(0).wrapping_add(shift.picture_id) & 0x7fff;
        let tl0 = layer.tl0.wrapping_add(shift.tl0);
        layer.picture_fields.write(payload, id, tl0);
        true
    }

    fn push(&mut self, shift: Shift) {
        if self
            .shifts
            .newest()
            .is_some_and(|last| last.first_out >= shift.first_out)
        {
            self.shifts.pop();
        }
        self.shifts.push(shift);
    }
}
