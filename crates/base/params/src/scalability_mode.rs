//! The short form of a stream's layers: `L1T3`, `L3T3_KEY`, `S2T1`.

use std::fmt;

use crate::media::SpatialDependency;

/// Spatial and temporal layers of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalabilityMode {
    /// 1 to 99.
    pub spatial_layers: u8,
    /// 1 to 99.
    pub temporal_layers: u8,
    /// How the spatial layers hang together.
    pub spatial_dependency: SpatialDependency,
}

impl ScalabilityMode {
    /// One layer of each kind.
    pub const SINGLE: Self = Self {
        spatial_layers: 1,
        temporal_layers: 1,
        spatial_dependency: SpatialDependency::Always,
    };

    /// Reads the modes of W3C webrtc-svc and what is built like them: `[LS]<1-99>T<1-99>`, then nothing, `h` (sizes in
    /// steps of 1.5 rather than 2), `_KEY` or `_KEY_SHIFT`. Anything else counts as one layer, because newer modes than
    /// we know must not keep a stream out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::parse_strictly(text).unwrap_or(Self::SINGLE)
    }

    fn parse_strictly(text: &str) -> Option<Self> {
        let (independent, text) = match text.strip_prefix('S') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('L')?),
        };
        let (spatial, rest) = text.split_once('T')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (temporal, suffix) = rest.split_at_checked(digits)?;
        let key = match suffix {
            "" | "h" => false,
            "_KEY" | "_KEY_SHIFT" => true,
            _ => return None,
        };
        Some(Self {
            spatial_layers: layer_count(spatial)?,
            temporal_layers: layer_count(temporal)?,
            spatial_dependency: match (independent, key) {
                (true, _) => SpatialDependency::Never,
                (false, true) => SpatialDependency::AtKeyPictures,
                (false, false) => SpatialDependency::Always,
            },
        })
    }
}

/// One or two digits, not beginning with zero.
fn layer_count(text: &str) -> Option<u8> {
    let digits = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.starts_with('0') {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for ScalabilityMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (family, suffix) = match self.spatial_dependency {
            SpatialDependency::Always => ("L", ""),
            SpatialDependency::AtKeyPictures => ("L", "_KEY"),
            SpatialDependency::Never => ("S", ""),
        };
        let (spatial, temporal) = (self.spatial_layers, self.temporal_layers);
        write!(f, "{family}{spatial}T{temporal}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_read_and_everything_else_is_one_layer() {
        use SpatialDependency::{Always, AtKeyPictures, Never};

        let of = |text| {
            let mode = ScalabilityMode::parse(text);
            (
                mode.spatial_layers,
                mode.temporal_layers,
                mode.spatial_dependency,
            )
        };
        assert_eq!(of("L1T3"), (1, 3, Always));
        assert_eq!(of("S3T3"), (3, 3, Never));
        assert_eq!(of("S2T1h"), (2, 1, Never));
        assert_eq!(of("L2T2h"), (2, 2, Always));
        assert_eq!(of("L3T3_KEY"), (3, 3, AtKeyPictures));
        assert_eq!(of("L2T2_KEY_SHIFT"), (2, 2, AtKeyPictures));
        assert_eq!(of("L12T34"), (12, 34, Always));
        for odd in [
            "",
            "L",
            "LT",
            "L0T1",
            "L1T0",
            "L100T1",
            "L1T100",
            "L1T3_KEY_SHIFTED",
            "L1T3_key",
            "L2T2hh",
            "l1t1",
            "M1T1",
            "L+1T1",
            "L1",
            "L1T²",
        ] {
            assert_eq!(of(odd), (1, 1, Always), "{odd}");
        }
    }

    #[test]
    fn a_mode_is_written_as_it_is_read() {
        for text in ["L1T1", "L3T3_KEY", "S3T2"] {
            assert_eq!(ScalabilityMode::parse(text).to_string(), text);
        }
    }
}
