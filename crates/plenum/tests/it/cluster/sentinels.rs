//! The registry fails over to its replica.

use std::time::Instant;

use plenum_registry::RedisConfig;

use super::{
    CLIENTS, Cluster, Place, TURNS, USER, eventually,
    promises::Promise,
    redis::Redis,
    rounds, until,
    watching::{all_hear_each_other, misses},
};
use crate::{
    client::{Client, join},
    moving::generations,
    node::report,
};

const MASTER: &str = "plenum-test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_follow_the_sentinels_to_another_registry() {
    let mut taken = Promise::told("Redis fails over to its replica: everything written again");
    for _ in 0..rounds() {
        taken.note(one_failover().await);
    }
}

async fn one_failover() -> std::time::Duration {
    let turn = TURNS.acquire().await.expect("never closed");
    let here = &Place::HERE;
    let mut master = Redis::start(here).await;
    let port = master.port.to_string();
    let replica = Redis::start_with(here, &["--replicaof", "127.0.0.1", &port]).await;
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        sentinels.push(Redis::sentinel(here, MASTER, master.port, 2, "").await);
    }
    for sentinel in &sentinels {
        until(
            "Sentinels that know each other and the replica",
            async || {
                let known = sentinel.ask(&["sentinel", "master", MASTER]).await;
                let value = |name: &str| {
                    let index = known.iter().position(|word| word == name)?;
                    known.get(index + 1)?.parse::<u32>().ok()
                };
                (value("num-other-sentinels") >= Some(2) && value("num-slaves") >= Some(1))
                    .then_some(())
            },
        )
        .await;
    }
    let urls: Vec<_> = sentinels.iter().map(Redis::url).collect();
    let settings = [
        USER.to_owned(),
        format!("cluster.sentinels={}", urls.join(" ")),
        format!("cluster.master={MASTER}"),
    ];
    // What the test looks at is what will be the master.
    let places = [Place::HERE, Place::HERE, Place::HERE];
    let shared = RedisConfig::with_sentinels(urls, MASTER);
    let cluster = Cluster::start(turn, (replica, shared), &places, &settings).await;
    let bots = [0, 1].map(|index: usize| {
        let number = u32::try_from(index).expect("small") + 1;
        cluster.bot(index, "over", number, true)
    });
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    let before = generations(&bots);
    let killed = Instant::now();
    master.kill();
    let is_master = async || {
        let role = cluster.redis.ask(&["role"]).await;
        (role.first().map(String::as_str) == Some("master")).then_some(())
    };
    if eventually(is_master).await.is_none() {
        // What is tried is the nodes: an operator would do the same.
        report("the Sentinels made nobody the master, and were told to");
        sentinels[0].tell(&["sentinel", "failover", MASTER]).await;
        until("the replica as master", is_master).await;
    }
    let places = [(bots[0].name.as_str(), "a"), (bots[1].name.as_str(), "b")];
    cluster.registry_has("over", &places).await;
    cluster.all_see_each_other().await;
    let taken = killed.elapsed();
    let mut late = Client::connect_from(cluster.node(2), "over", "late", CLIENTS[2]).await;
    join(&mut late, "Late").await;
    for bot in &bots {
        bot.wait_for("who came", |ledger| ledger.roster.contains("late"))
            .await;
    }
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    assert_eq!(generations(&bots), before, "nobody notices");
    late.leave().await;
    for bot in &bots {
        misses(bot, "late").await;
    }
    cluster.is_whole(&[("over", &bots)]).await;
    drop(bots);
    cluster.nothing_is_left().await;
    taken
}
