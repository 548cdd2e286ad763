use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fuzzing::fuzz_assertion;

fn report() -> Value {
    json!({
        "join": {
            "last_answer_ms": { "count": 10, "p50": 12.0, "p99": 312.4, "p99_9": null },
            "first_packet_ms": { "p95": 80.0 },
            "messages_ms": { "join": { "p99": 7.0 } },
        },
        "media": { "received": { "packets": 1000, "loss_percent": 0.25, "bitrate_bps": 2_500_000 } },
        "peers": { "failed": 0 },
        "errors": { "timeout": 2, "refused": 1 },
        "server": [ { "workers": [ { "cpu_percent": 31.5 } ] } ],
        "saturated": false,
    })
}

fn judge(text: &str) -> Verdict {
    let assertion: Assertion = text.parse().expect("well-formed");
    assertion.check(&report()).expect("known");
    assertion.judge(&report())
}

#[test]
fn figures_are_held_to_what_was_asked_for() {
    for (text, holds) in [
        ("join.p99<300ms", false),
        ("join.p99 < 1s", true),
        ("join.p50<=12ms", true),
        ("join.p50<12000us", false),
        ("join.last_answer_ms.p99>=312.4ms", true),
        ("join.last_answer.p99<0.01m", true),
        ("first_packet.p95<100ms", true),
        ("join.count==10", true),
        ("join.messages.join.p99<10ms", true),
        ("loss<0.5%", true),
        ("media.received.loss == 0%", false),
        ("media.received.bitrate>2M", true),
        ("media.received.packets != 0", true),
        ("failed==0", true),
        ("errors==3", true),
        ("errors.timeout<2", false),
        ("errors.dtls==0", true),
        ("saturated==false", true),
        ("server.0.workers.0.cpu<50%", true),
    ] {
        let verdict = judge(text);
        assert_eq!(verdict.holds, holds, "{}", verdict.message);
    }
}

#[test]
fn who_fails_hears_which_and_by_how_much() {
    let verdict = judge("join.p99<300ms");
    assert_eq!(
        verdict.message,
        "join.last_answer_ms.p99<300ms: it is 312.4ms, which misses it by 12.4ms"
    );
    let verdict = judge("join.p99<0.3s");
    assert!(
        verdict
            .message
            .ends_with("it is 0.312s, which misses it by 0.012s")
    );
    assert!(judge("saturated==true").message.contains("it is false"));
}

#[test]
fn what_was_not_measured_holds_for_nothing() {
    for text in [
        "join.p99.9<1s",
        "join.p99_9>=0",
        "join.messages.produce.p99<1s",
        "server.7.workers.0.cpu<50%",
    ] {
        let verdict = judge(text);
        assert!(!verdict.holds, "{text}");
        assert!(verdict.message.ends_with("nothing was measured"), "{text}");
    }
}

#[test]
fn names_that_no_report_has_are_refused_with_those_that_there_are() {
    for (text, known) in [
        ("jion.p99<1", "errors, join"),
        ("join.last_anwser.p99<1", "last_answer_ms"),
        ("join.last_answer<1", "p50"),
        ("media.received.packets.p99<1", ""),
        ("server.first<1", "a number"),
    ] {
        let assertion: Assertion = text.parse().expect("well-formed");
        let refused = assertion.check(&report()).expect_err(text).to_string();
        assert!(refused.contains(known), "{refused}");
    }
}

#[test]
fn what_is_malformed_is_refused_with_what_is_wrong() {
    for (text, word) in [
        ("", "is missing"),
        ("join.p99", "is missing"),
        ("join.p99=3", "is missing"),
        ("join.p99<", "is no number"),
        ("join.p99<3 parsecs", "is no number"),
        ("join.p99<NaN", "is no number"),
        ("join.p99<infms", "is no number"),
        ("join.p99<1e5", "is no number"),
        ("<3", "is no name"),
        ("join..p99<3", "is no name"),
        ("join p99<3", "is no name"),
    ] {
        let refused = text.parse::<Assertion>().expect_err(text).to_string();
        assert!(refused.contains(word), "{text}: {refused}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        fuzz_assertion(text.as_bytes());
    }

    #[test]
    fn what_is_well_formed_is_read_and_reads_back(
        path in "[a-z_]{1,8}(\\.[a-z0-9_]{1,8}){0,3}",
        op in prop_oneof![Just("<"), Just("<="), Just(">"), Just(">="), Just("=="), Just("!=")],
        number in 0.0..1e6_f64,
        unit in prop_oneof![Just(""), Just("us"), Just("ms"), Just("s"), Just("m"), Just("%"), Just("k"), Just("M"), Just("G")],
        space in " {0,2}",
    ) {
        let text = format!("{path}{space}{op}{space}{number}{unit}");
        let assertion: Assertion = text.parse().expect("well-formed");
        fuzz_assertion(text.as_bytes());
        prop_assert_eq!(assertion.limit.to_bits(), number.to_bits());
    }

    #[test]
    fn an_operator_and_its_opposite_never_both_hold(measured in -1e6..1e6_f64, limit in -1e6..1e6_f64) {
        for (one, other) in [(Op::Below, Op::AtLeast), (Op::Above, Op::AtMost), (Op::Equal, Op::Unequal)] {
            prop_assert_ne!(one.holds(measured, limit), other.holds(measured, limit));
        }
    }
}
