//! Workers of a cluster die under calls: their people are back by themselves, nobody else notices, and their pipes go along.

use std::time::Instant;

use super::{
    Cluster, Place, USER,
    promises::{MEDIA_AGAIN, Promise},
    rounds,
    watching::{all_hear_each_other, back_since, one_at_each},
};
use crate::{
    moving::{generations, worker_under},
    node::strike,
};

/// A worker that died five times within a minute is held back, which is another test's: a long run changes its cluster before that
/// happens.
const ROUNDS_PER_CLUSTER: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_worker_takes_its_pipes_along_and_its_peers_are_back() {
    let mut back = Promise::within(MEDIA_AGAIN, "worker killed: its people have media again");
    for_some_rounds(async |rounds| one_room(rounds, &mut back).await).await;
    back.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_other_workers_of_the_same_nodes_notice_nothing() {
    let mut back = Promise::within(MEDIA_AGAIN, "one of a node's workers killed: media again");
    for_some_rounds(async |rounds| several_rooms(rounds, &mut back).await).await;
    back.check();
}

async fn for_some_rounds(mut some: impl AsyncFnMut(usize)) {
    let mut left = rounds();
    while left > 0 {
        let now = left.min(ROUNDS_PER_CLUSTER);
        some(now).await;
        left -= now;
    }
}

/// The only worker of a node.
async fn one_room(rounds: usize, back: &mut Promise) {
    let cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "worker");
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    cluster.is_whole(&[("worker", &bots)]).await;
    for round in 0..rounds {
        let victim = round % 3;
        let place = cluster.place_of("worker", &bots[victim].name).await;
        let pid = cluster.node(place).worker_pids().await[0];
        // Who was there before may have found another node's worker meanwhile.
        let mut struck = Vec::new();
        for bot in &bots {
            if cluster.place_of("worker", &bot.name).await == place {
                struck.push(&*bot.name);
            }
        }
        let before = generations(&bots);
        let killed = Instant::now();
        strike(pid, "KILL");
        bots[victim]
            .wait_for("another session", |ledger| {
                ledger.generation > before[victim]
            })
            .await;
        all_hear_each_other(&bots.each_ref(), killed).await;
        back.note(back_since(&bots[victim], killed));
        for (index, bot) in bots.iter().enumerate() {
            let untouched = bot.ledger().generation == before[index];
            let name = &*bot.name;
            assert!(untouched || struck.contains(&name), "{name} is disturbed");
        }
        cluster.is_whole(&[("worker", &bots)]).await;
    }
    drop(bots);
    cluster.nothing_is_left().await;
}

const ROOMS: [&str; 3] = ["red", "green", "blue"];

/// One of three of a node, whose rooms are spread over workers and nodes.
async fn several_rooms(rounds: usize, back: &mut Promise) {
    let place = || Place::with(&["workers.count=3"]);
    let cluster = Cluster::at(USER, &[place(), place(), place()]).await;
    let bots = ROOMS.map(|room| one_at_each(&cluster, room));
    let rooms = || [0, 1, 2].map(|room: usize| (ROOMS[room], &bots[room][..]));
    for bots in &bots {
        all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    }
    cluster.is_whole(&rooms()).await;
    for round in 0..rounds {
        // Each time another room, at another node.
        let (room, victim) = (round % 3, round / 3 % 3);
        let place = cluster
            .place_of(ROOMS[room], &bots[room][victim].name)
            .await;
        let node = cluster.node(place);
        let (worker, pid) = worker_under(node, ROOMS[room]).await;
        let mut struck = Vec::new();
        for (room, bots) in ROOMS.iter().zip(&bots) {
            if worker_under(node, room).await.0 == worker {
                for bot in bots {
                    if cluster.place_of(room, &bot.name).await == place {
                        struck.push(&*bot.name);
                    }
                }
            }
        }
        let before: Vec<_> = bots.iter().map(|bots| generations(bots)).collect();
        let killed = Instant::now();
        strike(pid, "KILL");
        for (bots, before) in bots.iter().zip(&before) {
            for (bot, before) in bots.iter().zip(before) {
                if struck.contains(&&*bot.name) {
                    bot.wait_for("another session", |ledger| ledger.generation > *before)
                        .await;
                }
            }
            all_hear_each_other(&bots.each_ref(), killed).await;
        }
        back.note(back_since(&bots[room][victim], killed));
        for (bots, before) in bots.iter().zip(&before) {
            for (bot, before) in bots.iter().zip(before) {
                let untouched = bot.ledger().generation == *before;
                let name = &*bot.name;
                assert!(untouched || struck.contains(&name), "{name} is disturbed");
            }
        }
        cluster.is_whole(&rooms()).await;
    }
    drop(bots);
    cluster.nothing_is_left().await;
}
