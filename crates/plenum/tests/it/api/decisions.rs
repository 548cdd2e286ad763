//! What operators decide reaches those whom it concerns.

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};

use super::{OPS, names, node, wire::Caller, with_key};
use crate::{
    client::{Client, join, produce_audio},
    node::{Node, PATIENCE},
};

const MEETING: &str = "/api/v1/rooms/default/meeting";

async fn enter(node: &Node, name: &str) -> Client {
    let mut client = Client::connect(node.port, "meeting", name).await;
    let session = join(&mut client, name).await;
    produce_audio(&mut client, &session).await;
    client
}

async fn get(ops: &Caller, path: &str) -> Value {
    ops.ask("GET", &format!("{MEETING}{path}"), &Value::Null)
        .await
        .json()
}

async fn decide(ops: &Caller, method: &str, path: &str, body: Value) {
    let path = format!("{MEETING}{path}");
    let answer = ops.ask(method, &path, &body).await;
    assert!(
        [200, 204].contains(&answer.code),
        "{method} {path}: {answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_sent_away_and_kept_out_and_their_sound_is_closed() {
    let node = node().await;
    let ops = with_key(&node, OPS);
    let mut ada = enter(&node, "ada").await;
    let mut bob = enter(&node, "bob").await;
    let peers = get(&ops, "/peers").await;
    assert_eq!(names(&peers["peers"], "peerId"), ["ada", "bob"]);
    assert_eq!(names(&peers["peers"], "role"), ["host", "speaker"]);

    decide(&ops, "PUT", "/peers/bob/role", json!({"role": "host"})).await;
    assert_eq!(get(&ops, "/peers/bob").await["role"], "host");
    decide(&ops, "PUT", "/peers/bob/role", json!({"role": "listener"})).await;
    let bobs = get(&ops, "/peers/bob").await;
    assert_eq!(bobs["role"], "listener");

    let producers = get(&ops, "/producers").await;
    let producers = producers["producers"].as_array().expect("a list");
    let adas = producers.iter().find(|it| it["peerId"] == "ada");
    let id = adas.expect("she speaks")["producerId"].as_str();
    let id = id.expect("text");
    let stats = get(&ops, &format!("/producers/{id}/stats")).await;
    assert!(stats["stats"].is_array());
    decide(&ops, "POST", "/peers/ada/mute", json!({"kind": "audio"})).await;
    decide(&ops, "DELETE", &format!("/producers/{id}"), Value::Null).await;
    let left = get(&ops, "/producers").await;
    assert!(!left.to_string().contains(id), "{left}");

    decide(
        &ops,
        "PATCH",
        "",
        json!({"locked": true, "metadata": {"a": 1}}),
    )
    .await;
    let room = get(&ops, "").await;
    assert_eq!(
        (&room["locked"], &room["metadata"]),
        (&json!(true), &json!({"a": 1}))
    );
    decide(&ops, "PATCH", "", json!({"maxPeers": 9, "metadata": null})).await;
    let room = get(&ops, "").await;
    assert_eq!(
        (&room["locked"], &room["maxPeers"]),
        (&json!(true), &json!(9))
    );
    assert_eq!(room["metadata"], Value::Null);

    decide(&ops, "DELETE", "/peers/bob", Value::Null).await;
    let (code, _) = bob.closed().await.expect("closed in form");
    assert_eq!(code, 4000, "do not come back");
    assert_eq!(ada.notified("peerClosed").await["peerId"], "bob");
    decide(&ops, "DELETE", "", Value::Null).await;
    assert!(ada.closed().await.is_some());
    let gone = ops.ask("GET", MEETING, &Value::Null).await;
    assert_eq!(gone.code, 404);
}

/// Four things of one room, all of which tell the round that they belong to.
fn wish(round: u32) -> Value {
    let even = round.is_multiple_of(2);
    json!({"locked": even, "lobby": even, "maxPeers": round + 2, "metadata": round})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_leaves_nothing_half_made() {
    let node = node().await;
    let ops = with_key(&node, OPS);
    let _ada = enter(&node, "ada").await;
    decide(&ops, "PATCH", "", wish(0)).await;
    for round in 1..30 {
        let body = wish(round).to_string();
        let request = format!(
            "PATCH {MEETING} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {OPS}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", node.port))
            .await
            .expect("listens");
        stream.write_all(request.as_bytes()).await.expect("writes");
        // Some are gone before it begins, some in the middle of it.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        drop(stream);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let room = get(&ops, "").await;
            let of = room["metadata"].as_u64().and_then(|of| of.try_into().ok());
            let whole = wish(of.expect("a round"));
            let members = ["locked", "lobby", "maxPeers"];
            if members.iter().all(|name| room[name] == whole[name]) {
                break;
            }
            assert!(Instant::now() < deadline, "half-made: {room}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_routers_peers_are_at_two_workers_and_hear_each_other() {
    let node = node().await;
    let ops = with_key(&node, OPS);
    let order = json!({"room": "meeting", "usePipeTransports": true});
    assert_eq!(ops.ask("POST", "/api/v1/rooms", &order).await.code, 201);
    let mut ada = enter(&node, "ada").await;
    let _bob = enter(&node, "bob").await;
    let (_, data) = ada.asked("newConsumer").await;
    assert_eq!(data["peerId"], "bob");
    let room = get(&ops, "").await;
    let workers: Vec<_> = room["places"].as_array().expect("a list").iter().collect();
    assert_eq!(workers.len(), 2, "{room}");
    assert_ne!(room["peers"][0]["workerId"], room["peers"][1]["workerId"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_takes_what_it_may_have_and_others_are_not_concerned() {
    let limits =
        "namespace.limits={ small = { max_rooms = 1, max_peers = 2, max_peers_per_room = 1 } }";
    let node = Node::start_with(&["--set", limits]).await;
    let enter = async |namespace: &str, room: &str, peer: &str| {
        let target = format!("/?roomId={room}&peerId={peer}&namespace={namespace}");
        Client::try_connect(node.port, &target, Some("protoo")).await
    };
    let ada = enter("small", "a", "ada").await.expect("let in");
    assert!(enter("small", "b", "bob").await.is_err(), "one room");
    // The room itself says so, and until it has, whoever is refused counts.
    let mut bob = enter("small", "a", "bob").await.expect("let in at first");
    let (_, reason) = bob.closed().await.expect("closed in form");
    assert!(reason.contains("full"), "{reason}");
    for n in 0..3 {
        let peer = format!("peer{n}");
        enter("large", &peer, &peer).await.expect("let in");
    }
    let status = node.get_json("/api/v1/namespaces/small").await;
    assert_eq!(
        (&status["rooms"], &status["maxPeers"]),
        (&json!(1), &json!(2))
    );
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_to_a_full_namespace_has_its_place() {
    let node = Node::start_with(&["--set", "namespace.limits={ small = { max_peers = 1 } }"]).await;
    let enter = async |peer: &str| {
        let target = format!("/?roomId=a&peerId={peer}&namespace=small");
        Client::try_connect(node.port, &target, Some("protoo")).await
    };
    let mut ada = enter("ada").await.expect("let in");
    join(&mut ada, "Ada").await;
    node.stats_when(|stats| stats["totalPeers"] == 1).await;
    assert!(enter("bob").await.is_err(), "the namespace is full");
    let mut again = enter("ada").await.expect("let in again");
    join(&mut again, "Ada").await;
    // One session of a peer: the older one ends.
    ada.closed().await;
}
