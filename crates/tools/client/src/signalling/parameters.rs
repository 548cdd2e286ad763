//! What is said of media and of transports.

use std::net::{IpAddr, SocketAddr};

use plenum_dtls::Fingerprint;
use plenum_params::{
    media::MediaKind,
    rtp_parameters::{
        Direction as Way, RtcpParameters, RtpCapabilities, RtpCodecCapability, RtpCodecParameters,
        RtpEncodingParameters, RtpHeaderExtensionParameters, RtpParameters, RtxParameters,
    },
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Codec, Encoding,
    peer::{ExtensionIds, SendStream},
};

/// A transport as the server describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RemoteTransport {
    #[serde(alias = "transportId")]
    pub(super) id: String,
    ice_parameters: IceParameters,
    ice_candidates: Vec<Candidate>,
    dtls_parameters: Certificates,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IceParameters {
    username_fragment: String,
    password: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Candidate {
    #[serde(alias = "ip")]
    address: Option<String>,
    port: u16,
    protocol: String,
    #[serde(default)]
    priority: u32,
}

#[derive(Clone, Debug, Deserialize)]
struct Certificates {
    fingerprints: Vec<CertificateHash>,
}

#[derive(Clone, Debug, Deserialize)]
struct CertificateHash {
    algorithm: String,
    value: String,
}

impl RemoteTransport {
    /// From a message in which older names stand beside newer ones.
    pub(super) fn read(mut value: Value) -> Result<Self, serde_json::Error> {
        let candidates = value.get_mut("iceCandidates").and_then(Value::as_array_mut);
        for candidate in candidates.into_iter().flatten() {
            if let Some(candidate) = candidate.as_object_mut()
                && candidate.contains_key("address")
            {
                candidate.remove("ip");
            }
        }
        serde_json::from_value(value)
    }

    pub(super) fn credentials(&self) -> (String, String) {
        let ice = &self.ice_parameters;
        (ice.username_fragment.clone(), ice.password.clone())
    }

    pub(super) fn fingerprints(&self) -> Vec<Fingerprint> {
        let hashes = self.dtls_parameters.fingerprints.iter();
        hashes
            .filter_map(|hash| Fingerprint::parse(&hash.algorithm, &hash.value).ok())
            .collect()
    }

    /// The addresses that can be tried, best first. Names are looked up.
    pub(super) async fn addresses(&self) -> Vec<SocketAddr> {
        let udp = self.ice_candidates.iter().filter(|it| it.protocol == "udp");
        let mut candidates: Vec<_> = udp.collect();
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.priority));
        let mut addresses = Vec::new();
        for candidate in candidates {
            let Some(host) = &candidate.address else {
                continue;
            };
            if let Ok(ip) = host.parse::<IpAddr>() {
                addresses.push(SocketAddr::new(ip, candidate.port));
            } else if let Ok(found) = tokio::net::lookup_host((&host[..], candidate.port)).await {
                addresses.extend(found);
            }
        }
        // One socket has one family: that of the best address.
        if let Some(first) = addresses.first().copied() {
            addresses.retain(|address| address.is_ipv4() == first.is_ipv4());
        }
        addresses
    }
}

/// Names of header extensions.
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// What is to be sent.
pub(super) struct Plan {
    pub(super) parameters: RtpParameters,
    pub(super) streams: Vec<SendStream>,
}

/// Numbers that a publication gets.
pub(super) struct Numbers<'a> {
    pub(super) mid: String,
    pub(super) cname: &'a str,
    /// Draws a number.
    pub(super) random: &'a mut dyn FnMut() -> u32,
}

/// How to send with this codec to a router with these capabilities. `None`: it does not take the codec.
pub(super) fn plan(
    router: &RtpCapabilities,
    codec: Codec,
    encodings: &[Encoding],
    numbers: Numbers<'_>,
) -> Option<Plan> {
    let capability = router.codecs.iter().find(|it| suits(it, codec))?;
    let payload_type = capability.preferred_payload_type?;
    let rtx = router
        .codecs
        .iter()
        .find(|it| it.mime_type.is_rtx() && apt(it) == Some(u64::from(payload_type)));
    let rtx_type = rtx.and_then(|rtx| rtx.preferred_payload_type);
    let extensions = extensions(router, codec.kind());
    let ids = extension_ids(&extensions);
    let mut streams = Vec::new();
    for encoding in encodings {
        streams.push(SendStream {
            kind: codec.kind(),
            ssrc: ssrc(numbers.random),
            rtx: rtx_type.map(|payload_type| (ssrc(numbers.random), payload_type)),
            payload_type,
            clock_rate: capability.clock_rate,
            extensions: ids,
            mid: numbers.mid.clone(),
            rid: encoding.rid.clone(),
            // In the lower half, so that the roll-over counter is zero for whoever comes a little late (libsrtp's
            // recommendation).
            first_sequence_number: (numbers.random)() as u16 & 0x7fff,
            first_timestamp: (numbers.random)(),
        });
    }
    let codecs = std::iter::once(capability).chain(rtx);
    let parameters = RtpParameters {
        mid: Some(numbers.mid),
        codecs: codecs.filter_map(codec_parameters).collect(),
        header_extensions: extensions,
        encodings: encodings
            .iter()
            .zip(&streams)
            .map(|(encoding, stream)| encoding_parameters(encoding, stream))
            .collect(),
        rtcp: RtcpParameters {
            cname: Some(numbers.cname.to_owned()),
            reduced_size: true,
        },
        msid: None,
    };
    Some(Plan {
        parameters,
        streams,
    })
}

/// SSRCs 0 and those that libwebrtc keeps for itself are left out.
fn ssrc(random: &mut dyn FnMut() -> u32) -> u32 {
    random() | 0x100
}

fn suits(capability: &RtpCodecCapability, codec: Codec) -> bool {
    let parameter = |name: &str| {
        let parameters = serde_json::to_value(&capability.parameters).ok()?;
        match parameters.get(name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    capability.mime_type.is(codec.name())
        && match codec {
            Codec::H264 => parameter("packetization-mode").as_deref() == Some("1"),
            Codec::Vp9 => parameter("profile-id").is_none_or(|profile| profile == "0"),
            Codec::Av1 | Codec::Opus | Codec::Vp8 => true,
        }
}

fn apt(capability: &RtpCodecCapability) -> Option<u64> {
    let parameters = serde_json::to_value(&capability.parameters).ok()?;
    parameters.get("apt")?.as_u64()
}

fn codec_parameters(capability: &RtpCodecCapability) -> Option<RtpCodecParameters> {
    Some(RtpCodecParameters {
        mime_type: capability.mime_type.clone(),
        payload_type: capability.preferred_payload_type?,
        clock_rate: capability.clock_rate,
        channels: capability.channels,
        parameters: capability.parameters.clone(),
        rtcp_feedback: capability.rtcp_feedback.clone(),
    })
}

fn encoding_parameters(encoding: &Encoding, stream: &SendStream) -> RtpEncodingParameters {
    // A stream is known by its name or by its number, as browsers do it.
    let is_named = encoding.rid.is_some();
    RtpEncodingParameters {
        ssrc: (!is_named).then_some(stream.ssrc),
        rid: encoding.rid.clone(),
        rtx: stream
            .rtx
            .filter(|_| !is_named)
            .map(|(ssrc, _)| RtxParameters { ssrc }),
        dtx: false,
        scalability_mode: encoding.scalability_mode.clone(),
        max_bitrate: encoding.max_bitrate,
    }
}

fn extensions(router: &RtpCapabilities, kind: MediaKind) -> Vec<RtpHeaderExtensionParameters> {
    let known = [
        MID,
        RID,
        REPAIRED_RID,
        ABS_SEND_TIME,
        ABS_CAPTURE_TIME,
        TRANSPORT_CC,
        AUDIO_LEVEL,
        DEPENDENCY_DESCRIPTOR,
    ];
    let usable = router.header_extensions.iter().filter(|extension| {
        extension.kind == kind
            && matches!(extension.direction, Way::SendRecv | Way::RecvOnly)
            && known.contains(&&extension.uri[..])
    });
    usable
        .map(|extension| RtpHeaderExtensionParameters {
            uri: extension.uri.clone(),
            id: extension.preferred_id,
            encrypt: false,
            parameters: std::collections::BTreeMap::new(),
        })
        .collect()
}

fn extension_ids(extensions: &[RtpHeaderExtensionParameters]) -> ExtensionIds {
    let id = |uri: &str| {
        let found = extensions.iter().find(|extension| extension.uri == uri);
        found.map(|extension| extension.id)
    };
    ExtensionIds {
        mid: id(MID),
        rid: id(RID),
        repaired_rid: id(REPAIRED_RID),
        audio_level: id(AUDIO_LEVEL),
        abs_send_time: id(ABS_SEND_TIME),
        abs_capture_time: id(ABS_CAPTURE_TIME),
        transport_cc: id(TRANSPORT_CC),
        dependency_descriptor: id(DEPENDENCY_DESCRIPTOR),
    }
}

/// What a client takes: all that the router has, extensions for senders left out.
pub(super) fn receiver_capabilities(router: &RtpCapabilities) -> RtpCapabilities {
    let mut capabilities = router.clone();
    capabilities
        .header_extensions
        .retain(|extension| extension.direction.sends());
    capabilities
}
