//! Namespaces whose rooms are spread in different ways over the same nodes, each in a region of its own.

use std::net::Ipv4Addr;

use serde_json::Value;
use tokio::process::Command;

use super::{CLIENTS, Cluster, until};
use crate::{fast::caller::Caller, node::BINARY, whip::player};

const RULES: &str = r#"
[namespaces.office]
policy = "room"

[namespaces.world]
policy = "user"

[namespaces.hall]
policy = "stream"
gather_from = 3
"#;

/// Whose region no table says.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);

/// Somebody in a region, who comes to its node.
async fn enter(cluster: &Cluster, region: usize, namespace: &str, name: &str) -> Caller {
    let query = format!("room=r&namespace={namespace}&peer={name}");
    let port = cluster.node(region).port;
    let mut caller = Caller::connect_from(port, &query, CLIENTS[region]).await;
    caller.join(name).await;
    caller
}

/// At which node somebody is, and why, as any node says it.
async fn placement(cluster: &Cluster, namespace: &str, name: &str) -> (String, String) {
    let path = format!("/api/v1/rooms/{namespace}/r/peers/{name}/placement");
    until("a place", async || {
        let (code, body) = cluster.node(2).get(&path).await;
        let body: Value = serde_json::from_str(&body).ok().filter(|_| code == 200)?;
        let [place] = body["places"].as_array()?.as_slice() else {
            return None;
        };
        let node = place["node"].as_str()?.to_owned();
        Some((node, place["reasons"].to_string()))
    })
    .await
}

/// Where a node would send somebody, and why.
async fn dispatched(cluster: &Cluster, namespace: &str, from: Ipv4Addr) -> (String, String) {
    let path = format!("/dispatch?room=r&namespace={namespace}&peer=eve");
    let from = from.to_string();
    let headers = [("X-Forwarded-For", from.as_str())];
    let answer = cluster.node(2).http("GET", &path, &headers, "").await;
    assert_eq!(answer.code, 200, "{answer:?}");
    let answer = answer.json();
    let node = answer["node"].as_str().expect("a name").to_owned();
    (node, answer["reasons"].to_string())
}

/// What `plenum why` prints.
async fn why(cluster: &Cluster, namespace: &str, name: &str) -> String {
    let url = format!("http://{}", cluster.node(2).door());
    let output = Command::new(BINARY)
        .args(["why", name, "--room", "r", "--namespace", namespace])
        .args(["--url", &url])
        .output()
        .await
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_namespace_spreads_its_rooms_as_its_rules_say() {
    let rules = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(rules.path(), RULES).expect("written");
    let settings = [format!("cluster.rules={}", rules.path().display())];
    let cluster = Cluster::of(3, &settings).await;
    // The room's second goes where the first one is, or stays near himself.
    for (namespace, policy, node, reason) in [
        ("office", "room", "a", "is the home of the room"),
        ("world", "user", "b", "in the client's region, b"),
    ] {
        let mut ada = enter(&cluster, 0, namespace, "ada").await;
        assert_eq!(placement(&cluster, namespace, "ada").await.0, "a");
        let (to, reasons) = dispatched(&cluster, namespace, CLIENTS[1]).await;
        assert_eq!(to, node, "{namespace}: {reasons}");
        assert!(
            reasons.contains(&format!("the policy is {policy}")),
            "{reasons}"
        );
        assert!(reasons.contains(reason), "{reasons}");
        let bob = enter(&cluster, 1, namespace, "bob").await;
        assert_eq!(ada.notified("peerJoined").await["peer"]["peerId"], "bob");
        let (at, reasons) = placement(&cluster, namespace, "bob").await;
        assert_eq!(at, node, "{namespace}: {reasons}");
        assert!(reasons.contains(reason), "{reasons}");
        let why = why(&cluster, namespace, "bob").await;
        assert!(why.contains(reason), "{why}");
        ada.leave().await;
        bob.leave().await;
    }
    who_only_watches_goes_where_others_watch(&cluster).await;
    cluster.nothing_is_left().await;
}

/// Under `stream` those who send are near themselves. Others gather where most are, from so many on.
async fn who_only_watches_goes_where_others_watch(cluster: &Cluster) {
    let ada = enter(cluster, 0, "hall", "ada").await;
    let bob = enter(cluster, 1, "hall", "bob").await;
    let carl = enter(cluster, 1, "hall", "carl").await;
    let (at, reasons) = dispatched(cluster, "hall", CLIENTS[2]).await;
    assert_eq!(at, "c", "{reasons}");
    assert!(reasons.contains("the policy is stream"), "{reasons}");
    let from = NOWHERE.to_string();
    let headers = [
        ("Content-Type", "application/sdp"),
        ("X-Forwarded-For", from.as_str()),
    ];
    let there = format!("http://{}/", cluster.node(1).door());
    let offer = player();
    until("a player is sent on", async || {
        let path = "/whep/r?namespace=hall";
        let answer = cluster.node(2).http("POST", path, &headers, &offer);
        let answer = answer.await;
        // Until it is known who is where, it is told that nothing is published yet.
        let is_sent_on = answer.code == 307 && answer.header("location").starts_with(&there);
        is_sent_on.then_some(())
    })
    .await;
    for caller in [ada, bob, carl] {
        caller.leave().await;
    }
}
