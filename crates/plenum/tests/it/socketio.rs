//! Whole sessions over Socket.IO without media, alone and among clients of protoo.

mod client;

use serde_json::{Value, json};

use crate::{
    client::{Client, dtls_parameters, receiver_capabilities},
    node::Node,
};
use client::Socket;

/// Somebody in a room with both transports, as the page makes them.
struct Visitor {
    socket: Socket,
    capabilities: Value,
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
            receive,
        }
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
    let other = Client::connect(node.port, "room", &ada.socket.id).await;
    ada.socket.disconnected().await;
    drop(other);
    node.stats_when(|stats| stats["totalPeers"] == 0).await;
}
