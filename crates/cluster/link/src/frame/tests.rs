use proptest::prelude::*;
use serde_json::json;

use super::*;

const LIMIT: usize = 1000;

fn frames(decoder: &mut Decoder) -> Result<Vec<Frame<'static>>, FrameError> {
    let mut found = Vec::new();
    while let Some(frame) = decoder.next_frame()? {
        found.push(parse(frame)?);
    }
    Ok(found)
}

fn parsed(json: &str) -> Result<Frame<'static>, FrameError> {
    parse(json.as_bytes())
}

#[test]
fn fields_and_kinds_of_other_versions_are_passed_over() {
    let known = r#"{"kind":"ping","number":3,"colour":{"deep":[1,2]}}"#;
    assert_eq!(parsed(known).expect("known"), Frame::Ping { number: 3 });
    for unknown in [
        r#"{"kind":"dance"}"#,
        r#"{"steps":[{"a":1}],"kind":"dance","number":"three"}"#,
    ] {
        assert_eq!(parsed(unknown).expect("passed over"), Frame::Unknown);
    }
    let goodbye = r#"{"kind":"goodbye","code":"bored"}"#;
    let code = Goodbye::Other;
    assert_eq!(
        parsed(goodbye).expect("some goodbye"),
        Frame::Goodbye { code, by: None }
    );
}

#[test]
fn what_is_no_frame_is_refused() {
    for json in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"kind":1}"#,
        r#"{"kind":"ping"}"#,
        r#"{"kind":"ping","number":-1}"#,
        r#"{"kind":"ping","number":1}x"#,
    ] {
        assert!(parsed(json).is_err(), "{json}");
    }
    let deep = format!(
        r#"{{"kind":"message","channel":1,"body":{}"#,
        "[".repeat(100_000)
    );
    assert!(parsed(&deep).is_err());
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() {
    let mut decoder = Decoder::new(LIMIT);
    decoder.feed(&(LIMIT as u32 + 1).to_be_bytes());
    assert!(matches!(
        decoder.next_frame(),
        Err(FrameError::TooLarge { length }) if length == LIMIT + 1
    ));
    let long = "x".repeat(LIMIT);
    let frame = Frame::Notice {
        method: long.into(),
        body: Cow::Owned(Value::Null),
    };
    assert!(matches!(
        encode(&frame, LIMIT),
        Err(FrameError::TooLarge { .. })
    ));
}

#[test]
fn memory_of_a_large_frame_is_given_back() {
    let mut decoder = Decoder::new(1 << 20);
    let method = "x".repeat(1 << 19);
    let body = Cow::Owned(json!(null));
    let large = Frame::Notice {
        method: method.into(),
        body,
    };
    decoder.feed(&encode(&large, 1 << 20).expect("short enough"));
    assert_eq!(frames(&mut decoder).expect("a frame"), [large]);
    decoder.feed(&[0]);
    assert!(decoder.buffer.capacity() <= KEPT_BYTES);
}

fn any_frame() -> impl Strategy<Value = Frame<'static>> {
    let body = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        ".{0,5}".prop_map(|key| json!({ key: [true, {}] })),
    ];
    let body = body.prop_map(Cow::Owned);
    let text = ".{0,20}".prop_map(Cow::<str>::Owned);
    prop_oneof![
        any::<u64>().prop_map(|id| Frame::Busy { id }),
        (any::<u64>(), any::<u64>()).prop_map(|(channel, bytes)| Frame::Credit { channel, bytes }),
        any::<u64>().prop_map(|number| Frame::Ping { number }),
        (any::<u64>(), body.clone()).prop_map(|(id, body)| Frame::Response { id, body }),
        (any::<u64>(), text, body, any::<Option<u64>>()).prop_map(
            |(id, method, body, within_ms)| {
                Frame::Request {
                    id,
                    method,
                    body,
                    within_ms,
                }
            }
        ),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_pieces_of_any_size(
        sent in prop::collection::vec(any_frame(), 0..10),
        size in 1..200_usize,
    ) {
        let mut bytes = Vec::new();
        for frame in &sent {
            bytes.extend(encode(frame, LIMIT).expect("short enough"));
        }
        let mut decoder = Decoder::new(LIMIT);
        let mut heard = Vec::new();
        for piece in bytes.chunks(size) {
            decoder.feed(piece);
            heard.extend(frames(&mut decoder).expect("well-formed"));
        }
        prop_assert_eq!(heard, sent);
        prop_assert_eq!(decoder.waiting(), 0);
    }

    #[test]
    fn any_bytes_are_frames_or_refused_and_no_more_than_a_frame_is_kept(
        bytes in prop::collection::vec(any::<u8>(), 0..5000),
        size in 1..500_usize,
    ) {
        let mut decoder = Decoder::new(LIMIT);
        for piece in bytes.chunks(size) {
            decoder.feed(piece);
            if frames(&mut decoder).is_err() {
                break;
            }
            prop_assert!(decoder.waiting() < LIMIT + LENGTH_BYTES);
        }
    }
}
