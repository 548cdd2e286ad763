//! What a scrape looks like, and that the page about it is true.

use std::{collections::BTreeMap, fmt::Write as _};

use plenum_host::{NodeFigures, WorkerFigures};

use super::*;

fn figures() -> NodeFigures {
    let mut worker = WorkerFigures::default();
    worker.id = 3;
    worker.state = "held";
    worker.cpu_limit = Some(0.8);
    worker.consumers_limit = Some(10);
    worker.memory_limit = Some(10);
    worker.egress_limit = Some(10);
    worker.totals.bytes_sent = 5_000_000_000;
    worker.totals.group_sizes = [1, 0, 2, 0, 0, 0];
    worker.totals.media.rtp_sent = 11;
    let delays = &mut worker.totals.forwarding_delay;
    delays.add(Duration::from_micros(60), 4);
    delays.add(Duration::from_secs(2), 1);
    let mut node = NodeFigures::default();
    node.rooms = 7;
    node.workers = vec![worker];
    node
}

fn metrics() -> Metrics {
    Metrics::new("1.2.3".into(), "abc".into(), figures)
}

/// One metric of a scrape.
#[derive(Debug, Default)]
struct Found {
    help: String,
    kind: String,
    /// Samples by their full names with labels.
    samples: BTreeMap<String, String>,
}

/// Reads the text as strictly as a scraper does, and more so: every sample belongs to the metric that was announced last.
fn parse(text: &str) -> BTreeMap<String, Found> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("help");
            assert!(!found.contains_key(name), "{name} comes twice");
            current = name.to_owned();
            found.entry(current.clone()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, current);
            found.entry(current.clone()).or_default().kind = kind.to_owned();
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            value.parse::<f64>().expect("a number");
            let metric = found.get_mut(&current).expect("announced");
            let rest = name.strip_prefix(&current).expect("a sample of it");
            let suffix = rest.split('{').next().unwrap_or_default();
            let allowed: &[&str] = match metric.kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_count", "_sum"],
                "info" => &["_info"],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix), "{line}");
            let before = metric.samples.insert(name.to_owned(), value.to_owned());
            assert_eq!(before, None, "{name} comes twice");
        }
    }
    found
}

fn sample(found: &BTreeMap<String, Found>, metric: &str, name: &str) -> f64 {
    let text = &found[metric].samples[name];
    text.parse().expect("a number")
}

#[test]
fn a_scrape_can_be_read_back() {
    let metrics = metrics();
    metrics.note_connections(2);
    metrics.note_refusal(ConnectError::NoWorker);
    metrics.note_stage(Stage::Joined, Duration::from_millis(7));
    let found = parse(&metrics.render());
    for (metric, name, value) in [
        ("plenum_rooms", "plenum_rooms", 7.0),
        (
            "plenum_signalling_connections",
            "plenum_signalling_connections",
            2.0,
        ),
        (
            "plenum_connects_refused",
            "plenum_connects_refused_total{reason=\"no_worker\"}",
            1.0,
        ),
        (
            "plenum_worker_bytes",
            "plenum_worker_bytes_total{worker=\"3\",direction=\"out\"}",
            5e9,
        ),
        (
            "plenum_worker_state",
            "plenum_worker_state{worker=\"3\",state=\"held\"}",
            1.0,
        ),
        ("plenum_worker_up", "plenum_worker_up{worker=\"3\"}", 0.0),
        (
            "plenum_worker_group_size",
            "plenum_worker_group_size_sum{worker=\"3\"}",
            11.0,
        ),
        (
            "plenum_worker_forwarding_delay_seconds",
            "plenum_worker_forwarding_delay_seconds_count{worker=\"3\"}",
            5.0,
        ),
        (
            "plenum_join_stage_seconds",
            "plenum_join_stage_seconds_count{stage=\"joined\"}",
            1.0,
        ),
    ] {
        let is = sample(&found, metric, name);
        assert!((is - value).abs() < 1e-9, "{name} is {is}");
    }
    let build = &found["plenum_build"].samples;
    assert!(build.contains_key("plenum_build_info{version=\"1.2.3\",revision=\"abc\"}"));
}

#[test]
fn buckets_add_up_and_end_without_a_bound() {
    let found = parse(&metrics().render());
    for (metric, bounds) in [
        ("plenum_worker_forwarding_delay_seconds", 13),
        ("plenum_worker_group_size", 7),
    ] {
        let bucket = format!("{metric}_bucket");
        let mut buckets: Vec<_> = found[metric]
            .samples
            .iter()
            .filter(|(name, _)| name.starts_with(&bucket))
            .map(|(name, value)| (bound(name), value.parse::<u64>().expect("a count")))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(buckets.len(), bounds);
        assert!(buckets.is_sorted_by_key(|(_, count)| *count));
        let (last, all) = buckets.last().expect("some");
        assert!(last.is_infinite());
        let count = format!("{metric}_count{{worker=\"3\"}}");
        assert_eq!(all.to_string(), found[metric].samples[&count]);
    }
}

fn bound(name: &str) -> f64 {
    let (_, rest) = name.split_once("le=\"").expect("a bound");
    let text = rest.split('"').next().expect("closed");
    text.parse().expect("a number")
}

/// Labels of a sample.
fn labels(name: &str) -> Vec<(&str, &str)> {
    let Some((_, rest)) = name.split_once('{') else {
        return Vec::new();
    };
    let pairs = rest.trim_end_matches("\"}").split("\",");
    let pairs = pairs.filter_map(|pair| pair.split_once("=\""));
    pairs.filter(|(label, _)| *label != "le").collect()
}

/// Labels of a metric as the page lists them: with their values, where those are words.
fn list_labels(metric: &Found) -> String {
    let mut words: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (label, value) in metric.samples.keys().flat_map(|name| labels(name)) {
        let values = words.entry(label).or_default();
        if !["revision", "version", "worker"].contains(&label) && !values.contains(&value) {
            values.push(value);
        }
    }
    let describe = |(label, mut values): (&str, Vec<&str>)| {
        values.sort_unstable();
        match values.as_slice() {
            [] => format!("`{label}`"),
            values => format!("`{label}` ({})", values.join(", ")),
        }
    };
    let labels: Vec<_> = words.into_iter().map(describe).collect();
    labels.join("; ")
}

/// `docs/metrics.md` has one row for each metric; the board and the alerts are checked against it by `cargo xtask deploy`.
#[test]
fn the_page_lists_every_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/metrics.md");
    let mut table = String::from("| Metric | Type | Labels | What |\n| --- | --- | --- | --- |\n");
    for (name, metric) in parse(&metrics().render()) {
        let suffix = match metric.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let _ = writeln!(
            table,
            "| `{name}{suffix}` | {} | {} | {} |",
            metric.kind,
            list_labels(&metric),
            metric.help
        );
    }
    let page = std::fs::read_to_string(path).expect("the page");
    assert!(
        page.contains(&table),
        "{path} is out of date; its table should be:\n{table}"
    );
}
