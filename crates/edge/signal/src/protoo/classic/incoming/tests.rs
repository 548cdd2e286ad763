use proptest::prelude::*;
use serde_json::json;

use super::*;

const ID: &str = "00000000-0000-0000-0000-000000000007";

fn decode(method: &str, data: &Value) -> Result<PeerRequest, RoomError> {
    decode_request(method, &data.to_string())
}

#[test]
fn every_method_of_the_dialect_is_understood() {
    let transport = json!({"transportId": ID});
    let producer = json!({"producerId": ID});
    let consumer = json!({"consumerId": ID, "spatialLayer": 1, "priority": 3});
    let channel =
        json!({"transportId": ID, "sctpStreamParameters": {"streamId": 0}, "label": "chat"});
    let data_producer = json!({"dataProducerId": ID});
    let data_consumer = json!({"dataConsumerId": ID});
    for (method, data) in [
        ("changeDisplayName", &json!({"displayName": "Ada"})),
        ("closeProducer", &producer),
        ("createWebRtcTransport", &json!({})),
        ("getConsumerStats", &consumer),
        ("getProducerStats", &producer),
        ("getRouterRtpCapabilities", &json!({})),
        ("getTransportStats", &transport),
        ("join", &json!({})),
        ("pauseConsumer", &consumer),
        ("pauseProducer", &producer),
        ("getDataConsumerStats", &data_consumer),
        ("getDataProducerStats", &data_producer),
        ("produceData", &channel),
        ("requestConsumerKeyFrame", &consumer),
        ("restartIce", &transport),
        ("resumeConsumer", &consumer),
        ("resumeProducer", &producer),
        ("setConsumerPreferedLayers", &consumer),
        ("setConsumerPreferredLayers", &consumer),
        ("setConsumerPriority", &consumer),
    ] {
        decode(method, data).unwrap_or_else(|err| panic!("{method}: {err}"));
    }
}

#[test]
fn an_identifier_that_is_none_is_named() {
    let err = decode(
        "requestConsumerKeyFrame",
        &json!({"consumerId": "consumerId"}),
    )
    .expect_err("a known slip of a known client");
    assert_eq!(err.kind, ErrorKind::NotFound);
    assert!(err.reason.contains("\"consumerId\""), "{err}");
    let long = "x".repeat(10_000);
    let err = decode("restartIce", &json!({"transportId": long})).expect_err("no such thing");
    assert!(err.reason.len() < 200);
}

#[test]
fn odd_devices_and_app_data_become_empty_objects() {
    let join = decode("join", &json!({"device": "phone"}));
    let Ok(PeerRequest::Join { device, .. }) = join else {
        panic!("{join:?}");
    };
    assert_eq!(device, json!({}));
    let produce = decode(
        "produce",
        &json!({"transportId": ID, "kind": "audio", "rtpParameters": {"codecs": []}, "appData": 7}),
    );
    let Ok(PeerRequest::Produce { app_data, .. }) = produce else {
        panic!("{produce:?}");
    };
    assert!(app_data.is_empty());
}

#[test]
fn what_is_for_the_bot_is_known_by_its_label() {
    for (label, expected) in [
        (json!("bot"), Audience::Bot),
        (json!("chat"), Audience::Everybody),
        (json!("anything"), Audience::Everybody),
    ] {
        let data = json!({
            "transportId": ID, "sctpStreamParameters": {"streamId": 1, "maxRetransmits": 1}, "label": label,
        });
        let produce = decode("produceData", &data);
        let Ok(PeerRequest::ProduceData {
            audience, stream, ..
        }) = produce
        else {
            panic!("{produce:?}");
        };
        assert_eq!(audience, expected);
        assert!(!stream.ordered);
    }
    let err = decode("produceData", &json!({"transportId": ID})).expect_err("how");
    assert_eq!(err.kind, ErrorKind::BadRequest);
}

#[test]
fn only_clients_with_sctp_capabilities_get_data_channels() {
    let sctp = json!({"numStreams": {"OS": 1024, "MIS": 1024}});
    for (data, expected) in [
        (json!({"sctpCapabilities": sctp}), true),
        (json!({"sctpCapabilities": null}), false),
        (json!({}), false),
    ] {
        let transport = decode("createWebRtcTransport", &data);
        let join = decode("join", &data);
        assert!(
            matches!(transport, Ok(PeerRequest::CreateWebRtcTransport { data, .. }) if data == expected)
        );
        assert!(matches!(join, Ok(PeerRequest::Join { data, .. }) if data == expected));
    }
}

#[test]
fn a_shared_sound_is_no_voice() {
    for (kind, app_data, expected) in [
        ("audio", json!({}), true),
        ("audio", json!({"share": true}), false),
        ("video", json!({}), false),
    ] {
        let data = json!({
            "transportId": ID, "kind": kind, "rtpParameters": {"codecs": []}, "appData": app_data,
        });
        assert!(
            matches!(decode("produce", &data), Ok(PeerRequest::Produce { voice, .. }) if voice == expected)
        );
    }
}

#[test]
fn a_choice_of_layers_has_two_spellings_and_may_leave_out_the_temporal_one() {
    for method in ["setConsumerPreferredLayers", "setConsumerPreferedLayers"] {
        let choice = |data| match decode(method, &data) {
            Ok(PeerRequest::SetConsumerPreferredLayers { layers, .. }) => {
                Ok((layers.spatial, layers.temporal))
            }
            Ok(other) => panic!("{other:?}"),
            Err(err) => Err(err.kind),
        };
        let both = json!({"consumerId": ID, "spatialLayer": 2, "temporalLayer": 1});
        assert_eq!(choice(both), Ok((2, Some(1))));
        let one = json!({"consumerId": ID, "spatialLayer": 999});
        assert_eq!(choice(one), Ok((255, None)));
        let none = json!({"consumerId": ID, "spatialLayer": null});
        assert_eq!(choice(none), Err(ErrorKind::BadRequest));
    }
}

#[test]
fn a_priority_is_a_small_number() {
    let kind = |priority: Value| {
        let data = json!({"consumerId": ID, "priority": priority});
        decode("setConsumerPriority", &data).map_err(|err| err.kind)
    };
    assert!(kind(json!(255)).is_ok());
    for odd in [json!(256), json!(-1), json!("1"), json!(null)] {
        assert_eq!(kind(odd.clone()), Err(ErrorKind::BadRequest), "{odd}");
    }
}

#[test]
fn a_client_says_at_join_what_it_understands() {
    for (data, expected) in [
        (json!({"plenum": {"demand": true}}), (true, false)),
        (json!({"plenum": {"migrate": true}}), (false, true)),
        (json!({"plenum": {"demand": false}}), (false, false)),
        (json!({"plenum": "yes"}), (false, false)),
        (json!({}), (false, false)),
    ] {
        let Ok(PeerRequest::Join {
            demand, migrate, ..
        }) = decode("join", &data)
        else {
            panic!("{data}");
        };
        assert_eq!((demand, migrate), expected, "{data}");
    }
}

#[test]
fn a_client_without_a_dtls_role_leaves_it_to_us() {
    let connect = decode(
        "connectWebRtcTransport",
        &json!({"transportId": ID, "dtlsParameters":
            {"fingerprints": [{"algorithm": "sha-256", "value": "AB"}]}}),
    );
    let Ok(PeerRequest::ConnectWebRtcTransport { dtls, .. }) = connect else {
        panic!("{connect:?}");
    };
    assert_eq!(dtls.role, DtlsRole::Auto);
}

#[test]
fn unknown_methods_and_bad_data_say_so() {
    let err = decode("noSuchMethod", &json!({})).expect_err("unknown");
    assert!(err.reason.contains("noSuchMethod"));
    for data in [json!({}), json!({"producerId": 7}), json!([]), json!("x")] {
        let err = decode("closeProducer", &data).expect_err("no id");
        assert_eq!(err.kind, ErrorKind::BadRequest, "{data}");
        assert!(err.reason.starts_with("closeProducer: "), "{err}");
    }
    for method in [
        "applyNetworkThrottle",
        "resetNetworkThrottle",
        "stopNetworkThrottle",
    ] {
        let err = decode(method, &json!({"secret": "x"})).expect_err("not offered");
        assert_eq!(err.kind, ErrorKind::Forbidden, "{method}");
    }
}

proptest! {
    #[test]
    fn no_data_panics(
        method in prop_oneof![Just("produce"), Just("join"), Just("connectWebRtcTransport"), Just("x")],
        data in "[\\[\\]{}\",:a-zA-Z0-9 ]{0,80}",
    ) {
        let _ = decode_request(method, &data);
    }
}
