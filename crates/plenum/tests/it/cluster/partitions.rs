//! The network between nodes breaks and is mended. Each node is a machine of its own there.

use std::time::Instant;

use plenum_registry::RedisConfig;

use super::{
    Cluster, TURNS, USER,
    network::Network,
    redis::Redis,
    rounds,
    watching::{all_hear_each_other, hears_no_more, misses},
};
use crate::{bot::Bot, chaos::summary, moving::generations, node::report};

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

fn bots(cluster: &Cluster, room: &str) -> [Bot; 3] {
    [0, 1, 2].map(|index: usize| {
        let number = u32::try_from(index).expect("small") + 1;
        cluster.bot(index, room, number, true)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_do_not_reach_each_other_are_merged_again() {
    let (cluster, network) = on_machines().await;
    let bots = bots(&cluster, "cut");
    let [a, b, c] = &bots;
    all_hear_each_other(&[a, b, c], Instant::now()).await;
    let before = generations(&bots);
    let mut merged = Vec::new();
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
        merged.push(mended.elapsed());
        assert_eq!(generations(&bots), before, "nobody had to come again");
        cluster.is_exactly(&[1, 1, 1]).await;
    }
    report(&summary("link mended, everybody heard after", merged));
    drop(bots);
    cluster.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reaches_nobody_goes_on_alone_and_is_merged_again() {
    let (cluster, network) = on_machines().await;
    let bots = bots(&cluster, "alone");
    let [a, b, c] = &bots;
    all_hear_each_other(&[a, b, c], Instant::now()).await;
    let before = generations(&bots);
    let (mut gone, mut merged) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        for other in [2, 3, REGISTRY] {
            network.cut(1, other);
        }
        let cut = Instant::now();
        for bot in [b, c] {
            misses(bot, &a.name).await;
        }
        gone.push(cut.elapsed());
        all_hear_each_other(&[b, c], Instant::now()).await;
        for other in [2, 3, REGISTRY] {
            network.mend(1, other);
        }
        let mended = Instant::now();
        cluster.all_see_each_other().await;
        all_hear_each_other(&[a, b, c], mended).await;
        merged.push(mended.elapsed());
        assert_eq!(generations(&bots), before, "nobody had to come again");
        cluster.is_exactly(&[1, 1, 1]).await;
        let places = [(&*a.name, "a"), (&*b.name, "b"), (&*c.name, "c")];
        cluster.registry_has("alone", &places).await;
    }
    report(&summary("node cut off, its peers gone after", gone));
    report(&summary("node back, everybody heard after", merged));
    drop(bots);
    cluster.nothing_is_left().await;
}
