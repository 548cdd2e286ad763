use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse_value(text: &str) -> Value {
    serde_json::from_str(text).expect("our own output is JSON")
}

#[test]
fn a_request_keeps_its_number_and_its_data_as_text() {
    let text = r#"{"request":true,"id":7,"method":"join","data":{"displayName":"Ada"}}"#;
    assert_eq!(
        Incoming::parse(text),
        Some(Incoming::Request {
            id: 7.into(),
            method: "join".into(),
            data: r#"{"displayName":"Ada"}"#,
        })
    );
}

#[test]
fn missing_or_falsy_data_is_an_empty_object() {
    for data in [
        "",
        r#","data":null"#,
        r#","data":false"#,
        r#","data":0"#,
        r#","data":"""#,
    ] {
        let text = format!(r#"{{"notification":true,"method":"x"{data}}}"#);
        assert_eq!(
            Incoming::parse(&text),
            Some(Incoming::Notification {
                method: "x".into(),
                data: "{}"
            }),
            "{text}"
        );
    }
}

#[test]
fn request_goes_before_response_before_notification_and_flags_may_be_any_truthy_value() {
    let text = r#"{"request":1,"response":true,"notification":true,"id":1.5,"method":"m"}"#;
    assert!(matches!(
        Incoming::parse(text),
        Some(Incoming::Request { .. })
    ));
    let text = r#"{"request":"","response":[0],"notification":true,"id":1,"ok":{}}"#;
    assert_eq!(
        Incoming::parse(text),
        Some(Incoming::Response {
            id: 1,
            result: Ok("{}")
        })
    );
    let text = r#"{"request":null,"response":0,"notification":"yes","method":"m"}"#;
    assert!(matches!(
        Incoming::parse(text),
        Some(Incoming::Notification { .. })
    ));
}

#[test]
fn a_refusal_may_lack_its_code_and_its_reason() {
    let text =
        r#"{"response":true,"id":3,"errorCode":403,"errorReason":"I do not want to consume"}"#;
    assert_eq!(
        Incoming::parse(text),
        Some(Incoming::Response {
            id: 3,
            result: Err(Refusal {
                code: 403,
                reason: "I do not want to consume".into()
            }),
        })
    );
    assert_eq!(
        Incoming::parse(r#"{"response":true,"id":3,"ok":false}"#),
        Some(Incoming::Response {
            id: 3,
            result: Err(Refusal {
                code: 500,
                reason: "".into()
            }),
        })
    );
}

#[test]
fn anything_else_is_ignored() {
    for text in [
        "",
        "null",
        "[]",
        r#"[true,false,false,true,1,"m",{}]"#,
        "{}",
        r#"{"request":true,"method":"m"}"#,
        r#"{"request":true,"id":"1","method":"m"}"#,
        r#"{"request":true,"id":1,"method":2}"#,
        r#"{"request":true,"id":1}"#,
        r#"{"response":true,"id":-1,"ok":true}"#,
        r#"{"response":true,"ok":true}"#,
        r#"{"request":true,"id":1,"method":"m""#,
    ] {
        assert_eq!(Incoming::parse(text), None, "{text}");
    }
}

#[test]
fn our_messages_have_the_members_that_clients_look_for_and_no_others() {
    assert_eq!(
        parse_value(&request(4, "newConsumer", &json!({"id": "c"}))),
        json!({"request": true, "id": 4, "method": "newConsumer", "data": {"id": "c"}})
    );
    assert_eq!(
        parse_value(&ok_response(&4.into(), &json!([]))),
        json!({"response": true, "id": 4, "ok": true, "data": []})
    );
    assert_eq!(
        parse_value(&error_response(&4.into(), 500, "no")),
        json!({"response": true, "id": 4, "errorCode": 500, "errorReason": "no"})
    );
    assert_eq!(
        parse_value(&notification("peerClosed", &json!({"peerId": "p"}))),
        json!({"notification": true, "method": "peerClosed", "data": {"peerId": "p"}})
    );
}

proptest! {
    #[test]
    fn a_written_request_reads_back(id in 0..10_000_000_u64, method in ".*", text in ".*") {
        let data = json!({"text": text});
        let written = request(id, &method, &data);
        let Some(Incoming::Request { id: read_id, method: read_method, data: read_data }) =
            Incoming::parse(&written)
        else {
            return Err(TestCaseError::fail(written));
        };
        prop_assert_eq!(read_id, Number::from(id));
        prop_assert_eq!(read_method, method);
        prop_assert_eq!(parse_value(read_data), data);
    }

    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::fuzz_protoo_message(&bytes);
    }

    #[test]
    fn no_near_miss_panics(
        flags in proptest::collection::vec(
            prop_oneof![Just("true"), Just("0"), Just("null"), Just("\"\""), Just("{"), Just("[1,{}]")],
            5,
        ),
        id in prop_oneof![Just("1"), Just("-1"), Just("1e400"), Just("\"x\""), Just("[]")],
    ) {
        let text = format!(
            r#"{{"request":{},"response":{},"notification":{},"ok":{},"id":{id},"method":"m","data":{}}}"#,
            flags[0], flags[1], flags[2], flags[3], flags[4],
        );
        crate::fuzzing::fuzz_protoo_message(text.as_bytes());
    }
}
