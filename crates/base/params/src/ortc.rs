//! ORTC: what a router offers, whether a producer fits it, and what its consumers receive.
//!
//! ```text
//! configured codecs ── router_capabilities ──▶ RtpCapabilities of the router
//! a client's RtpParameters ── producer_mapping ──▶ RtpMapping (client's numbers ↔ router's numbers)
//!                          ── consumable_parameters ──▶ RtpParameters in the router's numbers
//! consumable + a client's RtpCapabilities ── can_consume, consumer_parameters ──▶ RtpParameters of a consumer
//! ```
//!
//! The rules are those of mediasoup 3.27, because its clients rely on them.

mod codec_match;
mod consumer;
mod own_numbers;
mod producer;
mod router;

use serde::{Deserialize, Serialize};

pub use consumer::{ConsumerOptions, can_consume, consumer_parameters};
pub use own_numbers::OwnNumbers;
pub use producer::{
    CodecMapping, EncodingMapping, RtpMapping, assign_cname, consumable_parameters,
    producer_mapping, producer_type,
};
pub use router::{RouterCodec, default_codecs, router_capabilities};

use crate::{
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpCodecCapability, RtpCodecParameters},
};

/// Why capabilities or parameters cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The parameters hold no media codec.
    #[error("no media codec in the RTP parameters")]
    NoCodec,
    /// Nothing that the producer sends can be decoded by the other side.
    #[error("no compatible media codec")]
    NoCompatibleCodec,
    /// The dynamic payload types are used up.
    #[error("no payload type left for the configured codecs")]
    NoPayloadTypeLeft,
    /// The trunk has given out every number that streams can have.
    #[error("no SSRC left on the trunk")]
    NoSsrcLeft,
    /// A configured payload type is used twice or is out of range.
    #[error("payload type {0} is taken or out of range")]
    PayloadTypeTaken(u8),
    /// RTX without the media codec that it repeats.
    #[error("no media codec for RTX payload type {0}")]
    RtxWithoutCodec(u8),
    /// Several streams of a codec that is sent as one.
    #[error("{0} cannot be sent as simulcast")]
    SimulcastUnsupported(String),
    /// More entries, or longer ones, than anybody needs.
    #[error("too many or too long {0} in the RTP parameters")]
    TooMuch(&'static str),
    /// A stream that nothing tells apart from the others.
    #[error("encoding {0} has neither an SSRC nor a RID of its own")]
    UnidentifiedEncoding(usize),
    /// A codec that the router does not offer.
    #[error("unsupported codec {mime_type} (payload type {payload_type})")]
    UnsupportedCodec {
        /// As the client wrote it.
        mime_type: String,
        /// The client's.
        payload_type: u8,
    },
    /// A codec that no router can offer.
    #[error("routers do not support codec {0}")]
    UnsupportedRouterCodec(String),
    /// Audio parameters for a video producer or the reverse.
    #[error("{0:?} codec in parameters of another kind")]
    WrongKind(MediaKind),
}

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

/// The codec of the router that a codec of a client is, format and profile.
#[must_use]
pub fn router_codec<'a>(
    codec: &RtpCodecParameters,
    router: &'a RtpCapabilities,
) -> Option<&'a RtpCodecCapability> {
    let mut offered = router.codecs.iter();
    offered.find(|offered| codec_match::is_match(codec, *offered))
}

/// Takes out of a client's capabilities what has no counterpart in the router. Nothing that is left out could ever
/// match, and what remains is bounded by the router and not by the client.
pub fn retain_known(client: &mut RtpCapabilities, router: &RtpCapabilities) {
    let known_codec = |codec: &_| {
        router
            .codecs
            .iter()
            .any(|offered| codec_match::is_same_format(codec, offered))
    };
    client.codecs.retain(known_codec);
    client.codecs.truncate(MAX_CODECS);
    client.header_extensions.retain(|extension| {
        let offered = router.header_extensions.iter();
        offered
            .filter(|offered| offered.uri == extension.uri)
            .any(|offered| offered.preferred_id == extension.preferred_id)
    });
    client.header_extensions.truncate(MAX_HEADER_EXTENSIONS);
}

/// Codec entries per object. Browsers list about 50 with all profiles of H.264.
pub(crate) const MAX_CODECS: usize = 128;
/// Header extension entries per object. Browsers list about 15, some once per kind.
pub(crate) const MAX_HEADER_EXTENSIONS: usize = 64;

#[cfg(test)]
mod tests;
