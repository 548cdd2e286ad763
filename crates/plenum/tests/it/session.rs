//! Whole protoo sessions without media.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, chromium_audio, chromium_simulcast, dtls_parameters, join},
    node::Node,
};

#[tokio::test]
async fn two_peers_meet_and_consume_each_other() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let version = ada.notified("mediasoup-version").await;
    assert!(version["version"].is_string(), "{version}");
    let ada_session = join(&mut ada, "Ada").await;
    check_capabilities(&ada_session.capabilities);
    check_transport(&ada_session.send);
    assert_eq!(ada_session.joined["peers"], json!([]));
    let send = ada_session.send["id"].clone();
    let connected = ada
        .ask(
            "connectWebRtcTransport",
            json!({"transportId": send, "dtlsParameters": dtls_parameters()}),
        )
        .await;
    assert_eq!(connected, Ok(json!({})));
    let audio = produce(&mut ada, &send, "audio", chromium_audio(1111)).await;
    let video = produce(&mut ada, &send, "video", chromium_simulcast()).await;

    let mut bob = Client::connect(node.port, "room", "bob").await;
    let bob_session = join(&mut bob, "Bob").await;
    assert_eq!(
        bob_session.joined["peers"],
        json!([{"id": "ada", "displayName": "Ada",
            "device": {"flag": "chrome", "name": "Chrome", "version": "156.0"}}])
    );
    let new_peer = ada.notified("newPeer").await;
    assert_eq!(new_peer["id"], "bob");
    assert_eq!(new_peer["displayName"], "Bob");

    let mut consumers = Vec::new();
    let mut outstanding = Vec::new();
    for _ in 0..2 {
        let (id, consumer) = bob.asked("newConsumer").await;
        check_consumer(&consumer);
        outstanding.push(id);
        consumers.push(consumer);
    }
    let produced: Vec<_> = consumers.iter().map(|c| c["producerId"].clone()).collect();
    assert!(
        produced.contains(&audio) && produced.contains(&video),
        "{produced:?}"
    );

    // A browser answers `newConsumer` only after its transport was connected.
    let receive = &bob_session.receive["id"];
    let connected = bob
        .ask(
            "connectWebRtcTransport",
            json!({"transportId": receive, "dtlsParameters": dtls_parameters()}),
        )
        .await;
    assert_eq!(connected, Ok(json!({})));
    for id in outstanding {
        bob.accept(id).await;
    }
    for _ in 0..2 {
        let score = bob.notified("consumerScore").await;
        assert!(score["score"]["producerScores"].is_array(), "{score}");
    }

    mute_and_stop(&mut ada, &mut bob, &audio, &consumers).await;
    check_statistics(&mut bob, receive, &consumers).await;

    bob.leave().await;
    assert_eq!(ada.notified("peerClosed").await, json!({"peerId": "bob"}));
    ada.leave().await;
    node.stats_when(|stats| stats["totalRooms"] == 0 && worker_objects(stats) == 0)
        .await;
}

async fn mute_and_stop(ada: &mut Client, bob: &mut Client, audio: &Value, consumers: &[Value]) {
    let consumer = consumers
        .iter()
        .find(|consumer| consumer["producerId"] == *audio)
        .expect("consumed above");
    let notice = json!({"consumerId": consumer["id"]});
    for (method, notification) in [
        ("pauseProducer", "consumerPaused"),
        ("resumeProducer", "consumerResumed"),
        ("closeProducer", "consumerClosed"),
    ] {
        let done = ada.ask(method, json!({"producerId": audio})).await;
        assert_eq!(done, Ok(json!({})), "{method}");
        assert_eq!(bob.notified(notification).await, notice);
    }
}

async fn check_statistics(bob: &mut Client, transport: &Value, consumers: &[Value]) {
    let stats = bob
        .ask("getTransportStats", json!({"transportId": transport}))
        .await
        .expect("statistics");
    assert_eq!(stats[0]["type"], "webrtc-transport");
    assert_eq!(stats[0]["transportId"], *transport);
    let video = consumers
        .iter()
        .find(|consumer| consumer["kind"] == "video")
        .expect("consumed above");
    let stats = bob
        .ask("getConsumerStats", json!({"consumerId": video["id"]}))
        .await
        .expect("statistics");
    assert_eq!(stats[0]["type"], "outbound-rtp");
    assert_eq!(
        stats[0]["ssrc"],
        video["rtpParameters"]["encodings"][0]["ssrc"]
    );
}

/// Media objects that the workers hold.
fn worker_objects(stats: &Value) -> u64 {
    let workers = stats["workers"].as_array().expect("a list").iter();
    workers
        .flat_map(|worker| ["transports", "producers", "consumers"].map(|kind| &worker[kind]))
        .map(|count| count.as_u64().expect("a number"))
        .sum()
}

async fn produce(client: &mut Client, transport: &Value, kind: &str, rtp: Value) -> Value {
    let produced = client
        .ask(
            "produce",
            json!({"transportId": transport, "kind": kind, "rtpParameters": rtp, "appData": {}}),
        )
        .await
        .expect("produces");
    assert!(produced["id"].is_string(), "{produced}");
    produced["id"].clone()
}

fn check_capabilities(capabilities: &Value) {
    let codecs = capabilities["codecs"].as_array().expect("a list");
    assert_eq!(codecs[0]["mimeType"], "audio/opus");
    assert_eq!(codecs[0]["preferredPayloadType"], 100);
    assert!(codecs.iter().any(|codec| codec["mimeType"] == "video/VP8"));
    assert!(capabilities["headerExtensions"].is_array());
}

fn check_transport(transport: &Value) {
    assert_eq!(transport["iceParameters"]["iceLite"], true);
    assert!(transport["iceParameters"]["usernameFragment"].is_string());
    let candidates = transport["iceCandidates"].as_array().expect("a list");
    assert!(!candidates.is_empty());
    for candidate in candidates {
        assert_eq!(candidate["ip"], candidate["address"]);
        assert_eq!(candidate["type"], "host");
    }
    let protocols = candidates.iter().map(|candidate| &candidate["protocol"]);
    assert!(protocols.eq(["udp", "tcp"]));
    assert_eq!(candidates[0]["priority"], 1_076_302_079);
    assert_eq!(candidates[1]["priority"], 1_076_276_479);
    assert_eq!(candidates[1]["tcpType"], "passive");
    assert_eq!(candidates[0]["port"], candidates[1]["port"]);
    let fingerprints = &transport["dtlsParameters"]["fingerprints"];
    assert_eq!(fingerprints[0]["algorithm"], "sha-256");
    assert!(transport.get("sctpParameters").is_none());
}

fn check_consumer(consumer: &Value) {
    assert_eq!(consumer["peerId"], "ada");
    assert_eq!(consumer["producerPaused"], false);
    assert_eq!(consumer["appData"]["peerId"], "ada");
    let rtp = &consumer["rtpParameters"];
    assert_ne!(rtp["rtcp"]["cname"], "");
    assert!(rtp["mid"].is_string());
    assert_eq!(rtp["encodings"].as_array().map(Vec::len), Some(1));
    if consumer["kind"] == "video" {
        assert_eq!(consumer["type"], "simulcast");
        assert_eq!(rtp["encodings"][0]["scalabilityMode"], "L3T3");
        assert_eq!(rtp["codecs"][0]["payloadType"], 101);
    } else {
        assert_eq!(consumer["type"], "simple");
        assert_eq!(rtp["codecs"][0]["payloadType"], 100);
    }
}

#[tokio::test]
async fn the_same_peer_again_replaces_itself_and_keeps_its_room() {
    let node = Node::start().await;
    let mut first = Client::connect(node.port, "room", "ada").await;
    join(&mut first, "Ada").await;
    let mut second = Client::connect(node.port, "room", "ada").await;
    // The earlier one goes on until the later one has joined.
    let session = join(&mut second, "Ada").await;
    let (code, _) = first.closed().await.expect("closed in good order");
    assert_eq!(code, 4000);
    assert_eq!(session.joined["peers"], json!([]));
    let stats = node.get_json("/stats").await;
    assert_eq!(stats["totalRooms"], 1, "{stats}");
    second.leave().await;
    node.stats_when(|stats| stats["totalRooms"] == 0).await;
}

#[tokio::test]
async fn refusals_name_what_was_wrong_and_leave_the_session_usable() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    for (method, data, word) in [
        ("noSuchMethod", json!({}), "noSuchMethod"),
        (
            "requestConsumerKeyFrame",
            json!({"consumerId": "consumerId"}),
            "\"consumerId\"",
        ),
        ("produceData", json!({}), "transportId"),
        ("restartIce", json!({"transportId": "none"}), "none"),
        (
            "connectWebRtcTransport",
            json!({"transportId": 7}),
            "connectWebRtcTransport",
        ),
    ] {
        let (code, reason) = ada.ask(method, data).await.expect_err(method);
        assert_eq!(code, 500, "{method}: {reason}");
        assert!(reason.contains(word), "{method}: {reason}");
    }
    let secret = json!({"secret": "x"});
    let (code, _) = ada
        .ask("applyNetworkThrottle", secret)
        .await
        .expect_err("off");
    assert_eq!(code, 403);
    ada.send_text("not JSON".to_owned()).await;
    ada.send(&json!({"response": true, "id": 12345, "ok": true}))
        .await;
    ada.send(&json!({"notification": true, "method": "unknown"}))
        .await;
    join(&mut ada, "Ada").await;
    let again = ada.ask("join", json!({"displayName": "Ada"})).await;
    assert_eq!(again.expect_err("only once").0, 500);
}

#[tokio::test]
async fn a_crowd_arrives_at_once_and_everybody_is_offered_everybody() {
    const CROWD: usize = 16;
    let node = Node::start().await;
    let port = node.port;
    let arrivals = (0..CROWD).map(|n| {
        tokio::spawn(async move {
            let mut client = Client::connect(port, "room", &format!("peer{n}")).await;
            let session = join(&mut client, "Somebody").await;
            let ssrc = 1000 + u32::try_from(n).expect("small");
            produce(
                &mut client,
                &session.send["id"],
                "audio",
                chromium_audio(ssrc),
            )
            .await;
            let mut senders = BTreeSet::new();
            while senders.len() < CROWD - 1 {
                let (id, consumer) = client.asked("newConsumer").await;
                client.accept(id).await;
                senders.insert(consumer["peerId"].to_string());
            }
            client
        })
    });
    let mut crowd = Vec::new();
    for arrival in arrivals.collect::<Vec<_>>() {
        crowd.push(arrival.await.expect("arrives"));
    }
    let stats = node.get_json("/stats").await;
    assert_eq!(stats["totalPeers"], CROWD);
    // Gone without a word, all of them.
    drop(crowd);
    node.stats_when(|stats| stats["totalRooms"] == 0 && worker_objects(stats) == 0)
        .await;
}

#[tokio::test]
async fn a_client_that_vanishes_is_missed_by_the_others() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    join(&mut ada, "Ada").await;
    let mut bob = Client::connect(node.port, "room", "bob").await;
    join(&mut bob, "Bob").await;
    drop(bob);
    assert_eq!(ada.notified("peerClosed").await, json!({"peerId": "bob"}));
}

#[tokio::test]
async fn a_new_name_is_told_to_the_others() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    join(&mut ada, "Ada").await;
    let mut bob = Client::connect(node.port, "room", "bob").await;
    join(&mut bob, "Bob").await;
    let done = bob
        .ask("changeDisplayName", json!({"displayName": "Robert"}))
        .await;
    assert_eq!(done, Ok(json!({})));
    assert_eq!(
        ada.notified("peerDisplayNameChanged").await,
        json!({"peerId": "bob", "displayName": "Robert", "oldDisplayName": "Bob"})
    );
}

#[tokio::test]
async fn the_door_is_closed_to_other_protocols_and_to_the_nameless() {
    let node = Node::start().await;
    for (target, protocol, expected) in [
        ("/?roomId=r&peerId=p", None, 403),
        ("/?roomId=r&peerId=p", Some("chat"), 403),
        ("/?roomId=r", Some("protoo"), 400),
        ("/protoo?roomId=&peerId=p", Some("protoo"), 400),
    ] {
        match Client::try_connect(node.port, target, protocol).await {
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), expected, "{target}");
                assert!(response.headers().contains_key("x-websocket-reject-reason"));
            }
            Err(other) => panic!("{target}: {other}"),
            Ok(_) => panic!("{target}: accepted"),
        }
    }
    Client::try_connect(
        node.port,
        "/protoo?roomId=r&peerId=p&consumerReplicas=undefined",
        Some("protoo"),
    )
    .await
    .expect("accepted");
}

#[tokio::test]
async fn limits_refuse_newcomers_and_leave_the_others_alone() {
    let limits = ["--set", "room.max_rooms=1", "--set", "room.max_peers=1"];
    let node = Node::start_with(&limits).await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    join(&mut ada, "Ada").await;
    match Client::try_connect(node.port, "/?roomId=other&peerId=eve", Some("protoo")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{:?}", other.map(|_| "accepted")),
    }
    let mut bob = Client::connect(node.port, "room", "bob").await;
    let (code, reason) = bob.closed().await.expect("closed in good order");
    assert_eq!((code, reason.as_str()), (4000, "room is full"));
    let capabilities = ada.ask("getRouterRtpCapabilities", json!({})).await;
    assert!(capabilities.is_ok());
}

#[tokio::test]
async fn replicas_are_the_first_clients_choice() {
    let node = Node::start().await;
    let connect = async |peer, replicas| {
        let target = format!("/?roomId=room&peerId={peer}&consumerReplicas={replicas}");
        let client = Client::try_connect(node.port, &target, Some("protoo")).await;
        client.expect("accepted")
    };
    let mut ada = connect("ada", "1").await;
    let session = join(&mut ada, "Ada").await;
    let transport = &session.send["id"];
    produce(&mut ada, transport, "audio", chromium_audio(1111)).await;
    let mut bob = connect("bob", "0").await;
    join(&mut bob, "Bob").await;
    let (_, first) = bob.asked("newConsumer").await;
    let (_, second) = bob.asked("newConsumer").await;
    assert_eq!(first["producerId"], second["producerId"]);
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test]
async fn rooms_spread_over_workers_and_stats_show_it() {
    let node = Node::start().await;
    let mut clients = Vec::new();
    for room in ["a", "b", "c", "d"] {
        let mut client = Client::connect(node.port, room, "ada").await;
        join(&mut client, "Ada").await;
        clients.push(client);
    }
    let stats = node.get_json("/stats").await;
    assert_eq!(stats["totalRooms"], 4);
    for worker in stats["workers"].as_array().expect("a list") {
        assert_eq!(worker["roomCount"], 2, "{stats}");
        assert_eq!(worker["closed"], false);
        assert!(worker["cpuUsage"].is_number() && worker["pid"].is_u64());
    }
    let rooms = |worker: &str| stats["distribution"][worker].as_array().map(Vec::len);
    assert_eq!((rooms("0"), rooms("1")), (Some(2), Some(2)), "{stats}");
    assert_eq!(node.get("/healthz").await.0, 200);
    assert_eq!(node.get("/readyz").await.0, 200);
    let (code, page) = node.get("/?room=a").await;
    assert_eq!(code, 200);
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
}
