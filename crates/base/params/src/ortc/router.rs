//! What a router offers: the codecs that were configured, made complete from the table of supported ones.

use crate::{
    media::MediaKind,
    ortc::{Error, codec_match::is_same_format},
    rtp_parameters::{
        CodecParameters, Direction, MimeType, RtcpFeedback, RtpCapabilities, RtpCodecCapability,
        RtpHeaderExtension,
    },
};

/// A codec that a router shall offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterCodec {
    /// For instance `video/VP8`; letter case does not matter.
    pub mime_type: MimeType,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Channels, for audio only.
    pub channels: Option<u8>,
    /// Added to the codec's defaults.
    pub parameters: CodecParameters,
    /// A certain payload type; `None`: the fixed one of the codec, or the next free one.
    pub payload_type: Option<u8>,
}

impl RouterCodec {
    /// A video codec with its usual clock.
    fn video(subtype: &str, parameters: CodecParameters) -> Option<Self> {
        Some(Self {
            mime_type: MimeType::new(&format!("video/{subtype}"))?,
            clock_rate: VIDEO_CLOCK,
            channels: None,
            parameters,
            payload_type: None,
        })
    }

    /// Opus in stereo.
    fn opus() -> Option<Self> {
        Some(Self {
            mime_type: MimeType::new("audio/opus")?,
            clock_rate: 48_000,
            channels: Some(2),
            parameters: CodecParameters::default(),
            payload_type: None,
        })
    }
}

/// The codecs of a router that nobody configured otherwise, in order of preference.
///
/// The first five are those of mediasoup-demo, so that existing clients see the payload types that they know (opus 100,
/// VP8 101, VP9 103, H.264 105 and 107). AV1 and the ordinary VP9 profile follow, because clients take the first codec of
/// a kind unless they ask for one by name.
#[must_use]
pub fn default_codecs() -> Vec<RouterCodec> {
    let start = || CodecParameters::default().with_number("x-google-start-bitrate", 1000);
    let vp9 = |profile| start().with_number("profile-id", profile);
    let h264 = |profile| {
        start()
            .with_number("packetization-mode", 1)
            .with_text("profile-level-id", profile)
            .with_number("level-asymmetry-allowed", 1)
    };
    [
        RouterCodec::opus(),
        RouterCodec::video("VP8", start()),
        RouterCodec::video("VP9", vp9(2)),
        RouterCodec::video("H264", h264("4d0032")),
        RouterCodec::video("H264", h264("42e01f")),
        RouterCodec::video("AV1", start()),
        RouterCodec::video("VP9", vp9(0)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Capabilities of a router with these codecs: payload types allotted, RTX added to each video codec, the header
/// extensions that we know.
pub fn router_capabilities(codecs: &[RouterCodec]) -> Result<RtpCapabilities, Error> {
    let mut allotted = Allotted::default();
    let mut capabilities = RtpCapabilities {
        codecs: Vec::new(),
        header_extensions: header_extensions(),
    };
    for configured in codecs {
        let codec = complete(configured, &mut allotted)?;
        let rtx = match codec.kind {
            MediaKind::Audio => None,
            MediaKind::Video => Some(rtx_of(&codec, &mut allotted)?),
        };
        capabilities.codecs.push(codec);
        capabilities.codecs.extend(rtx);
    }
    Ok(capabilities)
}

fn complete(
    configured: &RouterCodec,
    allotted: &mut Allotted,
) -> Result<RtpCodecCapability, Error> {
    let unsupported = || Error::UnsupportedRouterCodec(configured.mime_type.as_str().to_owned());
    let wanted = RtpCodecCapability {
        kind: configured.mime_type.kind(),
        mime_type: configured.mime_type.clone(),
        preferred_payload_type: None,
        clock_rate: configured.clock_rate,
        channels: match configured.mime_type.kind() {
            MediaKind::Audio => Some(configured.channels.unwrap_or(1)),
            MediaKind::Video => None,
        },
        parameters: configured.parameters.clone(),
        rtcp_feedback: Vec::new(),
    };
    let (mut codec, fixed) = SUPPORTED
        .iter()
        .filter_map(|entry| Some((entry.capability()?, entry.payload_type)))
        .find(|(supported, _)| is_same_format(supported, &wanted))
        .ok_or_else(unsupported)?;
    codec.preferred_payload_type = Some(match configured.payload_type.or(fixed) {
        Some(payload_type) => allotted.take(payload_type)?,
        None => allotted.next()?,
    });
    codec.parameters.merge(&configured.parameters);
    Ok(codec)
}

fn rtx_of(
    codec: &RtpCodecCapability,
    allotted: &mut Allotted,
) -> Result<RtpCodecCapability, Error> {
    let apt = codec.preferred_payload_type.unwrap_or_default();
    let mime_type = MimeType::new("video/rtx")
        .ok_or_else(|| Error::UnsupportedRouterCodec("video/rtx".to_owned()))?;
    Ok(RtpCodecCapability {
        kind: MediaKind::Video,
        mime_type,
        preferred_payload_type: Some(allotted.next()?),
        clock_rate: codec.clock_rate,
        channels: None,
        parameters: CodecParameters::default().with_number("apt", apt.into()),
        rtcp_feedback: Vec::new(),
    })
}

/// Payload types in use.
#[derive(Default)]
struct Allotted(Vec<u8>);

impl Allotted {
    fn take(&mut self, payload_type: u8) -> Result<u8, Error> {
        if payload_type > 127 || self.0.contains(&payload_type) {
            return Err(Error::PayloadTypeTaken(payload_type));
        }
        self.0.push(payload_type);
        Ok(payload_type)
    }

    /// Dynamic payload types (RFC 3551 §6), in mediasoup's order.
    fn next(&mut self) -> Result<u8, Error> {
        let free = (100..=127)
            .chain(96..=99)
            .find(|payload_type| !self.0.contains(payload_type))
            .ok_or(Error::NoPayloadTypeLeft)?;
        self.take(free)
    }
}

const VIDEO_CLOCK: u32 = 90_000;

/// Feedback sets of the table.
#[derive(Clone, Copy)]
enum FeedbackSet {
    None,
    Opus,
    TransportCc,
    Video,
}

impl FeedbackSet {
    fn list(self) -> Vec<RtcpFeedback> {
        let pairs: &[(&str, &str)] = match self {
            Self::None => &[],
            Self::Opus => &[("nack", ""), ("transport-cc", "")],
            Self::TransportCc => &[("transport-cc", "")],
            Self::Video => &[
                ("nack", ""),
                ("nack", "pli"),
                ("ccm", "fir"),
                ("goog-remb", ""),
                ("transport-cc", ""),
            ],
        };
        pairs
            .iter()
            .map(|(kind, parameter)| RtcpFeedback::new(kind, parameter))
            .collect()
    }
}

/// Default parameters of the table.
#[derive(Clone, Copy)]
enum Defaults {
    None,
    LevelAsymmetry,
    /// `channel_mapping`, `num_streams`, `coupled_streams`.
    Multiopus(&'static str, u32, u32),
}

struct Supported {
    mime_type: &'static str,
    clock_rate: u32,
    channels: Option<u8>,
    payload_type: Option<u8>,
    defaults: Defaults,
    feedback: FeedbackSet,
}

impl Supported {
    const fn audio(mime_type: &'static str, clock_rate: u32, feedback: FeedbackSet) -> Self {
        Self {
            mime_type,
            clock_rate,
            channels: Some(1),
            payload_type: None,
            defaults: Defaults::None,
            feedback,
        }
    }

    const fn fixed(self, payload_type: u8) -> Self {
        Self {
            payload_type: Some(payload_type),
            ..self
        }
    }

    const fn multiopus(channels: u8, mapping: &'static str, streams: u32, coupled: u32) -> Self {
        Self {
            channels: Some(channels),
            defaults: Defaults::Multiopus(mapping, streams, coupled),
            ..Self::audio("audio/multiopus", 48_000, FeedbackSet::Opus)
        }
    }

    const fn video(mime_type: &'static str, defaults: Defaults) -> Self {
        Self {
            mime_type,
            clock_rate: VIDEO_CLOCK,
            channels: None,
            payload_type: None,
            defaults,
            feedback: FeedbackSet::Video,
        }
    }

    fn capability(&self) -> Option<RtpCodecCapability> {
        let mime_type = MimeType::new(self.mime_type)?;
        let parameters = CodecParameters::default();
        Some(RtpCodecCapability {
            kind: mime_type.kind(),
            mime_type,
            preferred_payload_type: self.payload_type,
            clock_rate: self.clock_rate,
            channels: self.channels,
            parameters: match self.defaults {
                Defaults::None => parameters,
                Defaults::LevelAsymmetry => parameters.with_number("level-asymmetry-allowed", 1),
                Defaults::Multiopus(mapping, streams, coupled) => parameters
                    .with_text("channel_mapping", mapping)
                    .with_number("num_streams", streams)
                    .with_number("coupled_streams", coupled),
            },
            rtcp_feedback: self.feedback.list(),
        })
    }
}

/// Codecs that a router may offer.
const SUPPORTED: [Supported; 28] = [
    Supported {
        channels: Some(2),
        ..Supported::audio("audio/opus", 48_000, FeedbackSet::Opus)
    },
    Supported {
        channels: Some(2),
        ..Supported::audio("audio/red", 48_000, FeedbackSet::Opus)
    },
    Supported::multiopus(4, "0,1,2,3", 2, 2),
    Supported::multiopus(6, "0,4,1,2,3,5", 4, 2),
    Supported::multiopus(8, "0,6,1,2,3,4,5,7", 5, 3),
    Supported::audio("audio/PCMU", 8_000, FeedbackSet::TransportCc).fixed(0),
    Supported::audio("audio/PCMA", 8_000, FeedbackSet::TransportCc).fixed(8),
    Supported::audio("audio/G722", 8_000, FeedbackSet::TransportCc).fixed(9),
    Supported::audio("audio/ISAC", 32_000, FeedbackSet::TransportCc),
    Supported::audio("audio/ISAC", 16_000, FeedbackSet::TransportCc),
    Supported::audio("audio/iLBC", 8_000, FeedbackSet::TransportCc),
    Supported::audio("audio/SILK", 24_000, FeedbackSet::TransportCc),
    Supported::audio("audio/SILK", 16_000, FeedbackSet::TransportCc),
    Supported::audio("audio/SILK", 12_000, FeedbackSet::TransportCc),
    Supported::audio("audio/SILK", 8_000, FeedbackSet::TransportCc),
    Supported::audio("audio/CN", 32_000, FeedbackSet::None).fixed(13),
    Supported::audio("audio/CN", 16_000, FeedbackSet::None).fixed(13),
    Supported::audio("audio/CN", 8_000, FeedbackSet::None).fixed(13),
    Supported::audio("audio/telephone-event", 48_000, FeedbackSet::None),
    Supported::audio("audio/telephone-event", 32_000, FeedbackSet::None),
    Supported::audio("audio/telephone-event", 16_000, FeedbackSet::None),
    Supported::audio("audio/telephone-event", 8_000, FeedbackSet::None),
    Supported::video("video/VP8", Defaults::None),
    Supported::video("video/VP9", Defaults::None),
    Supported::video("video/H264", Defaults::LevelAsymmetry),
    Supported::video("video/AV1", Defaults::None),
    Supported::video("video/H264-SVC", Defaults::LevelAsymmetry),
    Supported::video("video/H265", Defaults::LevelAsymmetry),
];

const AUDIO: &[MediaKind] = &[MediaKind::Audio];
const VIDEO: &[MediaKind] = &[MediaKind::Video];
const BOTH: &[MediaKind] = &[MediaKind::Audio, MediaKind::Video];

/// Header extensions with their ids and directions; ids stay below 15 so that the one-byte form of RFC 8285 holds them.
/// `recvonly`: clients may send it, we do not.
const EXTENSIONS: [(&str, u8, &[MediaKind], Direction); 12] = [
    (
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        1,
        BOTH,
        Direction::SendRecv,
    ),
    (
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        2,
        VIDEO,
        Direction::RecvOnly,
    ),
    (
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        3,
        VIDEO,
        Direction::RecvOnly,
    ),
    (
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        4,
        BOTH,
        Direction::SendRecv,
    ),
    (TRANSPORT_CC_URI, 5, AUDIO, Direction::RecvOnly),
    (TRANSPORT_CC_URI, 5, VIDEO, Direction::SendRecv),
    (
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        6,
        AUDIO,
        Direction::SendRecv,
    ),
    (DEPENDENCY_DESCRIPTOR_URI, 7, VIDEO, Direction::SendRecv),
    ("urn:3gpp:video-orientation", 8, VIDEO, Direction::SendRecv),
    (
        "urn:ietf:params:rtp-hdrext:toffset",
        9,
        VIDEO,
        Direction::SendRecv,
    ),
    (ABS_CAPTURE_TIME_URI, 10, BOTH, Direction::SendRecv),
    (
        "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        11,
        BOTH,
        Direction::SendRecv,
    ),
];

pub(crate) const ABS_CAPTURE_TIME_URI: &str =
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
pub(crate) const ABS_SEND_TIME_URI: &str =
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
pub(crate) const TRANSPORT_CC_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const DEPENDENCY_DESCRIPTOR_URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

fn header_extensions() -> Vec<RtpHeaderExtension> {
    let of_kinds = EXTENSIONS.iter().flat_map(|(uri, id, kinds, direction)| {
        kinds.iter().map(move |kind| (uri, id, kind, direction))
    });
    of_kinds
        .map(|(uri, id, kind, direction)| RtpHeaderExtension {
            kind: *kind,
            uri: (*uri).to_owned(),
            preferred_id: *id,
            preferred_encrypt: false,
            direction: *direction,
        })
        .collect()
}
