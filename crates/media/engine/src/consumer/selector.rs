//! Which packets of a layered stream one consumer gets.
//!
//! The choice of layers changes at frame starts only, and each change is remembered with the sequence number from which
//! it holds. So a late packet is judged like the rest of its frame, and a frame is never sent by halves.

use super::LayerTarget;
use crate::{
    history::History,
    packet::{LayerInfo, PacketMeta},
};

/// Choices that are remembered. A choice changes when bandwidth or a viewer's wish does, which is at most a few times in
/// the two seconds that packets are kept.
const HISTORY: usize = 16;

/// The layers chosen, now and for packets that are still on their way.
#[derive(Debug, Default)]
pub(crate) struct Selector {
    /// Ordered by `first_out`; those of the present stream, the last ones, by `from` too.
    choices: History<Choice, HISTORY>,
    /// Highest sequence number of the present stream that was judged.
    highest: Option<u64>,
    /// Bit `n`: frames of spatial layer `n` were left out since the last key picture, so that who comes down to it would
    /// miss what its next frames refer to.
    missed: u8,
}

/// What is forwarded from one packet on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its sequence number.
    from: u64,
    /// Its outgoing number, or that of the next one if it is left out.
    first_out: u64,
    /// Whether the consumer came to the stream here.
    begins: bool,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
}

impl Selector {
    /// Forwards a stream from this packet on, the first of a key picture.
    pub(crate) fn begin(&mut self, sequence: u64, first_out: u64, target: LayerTarget) {
        self.highest = None;
        self.missed = 0;
        self.choices.push(Choice {
            from: sequence,
            first_out,
            begins: true,
            spatial: target.spatial,
            temporal: target.temporal,
        });
    }

    /// Whether a packet is forwarded. `next_out` is the outgoing number that it would get if it is the newest.
    pub(crate) fn judge(
        &mut self,
        sequence: u64,
        meta: &PacketMeta,
        target: Option<LayerTarget>,
        next_out: Option<u64>,
    ) -> bool {
        if self.highest.is_none_or(|highest| highest < sequence) {
            self.highest = Some(sequence);
            if let (true, Some(target), Some(next_out)) = (meta.layer.start, target, next_out) {
                self.reconsider(sequence, next_out, meta, target);
            }
        }
        let Some(choice) = self.at(sequence) else {
            return false;
        };
        let layer = &meta.layer;
        let forwarded = choice.takes(layer);
        if !forwarded && layer.temporal <= choice.temporal && layer.spatial < choice.spatial {
            self.missed |= 1 << layer.spatial;
        }
        forwarded
    }

    /// Moves towards the target as far as this frame, of which `meta` is the first packet, allows.
    fn reconsider(
        &mut self,
        sequence: u64,
        first_out: u64,
        meta: &PacketMeta,
        target: LayerTarget,
    ) {
        let Some(&Choice {
            spatial, temporal, ..
        }) = self.choices.newest()
        else {
            return;
        };
        if meta.sync_point {
            self.missed = 0;
        }
        if (spatial, temporal) == (target.spatial, target.temporal) {
            return;
        }
        let next = if meta.sync_point {
            (target.spatial, target.temporal)
        } else {
            self.step(&meta.layer, (spatial, temporal), target)
        };
        if next != (spatial, temporal) {
            self.choices.push(Choice {
                from: sequence,
                first_out,
                begins: false,
                spatial: next.0,
                temporal: next.1,
            });
        }
    }

    /// The layers to forward from a frame on that is not the first of a key picture.
    fn step(
        &self,
        layer: &LayerInfo,
        (mut spatial, mut temporal): (u8, u8),
        target: LayerTarget,
    ) -> (u8, u8) {
        // Layers change between pictures: the end of a picture is marked by the highest spatial layer chosen.
        let starts_picture = layer.spatial == 0;
        if starts_picture {
            let up_to_target = u8::MAX >> 7u8.saturating_sub(target.spatial);
            if target.spatial < spatial && self.missed & up_to_target == 0 {
                spatial = target.spatial;
            } else if target.spatial > spatial && layer.spatial_up > spatial {
                spatial = layer.spatial_up.min(target.spatial);
            }
            temporal = temporal.min(target.temporal);
        }
        // One layer at a time, since a frame may be the first of its own layer and still refer to the ones between.
        let enters = starts_picture && layer.enters && layer.temporal == temporal + 1;
        let can_enter = layer.temporal <= temporal || enters;
        let up = layer.temporal_up.get(usize::from(spatial));
        if let Some(&up) = up.filter(|up| can_enter && **up > temporal) {
            temporal = up.min(target.temporal).max(temporal);
        }
        (spatial, temporal)
    }

    /// The layers forwarded now.
    pub(crate) fn current(&self) -> Option<Choice> {
        self.choices.newest().copied()
    }

    /// Whether a target cannot be reached without a key picture.
    pub(crate) fn needs_key(&self, target: LayerTarget) -> bool {
        let up_to_target = u8::MAX >> 7u8.saturating_sub(target.spatial);
        self.current().is_some_and(|choice| {
            choice.spatial < target.spatial
                || choice.spatial > target.spatial && self.missed & up_to_target != 0
        })
    }

    /// The choice that holds for a packet of the present stream. `None`: it is older than the consumer's part of it, or
    /// too old to tell.
    #[inline]
    fn at(&self, sequence: u64) -> Option<Choice> {
        for choice in self.choices.iter() {
            if choice.from <= sequence {
                return Some(*choice);
            }
            if choice.begins {
                return None;
            }
        }
        None
    }

    /// The choice by which a packet was sent, whatever stream it was of.
    #[inline]
    pub(crate) fn at_out(&self, out: u64) -> Option<Choice> {
        self.choices.find(|choice| choice.first_out <= out).copied()
    }
}

impl Choice {
    /// For how many packets it has held.
    pub(crate) fn age(self, out: u64) -> u64 {
        out.saturating_sub(self.first_out)
    }

    /// Whether a packet is forwarded.
    pub(crate) fn takes(self, layer: &LayerInfo) -> bool {
        layer.temporal <= self.temporal && layer.needed_by >> self.spatial & 1 == 1
    }

    /// Whether a packet is the last one sent of its picture: the end of a frame of the highest spatial layer chosen, which
    /// need not be the highest that there is.
    pub(crate) fn ends_picture(self, meta: &PacketMeta) -> bool {
        meta.marker || meta.layer.end && meta.layer.spatial == self.spatial
    }
}
