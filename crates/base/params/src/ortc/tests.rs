use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::*;
use crate::{
    fixtures,
    fuzzing::{check_ortc, fuzz_ortc, fuzz_scalability_mode},
    media::CodecKind,
    resolve::receive_parameters,
    rtp_parameters::{CodecParameters, MimeType, RtcpFeedback, RtpParameters},
};

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn router() -> RtpCapabilities {
    router_capabilities(&default_codecs()).expect("the default codecs")
}

/// A producer's parameters after mapping, and what consumers are made from.
fn produce(
    kind: MediaKind,
    mut parameters: RtpParameters,
) -> (RtpParameters, RtpMapping, RtpParameters) {
    let mapping = producer_mapping(kind, &mut parameters, &router(), &mut rng()).expect("fits");
    assign_cname(&mut Some("name".to_owned()), &mut parameters, &mut rng());
    let consumable = consumable_parameters(kind, &parameters, &router(), &mapping);
    (parameters, mapping, consumable)
}

fn consume(consumable: &RtpParameters, remote: &RtpCapabilities) -> RtpParameters {
    let options = ConsumerOptions {
        mid: Some("0".to_owned()),
        enable_rtx: true,
    };
    consumer_parameters(consumable, remote, options, &mut rng()).expect("consumable")
}

fn feedback(list: &[RtcpFeedback]) -> Vec<String> {
    let words = list
        .iter()
        .map(|feedback| format!("{} {}", feedback.kind, feedback.parameter));
    words.map(|words| words.trim_end().to_owned()).collect()
}

#[test]
fn the_default_router_has_the_payload_types_that_clients_know() {
    let codecs: Vec<_> = router()
        .codecs
        .iter()
        .map(|codec| {
            (
                codec.mime_type.subtype().to_owned(),
                codec.preferred_payload_type,
            )
        })
        .collect();
    let expected = [
        ("opus", 100),
        ("VP8", 101),
        ("rtx", 102),
        ("VP9", 103),
        ("rtx", 104),
        ("H264", 105),
        ("rtx", 106),
        ("H264", 107),
        ("rtx", 108),
        ("AV1", 109),
        ("rtx", 110),
        ("VP9", 111),
        ("rtx", 112),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, pt)| ((*name).to_owned(), Some(*pt)))
        .collect();
    assert_eq!(codecs, expected);
}

#[test]
fn router_capabilities_are_written_as_clients_read_them() {
    let json = serde_json::to_value(router()).expect("plain data");
    assert_eq!(
        json["codecs"][0],
        json!({ "kind": "audio", "mimeType": "audio/opus", "preferredPayloadType": 100, "clockRate": 48000,
            "channels": 2, "parameters": {},
            "rtcpFeedback": [{ "type": "nack", "parameter": "" }, { "type": "transport-cc", "parameter": "" }] })
    );
    assert_eq!(
        json["codecs"][5],
        json!({ "kind": "video", "mimeType": "video/H264", "preferredPayloadType": 105, "clockRate": 90000,
            "parameters": { "packetization-mode": 1, "profile-level-id": "4d0032",
                "level-asymmetry-allowed": 1, "x-google-start-bitrate": 1000 },
            "rtcpFeedback": [{ "type": "nack", "parameter": "" }, { "type": "nack", "parameter": "pli" },
                { "type": "ccm", "parameter": "fir" }, { "type": "goog-remb", "parameter": "" },
                { "type": "transport-cc", "parameter": "" }] })
    );
    assert_eq!(
        json["codecs"][6],
        json!({ "kind": "video", "mimeType": "video/rtx", "preferredPayloadType": 106, "clockRate": 90000,
            "parameters": { "apt": 105 }, "rtcpFeedback": [] })
    );
    assert_eq!(
        json["headerExtensions"][0],
        json!({ "kind": "audio", "uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "preferredId": 1,
            "preferredEncrypt": false, "direction": "sendrecv" })
    );
    let transport_cc: Vec<_> = router()
        .header_extensions
        .iter()
        .filter(|extension| extension.preferred_id == 5)
        .map(|extension| (extension.kind, extension.direction.sends()))
        .collect();
    assert_eq!(
        transport_cc,
        [(MediaKind::Audio, false), (MediaKind::Video, true)]
    );
}

#[test]
fn a_router_codec_must_be_known_and_payload_types_distinct() {
    let codec = |mime_type: &str, clock_rate, channels, payload_type| RouterCodec {
        mime_type: MimeType::new(mime_type).expect("valid"),
        clock_rate,
        channels,
        parameters: CodecParameters::default(),
        payload_type,
    };
    let fixed = router_capabilities(&[codec("audio/pcmu", 8000, Some(1), None)]).expect("known");
    assert_eq!(fixed.codecs[0].preferred_payload_type, Some(0));
    assert_eq!(fixed.codecs[0].mime_type.as_str(), "audio/PCMU");
    assert_eq!(
        router_capabilities(&[codec("video/theora", 90_000, None, None)]),
        Err(Error::UnsupportedRouterCodec("video/theora".to_owned()))
    );
    assert_eq!(
        router_capabilities(&[
            codec("audio/opus", 48_000, Some(2), None),
            codec("video/VP8", 90_000, None, Some(100)),
        ]),
        Err(Error::PayloadTypeTaken(100))
    );
}

#[test]
fn opus_is_mapped_to_the_routers_numbers_and_keeps_its_parameters() {
    let (parameters, mapping, consumable) = produce(MediaKind::Audio, fixtures::opus());
    assert_eq!(
        mapping.codecs,
        [CodecMapping {
            payload_type: 111,
            mapped_payload_type: 100
        }]
    );
    assert_eq!(consumable.codecs[0].payload_type, 100);
    assert_eq!(consumable.codecs[0].parameters.number("usedtx"), Some(1));
    assert_eq!(
        feedback(&consumable.codecs[0].rtcp_feedback),
        ["nack", "transport-cc"]
    );
    let ids: Vec<_> = consumable
        .header_extensions
        .iter()
        .map(|extension| extension.id)
        .collect();
    // No transport-cc (5), because the router only receives it in audio; no abs-capture-time (10), because the client
    // does not send it.
    assert_eq!(ids, [1, 4, 6, 11]);
    assert_eq!(consumable.msid.as_deref(), Some("stream track"));
    assert_eq!(producer_type(&parameters), Ok(ProducerType::Simple));
}

#[test]
fn an_audio_consumer_has_the_feedback_and_extensions_seen_with_browsers() {
    let (_, _, consumable) = produce(MediaKind::Audio, fixtures::opus());
    let consumer = consume(&consumable, &fixtures::browser_capabilities());
    assert_eq!(feedback(&consumer.codecs[0].rtcp_feedback), ["nack"]);
    let ids: Vec<_> = consumer
        .header_extensions
        .iter()
        .map(|extension| extension.id)
        .collect();
    assert_eq!(ids, [1, 4, 6]);
    assert_eq!(consumer.encodings[0].rtx, None);
    assert_eq!(consumer.rtcp.cname.as_deref(), Some("name"));
}

#[test]
fn a_simulcast_producer_becomes_one_stream_with_all_its_layers() {
    let (parameters, mapping, consumable) = produce(MediaKind::Video, fixtures::vp8_simulcast());
    assert_eq!(producer_type(&parameters), Ok(ProducerType::Simulcast));
    let mapped: Vec<_> = mapping
        .encodings
        .iter()
        .map(|encoding| encoding.mapped_ssrc)
        .collect();
    assert_eq!([mapped[1], mapped[2]], [mapped[0] + 1, mapped[0] + 2]);
    assert!((100_000_000..1_000_000_000).contains(&mapped[0]));
    assert_eq!(mapping.encodings[1].rid.as_deref(), Some("r1"));
    assert!(
        consumable
            .encodings
            .iter()
            .all(|encoding| encoding.rid.is_none())
    );

    let consumer = consume(&consumable, &fixtures::browser_capabilities());
    let json = serde_json::to_value(&consumer).expect("plain data");
    let ssrc = consumer.encodings[0].ssrc.expect("an SSRC");
    assert_eq!(
        json["encodings"],
        json!([{ "ssrc": ssrc, "rtx": { "ssrc": ssrc + 1 }, "scalabilityMode": "L3T3",
            "maxBitrate": 5_000_000 }])
    );
    let numbers: Vec<_> = consumer
        .codecs
        .iter()
        .map(|codec| codec.payload_type)
        .collect();
    assert_eq!(numbers, [101, 102]);
    assert_eq!(
        feedback(&consumer.codecs[0].rtcp_feedback),
        ["transport-cc", "ccm fir", "nack", "nack pli"]
    );
    assert_eq!(
        json["rtcp"],
        json!({ "cname": "name", "reducedSize": true })
    );
    assert_eq!(json["mid"], "0");
}

#[test]
fn an_svc_producer_keeps_its_mode() {
    let encodings = json!([{ "ssrc": 1, "rtx": { "ssrc": 2 }, "scalabilityMode": "L3T3_KEY" }]);
    let vp9 = fixtures::video("video/VP9", 100, &json!({ "profile-id": 2 }), &encodings);
    let (parameters, _, consumable) = produce(MediaKind::Video, vp9);
    assert_eq!(producer_type(&parameters), Ok(ProducerType::Svc));
    let consumer = consume(&consumable, &fixtures::browser_capabilities());
    assert_eq!(
        consumer.encodings[0].scalability_mode.as_deref(),
        Some("L3T3_KEY")
    );
    assert_eq!(consumer.codecs[0].payload_type, 103);
}

#[test]
fn every_codec_of_the_default_router_can_be_produced_and_consumed() {
    let cases = [
        ("video/VP8", json!({}), 101),
        ("video/VP9", json!({ "profile-id": 2 }), 103),
        ("video/VP9", json!({ "profile-id": 0 }), 111),
        ("video/VP9", json!({}), 111),
        (
            "video/H264",
            json!({ "packetization-mode": 1, "profile-level-id": "4d001f",
            "level-asymmetry-allowed": 1 }),
            105,
        ),
        (
            "video/h264",
            json!({ "packetization-mode": 1, "profile-level-id": "42e01f",
            "level-asymmetry-allowed": 1 }),
            107,
        ),
        ("video/AV1", json!({ "level-idx": "5" }), 109),
    ];
    for (mime_type, codec_parameters, payload_type) in cases {
        let single = fixtures::single_encoding();
        let producer = fixtures::video(mime_type, 45, &codec_parameters, &single);
        let (_, _, consumable) = produce(MediaKind::Video, producer);
        assert!(can_consume(&consumable, &fixtures::browser_capabilities()));
        let consumer = consume(&consumable, &fixtures::browser_capabilities());
        assert_eq!(
            consumer.codecs[0].payload_type, payload_type,
            "{mime_type} {codec_parameters}"
        );
        assert_eq!(consumer.codecs[1].payload_type, payload_type + 1);
        assert_eq!(consumer.encodings[0].scalability_mode, None);
    }
}

#[test]
fn with_asymmetry_a_producers_level_stays_its_own() {
    let mode = json!({ "packetization-mode": 1, "profile-level-id": "42c034", "level-asymmetry-allowed": 1 });
    let producer = fixtures::video("video/H264", 102, &mode, &fixtures::single_encoding());
    let (parameters, ..) = produce(MediaKind::Video, producer);
    assert_eq!(
        parameters.codecs[0]
            .parameters
            .text("profile-level-id")
            .as_deref(),
        Some("42e034")
    );
}

#[test]
fn what_does_not_fit_the_router_is_refused() {
    let refused = |kind, mut parameters: RtpParameters| {
        producer_mapping(kind, &mut parameters, &router(), &mut rng()).expect_err("must not fit")
    };
    let single = fixtures::single_encoding();
    let theora = fixtures::video("video/theora", 96, &json!({}), &single);
    assert_eq!(
        refused(MediaKind::Video, theora).to_string(),
        "unsupported codec video/theora (payload type 96)"
    );
    let mode0 = json!({ "packetization-mode": 0, "profile-level-id": "42e01f" });
    let h264 = fixtures::video("video/H264", 96, &mode0, &single);
    assert!(matches!(
        refused(MediaKind::Video, h264),
        Error::UnsupportedCodec { .. }
    ));
    assert_eq!(
        refused(MediaKind::Video, fixtures::opus()),
        Error::WrongKind(MediaKind::Audio)
    );
    let mut lonely = fixtures::vp8_simulcast();
    lonely.codecs[1].parameters = lonely.codecs[1].parameters.clone().with_number("apt", 55);
    assert_eq!(
        refused(MediaKind::Video, lonely),
        Error::RtxWithoutCodec(97)
    );
    let mut only_rtx = fixtures::vp8_simulcast();
    only_rtx.codecs.remove(0);
    assert_eq!(refused(MediaKind::Video, only_rtx), Error::NoCodec);
    let mut twins = fixtures::vp8_simulcast();
    twins.encodings[2].rid = Some("r0".to_owned());
    assert_eq!(
        refused(MediaKind::Video, twins),
        Error::UnidentifiedEncoding(2)
    );
    let mut long = fixtures::opus();
    long.rtcp.cname = Some("x".repeat(256));
    assert_eq!(refused(MediaKind::Audio, long), Error::TooMuch("cname"));
}

#[test]
fn vp8_h264_and_av1_are_sent_as_simulcast() {
    let rids = json!([{ "rid": "r0" }, { "rid": "r1" }]);
    for mime_type in ["video/VP8", "video/H264", "video/AV1"] {
        let simulcast = fixtures::video(mime_type, 98, &json!({}), &rids);
        assert_eq!(producer_type(&simulcast), Ok(ProducerType::Simulcast));
    }
    let vp9 = fixtures::video("video/VP9", 98, &json!({ "profile-id": 2 }), &rids);
    assert_eq!(
        producer_type(&vp9),
        Err(Error::SimulcastUnsupported("video/VP9".to_owned()))
    );
}

#[test]
fn missing_encodings_are_one_stream_learnt_by_mid() {
    let mut opus = fixtures::opus();
    opus.encodings.clear();
    let (parameters, mapping, consumable) = produce(MediaKind::Audio, opus);
    assert_eq!(parameters.encodings.len(), 1);
    assert_eq!(mapping.encodings[0].ssrc, None);
    assert!(consumable.encodings[0].ssrc.is_some());
}

#[test]
fn all_producers_of_a_transport_share_one_name() {
    let mut transport = None;
    let mut simulcast = fixtures::vp8_simulcast();
    assign_cname(&mut transport, &mut simulcast, &mut rng());
    let made_up = simulcast.rtcp.cname.expect("a name");
    assert_eq!(made_up.len(), 8);
    let mut opus = fixtures::opus();
    assign_cname(&mut transport, &mut opus, &mut rng());
    assert_eq!(opus.rtcp.cname, Some(made_up));

    let mut transport = None;
    let mut opus = fixtures::opus();
    assign_cname(&mut transport, &mut opus, &mut rng());
    assert_eq!(transport.as_deref(), Some("kR9bwZt3"));
}

#[test]
fn a_client_without_the_codec_cannot_consume() {
    let (_, _, consumable) = produce(MediaKind::Video, fixtures::vp8_simulcast());
    let mut remote = fixtures::browser_capabilities();
    remote.codecs.retain(|codec| !codec.mime_type.is("VP8"));
    // RTX alone still matches, and must not count.
    assert!(!can_consume(&consumable, &remote));
    let options = ConsumerOptions {
        mid: None,
        enable_rtx: true,
    };
    assert_eq!(
        consumer_parameters(&consumable, &remote, options, &mut rng()),
        Err(Error::NoCompatibleCodec)
    );
    assert!(!can_consume(&consumable, &RtpCapabilities::default()));
}

#[test]
fn redundant_sound_is_for_routers_and_clients_that_know_it() {
    let red = RouterCodec {
        mime_type: MimeType::new("audio/red").expect("a type"),
        clock_rate: 48_000,
        channels: Some(2),
        parameters: CodecParameters::default(),
        payload_type: None,
    };
    let mut codecs = default_codecs();
    codecs.push(red);
    let router_with = router_capabilities(&codecs).expect("a known codec");
    let mut parameters = fixtures::opus();
    let mut red = parameters.codecs[0].clone();
    red.mime_type = MimeType::new("audio/red").expect("a type");
    red.payload_type = 63;
    parameters.codecs.push(red);
    let refused = producer_mapping(
        MediaKind::Audio,
        &mut parameters.clone(),
        &router(),
        &mut rng(),
    );
    assert!(matches!(refused, Err(Error::UnsupportedCodec { .. })));
    let mapping = producer_mapping(MediaKind::Audio, &mut parameters, &router_with, &mut rng());
    let mapping = mapping.expect("fits");
    let received = receive_parameters(MediaKind::Audio, &parameters, &mapping).expect("whole");
    let kinds: Vec<_> = received.codecs.iter().map(|codec| codec.codec).collect();
    assert_eq!(kinds, [CodecKind::Opus, CodecKind::Red]);
    let consumable = consumable_parameters(MediaKind::Audio, &parameters, &router_with, &mapping);
    for (remote, expected) in [
        (&router_with, &["audio/opus", "audio/red"][..]),
        (&router(), &["audio/opus"]),
    ] {
        let consumer = consume(&consumable, remote);
        let types = consumer.codecs.iter().map(|codec| codec.mime_type.as_str());
        assert_eq!(types.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn without_rtx_there_is_no_nack_and_without_extensions_no_bandwidth_feedback() {
    let (_, _, consumable) = produce(MediaKind::Video, fixtures::vp8_simulcast());
    let mut remote = fixtures::browser_capabilities();
    remote.header_extensions.clear();
    let options = ConsumerOptions {
        mid: None,
        enable_rtx: false,
    };
    let consumer =
        consumer_parameters(&consumable, &remote, options, &mut rng()).expect("consumable");
    assert_eq!(consumer.codecs.len(), 1);
    assert_eq!(
        feedback(&consumer.codecs[0].rtcp_feedback),
        ["ccm fir", "nack pli"]
    );
    assert_eq!(consumer.encodings[0].rtx, None);
    assert!(consumer.header_extensions.is_empty());
}

#[test]
fn what_the_router_does_not_know_is_dropped_from_a_clients_capabilities() {
    let mut client = fixtures::browser_capabilities();
    let (codecs, extensions) = (client.codecs.len(), client.header_extensions.len());
    retain_known(&mut client, &router());
    assert_eq!(client.codecs.len(), codecs - 1);
    assert_eq!(client.header_extensions.len(), extensions - 1);
    assert!(client.codecs.iter().any(|codec| codec.mime_type.is_rtx()));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("video/VP8"),
            Just("audio/opus"),
            Just("video/rtx"),
            Just("L1T3"),
            Just("42e01f")
        ]
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Puts `value` in the place that `path` leads to, counting members and entries at each step.
fn replace(target: &mut Value, path: &[usize], value: Value) {
    let child = match (path, &mut *target) {
        ([step, ..], Value::Array(entries)) if !entries.is_empty() => {
            let index = step % entries.len();
            entries.get_mut(index)
        }
        ([step, ..], Value::Object(members)) if !members.is_empty() => {
            let index = step % members.len();
            members.values_mut().nth(index)
        }
        _ => None,
    };
    match child {
        Some(child) => replace(child, &path[1..], value),
        None => *target = value,
    }
}

proptest! {
    #[test]
    fn any_damage_to_real_parameters_is_survived(
        path in prop::collection::vec(0..12_usize, 0..5),
        value in any_json(),
        in_capabilities in any::<bool>(),
    ) {
        let text = |parameters: &RtpParameters| serde_json::to_value(parameters).expect("plain data");
        for (kind, parameters) in [
            (MediaKind::Audio, fixtures::opus()),
            (MediaKind::Video, fixtures::vp8_simulcast()),
        ] {
            let mut parameters = text(&parameters);
            let mut remote = serde_json::to_value(fixtures::browser_capabilities()).expect("plain data");
            let target = if in_capabilities { &mut remote } else { &mut parameters };
            replace(target, &path, value.clone());
            check_ortc(kind, &parameters, &remote);
        }
    }

    #[test]
    fn any_bytes_are_survived(data in prop::collection::vec(any::<u8>(), 0..64), text in "[LS][0-9]{1,3}T[0-9]{1,3}(h|_KEY|_KEY_SHIFT)?") {
        fuzz_ortc(&data);
        fuzz_scalability_mode(&data);
        fuzz_scalability_mode(text.as_bytes());
    }
}
