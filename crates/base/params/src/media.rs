//! What the engine must know about a producer or a consumer: ORTC parameters resolved to numbers and enums.

use serde::{Deserialize, Serialize};

/// Simulcast streams of one producer that a worker looks at; further ones are left out. Browsers send at most 3.
pub const MAX_STREAMS: usize = 4;

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "RTP media kinds of WebRTC are these two"
)]
pub enum MediaKind {
    /// Sound.
    #[serde(rename = "audio")]
    Audio,
    /// Pictures.
    #[serde(rename = "video")]
    Video,
}

impl MediaKind {
    /// The word used in SDP and in signalling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

/// A codec as far as the engine looks into its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CodecKind {
    /// AV1 (layers from the dependency descriptor).
    Av1,
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// Opus, mono, stereo or multichannel.
    Opus,
    /// Any codec that both sides agree on and the engine forwards without looking into it.
    Other,
    /// Opus that repeats earlier packets (RFC 2198).
    Red,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
}

/// RTP header extensions that the engine reads or rewrites. Others are not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HeaderExtension {
    /// `abs-capture-time`.
    AbsCaptureTime,
    /// `abs-send-time`.
    AbsSendTime,
    /// RFC 6464.
    AudioLevel,
    /// AV1 dependency descriptor.
    DependencyDescriptor,
    /// RFC 9143 `sdes:mid`.
    Mid,
    /// `playout-delay`.
    PlayoutDelay,
    /// RFC 8852 `sdes:repaired-rtp-stream-id`.
    RepairedRid,
    /// RFC 8852 `sdes:rtp-stream-id`.
    Rid,
    /// RFC 5450 `toffset`.
    TransmissionTimeOffset,
    /// `transport-wide-cc-extensions-01`.
    TransportWideCc,
    /// `3gpp:video-orientation`.
    VideoOrientation,
}

impl HeaderExtension {
    /// The extension behind a URI, if the engine knows it.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Some(match uri {
            "urn:ietf:params:rtp-hdrext:sdes:mid" => Self::Mid,
            "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" => Self::Rid,
            "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" => Self::RepairedRid,
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" => Self::AbsSendTime,
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" => {
                Self::TransportWideCc
            }
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level" => Self::AudioLevel,
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension" => {
                Self::DependencyDescriptor
            }
            "urn:3gpp:video-orientation" => Self::VideoOrientation,
            "urn:ietf:params:rtp-hdrext:toffset" => Self::TransmissionTimeOffset,
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time" => Self::AbsCaptureTime,
            "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay" => Self::PlayoutDelay,
            _ => return None,
        })
    }
}

/// A negotiated extension id (1–255; 1–14 fit the one-byte form of RFC 8285).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionId {
    /// Which extension.
    pub extension: HeaderExtension,
    /// Its id on the wire.
    pub id: u8,
}

/// RTCP feedback that was negotiated for a codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent a=rtcp-fb lines"
)]
pub struct Feedback {
    /// Generic NACK.
    pub nack: bool,
    /// Picture loss indication.
    pub pli: bool,
    /// Full intra request.
    pub fir: bool,
    /// Receiver estimated maximum bitrate.
    pub remb: bool,
    /// Transport-wide congestion control.
    pub transport_cc: bool,
}

/// One codec of a producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveCodec {
    /// What it is.
    pub codec: CodecKind,
    /// As signalled, for statistics: `video/VP8`.
    pub mime_type: String,
    /// Payload type that the sender uses.
    pub payload_type: u8,
    /// Payload type of the same codec inside the router (what consumers of the router use).
    pub mapped_payload_type: u8,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Payload type of the sender's retransmissions of it.
    pub rtx_payload_type: Option<u8>,
    /// Feedback that the sender understands.
    pub feedback: Feedback,
}

/// What a spatial layer inside a stream needs of the ones below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the families of scalability modes: L, L with _KEY, S"
)]
pub enum SpatialDependency {
    /// Every picture (`L3T3`).
    #[default]
    Always,
    /// Key pictures (`L3T3_KEY`, k-SVC).
    AtKeyPictures,
    /// Nothing: several independent qualities in one stream (`S3T3`).
    Never,
}

/// One encoding (simulcast stream) of a producer, lowest quality first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveEncoding {
    /// SSRC, when signalled.
    pub ssrc: Option<u32>,
    /// RTP stream id, when the SSRC is to be learnt from the packets.
    pub rid: Option<String>,
    /// SSRC of the retransmissions, when signalled.
    pub rtx_ssrc: Option<u32>,
    /// Spatial layers inside this stream (SVC), at least 1.
    pub spatial_layers: u8,
    /// Temporal layers inside this stream, at least 1.
    pub temporal_layers: u8,
    /// How the spatial layers inside this stream hang together.
    pub spatial_dependency: SpatialDependency,
    /// Most bit/s that the sender means to give this stream, if it says so.
    pub max_bitrate: Option<u32>,
    /// The sender stops sending in silence (Opus DTX) or when nothing changes (screen share).
    pub dtx: bool,
}

/// Everything the engine must know to receive a producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveParameters {
    /// Audio or video.
    pub kind: MediaKind,
    /// Media id that the sender puts into packets, when it does.
    pub mid: Option<String>,
    /// Media codecs (never RTX as an entry of its own).
    pub codecs: Vec<ReceiveCodec>,
    /// Extension ids in use by the sender.
    pub extensions: Vec<ExtensionId>,
    /// At least one.
    pub encodings: Vec<ReceiveEncoding>,
    /// Canonical name of the sender's sources.
    pub cname: String,
}

/// One codec of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendCodec {
    /// What it is.
    pub codec: CodecKind,
    /// As signalled, for statistics: `video/VP8`.
    pub mime_type: String,
    /// The router's payload type; matches [`ReceiveCodec::mapped_payload_type`].
    pub payload_type: u8,
    /// The receiver's own payload type for it, used on the wire; `None`: the router's is.
    pub own_payload_type: Option<u8>,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Payload type for retransmissions, as it is on the wire.
    pub rtx_payload_type: Option<u8>,
    /// Feedback that the receiver will send.
    pub feedback: Feedback,
}

/// Everything the engine must know to send a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendParameters {
    /// Audio or video.
    pub kind: MediaKind,
    /// Media id to put into packets.
    pub mid: Option<String>,
    /// Media codecs that the receiver accepts (never RTX as an entry of its own).
    pub codecs: Vec<SendCodec>,
    /// Extension ids agreed with the receiver.
    pub extensions: Vec<ExtensionId>,
    /// SSRC of the one stream that the receiver sees.
    pub ssrc: u32,
    /// SSRC of its retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// Canonical name to announce.
    pub cname: String,
}
