//! What the first who comes to a room, or an operator, may ask of it.

use std::{sync::Arc, time::Duration};

use plenum_params::{
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpCodecCapability},
};
use plenum_room::RoomProperties;
use serde::{Deserialize, Serialize};

use crate::moving::Legacy;

/// What the first client of a room may ask of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct RoomOptions {
    /// Consumers that a peer gets of each producer beyond the first one, for load tests.
    pub consumer_replicas: u8,
    /// The only video codec that the room takes.
    pub codecs: Option<ForcedCodec>,
    /// Offers none of the header extensions that bandwidth is estimated with.
    pub disable_bwe: bool,
    /// Peers go by turns to two workers, with pipes between them, if there are two.
    pub two_routers: bool,
}

/// A video codec that a room can be confined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "what routers offer")]
pub enum ForcedCodec {
    /// AV1.
    Av1,
    /// H.264, with all profiles.
    H264,
    /// VP8.
    Vp8,
    /// VP9, with all profiles.
    Vp9,
}

/// What an operator gives a room that is opened before anybody comes.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Opening {
    /// As its hosts might have decided.
    pub properties: RoomProperties,
    /// How long it stays while nobody is there.
    pub empty_timeout: Duration,
}

/// Long enough to send the invitations.
pub const DEFAULT_EMPTY_TIMEOUT: Duration = Duration::from_mins(5);

impl Default for Opening {
    fn default() -> Self {
        Self {
            properties: RoomProperties::default(),
            empty_timeout: DEFAULT_EMPTY_TIMEOUT,
        }
    }
}

impl From<Opening> for Legacy {
    fn from(opening: Opening) -> Self {
        Self {
            properties: opening.properties,
            empty_timeout: Some(opening.empty_timeout),
            ..Self::default()
        }
    }
}

impl ForcedCodec {
    const fn subtype(self) -> &'static str {
        match self {
            Self::Av1 => "AV1",
            Self::H264 => "H264",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
        }
    }
}

impl RoomOptions {
    /// What the router of such a room offers.
    pub(crate) fn capabilities(self, all: &Arc<RtpCapabilities>) -> Arc<RtpCapabilities> {
        if self.codecs.is_none() && !self.disable_bwe {
            return Arc::clone(all);
        }
        let mut offered = RtpCapabilities::clone(all);
        if let Some(codec) = self.codecs {
            retain_codec(&mut offered.codecs, codec);
        }
        if self.disable_bwe {
            let extensions = &mut offered.header_extensions;
            extensions.retain(|it| !BWE_EXTENSIONS.contains(&it.uri.as_str()));
        }
        Arc::new(offered)
    }
}

/// Of transport-wide congestion control and of receiver-side estimates.
const BWE_EXTENSIONS: [&str; 2] = [
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
];

/// Sound stays, and of video the codec with its retransmissions. A router that does not have the codec keeps what it has.
fn retain_codec(codecs: &mut Vec<RtpCodecCapability>, codec: ForcedCodec) {
    let is_it = |it: &RtpCodecCapability| it.mime_type.is(codec.subtype());
    let payload_types: Vec<_> = codecs
        .iter()
        .filter(|it| is_it(it))
        .filter_map(|it| it.preferred_payload_type)
        .collect();
    if payload_types.is_empty() {
        return;
    }
    codecs.retain(|it| {
        let repaired = it.parameters.number("apt");
        let repairs =
            repaired.is_some_and(|apt| payload_types.iter().any(|it| u64::from(*it) == apt));
        it.kind == MediaKind::Audio || is_it(it) || (it.mime_type.is_rtx() && repairs)
    });
}

#[cfg(test)]
mod tests {
    use plenum_params::ortc::{default_codecs, router_capabilities};

    use super::*;

    fn offered(options: RoomOptions) -> RtpCapabilities {
        let all = router_capabilities(&default_codecs()).expect("supported codecs");
        RtpCapabilities::clone(&options.capabilities(&Arc::new(all)))
    }

    fn names(capabilities: &RtpCapabilities) -> Vec<&str> {
        let codecs = capabilities.codecs.iter();
        codecs.map(|it| it.mime_type.subtype()).collect()
    }

    #[test]
    fn a_forced_codec_leaves_sound_and_its_own_repairs() {
        let forced = |codec| {
            offered(RoomOptions {
                codecs: Some(codec),
                ..RoomOptions::default()
            })
        };
        assert_eq!(names(&forced(ForcedCodec::Vp8)), ["opus", "VP8", "rtx"]);
        assert_eq!(names(&forced(ForcedCodec::Av1)), ["opus", "AV1", "rtx"]);
        let h264 = forced(ForcedCodec::H264);
        assert_eq!(names(&h264), ["opus", "H264", "rtx", "H264", "rtx"]);
        // Clients know the payload types.
        let all = offered(RoomOptions::default());
        for codec in &h264.codecs {
            assert!(all.codecs.contains(codec), "{codec:?}");
        }
    }

    #[test]
    fn a_codec_that_nobody_configured_changes_nothing() {
        let mut codecs = offered(RoomOptions::default()).codecs;
        codecs.retain(|it| !it.mime_type.is("AV1"));
        let before = codecs.clone();
        retain_codec(&mut codecs, ForcedCodec::Av1);
        assert_eq!(codecs, before);
    }

    #[test]
    fn without_estimates_two_extensions_are_missing() {
        let all = offered(RoomOptions::default());
        let without = offered(RoomOptions {
            disable_bwe: true,
            ..RoomOptions::default()
        });
        assert_eq!(without.codecs, all.codecs);
        let uris = |of: &RtpCapabilities| -> Vec<String> {
            let all = of.header_extensions.iter();
            all.map(|it| it.uri.clone()).collect()
        };
        let gone: Vec<_> = uris(&all)
            .into_iter()
            .filter(|it| !uris(&without).contains(it))
            .collect();
        assert!(
            BWE_EXTENSIONS
                .iter()
                .all(|uri| gone.iter().any(|it| it == uri)),
            "{gone:?}"
        );
        assert!(gone.iter().all(|it| BWE_EXTENSIONS.contains(&it.as_str())));
    }
}
