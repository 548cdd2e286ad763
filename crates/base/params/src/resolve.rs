//! From JSON parameters to what the engine works with: numbers and enums, unknown things left out.

use crate::{
    media::{
        CodecKind, ExtensionId, Feedback, HeaderExtension, MediaKind, ReceiveCodec,
        ReceiveEncoding, ReceiveParameters, SendCodec, SendParameters,
    },
    ortc::{Error, RtpMapping},
    rtp_parameters::{
        MimeType, RtcpFeedback, RtpCodecParameters, RtpEncodingParameters,
        RtpHeaderExtensionParameters, RtpParameters,
    },
    scalability_mode::ScalabilityMode,
};

pub use pipe::pipe_parameters;

mod pipe;

/// What the engine must know to receive a producer. `parameters` and `mapping` are those of
/// [`crate::ortc::producer_mapping`], after [`crate::ortc::assign_cname`].
pub fn receive_parameters(
    kind: MediaKind,
    parameters: &RtpParameters,
    mapping: &RtpMapping,
) -> Result<ReceiveParameters, Error> {
    let media = parameters
        .codecs
        .iter()
        .filter(|codec| !codec.mime_type.is_rtx());
    let codecs: Vec<_> = media
        .filter_map(|codec| {
            Some(ReceiveCodec {
                codec: codec_kind(&codec.mime_type),
                mime_type: codec.mime_type.as_str().to_owned(),
                payload_type: codec.payload_type,
                mapped_payload_type: mapping.mapped_payload_type(codec.payload_type)?,
                clock_rate: codec.clock_rate,
                rtx_payload_type: rtx_of(codec.payload_type, &parameters.codecs),
                feedback: feedback(&codec.rtcp_feedback),
            })
        })
        .collect();
    if codecs.is_empty() {
        return Err(Error::NoCodec);
    }
    Ok(ReceiveParameters {
        kind,
        mid: parameters.mid.clone(),
        codecs,
        extensions: extensions(&parameters.header_extensions),
        encodings: parameters.encodings.iter().map(receive_encoding).collect(),
        cname: parameters.rtcp.cname.clone().unwrap_or_default(),
    })
}

/// What the engine must know to send a consumer with these parameters of [`crate::ortc::consumer_parameters`].
pub fn send_parameters(
    kind: MediaKind,
    parameters: &RtpParameters,
) -> Result<SendParameters, Error> {
    let media = parameters
        .codecs
        .iter()
        .filter(|codec| !codec.mime_type.is_rtx());
    let codecs: Vec<_> = media
        .map(|codec| SendCodec {
            codec: codec_kind(&codec.mime_type),
            mime_type: codec.mime_type.as_str().to_owned(),
            payload_type: codec.payload_type,
            own_payload_type: None,
            clock_rate: codec.clock_rate,
            rtx_payload_type: rtx_of(codec.payload_type, &parameters.codecs),
            feedback: feedback(&codec.rtcp_feedback),
        })
        .collect();
    if codecs.is_empty() {
        return Err(Error::NoCodec);
    }
    let encoding = parameters.encodings.first();
    let Some((encoding, ssrc)) = encoding.and_then(|encoding| Some((encoding, encoding.ssrc?)))
    else {
        return Err(Error::UnidentifiedEncoding(0));
    };
    Ok(SendParameters {
        kind,
        mid: parameters.mid.clone(),
        codecs,
        extensions: extensions(&parameters.header_extensions),
        ssrc,
        rtx_ssrc: encoding.rtx.map(|rtx| rtx.ssrc),
        cname: parameters.rtcp.cname.clone().unwrap_or_default(),
    })
}

fn receive_encoding(encoding: &RtpEncodingParameters) -> ReceiveEncoding {
    let mode = encoding.scalability_mode.as_deref();
    let mode = mode.map_or(ScalabilityMode::SINGLE, ScalabilityMode::parse);
    ReceiveEncoding {
        ssrc: encoding.ssrc,
        rid: encoding.rid.clone(),
        rtx_ssrc: encoding.rtx.map(|rtx| rtx.ssrc),
        spatial_layers: mode.spatial_layers,
        temporal_layers: mode.temporal_layers,
        spatial_dependency: mode.spatial_dependency,
        max_bitrate: encoding.max_bitrate,
        dtx: encoding.dtx,
    }
}

fn rtx_of(payload_type: u8, codecs: &[RtpCodecParameters]) -> Option<u8> {
    let mut rtx = codecs.iter().filter(|codec| codec.mime_type.is_rtx());
    rtx.find(|codec| codec.parameters.number("apt") == Some(u64::from(payload_type)))
        .map(|codec| codec.payload_type)
}

fn codec_kind(mime_type: &MimeType) -> CodecKind {
    match mime_type.subtype().to_ascii_lowercase().as_str() {
        "av1" => CodecKind::Av1,
        "h264" => CodecKind::H264,
        "h265" => CodecKind::H265,
        "opus" | "multiopus" => CodecKind::Opus,
        "red" => CodecKind::Red,
        "vp8" => CodecKind::Vp8,
        "vp9" => CodecKind::Vp9,
        _ => CodecKind::Other,
    }
}

fn feedback(list: &[RtcpFeedback]) -> Feedback {
    let has = |kind, parameter| list.iter().any(|feedback| feedback.is(kind, parameter));
    Feedback {
        nack: has("nack", ""),
        pli: has("nack", "pli"),
        fir: has("ccm", "fir"),
        remb: has("goog-remb", ""),
        transport_cc: has("transport-cc", ""),
    }
}

/// The extensions that the engine knows. Id 0 is padding (RFC 8285 §4.1.1) and cannot be one; encrypted values
/// (RFC 6904) cannot be read. Each id and each extension counts once.
fn extensions(list: &[RtpHeaderExtensionParameters]) -> Vec<ExtensionId> {
    let mut known: Vec<ExtensionId> = Vec::new();
    for entry in list.iter().filter(|entry| entry.id != 0 && !entry.encrypt) {
        let Some(extension) = HeaderExtension::from_uri(&entry.uri) else {
            continue;
        };
        let taken = |other: &ExtensionId| other.id == entry.id || other.extension == extension;
        if !known.iter().any(taken) {
            known.push(ExtensionId {
                extension,
                id: entry.id,
            });
        }
    }
    known
}

#[cfg(test)]
mod tests;
