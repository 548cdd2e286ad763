use plenum_api::plenum::REQUESTS;
use plenum_ids::{DataProducerId, ProducerId};
use serde_json::json;

use super::*;

fn decode(method: &str, data: &Value) -> Result<Asked, RoomError> {
    decode_request(method, &data.to_string())
}

/// The only thing that a request comes to.
fn one(method: &str, data: &Value) -> PeerRequest {
    match decode(method, data) {
        Ok(Asked::Room { mut parts, .. }) if parts.len() == 1 => parts.remove(0),
        other => panic!("{method}: {other:?}"),
    }
}

#[test]
fn every_request_of_the_protocol_is_known() {
    for method in REQUESTS {
        if let Err(err) = decode(method, &json!({})) {
            assert!(!err.reason.contains("no such request"), "{method}");
        }
    }
    let unknown = decode("createWebRtcTransport", &json!({})).expect_err("another dialect");
    assert_eq!(unknown.kind, ErrorKind::BadRequest);
    assert!(unknown.reason.contains("createWebRtcTransport"));
    let endless = "x".repeat(10_000);
    let unknown = decode(&endless, &json!({})).expect_err("unknown");
    assert!(unknown.reason.len() < 200);
}

#[test]
fn one_message_connects_both_transports_and_joins() {
    let (send, recv) = (TransportId::from_u128(1), TransportId::from_u128(2));
    let dtls =
        json!({"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": "AA:BB"}]});
    let asked = decode(
        "join",
        &json!({
            "displayName": "Ada", "device": {"flag": "chrome"}, "appData": {"a": 1},
            "transports": [{"transportId": send, "dtlsParameters": dtls},
                {"transportId": recv, "dtlsParameters": dtls}],
            "subscription": {"speakers": 4},
        }),
    );
    let Ok(Asked::Join { connects, join }) = asked else {
        panic!("{asked:?}");
    };
    let transports: Vec<_> = connects.iter().map(|(transport, _)| *transport).collect();
    assert_eq!(transports, [send, recv]);
    let PeerRequest::ConnectWebRtcTransport { transport, dtls } = &connects[0].1 else {
        panic!("{connects:?}");
    };
    assert_eq!((*transport, dtls.role), (send, DtlsRole::Client));
    let PeerRequest::Join {
        display_name,
        device,
        data,
        volumes,
        demand,
        migrate,
        subscription,
        app_data,
        features,
        ..
    } = join
    else {
        panic!("{join:?}");
    };
    assert_eq!(
        (display_name.as_str(), device),
        ("Ada", json!({"flag": "chrome"}))
    );
    assert!(data && volumes && demand && migrate && features);
    assert_eq!(subscription, plenum_room::Subscription::Speakers(4));
    assert_eq!(Value::Object(app_data), json!({"a": 1}));
    assert!(
        decode(
            "join",
            &json!({"transports": [{"transportId": "x", "dtlsParameters": dtls}]})
        )
        .is_err()
    );
}

#[test]
fn who_says_nothing_when_joining_gets_everything() {
    let Ok(Asked::Join { connects, join }) = decode("join", &json!({})) else {
        panic!("not a join");
    };
    assert!(connects.is_empty());
    let PeerRequest::Join {
        subscription,
        device,
        ..
    } = join
    else {
        panic!("{join:?}");
    };
    assert_eq!(subscription, plenum_room::Subscription::All);
    assert_eq!(device, json!({}));
}

#[test]
fn consumers_are_meant_one_by_one_and_what_is_none_is_passed_over() {
    let ids: Vec<_> = (1..4).map(ConsumerId::from_u128).collect();
    let data = json!({"consumerIds": [ids[0], "gone", ids[2]]});
    let Ok(Asked::Room { parts, answer }) = decode("pauseConsumers", &data) else {
        panic!("not consumers");
    };
    assert_eq!(answer, Answer::Rest);
    let consumer = |n: usize| PeerRequest::PauseConsumer { consumer: ids[n] };
    assert_eq!(parts, [consumer(0), consumer(2)]);
    let many = vec![ids[0].to_string(); MAX_PARTS + 1];
    assert!(decode("closeConsumers", &json!({"consumerIds": many})).is_err());
}

#[test]
fn media_and_messages_are_consumed_by_one_request() {
    let producer = ProducerId::from_u128(1);
    let data_producer = DataProducerId::from_u128(2);
    let data = json!({
        "producerIds": [producer], "dataProducerIds": [data_producer], "paused": true,
        "layers": {"spatialLayer": 300},
    });
    let Ok(Asked::Room { parts, answer }) = decode("consume", &data) else {
        panic!("nothing");
    };
    assert_eq!(
        answer,
        Answer::Consume(vec![producer.to_string(), data_producer.to_string()])
    );
    let layers = event::Layers {
        spatial: u8::MAX,
        temporal: None,
    };
    assert_eq!(
        parts,
        [
            PeerRequest::Consume {
                transport: None,
                producer,
                rtp_capabilities: None,
                paused: true,
                layers: Some(layers),
                numbers: None,
            },
            PeerRequest::ConsumeData {
                data_producer,
                transport: None
            },
        ]
    );
}

#[test]
fn statistics_are_of_one_object() {
    let consumer = ConsumerId::from_u128(3);
    assert_eq!(
        one("getStats", &json!({"consumerId": consumer})),
        PeerRequest::GetConsumerStats { consumer }
    );
    assert!(decode("getStats", &json!({})).is_err());
    let two = json!({"consumerId": consumer, "transportId": TransportId::from_u128(1)});
    assert!(decode("getStats", &two).is_err());
}

#[test]
fn a_room_is_changed_in_what_was_said() {
    let parts = |data| match decode("setRoom", &data) {
        Ok(Asked::Room { parts, .. }) => parts,
        other => panic!("{other:?}"),
    };
    assert_eq!(parts(json!({})), []);
    assert_eq!(
        parts(json!({"maxPeers": null, "locked": true, "metadata": {"topic": "tea"}})),
        [
            PeerRequest::SetLocked(true),
            PeerRequest::SetMaxPeers(None),
            PeerRequest::SetMetadata(json!({"topic": "tea"})),
        ]
    );
}

#[test]
fn a_screen_says_nothing_about_who_speaks() {
    let produce = |app_data: Value| {
        let data = json!({
            "transportId": TransportId::from_u128(1), "kind": "audio",
            "rtpParameters": {"codecs": []}, "appData": app_data,
        });
        match one("produce", &data) {
            PeerRequest::Produce {
                voice,
                paused,
                wish,
                ..
            } => (voice, paused, wish),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(produce(json!({"source": "audio"})), (true, false, None));
    assert_eq!(
        produce(json!({"source": "screensharing"})),
        (false, false, None)
    );
    assert_eq!(produce(json!("what")), (true, false, None));
}

#[test]
fn what_could_not_be_made_is_named() {
    let consumer = ConsumerId::from_u128(3);
    let data = json!({"refused": [consumer, "nothing"]}).to_string();
    assert_eq!(decode_refused(&data), [consumer]);
    assert_eq!(decode_refused("{}"), []);
    assert_eq!(decode_refused("7"), []);
}

#[test]
fn whatever_comes_is_survived() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"request":true,"id":1,"method":"join","data":[]}"#,
    ] {
        fuzz_message(text);
    }
    for method in REQUESTS {
        for data in ["[]", "7", "{\"consumerIds\":[null]}", "{\"peerId\":{}}"] {
            drop(decode_request(method, data));
        }
    }
}
