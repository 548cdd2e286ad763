//! A node of a cluster dies under a call: who is missed how soon, who goes on, and what is left behind.

use std::time::Instant;

use super::{
    CLIENTS, Cluster, USER,
    promises::{GONE, Promise},
    rounds,
    watching::{all_hear_each_other, back_since, misses, one_at_each},
};
use crate::client::{Client, join};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_at_a_dead_node_is_missed_and_comes_back_elsewhere() {
    let mut cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "fall");
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    cluster.is_whole(&[("fall", &bots)]).await;
    let mut gone = Promise::within(GONE, "node killed: its people gone from rooms");
    let mut back = Promise::told("node killed: its people back at another");
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
        gone.note(killed.elapsed());
        all_hear_each_other(&bots.each_ref(), killed).await;
        back.note(back_since(&bots[2], killed));
        cluster.is_whole(&[("fall", &bots)]).await;
        // The same node again, under its next number.
        cluster.member_mut(victim).start().await;
        cluster.all_see_each_other().await;
        drop(ghost);
        cluster.is_whole(&[("fall", &bots)]).await;
    }
    gone.check();
    drop(back);
    drop(bots);
    cluster.nothing_is_left().await;
}
