//! Tokens at the doors of HTTP and Socket.IO: who speaks for whom, and who is put out of whose place.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    auth::token,
    client::{Client, join, produce_audio},
    http::Answer,
    node::Node,
    socketio::client::Socket,
    whip::{player, publisher},
};

/// A node that wants tokens, and what makes them.
struct Guarded {
    node: Node,
    key: PathBuf,
    _folder: tempfile::TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("token.secret");
        std::fs::write(&key, "0123456789abcdef0123456789abcdef").expect("writes");
        let keys = format!("auth.keys={}", key.display());
        let node = Node::start_roomy_with(&["--set", "auth.mode=token", "--set", &keys]).await;
        Self {
            node,
            key,
            _folder: folder,
        }
    }

    async fn token(&self, arguments: &[&str]) -> String {
        token(&self.key, &[&["--room", "stage"], arguments].concat()).await
    }

    async fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Content-Type", "application/json"),
            ("Authorization", &*bearer),
        ];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.node.http(method, path, &headers, &body).await
    }

    async fn post_sdp(&self, path: &str, token: &str, offer: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Content-Type", "application/sdp"),
            ("Authorization", &*bearer),
        ];
        self.node.http("POST", path, &headers, offer).await
    }

    async fn connect(&self, peer: &str, token: &str) -> Client {
        let target = format!("/?roomId=stage&peerId={peer}&token={token}");
        let connected = Client::try_connect(self.node.port, &target, Some("protoo")).await;
        connected.expect("let in")
    }
}

#[tokio::test]
async fn nobody_speaks_for_a_broadcaster_that_may_do_more() {
    let guarded = Guarded::start().await;
    let all = guarded.token(&[]).await;
    let hears = guarded.token(&["--grant", "subscribe"]).await;
    let listens = guarded.token(&["--role", "listener"]).await;
    let base = "/rooms/stage/broadcasters";
    let whole = json!({ "id": "cast", "displayName": "B", "device": { "name": "x" } });
    let registered = guarded.ask("POST", base, &all, &whole).await;
    assert_eq!(registered.code, 200, "{registered:?}");
    let one = format!("{base}/cast");
    let transports = format!("{one}/transports");
    let wish = json!({ "type": "plain", "comedia": true });
    for weak in [&hears, &listens] {
        let refused = guarded.ask("POST", &transports, weak, &wish).await;
        assert_eq!(refused.code, 403, "{refused:?}");
        assert_eq!(
            guarded.ask("DELETE", &one, weak, &Value::Null).await.code,
            403
        );
    }
    // Whoever may do as much may speak for it, with another token, too.
    let other = guarded.token(&["--peer", "cast"]).await;
    let made = guarded.ask("POST", &transports, &other, &wish).await;
    assert_eq!(made.code, 200, "{made:?}");
    // And for one that may do no more than itself.
    let whole = json!({ "id": "ear", "displayName": "B", "device": { "name": "x" } });
    assert_eq!(guarded.ask("POST", base, &hears, &whole).await.code, 200);
    let ear = format!("{base}/ear");
    assert_eq!(
        guarded.ask("DELETE", &ear, &all, &Value::Null).await.code,
        200
    );
}

#[tokio::test]
async fn what_strangers_write_is_not_read() {
    let guarded = Guarded::start().await;
    let headers = [("Content-Type", "application/json")];
    let path = "/rooms/stage/broadcasters";
    let answer = guarded.node.http("POST", path, &headers, "{nonsense").await;
    assert_eq!(answer.code, 401, "{answer:?}");
}

#[tokio::test]
async fn to_look_in_or_to_play_puts_nobody_out() {
    let guarded = Guarded::start().await;
    let own = guarded.token(&["--peer", "ada"]).await;
    let mut ada = guarded.connect("ada", &own).await;
    let session = join(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;
    let room = guarded.ask("GET", "/rooms/stage", &own, &Value::Null).await;
    assert_eq!(room.code, 200, "{room:?}");
    assert_eq!(room.json()["codecs"][0]["mimeType"], "audio/opus");
    let played = guarded.post_sdp("/whep/stage", &own, &player()).await;
    assert_eq!(played.code, 201, "{played:?}");
    // She is told what happens, so that she is there.
    let encoder = guarded.token(&["--peer", "encoder"]).await;
    let path = "/whip/stage?peer=encoder";
    assert_eq!(
        guarded.post_sdp(path, &encoder, &publisher()).await.code,
        201
    );
    assert_eq!(ada.notified("newPeer").await["id"], "encoder");
}

#[tokio::test]
async fn to_look_at_a_room_that_is_not_there_makes_none() {
    let node = Node::start().await;
    let room = node.get_json("/rooms/nowhere").await;
    assert_eq!(room["codecs"][0]["mimeType"], "audio/opus");
    let events = node.get_json("/stats").await;
    assert_eq!(events["totalRooms"], 0);
}

#[tokio::test]
async fn a_page_comes_in_with_a_token_that_says_who_it_is() {
    let guarded = Guarded::start().await;
    let own = guarded.token(&["--peer", "ada", "--name", "Ada L."]).await;
    let mut ada = Socket::connect_with(&guarded.node, json!({ "token": own })).await;
    assert_eq!(
        ada.ask("createRoom", json!({ "room_id": "stage" })).await,
        "stage"
    );
    let joined = ada
        .ask("join", json!({ "room_id": "stage", "name": "x" }))
        .await;
    assert_eq!(joined["id"], "stage", "{joined}");
    let anybody = guarded.token(&[]).await;
    let mut bob = Socket::connect_with(&guarded.node, json!({ "token": anybody })).await;
    bob.ask("join", json!({ "room_id": "stage", "name": "Bob" }))
        .await;
    let there = guarded
        .node
        .get_json("/api/v1/rooms/default/stage/peers")
        .await;
    let text = there.to_string();
    assert!(text.contains("\"ada\"") && text.contains(&bob.id), "{text}");
    assert!(!text.contains(&ada.id), "{text}");
}

#[tokio::test]
async fn a_player_learns_nothing_of_a_locked_room() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "stage", "ada").await;
    join(&mut ada, "Ada").await;
    let lock = json!({ "locked": true });
    let path = "/api/v1/rooms/default/stage";
    let locked = node.http_json("PATCH", path, &lock).await;
    assert!(locked.code < 300, "{locked:?}");
    let headers = [("Content-Type", "application/sdp")];
    for path in ["/whep/stage", "/whep/stage/ada", "/whep/stage/nobody"] {
        let refused = node.http("POST", path, &headers, &player()).await;
        assert_eq!(refused.code, 403, "{path} {refused:?}");
    }
    let base = "/rooms/stage/broadcasters";
    let whole = json!({ "peerId": "cast", "displayName": "B", "device": { "name": "x" } });
    assert_eq!(node.http_json("POST", base, &whole).await.code, 201);
    let infos = format!("{base}/cast/peerProducersInfos");
    let early = node.http("GET", &infos, &[], "").await;
    assert_eq!(early.code, 409, "{early:?}");
    // And a page hears why it is not let in.
    let mut page = Socket::connect(&node).await;
    for _ in 0..20 {
        let refused = page
            .ask("join", json!({ "room_id": "stage", "name": "x" }))
            .await;
        assert!(refused["error"].is_string(), "{refused}");
    }
    assert_eq!(page.ask("resume", json!({})).await, json!({}));
}
