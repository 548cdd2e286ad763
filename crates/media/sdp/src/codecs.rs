//! Payload types and what is said of them.

use plenum_params::{
    media::MediaKind,
    rtp_parameters::{CodecParameters, MimeType, ParameterValue, RtcpFeedback, RtpCodecParameters},
};
use sdp_types::Attribute;

use crate::MAX_ENTRIES;

/// The formats of a section in its order. Payload types without a description are left out, except for the static ones
/// that clients of WebRTC have.
pub(crate) fn parse(
    kind: MediaKind,
    fmt: &str,
    attributes: &[Attribute],
) -> Vec<RtpCodecParameters> {
    let formats = fmt.split_whitespace().take(MAX_ENTRIES);
    let mut codecs: Vec<RtpCodecParameters> = Vec::new();
    for payload_type in formats.filter_map(|word| word.parse().ok()) {
        let known = codecs
            .iter()
            .any(|codec| codec.payload_type == payload_type);
        if payload_type > 127 || known {
            continue;
        }
        codecs.extend(codec(kind, payload_type, attributes));
    }
    codecs
}

fn codec(
    kind: MediaKind,
    payload_type: u8,
    attributes: &[Attribute],
) -> Option<RtpCodecParameters> {
    let mut maps = of_payload_type(attributes, "rtpmap", payload_type);
    let map = maps.next().or_else(|| static_map(payload_type))?;
    let mut parts = map.trim().splitn(3, '/');
    let (name, clock_rate) = (parts.next()?, parts.next()?.parse().ok()?);
    let channels = parts.next().and_then(|channels| channels.parse().ok());
    let mut parameters = CodecParameters::default();
    for text in of_payload_type(attributes, "fmtp", payload_type).take(1) {
        parameters = fmtp(text);
    }
    Some(RtpCodecParameters {
        mime_type: MimeType::new(&format!("{}/{name}", kind.as_str()))?,
        payload_type,
        clock_rate,
        channels: match kind {
            MediaKind::Audio => Some(channels.unwrap_or(1)),
            MediaKind::Video => None,
        },
        parameters,
        rtcp_feedback: feedback(attributes, payload_type),
    })
}

/// RFC 3551 §6.
fn static_map(payload_type: u8) -> Option<&'static str> {
    Some(match payload_type {
        0 => "PCMU/8000",
        8 => "PCMA/8000",
        9 => "G722/8000",
        _ => return None,
    })
}

/// What follows the payload type in attributes of this name.
fn of_payload_type<'a>(
    attributes: &'a [Attribute],
    name: &'a str,
    payload_type: u8,
) -> impl Iterator<Item = &'a str> {
    let all = attributes.iter();
    let named = all.filter(move |attribute| attribute.attribute == name);
    named.filter_map(move |attribute| {
        let (first, rest) = attribute.value.as_deref()?.trim().split_once(' ')?;
        (first.parse() == Ok(payload_type)).then_some(rest)
    })
}

/// `name=value;name=value`; a value alone (`0-15` of telephone-event, `111/111` of redundant sound) has no name.
fn fmtp(text: &str) -> CodecParameters {
    let mut parameters = CodecParameters::default();
    for pair in text.split(';').take(MAX_ENTRIES) {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name.is_empty() {
            continue;
        }
        parameters = match value.parse() {
            // `profile-level-id=420029` is no number, and 0 in front of one would get lost.
            Ok(number) if name != "profile-level-id" && is_plain(value) => {
                parameters.with_number(&name, number)
            }
            _ => parameters.with_text(&name, value),
        };
    }
    parameters
}

fn is_plain(digits: &str) -> bool {
    digits == "0" || (!digits.starts_with(['0', '+']))
}

fn feedback(attributes: &[Attribute], payload_type: u8) -> Vec<RtcpFeedback> {
    let all = attributes.iter();
    let named = all.filter(|attribute| attribute.attribute == "rtcp-fb");
    let ours = named.filter_map(|attribute| {
        let (first, rest) = attribute.value.as_deref()?.trim().split_once(' ')?;
        (first == "*" || first.parse() == Ok(payload_type)).then_some(rest)
    });
    let mut list: Vec<RtcpFeedback> = Vec::new();
    for text in ours.take(MAX_ENTRIES) {
        let text = text.trim();
        let (kind, parameter) = text.split_once(' ').unwrap_or((text, ""));
        let feedback = RtcpFeedback::new(kind, parameter.trim());
        if !list.contains(&feedback) {
            list.push(feedback);
        }
    }
    list
}

/// What follows the payload type in `a=rtpmap`.
pub(crate) fn map_text(codec: &RtpCodecParameters) -> String {
    let (name, clock_rate) = (codec.mime_type.subtype(), codec.clock_rate);
    match codec.channels {
        Some(channels) if channels > 1 => format!("{name}/{clock_rate}/{channels}"),
        _ => format!("{name}/{clock_rate}"),
    }
}

/// What follows the payload type in `a=fmtp`; `None`: there is nothing to say.
pub(crate) fn fmtp_text(parameters: &CodecParameters) -> Option<String> {
    let pairs = parameters.iter().map(|(name, value)| match value {
        ParameterValue::Number(number) => format!("{name}={number}"),
        ParameterValue::Text(text) => format!("{name}={text}"),
    });
    let pairs: Vec<_> = pairs.collect();
    (!pairs.is_empty()).then(|| pairs.join(";"))
}
