//! Two versions of the program speak to each other.

use plenum_ids::NodeEpoch;
use plenum_link::{LinkEvent, LinkState};
use serde_json::{Value, json};

use crate::support::{Node, SECRET, Stranger, config, secret, until};

fn hello(versions: &Value) -> Value {
    json!({
        "kind": "hello", "versions": versions, "node": "two", "epoch": 3, "build": "9.9.9",
        "mood": { "today": ["fine", 1, null] },
    })
}

#[tokio::test]
async fn fields_and_frames_that_are_not_known_are_passed_over() {
    let node = Node::start("one").await;
    let mut later = Stranger::connect(node.links.address()).await;
    // Before they know each other, too.
    later
        .say(&json!({ "kind": "overture", "of": "something" }))
        .await;
    let versions = json!({ "min": 1, "max": 7, "beta": 8 });
    later.introduce(&hello(&versions), SECRET).await;
    assert_eq!(later.hear().await.expect("said")["node"], "one");
    assert_eq!(later.hear().await.expect("said")["kind"], "proof");
    let welcome = json!({ "kind": "welcome", "version": 1 });
    assert_eq!(later.hear().await, Some(welcome));
    for said in [
        json!({ "kind": "dance", "id": 3, "partner": {} }),
        json!({ "kind": "request", "id": 4, "method": "echo", "body": 5, "priority": "high" }),
        json!({ "kind": "notice", "method": "bare" }),
        json!({ "kind": "request", "id": 6, "method": "echo" }),
    ] {
        later.say(&said).await;
    }
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(later.hear_of("response").await.expect("said"));
    }
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(
        answers[0],
        json!({ "kind": "response", "id": 4, "body": 5 })
    );
    assert_eq!(
        answers[1],
        json!({ "kind": "response", "id": 6, "body": null })
    );
    let (from, method, body) = node.notice().await;
    assert_eq!((from.node.as_str(), from.epoch.0), ("two", 3));
    assert_eq!((method.as_str(), body), ("bare", Value::Null));
    let status = node.status(&"two".into()).expect("a link");
    assert_eq!(status.build.as_deref(), Some("9.9.9"));
    assert_eq!((status.state, status.version), (LinkState::Up, Some(1)));
}

#[tokio::test]
async fn versions_without_a_common_one_are_refused_with_both_named() {
    let node = Node::start("one").await;
    let mut later = Stranger::connect(node.links.address()).await;
    later.say(&hello(&json!({ "min": 2, "max": 3 }))).await;
    let said = later.hear().await.expect("a reason");
    assert_eq!(
        (&said["kind"], &said["code"]),
        (&json!("rejected"), &json!("version"))
    );
    let message = said["message"].as_str().expect("text");
    assert!(
        message.contains("versions 2 to 3") && message.contains("version 1"),
        "{message}"
    );
    until("it is counted", || {
        node.links.listener_figures().failed == 1
    })
    .await;
}

#[tokio::test]
async fn a_goodbye_is_answered_and_what_was_asked_before_it_too() {
    let node = Node::start("one").await;
    let mut other = Stranger::known(node.links.address(), SECRET, "two", 1).await;
    other
        .say(&json!({ "kind": "request", "id": 1, "method": "gated", "body": 1 }))
        .await;
    other
        .say(&json!({ "kind": "goodbye", "code": "bored" }))
        .await;
    assert_eq!(
        other.hear_of("goodbye").await.expect("said")["code"],
        "ended"
    );
    node.host.gate.add_permits(1);
    assert_eq!(other.hear_of("response").await.expect("said")["body"], 1);
    assert_eq!(other.hear_of("anything").await, None, "closed");
}

#[tokio::test]
async fn a_node_is_stale_by_a_later_epoch_only() {
    let node = Node::with(config("one", 5, secret(SECRET))).await;
    let address = node.links.address();
    for by in [4, 5, 6] {
        let mut other = Stranger::known(address, SECRET, "two", by).await;
        other
            .say(&json!({ "kind": "goodbye", "code": "stale_epoch", "by": by }))
            .await;
        assert!(other.hear_of("goodbye").await.is_some());
    }
    // The others made links come and go.
    loop {
        if let LinkEvent::Fenced { by, .. } = node.event().await {
            assert_eq!(by, Some(NodeEpoch(6)));
            return;
        }
    }
}
