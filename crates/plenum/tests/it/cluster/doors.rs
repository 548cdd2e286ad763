//! Nodes that only speak to clients, and die.

use std::time::Instant;

use super::{
    CLIENTS, Cluster, Place, USER,
    promises::{MEDIA_AGAIN, Promise},
    rounds,
    watching::all_hear_each_other,
};
use crate::{
    bot::{Bot, Role},
    moving::generations,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_dead_door_come_by_another_one_and_miss_little() {
    let (media, doors) = (["node.role=media"], ["node.role=signal"]);
    let places = [
        Place::with(&media),
        Place::with(&media),
        Place::with(&doors),
        Place::with(&doors),
    ];
    let mut cluster = Cluster::at(USER, &places).await;
    // Of each region one at each door.
    let bots = [0, 1, 2, 3].map(|index: usize| {
        let mut doors = vec![cluster.member(2).door(), cluster.member(3).door()];
        doors.rotate_left(index / 2);
        let number = u32::try_from(index).expect("small") + 1;
        Bot::start(Role {
            doors,
            from: Some(CLIENTS[index % 2]),
            room: "door".to_owned(),
            name: format!("door-{number}"),
            number,
            able: true,
        })
    });
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    cluster.is_whole(&[("door", &bots)]).await;
    let mut silent = Promise::within(MEDIA_AGAIN, "signal node killed: its clients without sound");
    let mut back = Promise::told("signal node killed: its clients back by another one");
    for round in 0..rounds() {
        for bot in &bots {
            bot.ledger().forget_gaps();
        }
        let before = generations(&bots);
        // Once all have come by one door, they go on by the other one, and so on.
        let victim = 2 + round % 2;
        let killed = Instant::now();
        cluster.member_mut(victim).kill().await;
        let struck = if round == 0 { 0..2 } else { 0..4 };
        for index in struck.clone() {
            bots[index]
                .wait_for("another session", |ledger| {
                    ledger.generation > before[index]
                })
                .await;
        }
        all_hear_each_other(&bots.each_ref(), Instant::now()).await;
        back.note(killed.elapsed());
        for (index, bot) in bots.iter().enumerate() {
            let ledger = bot.ledger();
            assert_eq!(ledger.roster.len(), 3, "{}", bot.name);
            let untouched = ledger.generation == before[index];
            assert!(
                untouched || struck.contains(&index),
                "{} is disturbed",
                bot.name
            );
        }
        let gaps = bots.iter().map(|bot| bot.ledger().longest_gap("audio"));
        silent.note(gaps.max().unwrap_or_default());
        cluster.is_whole(&[("door", &bots)]).await;
        cluster.member_mut(victim).start().await;
        cluster.all_see_each_other().await;
    }
    silent.check();
    drop(back);
    drop(bots);
    cluster.nothing_is_left().await;
}
