//! The network between nodes breaks and is mended. Each node is a machine of its own there.

use std::time::{Duration, Instant};

use plenum_registry::RedisConfig;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    CLIENTS, Cluster, TURNS, USER, eventually,
    network::Network,
    promises::{GONE, MERGED, Promise},
    redis::Redis,
    rounds,
    watching::{all_hear_each_other, hears_no_more, misses, one_at_each},
};
use crate::{
    bot::{Bot, Role},
    client::{Client, join},
    moving::generations,
    node::Node,
};

/// Of the machines, which has Redis; the nodes have those before it.
const REGISTRY: u8 = 4;

async fn on_machines() -> (Cluster, Network) {
    let turn = TURNS.acquire().await.expect("never closed");
    let network = Network::new(REGISTRY);
    let redis = Redis::start(&network.place(REGISTRY)).await;
    let places = [1, 2, 3].map(|machine| network.place(machine));
    let settings = [USER.to_owned(), format!("cluster.redis={}", redis.url())];
    let shared = RedisConfig::new(redis.url());
    let cluster = Cluster::start(turn, (redis, shared), &places, &settings).await;
    (cluster, network)
}

/// How long a node is cut off: much longer than others wait for it.
const HELD: Duration = Duration::from_secs(10);

/// Waits until the link that one node has to another one carries something, or nothing any more.
async fn link_is(node: &Node, other: &str, up: bool) {
    let mut last = Value::Null;
    let changed = eventually(async || {
        let seen = node.get_json(&format!("/api/v1/nodes/{other}")).await;
        last = seen["link"].clone();
        ((last["state"] == "up") == up).then_some(())
    });
    let changed = changed.await.is_some();
    assert!(changed, "the link to {other}: {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_do_not_reach_each_other_are_merged_again() {
    let (cluster, network) = on_machines().await;
    let bots = one_at_each(&cluster, "cut");
    let [a, b, c] = &bots;
    all_hear_each_other(&[a, b, c], Instant::now()).await;
    let before = generations(&bots);
    let mut merged = Promise::within(
        MERGED,
        "two nodes reach each other again: everybody hears everybody",
    );
    for _ in 0..rounds() {
        network.cut(1, 2);
        // Each goes on with whom it reaches.
        hears_no_more(a, &b.name).await;
        hears_no_more(b, &a.name).await;
        all_hear_each_other(&[a, c], Instant::now()).await;
        all_hear_each_other(&[b, c], Instant::now()).await;
        network.mend(1, 2);
        let mended = Instant::now();
        all_hear_each_other(&[a, b, c], mended).await;
        merged.note(mended.elapsed());
        assert_eq!(generations(&bots), before, "nobody had to come again");
        cluster.is_whole(&[("cut", &bots)]).await;
    }
    merged.check();
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reaches_nobody_goes_on_alone_and_is_merged_again() {
    let (cluster, network) = on_machines().await;
    let bots = one_at_each(&cluster, "alone");
    let [a, b, c] = &bots;
    all_hear_each_other(&[a, b, c], Instant::now()).await;
    let before = generations(&bots);
    let mut gone = Promise::within(
        GONE,
        "node cut off from everybody for 10 s: its people gone from rooms",
    );
    let mut merged = Promise::within(MERGED, "node back after 10 s: everybody hears everybody");
    for round in 0..rounds() {
        for other in [2, 3, REGISTRY] {
            network.cut(1, other);
        }
        let cut = Instant::now();
        for bot in [b, c] {
            misses(bot, &a.name).await;
        }
        gone.note(cut.elapsed());
        all_hear_each_other(&[b, c], Instant::now()).await;
        // The others' room goes on; what happens there is told afterwards.
        let name = format!("late-{round}");
        let mut late = Client::connect_from(cluster.node(1), "alone", &name, CLIENTS[1]).await;
        join(&mut late, "Late").await;
        for bot in [b, c] {
            bot.wait_for("who came", |ledger| ledger.roster.contains(&name))
                .await;
        }
        sleep(HELD.saturating_sub(cut.elapsed())).await;
        for other in [2, 3, REGISTRY] {
            network.mend(1, other);
        }
        let mended = Instant::now();
        cluster.all_see_each_other().await;
        all_hear_each_other(&[a, b, c], mended).await;
        merged.note(mended.elapsed());
        assert_eq!(generations(&bots), before, "nobody had to come again");
        a.wait_for("who came", |ledger| ledger.roster.contains(&name))
            .await;
        late.leave().await;
        for bot in &bots {
            misses(bot, &name).await;
        }
        cluster.is_whole(&[("alone", &bots)]).await;
    }
    gone.check();
    merged.check();
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_whose_link_alone_is_cut_are_merged_again() {
    let (cluster, network) = on_machines().await;
    let [a, b, c] = one_at_each(&cluster, "link");
    // The second node speaks for somebody whose media goes to the first one: they have a link all the time.
    let relayed = Bot::start(Role {
        doors: vec![cluster.member(1).door()],
        from: Some(CLIENTS[0]),
        room: "link".to_owned(),
        name: "link-4".to_owned(),
        number: 4,
        able: true,
    });
    let bots = [a, b, c, relayed];
    let [a, b, c, relayed] = &bots;
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    let before = generations(&bots);
    let mut silent = Promise::told("TCP alone cut between two nodes: without sound");
    let mut merged = Promise::within(
        MERGED,
        "TCP alone cut between two nodes, and mended: who comes is seen by all",
    );
    for round in 0..rounds() {
        for bot in &bots {
            bot.ledger().forget_gaps();
        }
        for (node, other) in [(0, "b"), (1, "a")] {
            link_is(cluster.node(node), other, true).await;
        }
        network.block(1, 2, "tcp");
        for (node, other) in [(0, "b"), (1, "a")] {
            link_is(cluster.node(node), other, false).await;
        }
        // Both go on with the third.
        all_hear_each_other(&[a, c], Instant::now()).await;
        all_hear_each_other(&[b, c], Instant::now()).await;
        network.unblock(1, 2);
        let mended = Instant::now();
        let name = format!("late-{round}");
        let mut late = Client::connect_from(cluster.node(1), "link", &name, CLIENTS[1]).await;
        join(&mut late, "Late").await;
        for bot in &bots {
            bot.wait_for("who came", |ledger| ledger.roster.contains(&name))
                .await;
        }
        all_hear_each_other(&bots.each_ref(), mended).await;
        merged.note(mended.elapsed());
        let gaps = bots.iter().map(|bot| bot.ledger().longest_gap("audio"));
        silent.note(gaps.max().unwrap_or_default());
        late.leave().await;
        for bot in &bots {
            misses(bot, &name).await;
        }
        assert_eq!(generations(&bots), before, "nobody had to come again");
        assert_eq!(relayed.ledger().connections, 1, "nor to connect again");
        cluster.is_whole(&[("link", &bots)]).await;
    }
    merged.check();
    drop(silent);
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_that_alone_is_cut_comes_again_and_nobody_leaves() {
    let (cluster, network) = on_machines().await;
    let bots = one_at_each(&cluster, "media");
    let [a, b, c] = &bots;
    all_hear_each_other(&[a, b, c], Instant::now()).await;
    let before = generations(&bots);
    let mut merged = Promise::within(
        MERGED,
        "UDP alone cut between two nodes, and mended: everybody hears everybody",
    );
    for _ in 0..rounds() {
        network.block(1, 2, "udp");
        hears_no_more(a, &b.name).await;
        hears_no_more(b, &a.name).await;
        all_hear_each_other(&[a, c], Instant::now()).await;
        all_hear_each_other(&[b, c], Instant::now()).await;
        // They are in one room all the time.
        for bot in &bots {
            assert_eq!(bot.ledger().roster.len(), 2, "nobody is missed");
        }
        network.unblock(1, 2);
        let mended = Instant::now();
        all_hear_each_other(&[a, b, c], mended).await;
        merged.note(mended.elapsed());
        assert_eq!(generations(&bots), before, "nobody had to come again");
        cluster.is_whole(&[("media", &bots)]).await;
    }
    merged.check();
    drop(bots);
    cluster.nothing_is_left().await;
}
