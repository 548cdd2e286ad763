//! Workers that are full, hang, die, and die again.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, join, produce_audio},
    node::{Node, PATIENCE, all_gone, signal},
};

async fn pid(node: &Node, worker: usize) -> i32 {
    let stats = node
        .stats_when(|stats| stats["workers"][worker]["pid"].is_u64())
        .await;
    let pid = stats["workers"][worker]["pid"].as_i64().expect("checked");
    i32::try_from(pid).expect("process ids are small")
}

/// `/stats` once another process than `old` runs.
async fn replaced(node: &Node, worker: usize, old: i32) -> Value {
    node.stats_when(|stats| {
        let pid = stats["workers"][worker]["pid"].as_i64();
        pid.is_some_and(|pid| pid != i64::from(old))
    })
    .await
}

/// Open descriptors and living or unburied children of the node.
fn possessions(node: &Node) -> (usize, usize) {
    let pid = node.pid();
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives");
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
    let children = tasks.filter_map(|task| {
        let path = task.ok()?.path().join("children");
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.split_ascii_whitespace().count())
    });
    (descriptors.count(), children.sum())
}

/// Waits for a state of descriptors and children: connections take a moment to be forgotten.
async fn possesses(node: &Node, expected: (usize, usize)) {
    for _ in 0..2000 {
        if possessions(node) == expected {
            return;
        }
        // Each exchange lets the node finish some of what it has begun.
        node.get("/healthz").await;
    }
    panic!("{:?}, not {expected:?}", possessions(node));
}

#[tokio::test]
async fn a_full_worker_takes_no_new_rooms_but_more_peers() {
    let node = Node::start_with(&["--set", "workers.max_consumers=1"]).await;
    let mut ada = Client::connect(node.port, "a", "ada").await;
    let session = join(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;
    let mut bob = Client::connect(node.port, "a", "bob").await;
    join(&mut bob, "Bob").await;
    let stats = node
        .stats_when(|stats| stats["placements"]["a"]["workerId"].is_u64())
        .await;
    let full = stats["placements"]["a"]["workerId"]
        .as_u64()
        .expect("placed");
    let index = usize::try_from(full).expect("small");
    node.stats_when(|stats| stats["workers"][index]["full"] == "consumers")
        .await;

    let mut rooms = Vec::new();
    for name in ["b", "c", "d"] {
        let mut eve = Client::connect(node.port, name, "eve").await;
        join(&mut eve, "Eve").await;
        rooms.push(eve);
    }
    let mut carol = Client::connect(node.port, "a", "carol").await;
    join(&mut carol, "Carol").await;
    let stats = node.get_json("/stats").await;
    assert_eq!(stats["workers"][index]["roomCount"], 1, "{stats}");
    assert_eq!(stats["workers"][index]["limits"]["consumers"], 1);
    let reason = stats["placements"]["d"]["reason"].as_str().expect("text");
    let words = format!("worker {full} is full (consumers)");
    assert!(reason.contains(&words), "{reason}");
}

#[tokio::test]
async fn a_room_whose_workers_are_all_full_refuses_further_peers_for_now() {
    let node = Node::start_workers(1, &["--set", "workers.max_consumers=1"]).await;
    let mut ada = Client::connect(node.port, "a", "ada").await;
    let session = join(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;
    let mut bob = Client::connect(node.port, "a", "bob").await;
    join(&mut bob, "Bob").await;
    let refused = Client::try_connect(node.port, "/?roomId=a&peerId=carol", Some("protoo")).await;
    let Err(Error::Http(response)) = refused else {
        panic!("{:?}", refused.map(|_| "accepted"));
    };
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let body: Value =
        serde_json::from_slice(response.body().as_deref().expect("a body")).expect("JSON");
    assert_eq!(body["retryable"], true);
    let reason = body["reason"].as_str().expect("text");
    assert!(
        reason.contains("this room") && reason.contains("consumers"),
        "{reason}"
    );
    // There is room again when somebody has left, and the worker's next heartbeat has told of it.
    bob.leave().await;
    let again = async {
        loop {
            let target = "/?roomId=a&peerId=carol";
            if let Ok(carol) = Client::try_connect(node.port, target, Some("protoo")).await {
                break carol;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut carol = timeout(PATIENCE, again).await.expect("let in at last");
    join(&mut carol, "Carol").await;
}

#[tokio::test]
async fn a_full_node_refuses_new_rooms_for_now() {
    let node = Node::start_with(&["--set", "workers.max_memory_mib=1"]).await;
    node.stats_when(|stats| {
        let mut workers = stats["workers"].as_array().expect("a list").iter();
        workers.all(|worker| worker["full"] == "memory")
    })
    .await;
    let refused = Client::try_connect(node.port, "/?roomId=r&peerId=p", Some("protoo")).await;
    let Err(Error::Http(response)) = refused else {
        panic!("{:?}", refused.map(|_| "accepted"));
    };
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let reason = response.headers()["x-websocket-reject-reason"].to_str();
    assert!(reason.expect("text").contains("full"));
    let body: Value =
        serde_json::from_slice(response.body().as_deref().expect("a body")).expect("JSON");
    assert_eq!(
        (&body["code"], &body["retryable"]),
        (&json!(503), &json!(true))
    );
    // It is there for those who have a room.
    assert_eq!(node.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed_and_replaced() {
    let node = Node::start().await;
    let before = pid(&node, 1).await;
    let mut ada = Client::connect(node.port, "a", "ada").await;
    join(&mut ada, "Ada").await;
    let mut bob = Client::connect(node.port, "b", "bob").await;
    join(&mut bob, "Bob").await;
    let stats = node.get_json("/stats").await;
    let lost = usize::from(stats["distribution"]["1"][0] == "b");
    let (mut victim, mut bystander) = if lost == 1 { (bob, ada) } else { (ada, bob) };
    signal(before, "STOP");
    // Told to come back, and there is a place for it at once.
    let (code, _) = victim.closed().await.expect("closed in good order");
    assert_eq!(code, 1012);
    let mut again = Client::connect(node.port, "again", "victim").await;
    join(&mut again, "Victim").await;
    all_gone(&[before]).await;
    let stats = replaced(&node, 1, before).await;
    let worker = &stats["workers"][1];
    assert_eq!(worker["restarts"], 1);
    let trouble = worker["lastTrouble"].as_str().expect("text");
    assert!(trouble.contains("answered nothing within 2s"), "{trouble}");
    assert!(
        bystander
            .ask("getRouterRtpCapabilities", json!({}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_worker_that_keeps_dying_is_held_and_nothing_leaks() {
    let node = Node::start().await;
    node.get("/healthz").await;
    let (descriptors, children) = possessions(&node);
    assert_eq!(children, 2);
    for round in 0..6 {
        let victim = pid(&node, 0).await;
        signal(victim, "KILL");
        all_gone(&[victim]).await;
        if round < 5 {
            replaced(&node, 0, victim).await;
            possesses(&node, (descriptors, 2)).await;
        }
    }
    let stats = node
        .stats_when(|stats| stats["workers"][0]["state"] == "held")
        .await;
    let worker = &stats["workers"][0];
    assert_eq!(worker["restarts"], 5);
    assert_eq!(
        (&worker["pid"], &worker["closed"]),
        (&Value::Null, &json!(true))
    );
    let trouble = worker["lastTrouble"].as_str().expect("text");
    assert!(trouble.contains("signal: 9"), "{trouble}");
    let (code, body) = node.get("/readyz").await;
    assert_eq!(
        (code, body.contains("\"heldWorkers\":[0]")),
        (200, true),
        "{body}"
    );
    // Its control and packet sockets are gone with it; its media port is kept.
    let (now, children) = possessions(&node);
    assert_eq!(children, 1);
    assert!(now < descriptors, "{now} of {descriptors}");

    let mut ada = Client::connect(node.port, "a", "ada").await;
    join(&mut ada, "Ada").await;
    let stats = node.get_json("/stats").await;
    let reason = stats["placements"]["a"]["reason"].as_str().expect("text");
    assert_eq!(stats["placements"]["a"]["workerId"], 1);
    assert!(reason.contains("worker 0 is gone"), "{reason}");
}

#[tokio::test]
async fn the_figures_of_a_worker_are_all_there() {
    let node = Node::start_with(&["--set", "node.max_egress_mbps=500"]).await;
    let mut ada = Client::connect(node.port, "a", "ada").await;
    join(&mut ada, "Ada").await;
    let stats = node
        .stats_when(|stats| {
            let workers = stats["workers"].as_array().expect("a list").iter();
            workers
                .map(|worker| worker["routers"].as_u64())
                .sum::<Option<u64>>()
                == Some(1)
        })
        .await;
    for worker in stats["workers"].as_array().expect("a list") {
        assert_eq!(worker["state"], "running");
        assert!(worker.get("full").is_none() && worker.get("lastTrouble").is_none());
        for count in [
            "uptime",
            "memory",
            "restarts",
            "transports",
            "producers",
            "consumers",
            "packetsReceived",
            "packetsSent",
            "packetsDropped",
            "bytesReceived",
            "bytesSent",
            "packetsReceivedPerSecond",
            "packetsSentPerSecond",
            "bytesReceivedPerSecond",
            "bytesSentPerSecond",
        ] {
            assert!(worker[count].is_u64(), "{count} in {worker}");
        }
        assert!(worker["groupSize"].is_number() && worker["gso"].is_boolean());
        let limits = json!({
            // Nodes of tests have no limit there.
            "cpuUsage": null,
            "consumers": 10_000,
            "memory": 2048u64 << 20,
            // Half of the node's: there are two workers.
            "bytesSentPerSecond": 250_000_000 / 8,
        });
        assert_eq!(worker["limits"], limits);
    }
    assert!(stats["placements"]["a"]["reason"].is_string());
    let again = node.get_json("/workers").await;
    let keys = |stats: &Value| {
        let keys = stats.as_object().expect("an object").keys();
        keys.cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&again), keys(&stats));
}
