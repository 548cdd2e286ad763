//! RTP capabilities and parameters as JSON clients write and read them (the shapes of ORTC and mediasoup).
//!
//! Reading normalises: members left out get their defaults, members that nobody knows are skipped, and a member whose
//! absence would be harmless does not fail when its type is odd. What cannot be made sense of (a codec without a MIME
//! type, a clock rate that is not a number) is an error of the deserializer, with a text for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Number, Value};

use crate::media::MediaKind;

/// What a router or a client can receive and send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RtpCapabilities {
    /// Media codecs and RTX, in order of preference.
    pub codecs: Vec<RtpCodecCapability>,
    /// Header extensions.
    #[serde(default)]
    pub header_extensions: Vec<RtpHeaderExtension>,
}

/// One codec of [`RtpCapabilities`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawCodec")]
pub struct RtpCodecCapability {
    /// Audio or video; always the one of the MIME type.
    pub kind: MediaKind,
    /// For instance `video/VP8`.
    pub mime_type: MimeType,
    /// Payload type to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_payload_type: Option<u8>,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Channels, for audio only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Codec parameters (`a=fmtp`).
    pub parameters: CodecParameters,
    /// Feedback that it understands (`a=rtcp-fb`).
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

/// One header extension of [`RtpCapabilities`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RtpHeaderExtension {
    /// Audio or video.
    pub kind: MediaKind,
    /// Name of the extension.
    pub uri: String,
    /// Id to use.
    pub preferred_id: u8,
    /// Whether the value shall be encrypted (RFC 6904).
    #[serde(default, deserialize_with = "lenient")]
    pub preferred_encrypt: bool,
    /// From the viewpoint of whoever states the capabilities.
    #[serde(default, deserialize_with = "lenient")]
    pub direction: Direction,
}

/// Direction in which a header extension may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the four directions of SDP")]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// Only sent.
    SendOnly,
    /// Only received.
    RecvOnly,
    /// Not used.
    Inactive,
}

impl Direction {
    /// Whether whoever states the capabilities may send it.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}

/// What a producer sends or a consumer receives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RtpParameters {
    /// Media id (RFC 9143).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Media codecs and RTX.
    pub codecs: Vec<RtpCodecParameters>,
    /// Header extensions in use.
    #[serde(default)]
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
    /// Streams, lowest quality first.
    #[serde(default)]
    pub encodings: Vec<RtpEncodingParameters>,
    /// RTCP.
    #[serde(default)]
    pub rtcp: RtcpParameters,
    /// Stream and track id of the sender (RFC 8830).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msid: Option<String>,
}

/// One codec of [`RtpParameters`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawCodec")]
pub struct RtpCodecParameters {
    /// For instance `video/VP8`.
    pub mime_type: MimeType,
    /// Payload type on the wire.
    pub payload_type: u8,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Channels, for audio only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Codec parameters (`a=fmtp`).
    pub parameters: CodecParameters,
    /// Feedback that the other side understands.
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

/// One kind of RTCP feedback: `nack`, `nack pli`, `ccm fir`, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtcpFeedback {
    /// First word.
    #[serde(rename = "type")]
    pub kind: String,
    /// Second word; empty: none.
    #[serde(default, deserialize_with = "lenient")]
    pub parameter: String,
}

impl RtcpFeedback {
    /// From its two words.
    #[must_use]
    pub fn new(kind: &str, parameter: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            parameter: parameter.to_owned(),
        }
    }

    /// Whether it consists of these words.
    #[must_use]
    pub fn is(&self, kind: &str, parameter: &str) -> bool {
        self.kind == kind && self.parameter == parameter
    }
}

/// One header extension of [`RtpParameters`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RtpHeaderExtensionParameters {
    /// Name of the extension.
    pub uri: String,
    /// Id on the wire.
    pub id: u8,
    /// Whether the value is encrypted (RFC 6904).
    #[serde(default, deserialize_with = "lenient")]
    pub encrypt: bool,
    /// Configuration of the extension.
    #[serde(default, deserialize_with = "lenient")]
    pub parameters: BTreeMap<String, Value>,
}

/// One stream of [`RtpParameters`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RtpEncodingParameters {
    /// SSRC, unless it is learnt from the packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// RTP stream id (RFC 8852).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Retransmissions of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx: Option<RtxParameters>,
    /// Whether the sender may stop sending in silence or when nothing changes.
    #[serde(
        default,
        deserialize_with = "lenient",
        skip_serializing_if = "is_false"
    )]
    pub dtx: bool,
    /// Layers in the stream, for instance `L1T3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scalability_mode: Option<String>,
    /// Upper bound in bit/s.
    #[serde(
        default,
        deserialize_with = "bitrate",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_bitrate: Option<u32>,
}

/// Retransmissions of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtxParameters {
    /// SSRC of the retransmissions.
    pub ssrc: u32,
}

/// RTCP of [`RtpParameters`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RtcpParameters {
    /// Canonical name of the source; empty counts as unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// RFC 5506.
    #[serde(default = "yes", deserialize_with = "lenient_yes")]
    pub reduced_size: bool,
}

impl Default for RtcpParameters {
    fn default() -> Self {
        Self {
            cname: None,
            reduced_size: true,
        }
    }
}

/// A MIME type that begins with `audio/` or `video/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MimeType {
    text: String,
    kind: MediaKind,
}

impl MimeType {
    /// From its text; `None` unless it is `audio/…` or `video/…` (letters of either case).
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (kind, subtype) = text.split_once('/')?;
        let kind = if kind.eq_ignore_ascii_case("audio") {
            MediaKind::Audio
        } else if kind.eq_ignore_ascii_case("video") {
            MediaKind::Video
        } else {
            return None;
        };
        (!subtype.is_empty()).then(|| Self {
            text: text.to_owned(),
            kind,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Audio or video.
    #[must_use]
    pub const fn kind(&self) -> MediaKind {
        self.kind
    }

    /// What follows the slash.
    #[must_use]
    pub fn subtype(&self) -> &str {
        self.text.split_once('/').map_or("", |(_, subtype)| subtype)
    }

    /// Whether both name the same type; letter case does not matter.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }

    /// Whether it names this codec; letter case does not matter.
    #[must_use]
    pub fn is(&self, subtype: &str) -> bool {
        self.subtype().eq_ignore_ascii_case(subtype)
    }

    /// Whether it names retransmissions (RFC 4588).
    #[must_use]
    pub fn is_rtx(&self) -> bool {
        self.is("rtx")
    }
}

impl TryFrom<String> for MimeType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text).ok_or_else(|| format!("{text:?} is not an audio or video MIME type"))
    }
}

impl From<MimeType> for String {
    fn from(mime_type: MimeType) -> Self {
        mime_type.text
    }
}

/// Parameters of a codec: numbers and strings by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CodecParameters(BTreeMap<String, ParameterValue>);

/// Value of a codec parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[expect(
    clippy::exhaustive_enums,
    reason = "fmtp values are numbers or strings"
)]
pub enum ParameterValue {
    /// A number.
    Number(Number),
    /// Anything else.
    Text(String),
}

impl CodecParameters {
    /// Adds or replaces a number.
    #[must_use]
    pub fn with_number(mut self, name: &str, value: u32) -> Self {
        self.0
            .insert(name.to_owned(), ParameterValue::Number(value.into()));
        self
    }

    /// Adds or replaces a string.
    #[must_use]
    pub fn with_text(mut self, name: &str, value: &str) -> Self {
        self.set_text(name, value);
        self
    }

    /// Adds or replaces a string.
    pub fn set_text(&mut self, name: &str, value: &str) {
        self.0
            .insert(name.to_owned(), ParameterValue::Text(value.to_owned()));
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Adds or replaces everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.0.insert(name.clone(), value.clone());
        }
    }

    /// A value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&ParameterValue> {
        self.0.get(name)
    }

    /// A value that is a whole number, or a string that spells one.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            ParameterValue::Number(number) => number.as_u64(),
            ParameterValue::Text(text) => text.trim().parse().ok(),
        }
    }

    /// A value that is a string, or a number as a string (`profile-level-id=640032` may come as a number).
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        Some(match self.0.get(name)? {
            ParameterValue::Number(number) => number.to_string(),
            ParameterValue::Text(text) => text.clone(),
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ParameterValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<'de> Deserialize<'de> for CodecParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?;
        let mut parameters = BTreeMap::new();
        for (name, value) in members.unwrap_or_default() {
            let value = match value {
                Value::Null => ParameterValue::Text(String::new()),
                Value::Number(number) => ParameterValue::Number(number),
                Value::String(text) => ParameterValue::Text(text),
                _ => {
                    return Err(serde::de::Error::custom(format_args!(
                        "codec parameter {name:?} is neither a number nor a string"
                    )));
                }
            };
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }
}

/// What both codec types are read from; the names of their members are disjoint or shared.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCodec {
    mime_type: MimeType,
    payload_type: Option<u8>,
    preferred_payload_type: Option<u8>,
    clock_rate: u32,
    #[serde(default)]
    channels: Option<u8>,
    #[serde(default)]
    parameters: CodecParameters,
    #[serde(default)]
    rtcp_feedback: Vec<RtcpFeedback>,
}

impl RawCodec {
    /// Video has no channels; audio that does not say has one.
    fn normalized_channels(&self) -> Option<u8> {
        match self.mime_type.kind() {
            MediaKind::Audio => Some(self.channels.unwrap_or(1)),
            MediaKind::Video => None,
        }
    }

    fn check(&self) -> Result<(), String> {
        let apt_is_number = match self.parameters.value("apt") {
            Some(ParameterValue::Text(_)) => false,
            Some(ParameterValue::Number(_)) | None => true,
        };
        let name = self.mime_type.as_str();
        if !apt_is_number {
            return Err(format!("parameter \"apt\" of codec {name} is not a number"));
        }
        match self.payload_type.or(self.preferred_payload_type) {
            Some(payload_type) if payload_type > MAX_PAYLOAD_TYPE => Err(format!(
                "payload type {payload_type} of codec {name} does not fit 7 bits"
            )),
            _ => Ok(()),
        }
    }
}

/// RTP has seven bits for it (RFC 3550 §5.1).
const MAX_PAYLOAD_TYPE: u8 = 127;

impl TryFrom<RawCodec> for RtpCodecCapability {
    type Error = String;

    fn try_from(raw: RawCodec) -> Result<Self, String> {
        raw.check()?;
        Ok(Self {
            kind: raw.mime_type.kind(),
            channels: raw.normalized_channels(),
            mime_type: raw.mime_type,
            preferred_payload_type: raw.preferred_payload_type,
            clock_rate: raw.clock_rate,
            parameters: raw.parameters,
            rtcp_feedback: raw.rtcp_feedback,
        })
    }
}

impl TryFrom<RawCodec> for RtpCodecParameters {
    type Error = String;

    fn try_from(raw: RawCodec) -> Result<Self, String> {
        raw.check()?;
        let Some(payload_type) = raw.payload_type else {
            return Err("missing field `payloadType`".to_owned());
        };
        Ok(Self {
            channels: raw.normalized_channels(),
            mime_type: raw.mime_type,
            payload_type,
            clock_rate: raw.clock_rate,
            parameters: raw.parameters,
            rtcp_feedback: raw.rtcp_feedback,
        })
    }
}

/// A member whose odd value counts as not given.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

fn lenient_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_bool().unwrap_or(true))
}

/// Browsers compute bitrates in floating point; applications write whatever number they like.
#[expect(clippy::cast_sign_loss, reason = "negative numbers are filtered out")]
fn bitrate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value
        .as_f64()
        .filter(|number| *number >= 0.0)
        .map(|number| number as u32))
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests;
