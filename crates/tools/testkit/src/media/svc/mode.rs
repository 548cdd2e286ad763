//! Scalability modes by the names that browsers use.

use std::str::FromStr;

use plenum_params::media::SpatialDependency;

/// How many layers a stream has, and what they need of one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SvcMode {
    /// Spatial layers, 1–3.
    pub spatial: u8,
    /// Temporal layers, 1–3.
    pub temporal: u8,
    /// What a spatial layer needs of those below.
    pub dependency: SpatialDependency,
}

/// Not the name of a mode that can be sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl FromStr for SvcMode {
    type Err = UnknownMode;

    /// Reads `L1T3`, `L3T3_KEY`, `S3T3` and the like.
    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        let (layers, is_key) = match name.strip_suffix("_KEY") {
            Some(layers) => (layers, true),
            None => (name, false),
        };
        let count = |digit: u8| matches!(digit, b'1'..=b'3').then(|| digit - b'0');
        let &[family, spatial, b'T', temporal] = layers.as_bytes() else {
            return Err(UnknownMode);
        };
        let dependency = match (family, is_key) {
            (b'L', false) => SpatialDependency::Always,
            (b'L', true) => SpatialDependency::AtKeyPictures,
            (b'S', false) => SpatialDependency::Never,
            _ => return Err(UnknownMode),
        };
        Ok(Self {
            spatial: count(spatial).ok_or(UnknownMode)?,
            temporal: count(temporal).ok_or(UnknownMode)?,
            dependency,
        })
    }
}
