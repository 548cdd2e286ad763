//! A node of a cluster dies under a call: who is missed how soon, who goes on, and what is left behind.

use std::time::Instant;

use super::{
    Cluster, USER,
    promises::{GONE, Promise},
    rounds,
    watching::{Witness, all_hear_each_other, back_since, one_at_each},
};

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
        let witness = Witness::of(&cluster, victim, "fall", round).await;
        let killed = Instant::now();
        cluster.member_mut(victim).kill().await;
        let dead = Instant::now();
        witness.misses().await;
        gone.note(killed.elapsed());
        all_hear_each_other(&bots.each_ref(), dead).await;
        back.note(back_since(&bots[2], killed));
        cluster.is_whole(&[("fall", &bots)]).await;
        // The same node again, under its next number.
        cluster.member_mut(victim).start().await;
        cluster.all_see_each_other().await;
        cluster.is_whole(&[("fall", &bots)]).await;
    }
    gone.check();
    drop(back);
    drop(bots);
    cluster.nothing_is_left().await;
}
