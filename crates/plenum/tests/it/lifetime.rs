//! Who ends with whom.

use crate::{
    client::{Client, join},
    node::{Node, all_gone, is_alive},
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
