//! What observers of a router's audio are told.

use serde::{Deserialize, Serialize};

/// Shortest and longest interval of an audio level observer in milliseconds, as mediasoup's.
pub const LEVEL_INTERVALS: std::ops::RangeInclusive<u16> = 250..=5000;

/// An active speaker observer decides this often, in milliseconds: the decision interval of Volfin and Cohen's
/// implementation in Jitsi, and mediasoup's default.
pub const SPEAKER_INTERVAL_MS: u16 = 300;

/// What an audio level observer reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "node and worker are the same build"
)]
pub struct AudioLevelOptions {
    /// Most producers in one report.
    pub max_entries: u16,
    /// Average level in dBov, −127 to 0, from which a producer is heard.
    pub threshold: i8,
    /// How often it reports, in milliseconds: one of [`LEVEL_INTERVALS`].
    pub interval_ms: u16,
}

impl Default for AudioLevelOptions {
    /// mediasoup's.
    fn default() -> Self {
        Self {
            max_entries: 1,
            threshold: -80,
            interval_ms: 1000,
        }
    }
}
