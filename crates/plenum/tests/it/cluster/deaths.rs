//! Something of a cluster dies under a call: who is missed how soon, who goes on, and what is left behind.

use std::time::{Duration, Instant};

use plenum_ids::RoomName;
use plenum_registry::Registry as _;

use super::{
    CLIENTS, Cluster, USER, rounds, until,
    watching::{all_hear_each_other, back_since, misses},
};
use crate::{
    bot::Bot,
    chaos::summary,
    client::{Client, join},
    moving::generations,
    node::{report, strike},
};

/// One at each node.
fn one_at_each(cluster: &Cluster, room: &str) -> [Bot; 3] {
    [0, 1, 2].map(|index: usize| {
        let number = u32::try_from(index).expect("small") + 1;
        cluster.bot(index, room, number, true)
    })
}

async fn all_hear(bots: &[Bot; 3], since: Instant) {
    all_hear_each_other(&bots.each_ref(), since).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_at_a_dead_node_is_missed_and_comes_back_elsewhere() {
    let mut cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "fall");
    all_hear(&bots, Instant::now()).await;
    cluster.is_exactly(&[1, 1, 1]).await;
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for round in 0..rounds() {
        let victim = cluster.place_of("fall", &bots[2].name).await;
        // Somebody who does not come back.
        let name = format!("ghost-{round}");
        let node = cluster.node(victim);
        let mut ghost = Client::connect_from(node, "fall", &name, CLIENTS[victim]).await;
        join(&mut ghost, "Ghost").await;
        let mut others = Vec::new();
        for bot in &bots {
            if cluster.place_of("fall", &bot.name).await != victim {
                others.push(bot);
            }
        }
        for bot in &others {
            bot.wait_for("the ghost", |ledger| ledger.roster.contains(&name))
                .await;
        }
        let killed = Instant::now();
        cluster.member_mut(victim).kill().await;
        for bot in &others {
            misses(bot, &name).await;
        }
        gone.push(killed.elapsed());
        all_hear(&bots, killed).await;
        back.push(back_since(&bots[2], killed));
        let at = cluster.spread("fall", &bots).await;
        cluster.is_exactly(&at).await;
        // The same node again, under its next number.
        cluster.member_mut(victim).start().await;
        cluster.all_see_each_other().await;
        drop(ghost);
        cluster
            .is_exactly(&cluster.spread("fall", &bots).await)
            .await;
    }
    report(&summary("node killed, its peers gone after", gone));
    report(&summary("node killed, its peers back after", back));
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_worker_takes_its_pipes_along_and_its_peers_are_back() {
    let cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "worker");
    all_hear(&bots, Instant::now()).await;
    cluster.is_exactly(&[1, 1, 1]).await;
    let mut back = Vec::new();
    for round in 0..rounds() {
        let victim = round % 3;
        let place = cluster.place_of("worker", &bots[victim].name).await;
        let pid = cluster.node(place).worker_pids().await[0];
        let before = generations(&bots);
        let killed = Instant::now();
        strike(pid, "KILL");
        bots[victim]
            .wait_for("another session", |ledger| {
                ledger.generation > before[victim]
            })
            .await;
        all_hear(&bots, killed).await;
        back.push(back_since(&bots[victim], killed));
        for (index, bot) in bots.iter().enumerate() {
            let untouched = bot.ledger().generation == before[index];
            assert!(untouched || index == victim, "{} is disturbed", bot.name);
        }
        cluster
            .is_exactly(&cluster.spread("worker", &bots).await)
            .await;
    }
    report(&summary("worker killed, media again after", back));
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_dies_is_noticed_by_no_call_and_written_anew() {
    let mut cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "forgotten");
    all_hear(&bots, Instant::now()).await;
    let mut written = Vec::new();
    for round in 0..rounds() {
        for bot in &bots {
            bot.ledger().forget_gaps();
        }
        let before = generations(&bots);
        // Every other time it only hangs, and forgets nothing.
        let dies = round % 2 == 0;
        if dies {
            cluster.redis.kill();
        } else {
            cluster.redis.signal("STOP");
        }
        // The room is here, so that somebody may come; what is on another node he sees when it can be told.
        let name = format!("late-{round}");
        let mut late = Client::connect_from(cluster.node(0), "forgotten", &name, CLIENTS[0]).await;
        join(&mut late, "Late").await;
        bots[0]
            .wait_for("who came", |ledger| ledger.roster.contains(&name))
            .await;
        all_hear(&bots, Instant::now()).await;
        let returned = Instant::now();
        if dies {
            cluster.redis.start_again().await;
        } else {
            cluster.redis.signal("CONT");
        }
        let expected = [
            (bots[0].name.as_str(), "a"),
            (bots[1].name.as_str(), "b"),
            (bots[2].name.as_str(), "c"),
            (name.as_str(), "a"),
        ];
        cluster.registry_has("forgotten", &expected).await;
        let registry = cluster.registry();
        until("a home", async || {
            let room = registry.room(RoomName::new("default", "forgotten"));
            let room = room.await.ok()??;
            (room.home.is_some() && room.parts.len() == 3).then_some(())
        })
        .await;
        written.push(returned.elapsed());
        for bot in &bots[1..] {
            bot.wait_for("who came", |ledger| ledger.roster.contains(&name))
                .await;
        }
        assert_eq!(generations(&bots), before, "nobody notices");
        let gaps = bots.iter().map(|bot| bot.ledger().longest_gap("audio"));
        report(&format!(
            "registry away: {:?} without sound at most",
            gaps.max().unwrap_or_default()
        ));
        late.leave().await;
        for bot in &bots {
            misses(bot, &name).await;
        }
        // Rooms are opened again, too.
        let room = format!("after-{round}");
        let newcomer = until("a new room", async || {
            let target = format!("/?roomId={room}&peerId=new");
            Client::try_connect(cluster.node(1).port, &target, Some("protoo"))
                .await
                .ok()
        })
        .await;
        newcomer.leave().await;
        cluster.all_see_each_other().await;
    }
    report(&summary("registry emptied, written again after", written));
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_asleep_is_no_owner_any_more_and_is_merged_again() {
    let cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "sleep");
    all_hear(&bots, Instant::now()).await;
    let (mut gone, mut merged) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        // Where the room has its home: it does not know that it has lost it.
        let victim = cluster.home_of("sleep").await;
        let asleep = cluster.member(victim).pause().await;
        let began = Instant::now();
        let others: Vec<_> = (0..3).filter(|index| *index != victim).collect();
        for index in &others {
            misses(&bots[*index], &bots[victim].name).await;
        }
        gone.push(began.elapsed());
        until("another home", async || {
            (cluster.home_of("sleep").await != victim).then_some(())
        })
        .await;
        let awake = Instant::now();
        drop(asleep);
        cluster.all_see_each_other().await;
        all_hear(&bots, awake + Duration::from_millis(1)).await;
        merged.push(awake.elapsed());
        cluster
            .is_exactly(&cluster.spread("sleep", &bots).await)
            .await;
    }
    report(&summary("node asleep, its peers gone after", gone));
    report(&summary("node awake, merged after", merged));
    drop(bots);
    cluster.nothing_is_left().await;
}
