//! The short form of a stream's layers: `L1T3`, `L3T3_KEY`, `S2T1`.

use std::fmt;

/// Spatial and temporal layers of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalabilityMode {
    /// 1 to 99.
    pub spatial_layers: u8,
    /// 1 to 99.
    pub temporal_layers: u8,
    /// Spatial layers depend on each other at key frames only.
    pub key: bool,
}

impl ScalabilityMode {
    /// One layer of each kind.
    pub const SINGLE: Self = Self {
        spatial_layers: 1,
        temporal_layers: 1,
        key: false,
    };

    /// Reads `[LS]<1-99>T<1-99>`, with or without `_KEY`. Anything else counts as one layer, because newer modes than
    /// we know must not keep a stream out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::parse_strictly(text).unwrap_or(Self::SINGLE)
    }

    fn parse_strictly(text: &str) -> Option<Self> {
        let text = text.strip_prefix('L').or_else(|| text.strip_prefix('S'))?;
        let (text, key) = match text.strip_suffix("_KEY") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (spatial, temporal) = text.split_once('T')?;
        Some(Self {
            spatial_layers: layer_count(spatial)?,
            temporal_layers: layer_count(temporal)?,
            key,
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
        let key = if self.key { "_KEY" } else { "" };
        write!(f, "L{}T{}{key}", self.spatial_layers, self.temporal_layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_read_and_everything_else_is_one_layer() {
        let of = |text| {
            let mode = ScalabilityMode::parse(text);
            (mode.spatial_layers, mode.temporal_layers, mode.key)
        };
        assert_eq!(of("L1T3"), (1, 3, false));
        assert_eq!(of("S3T3"), (3, 3, false));
        assert_eq!(of("L3T3_KEY"), (3, 3, true));
        assert_eq!(of("L12T34"), (12, 34, false));
        for odd in [
            "",
            "L",
            "LT",
            "L0T1",
            "L1T0",
            "L100T1",
            "L1T3_KEY_SHIFT",
            "l1t1",
            "M1T1",
            "L+1T1",
            "L1",
        ] {
            assert_eq!(of(odd), (1, 1, false), "{odd}");
        }
    }

    #[test]
    fn a_mode_is_written_as_it_is_read() {
        for text in ["L1T1", "L3T3_KEY"] {
            assert_eq!(ScalabilityMode::parse(text).to_string(), text);
        }
    }
}
