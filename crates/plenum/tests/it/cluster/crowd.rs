//! Everybody of a node comes at once to the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use plenum_ids::RoomName;
use plenum_registry::Registry as _;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{CLIENTS, Cluster, ROOM, eventually, promises::Promise, rounds, until};
use crate::{
    bot::wire::{Trouble, Wire},
    client::receiver_capabilities,
    node::report,
};

const ROOMS: usize = 10;
const PEERS: usize = 20;

/// Between two attempts of one client.
const RETRY: Duration = Duration::from_millis(250);

/// Who has no answer for so long connects again, as clients do.
const ANSWER: Duration = Duration::from_secs(10);

/// What all of them have done.
#[derive(Default)]
struct Tally {
    attempts: AtomicUsize,
    joined: AtomicUsize,
    /// Joins that were given up.
    unanswered: AtomicUsize,
    /// What each of them does.
    doing: Mutex<BTreeMap<String, Doing>>,
}

/// Between two attempts, or in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Waits,
    Connects(SocketAddr),
    Joins(SocketAddr),
    IsIn(SocketAddr),
}

impl Tally {
    fn note(&self, peer: &str, doing: Doing) {
        let mut all = self.doing.lock().expect("nobody panics there");
        all.insert(peer.to_owned(), doing);
    }

    /// Those who are not in.
    fn outside(&self) -> Vec<(String, Doing)> {
        let all = self.doing.lock().expect("nobody panics there");
        let outside = all.iter().filter(|(_, it)| !matches!(it, Doing::IsIn(_)));
        outside.map(|(peer, it)| (peer.clone(), *it)).collect()
    }
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
                tally.note(&peer, Doing::Connects(door));
                if let Some(mut wire) = Wire::connect(door, from, &room, &peer).await {
                    tally.note(&peer, Doing::Joins(door));
                    let joined = timeout(ANSWER, join(&mut wire, &peer)).await;
                    if joined.is_err() {
                        tally.unanswered.fetch_add(1, Relaxed);
                    }
                    if matches!(joined, Ok(Ok(()))) {
                        tally.note(&peer, Doing::IsIn(door));
                        tally.joined.fetch_add(1, Relaxed);
                        while wire.next().await.is_ok() {}
                    }
                }
                tally.note(&peer, Doing::Waits);
                sleep(RETRY).await;
            }
        });
    }
    all_are_in(&cluster, &tally, &["c"]).await;
    let (attempts, joined) = (tally.attempts.load(Relaxed), tally.joined.load(Relaxed));
    assert_eq!(joined, ROOMS * PEERS);
    let killed = Instant::now();
    cluster.member_mut(2).kill().await;
    all_are_in(&cluster, &tally, &["a", "b"]).await;
    let back = killed.elapsed();
    let more = tally.attempts.load(Relaxed) - attempts;
    let again = tally.joined.load(Relaxed) - joined;
    let unanswered = tally.unanswered.load(Relaxed);
    report(&format!(
        "{more} attempts to connect, {again} joins, {unanswered} without an answer"
    ));
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
async fn all_are_in(cluster: &Cluster, tally: &Tally, nodes: &[&str]) {
    let registry = cluster.registry();
    for room in 0..ROOMS {
        let name = format!("hall-{room}");
        let mut last = Vec::new();
        let complete = eventually(async || {
            let peers = registry.peers(RoomName::new("default", &*name), None);
            let peers = peers.await.ok()?;
            let distinct: BTreeSet<_> = peers.iter().map(|it| it.peer.to_string()).collect();
            let there = peers.iter().all(|it| nodes.contains(&it.node.as_str()));
            last = peers
                .iter()
                .map(|it| format!("{}@{}", it.peer, it.node))
                .collect();
            (peers.len() == PEERS && distinct.len() == PEERS && there).then_some(())
        });
        let complete = complete.await.is_some();
        let outside = tally.outside();
        assert!(complete, "{name} has {last:?}; outside are {outside:?}");
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
