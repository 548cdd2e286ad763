use std::time::Duration;

use plenum_client::Histogram;

use super::*;

fn measured() -> Report {
    let mut figures = Figures::default();
    for number in 1..=100 {
        let time = Duration::from_millis(number);
        figures.last_answer.record(time);
        figures.first_packet.record(time * 2);
        figures.message("join", time / 2);
        figures.begun += 1;
        figures.joined += 1;
    }
    figures.begun += 1;
    figures.error("timeout", || "the join took too long".to_owned());
    let mut delays = Histogram::new();
    delays.record(Duration::from_micros(700));
    let mut media = MediaFigures::default();
    media.video_delay = delays;
    let mut report = Report {
        duration_s: 10.0,
        complete: true,
        ..Report::default()
    };
    report.take_figures(&figures);
    report.take_media(&media);
    report
}

#[test]
fn the_members_that_programs_rely_on_are_there() {
    let report = serde_json::to_value(measured()).expect("plain");
    for stage in ["last_answer_ms", "first_packet_ms", "first_key_frame_ms"] {
        for percentile in ["p50", "p95", "p99"] {
            assert!(
                report["join"][stage].get(percentile).is_some(),
                "{stage}.{percentile}"
            );
        }
    }
    assert_eq!(report["join"]["last_answer_ms"]["count"], 100);
    assert!(
        report["join"]["last_answer_ms"]["p99"]
            .as_f64()
            .expect("measured")
            > 98.0
    );
    assert!(report["join"]["first_key_frame_ms"]["p99"].is_null());
    assert_eq!(report["errors"]["timeout"], 1);
    assert_eq!(report["saturated"], false);
    assert_eq!(report["peers"]["unfinished"], 1);
    let delay = &report["media"]["forwarding_delay_ms"];
    assert_eq!(delay["count"], 1);
}

#[test]
fn assertions_are_judged_by_the_report() {
    let mut report = measured();
    let assertions = ["join.p99<1s", "first_packet.p50<10ms"].map(|it| it.parse().expect("sound"));
    Report::knows(&assertions).expect("both are there");
    assert!(!report.judge(&assertions));
    assert_eq!(
        report
            .assertions
            .iter()
            .map(|it| it.holds)
            .collect::<Vec<_>>(),
        [true, false]
    );
    assert!(report.text().contains("FAILED"));
    let unknown = ["join.p98<1s"].map(|it| it.parse().expect("well-formed"));
    assert!(Report::knows(&unknown).is_err());
    for text in [
        "server.0.node.cpu<50%",
        "errors.anything==0",
        "join.messages.produce.p50<5ms",
    ] {
        let assertion = [text.parse().expect("well-formed")];
        assert!(Report::knows(&assertion).is_ok(), "{text}");
    }
}

#[test]
fn the_text_says_what_was_measured_and_nothing_else() {
    let text = measured().text();
    assert!(text.contains("join: last answer"), "{text}");
    assert!(!text.contains("first key frame"), "{text}");
    assert!(
        text.contains("1 × timeout, such as: the join took too long"),
        "{text}"
    );
}

#[test]
fn a_curve_rises_to_the_longest() {
    for count in [1, 2, 3, 1000] {
        let mut times = Times::new();
        for number in 1..=count {
            times.record(Duration::from_millis(number));
        }
        let curve = Curve::of("x", &times);
        assert!(curve.points.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
        let last = curve.points.last().expect("one at least");
        assert!((last.1 / count as f64 - 1.0).abs() < 0.01);
    }
}

#[test]
fn what_was_never_sent_is_told_from_what_was_lost_on_the_way() {
    use crate::server::WorkerUsage;
    let mut media = MediaFigures::default();
    media.received.packets = 900;
    media.received.duplicates = 10;
    media.received.lost = 100;
    let never_sent = |packets_out: f64, error: Option<&str>| {
        let mut report = Report::default();
        report.take_media(&media);
        report.take_servers(vec![Server {
            workers: vec![WorkerUsage {
                packets_out,
                ..WorkerUsage::default()
            }],
            error: error.map(str::to_owned),
            ..Server::default()
        }]);
        report.media.received.never_sent
    };
    assert_eq!(never_sent(910.0, None), Some(100));
    assert_eq!(never_sent(940.0, None), Some(70));
    assert_eq!(never_sent(5000.0, None), Some(0));
    // A reading that came too early counts for nothing more.
    assert_eq!(never_sent(800.0, None), Some(100));
    assert_eq!(never_sent(0.0, None), None);
    assert_eq!(never_sent(910.0, Some("refused")), None);
}
