//! Which frames of a stream belong to which layer, in the order in which browsers make them.

use std::{fmt, str::FromStr};

/// Layers within a stream, as `scalabilityMode` names them: `L1T2`, `L3T3`, `L3T3_KEY` (W3C webrtc-svc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalabilityMode {
    spatial: u8,
    temporal: u8,
    is_key_only: bool,
}

/// Not a mode that descriptors of this client can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no mode such as L1T3, L3T3 or L3T3_KEY, with up to three layers of each kind")]
#[non_exhaustive]
pub struct NoMode;

impl ScalabilityMode {
    /// So many spatial and temporal layers. `None`: more than three of a kind, or none of one, or just one of each.
    pub const fn new(spatial: u8, temporal: u8) -> Option<Self> {
        let is_sound = matches!((spatial, temporal), (1, 2 | 3) | (2 | 3, 1..=3));
        if !is_sound {
            return None;
        }
        Some(Self {
            spatial,
            temporal,
            is_key_only: false,
        })
    }

    /// The same with spatial layers that need those below them at key frames only.
    #[must_use]
    pub const fn key_only(mut self) -> Self {
        self.is_key_only = self.spatial > 1;
        self
    }

    /// Spatial layers.
    pub const fn spatial(self) -> u8 {
        self.spatial
    }

    /// Temporal layers.
    pub const fn temporal(self) -> u8 {
        self.temporal
    }
}

impl FromStr for ScalabilityMode {
    type Err = NoMode;

    fn from_str(text: &str) -> Result<Self, NoMode> {
        let (layers, is_key_only) = match text.strip_suffix("_KEY") {
            Some(layers) => (layers, true),
            None => (text, false),
        };
        let &[b'L', spatial @ b'0'..=b'9', b'T', temporal @ b'0'..=b'9'] = layers.as_bytes() else {
            return Err(NoMode);
        };
        let mode = Self::new(spatial - b'0', temporal - b'0').ok_or(NoMode)?;
        match is_key_only {
            true if mode.spatial > 1 => Ok(mode.key_only()),
            true => Err(NoMode),
            false => Ok(mode),
        }
    }
}

impl fmt::Display for ScalabilityMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.is_key_only { "_KEY" } else { "" };
        write!(f, "L{}T{}{suffix}", self.spatial, self.temporal)
    }
}

/// Where a stream is in the pattern of its layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers {
    mode: ScalabilityMode,
    /// Place of the next picture in the group that repeats.
    next: u8,
    tl0_pic_idx: u8,
}

/// A picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerPicture {
    mode: ScalabilityMode,
    is_key: bool,
    temporal: u8,
    tl0_pic_idx: u8,
}

/// One layer of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LayerFrame {
    pub(super) mode: ScalabilityMode,
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    pub(super) is_key: bool,
    pub(super) needs_lower: bool,
    pub(super) is_needed_above: bool,
    pub(super) tl0_pic_idx: u8,
}

impl Layers {
    pub(super) const fn new(mode: ScalabilityMode) -> Self {
        Self {
            mode,
            next: 0,
            tl0_pic_idx: 0,
        }
    }

    /// A key frame begins the pattern anew.
    pub(super) fn next_picture(&mut self, is_key: bool) -> LayerPicture {
        let group = group(self.mode.temporal);
        if is_key {
            self.next = 0;
        }
        let (temporal, _) = group.get(usize::from(self.next)).copied().unwrap_or((0, 1));
        if temporal == 0 {
            self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        }
        self.next = (self.next + 1) % group.len().max(1) as u8;
        LayerPicture {
            mode: self.mode,
            is_key,
            temporal,
            tl0_pic_idx: self.tl0_pic_idx,
        }
    }
}

impl LayerPicture {
    pub(super) const fn spatial(self) -> u8 {
        self.mode.spatial
    }

    pub(super) const fn layer(self, spatial: u8) -> LayerFrame {
        let Self { mode, is_key, .. } = self;
        // What the mode does not know of counts as its highest.
        let spatial = if spatial < mode.spatial {
            spatial
        } else {
            mode.spatial - 1
        };
        let has_links = is_key || !mode.is_key_only;
        LayerFrame {
            mode,
            spatial,
            temporal: self.temporal,
            is_key,
            needs_lower: spatial > 0 && has_links,
            is_needed_above: spatial + 1 < mode.spatial && has_links,
            tl0_pic_idx: self.tl0_pic_idx,
        }
    }
}

/// Temporal layer of each picture of the group that repeats, and how many pictures back the one is that it needs: what
/// libvpx does with two and three layers.
pub(super) const fn group(temporal: u8) -> &'static [(u8, u8)] {
    match temporal {
        2 => &[(0, 2), (1, 1)],
        3 => &[(0, 4), (2, 1), (1, 2), (2, 1)],
        _ => &[(0, 1)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_they_are_written() {
        for name in ["L1T2", "L1T3", "L2T1", "L3T3", "L3T3_KEY", "L2T2_KEY"] {
            let mode: ScalabilityMode = name.parse().expect("a mode");
            assert_eq!(mode.to_string(), name);
        }
        for name in [
            "", "L1T1", "L4T1", "L1T3_KEY", "S3T3", "L3T", "L3T3_", "LéT1", "L3T3h",
        ] {
            assert_eq!(name.parse::<ScalabilityMode>(), Err(NoMode), "{name}");
        }
    }

    #[test]
    fn pictures_follow_the_pattern_from_each_key_frame_on() {
        let mode: ScalabilityMode = "L2T3_KEY".parse().expect("a mode");
        let mut layers = Layers::new(mode);
        let keys = [true, false, false, false, false, false, true, false];
        let pictures = keys.map(|is_key| layers.next_picture(is_key));
        assert_eq!(pictures.map(|it| it.temporal), [0, 2, 1, 2, 0, 2, 0, 2]);
        assert_eq!(pictures.map(|it| it.tl0_pic_idx), [1, 1, 1, 1, 2, 2, 3, 3]);
        assert!(pictures[0].layer(1).needs_lower && pictures[0].layer(0).is_needed_above);
        assert!(!pictures[1].layer(1).needs_lower && !pictures[1].layer(0).is_needed_above);
        assert_eq!(pictures[1].layer(7).spatial, 1);
    }
}
