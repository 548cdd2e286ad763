//! What an encoder with layers does, without a picture: which frames there are, and which they refer to.

use plenum_params::media::SpatialDependency;

use super::{
    mode::SvcMode,
    pattern::{Step, pattern},
};

/// A frame of one spatial layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they become independent bits of descriptors"
)]
pub(super) struct PlannedFrame {
    /// Running number of all frames.
    pub(super) id: u32,
    /// Running number of the pictures.
    pub(super) picture: u32,
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    /// Ids of the frames that it refers to.
    pub(super) references: Vec<u32>,
    /// How many pictures back they are, but for the one in the same picture.
    pub(super) picture_diffs: Vec<u32>,
    /// Whether it refers to the spatial layer below.
    pub(super) is_inter_layer: bool,
    /// The first frame of a key picture, or of a layer that needs no other.
    pub(super) is_key: bool,
    /// Whether it is of an upper temporal layer and refers to the lowest alone.
    pub(super) is_layer_sync: bool,
    /// Whether nothing refers to it but a higher spatial layer.
    pub(super) is_discardable: bool,
    /// Whether its packets tell which spatial layers there are now.
    pub(super) tells_layers: bool,
    /// Whether it is the last of its picture.
    pub(super) ends_picture: bool,
    /// Whether a higher spatial layer refers to it.
    pub(super) is_spatial_reference: bool,
    /// Place in the temporal pattern.
    pub(super) pattern_index: usize,
}

/// The last frame of a temporal layer: its id and picture.
type Buffer = Option<(u32, u32)>;

/// Plans pictures one after another.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    mode: SvcMode,
    pattern: &'static [Step],
    next_id: u32,
    next_picture: u32,
    pattern_index: usize,
    /// By spatial and temporal layer.
    buffers: [[Buffer; 3]; 3],
    /// Spatial layers that are being made.
    active: u8,
    wants_key: bool,
    /// Since the last picture there are other layers.
    is_changed: bool,
}

impl Encoder {
    pub(super) fn new(mode: SvcMode, is_long: bool) -> Self {
        Self {
            mode,
            pattern: pattern(mode.temporal, is_long),
            next_id: 0,
            next_picture: 0,
            pattern_index: 0,
            buffers: [[None; 3]; 3],
            active: mode.spatial,
            wants_key: true,
            is_changed: false,
        }
    }

    pub(super) const fn pattern(&self) -> &'static [Step] {
        self.pattern
    }

    pub(super) const fn active(&self) -> u8 {
        self.active
    }

    /// Makes that many spatial layers from now on; more of them begin with a key picture.
    pub(super) fn set_active(&mut self, active: u8) {
        let active = active.clamp(1, self.mode.spatial);
        self.wants_key |= active > self.active;
        self.is_changed |= active != self.active;
        self.active = active;
    }

    /// The frames of the next picture.
    pub(super) fn picture(&mut self, is_key: bool) -> Vec<PlannedFrame> {
        let is_key = is_key || self.wants_key;
        self.wants_key = false;
        if is_key {
            self.pattern_index = 0;
            self.buffers = [[None; 3]; 3];
        }
        let frames = (0..self.active)
            .map(|spatial| self.frame(spatial, is_key))
            .collect();
        self.pattern_index = (self.pattern_index + 1) % self.pattern.len();
        self.next_picture += 1;
        self.is_changed = false;
        frames
    }

    fn frame(&mut self, spatial: u8, is_key: bool) -> PlannedFrame {
        let step = self.pattern[self.pattern_index];
        let (id, picture) = (self.next_id, self.next_picture);
        self.next_id += 1;
        let uses_below = match self.mode.dependency {
            SpatialDependency::Always => true,
            SpatialDependency::AtKeyPictures => is_key,
            SpatialDependency::Never => false,
        };
        let is_inter_layer = spatial > 0 && uses_below;
        let buffers = &mut self.buffers[usize::from(spatial)];
        let referred: Vec<(u32, u32)> = step
            .references
            .iter()
            .filter_map(|layer| buffers[usize::from(*layer)])
            .collect();
        if step.updates {
            buffers[usize::from(step.temporal)] = Some((id, picture));
        }
        let mut references: Vec<u32> = referred.iter().map(|(id, _)| *id).collect();
        if is_inter_layer {
            references.push(id - 1);
        }
        let mut picture_diffs: Vec<u32> = referred.iter().map(|(_, at)| picture - at).collect();
        picture_diffs.sort_unstable();
        let is_last = spatial + 1 == self.active;
        PlannedFrame {
            id,
            picture,
            spatial,
            temporal: step.temporal,
            references,
            picture_diffs,
            is_inter_layer,
            is_key: is_key && !is_inter_layer,
            is_layer_sync: step.temporal > 0 && step.references == [0],
            is_discardable: !step.updates || self.is_never_referred(),
            tells_layers: spatial == 0 && (is_key || self.is_changed),
            ends_picture: is_last,
            is_spatial_reference: !is_last && uses_below,
            pattern_index: self.pattern_index,
        }
    }

    /// Whether the picture becomes a buffer that nobody reads before it is replaced.
    fn is_never_referred(&self) -> bool {
        let temporal = self.pattern[self.pattern_index].temporal;
        let mut later = (1..=self.pattern.len())
            .map(|distance| self.pattern[(self.pattern_index + distance) % self.pattern.len()]);
        let next = later.find(|step| {
            step.references.contains(&temporal) || (step.temporal == temporal && step.updates)
        });
        next.is_none_or(|step| !step.references.contains(&temporal))
    }
}
