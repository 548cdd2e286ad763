//! Entry points for fuzzers: none may panic, whatever the input.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Admission, ClientRequest, PeerEvent, PeerReply, PeerRequest, RoomError};

/// Reads the input as each of the things that a session and its room say to each other over two nodes. What is understood
/// is the same when it is written and read again.
pub fn fuzz_words(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    check::<Admission>(&json);
    check::<ClientRequest>(&json);
    check::<PeerEvent>(&json);
    check::<PeerReply>(&json);
    check::<PeerRequest>(&json);
    check::<RoomError>(&json);
}

fn check<T: Serialize + DeserializeOwned>(json: &Value) {
    let Ok(read) = T::deserialize(json) else {
        return;
    };
    let written = serde_json::to_value(&read).expect("words are plain data");
    let again = T::deserialize(&written).expect("it was read before");
    let again = serde_json::to_value(&again).expect("words are plain data");
    assert_eq!(again, written);
}
