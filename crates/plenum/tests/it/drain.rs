//! Planned moves: workers that are emptied and started anew under running meetings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    bot::Bot,
    client::Client,
    moving::{all_run, complete, complete_again, generations, room, worker_under},
    node::{Node, report, signal},
};

fn drain_path(worker: u64) -> String {
    format!("/api/v1/workers/{worker}/drain")
}

/// The longest time without sound, and without a picture, at anybody.
fn gaps(bots: &[Bot]) -> [Duration; 2] {
    ["audio", "video"].map(|kind| {
        let gaps = bots.iter().map(|bot| bot.ledger().longest_gap(kind));
        gaps.max().unwrap_or_default()
    })
}

fn forget_gaps(bots: &[Bot]) {
    for bot in bots {
        bot.ledger().forget_gaps();
    }
}

/// Everybody has been let go by where the room was before, so many times.
async fn released(bots: &[Bot], times: u32) {
    for bot in bots {
        bot.wait_for("the end of the move", |ledger| ledger.released >= times)
            .await;
    }
}

/// One pid per worker, in order.
fn pids(stats: &Value) -> Vec<Option<i64>> {
    let workers = stats["workers"].as_array().expect("a list").iter();
    workers.map(|worker| worker["pid"].as_i64()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_workers_room_moves_before_it_is_broken_off() {
    let node = Node::start().await;
    let bots = room(&node, "moving", 0, 4, 0);
    complete(&bots).await;
    let (worker, _) = worker_under(&node, "moving").await;
    let ids: Vec<_> = bots.iter().map(|bot| bot.ledger().own.clone()).collect();
    forget_gaps(&bots);
    let before = generations(&bots);
    let (code, answer) = node.admin("POST", &drain_path(worker), "").await;
    assert_eq!(
        (code, &answer["workerId"]),
        (202, &json!(worker)),
        "{answer}"
    );
    assert_eq!(answer["state"], "draining");
    complete_again(&bots, &before).await;
    released(&bots, 1).await;
    let [sound, picture] = gaps(&bots);
    report(&format!(
        "drain: {sound:?} without sound, {picture:?} without a picture at most"
    ));
    for (bot, ids) in bots.iter().zip(ids) {
        let ledger = bot.ledger();
        assert_eq!((ledger.connections, &ledger.migrates), (1, &vec![true]));
        assert_eq!(ledger.own, ids, "producers keep their names");
    }
    let index = usize::try_from(worker).expect("small");
    let stats = node
        .stats_when(|stats| stats["workers"][index]["state"] == "drained")
        .await;
    assert_eq!(stats["workers"][index]["roomCount"], 0);
    assert_eq!(stats["workers"][index]["roomsMoved"], 1);
    assert_ne!(stats["placements"]["moving"]["workerId"], worker);
    node.stats_when(|stats| stats["workers"][index]["transports"] == 0)
        .await;

    // It stays empty until somebody says otherwise.
    let other = Client::connect(node.port, "other", "eve").await;
    assert_ne!(worker_under(&node, "other").await.0, worker);
    let (code, answer) = node.admin("DELETE", &drain_path(worker), "").await;
    assert_eq!((code, &answer["state"]), (200, &json!("running")));
    let another = Client::connect(node.port, "another", "eve").await;
    assert_eq!(worker_under(&node, "another").await.0, worker);
    drop((other, another));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_move_comes_back_elsewhere() {
    let node = Node::start().await;
    let bots = room(&node, "mixed", 0, 2, 2);
    complete(&bots).await;
    let (worker, _) = worker_under(&node, "mixed").await;
    let before = generations(&bots);
    assert_eq!(node.admin("POST", &drain_path(worker), "").await.0, 202);
    complete_again(&bots, &before).await;
    for bot in &bots[2..] {
        assert_eq!(bot.ledger().closes, [Some(1012)]);
    }
    for bot in &bots[..2] {
        let ledger = bot.ledger();
        assert_eq!((ledger.connections, ledger.closes.len()), (1, 0));
    }
    assert_ne!(worker_under(&node, "mixed").await.0, worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_that_a_room_moves_to_may_die_meanwhile() {
    let node = Node::start_workers(3, &[]).await;
    let bots = room(&node, "unlucky", 0, 2, 0);
    complete(&bots).await;
    // Says that it will follow, and then takes its time.
    let mut slow = Client::connect(node.port, "unlucky", "slow").await;
    let able = json!({"displayName": "Slow", "device": {}, "plenum": {"migrate": true}});
    slow.ask("join", able.clone()).await.expect("joins");
    let (worker, _) = worker_under(&node, "unlucky").await;
    let before = generations(&bots);
    assert_eq!(node.admin("POST", &drain_path(worker), "").await.0, 202);
    complete_again(&bots, &before).await;
    let told = slow.notified("migrate").await;
    assert_eq!(
        told,
        json!({"reason": "maintenance", "makeBeforeBreak": true})
    );
    slow.ask("join", able.clone()).await.expect("joins");
    // The room before still runs: it waits for the slow one.
    let (second, pid) = worker_under(&node, "unlucky").await;
    assert_ne!(second, worker);
    let before = generations(&bots);
    signal(pid, "KILL");
    complete_again(&bots, &before).await;
    assert_ne!(worker_under(&node, "unlucky").await.0, worker);
    for bot in &bots {
        let ledger = bot.ledger();
        assert_eq!(
            (ledger.connections, &ledger.migrates),
            (1, &vec![true, true])
        );
    }
    slow.notified("migrate").await;
    slow.ask("join", able).await.expect("joins");
    slow.ask("migrated", json!({})).await.expect("let go");
    released(&bots, 1).await;
    let index = usize::try_from(worker).expect("small");
    node.stats_when(|stats| stats["workers"][index]["state"] == "drained")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_workers_are_started_anew_under_running_rooms() {
    let node = Node::start_workers(3, &[]).await;
    let rooms = [room(&node, "one", 0, 3, 0), room(&node, "two", 10, 3, 0)];
    for bots in &rooms {
        complete(bots).await;
        forget_gaps(bots);
    }
    let old = pids(&node.get_json("/stats").await);
    let (code, answer) = node.admin("POST", "/api/v1/workers/restart", "").await;
    assert_eq!(
        (code, &answer["left"]),
        (202, &json!([0, 1, 2])),
        "{answer}"
    );
    let (code, refusal) = node.admin("POST", "/api/v1/workers/restart", "").await;
    assert_eq!(
        (code, &refusal["retryable"]),
        (409, &json!(false)),
        "{refusal}"
    );
    loop {
        let (_, now) = node.admin("GET", "/api/v1/workers/restart", "").await;
        match now["state"].as_str() {
            Some("running") => tokio::task::yield_now().await,
            Some("done") => break assert_eq!(now["done"], json!([0, 1, 2])),
            _ => panic!("{now}"),
        }
    }
    all_run(&node).await;
    let stats = node.get_json("/stats").await;
    for (new, old) in pids(&stats).into_iter().zip(old) {
        assert_ne!(new, old);
    }
    for worker in stats["workers"].as_array().expect("a list") {
        assert_eq!(
            (&worker["state"], &worker["restarts"]),
            (&json!("running"), &json!(0))
        );
    }
    for (name, bots) in ["one", "two"].into_iter().zip(&rooms) {
        complete(bots).await;
        let [sound, picture] = gaps(bots);
        let moves = bots[0].ledger().migrates.len();
        report(&format!(
            "rolling restart, room {name}, {moves} moves: {sound:?} without sound, {picture:?} without a picture at most"
        ));
        for bot in bots {
            let ledger = bot.ledger();
            assert_eq!((ledger.connections, ledger.closes.len()), (1, 0));
            assert!(ledger.migrates.iter().all(|gently| *gently));
        }
    }
}

#[tokio::test]
async fn operators_are_told_what_does_not_go() {
    let node = Node::start_workers(1, &[]).await;
    for (method, path, headers, code) in [
        ("POST", "/api/v1/workers/0/drain", "", 409),
        ("POST", "/api/v1/workers/restart", "", 409),
        ("POST", "/api/v1/workers/7/drain", "", 404),
        ("DELETE", "/api/v1/workers/7/drain", "", 404),
        ("POST", "/api/v1/workers/first/drain", "", 404),
        (
            "POST",
            "/api/v1/workers/0/drain",
            "X-Forwarded-For: 192.0.2.1\r\n",
            403,
        ),
        (
            "POST",
            "/api/v1/workers/0/drain",
            "Origin: http://localhost\r\n",
            403,
        ),
    ] {
        let (given, body) = node.admin(method, path, headers).await;
        assert_eq!(given, code, "{method} {path}: {body}");
        assert_eq!(body["code"], code);
        assert!(body["reason"].is_string());
    }
    let (code, never) = node.admin("GET", "/api/v1/workers/restart", "").await;
    assert_eq!((code, &never["state"]), (200, &json!("never")));
    let closed = Node::start_with(&["--set", "admin.allow=none"]).await;
    assert_eq!(
        closed.admin("POST", "/api/v1/workers/0/drain", "").await.0,
        403
    );
}
