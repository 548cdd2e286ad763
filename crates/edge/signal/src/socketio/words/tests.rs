use plenum_params::rtp_parameters::RtpCapabilities;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

const ID: &str = "00000000-0000-0000-0000-000000000001";

fn say(event: &str, data: &Json) -> Result<Word, RoomError> {
    Spoken::new(&json!([event, data]).to_string()).decode()
}

fn asked(event: &str, data: &Json) -> PeerRequest {
    match say(event, data) {
        Ok(Word::Request(request)) => *request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rooms_have_names_and_people_may_have_one() {
    assert_eq!(
        say("createRoom", &json!({"room_id": "a"})),
        Ok(Word::CreateRoom {
            room: "a".to_owned()
        })
    );
    for (name, expected) in [
        (json!({"room_id": "a", "name": "Ada"}), "Ada"),
        (json!({"room_id": "a"}), ""),
    ] {
        assert_eq!(
            say("join", &name),
            Ok(Word::Join {
                room: "a".to_owned(),
                name: expected.to_owned()
            })
        );
    }
}

#[test]
fn what_needs_no_data_comes_with_any_or_none() {
    for text in [
        r#"["getProducers"]"#,
        r#"["getProducers",null]"#,
        r#"["getProducers",{},7]"#,
        r#" [ "get\u0050roducers" , "x" ] "#,
    ] {
        assert_eq!(Spoken::new(text).decode(), Ok(Word::GetProducers), "{text}");
    }
    assert_eq!(say("exitRoom", &json!({})), Ok(Word::ExitRoom));
    assert_eq!(say("getMyRoomInfo", &json!({})), Ok(Word::GetMyRoomInfo));
    assert_eq!(say("resume", &json!({})), Ok(Word::Resume));
}

#[test]
fn a_transport_of_who_says_what_it_can_is_for_sending() {
    let create = |data: Json| match asked("createWebRtcTransport", &data) {
        PeerRequest::CreateWebRtcTransport {
            producing,
            consuming,
            data: false,
            ..
        } => (producing, consuming),
        other => panic!("{other:?}"),
    };
    let capabilities = json!({"forceTcp": false, "rtpCapabilities": {"codecs": []}});
    assert_eq!(create(capabilities), (true, false));
    assert_eq!(create(json!({"forceTcp": false})), (false, true));
}

#[test]
fn media_is_asked_for_in_mixed_words() {
    let produce = json!({
        "producerTransportId": ID, "kind": "audio", "rtpParameters": {"codecs": []},
    });
    let PeerRequest::Produce {
        voice, app_data, ..
    } = asked("produce", &produce)
    else {
        panic!("produces");
    };
    assert!(voice && app_data.is_empty());
    let consume = json!({
        "consumerTransportId": ID, "producerId": ID, "rtpCapabilities": {"codecs": []},
    });
    assert_eq!(
        asked("consume", &consume),
        PeerRequest::Consume {
            transport: Some(TransportId::from_u128(1)),
            producer: ProducerId::from_u128(1),
            rtp_capabilities: Some(RtpCapabilities::default()),
            paused: false,
            layers: Some(LAYERS),
            numbers: None,
        }
    );
    let connect = json!({"transport_id": ID, "dtlsParameters":
        {"fingerprints": [{"algorithm": "sha-256", "value": "AB"}]}});
    assert!(matches!(
        asked("connectTransport", &connect),
        PeerRequest::ConnectWebRtcTransport { .. }
    ));
    assert_eq!(
        asked("producerClosed", &json!({"producer_id": ID})),
        PeerRequest::CloseProducer {
            producer: ProducerId::from_u128(1)
        }
    );
}

#[test]
fn whatever_else_is_said_is_refused() {
    for (event, data) in [
        ("unknown", json!({})),
        ("createRoom", json!({})),
        ("createRoom", json!({"room_id": 7})),
        ("join", json!([])),
        ("connectTransport", json!({"transport_id": ID})),
        (
            "consume",
            json!({"consumerTransportId": ID, "producerId": ID}),
        ),
    ] {
        let err = say(event, &data).expect_err("cannot be meant");
        assert_eq!(err.kind, ErrorKind::BadRequest, "{event} {data}");
        assert!(err.reason.contains(event), "{err}");
    }
    let err = say("producerClosed", &json!({"producer_id": "x"})).expect_err("is none");
    assert_eq!(err.kind, ErrorKind::NotFound);
    for text in ["", "[]", "{}", "[1]", "null", "[\"join\"", "[[\"join\"]]"] {
        assert!(Spoken::new(text).decode().is_err(), "{text}");
    }
}

#[test]
fn a_namespace_may_be_in_the_address() {
    let of = |query| namespace(query);
    assert_eq!(of(Some("EIO=4&namespace=a%20b")), Some("a b".to_owned()));
    assert_eq!(of(Some("EIO=4&transport=polling")), None);
    assert_eq!(of(None), None);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\[?\"?(join|consume|produce|x)?\"?,?[\\[\\]{}\",:a-zA-Z0-9\\\\ ]{0,80}") {
        let _ = Spoken::new(&text).decode();
    }
}
