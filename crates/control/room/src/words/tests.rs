mod samples;

use std::fmt::Debug;

use plenum_api::error::ErrorKind;
use proptest::prelude::*;
use serde::{Deserialize as _, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Admission, ClientRequest, CloseReason, PeerEvent, PeerReply, PeerRequest, RoomError,
    Subscription,
};
use samples::{CLOSE_REASONS, EVENTS, QUESTIONS, REPLIES, REQUESTS, SUBSCRIPTIONS, Samples};

/// Written and read again it is the same, also with something in it that a newer version has put there.
fn survives<T>(it: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let text = serde_json::to_string(it).expect("plain data");
    let read: T = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{text}: {err}"));
    assert_eq!(read, *it, "{text}");
    let mut value: Value = serde_json::from_str(&text).expect("it was written");
    add_unknown(&mut value);
    let read = T::deserialize(&value).unwrap_or_else(|err| panic!("{value}: {err}"));
    assert_eq!(read, *it, "{value}");
}

/// A field that nobody knows, in the outermost thing that has fields.
fn add_unknown(value: &mut Value) {
    let Value::Object(members) = value else {
        return;
    };
    // What is in there belongs to applications, all of it.
    if members.contains_key("setMetadata") {
        return;
    }
    if members.contains_key("peer") || members.contains_key("code") {
        members.insert("ofANewerVersion".to_owned(), json!({"x": [1]}));
    } else if let Some(Value::Object(body)) = members.values_mut().next()
        && !body.is_empty()
    {
        body.insert("ofANewerVersion".to_owned(), json!({"x": [1]}));
    }
}

proptest! {
    #[test]
    fn requests_arrive_as_they_were_made(seed: u64, variant in 0..REQUESTS) {
        survives(&Samples::new(seed).request(variant));
    }

    #[test]
    fn replies_arrive_as_they_were_made(seed: u64, variant in 0..REPLIES) {
        survives(&Samples::new(seed).reply(variant));
    }

    #[test]
    fn events_arrive_as_they_were_made(seed: u64, variant in 0..EVENTS) {
        survives(&Samples::new(seed).event(variant));
    }

    #[test]
    fn questions_and_those_who_come_in_arrive_as_they_are(seed: u64, variant in 0..QUESTIONS) {
        survives(&Samples::new(seed).question(variant));
        survives(&Samples::new(seed).admission());
        survives(&Samples::new(seed).error());
    }

    #[test]
    fn whatever_comes_is_read_or_refused(text in ".{0,60}", seed: u64, variant in 0..REQUESTS) {
        crate::fuzzing::fuzz_words(text.as_bytes());
        // A piece of something sensible.
        let request = serde_json::to_string(&Samples::new(seed).request(variant)).expect("plain data");
        let cut = usize::try_from(seed).unwrap_or(0) % request.len();
        if let Some(piece) = request.get(..cut) {
            crate::fuzzing::fuzz_words(piece.as_bytes());
        }
        crate::fuzzing::fuzz_words(request.as_bytes());
    }
}

#[test]
fn the_samples_are_all_there_is() {
    let mut samples = Samples::new(1);
    for variant in 0..REQUESTS {
        survives(&samples.request(variant));
        assert_eq!(samples::request_number(&samples.request(variant)), variant);
    }
    for variant in 0..REPLIES {
        survives(&samples.reply(variant));
        assert_eq!(samples::reply_number(&samples.reply(variant)), variant);
    }
    for variant in 0..EVENTS {
        survives(&samples.event(variant));
        assert_eq!(samples::event_number(&samples.event(variant)), variant);
    }
    for variant in 0..QUESTIONS {
        survives(&samples.question(variant));
    }
    for subscription in SUBSCRIPTIONS {
        survives(&subscription);
    }
    for reason in CLOSE_REASONS {
        survives(&reason);
        survives(&RoomError::ending(ErrorKind::Forbidden, reason));
    }
    for kind in ErrorKind::ALL {
        survives(&RoomError::new(kind, "no"));
    }
}

#[test]
fn words_of_a_newer_version_are_refused_and_not_mistaken() {
    for unknown in [
        json!("fly"),
        json!({"fly": {"to": "the moon"}}),
        json!({"closeRoom": {}, "fly": null}),
        json!({"subscribe": {"subscription": {"byMood": "happy"}}}),
        json!({"setRole": {"peer": "p", "role": "emperor"}}),
        json!(null),
        json!([]),
    ] {
        assert!(PeerRequest::deserialize(&unknown).is_err(), "{unknown}");
        assert!(PeerReply::deserialize(&unknown).is_err(), "{unknown}");
        assert!(PeerEvent::deserialize(&unknown).is_err(), "{unknown}");
        assert!(ClientRequest::deserialize(&unknown).is_err(), "{unknown}");
    }
    let admission = Samples::new(3).admission();
    let mut admission = serde_json::to_value(&admission).expect("plain data");
    admission["door"] = json!("telegraph");
    assert!(Admission::deserialize(&admission).is_err());
}

#[test]
fn ends_and_refusals_of_a_newer_version_are_understood_as_far_as_it_goes() {
    let reason: CloseReason = serde_json::from_value(json!("tooLoud")).expect("a word");
    assert_eq!(reason, CloseReason::RoomClosed);
    let kind = |code: u32| {
        let json = json!({"code": code, "reason": "no"});
        RoomError::deserialize(&json).map(|error| error.kind)
    };
    assert_eq!(kind(451).ok(), Some(ErrorKind::BadRequest));
    assert_eq!(kind(507).ok(), Some(ErrorKind::Internal));
    assert!(kind(70_000).is_err());
    let subscription = Subscription::deserialize(&json!("speakers"));
    assert!(subscription.is_err(), "how many?");
}

#[test]
fn a_key_of_the_wrong_length_is_none() {
    let request = json!({"connectPlainTransport": {
        "transport": "00000000-0000-0000-0000-000000000007",
        "remote": null,
        "srtp": {"suite": "AeadAes128Gcm", "key": [1, 2, 3]},
    }});
    assert!(PeerRequest::deserialize(&request).is_err());
}
