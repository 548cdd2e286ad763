//! From the first words to media.

use std::{collections::HashSet, time::Duration};

use plenum_rtp::RtpHeader;
use serde_json::json;
use tokio::time::{interval, timeout};

use super::caller::Caller;
use crate::{
    bot::media::{Line, stream},
    client::{Client, chromium_audio, chromium_simulcast, join},
    node::{Node, PATIENCE},
    webinar::publisher::Publisher,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_after_two_turns_of_the_client() {
    let node = Node::start().await;
    let _publisher = Publisher::start(node.port, "room").await;
    let mut bob = Caller::connect(node.port, "room", "bob").await;
    let mut line = Line::open(&bob.welcome["transports"]["recv"]).await;
    let transports = bob.certificates([("recv", line.peer.dtls_parameters())]);
    let data = bob.join_data("Bob", &transports);
    bob.request("join", data).await;
    // What is sent right behind it finds somebody who has joined.
    let produce = bob.produce_data("audio", &chromium_audio(1111));
    let produce = bob.request("produce", produce).await;
    assert_eq!(bob.turns, 1);

    let watching = async {
        let (mut expected, mut seen) = (HashSet::new(), HashSet::new());
        let mut turns = interval(Duration::from_millis(20));
        loop {
            line.take_datagrams();
            while let Some(packet) = line.peer.poll_received() {
                seen.insert(RtpHeader::parse(&packet).expect("whole").ssrc);
            }
            line.flush();
            if expected.len() == 2 && expected.is_subset(&seen) {
                return;
            }
            tokio::select! {
                message = bob.next() => {
                    if message["method"] == "newConsumers" {
                        for consumer in message["data"]["consumers"].as_array().expect("a list") {
                            let stream = stream(&consumer["rtpParameters"]);
                            expected.insert(stream.ssrc);
                            line.peer.add_receiver(stream);
                        }
                        bob.accept(message["id"].as_u64().expect("a number")).await;
                    }
                    if message["id"] == produce && message["response"] == true {
                        assert!(message["data"]["producerId"].is_string(), "{message}");
                    }
                }
                _ = line.socket.readable() => {}
                _ = turns.tick() => {}
            }
        }
    };
    timeout(PATIENCE, watching).await.expect("media in time");
    assert!(bob.turns <= 2, "{} turns", bob.turns);
    let metrics = node.get("/metrics").await.1;
    for stage in [
        "transport",
        "join_request",
        "joined",
        "connected",
        "first_media",
    ] {
        let count = format!("plenum_join_stage_seconds_count{{stage=\"{stage}\"}}");
        let line = metrics.lines().find(|line| line.starts_with(&count));
        let count: u64 = line
            .and_then(|line| line.rsplit(' ').next())
            .and_then(|count| count.parse().ok())
            .expect("counted");
        assert!(count >= 1, "{stage}");
    }
}

#[tokio::test]
async fn a_welcome_has_everything_and_a_batch_brings_everything() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    let welcome = &ada.welcome;
    assert_eq!(
        (&welcome["peerId"], &welcome["room"]["name"]),
        (&json!("ada"), &json!("room"))
    );
    assert_eq!(welcome["room"]["namespace"], "default");
    assert_eq!(welcome["session"]["resumeWithin"], 10);
    assert_eq!(welcome["grants"]["subscribe"], true);
    for direction in ["send", "recv"] {
        let transport = &welcome["transports"][direction];
        assert_eq!(transport["iceParameters"]["iceLite"], true, "{transport}");
        assert!(transport["sctpParameters"]["port"].is_u64(), "{transport}");
    }
    let joined = ada.join("Ada").await;
    assert_eq!(
        (&joined["peers"], &joined["role"]),
        (&json!([]), &json!("host"))
    );
    let audio = ada.produce_data("audio", &chromium_audio(1111));
    let audio = ada.ask("produce", audio).await.expect("produces");
    let video = ada.produce_data("video", &chromium_simulcast());
    let video = ada.ask("produce", video).await.expect("produces");

    let mut bob = Caller::connect(node.port, "room", "bob").await;
    let known = &bob.welcome["room"]["peers"][0];
    assert_eq!(
        (&known["peerId"], &known["displayName"]),
        (&json!("ada"), &json!("Ada"))
    );
    let known: Vec<_> = known["producers"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    let known: Vec<_> = known
        .iter()
        .map(|producer| &producer["producerId"])
        .collect();
    assert_eq!(known, [&audio["producerId"], &video["producerId"]]);
    let joined = bob.join("Bob").await;
    assert_eq!(joined["peers"][0]["peerId"], "ada");
    let (question, batch) = bob.asked_for_media().await;
    let consumers = batch["consumers"].as_array().expect("a list");
    assert_eq!(consumers.len(), 2, "one question for all: {batch}");
    for consumer in consumers {
        assert_eq!(consumer["peerId"], "ada");
        let transport = &bob.welcome["transports"]["recv"]["transportId"];
        assert_eq!(&consumer["transportId"], transport);
    }
    let first = consumers[0]["consumerId"].clone();
    bob.accept(question).await;
    let stats = bob.ask("getStats", json!({"consumerId": first})).await;
    assert!(stats.expect("statistics")["stats"].is_array());
    let joined = ada.notified("peerJoined").await;
    assert_eq!(joined["peer"]["peerId"], "bob");
    let produce = bob.produce_data("audio", &chromium_audio(2222));
    bob.ask("produce", produce).await.expect("produces");
    let added = ada.notified("producerAdded").await;
    assert_eq!(
        (&added["peerId"], &added["producer"]["kind"]),
        (&json!("bob"), &json!("audio"))
    );
    let paused = bob
        .ask("pauseConsumers", json!({"consumerIds": [first, "gone"]}))
        .await;
    assert_eq!(paused, Ok(json!({})));

    bob.leave().await;
    assert_eq!(ada.notified("peerLeft").await, json!({"peerId": "bob"}));
    assert_eq!(ada.ask("leave", json!({})).await, Ok(json!({})));
    assert_eq!(ada.closed().await.0, 1000);
    node.stats_when(|stats| stats["totalRooms"] == 0).await;
}

#[tokio::test]
async fn dialects_share_a_room() {
    let node = Node::start().await;
    let mut old = Client::connect(node.port, "room", "old").await;
    join(&mut old, "Old").await;
    let mut new = Caller::connect(node.port, "room", "new").await;
    let joined = new.join("New").await;
    assert_eq!(joined["peers"][0]["peerId"], "old");
    assert_eq!(old.notified("newPeer").await["id"], "new");
    let produce = new.produce_data("audio", &chromium_audio(1111));
    let produced = new.ask("produce", produce).await.expect("produces");
    let (question, consumer) = old.asked("newConsumer").await;
    assert_eq!(consumer["producerId"], produced["producerId"]);
    old.accept(question).await;
}

#[tokio::test]
async fn what_a_client_does_not_want_is_chosen_piece_by_piece() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    let produce = ada.produce_data("audio", &chromium_audio(1111));
    let audio = ada.ask("produce", produce).await.expect("produces");
    let mut bob = Caller::connect(node.port, "room", "bob").await;
    let mut data = bob.join_data("Bob", &bob.any_certificate());
    data["subscription"] = json!("manual");
    bob.ask("join", data).await.expect("joins");
    let wanted = json!({"producerIds": [audio["producerId"]], "paused": true});
    let consumed = bob.ask("consume", wanted).await.expect("consumes");
    assert_eq!(consumed["consumers"][0]["producerId"], audio["producerId"]);
    assert_eq!(consumed["refused"], json!([]));
    let again = json!({"producerIds": ["00000000-0000-4000-8000-000000000000"]});
    let refused = bob.ask("consume", again).await.expect("answers");
    assert_eq!(refused["refused"][0]["code"], 404, "{refused}");
    let consumer = consumed["consumers"][0]["consumerId"].clone();
    let closed = bob
        .ask("closeConsumers", json!({"consumerIds": [consumer]}))
        .await;
    assert_eq!(closed, Ok(json!({})));
    assert_eq!(
        bob.ask("subscribe", json!({"subscription": "all"})).await,
        Ok(json!({}))
    );
    let (_, batch) = bob.asked_for_media().await;
    assert_eq!(batch["consumers"][0]["producerId"], audio["producerId"]);
}

#[tokio::test]
async fn refusals_have_codes_of_their_own_and_leave_the_session_usable() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    assert_eq!(ada.ask("ping", json!({})).await, Ok(json!({})));
    for (method, data, code) in [
        ("noSuchMethod", json!({}), 400),
        ("produce", json!({"transportId": 7}), 400),
        ("requestKeyFrame", json!({"consumerId": "x"}), 404),
        ("join", json!({}), 409),
    ] {
        let refused = ada.ask(method, data).await.expect_err(method);
        assert_eq!(refused.0, code, "{method}: {}", refused.1);
    }
    for query in ["room=&peer=a", "peer=a", "room=r&namespace=a/b"] {
        let (code, reason) = Caller::refused(node.port, query).await;
        assert_eq!(code, 4000, "{query}");
        assert!(reason.starts_with("badRequest: "), "{reason}");
    }
    let nameless = Caller::connect_to(node.port, "room=r").await;
    assert!(
        nameless.welcome["peerId"]
            .as_str()
            .is_some_and(|name| !name.is_empty())
    );
    let mut data = nameless.join_data("X", &nameless.any_certificate());
    data["transports"][0]["dtlsParameters"]["fingerprints"] = json!([]);
    let mut nameless = nameless;
    nameless.request("join", data).await;
    let (code, reason) = nameless.closed().await;
    assert_eq!(code, 4000);
    assert!(reason.starts_with("badTransport: "), "{reason}");
}
