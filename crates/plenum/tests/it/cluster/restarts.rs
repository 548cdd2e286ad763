//! Nodes that were away, and are back as themselves.

use std::time::{Duration, Instant};

use super::{
    Cluster, USER,
    promises::{GONE, MERGED, Promise},
    rounds, until,
    watching::{Witness, all_hear_each_other, misses, one_at_each},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_asleep_is_no_owner_any_more_and_is_merged_again() {
    let cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "sleep");
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    let mut gone = Promise::within(GONE, "node stands still: its people gone from rooms");
    let mut merged = Promise::within(MERGED, "node goes on: everybody hears everybody");
    for _ in 0..rounds() {
        // Where the room has its home: it does not know that it has lost it.
        let victim = cluster.home_of("sleep").await;
        let asleep = cluster.member(victim).pause().await;
        let began = Instant::now();
        let others: Vec<_> = (0..3).filter(|index| *index != victim).collect();
        for index in &others {
            misses(&bots[*index], &bots[victim].name).await;
        }
        gone.note(began.elapsed());
        until("another home", async || {
            (cluster.home_of("sleep").await != victim).then_some(())
        })
        .await;
        let awake = Instant::now();
        drop(asleep);
        cluster.all_see_each_other().await;
        all_hear_each_other(&bots.each_ref(), awake + Duration::from_millis(1)).await;
        merged.note(awake.elapsed());
        cluster.is_whole(&[("sleep", &bots)]).await;
    }
    gone.check();
    merged.check();
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_back_before_it_was_missed_has_nobody_of_before() {
    let mut cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "again");
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    let mut gone = Promise::within(GONE, "node restarted at once: its people of before gone");
    let mut back = Promise::told("node restarted at once: everybody hears everybody");
    for round in 0..rounds() {
        let victim = cluster.place_of("again", &bots[round % 3].name).await;
        let witness = Witness::of(&cluster, victim, "again", round).await;
        let killed = Instant::now();
        cluster.member_mut(victim).kill().await;
        let dead = Instant::now();
        cluster.member_mut(victim).start().await;
        witness.misses().await;
        gone.note(killed.elapsed());
        all_hear_each_other(&bots.each_ref(), dead).await;
        back.note(killed.elapsed());
        cluster.all_see_each_other().await;
        cluster.is_whole(&[("again", &bots)]).await;
    }
    gone.check();
    drop(back);
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_of_the_same_id_takes_the_node_over() {
    let mut cluster = Cluster::three(USER).await;
    let mut back = Promise::told("node taken over by a second process: everybody hears everybody");
    for round in 0..rounds() {
        // The other process has other doors, which only newcomers know.
        let bots = one_at_each(&cluster, "twice");
        all_hear_each_other(&bots.each_ref(), Instant::now()).await;
        cluster.is_whole(&[("twice", &bots)]).await;
        let began = Instant::now();
        cluster.member_mut(round % 3).take_over().await;
        let taken = Instant::now();
        all_hear_each_other(&bots.each_ref(), taken).await;
        back.note(began.elapsed());
        cluster.all_see_each_other().await;
        cluster.is_whole(&[("twice", &bots)]).await;
        drop(bots);
        cluster.nothing_is_left().await;
    }
}
