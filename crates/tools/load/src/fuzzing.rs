//! Entry points for fuzzing: whatever the bytes, these return.

use serde_json::json;

use crate::{assertion::Assertion, exposition};

/// A text is an assertion that reads back as itself, or is refused; it can be judged with any report.
pub fn fuzz_assertion(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(assertion) = text.parse::<Assertion>() else {
        return;
    };
    let plain = assertion.to_string();
    let again: Assertion = plain.parse().expect("what is written can be read");
    assert_eq!(again.to_string(), plain);
    let report = json!({
        "join": { "last_answer_ms": { "p99": 12.5 }, "messages_ms": {} },
        "errors": { "timeout": 2 }, "server": [1, { "a": null }], "saturated": true,
    });
    let _ = assertion.check(&report);
    let verdict = assertion.judge(&report);
    assert!(!verdict.holds || verdict.measured.is_some());
}

/// What a node, or somebody else at its address, calls its metrics.
pub fn fuzz_metrics(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        assert!(exposition::parse(text).workers.len() <= exposition::MAX_WORKERS);
    }
}
