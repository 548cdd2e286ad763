//! Whole sessions over Socket.IO without media, alone and among clients of protoo.

pub(crate) mod client;

use serde_json::{Value, json};

use crate::{
    client::{
        Client, chromium_audio, chromium_simulcast, dtls_parameters, join as join_protoo,
        produce_audio, receiver_capabilities,
    },
    node::Node,
};
use client::Socket;

/// Somebody in a room with both transports, as the page makes them.
struct Visitor {
    socket: Socket,
    capabilities: Value,
    send: Value,
    receive: Value,
}

impl Visitor {
    async fn arrive(node: &Node, name: &str) -> Self {
        let mut socket = Socket::connect(node).await;
        let created = socket.ask("createRoom", json!({"room_id": "room"})).await;
        assert!(
            created == "room" || created == "already exists",
            "{created}"
        );
        let info = socket
            .ask("join", json!({"room_id": "room", "name": name}))
            .await;
        assert_eq!(info["id"], "room", "{info}");
        assert!(names(&info).contains(&name.to_owned()), "{info}");
        let capabilities = socket.ask("getRouterRtpCapabilities", json!({})).await;
        assert!(capabilities["codecs"].is_array(), "{capabilities}");
        let producer = json!({"forceTcp": false, "rtpCapabilities": capabilities});
        let send = socket.ask("createWebRtcTransport", producer).await;
        let receive = socket
            .ask("createWebRtcTransport", json!({"forceTcp": false}))
            .await;
        for transport in [&send, &receive] {
            check_transport(transport);
        }
        Self {
            socket,
            capabilities,
            send,
            receive,
        }
    }

    async fn connect(&mut self, transport: &Value) {
        let data = json!({"transport_id": transport["id"], "dtlsParameters": dtls_parameters()});
        assert_eq!(self.socket.ask("connectTransport", data).await, "success");
    }

    async fn produce(&mut self, kind: &str, rtp_parameters: Value) -> Value {
        let data = json!({
            "producerTransportId": self.send["id"], "kind": kind, "rtpParameters": rtp_parameters,
        });
        let produced = self.socket.ask("produce", data).await;
        assert!(produced["producer_id"].is_string(), "{produced}");
        produced["producer_id"].clone()
    }

    async fn consume(&mut self, producer: &Value) -> Value {
        let data = json!({
            "consumerTransportId": self.receive["id"], "producerId": producer,
            "rtpCapabilities": receiver_capabilities(&self.capabilities),
        });
        self.socket.ask("consume", data).await
    }
}

fn check_transport(transport: &Value) {
    let mut members: Vec<_> = transport.as_object().expect("an object").keys().collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["dtlsParameters", "iceCandidates", "iceParameters", "id"]
    );
}

/// Who is in a room, from the text in which the protocol hides that.
fn names(info: &Value) -> Vec<String> {
    let peers = info["peers"].as_str().expect("JSON in a string");
    let peers: Vec<(String, Value)> = serde_json::from_str(peers).expect("JSON");
    for (id, peer) in &peers {
        assert_eq!(peer["id"], **id);
        assert_eq!(peer["consumers"], json!({}));
    }
    let names = peers.iter().map(|(_, peer)| peer["name"].as_str());
    names.map(|name| name.expect("text").to_owned()).collect()
}

#[tokio::test]
async fn two_pages_meet_and_consume_each_other() {
    let node = Node::start().await;
    let mut ada = Visitor::arrive(&node, "Ada").await;
    let mut bob = Visitor::arrive(&node, "Bob").await;
    let send = ada.send.clone();
    ada.connect(&send).await;
    let audio = ada.produce("audio", chromium_audio(1111)).await;
    let told = bob.socket.told("newProducers").await;
    assert_eq!(
        told,
        json!([{"producer_id": audio, "producer_socket_id": ada.socket.id}])
    );
    let video = ada.produce("video", chromium_simulcast()).await;
    bob.socket.told("newProducers").await;
    let mut listed = {
        bob.socket.emit("getProducers", json!(null)).await;
        let list = bob.socket.told("newProducers").await;
        let list = list.as_array().expect("a list").clone();
        list.iter()
            .map(|it| it["producer_id"].clone())
            .collect::<Vec<_>>()
    };
    listed.sort_by_key(Value::to_string);
    let mut expected = vec![audio.clone(), video.clone()];
    expected.sort_by_key(Value::to_string);
    assert_eq!(listed, expected);

    let consumer = bob.consume(&video).await;
    let mut members: Vec<_> = consumer.as_object().expect("an object").keys().collect();
    members.sort_unstable();
    assert_eq!(
        members,
        [
            "id",
            "kind",
            "producerId",
            "producerPaused",
            "rtpParameters",
            "type"
        ]
    );
    assert_eq!(consumer["producerId"], video);
    assert_eq!(consumer["type"], "simulcast");
    let receive = bob.receive.clone();
    bob.connect(&receive).await;
    let heard = bob.consume(&audio).await;
    assert_eq!(heard["kind"], "audio", "{heard}");

    ada.socket
        .emit("producerClosed", json!({"producer_id": video}))
        .await;
    let closed = bob.socket.told("consumerClosed").await;
    assert_eq!(closed, json!({"consumer_id": consumer["id"]}));
    drop(ada);
    let closed = bob.socket.told("consumerClosed").await;
    assert_eq!(closed, json!({"consumer_id": heard["id"]}));
    let info = bob.socket.ask("getMyRoomInfo", json!({})).await;
    assert_eq!(names(&info), ["Bob"]);
    let left = bob.socket.ask("exitRoom", json!({})).await;
    assert_eq!(left, "successfully exited room");
    node.stats_when(|stats| stats["totalPeers"] == 0).await;
}

#[tokio::test]
async fn what_cannot_be_is_acknowledged_with_an_error() {
    let node = Node::start().await;
    let mut socket = Socket::connect(&node).await;
    let id = "00000000-0000-0000-0000-000000000001";
    let transport = json!({"transport_id": id, "dtlsParameters": dtls_parameters()});
    for (event, data, error) in [
        (
            "join",
            json!({"room_id": "nowhere", "name": "Ada"}),
            "Room does not exist",
        ),
        ("exitRoom", json!({}), "not currently in a room"),
        ("getMyRoomInfo", json!({}), "not is a room"),
        ("getRouterRtpCapabilities", json!({}), "not is a room"),
        ("connectTransport", transport, "not is a room"),
    ] {
        let answer = socket.ask(event, data).await;
        assert_eq!(answer, json!({"error": error}), "{event}");
    }
    for (event, data) in [
        ("createRoom", json!({"room_id": ""})),
        ("createRoom", json!(7)),
        ("unknown", json!({})),
        ("consume", json!({})),
        ("producerClosed", json!({"producer_id": "x"})),
    ] {
        let answer = socket.ask(event, data).await;
        assert!(answer["error"].is_string(), "{event}: {answer}");
    }
    // What is no event at all is passed over or ends the connection, and nothing else.
    socket.send("42[1]".to_owned()).await;
    let mut socket = Visitor::arrive(&node, "Ada").await;
    let nothing = socket.consume(&json!(id)).await;
    assert!(nothing["error"].is_string(), "{nothing}");
    let again = json!({"room_id": "room", "name": "Ada"});
    let again = socket.socket.ask("join", again).await;
    assert_eq!(again["error"], "already in a room");
    assert_eq!(socket.socket.ask("resume", json!({})).await, json!({}));
}

#[tokio::test]
async fn pages_and_protoo_share_a_room() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let session = join_protoo(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;
    let mut bob = Visitor::arrive(&node, "Bob").await;
    let peer = ada.notified("newPeer").await;
    assert_eq!(
        (&peer["id"], &peer["displayName"]),
        (&json!(bob.socket.id), &json!("Bob"))
    );
    bob.socket.emit("getProducers", json!({})).await;
    let listed = bob.socket.told("newProducers").await;
    let consumer = bob.consume(&listed[0]["producer_id"]).await;
    assert_eq!(consumer["kind"], "audio", "{consumer}");
    bob.produce("video", chromium_simulcast()).await;
    let (id, consumer) = ada.asked("newConsumer").await;
    ada.accept(id).await;
    assert_eq!(consumer["peerId"], json!(bob.socket.id));
    drop(bob);
    let closed = ada.notified("peerClosed").await;
    assert!(closed["peerId"].is_string());
}

#[tokio::test]
async fn pages_without_a_room_do_not_keep_a_node_from_ending() {
    let mut node = Node::start().await;
    let _idle = Socket::connect(&node).await;
    let mut ada = Visitor::arrive(&node, "Ada").await;
    assert_eq!(ada.socket.ask("resume", json!({})).await, json!({}));
    node.signal("TERM");
    assert!(node.ended().await.success());
}

#[tokio::test]
async fn long_polling_opens_a_session_too() {
    let node = Node::start().await;
    let (code, body) = node.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(code, 200);
    let open: Value = serde_json::from_str(body.strip_prefix('0').expect("open")).expect("JSON");
    assert_eq!(open["upgrades"], json!(["websocket"]));
    let (code, _) = node
        .get("/socket.io/?EIO=4&transport=polling&sid=nothing")
        .await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn who_is_replaced_is_disconnected_and_hears_nothing_of_rooms_any_more() {
    let node = Node::start().await;
    let mut ada = Visitor::arrive(&node, "Ada").await;
    ada.socket.emit("unknown", json!(null)).await;
    let mut other = Client::connect(node.port, "room", &ada.socket.id).await;
    crate::client::join(&mut other, "Other").await;
    ada.socket.disconnected().await;
    drop(other);
    node.stats_when(|stats| stats["totalPeers"] == 0).await;
}

#[tokio::test]
async fn who_hurries_is_answered_all_the_same_and_refused_beyond_what_may_wait() {
    const CALLS: usize = 2000;
    let node = Node::start().await;
    let mut socket = Socket::connect(&node).await;
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(socket.call("resume", json!({})).await);
    }
    let mut refused = 0;
    for call in calls {
        let answer = socket.answer_to(call).await;
        if answer != json!({}) {
            assert_eq!(answer, json!({"error": "too many calls at once"}));
            refused += 1;
        }
    }
    assert!((1..CALLS).contains(&refused), "{refused}");
    assert_eq!(socket.ask("resume", json!({})).await, json!({}));
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_connection() {
    let node = Node::start().await;
    let mut socket = Socket::connect(&node).await;
    let long = json!(["createRoom", {"room_id": "a".repeat(256 * 1024)}]);
    socket.send(format!("42{long}")).await;
    socket.broken().await;
    Visitor::arrive(&node, "Ada").await;
}

/// Sessions that poll hold no connection: they are counted by themselves.
#[tokio::test]
async fn sessions_of_one_address_are_bounded() {
    let node = Node::start_with(&[
        "--set",
        "http.trusted_proxies=127.0.0.1",
        "--set",
        "limits.connections_per_address=2",
    ])
    .await;
    let arrive = async |from: &str| {
        let headers = [("X-Forwarded-For", from)];
        let path = "/socket.io/?EIO=4&transport=polling";
        let opened = node.http("GET", path, &headers, "").await;
        let open: Value = serde_json::from_str(&opened.body[1..]).expect("JSON");
        let path = format!("{path}&sid={}", open["sid"].as_str().expect("text"));
        assert_eq!(node.http("POST", &path, &headers, "40").await.code, 200);
        // Pings come in between.
        loop {
            let polled = node.http("GET", &path, &headers, "").await.body;
            let mut packets = polled.split('\u{1e}');
            if let Some(message) = packets.find(|packet| packet.starts_with('4')) {
                return message.to_owned();
            }
            assert!(polled.starts_with('2'), "{polled}");
        }
    };
    for _ in 0..2 {
        let greeting = arrive("203.0.113.9").await;
        assert!(greeting.starts_with("40{"), "{greeting}");
    }
    let refused = arrive("203.0.113.9").await;
    assert!(
        refused.starts_with("44") && refused.contains("too many"),
        "{refused}"
    );
    let other = arrive("203.0.113.10").await;
    assert!(other.starts_with("40{"), "{other}");
}

#[tokio::test]
async fn a_page_makes_few_rooms_that_it_does_not_enter() {
    let node = Node::start().await;
    let mut socket = Socket::connect(&node).await;
    let mut made = 0;
    for n in 0..10 {
        let room = format!("room-{n}");
        let answer = socket.ask("createRoom", json!({"room_id": room})).await;
        if answer == room.as_str() {
            made += 1;
        } else {
            assert!(answer["error"].is_string(), "{answer}");
        }
    }
    assert_eq!(made, 4);
    let joined = socket
        .ask("join", json!({"room_id": "room-0", "name": "Ada"}))
        .await;
    assert_eq!(joined["id"], "room-0", "{joined}");
    let answer = socket.ask("createRoom", json!({"room_id": "more"})).await;
    assert_eq!(answer, "more", "one of them has been entered");
}
