//! A producer's streams on the trunk between two workers.

use super::{codec_kind, extensions, receive_encoding, rtx_of};
use crate::{
    media::{
        ExtensionId, Feedback, HeaderExtension, MAX_STREAMS, MediaKind, ReceiveCodec,
        ReceiveEncoding, ReceiveParameters, SendCodec, SendParameters,
    },
    ortc::Error,
    rtp_parameters::{RtpCodecParameters, RtpParameters},
    transport::TrunkSsrcs,
};

/// What both ends of a trunk must know of a producer that is piped over it: the parameters of the piped producer, and
/// those of its pipe consumers, one for each of the producer's streams in their order.
///
/// `consumable` is what [`crate::ortc::consumable_parameters`] gave for the producer; `ssrcs` are the trunk's in the
/// direction of the pipe. Numbers that the trunk's ends then refuse are lost, and nothing else.
pub fn pipe_parameters(
    kind: MediaKind,
    consumable: &RtpParameters,
    ssrcs: &mut TrunkSsrcs,
) -> Result<(ReceiveParameters, Vec<SendParameters>), Error> {
    let codecs: Vec<_> = consumable
        .codecs
        .iter()
        .filter(|codec| !codec.mime_type.is_rtx())
        .map(|codec| codec_on_trunk(kind, codec, &consumable.codecs))
        .collect();
    if codecs.is_empty() {
        return Err(Error::NoCodec);
    }
    let has_rtx = codecs.iter().any(|codec| codec.rtx_payload_type.is_some());
    let mut take = || ssrcs.take().ok_or(Error::NoSsrcLeft);
    let mut encodings = Vec::new();
    for encoding in consumable.encodings.iter().take(MAX_STREAMS) {
        encodings.push(ReceiveEncoding {
            ssrc: Some(take()?),
            rtx_ssrc: has_rtx.then(&mut take).transpose()?,
            ..receive_encoding(encoding)
        });
    }
    if encodings.is_empty() {
        return Err(Error::UnidentifiedEncoding(0));
    }
    let cname = consumable.rtcp.cname.clone().unwrap_or_default();
    let extensions = extensions_on_trunk(consumable);
    let sent = encodings.iter().map(|encoding| SendParameters {
        kind,
        mid: None,
        codecs: codecs.iter().map(send_codec).collect(),
        extensions: extensions.clone(),
        ssrc: encoding.ssrc.unwrap_or_default(),
        rtx_ssrc: encoding.rtx_ssrc,
        cname: cname.clone(),
    });
    let sent = sent.collect();
    let received = ReceiveParameters {
        kind,
        mid: None,
        codecs,
        extensions,
        encodings,
        cname,
    };
    Ok((received, sent))
}

/// Payload types are the router's at both ends. Feedback is what workers do among themselves, whatever clients can:
/// lost packets come again, key frames are asked for, and nobody measures the path.
fn codec_on_trunk(
    kind: MediaKind,
    codec: &RtpCodecParameters,
    all: &[RtpCodecParameters],
) -> ReceiveCodec {
    ReceiveCodec {
        codec: codec_kind(&codec.mime_type),
        mime_type: codec.mime_type.as_str().to_owned(),
        payload_type: codec.payload_type,
        mapped_payload_type: codec.payload_type,
        clock_rate: codec.clock_rate,
        rtx_payload_type: rtx_of(codec.payload_type, all),
        feedback: Feedback {
            nack: true,
            pli: kind == MediaKind::Video,
            ..Feedback::default()
        },
    }
}

fn send_codec(codec: &ReceiveCodec) -> SendCodec {
    SendCodec {
        codec: codec.codec,
        mime_type: codec.mime_type.clone(),
        payload_type: codec.mapped_payload_type,
        own_payload_type: None,
        clock_rate: codec.clock_rate,
        rtx_payload_type: codec.rtx_payload_type,
        feedback: codec.feedback,
    }
}

/// Extensions that tell something of the media. Those that name a stream or measure a path are each transport's own.
fn extensions_on_trunk(consumable: &RtpParameters) -> Vec<ExtensionId> {
    let mut known = extensions(&consumable.header_extensions);
    known.retain(|entry| {
        matches!(
            entry.extension,
            HeaderExtension::AbsCaptureTime
                | HeaderExtension::AudioLevel
                | HeaderExtension::DependencyDescriptor
                | HeaderExtension::PlayoutDelay
                | HeaderExtension::TransmissionTimeOffset
                | HeaderExtension::VideoOrientation
        )
    });
    known
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use serde_json::json;

    use super::*;
    use crate::{
        fixtures,
        media::{CodecKind, SpatialDependency},
        ortc,
    };

    fn consumable(kind: MediaKind, mut parameters: RtpParameters) -> RtpParameters {
        let mut rng = StdRng::seed_from_u64(1);
        let router = ortc::router_capabilities(&ortc::default_codecs()).expect("the defaults");
        let mapping =
            ortc::producer_mapping(kind, &mut parameters, &router, &mut rng).expect("fits");
        ortc::assign_cname(&mut None, &mut parameters, &mut rng);
        ortc::consumable_parameters(kind, &parameters, &router, &mapping)
    }

    fn extension_kinds(list: &[ExtensionId]) -> Vec<HeaderExtension> {
        list.iter().map(|entry| entry.extension).collect()
    }

    #[test]
    fn every_simulcast_stream_gets_numbers_of_its_own() {
        let mut ssrcs = TrunkSsrcs::default();
        let consumable = consumable(MediaKind::Video, fixtures::vp8_simulcast());
        let (received, sent) =
            pipe_parameters(MediaKind::Video, &consumable, &mut ssrcs).expect("complete");
        let numbers: Vec<_> = received
            .encodings
            .iter()
            .map(|encoding| (encoding.ssrc, encoding.rtx_ssrc))
            .collect();
        assert_eq!(
            numbers,
            [(Some(1), Some(2)), (Some(3), Some(4)), (Some(5), Some(6))]
        );
        let sent_numbers: Vec<_> = sent
            .iter()
            .map(|sent| (Some(sent.ssrc), sent.rtx_ssrc))
            .collect();
        assert_eq!(sent_numbers, numbers);
        assert_eq!(ssrcs.take(), Some(7));

        let codec = &received.codecs[0];
        assert_eq!(
            (codec.codec, codec.payload_type, codec.mapped_payload_type),
            (CodecKind::Vp8, 101, 101)
        );
        assert_eq!(codec.rtx_payload_type, Some(102));
        assert_eq!(received.codecs.len(), 1);
        for sent in &sent {
            assert_eq!(sent.codecs.len(), 1);
            assert_eq!(sent.codecs[0].payload_type, codec.payload_type);
            assert_eq!(sent.codecs[0].rtx_payload_type, codec.rtx_payload_type);
            assert_eq!(sent.extensions, received.extensions);
            assert_eq!((&sent.cname, sent.mid.as_ref()), (&received.cname, None));
        }
        let layers = received
            .encodings
            .iter()
            .map(|encoding| (encoding.temporal_layers, encoding.max_bitrate));
        assert_eq!(
            layers.collect::<Vec<_>>(),
            [
                (3, Some(500_000)),
                (3, Some(1_000_000)),
                (3, Some(5_000_000))
            ]
        );
    }

    #[test]
    fn what_measures_a_path_stays_off_the_trunk_and_what_describes_media_does_not() {
        let mut ssrcs = TrunkSsrcs::default();
        let video = consumable(MediaKind::Video, fixtures::vp8_simulcast());
        let (video, _) = pipe_parameters(MediaKind::Video, &video, &mut ssrcs).expect("complete");
        assert_eq!(
            extension_kinds(&video.extensions),
            [
                HeaderExtension::DependencyDescriptor,
                HeaderExtension::VideoOrientation,
                HeaderExtension::TransmissionTimeOffset,
                HeaderExtension::PlayoutDelay,
            ]
        );
        let feedback = video.codecs[0].feedback;
        assert!(feedback.nack && feedback.pli && !feedback.transport_cc && !feedback.remb);

        let audio = consumable(MediaKind::Audio, fixtures::opus());
        let (audio, sent) =
            pipe_parameters(MediaKind::Audio, &audio, &mut ssrcs).expect("complete");
        assert_eq!(
            extension_kinds(&audio.extensions),
            [HeaderExtension::AudioLevel, HeaderExtension::PlayoutDelay]
        );
        assert_eq!((sent[0].ssrc, sent[0].rtx_ssrc), (7, None));
        let feedback = audio.codecs[0].feedback;
        assert!(feedback.nack && !feedback.pli);
    }

    #[test]
    fn layers_inside_a_stream_stay_what_they_are() {
        let encodings = json!([{ "ssrc": 1, "scalabilityMode": "L3T3_KEY" }]);
        let vp9 = fixtures::video("video/VP9", 98, &json!({ "profile-id": 2 }), &encodings);
        let consumable = consumable(MediaKind::Video, vp9);
        let (received, sent) =
            pipe_parameters(MediaKind::Video, &consumable, &mut TrunkSsrcs::default())
                .expect("complete");
        let encoding = &received.encodings[0];
        assert_eq!((encoding.spatial_layers, encoding.temporal_layers), (3, 3));
        assert_eq!(
            encoding.spatial_dependency,
            SpatialDependency::AtKeyPictures
        );
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_producer_without_codec_or_stream_is_refused() {
        let mut nothing = consumable(MediaKind::Video, fixtures::vp8_simulcast());
        nothing.encodings.clear();
        let mut ssrcs = TrunkSsrcs::default();
        assert_eq!(
            pipe_parameters(MediaKind::Video, &nothing, &mut ssrcs),
            Err(Error::UnidentifiedEncoding(0))
        );
        nothing.codecs.clear();
        assert_eq!(
            pipe_parameters(MediaKind::Video, &nothing, &mut ssrcs),
            Err(Error::NoCodec)
        );
    }
}
