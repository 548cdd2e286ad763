//! ORTC: what a router offers, whether a producer fits it, and what its consumers receive.

use serde::{Deserialize, Serialize};

/// How many streams and layers a producer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the types of producers of WebRTC transports in mediasoup"
)]
pub enum ProducerType {
    /// One stream, one layer.
    Simple,
    /// Several streams of different quality.
    Simulcast,
    /// One stream of several layers.
    Svc,
}

impl ProducerType {
    /// mediasoup's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Simulcast => "simulcast",
            Self::Svc => "svc",
        }
    }
}
