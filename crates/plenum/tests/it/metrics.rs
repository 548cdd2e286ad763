//! What a node tells Prometheus.

use std::net::TcpListener;

use tokio::time::Instant;

use crate::{
    client::{Client, join, produce_audio},
    node::{Node, PATIENCE, raw_get, signal},
};

/// The sum of all series of a metric that have these labels.
fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    text.lines()
        .filter(|line| {
            let rest = line.strip_prefix(name);
            let whole = rest.is_some_and(|rest| rest.starts_with([' ', '{']));
            whole && labels.iter().all(|label| line.contains(label))
        })
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// `/metrics` as soon as it satisfies a condition.
async fn metrics_when(node: &Node, condition: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (code, text) = node.get("/metrics").await;
        assert_eq!(code, 200);
        if condition(&text) {
            return text;
        }
        assert!(Instant::now() < deadline, "never came true: {text}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_is_counted() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "a", "ada").await;
    let session = join(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;
    let mut bob = Client::connect(node.port, "a", "bob").await;
    join(&mut bob, "Bob").await;
    bob.asked("newConsumer").await;

    // Worker figures come with the next heartbeat.
    let consumers = |text: &str| sum(text, "plenum_worker_consumers", &[]);
    let text = metrics_when(&node, |text| consumers(text) >= 1.0).await;
    for (name, labels, value) in [
        ("plenum_rooms", "", 1.0),
        ("plenum_peers", "", 2.0),
        ("plenum_ready", "", 1.0),
        ("plenum_signalling_connections", "", 2.0),
        ("plenum_sessions_opened_total", "", 2.0),
        ("plenum_worker_up", "", 2.0),
        ("plenum_worker_rooms", "", 1.0),
        ("plenum_worker_routers", "", 1.0),
        ("plenum_worker_transports", "", 4.0),
        ("plenum_worker_producers", "", 1.0),
        ("plenum_worker_consumers", "", 1.0),
        ("plenum_worker_state", "state=\"running\"", 2.0),
        ("plenum_join_stage_seconds_count", "stage=\"joined\"", 2.0),
        (
            "plenum_join_stage_seconds_count",
            "stage=\"transport\"",
            2.0,
        ),
        (
            "plenum_join_stage_seconds_count",
            "stage=\"first_media\"",
            0.0,
        ),
    ] {
        let is = sum(&text, name, &[labels]);
        assert!((is - value).abs() < 1e-9, "{name} {labels} is {is}: {text}");
    }
    for name in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "plenum_worker_memory_bytes",
        "plenum_worker_open_fds",
    ] {
        assert!(sum(&text, name, &[]) > 0.0, "{name}: {text}");
    }
    // No label grows with what people do.
    for name in ["ada", "Bob", "\"a\""] {
        assert!(!text.contains(name), "{name}: {text}");
    }

    bob.leave().await;
    ada.leave().await;
    metrics_when(&node, |text| {
        sum(text, "plenum_peers", &[]) + sum(text, "plenum_rooms", &[]) < 0.5
    })
    .await;
}

#[tokio::test]
async fn counters_outlive_a_worker() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "a", "ada").await;
    join(&mut ada, "Ada").await;
    let cpu = |text: &str| sum(text, "plenum_worker_cpu_seconds_total", &[]);
    let before = metrics_when(&node, |text| cpu(text) > 0.0).await;
    for pid in node.worker_pids().await {
        signal(pid, "KILL");
    }
    let restarts = |text: &str| sum(text, "plenum_worker_restarts_total", &[]);
    let after = metrics_when(&node, |text| restarts(text) > 1.5).await;
    assert!(cpu(&after) >= cpu(&before), "{before} {after}");
}

#[tokio::test]
async fn metrics_can_have_a_port_of_their_own_or_none() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let node = Node::start_with(&["--set", &format!("metrics.port={port}")]).await;
    let text = raw_get(port, "/metrics").await;
    assert!(text.contains("plenum_ready 1"), "{text}");
    assert!(text.contains("application/openmetrics-text"), "{text}");
    assert!(raw_get(port, "/stats").await.starts_with("HTTP/1.1 404"));
    // The page stands for whatever is not there.
    assert!(!node.get("/metrics").await.1.contains("plenum_ready"));

    let node = Node::start_with(&["--set", "metrics.enabled=false"]).await;
    assert!(!node.get("/metrics").await.1.contains("plenum_ready"));
}
