//! Whole sessions of the newest protoo dialect without media, alone and among clients of the classic one.

use serde_json::{Value, json};

use crate::{
    client::{
        self, Client, chromium_audio, chromium_simulcast, dtls_parameters, receiver_capabilities,
    },
    node::Node,
};

/// A client as of October 2025 or later, who has joined.
struct Guest {
    client: Client,
    send: Value,
    receive: Value,
    /// Who was there.
    peers: Value,
}

impl Guest {
    /// With what the applications have in their address.
    async fn arrive(node: &Node, name: &str) -> Self {
        let target = format!("/?roomId=room&peerId={name}&usePipeTransports=false");
        Self::enter(node, &target, name).await
    }

    async fn enter(node: &Node, target: &str, name: &str) -> Self {
        let client = Client::try_connect(node.port, target, Some("protoo")).await;
        let mut client = client.expect("accepted");
        let version = client.notified("mediasoupVersion").await;
        assert!(version["version"].is_string(), "{version}");
        let capabilities = client.ask("getRouterRtpCapabilities", json!({})).await;
        let capabilities = capabilities.expect("capabilities")["routerRtpCapabilities"].clone();
        let send = create_transport(&mut client, "producer").await;
        let receive = create_transport(&mut client, "consumer").await;
        let join = json!({
            "displayName": name, "device": {"flag": "chrome", "name": "Chrome", "version": "156"},
            "rtpCapabilities": receiver_capabilities(&capabilities),
        });
        let mut joined = client.ask("join", join).await.expect("joins");
        let peers = joined["peers"].take();
        Self {
            client,
            send,
            receive,
            peers,
        }
    }

    async fn produce(&mut self, source: &str, rtp_parameters: Value) -> Value {
        let kind = if source == "audio" { "audio" } else { "video" };
        let data = json!({
            "transportId": self.send["transportId"], "kind": kind,
            "rtpParameters": rtp_parameters, "appData": {"source": source},
        });
        let answer = self.client.ask("produce", data).await.expect("produces");
        answer["producerId"].clone()
    }

    async fn write(&mut self, channel: &str, stream: u16) -> Value {
        let data = json!({
            "transportId": self.send["transportId"], "label": channel, "protocol": "",
            "sctpStreamParameters": {"streamId": stream, "ordered": true},
            "appData": {"channel": channel},
        });
        let answer = self.client.ask("produceData", data).await;
        answer.expect("produces data")["dataProducerId"].clone()
    }
}

async fn create_transport(client: &mut Client, direction: &str) -> Value {
    let data = json!({"forceTcp": false, "appData": {"direction": direction}});
    let transport = client.ask("createWebRtcTransport", data).await;
    let transport = transport.expect("a transport");
    assert!(transport.get("id").is_none(), "{transport}");
    assert!(transport["transportId"].is_string(), "{transport}");
    // Nobody asks for data channels any more, everybody has them.
    assert_eq!(transport["sctpParameters"]["port"], 5000, "{transport}");
    assert!(transport["iceCandidates"].is_array(), "{transport}");
    transport
}

fn names(object: &Value) -> Vec<&str> {
    let members = object.as_object().expect("an object").keys();
    members.map(String::as_str).collect()
}

#[tokio::test]
async fn two_peers_meet_in_the_newest_words() {
    let node = Node::start().await;
    let mut ada = Guest::arrive(&node, "ada").await;
    assert_eq!(ada.peers, json!([]));
    let audio = ada.produce("audio", chromium_audio(1111)).await;
    let screen = ada.produce("screensharing", chromium_simulcast()).await;

    let mut bob = Guest::arrive(&node, "bob").await;
    assert_eq!(bob.peers[0]["peerId"], "ada");
    assert_eq!(bob.peers[0]["device"]["flag"], "chrome");
    let peer = ada.client.notified("newPeer").await["peer"].clone();
    assert_eq!(peer["peerId"], "bob");
    assert_eq!(peer["displayName"], "bob");

    let mut consumers = Vec::new();
    for _ in 0..2 {
        let (id, consumer) = bob.client.asked("newConsumer").await;
        check_consumer(&consumer, &bob.receive["transportId"]);
        consumers.push((id, consumer));
    }
    let connect = json!({
        "transportId": bob.receive["transportId"], "dtlsParameters": dtls_parameters(),
    });
    let connected = bob.client.ask("connectWebRtcTransport", connect).await;
    assert_eq!(connected, Ok(json!({})));
    let mut sources = Vec::new();
    for (id, consumer) in &consumers {
        bob.client.accept(*id).await;
        sources.push((
            consumer["producerId"].clone(),
            consumer["appData"]["source"].clone(),
        ));
    }
    sources.sort_by_key(|(_, source)| source.to_string());
    assert_eq!(
        sources,
        [
            (audio.clone(), json!("audio")),
            (screen, json!("screensharing"))
        ]
    );
    mute_and_stop(&mut ada, &mut bob, &audio, &consumers).await;
    check_statistics(&mut bob).await;

    bob.client.leave().await;
    let closed = ada.client.notified("peerClosed").await;
    assert_eq!(closed, json!({"peerId": "bob"}));
}

fn check_consumer(consumer: &Value, transport: &Value) {
    assert_eq!(
        names(consumer),
        [
            "appData",
            "consumerId",
            "consumerScore",
            "kind",
            "peerId",
            "producerId",
            "producerPaused",
            "rtpParameters",
            "transportId",
            "type"
        ]
    );
    assert_eq!(consumer["peerId"], "ada");
    assert_eq!(consumer["transportId"], *transport);
    assert_eq!(consumer["appData"]["peerId"], "ada");
    assert_eq!(
        names(&consumer["consumerScore"]),
        ["producerScore", "producerScores", "score"]
    );
}

/// None of these is answered; they happen all the same.
async fn mute_and_stop(
    ada: &mut Guest,
    bob: &mut Guest,
    audio: &Value,
    consumers: &[(u64, Value)],
) {
    let (_, consumer) = consumers
        .iter()
        .find(|(_, consumer)| consumer["producerId"] == *audio)
        .expect("consumed above");
    let consumer = json!({"consumerId": consumer["consumerId"]});
    for method in ["pauseConsumer", "resumeConsumer", "requestConsumerKeyFrame"] {
        bob.client.notify(method, consumer.clone()).await;
    }
    let priority = json!({"consumerId": consumer["consumerId"], "priority": 2});
    bob.client.notify("setConsumerPriority", priority).await;
    let layers = json!({"consumerId": consumer["consumerId"], "spatialLayer": 1});
    bob.client
        .notify("setConsumerPreferredLayers", layers)
        .await;
    // Neither is what is wrong.
    for (method, data) in [
        ("closeProducer", json!({"producerId": "nothing"})),
        ("pauseConsumer", json!([])),
        ("unknown", json!({})),
    ] {
        bob.client.notify(method, data).await;
    }
    for (method, notification) in [
        ("pauseProducer", "consumerPaused"),
        ("resumeProducer", "consumerResumed"),
        ("closeProducer", "consumerClosed"),
    ] {
        ada.client
            .notify(method, json!({"producerId": audio}))
            .await;
        assert_eq!(bob.client.notified(notification).await, consumer);
    }
    let name = json!({"displayName": "Robert"});
    bob.client.notify("changeDisplayName", name).await;
    assert_eq!(
        ada.client.notified("peerDisplayNameChanged").await,
        json!({"peerId": "bob", "displayName": "Robert", "oldDisplayName": "bob"})
    );
}

async fn check_statistics(bob: &mut Guest) {
    let transport = json!({"transportId": bob.receive["transportId"]});
    let stats = bob.client.ask("getTransportStats", transport.clone()).await;
    let stats = stats.expect("statistics");
    assert_eq!(stats["stats"][0]["type"], "webrtc-transport");
    let ice = bob.client.ask("restartIce", transport).await;
    let ice = ice.expect("new credentials");
    assert_eq!(
        names(&ice["iceParameters"]),
        ["iceLite", "password", "usernameFragment"]
    );
    let url = bob.client.ask("getRtcStatsUrl", json!({})).await;
    assert_eq!(url, Ok(json!({})));
    let secret = json!({"secret": "x", "options": {"up": 100}});
    for (method, data, code) in [
        ("applyNetworkThrottle", secret.clone(), 403),
        ("stopNetworkThrottle", secret, 403),
        ("join", json!({"displayName": "again"}), 500),
    ] {
        let refused = bob.client.ask(method, data).await;
        assert_eq!(refused.expect_err("cannot be").0, code, "{method}");
    }
}

#[tokio::test]
async fn chat_and_bot_are_there_without_asking() {
    let node = Node::start().await;
    let mut ada = Guest::arrive(&node, "ada").await;
    let mut bob = Guest::arrive(&node, "bob").await;
    for guest in [&mut ada, &mut bob] {
        let (id, bot) = guest.client.asked("newDataConsumer").await;
        assert!(bot.get("peerId").is_none(), "{bot}");
        assert_eq!(bot["transportId"], guest.receive["transportId"]);
        assert_eq!(
            (&bot["label"], &bot["appData"]),
            (&json!("bot"), &json!({"channel": "bot"}))
        );
        guest.client.accept(id).await;
    }
    let chat = ada.write("chat", 0).await;
    ada.write("bot", 1).await;
    let (id, consumer) = bob.client.asked("newDataConsumer").await;
    assert_eq!(consumer["dataProducerId"], chat);
    assert_eq!(consumer["peerId"], "ada");
    assert_eq!(
        consumer["appData"],
        json!({"channel": "chat", "peerId": "ada"})
    );
    bob.client.accept(id).await;
    let stats = json!({"dataConsumerId": consumer["dataConsumerId"]});
    let stats = bob.client.ask("getDataConsumerStats", stats).await;
    assert_eq!(
        stats.expect("statistics")["stats"][0]["type"],
        "data-consumer"
    );
    ada.client.leave().await;
    let closed = bob.client.notified("dataConsumerClosed").await;
    assert_eq!(closed["dataConsumerId"], consumer["dataConsumerId"]);
}

#[tokio::test]
async fn who_does_not_say_it_in_the_address_is_found_out() {
    let node = Node::start().await;
    // By the transport: capabilities have been told by then, in both words.
    let mut ada = Guest::enter(&node, "/?roomId=room&peerId=ada", "ada").await;
    ada.client.notified("mediasoup-version").await;
    // By the first request of all.
    let mut bob = Client::connect(node.port, "room", "bob").await;
    assert_eq!(bob.ask("getRtcStatsUrl", json!({})).await, Ok(json!({})));
    let capabilities = bob.ask("getRouterRtpCapabilities", json!({})).await;
    assert_eq!(
        names(&capabilities.expect("capabilities")),
        ["routerRtpCapabilities"]
    );
}

#[tokio::test]
async fn old_and_new_share_a_room() {
    let node = Node::start().await;
    let mut new = Guest::arrive(&node, "new").await;
    new.produce("screensharing", chromium_simulcast()).await;
    let mut old = Client::connect(node.port, "room", "old").await;
    let session = client::join(&mut old, "Old").await;
    let (id, screen) = old.asked("newConsumer").await;
    old.accept(id).await;
    assert_eq!(screen["appData"]["share"], true, "{screen}");
    assert!(screen["id"].is_string(), "{screen}");
    let produce = json!({
        "transportId": session.send["id"], "kind": "video", "rtpParameters": chromium_simulcast(),
        "appData": {"share": true},
    });
    old.ask("produce", produce).await.expect("produces");
    client::produce_audio(&mut old, &session).await;
    let mut sources = Vec::new();
    for _ in 0..2 {
        let (id, consumer) = new.client.asked("newConsumer").await;
        new.client.accept(id).await;
        sources.push(consumer["appData"]["source"].clone());
    }
    assert_eq!(sources, ["screensharing", "audio"]);
    let joined = new.client.notified("newPeer").await;
    assert_eq!(joined["peer"]["peerId"], "old");
}

#[tokio::test]
async fn the_first_who_comes_chooses_what_the_room_offers() {
    let node = Node::start().await;
    let offered = async |peer: &str, wish: &str| {
        let target = format!("/?roomId=room&peerId={peer}&usePipeTransports=true{wish}");
        let client = Client::try_connect(node.port, &target, Some("protoo")).await;
        let mut client = client.expect("accepted");
        let answer = client.ask("getRouterRtpCapabilities", json!({})).await;
        let capabilities = answer.expect("capabilities")["routerRtpCapabilities"].take();
        let names = |list: &str, member: &str| -> String {
            let entries = capabilities[list].as_array().expect("a list").iter();
            entries.map(|it| it[member].to_string()).collect()
        };
        let text = names("codecs", "mimeType") + &names("headerExtensions", "uri");
        (client, text)
    };
    let (_ada, first) = offered("ada", "&forceH264=true&disableBwe=true").await;
    assert!(first.contains("H264") && first.contains("opus"), "{first}");
    for missing in ["VP8", "VP9", "AV1", "transport-wide-cc"] {
        assert!(!first.contains(missing), "{missing} in {first}");
    }
    let (_bob, second) = offered("bob", "&forceVP9=true").await;
    assert_eq!(second, first, "the room is there already");
}
