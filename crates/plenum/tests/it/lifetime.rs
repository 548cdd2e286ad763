//! Who ends with whom.

use std::os::unix::net::UnixDatagram;

use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, join},
    node::{Node, PATIENCE, all_gone, command, is_alive, rtc_ports},
};

#[tokio::test]
async fn workers_end_with_their_node_however_it_ends() {
    for name in ["TERM", "INT", "KILL"] {
        let mut node = Node::start().await;
        let workers = node.worker_pids().await;
        assert_eq!(workers.len(), 2);
        assert!(workers.iter().all(|pid| is_alive(*pid)));
        node.signal(name);
        let status = node.ended().await;
        assert_eq!(status.success(), name != "KILL", "{name}: {status}");
        all_gone(&workers).await;
    }
}

#[tokio::test]
async fn clients_are_told_to_come_back_when_the_node_stops() {
    let mut node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    join(&mut ada, "Ada").await;
    node.signal("TERM");
    let (code, _) = ada.closed().await.expect("closed in good order");
    assert_eq!(code, 1012);
    assert!(node.ended().await.success());
}

#[tokio::test]
async fn a_client_that_does_not_say_goodbye_does_not_keep_the_node() {
    let mut node = Node::start().await;
    let workers = node.worker_pids().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    join(&mut ada, "Ada").await;
    // Nothing reads from it any more: the close frame stays unanswered.
    node.signal("INT");
    assert!(node.ended().await.success());
    all_gone(&workers).await;
    drop(ada);
}

#[tokio::test]
async fn a_dead_worker_takes_only_its_rooms_and_their_peers_may_come_back() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "a", "ada").await;
    join(&mut ada, "Ada").await;
    let mut bob = Client::connect(node.port, "b", "bob").await;
    join(&mut bob, "Bob").await;
    let stats = node.get_json("/stats").await;
    let victim = usize::from(stats["distribution"]["0"][0] != "a");
    let pid = stats["workers"][victim]["pid"].as_i64().expect("alive");
    crate::node::signal(i32::try_from(pid).expect("small"), "KILL");
    let closed = ada.closed().await;
    assert!(
        closed.as_ref().is_none_or(|(code, _)| *code != 4000),
        "{closed:?}"
    );
    // The other room noticed nothing.
    let capabilities = bob
        .ask("getRouterRtpCapabilities", serde_json::json!({}))
        .await;
    assert!(capabilities.is_ok());
    let mut again = Client::connect(node.port, "a", "ada").await;
    join(&mut again, "Ada").await;
    node.stats_when(|stats| {
        let worker = &stats["workers"][victim];
        worker["closed"] == false && worker["pid"].as_i64().is_some_and(|new| new != pid)
    })
    .await;
}

async fn draining() -> (Node, Client) {
    let node = Node::start_with(&["--set", "node.drain_timeout_s=3600"]).await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    join(&mut ada, "Ada").await;
    node.signal("TERM");
    while node.get("/readyz").await.0 != 503 {
        tokio::task::yield_now().await;
    }
    (node, ada)
}

#[tokio::test]
async fn a_node_that_drains_lets_nobody_in_and_ends_with_its_last_call() {
    let (mut node, mut ada) = draining().await;
    let refused = Client::try_connect(node.port, "/?roomId=room&peerId=eve", Some("protoo")).await;
    let Err(Error::Http(response)) = refused else {
        panic!("{:?}", refused.map(|_| "accepted"));
    };
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let (_, metrics) = node.get("/metrics").await;
    assert!(metrics.contains("plenum_draining 1"), "{metrics}");
    // The call goes on.
    let capabilities = ada.ask("getRouterRtpCapabilities", json!({})).await;
    assert!(capabilities.is_ok());
    ada.leave().await;
    assert!(node.ended().await.success());
}

#[tokio::test]
async fn clients_who_understand_it_are_told_that_the_node_will_end() {
    let mut node = Node::start_with(&["--set", "node.drain_timeout_s=3600"]).await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let able = json!({
        "displayName": "Ada",
        "device": {},
        "plenum": {"migrate": true},
    });
    ada.ask("join", able.clone()).await.expect("joins");
    // Who joins while the node drains is told then.
    let mut bea = Client::connect(node.port, "room", "bea").await;
    node.signal("TERM");
    let told = ada.notified("draining").await;
    assert_eq!(told, json!({"seconds": 3600}));
    bea.ask("join", able).await.expect("joins");
    bea.notified("draining").await;
    ada.leave().await;
    bea.leave().await;
    assert!(node.ended().await.success());
}

#[tokio::test]
async fn a_second_signal_ends_a_node_that_drains() {
    let (mut node, mut ada) = draining().await;
    node.signal("TERM");
    let (code, _) = ada.closed().await.expect("closed in good order");
    assert_eq!(code, 1012);
    assert!(node.ended().await.success());
}

#[tokio::test]
async fn the_service_manager_hears_how_the_node_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("bound");
    manager.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let hear = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).expect("in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut child = command()
        .args(["serve", "--port", "0", "--workers", "2"])
        .args(rtc_ports(2))
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .spawn()
        .expect("the binary was built for this test");
    assert!(hear().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    let pid = i32::try_from(child.id().expect("runs")).expect("small");
    crate::node::signal(pid, "TERM");
    while !hear().starts_with("STOPPING=1\n") {}
    assert!(child.wait().await.expect("ours").success());
}
