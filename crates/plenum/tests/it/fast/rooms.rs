//! Rooms that move, and what hosts decide.

use serde_json::json;

use super::caller::Caller;
use crate::{
    client::chromium_audio,
    node::{Node, signal},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_moves_welcomes_again_and_lets_go_of_the_old_one() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    let produce = ada.produce_data("audio", &chromium_audio(1111));
    let produced = ada.ask("produce", produce).await.expect("produces");
    let mut bob = Caller::connect(node.port, "room", "bob").await;
    bob.join("Bob").await;
    let stats = node.get_json("/stats").await;
    let worker = &stats["placements"]["room"]["workerId"];
    let drain = format!("/api/v1/workers/{worker}/drain");
    let token = ada.welcome["session"]["token"].clone();
    // The socket is lost just when the room moves.
    ada.cut();
    assert_eq!(node.admin("POST", &drain, "").await.0, 202);
    ada.resume().await;
    let migrate = ada.notified("migrate").await;
    assert_eq!(
        (&migrate["reason"], &migrate["makeBeforeBreak"]),
        (&json!("maintenance"), &json!(true))
    );
    let before = std::mem::replace(&mut ada.welcome, migrate["welcome"].clone());
    assert_eq!(ada.welcome["session"]["token"], token);
    assert_ne!(ada.welcome["transports"], before["transports"]);
    let joined = ada.join("Ada").await;
    assert_eq!(joined["role"], "host");
    let mut produce = ada.produce_data("audio", &chromium_audio(1111));
    produce["producerId"] = produced["producerId"].clone();
    assert_eq!(ada.ask("produce", produce).await, Ok(produced));
    // Nobody has a role for good because of a move: when the host leaves, the next one is host.
    bob.welcome = bob.notified("migrate").await["welcome"].clone();
    assert_eq!(bob.join("Bob").await["role"], "speaker");
    bob.request("migrated", json!({})).await;
    assert_eq!(ada.ask("migrated", json!({})).await, Ok(json!({})));
    node.stats_when(|stats| stats["placements"]["room"]["workerId"] != *worker)
        .await;
    ada.leave().await;
    loop {
        let changed = bob.notified("peerChanged").await;
        if changed == json!({"peerId": "bob", "role": "host"}) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_whose_worker_dies_is_joined_again_on_the_same_socket() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    let stats = node.get_json("/stats").await;
    let worker = stats["placements"]["room"]["workerId"]
        .as_u64()
        .expect("placed");
    let pid = stats["workers"][usize::try_from(worker).expect("small")]["pid"].as_i64();
    signal(
        pid.and_then(|pid| i32::try_from(pid).ok()).expect("alive"),
        "KILL",
    );
    let migrate = ada.notified("migrate").await;
    assert_eq!(
        (&migrate["reason"], &migrate["makeBeforeBreak"]),
        (&json!("workerLost"), &json!(false))
    );
    ada.welcome = migrate["welcome"].clone();
    ada.join("Ada").await;
    assert_eq!(ada.ask("migrated", json!({})).await, Ok(json!({})));
}

#[tokio::test]
async fn a_node_that_will_end_says_so() {
    let node = Node::start_with(&["--set", "node.drain_timeout_s=60"]).await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    node.signal("TERM");
    assert_eq!(ada.notified("draining").await, json!({"seconds": 60}));
    node.signal("TERM");
    assert_eq!(ada.closed().await.0, 1012);
}

#[tokio::test]
async fn hosts_let_in_and_send_away() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    assert_eq!(ada.join("Ada").await["role"], "host");
    let room = json!({"lobby": true, "metadata": {"topic": "tea"}, "maxPeers": 5});
    assert_eq!(ada.ask("setRoom", room).await, Ok(json!({})));

    let mut bob = Caller::connect(node.port, "room", "bob").await;
    assert_eq!(bob.welcome["room"]["lobby"], true);
    assert_eq!(bob.welcome["room"]["metadata"], json!({"topic": "tea"}));
    assert_eq!(bob.welcome["room"]["maxPeers"], 5);
    assert_eq!(bob.join("Bob").await, json!({"waiting": true}));
    let knock = ada.notified("knock").await;
    assert_eq!(knock, json!({"peerId": "bob", "displayName": "Bob"}));
    assert_eq!(
        ada.ask("admit", json!({"peerId": "bob"})).await,
        Ok(json!({}))
    );
    let admitted = bob.notified("admitted").await;
    assert_eq!(
        (
            &admitted["peers"][0]["peerId"],
            &admitted["role"],
            &admitted["displayName"]
        ),
        (&json!("ada"), &json!("speaker"), &json!("Bob"))
    );
    assert_eq!(ada.notified("knockGone").await, json!({"peerId": "bob"}));

    let forbidden = bob.ask("kick", json!({"peerId": "ada"})).await;
    assert_eq!(forbidden.expect_err("a speaker").0, 403);
    assert_eq!(
        bob.ask("raiseHand", json!({"raised": true})).await,
        Ok(json!({}))
    );
    let raised = ada.notified("peerChanged").await;
    assert_eq!(raised, json!({"peerId": "bob", "handRaised": true}));
    let produce = bob.produce_data("audio", &chromium_audio(1111));
    let produced = bob.ask("produce", produce).await.expect("produces");
    assert_eq!(ada.ask("mute", json!({})).await, Ok(json!({})));
    assert_eq!(bob.notified("producerMuted").await, produced);
    let role = json!({"peerId": "bob", "role": "listener"});
    assert_eq!(ada.ask("setRole", role).await, Ok(json!({})));
    let grants = bob.notified("grantsChanged").await;
    assert_eq!(grants["grants"]["publish"], json!([]));
    assert_eq!(bob.notified("producerClosed").await, produced);

    let mut eve = Caller::connect(node.port, "room", "eve").await;
    assert_eq!(eve.join("Eve").await, json!({"waiting": true}));
    assert_eq!(
        ada.ask("refuse", json!({"peerId": "eve"})).await,
        Ok(json!({}))
    );
    let ended = |(code, reason): (u16, String)| {
        let (word, _) = reason.split_once(": ").expect("a word");
        (code, word.to_owned())
    };
    assert_eq!(ended(eve.closed().await), (4403, "refused".to_owned()));
    assert_eq!(
        ada.ask("kick", json!({"peerId": "bob"})).await,
        Ok(json!({}))
    );
    assert_eq!(ended(bob.closed().await), (4403, "kicked".to_owned()));
    // Who may not come in hears why in the refusal too.
    let lock = json!({"lobby": false, "locked": true});
    assert_eq!(ada.ask("setRoom", lock).await, Ok(json!({})));
    let mut dan = Caller::connect(node.port, "room", "dan").await;
    let join = dan.join_data("Dan", &dan.any_certificate());
    let (code, reason) = dan.ask("join", join).await.expect_err("locked");
    assert_eq!((code, reason.starts_with("locked: ")), (403, true));
    assert_eq!(ended(dan.closed().await), (4403, "locked".to_owned()));
    assert_eq!(ada.ask("closeRoom", json!({})).await, Ok(json!({})));
    assert_eq!(ended(ada.closed().await), (4000, "roomClosed".to_owned()));
}
