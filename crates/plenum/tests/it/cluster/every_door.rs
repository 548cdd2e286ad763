//! Every door, at a node that does not have the room.

mod again;
mod ending;
mod http;
mod listening;

use std::time::Instant;

use serde_json::{Value, json};

use super::{CLIENTS, Cluster, NO_URLS, ROOM, until, watching::all_hear_each_other};
use crate::{
    bot::{Bot, Source},
    client::{Client, receiver_capabilities},
    fast::caller::Caller,
    node::{Node, report},
    socketio::client::Socket,
};
use listening::Listener;

/// A room that is at the first node, with somebody in it who talks, and whom everybody has to hear.
async fn hall(cluster: &Cluster) -> Bot {
    let talker = cluster.bot(0, "hall", 1, true);
    cluster.registry_has("hall", &[("hall-1", "a")]).await;
    talker
        .wait_for("its own streams", |ledger| ledger.own.len() == 2)
        .await;
    talker
}

/// Waits until somebody hears a peer.
async fn hears(bot: &Bot, peer: &str) {
    let source = Source {
        peer: peer.to_owned(),
        kind: "audio".to_owned(),
    };
    bot.wait_for("sound", |ledger| ledger.heard.contains_key(&source))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_node_clients_know_they_are_in_the_room_where_it_is() {
    let cluster = Cluster::three_with(&[ROOM, NO_URLS]).await;
    let talker = hall(&cluster).await;
    let node = cluster.node(1);
    let classic = cluster.bot(1, "hall", 2, true);
    all_hear_each_other(&[&talker, &classic], Instant::now()).await;
    let (newest, _) = newest(node).await;
    let (page, _) = page(node).await;
    let ours = ours(node).await;
    http::whep(&cluster).await;
    http::whip(&cluster, &talker).await;
    http::broadcaster(&cluster, &talker).await;
    // Every node knows what its peers send and receive: it is measured every few seconds.
    let bitrates = until("what peers send", async || {
        let there = node.get_json("/api/v1/nodes/a").await;
        let bitrates = there["peerBitrates"].clone();
        let count = |direction: &str| bitrates[direction]["count"].as_u64();
        (count("received")? >= 2 && count("sent")? >= 2).then_some(bitrates)
    })
    .await;
    for direction in ["received", "sent"] {
        let [p50, p95, max] = ["p50", "p95", "max"].map(|it| bitrates[direction][it].as_u64());
        assert!(p50 > Some(0) && p50 <= p95 && p95 <= max, "{bitrates}");
    }
    // All of their media is where the room is.
    let stats = node.get_json("/stats").await;
    assert_eq!(stats["totalPeers"], 0, "{stats}");
    newest.leave().await;
    ours.leave().await;
    drop((page, talker, classic));
    cluster.nothing_is_left().await;
}

/// The newest words of protoo.
async fn newest(node: &Node) -> (Client, Listener) {
    let target = "/?roomId=hall&peerId=newest&usePipeTransports=false";
    let client = Client::try_connect(node.port, target, Some("protoo")).await;
    let mut client = client.expect("let in");
    client.notified("mediasoupVersion").await;
    let capabilities = client.ask("getRouterRtpCapabilities", json!({})).await;
    let capabilities = capabilities.expect("capabilities")["routerRtpCapabilities"].clone();
    let wish = json!({"forceTcp": false, "appData": {"direction": "consumer"}});
    let transport = client.ask("createWebRtcTransport", wish).await;
    let transport = transport.expect("a transport");
    let mut listener = Listener::open(&transport).await;
    let connect = json!({
        "transportId": transport["transportId"], "dtlsParameters": listener.dtls_parameters(),
    });
    let connected = client.ask("connectWebRtcTransport", connect).await;
    connected.expect("connects");
    let join = json!({
        "displayName": "Newest", "device": {"flag": "chrome", "name": "Chrome", "version": "156"},
        "rtpCapabilities": receiver_capabilities(&capabilities),
    });
    client.ask("join", join).await.expect("joins");
    let (id, consumer) = client.asked("newConsumer").await;
    client.accept(id).await;
    listener.hears(&consumer["rtpParameters"]).await;
    (client, listener)
}

/// Socket.IO.
async fn page(node: &Node) -> (Socket, Listener) {
    let mut socket = Socket::connect(node).await;
    let created = socket.ask("createRoom", json!({"room_id": "hall"})).await;
    assert_eq!(created, "already exists");
    let join = json!({"room_id": "hall", "name": "Page"});
    let info = socket.ask("join", join).await;
    assert_eq!(info["id"], "hall", "{info}");
    let capabilities = socket.ask("getRouterRtpCapabilities", json!({})).await;
    let wish = json!({"forceTcp": false});
    let transport = socket.ask("createWebRtcTransport", wish).await;
    let mut listener = Listener::open(&transport).await;
    let connect = json!({
        "transport_id": transport["id"], "dtlsParameters": listener.dtls_parameters(),
    });
    assert_eq!(socket.ask("connectTransport", connect).await, "success");
    socket.emit("getProducers", json!(null)).await;
    let producers = socket.told("newProducers").await;
    let consume = json!({
        "consumerTransportId": transport["id"], "producerId": producers[0]["producer_id"],
        "rtpCapabilities": receiver_capabilities(&capabilities),
    });
    let consumer = socket.ask("consume", consume).await;
    listener.hears(&consumer["rtpParameters"]).await;
    (socket, listener)
}

/// Our own dialect.
async fn ours(node: &Node) -> Caller {
    let mut caller = Caller::connect(node.port, "hall", "ours").await;
    let (mut listener, parameters) = listen(&mut caller).await;
    listener.hears(&parameters).await;
    caller
}

/// Joins with a receiving transport. With it the parameters of the first stream.
async fn listen(caller: &mut Caller) -> (Listener, Value) {
    let listener = Listener::open(&caller.welcome["transports"]["recv"]).await;
    let transports = caller.certificates([("recv", listener.own_dtls())]);
    let data = caller.join_data("Ours", &transports);
    caller.ask("join", data).await.expect("joins");
    let (id, data) = caller.asked_for_media().await;
    caller.accept(id).await;
    (listener, data["consumers"][0]["rtpParameters"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_through_another_node_when_the_one_in_between_dies() {
    let mut cluster = Cluster::three_with(&[ROOM, NO_URLS]).await;
    let talker = hall(&cluster).await;
    let mut caller = Caller::connect(cluster.node(1).port, "hall", "ours").await;
    let (mut listener, parameters) = listen(&mut caller).await;
    listener.hears(&parameters).await;
    talker
        .wait_for("the client", |ledger| ledger.roster.contains("ours"))
        .await;
    let token = caller.ticket(0);
    let listening = tokio::spawn(async move { listener.longest_gap().await });
    let killed = Instant::now();
    cluster.member_mut(1).kill().await;
    caller.cut();
    caller.turn_to(cluster.node(2).port);
    caller.resume().await;
    report(&format!(
        "node with the WebSocket killed, session resumed after {:?}",
        killed.elapsed()
    ));
    assert_eq!(caller.ticket(0), token, "the same session");
    // It hears what happens and is answered.
    caller
        .ask("setDisplayName", json!({"displayName": "Same"}))
        .await
        .expect("renamed");
    let mut late = Client::connect_from(cluster.node(2), "hall", "late", CLIENTS[0]).await;
    crate::client::join(&mut late, "Late").await;
    assert_eq!(
        caller.notified("peerJoined").await["peer"]["peerId"],
        "late"
    );
    // Back to the room's own node, as a balancer may decide.
    caller.cut();
    caller.turn_to(cluster.node(0).port);
    caller.resume().await;
    caller.ask("ping", json!({})).await.expect("answered");
    let gap = listening.await.expect("hears to the end");
    report(&format!("{gap:?} without sound at most meanwhile"));
    assert!(talker.ledger().roster.contains("ours"), "nobody misses it");
    until("the peer where it was", async || {
        (cluster.place_of("hall", "ours").await == 0).then_some(())
    })
    .await;
    caller.leave().await;
    late.leave().await;
    drop(talker);
    cluster.nothing_is_left().await;
}
