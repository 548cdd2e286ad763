//! Nodes that only speak to clients, and die.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

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

/// Nobody opens there.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Doors that a client tries between two nodes': it is without one for as many times as it waits between two attempts.
const VAINLY: usize = 12;

/// As long as they are without one at least.
const WITHOUT: Duration = Duration::from_secs(2);

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
        let own = cluster.member(2 + index / 2).door();
        let other = cluster.member(3 - index / 2).door();
        let vainly = || std::iter::repeat_n(NOWHERE, VAINLY);
        let doors = std::iter::once(own)
            .chain(vainly())
            .chain([other])
            .chain(vainly())
            .collect();
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
    let mut alone = Promise::told("signal node killed, its clients without any: without sound");
    let mut silent = Promise::within(
        MEDIA_AGAIN,
        "signal node killed, its clients join by another one: without sound",
    );
    for round in 0..rounds() {
        for bot in &bots {
            bot.ledger().forget_gaps();
        }
        let before = generations(&bots);
        let closes = bots.each_ref().map(|bot| bot.ledger().closes.len());
        // Once all have come by one door, they go on by the other one, and so on.
        let victim = 2 + round % 2;
        let killed = Instant::now();
        cluster.member_mut(victim).kill().await;
        let struck = if round == 0 { 0..2 } else { 0..4 };
        // While they have no connection their media goes on, to them and from them.
        for index in struck.clone() {
            bots[index]
                .wait_for("no connection", |ledger| {
                    ledger.closes.len() > closes[index]
                })
                .await;
        }
        all_hear_each_other(&bots.each_ref(), killed + WITHOUT).await;
        assert_eq!(generations(&bots), before, "nobody is back yet");
        alone.note(longest_gap(&bots));
        for bot in &bots {
            assert_eq!(bot.ledger().roster.len(), 3, "nobody is missed");
        }
        for index in struck.clone() {
            bots[index]
                .wait_for("another session", |ledger| {
                    ledger.generation > before[index]
                })
                .await;
        }
        all_hear_each_other(&bots.each_ref(), Instant::now()).await;
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
        silent.note(longest_gap(&bots));
        cluster.is_whole(&[("door", &bots)]).await;
        cluster.member_mut(victim).start().await;
        cluster.all_see_each_other().await;
    }
    silent.check();
    drop(alone);
    drop(bots);
    cluster.nothing_is_left().await;
}

/// Without sound, of anybody at anybody.
fn longest_gap(bots: &[Bot]) -> Duration {
    let gaps = bots.iter().map(|bot| bot.ledger().longest_gap("audio"));
    gaps.max().unwrap_or_default()
}
