//! What a cluster is asked after something has happened: who is where, who hears whom, and what was left behind.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use plenum_ids::RoomName;
use plenum_registry::Registry as _;

use super::{CLIENTS, Cluster, eventually, until};
use crate::{
    bot::{Bot, Ledger, Role, Source},
    client::{Client, join},
    node::Node,
};

/// A node that has not renewed its lease for so long is dead.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// How many there are of everything that workers make, in the order of [`KINDS`].
pub(super) type Objects = [u64; 4];

pub(super) const KINDS: [&str; 4] = ["routers", "transports", "producers", "consumers"];

impl Cluster {
    /// A participant from the region of a node, who tries that node first.
    pub(crate) fn bot(&self, index: usize, room: &str, number: u32, able: bool) -> Bot {
        let with_doors = self.members.iter().filter(|member| member.has_doors());
        let mut doors: Vec<_> = with_doors.map(super::Member::door).collect();
        let first = index % doors.len();
        doors.rotate_left(first);
        Bot::start(Role {
            doors,
            from: Some(CLIENTS[index]),
            room: room.to_owned(),
            name: format!("{room}-{number}"),
            number,
            able,
        })
    }

    /// Waits until every worker of every running node has exactly what so many participants at each node need, each of
    /// whom sends sound and a picture and receives all others, and nothing besides.
    pub(crate) async fn is_exactly(&self, participants: &[u64]) {
        let all: u64 = participants.iter().sum();
        for (member, own) in self.members.iter().zip(participants) {
            if !member.runs() {
                assert_eq!(*own, 0, "{} does not run", member.name);
                continue;
            }
            let elsewhere = participants.iter().filter(|there| **there > 0).count() as u64 - 1;
            let expected = match own {
                0 => [0; 4],
                // There is a trunk to each other node; what comes from elsewhere is piped here once, and what is sent here goes
                // to each other node once.
                _ => [
                    1,
                    2 * own + elsewhere,
                    2 * all,
                    own * 2 * (all - 1) + elsewhere * 2 * own,
                ],
            };
            let node = member.node();
            let mut last = [0; 4];
            let fits = eventually(async || {
                last = objects(node).await;
                (last == expected).then_some(())
            });
            let fits = fits.await.is_some();
            let name = &member.name;
            assert!(fits, "{name} has {last:?} {KINDS:?}, not {expected:?}");
        }
    }

    /// Waits until nobody remembers anything of rooms: no node, no worker, not the registry.
    pub(crate) async fn nothing_is_left(&self) {
        self.is_whole(&[]).await;
    }

    /// Waits until the registry knows exactly these peers of a room, each once, at these nodes.
    pub(crate) async fn registry_has(&self, room: &str, expected: &[(&str, &str)]) {
        let expected: BTreeSet<_> = expected
            .iter()
            .map(|(peer, node)| ((*peer).to_owned(), (*node).to_owned()))
            .collect();
        let registry = self.registry();
        let mut last = Vec::new();
        let fits = eventually(async || {
            let peers = registry.peers(RoomName::new("default", room), None);
            last = peers.await.ok()?;
            let found: BTreeSet<_> = last
                .iter()
                .map(|it| (it.peer.to_string(), it.node.to_string()))
                .collect();
            (last.len() == found.len() && found == expected).then_some(())
        });
        let fits = fits.await.is_some();
        assert!(fits, "the registry has {last:?}, not {expected:?}");
    }
}

pub(super) async fn objects(node: &Node) -> Objects {
    let stats = node.get_json("/stats").await;
    let workers = stats["workers"].as_array().expect("a list");
    KINDS.map(|kind| workers.iter().filter_map(|it| it[kind].as_u64()).sum())
}

/// Waits until these hear and see all of each other, by packets that came after `since`.
pub(crate) async fn all_hear_each_other(bots: &[&Bot], since: Instant) {
    for bot in bots {
        let others = bots.iter().filter(|other| other.name != bot.name);
        let sources: Vec<_> = others.flat_map(|other| sources(&other.name)).collect();
        bot.wait_for("everybody", |ledger| {
            sources
                .iter()
                .all(|source| heard_since(ledger, source, since))
        })
        .await;
    }
}

fn sources(peer: &str) -> [Source; 2] {
    ["audio", "video"].map(|kind| Source {
        peer: peer.to_owned(),
        kind: kind.to_owned(),
    })
}

fn heard_since(ledger: &Ledger, source: &Source, since: Instant) -> bool {
    let heard = ledger.heard.get(source);
    heard.is_some_and(|heard| heard.generation == ledger.generation && heard.last > since)
}

/// Waits until somebody has been told that somebody else left.
pub(crate) async fn misses(bot: &Bot, peer: &str) {
    bot.wait_for("somebody gone", |ledger| !ledger.roster.contains(peer))
        .await;
}

/// One at each node, who try that node first.
pub(crate) fn one_at_each(cluster: &Cluster, room: &str) -> [Bot; 3] {
    [0, 1, 2].map(|index: usize| {
        let number = u32::try_from(index).expect("small") + 1;
        cluster.bot(index, room, number, true)
    })
}

/// Somebody who is at a node that dies and does not come back, and somebody at another node who misses them.
pub(crate) struct Witness {
    ghost: Client,
    name: String,
    sees: Client,
}

impl Witness {
    /// At a node and at the next one.
    pub(crate) async fn of(cluster: &Cluster, victim: usize, room: &str, round: usize) -> Self {
        let (name, next) = (format!("ghost-{round}"), (victim + 1) % 3);
        let node = cluster.node(victim);
        let mut ghost = Client::connect_from(node, room, &name, CLIENTS[victim]).await;
        join(&mut ghost, "Ghost").await;
        let (node, own) = (cluster.node(next), format!("witness-{round}"));
        let mut witness = Client::connect_from(node, room, &own, CLIENTS[next]).await;
        join(&mut witness, "Witness").await;
        assert_eq!(cluster.place_of(room, &name).await, victim);
        assert_eq!(cluster.place_of(room, &own).await, next);
        let path = format!("/api/v1/rooms/default/{room}/peers/{name}/placement");
        until("the ghost, where the witness is", async || {
            (cluster.node(next).get(&path).await.0 == 200).then_some(())
        })
        .await;
        Self {
            ghost,
            name,
            sees: witness,
        }
    }

    /// Until it is told, and both have left.
    pub(crate) async fn misses(mut self) {
        loop {
            let gone = self.sees.notified("peerClosed").await;
            if gone["peerId"] == self.name {
                break;
            }
        }
        self.sees.leave().await;
        drop(self.ghost);
    }
}

impl Cluster {
    /// The node where the registry has a peer.
    pub(crate) async fn place_of(&self, room: &str, peer: &str) -> usize {
        let registry = self.registry();
        let name = until("the peer in the registry", async || {
            let peers = registry.peers(RoomName::new("default", room), Some(peer.into()));
            match peers.await.ok()?.as_slice() {
                [one] => Some(one.node.to_string()),
                _ => None,
            }
        })
        .await;
        self.index(&name)
    }

    /// The node that has a room's home, as the registry has it.
    pub(crate) async fn home_of(&self, room: &str) -> usize {
        let registry = self.registry();
        let name = until("the room's home", async || {
            let room = registry.room(RoomName::new("default", room));
            Some(room.await.ok()??.home?.node.to_string())
        })
        .await;
        self.index(&name)
    }

    fn index(&self, name: &str) -> usize {
        let found = self.members.iter().position(|member| member.name == name);
        found.expect("one of ours")
    }
}

/// How long after `since` somebody heard the last of the others for the first time in the latest session.
pub(crate) fn back_since(bot: &Bot, since: Instant) -> Duration {
    let ledger = bot.ledger();
    let now = ledger.heard.values();
    let fresh = now.filter(|heard| heard.generation == ledger.generation && heard.last > since);
    let last = fresh.map(|heard| heard.first).max();
    last.map_or(Duration::ZERO, |last| last.saturating_duration_since(since))
}

/// Waits until nothing of somebody else has come for a while: longer than any gap between two packets.
pub(crate) async fn hears_no_more(bot: &Bot, peer: &str) {
    const SILENCE: Duration = Duration::from_secs(1);
    let sources = sources(peer);
    bot.wait_for("silence", |ledger| {
        let mut heard = sources.iter().filter_map(|it| ledger.heard.get(it));
        heard.all(|heard| heard.last.elapsed() > SILENCE)
    })
    .await;
}
