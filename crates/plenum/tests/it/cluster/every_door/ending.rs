//! Nodes that are told to end, and rooms that nobody is in yet.

use serde_json::{Value, json};

use super::{CLIENTS, Caller, Cluster, NO_URLS, ROOM, hall, listen, until};
use crate::{
    client::{Client, join},
    node::{Node, report},
};

/// More than it takes, so that it shows who waits for nothing.
const TIME_TO_END: &str = "node.drain_timeout_s=12";

/// Waits until a node says that it takes nobody.
async fn is_not_ready(node: &Node) {
    until("no more newcomers", async || {
        (node.get("/readyz").await.0 == 503).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_told_to_end_leads_its_people_away_first() {
    let mut cluster = Cluster::three_with(&[ROOM, NO_URLS, TIME_TO_END]).await;
    let talker = hall(&cluster).await;
    let other = cluster.bot(1, "hall", 2, true);
    let mut caller = Caller::connect(cluster.node(1).port, "hall", "ours").await;
    let (mut listener, parameters) = listen(&mut caller).await;
    listener.hears(&parameters).await;
    // In between: nobody's media is there.
    let mut between = cluster.member_mut(1).terminate();
    caller.lost().await;
    caller.turn_to(cluster.node(2).port);
    caller.resume().await;
    other
        .wait_for("another connection", |ledger| ledger.connections == 2)
        .await;
    assert_eq!(other.ledger().closes, [Some(1012)]);
    let status = between.ended().await;
    assert_eq!(status.code(), Some(0));
    // Where everybody is.
    let before = [&talker, &other].map(|bot| bot.ledger().generation);
    let mut home = cluster.member_mut(0).terminate();
    is_not_ready(&home).await;
    let newcomer = Client::try_connect(home.port, "/?roomId=new&peerId=new", Some("protoo")).await;
    assert!(newcomer.is_err(), "nobody is let in");
    for (bot, before) in [&talker, &other].into_iter().zip(before) {
        bot.wait_for("the other node", |ledger| ledger.generation > before)
            .await;
    }
    assert_eq!(talker.ledger().migrates.first(), Some(&true), "gently");
    let status = home.ended().await;
    assert_eq!(status.code(), Some(0));
    for bot in [&talker, &other] {
        until("the only node that is left", async || {
            (cluster.place_of("hall", &bot.name).await == 2).then_some(())
        })
        .await;
    }
    report("two of three nodes told to end, nobody lost");
    drop((caller, talker, other));
    cluster.nothing_is_left().await;
}

/// Waits until a node is empty; what it says of that.
async fn is_empty(asked: &Node, name: &str) -> Value {
    let path = format!("/api/v1/nodes/{name}/drain");
    until("nobody left", async || {
        let drain = asked.get_json(&path).await;
        (drain["state"] == "drained").then_some(drain)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_drained_is_left_by_everybody_and_sessions_go_with_their_clients() {
    let cluster = Cluster::three_with(&[ROOM, NO_URLS]).await;
    let talker = hall(&cluster).await;
    // One whose room is there, and one whose room is elsewhere.
    let mut caller = Caller::connect(cluster.node(0).port, "hall", "ours").await;
    let (mut listener, parameters) = listen(&mut caller).await;
    listener.hears(&parameters).await;
    let far = cluster.bot(1, "far", 2, false);
    far.wait_for("its own streams", |ledger| ledger.own.len() == 2)
        .await;
    let place = cluster.place_of("far", "far-2").await;
    let classic = Client::connect(cluster.node(0).port, "far", "classic").await;
    let mut classic = classic;
    join(&mut classic, "Classic").await;
    let before = caller.ticket(0);
    let within = json!({"withinMs": 8000});
    let path = "/api/v1/nodes/a/drain";
    let drain = cluster.node(1).http_json("POST", path, &within).await;
    assert_eq!(drain.code, 202, "{drain:?}");
    let told = caller.notified("migrate").await;
    assert_eq!(told["makeBeforeBreak"], true, "{told}");
    caller.welcome = told["welcome"].clone();
    assert_ne!(caller.ticket(0), before, "it is another node's now");
    let (mut next, parameters) = listen(&mut caller).await;
    next.hears(&parameters).await;
    // It has both until it says that it needs the one before no longer.
    caller.request("migrated", json!({})).await;
    caller.lost().await;
    caller.turn_to(cluster.node(2).port);
    caller.resume().await;
    // Its media is where it was.
    let transport = &caller.welcome["transports"]["recv"]["transportId"];
    let wish = json!({ "transportId": transport });
    caller
        .ask("getStats", wish)
        .await
        .expect("the same session");
    if place != 0 {
        let (code, _) = classic.closed().await.expect("closed in good order");
        assert_eq!(code, 1012);
        assert!(
            far.ledger().roster.contains("classic"),
            "it is not missed yet"
        );
    }
    talker
        .wait_for("another node", |ledger| ledger.generation > 1)
        .await;
    let left = is_empty(cluster.node(1), "a").await;
    assert_eq!(
        (&left["clientsLeft"], &left["clientsRelayed"]),
        (&json!(0), &json!(0))
    );
    let newcomer = Client::try_connect(
        cluster.node(0).port,
        "/?roomId=hall&peerId=new",
        Some("protoo"),
    );
    assert!(newcomer.await.is_err(), "nobody is let in");
    assert_ne!(cluster.place_of("hall", "ours").await, 0);
    caller.leave().await;
    drop((talker, far, classic));
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_ordered_at_any_node_and_are_where_the_first_one_will_be() {
    let cluster = Cluster::three_with(&[ROOM, NO_URLS]).await;
    let mut elsewhere = 0;
    for number in 0..6 {
        let room = format!("ordered-{number}");
        let wish = json!({"room": room, "metadata": {"number": number}, "maxPeers": 3});
        let path = "/api/v1/rooms";
        let made = cluster.node(1).http_json("POST", path, &wish).await;
        assert_eq!(made.code, 201, "{made:?}");
        assert_eq!(made.json()["metadata"]["number"], number, "{made:?}");
        let again = cluster.node(2).http_json("POST", path, &wish).await;
        assert_eq!(again.code, 409, "{again:?}");
        let found = cluster
            .node(2)
            .get_json(&format!("/dispatch?room={room}&peer=ada"))
            .await;
        let mut there = Vec::new();
        for member in cluster.running() {
            let path = format!("/api/v1/rooms/default/{room}");
            if member.node().get(&path).await.0 == 200 {
                there.push(member.name.clone());
            }
        }
        assert_eq!(json!(there), json!([found["node"]]), "{found}");
        elsewhere += usize::from(found["node"] != "b");
        let from = CLIENTS[1];
        let mut ada = Client::connect_from(cluster.node(1), &room, "ada", from).await;
        let session = join(&mut ada, "Ada").await;
        assert_eq!(session.joined["peers"], json!([]));
        ada.leave().await;
    }
    assert!(elsewhere > 0, "nodes share what comes");
    for member in cluster.running() {
        let list: Value = member.node().get_json("/api/v1/rooms").await;
        for room in list["rooms"].as_array().expect("a list") {
            let path = format!(
                "/api/v1/rooms/default/{}",
                room["room"].as_str().expect("text")
            );
            let closed = member.node().http("DELETE", &path, &[], "").await;
            assert_eq!(closed.code, 204);
        }
    }
    cluster.nothing_is_left().await;
}
