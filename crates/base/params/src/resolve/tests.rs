use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;

use super::*;
use crate::{fixtures, media::SpatialDependency, ortc};

fn received(kind: MediaKind, mut parameters: RtpParameters) -> ReceiveParameters {
    let mut rng = StdRng::seed_from_u64(1);
    let router = ortc::router_capabilities(&ortc::default_codecs()).expect("the default codecs");
    let mapping = ortc::producer_mapping(kind, &mut parameters, &router, &mut rng).expect("fits");
    ortc::assign_cname(&mut None, &mut parameters, &mut rng);
    receive_parameters(kind, &parameters, &mapping).expect("complete")
}

#[test]
fn a_simulcast_producer_is_resolved() {
    let resolved = received(MediaKind::Video, fixtures::vp8_simulcast());
    let codec = &resolved.codecs[0];
    assert_eq!((codec.codec, codec.payload_type), (CodecKind::Vp8, 96));
    assert_eq!(
        (codec.mapped_payload_type, codec.rtx_payload_type),
        (101, Some(97))
    );
    let all = Feedback {
        nack: true,
        pli: true,
        fir: true,
        remb: true,
        transport_cc: true,
    };
    assert_eq!(codec.feedback, all);
    assert_eq!(resolved.codecs.len(), 1);
    let rids: Vec<_> = resolved
        .encodings
        .iter()
        .map(|encoding| encoding.rid.as_deref())
        .collect();
    assert_eq!(rids, [Some("r0"), Some("r1"), Some("r2")]);
    assert_eq!(
        (
            resolved.encodings[0].spatial_layers,
            resolved.encodings[0].temporal_layers
        ),
        (1, 3)
    );
    let bitrates: Vec<_> = resolved
        .encodings
        .iter()
        .map(|encoding| encoding.max_bitrate)
        .collect();
    assert_eq!(bitrates, [Some(500_000), Some(1_000_000), Some(5_000_000)]);
    let id = |extension| {
        resolved
            .extensions
            .iter()
            .find(|entry| entry.extension == extension)
            .map(|entry| entry.id)
    };
    assert_eq!(id(HeaderExtension::Mid), Some(4));
    assert_eq!(id(HeaderExtension::Rid), Some(10));
    assert_eq!(id(HeaderExtension::RepairedRid), Some(11));
    assert_eq!(id(HeaderExtension::TransportWideCc), Some(3));
    assert_eq!(resolved.cname.len(), 8);
}

#[test]
fn an_svc_producer_says_how_its_layers_depend_on_each_other() {
    for (mode, layers, dependency) in [
        ("L3T3", (3, 3), SpatialDependency::Always),
        ("L3T2_KEY", (3, 2), SpatialDependency::AtKeyPictures),
        ("S2T1", (2, 1), SpatialDependency::Never),
    ] {
        let encodings = json!([{ "ssrc": 1, "scalabilityMode": mode }]);
        let vp9 = fixtures::video("video/VP9", 98, &json!({ "profile-id": 2 }), &encodings);
        let encoding = &received(MediaKind::Video, vp9).encodings[0];
        assert_eq!((encoding.spatial_layers, encoding.temporal_layers), layers);
        assert_eq!(encoding.spatial_dependency, dependency, "{mode}");
    }
}

#[test]
fn what_the_engine_cannot_use_is_left_out() {
    let mut opus = fixtures::opus();
    opus.header_extensions[0].id = 0;
    opus.header_extensions[1].encrypt = true;
    let resolved = received(MediaKind::Audio, opus);
    let level = ExtensionId {
        extension: HeaderExtension::AudioLevel,
        id: 1,
    };
    assert_eq!(resolved.extensions, [level]);
    assert_eq!(resolved.encodings[0].ssrc, Some(1_957_000_111));
}

#[test]
fn a_consumer_is_resolved() {
    let parameters = fixtures::parameters(json!({
        "mid": "3",
        "codecs": [
            { "mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000,
              "rtcpFeedback": [{ "type": "nack" }, { "type": "nack", "parameter": "pli" }] },
            { "mimeType": "video/rtx", "payloadType": 102, "clockRate": 90000, "parameters": { "apt": 101 } },
        ],
        "headerExtensions": [{ "uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1 }],
        "encodings": [{ "ssrc": 5, "rtx": { "ssrc": 6 } }],
        "rtcp": { "cname": "name" },
    }));
    let resolved = send_parameters(MediaKind::Video, &parameters).expect("complete");
    assert_eq!((resolved.ssrc, resolved.rtx_ssrc), (5, Some(6)));
    assert_eq!(resolved.codecs[0].rtx_payload_type, Some(102));
    assert_eq!(
        resolved.codecs[0].feedback,
        Feedback {
            nack: true,
            pli: true,
            ..Feedback::default()
        }
    );
    assert_eq!(
        (resolved.mid.as_deref(), resolved.cname.as_str()),
        (Some("3"), "name")
    );
    let binary = postcard::to_stdvec(&resolved).expect("plain data");
    assert_eq!(
        postcard::from_bytes::<SendParameters>(&binary).as_ref(),
        Ok(&resolved)
    );

    let mut without = parameters;
    without.encodings.clear();
    assert_eq!(
        send_parameters(MediaKind::Video, &without),
        Err(Error::UnidentifiedEncoding(0))
    );
}
