//! Doors that ask for a token.

use std::path::Path;

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, join},
    doors::trusting,
    node::{Node, PATIENCE, command},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What `plenum token` prints.
pub(crate) async fn token(key: &Path, arguments: &[&str]) -> String {
    let output = command()
        .args(["token", "--key"])
        .arg(key)
        .args(arguments)
        .output();
    let output = timeout(PATIENCE, output).await.expect("ends in time");
    let output = output.expect("runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim_end().to_owned()
}

/// The status and the body of a refusal.
fn refused(result: Result<Client, Error>) -> (u16, Value) {
    match result {
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let body = serde_json::from_slice(body).expect("JSON");
            (response.status().as_u16(), body)
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test]
async fn without_a_token_nobody_comes_in_and_with_one_into_its_rooms_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("token.secret");
    std::fs::write(&key, SECRET).expect("writes");
    let keys = format!("auth.keys={}", key.display());
    let node = Node::start_with(&["--set", "auth.mode=token", "--set", &keys]).await;
    let connect = async |query: &str, headers: &[(&'static str, &str)]| {
        let target = format!("/?{query}");
        Client::try_connect_with(node.port, &target, Some("protoo"), headers).await
    };

    let (status, body) = refused(connect("roomId=class-1&peerId=ada", &[]).await);
    assert_eq!(status, 401);
    assert_eq!(
        body,
        json!({"code": 401, "reason": "a token is required", "retryable": false})
    );
    let (status, _) = refused(connect("roomId=class-1&peerId=ada&token=a.b.c", &[]).await);
    assert_eq!(status, 401);
    let strange = folder.path().join("strange.secret");
    std::fs::write(&strange, SECRET.to_uppercase()).expect("writes");
    let forged = token(&strange, &["--room", "*"]).await;
    let (status, _) =
        refused(connect(&format!("roomId=class-1&peerId=ada&token={forged}"), &[]).await);
    assert_eq!(status, 401);

    let good = token(
        &key,
        &["--room", "class-*", "--peer", "ada", "--name", "Ada L."],
    )
    .await;
    for query in [
        "roomId=lobby&peerId=ada",
        "roomId=class-1&peerId=bob",
        "roomId=class-1&peerId=ada&namespace=acme",
    ] {
        let (status, _) = refused(connect(&format!("{query}&token={good}"), &[]).await);
        assert_eq!(status, 403, "{query}");
    }
    let in_query = connect(&format!("roomId=class-1&peerId=ada&token={good}"), &[]).await;
    let mut ada = in_query.expect("let in");
    join(&mut ada, "whatever she says").await;

    let anybody = token(&key, &["--room", "class-1", "--expires", "5m"]).await;
    let bearer = format!("Bearer {anybody}");
    let in_header = connect("roomId=class-1&peerId=bob", &[("authorization", &bearer)]).await;
    let mut bob = in_header.expect("let in");
    let session = join(&mut bob, "Bob").await;
    assert_eq!(session.joined["peers"][0]["id"], "ada");
    assert_eq!(session.joined["peers"][0]["displayName"], "Ada L.");
    // Nobody is host because of being first.
    let there = node.get_json("/api/v1/rooms/default/class-1/peers").await;
    for peer in there["peers"].as_array().expect("a list") {
        assert_eq!(peer["role"], "speaker");
    }
    // The page, and what tells whether the node is well, are for everybody.
    assert_eq!(node.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn every_door_asks_for_the_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("token.secret");
    std::fs::write(&key, SECRET).expect("writes");
    let keys = format!("auth.keys={}", key.display());
    let node = Node::start_with(&["--set", "auth.mode=token", "--set", &keys]).await;
    let elsewhere = token(&key, &["--room", "elsewhere"]).await;

    for (method, path) in [
        ("GET", "/rooms/lobby"),
        ("POST", "/rooms/lobby/broadcasters"),
        ("POST", "/whip/lobby"),
        ("POST", "/whep/lobby"),
    ] {
        let ask = async |bearer: Option<&str>| {
            let url = format!("http://127.0.0.1:{}{path}", node.port);
            let method = method.parse().expect("a method");
            let kind = if path.starts_with("/whe") || path.starts_with("/whi") {
                "application/sdp"
            } else {
                "application/json"
            };
            let request = trusting().request(method, url).header("content-type", kind);
            let request = match bearer {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let body = r#"{"id":"ada","displayName":"Ada","device":{"flag":"broadcaster","name":"a program"}}"#;
            request.body(body).send().await.expect("answers").status()
        };
        assert_eq!(ask(None).await, 401, "{path}");
        assert_eq!(ask(Some("a.b.c")).await, 401, "{path}");
        assert_eq!(ask(Some(&elsewhere)).await, 403, "{path}");
    }
    // A page sees no status, but it sees how its WebSocket is closed.
    for (query, code) in [(String::new(), 4401), (format!("&token={elsewhere}"), 4403)] {
        let target = format!("/plenum?room=lobby&peer=ada{query}");
        let connected = Client::try_connect(node.port, &target, Some("plenum")).await;
        let closed = connected.expect("opened, and closed").closed().await;
        assert_eq!(closed.map(|(code, _)| code), Some(code));
    }
}

#[tokio::test]
async fn what_cannot_check_tokens_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let short = folder.path().join("short.secret");
    std::fs::write(&short, "too short").expect("writes");
    let keys = format!("auth.keys={}", short.display());
    for (arguments, word) in [
        (vec!["--set", "auth.mode=token"], "auth.keys"),
        (vec!["--set", "auth.mode=token", "--set", &keys], "32 bytes"),
        (vec!["--set", "tls.mode=files"], "tls.certificate"),
        (vec!["--set", "http.origins=example.org"], "http.origins"),
    ] {
        let serve = command()
            .args(["serve", "--port", "0"])
            .args(&arguments)
            .output();
        let output = timeout(PATIENCE, serve)
            .await
            .expect("ends in time")
            .expect("runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(word), "{word} in {message}");
    }
}

#[tokio::test]
async fn a_token_is_made_with_a_key_pair_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let private = folder.path().join("private.pem");
    let public = folder.path().join("public.pem");
    std::fs::write(&private, pair.serialize_pem()).expect("writes");
    std::fs::write(&public, pair.public_key_pem()).expect("writes");
    let keys = format!("auth.keys={}", public.display());
    let node = Node::start_with(&["--set", "auth.mode=token", "--set", &keys]).await;
    let token = token(&private, &["--room", "lobby", "--grant", "audio,subscribe"]).await;
    let target = format!("/?roomId=lobby&peerId=ada&token={token}");
    let ada = Client::try_connect(node.port, &target, Some("protoo")).await;
    ada.expect("let in").leave().await;
}

#[tokio::test]
async fn a_token_opens_rooms_of_its_namespace_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("token.secret");
    std::fs::write(&key, SECRET).expect("writes");
    let keys = format!("auth.keys={}", key.display());
    let node = Node::start_with(&["--set", "auth.mode=token", "--set", &keys]).await;
    let of_acme = token(&key, &["--room", "a", "--namespace", "acme"]).await;
    let connect = async |namespace: &str| {
        let target = format!("/?roomId=a&peerId=ada&token={of_acme}{namespace}");
        Client::try_connect_with(node.port, &target, Some("protoo"), &[]).await
    };
    let ada = connect("&namespace=acme").await.expect("let in");
    ada.leave().await;
    for namespace in ["&namespace=default", "&namespace=other"] {
        assert_eq!(refused(connect(namespace).await).0, 403, "{namespace}");
    }
    let wrong = command()
        .args(["token", "--room", "a", "--namespace", "a/b", "--key"])
        .arg(&key)
        .output();
    let wrong = timeout(PATIENCE, wrong).await.expect("ends in time");
    assert!(!wrong.expect("runs").status.success());
}
