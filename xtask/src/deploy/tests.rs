use super::*;

const PAGE: &str = "\
Words.

| Metric | Type | Labels | What |
| --- | --- | --- | --- |
| `a_bytes_total` | counter | `direction` (in, out); `worker` | Bytes. |
| `a_delay_seconds` | histogram | `worker` | Delay. |
| `a_up` | gauge |  | Up. |
";

fn problems(text: &str) -> Vec<String> {
    let metrics = table::parse(PAGE).expect("well-formed");
    expression::check(&metrics, text)
}

#[test]
fn what_makes_sense_passes() {
    for text in [
        "a_up",
        "a_up == 0 or absent(a_up)",
        "sum by (worker, direction) (rate(a_bytes_total{direction=\"in\"}[5m])) * 8",
        "sum(rate(a_bytes_total{job=\"x\", direction=~\"in|out\"}[$__rate_interval])) > 1e6",
        "histogram_quantile(0.99, sum by (le) (rate(a_delay_seconds_bucket[5m]))) > 0.05",
        "rate(a_delay_seconds_sum[5m]) / rate(a_delay_seconds_count[5m])",
        "a_up{worker!~\"$worker\"}",
    ] {
        // The last one asks for a label that the metric does not have.
        let expected = usize::from(text.contains("$worker"));
        assert_eq!(
            problems(text).len(),
            expected,
            "{text}: {:?}",
            problems(text)
        );
    }
}

#[test]
fn what_does_not_is_named() {
    for (text, words) in [
        ("b_up", "no node exports b_up"),
        ("rate(a_bytes[5m])", "no node exports a_bytes"),
        ("a_delay_seconds", "no node exports a_delay_seconds"),
        ("a_bytes_total > 5", "only grows"),
        ("rate(a_bytes_total{direction=\"up\"}[5m])", "never up"),
        ("rate(a_bytes_total{kind=\"up\"}[5m])", "no label kind"),
        ("sum by (kind) (a_up)", "no metric has a label kind"),
        ("smu(a_up)", "unknown function smu"),
        ("sum(a_up", ") is missing"),
        ("a_up)", "unexpected )"),
        ("1 > 0", "uses no metric"),
    ] {
        let problems = problems(text).join(", ");
        assert!(problems.contains(words), "{text}: {problems}");
    }
}

#[test]
fn rules_must_be_whole() {
    let rule = "\
groups:
  - name: plenum
    rules:
      - alert: Down
        expr: 'a_up == 0'
        for: 1m
        labels:
          severity: critical
        annotations:
          summary: It''s down
          description: 'Look: it is down.'
";
    let named = rules::expressions(rule).expect("whole");
    assert_eq!(
        (named[0].name.as_str(), named[0].text.as_str()),
        ("Down", "a_up == 0")
    );
    for (from, to) in [
        ("        for: 1m\n", ""),
        ("critical", "terrible"),
        ("          summary: It''s down\n", ""),
        ("expr: 'a_up == 0'", "expr: {a}"),
        ("        labels:", "        lables:"),
    ] {
        assert!(rules::expressions(&rule.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn the_files_of_the_repository_are_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace");
    let report = check(root).expect("sound");
    assert!(report.expressions > 20 && report.metrics > 20);
}
