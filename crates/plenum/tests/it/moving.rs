//! Rooms whose worker goes: who is thrown out, who stays, and how soon everybody is heard again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    bot::{Bot, Role},
    client::{Client, join},
    node::{Node, report, signal, strike},
};

/// So many participants in a room, of whom the first `able` understand `migrate`.
pub(crate) fn room(node: &Node, room: &str, first: u32, able: u32, classic: u32) -> Vec<Bot> {
    let role = |n: u32| Role {
        doors: vec![node.door()],
        from: None,
        room: room.to_owned(),
        name: format!("{room}-{n}"),
        number: first + n,
        able: n < able,
    };
    (0..able + classic).map(|n| Bot::start(role(n))).collect()
}

/// Everybody hears everybody else in the latest session.
pub(crate) async fn complete(bots: &[Bot]) {
    for bot in bots {
        let others = bots.len() - 1;
        bot.wait_for("a full room", |ledger| ledger.hears(others))
            .await;
    }
}

/// The process under a room.
pub(crate) async fn worker_under(node: &Node, room: &str) -> (u64, i32) {
    let stats = node
        .stats_when(|stats| stats["placements"][room]["workerId"].is_u64())
        .await;
    let worker = stats["placements"][room]["workerId"]
        .as_u64()
        .expect("checked");
    let index = usize::try_from(worker).expect("small");
    let pid = stats["workers"][index]["pid"].as_i64().expect("it runs");
    (worker, i32::try_from(pid).expect("process ids are small"))
}

pub(crate) async fn all_run(node: &Node) {
    node.stats_when(|stats| {
        let mut workers = stats["workers"].as_array().expect("a list").iter();
        workers.all(|worker| worker["pid"].is_u64())
    })
    .await;
}

/// How long after `since` the last source was heard again.
pub(crate) fn back_after(bots: &[Bot], since: Instant) -> Duration {
    let complete = bots.iter().filter_map(|bot| bot.ledger().complete_at());
    let last = complete.max().expect("they hear each other");
    last.saturating_duration_since(since)
}

pub(crate) fn generations(bots: &[Bot]) -> Vec<u32> {
    bots.iter().map(|bot| bot.ledger().generation).collect()
}

/// Everybody has joined again since `before` and hears everybody.
pub(crate) async fn complete_again(bots: &[Bot], before: &[u32]) {
    for (bot, before) in bots.iter().zip(before) {
        bot.wait_for("another session", |ledger| ledger.generation > *before)
            .await;
    }
    complete(bots).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rooms_of_a_dead_worker_go_on_elsewhere() {
    let node = Node::start_workers(3, &[]).await;
    let lost = room(&node, "lost", 0, 3, 1);
    complete(&lost).await;
    let kept = room(&node, "kept", 10, 2, 0);
    complete(&kept).await;
    let (worker, _) = worker_under(&node, "lost").await;
    assert_ne!(worker, worker_under(&node, "kept").await.0);
    for kill in ["KILL", "SEGV", "STOP"] {
        all_run(&node).await;
        let (_, pid) = worker_under(&node, "lost").await;
        let (able, classic) = lost.split_at(3);
        let ids: Vec<_> = able.iter().map(|bot| bot.ledger().own.clone()).collect();
        let before = generations(&lost);
        for bot in &kept {
            bot.ledger().forget_gaps();
        }
        let killed = Instant::now();
        strike(pid, kill);
        complete_again(&lost, &before).await;
        let gaps = kept.iter().map(|bot| bot.ledger().longest_gap("audio"));
        let (back, gap) = (back_after(&lost, killed), gaps.max());
        report(&format!(
            "{kill}: media again after {back:?}, untouched room without sound for {gap:?} at most"
        ));
        for (bot, ids) in able.iter().zip(ids) {
            let ledger = bot.ledger();
            assert_eq!(ledger.own, ids, "producers keep their names");
            assert_eq!(
                (ledger.connections, ledger.migrates.last()),
                (1, Some(&false))
            );
        }
        let ledger = classic[0].ledger();
        assert_eq!(ledger.closes.last(), Some(&Some(1012)));
        assert!(ledger.migrates.is_empty());
    }
    for bot in &kept {
        let ledger = bot.ledger();
        assert_eq!((ledger.connections, ledger.generation), (1, 1));
    }
    let stats = node.get_json("/stats").await;
    assert_eq!(
        (&stats["totalRooms"], &stats["totalPeers"]),
        (&json!(2), &json!(6))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_another_worker_the_next_process_takes_the_room() {
    let node = Node::start_workers(1, &[]).await;
    let bots = room(&node, "only", 0, 2, 0);
    complete(&bots).await;
    // Twice, the second time while everybody may still be on the way.
    for _ in 0..2 {
        let before = generations(&bots);
        let stats = node
            .stats_when(|stats| stats["workers"][0]["pid"].is_u64())
            .await;
        let pid = stats["workers"][0]["pid"].as_i64().expect("checked");
        signal(i32::try_from(pid).expect("small"), "KILL");
        for (bot, before) in bots.iter().zip(&before) {
            bot.wait_for("migrate", |ledger| ledger.migrates.len() as u32 >= *before)
                .await;
        }
    }
    complete(&bots).await;
    for bot in &bots {
        assert_eq!(bot.ledger().connections, 1);
    }
}

#[tokio::test]
async fn who_does_not_follow_is_disconnected_and_open_requests_are_answered() {
    let node = Node::start().await;
    let able = |name: &str| json!({"displayName": name, "device": {}, "plenum": {"migrate": true}});
    let mut ada = Client::connect(node.port, "room", "ada").await;
    ada.ask("join", able("Ada")).await.expect("joins");
    // Has not joined, and so has not said anything.
    let mut bob = Client::connect(node.port, "room", "bob").await;
    let mut eve = Client::connect(node.port, "room", "eve").await;
    eve.ask("join", able("Eve")).await.expect("joins");
    let (_, pid) = worker_under(&node, "room").await;
    signal(pid, "STOP");
    let transport = json!({"forceTcp": false, "producing": true, "consuming": false});
    let id = ada.send_request("createWebRtcTransport", transport).await;
    let told = ada.notified("migrate").await;
    assert_eq!(
        told,
        json!({"reason": "workerLost", "makeBeforeBreak": false})
    );
    let refused = ada.answer_to(id).await;
    assert_eq!(refused["ok"], Value::Null, "{refused}");
    assert_eq!(bob.closed().await.expect("in good order").0, 1012);
    // Somebody who leaves half-way is not waited for.
    eve.notified("migrate").await;
    eve.leave().await;
    let session = join(&mut ada, "Ada").await;
    assert_eq!(session.joined["peers"], json!([]));
    node.stats_when(|stats| stats["totalPeers"] == 1).await;

    let (_, pid) = worker_under(&node, "room").await;
    // Joined without the word this time: it is thrown out.
    signal(pid, "KILL");
    assert_eq!(ada.closed().await.expect("in good order").0, 1012);

    all_run(&node).await;
    let mut late = Client::connect(node.port, "room", "late").await;
    late.ask("join", able("Late")).await.expect("joins");
    let (_, pid) = worker_under(&node, "room").await;
    signal(pid, "KILL");
    late.notified("migrate").await;
    let (code, reason) = late.closed().await.expect("in good order");
    assert_eq!((code, reason.contains("did not join again")), (1012, true));
    node.stats_when(|stats| stats["totalRooms"] == 0).await;
}

#[tokio::test]
async fn who_loses_its_part_of_a_room_is_not_seen_to_leave() {
    // Everybody at another worker, as long as there is one.
    let node = Node::start_workers(2, &["--set", "workers.max_room_consumers=1"]).await;
    let able = |name: &str| json!({"displayName": name, "device": {}, "plenum": {"migrate": true}});
    let mut ada = Client::connect(node.port, "room", "ada").await;
    ada.ask("join", able("Ada")).await.expect("joins");
    let mut bob = Client::connect(node.port, "room", "bob").await;
    bob.ask("join", able("Bob")).await.expect("joins");
    assert_eq!(ada.notified("newPeer").await["id"], "bob");

    let further = |stats: &Value| stats["placements"]["room"]["further"][0]["workerId"].as_u64();
    let stats = node.stats_when(|stats| further(stats).is_some()).await;
    let index = usize::try_from(further(&stats).expect("checked")).expect("small");
    let pid = stats["workers"][index]["pid"].as_i64().expect("it runs");
    signal(i32::try_from(pid).expect("small"), "KILL");
    bob.notified("migrate").await;
    let joined = bob.ask("join", able("Robert")).await.expect("joins");
    assert_eq!(joined["peers"][0]["id"], "ada");
    let renamed = ada.notified("peerDisplayNameChanged").await;
    assert_eq!(renamed["displayName"], "Robert");

    // The next to come and to go is somebody else.
    let mut eve = Client::connect(node.port, "room", "eve").await;
    eve.ask("join", able("Eve")).await.expect("joins");
    assert_eq!(ada.notified("newPeer").await["id"], "eve");
    eve.leave().await;
    assert_eq!(ada.notified("peerClosed").await["peerId"], "eve");
}

#[tokio::test]
async fn a_wish_for_an_identifier_is_heard_only_from_its_owner() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let session = join(&mut ada, "Ada").await;
    let produce = |transport: &Value, wish: &Value| {
        json!({
            "transportId": transport, "kind": "audio", "appData": {},
            "rtpParameters": crate::client::chromium_audio(1111), "plenum": {"producerId": wish},
        })
    };
    let foreign = json!("0f0c9c9b-2a76-4f1f-8f0a-5f0c3a1c7d11");
    let data = produce(&session.send["id"], &foreign);
    let own = ada.ask("produce", data).await.expect("produces")["id"].clone();
    assert_ne!(own, foreign);
    // It is there already.
    let mut other = produce(&session.send["id"], &own);
    other["rtpParameters"] = crate::client::chromium_audio(2222);
    other["rtpParameters"]["mid"] = json!("7");
    let second = ada.ask("produce", other).await.expect("produces")["id"].clone();
    assert_ne!(second, own);
    let mut bob = Client::connect(node.port, "room", "bob").await;
    let session = join(&mut bob, "Bob").await;
    ada.ask("closeProducer", json!({"producerId": own}))
        .await
        .expect("closes");
    let data = produce(&session.send["id"], &own);
    let bobs = bob.ask("produce", data).await.expect("produces")["id"].clone();
    assert_ne!(bobs, own);
}
