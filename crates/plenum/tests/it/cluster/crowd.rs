//! Everybody of a node comes at once to the others.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use plenum_ids::RoomName;
use plenum_registry::Registry as _;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use super::{CLIENTS, Cluster, ROOM, promises::Promise, rounds, until};
use crate::{
    bot::wire::{Trouble, Wire},
    client::receiver_capabilities,
    node::report,
};

const ROOMS: usize = 10;
const PEERS: usize = 20;

/// Between two attempts of one client.
const RETRY: Duration = Duration::from_millis(250);

/// What all of them have done.
#[derive(Default)]
struct Tally {
    attempts: AtomicUsize,
    joined: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_peers_of_a_dead_node_are_back_at_the_others() {
    let mut back = Promise::told("node with 200 peers killed: the last of them back at another");
    for _ in 0..rounds() {
        back.note(one_crowd().await);
    }
}

async fn one_crowd() -> Duration {
    let mut cluster = Cluster::three(ROOM).await;
    // First at the node that will die, then at the others in turn.
    let doors: Vec<_> = cluster.running().map(super::Member::door).collect();
    let tally = Arc::new(Tally::default());
    let mut crowd = JoinSet::new();
    for number in 0..ROOMS * PEERS {
        let (room, peer) = (format!("hall-{}", number % ROOMS), format!("p{number}"));
        let doors = [2, number % 2, 1 - number % 2].map(|index| doors[index]);
        let tally = Arc::clone(&tally);
        crowd.spawn(async move {
            for door in doors.into_iter().cycle() {
                tally.attempts.fetch_add(1, Relaxed);
                let from = Some(CLIENTS[2]);
                if let Some(mut wire) = Wire::connect(door, from, &room, &peer).await
                    && join(&mut wire, &peer).await.is_ok()
                {
                    tally.joined.fetch_add(1, Relaxed);
                    while wire.next().await.is_ok() {}
                }
                sleep(RETRY).await;
            }
        });
    }
    all_are_in(&cluster, &["c"]).await;
    let (attempts, joined) = (tally.attempts.load(Relaxed), tally.joined.load(Relaxed));
    assert_eq!(joined, ROOMS * PEERS);
    let killed = Instant::now();
    cluster.member_mut(2).kill().await;
    all_are_in(&cluster, &["a", "b"]).await;
    let back = killed.elapsed();
    let more = tally.attempts.load(Relaxed) - attempts;
    let again = tally.joined.load(Relaxed) - joined;
    report(&format!("{more} attempts to connect, {again} joins"));
    crowd.shutdown().await;
    cluster.nothing_is_left().await;
    back
}

async fn join(wire: &mut Wire, name: &str) -> Result<(), Trouble> {
    let capabilities = wire.ask("getRouterRtpCapabilities", json!({})).await?;
    let transport = json!({"forceTcp": false, "producing": false, "consuming": true});
    wire.ask("createWebRtcTransport", transport).await?;
    let join = json!({
        "displayName": name, "device": {},
        "rtpCapabilities": receiver_capabilities(&capabilities),
    });
    wire.ask("join", join).await.map(drop)
}

/// Every peer is in its room once, at one of these nodes, and the nodes know of no others.
async fn all_are_in(cluster: &Cluster, nodes: &[&str]) {
    let registry = cluster.registry();
    for room in 0..ROOMS {
        let name = format!("hall-{room}");
        until("everybody in the registry, once", async || {
            let peers = registry.peers(RoomName::new("default", &*name), None);
            let peers = peers.await.ok()?;
            let distinct: BTreeSet<_> = peers.iter().map(|it| it.peer.to_string()).collect();
            let there = peers.iter().all(|it| nodes.contains(&it.node.as_str()));
            (peers.len() == PEERS && distinct.len() == PEERS && there).then_some(())
        })
        .await;
    }
    until("all peers at the nodes", async || {
        let mut count = 0;
        for member in cluster.running() {
            let stats = member.node().get_json("/stats").await;
            count += stats["totalPeers"].as_u64()?;
        }
        (count == (ROOMS * PEERS) as u64).then_some(())
    })
    .await;
}
