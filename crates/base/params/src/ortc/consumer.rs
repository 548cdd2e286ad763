//! From what a router has to what one client receives.

use rand::Rng;

use crate::{
    ortc::{
        Error,
        codec_match::is_match,
        producer::random_ssrc,
        router::{ABS_SEND_TIME_URI, TRANSPORT_CC_URI},
    },
    rtp_parameters::{
        RtcpParameters, RtpCapabilities, RtpCodecCapability, RtpCodecParameters,
        RtpEncodingParameters, RtpHeaderExtensionParameters, RtpParameters, RtxParameters,
    },
    scalability_mode::ScalabilityMode,
};

/// Whether a client can receive a producer at all.
#[must_use]
pub fn can_consume(consumable: &RtpParameters, remote: &RtpCapabilities) -> bool {
    let mut codecs = consumable.codecs.iter();
    codecs
        .find(|codec| counterpart(codec, remote).is_some())
        .is_some_and(|codec| !codec.mime_type.is_rtx())
}

/// The client's own entry for a codec.
fn counterpart<'a>(
    codec: &RtpCodecParameters,
    remote: &'a RtpCapabilities,
) -> Option<&'a RtpCodecCapability> {
    remote
        .codecs
        .iter()
        .find(|offered| is_match(codec, *offered))
}

/// Choices of [`consumer_parameters`] that are not the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Media id, unique on the consumer's transport.
    pub mid: Option<String>,
    /// Retransmit lost packets; without it there is no NACK either.
    pub enable_rtx: bool,
}

/// What a client with these capabilities receives of a producer with these consumable parameters.
pub fn consumer_parameters(
    consumable: &RtpParameters,
    remote: &RtpCapabilities,
    options: ConsumerOptions,
    rng: &mut impl Rng,
) -> Result<RtpParameters, Error> {
    let mut codecs = codecs(consumable, remote, options.enable_rtx)?;
    let header_extensions = header_extensions(consumable, remote);
    reduce_feedback(&mut codecs, &header_extensions);
    let has_rtx = codecs.iter().any(|codec| codec.mime_type.is_rtx());
    Ok(RtpParameters {
        mid: options.mid,
        codecs,
        header_extensions,
        encodings: vec![encoding(&consumable.encodings, has_rtx, rng)],
        rtcp: RtcpParameters {
            cname: consumable.rtcp.cname.clone(),
            reduced_size: true,
        },
        msid: consumable.msid.clone(),
    })
}

fn codecs(
    consumable: &RtpParameters,
    remote: &RtpCapabilities,
    enable_rtx: bool,
) -> Result<Vec<RtpCodecParameters>, Error> {
    let mut codecs: Vec<_> = consumable
        .codecs
        .iter()
        .filter(|codec| enable_rtx || !codec.mime_type.is_rtx())
        .filter_map(|codec| {
            let feedback = counterpart(codec, remote)?.rtcp_feedback.iter();
            Some(RtpCodecParameters {
                rtcp_feedback: feedback
                    .filter(|feedback| enable_rtx || !feedback.is("nack", ""))
                    .cloned()
                    .collect(),
                ..codec.clone()
            })
        })
        .collect();
    let media: Vec<_> = codecs
        .iter()
        .filter(|codec| !codec.mime_type.is_rtx())
        .map(|codec| u64::from(codec.payload_type))
        .collect();
    codecs.retain(|codec| {
        let apt = codec.parameters.number("apt");
        !codec.mime_type.is_rtx() || apt.is_some_and(|apt| media.contains(&apt))
    });
    match codecs.first() {
        Some(codec) if !codec.mime_type.is_rtx() => Ok(codecs),
        _ => Err(Error::NoCompatibleCodec),
    }
}

/// The client's `kind` is not compared: clients list an extension that both kinds share only once.
fn header_extensions(
    consumable: &RtpParameters,
    remote: &RtpCapabilities,
) -> Vec<RtpHeaderExtensionParameters> {
    let known = |extension: &&RtpHeaderExtensionParameters| {
        let mut remote = remote.header_extensions.iter();
        remote.any(|known| known.preferred_id == extension.id && known.uri == extension.uri)
    };
    let extensions = consumable.header_extensions.iter();
    extensions.filter(known).cloned().collect()
}

/// One way of measuring bandwidth is enough: by transport-wide sequence numbers, else by send times, else not at all.
fn reduce_feedback(codecs: &mut [RtpCodecParameters], extensions: &[RtpHeaderExtensionParameters]) {
    let has = |uri| extensions.iter().any(|extension| extension.uri == uri);
    let unwanted: &[&str] = if has(TRANSPORT_CC_URI) {
        &["goog-remb"]
    } else if has(ABS_SEND_TIME_URI) {
        &["transport-cc"]
    } else {
        &["goog-remb", "transport-cc"]
    };
    for codec in codecs {
        let feedback = &mut codec.rtcp_feedback;
        feedback.retain(|feedback| !unwanted.contains(&feedback.kind.as_str()));
    }
}

/// Whatever the producer sends, a consumer is one stream.
fn encoding(
    encodings: &[RtpEncodingParameters],
    has_rtx: bool,
    rng: &mut impl Rng,
) -> RtpEncodingParameters {
    let ssrc = random_ssrc(rng, 1);
    let mode = encodings
        .iter()
        .find_map(|encoding| encoding.scalability_mode.clone());
    let mode = match encodings.len() {
        0 | 1 => mode,
        streams => {
            let mode = mode
                .as_deref()
                .map_or(ScalabilityMode::SINGLE, ScalabilityMode::parse);
            Some(format!("L{streams}T{}", mode.temporal_layers))
        }
    };
    RtpEncodingParameters {
        ssrc: Some(ssrc),
        rtx: has_rtx.then_some(RtxParameters { ssrc: ssrc + 1 }),
        scalability_mode: mode,
        max_bitrate: encodings
            .iter()
            .filter_map(|encoding| encoding.max_bitrate)
            .max(),
        ..RtpEncodingParameters::default()
    }
}
