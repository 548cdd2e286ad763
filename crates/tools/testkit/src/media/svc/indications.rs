//! What frames are to decode targets (RTP Payload Format For AV1 v1.0.0, appendix A.4), found out by looking at what an
//! encoder makes.

use std::collections::BTreeSet;

use plenum_params::media::SpatialDependency;

use super::{
    encoder::{Encoder, PlannedFrame},
    mode::SvcMode,
};

/// Decode target indications.
const NOT_PRESENT: u8 = 0;
const DISCARDABLE: u8 = 1;
const SWITCH: u8 = 2;
const REQUIRED: u8 = 3;

/// What each kind of frame is to the decode targets, by place in the temporal pattern and spatial layer, for the frames
/// of key pictures and of others.
#[derive(Clone, Debug)]
pub(super) struct Indications {
    key: Vec<Vec<u8>>,
    /// One for each picture of the pattern, then for each spatial layer.
    other: Vec<Vec<Vec<u8>>>,
}

impl Indications {
    /// Looks at what the encoder makes over some turns of the pattern.
    pub(super) fn new(mode: SvcMode, is_long: bool) -> Self {
        let mut encoder = Encoder::new(mode, is_long);
        let len = encoder.pattern().len();
        // One turn that begins with a key picture, one that is looked at, one that tells what it is good for: references
        // do not reach further back than one turn.
        let frames: Vec<PlannedFrame> = (0..3 * len)
            .flat_map(|picture| encoder.picture(picture == 0))
            .collect();
        let of_picture = |picture: usize| {
            let own = frames
                .iter()
                .filter(|frame| frame.picture as usize == picture);
            own.map(|frame| {
                let targets = (0..mode.spatial).flat_map(|spatial| {
                    (0..mode.temporal).map(move |temporal| (spatial, temporal))
                });
                targets
                    .map(|target| indication(mode, &frames, frame, target))
                    .collect()
            })
            .collect()
        };
        Self {
            key: of_picture(0),
            other: (0..len).map(|index| of_picture(len + index)).collect(),
        }
    }

    pub(super) fn of(&self, frame: &PlannedFrame) -> Vec<u8> {
        let is_intra_picture = frame.picture_diffs.is_empty() && frame.temporal == 0;
        let picture = if is_intra_picture {
            &self.key
        } else {
            &self.other[frame.pattern_index]
        };
        picture[usize::from(frame.spatial)].clone()
    }
}

/// Whether who watches a layer needs frames like this one.
fn is_part(mode: SvcMode, frame: &PlannedFrame, (spatial, temporal): (u8, u8)) -> bool {
    let is_needed = match mode.dependency {
        SpatialDependency::Always => frame.spatial <= spatial,
        SpatialDependency::AtKeyPictures => {
            let is_intra_picture = frame.picture_diffs.is_empty() && frame.temporal == 0;
            frame.spatial == spatial || frame.spatial < spatial && is_intra_picture
        }
        SpatialDependency::Never => frame.spatial == spatial,
    };
    is_needed && frame.temporal <= temporal
}

/// What a frame is to the decode target of a layer, by what the frames behind it refer to.
fn indication(
    mode: SvcMode,
    frames: &[PlannedFrame],
    frame: &PlannedFrame,
    target: (u8, u8),
) -> u8 {
    if !is_part(mode, frame, target) {
        return NOT_PRESENT;
    }
    let later = || {
        let later = frames.iter().skip(frame.id as usize + 1);
        later.filter(|later| is_part(mode, later, target))
    };
    if !later().any(|later| later.references.contains(&frame.id)) {
        return DISCARDABLE;
    }
    // Who can decode the frame has everything that it refers to.
    let mut known = BTreeSet::from([frame.id]);
    for id in (0..=frame.id).rev() {
        if known.contains(&id) {
            known.extend(&frames[id as usize].references);
        }
    }
    for later in later() {
        if later.references.iter().any(|id| !known.contains(id)) {
            return REQUIRED;
        }
        known.insert(later.id);
    }
    SWITCH
}
