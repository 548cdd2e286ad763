//! The registry dies or hangs under a call: nobody notices, and everything is written again.

use std::time::Instant;

use plenum_ids::RoomName;
use plenum_registry::Registry as _;

use super::{
    CLIENTS, Cluster, USER,
    promises::{Promise, WRITTEN},
    rounds, until,
    watching::{all_hear_each_other, misses, one_at_each},
};
use crate::{
    client::{Client, join},
    moving::generations,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_dies_is_noticed_by_no_call_and_written_anew() {
    let mut cluster = Cluster::three(USER).await;
    let bots = one_at_each(&cluster, "forgotten");
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    let mut written = Promise::within(
        WRITTEN,
        "Redis back, empty or not: everything written again",
    );
    let mut home = Promise::told("Redis back, empty or not: the room has its home again");
    let mut silent = Promise::told("Redis away: without sound");
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
        all_hear_each_other(&bots.each_ref(), Instant::now()).await;
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
        let name_of_room = RoomName::new("default", "forgotten");
        until("all parts", async || {
            let room = registry.room(name_of_room.clone()).await.ok()??;
            (room.parts.len() == 3).then_some(())
        })
        .await;
        written.note(returned.elapsed());
        // One that has just begun does not know whether it has forgotten somebody: homes wait for two leases.
        until("a home", async || {
            let room = registry.room(name_of_room.clone()).await.ok()??;
            room.home.is_some().then_some(())
        })
        .await;
        home.note(returned.elapsed());
        for bot in &bots[1..] {
            bot.wait_for("who came", |ledger| ledger.roster.contains(&name))
                .await;
        }
        assert_eq!(generations(&bots), before, "nobody notices");
        let gaps = bots.iter().map(|bot| bot.ledger().longest_gap("audio"));
        silent.note(gaps.max().unwrap_or_default());
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
        cluster.is_whole(&[("forgotten", &bots)]).await;
    }
    written.check();
    drop((home, silent));
    drop(bots);
    cluster.nothing_is_left().await;
}
