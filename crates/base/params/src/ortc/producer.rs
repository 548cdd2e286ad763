//! From what a client sends to what the router's other clients can choose from.

use rand::{Rng, RngExt};

use crate::{
    media::MediaKind,
    ortc::{
        Error, MAX_CODECS, MAX_HEADER_EXTENSIONS, ProducerType,
        codec_match::{adopt_profile, is_match},
        router::ABS_CAPTURE_TIME_URI,
    },
    rtp_parameters::{
        RtcpParameters, RtpCapabilities, RtpCodecCapability, RtpCodecParameters,
        RtpEncodingParameters, RtpHeaderExtensionParameters, RtpParameters,
    },
    scalability_mode::ScalabilityMode,
};

/// The client's numbers beside the router's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtpMapping {
    /// Media codecs and RTX.
    pub codecs: Vec<CodecMapping>,
    /// In the producer's order.
    pub encodings: Vec<EncodingMapping>,
}

impl RtpMapping {
    /// The router's payload type for one of the client's.
    #[must_use]
    pub fn mapped_payload_type(&self, payload_type: u8) -> Option<u8> {
        let mut codecs = self.codecs.iter();
        codecs
            .find(|codec| codec.payload_type == payload_type)
            .map(|codec| codec.mapped_payload_type)
    }
}

/// One codec of [`RtpMapping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecMapping {
    /// The client's.
    pub payload_type: u8,
    /// The router's.
    pub mapped_payload_type: u8,
}

/// One encoding of [`RtpMapping`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingMapping {
    /// The client's, when signalled.
    pub ssrc: Option<u32>,
    /// The client's, when signalled.
    pub rid: Option<String>,
    /// The router's.
    pub mapped_ssrc: u32,
}

/// Checks a producer's parameters against the router, completes them (one empty encoding if there is none, the H.264
/// profile agreed on) and maps them to the router's numbers.
pub fn producer_mapping(
    kind: MediaKind,
    parameters: &mut RtpParameters,
    router: &RtpCapabilities,
    rng: &mut impl Rng,
) -> Result<RtpMapping, Error> {
    check_sizes(parameters)?;
    if parameters.encodings.is_empty() {
        parameters.encodings.push(RtpEncodingParameters::default());
    }
    check_encodings(parameters)?;
    let media = media_mapping(kind, parameters, router)?;
    let rtx = rtx_mapping(&parameters.codecs, &media, router)?;
    let base = random_ssrc(rng, MAX_ENCODINGS as u32);
    let encodings = (base..)
        .zip(&parameters.encodings)
        .map(|(mapped_ssrc, encoding)| EncodingMapping {
            ssrc: encoding.ssrc,
            rid: encoding.rid.clone(),
            mapped_ssrc,
        });
    Ok(RtpMapping {
        codecs: media.into_iter().chain(rtx).collect(),
        encodings: encodings.collect(),
    })
}

fn media_mapping(
    kind: MediaKind,
    parameters: &mut RtpParameters,
    router: &RtpCapabilities,
) -> Result<Vec<CodecMapping>, Error> {
    let mut mapping = Vec::new();
    let media = parameters.codecs.iter_mut();
    for codec in media.filter(|codec| !codec.mime_type.is_rtx()) {
        if codec.mime_type.kind() != kind {
            return Err(Error::WrongKind(codec.mime_type.kind()));
        }
        let offered = router
            .codecs
            .iter()
            .find(|offered| is_match(&*codec, *offered));
        let Some((offered, mapped)) =
            offered.and_then(|offered| Some((offered, offered.preferred_payload_type?)))
        else {
            return Err(Error::UnsupportedCodec {
                mime_type: codec.mime_type.as_str().to_owned(),
                payload_type: codec.payload_type,
            });
        };
        adopt_profile(codec, offered);
        mapping.push(CodecMapping {
            payload_type: codec.payload_type,
            mapped_payload_type: mapped,
        });
    }
    if mapping.is_empty() {
        return Err(Error::NoCodec);
    }
    Ok(mapping)
}

fn rtx_mapping(
    codecs: &[RtpCodecParameters],
    media: &[CodecMapping],
    router: &RtpCapabilities,
) -> Result<Vec<CodecMapping>, Error> {
    let rtx = codecs.iter().filter(|codec| codec.mime_type.is_rtx());
    rtx.map(|codec| {
        let apt = codec.parameters.number("apt");
        let mapped = media
            .iter()
            .find(|mapping| Some(u64::from(mapping.payload_type)) == apt)
            .and_then(|mapping| router_rtx(router, mapping.mapped_payload_type))
            .and_then(|rtx| rtx.preferred_payload_type);
        Ok(CodecMapping {
            payload_type: codec.payload_type,
            mapped_payload_type: mapped.ok_or(Error::RtxWithoutCodec(codec.payload_type))?,
        })
    })
    .collect()
}

/// The router's RTX codec for one of its media codecs.
fn router_rtx(router: &RtpCapabilities, payload_type: u8) -> Option<&RtpCodecCapability> {
    router.codecs.iter().find(|codec| {
        codec.mime_type.is_rtx() && codec.parameters.number("apt") == Some(u64::from(payload_type))
    })
}

/// A producer's parameters in the router's numbers: what its consumers are made from.
///
/// `parameters` and `mapping` are those of [`producer_mapping`], after [`assign_cname`].
#[must_use]
pub fn consumable_parameters(
    kind: MediaKind,
    parameters: &RtpParameters,
    router: &RtpCapabilities,
    mapping: &RtpMapping,
) -> RtpParameters {
    let media = parameters
        .codecs
        .iter()
        .filter(|codec| !codec.mime_type.is_rtx());
    let encodings = parameters.encodings.iter().zip(&mapping.encodings);
    RtpParameters {
        mid: None,
        codecs: media
            .flat_map(|codec| consumable_codecs(codec, router, mapping))
            .collect(),
        header_extensions: consumable_extensions(kind, parameters, router),
        encodings: encodings
            .map(|(encoding, mapped)| RtpEncodingParameters {
                ssrc: Some(mapped.mapped_ssrc),
                rid: None,
                rtx: None,
                ..encoding.clone()
            })
            .collect(),
        rtcp: RtcpParameters {
            cname: parameters.rtcp.cname.clone(),
            reduced_size: true,
        },
        msid: parameters.msid.clone(),
    }
}

fn consumable_codecs(
    codec: &RtpCodecParameters,
    router: &RtpCapabilities,
    mapping: &RtpMapping,
) -> Vec<RtpCodecParameters> {
    let offered = mapping
        .mapped_payload_type(codec.payload_type)
        .and_then(|mapped| {
            let mut codecs = router.codecs.iter();
            let offered = codecs.find(|offered| offered.preferred_payload_type == Some(mapped))?;
            Some((mapped, offered))
        });
    let Some((payload_type, offered)) = offered else {
        return Vec::new();
    };
    let media = RtpCodecParameters {
        mime_type: offered.mime_type.clone(),
        payload_type,
        clock_rate: offered.clock_rate,
        channels: offered.channels,
        parameters: codec.parameters.clone(),
        rtcp_feedback: offered.rtcp_feedback.clone(),
    };
    let rtx = router_rtx(router, payload_type).and_then(|rtx| {
        Some(RtpCodecParameters {
            mime_type: rtx.mime_type.clone(),
            payload_type: rtx.preferred_payload_type?,
            clock_rate: rtx.clock_rate,
            channels: None,
            parameters: rtx.parameters.clone(),
            rtcp_feedback: rtx.rtcp_feedback.clone(),
        })
    });
    [media].into_iter().chain(rtx).collect()
}

fn consumable_extensions(
    kind: MediaKind,
    parameters: &RtpParameters,
    router: &RtpCapabilities,
) -> Vec<RtpHeaderExtensionParameters> {
    let negotiated = |uri: &str| {
        parameters
            .header_extensions
            .iter()
            .any(|used| used.uri == uri)
    };
    let offered = router.header_extensions.iter();
    offered
        .filter(|offered| offered.kind == kind && offered.direction.sends())
        // Capture times cannot be made up for a sender that gives none.
        .filter(|offered| offered.uri != ABS_CAPTURE_TIME_URI || negotiated(ABS_CAPTURE_TIME_URI))
        .map(|offered| RtpHeaderExtensionParameters {
            uri: offered.uri.clone(),
            id: offered.preferred_id,
            encrypt: offered.preferred_encrypt,
            parameters: std::collections::BTreeMap::new(),
        })
        .collect()
}

/// Gives a producer the canonical name of its transport. The first producer with a name names the transport; without
/// any, a name is made up, because Chrome leaves it empty for simulcast and receivers need it to synchronise.
pub fn assign_cname(
    transport: &mut Option<String>,
    parameters: &mut RtpParameters,
    rng: &mut impl Rng,
) {
    let own = parameters.rtcp.cname.take().filter(|name| !name.is_empty());
    let name = transport
        .get_or_insert_with(|| own.unwrap_or_else(|| format!("{:08x}", rng.random::<u32>())));
    parameters.rtcp.cname = Some(name.clone());
}

/// How many streams and layers a producer sends. `parameters` are those of [`producer_mapping`].
pub fn producer_type(parameters: &RtpParameters) -> Result<ProducerType, Error> {
    let mut codecs = parameters.codecs.iter();
    let codec = codecs
        .find(|codec| !codec.mime_type.is_rtx())
        .ok_or(Error::NoCodec)?;
    let is_one_of = |names: &[&str]| names.iter().any(|name| codec.mime_type.is(name));
    let [encoding] = parameters.encodings.as_slice() else {
        // Beyond mediasoup's two: AV1, whose dependency descriptor tells all that switching streams needs.
        return if is_one_of(&["VP8", "H264", "AV1"]) {
            Ok(ProducerType::Simulcast)
        } else {
            Err(Error::SimulcastUnsupported(
                codec.mime_type.as_str().to_owned(),
            ))
        };
    };
    let mode = encoding.scalability_mode.as_deref();
    let mode = mode.map_or(ScalabilityMode::SINGLE, ScalabilityMode::parse);
    let layered = mode.spatial_layers > 1 || mode.temporal_layers > 1;
    Ok(if layered && is_one_of(&["VP8", "VP9", "H264", "AV1"]) {
        ProducerType::Svc
    } else {
        ProducerType::Simple
    })
}

/// Simulcast streams per producer. Browsers send at most 3; RFC 8853 sets no limit.
pub(crate) const MAX_ENCODINGS: usize = 8;
/// Length of MID, RID and CNAME in bytes: what the two-byte form of a header extension (RFC 8285 §4.3) and an SDES item
/// (RFC 3550 §6.5) can hold.
const MAX_NAME: usize = 255;
/// Length of `msid` in bytes: two identifiers of 64 characters and a space (RFC 8830 §2), with room to spare.
const MAX_MSID: usize = 512;

fn check_sizes(parameters: &RtpParameters) -> Result<(), Error> {
    let longer =
        |text: &Option<String>, limit| text.as_ref().is_some_and(|text| text.len() > limit);
    let what = if parameters.codecs.len() > MAX_CODECS {
        "codecs"
    } else if parameters.header_extensions.len() > MAX_HEADER_EXTENSIONS {
        "header extensions"
    } else if parameters.encodings.len() > MAX_ENCODINGS {
        "encodings"
    } else if longer(&parameters.mid, MAX_NAME) {
        "mid"
    } else if longer(&parameters.rtcp.cname, MAX_NAME) {
        "cname"
    } else if longer(&parameters.msid, MAX_MSID) {
        "msid"
    } else if parameters
        .encodings
        .iter()
        .any(|encoding| longer(&encoding.rid, MAX_NAME))
    {
        "rid"
    } else {
        return Ok(());
    };
    Err(Error::TooMuch(what))
}

/// Each stream must be recognisable in the packets: by its SSRC, by its RID, or by the MID if it is the only one.
fn check_encodings(parameters: &RtpParameters) -> Result<(), Error> {
    let encodings = &parameters.encodings;
    for (index, encoding) in encodings.iter().enumerate() {
        let earlier = encodings.get(..index).unwrap_or_default();
        let repeated = earlier.iter().any(|other| {
            (encoding.ssrc.is_some() && other.ssrc == encoding.ssrc)
                || (encoding.rid.is_some() && other.rid == encoding.rid)
        });
        let named = encoding.ssrc.is_some()
            || encoding.rid.as_ref().is_some_and(|rid| !rid.is_empty())
            || (encodings.len() == 1 && parameters.mid.is_some());
        if repeated || !named {
            return Err(Error::UnidentifiedEncoding(index));
        }
    }
    Ok(())
}

/// A base for `count` consecutive SSRCs of nine digits, mediasoup's range: high enough not to meet the small numbers that
/// applications choose by hand (1234 is the prober's).
pub(crate) fn random_ssrc(rng: &mut impl Rng, count: u32) -> u32 {
    rng.random_range(100_000_000..=999_999_999 - count)
}
