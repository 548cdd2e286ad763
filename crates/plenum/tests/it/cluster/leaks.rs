//! What there is of rooms, compared with what their people need: in the registry, at every node and in every worker. Ghosts and
//! leaks of all kinds are differences.

use std::collections::{BTreeMap, BTreeSet};

use plenum_ids::{NodeEpoch, NodeId, RoomName};
use plenum_registry::{RedisRegistry, Registry};
use serde_json::Value;

use super::{Cluster, eventually, members::Member, watching::LEASE};
use crate::bot::Bot;

/// Rooms, and who is there, each of whom sends sound and a picture and receives those of all others.
pub(crate) type Rooms<'a> = [(&'a str, &'a [Bot])];

/// What is not as it has to be.
type Compared = Result<(), String>;

/// A room at a node.
#[derive(Debug, Default)]
struct Part {
    worker: u64,
    people: BTreeSet<String>,
}

/// Where rooms are: by the node's index and their names.
type Parts = BTreeMap<(usize, String), Part>;

/// Routers, transports, producers and consumers.
type Objects = [usize; 4];

impl Cluster {
    /// Waits until there is exactly what these rooms need, and nothing besides: nobody who is not there, nobody twice, no
    /// producer, consumer, transport, pipe or key without its use.
    pub(crate) async fn is_whole(&self, rooms: &Rooms<'_>) {
        let registry = self.registry();
        let mut difference = String::new();
        let whole = eventually(async || {
            let compared = self.compare(&registry, rooms).await;
            compared.map_err(|it| difference = it).ok()
        });
        let whole = whole.await.is_some();
        assert!(whole, "{difference}");
    }

    async fn compare(&self, registry: &RedisRegistry, rooms: &Rooms<'_>) -> Compared {
        let mut parts = Parts::new();
        for (index, member) in self.members.iter().enumerate() {
            if member.runs() {
                look(member, index, rooms, &mut parts).await?;
            }
        }
        for (room, bots) in rooms {
            let places = parts.iter().filter(|((_, name), _)| name == room);
            let found: Vec<_> = places.flat_map(|(_, part)| &part.people).collect();
            let once: BTreeSet<_> = found.iter().map(|it| it.as_str()).collect();
            let expected: BTreeSet<_> = bots.iter().map(|bot| &*bot.name).collect();
            same(&format!("people of {room}"), &once, &expected)?;
            same(&format!("people of {room}"), &found.len(), &expected.len())?;
        }
        self.compare_workers(&parts).await?;
        self.compare_registry(registry, &parts).await?;
        self.compare_keys(&parts).await
    }

    /// What the dumps of all workers count.
    async fn compare_workers(&self, parts: &Parts) -> Compared {
        for (index, member) in self.members.iter().enumerate() {
            if !member.runs() {
                continue;
            }
            let stats = member.node().get_json("/stats").await;
            for worker in stats["workers"].as_array().into_iter().flatten() {
                let number = worker["workerId"].as_u64().unwrap_or_default();
                let found = ["routers", "transports", "producers", "consumers"]
                    .map(|kind| worker[kind].as_u64().unwrap_or_default() as usize);
                let what = format!(
                    "routers, transports, producers, consumers of {}'s worker {number}",
                    member.name
                );
                same(&what, &found, &needed(parts, (index, number)))?;
            }
        }
        Ok(())
    }

    async fn compare_registry(&self, registry: &RedisRegistry, parts: &Parts) -> Compared {
        let unread = |err: plenum_registry::RegistryError| err.to_string();
        let starts = starts(registry).await;
        let running: BTreeSet<_> = self.running().map(|it| &*it.name).collect();
        same(
            "leases",
            &starts.keys().map(String::as_str).collect(),
            &running,
        )?;
        let rooms: BTreeSet<_> = parts.keys().map(|(_, room)| room).collect();
        for room in rooms {
            let name = RoomName::new("default", room.as_str());
            let mut expected = BTreeSet::new();
            let mut marks = BTreeSet::new();
            for ((index, _), part) in parts.iter().filter(|((_, name), _)| name == room) {
                let node = &self.members[*index].name;
                let people = part.people.iter();
                expected.extend(people.map(|peer| (peer.clone(), node.clone(), starts[node])));
                let count = part.people.len();
                marks.insert((node.clone(), starts[node], count, 2 * count));
            }
            let peers = registry.peers(name.clone(), None).await.map_err(unread)?;
            let peers = peers
                .iter()
                .map(|it| (it.peer.to_string(), it.node.to_string(), it.node_epoch));
            same(
                &format!("registered people of {room}"),
                &peers.collect(),
                &expected,
            )?;
            let record = registry.room(name).await.map_err(unread)?;
            let record = record.ok_or("a room that is not registered")?;
            let found = record.parts.iter().map(|it| {
                let (peers, producers) = (it.mark.peers as usize, it.mark.producers as usize);
                (it.node.to_string(), it.node_epoch, peers, producers)
            });
            same(
                &format!("registered parts of {room}"),
                &found.collect(),
                &marks,
            )?;
            let home = record
                .home
                .map(|home| starts.get(home.node.as_str()) == Some(&home.node_epoch));
            same(&format!("a living home of {room}"), &home, &Some(true))?;
        }
        for (index, member) in self.members.iter().enumerate() {
            let of = registry.rooms_of(NodeId::from(member.name.as_str()));
            let found: BTreeSet<_> = of
                .await
                .map_err(unread)?
                .iter()
                .map(ToString::to_string)
                .collect();
            let expected = parts.keys().filter(|(at, _)| *at == index);
            let expected =
                expected.map(|(_, room)| RoomName::new("default", room.as_str()).to_string());
            same(
                &format!("registered rooms of {}", member.name),
                &found,
                &expected.collect(),
            )?;
        }
        Ok(())
    }

    /// All keys of Redis itself, whatever the registry makes of them.
    async fn compare_keys(&self, parts: &Parts) -> Compared {
        let mut expected = BTreeSet::new();
        for (index, room) in parts.keys() {
            let node = &self.members[*index].name;
            expected.insert(format!("{{plenum}}:room:default/{room}"));
            expected.insert(format!("{{plenum}}:rooms-of:{node}"));
            expected.insert(format!(
                "{{plenum}}:peers:{}:{node}:default/{room}",
                node.len()
            ));
        }
        let mut found: BTreeSet<_> = self.redis.ask(&["KEYS", "*"]).await.into_iter().collect();
        // Those of nodes, which are there as long as the cluster.
        for key in ["memory", "epochs", "leases", "records", "gone"] {
            found.remove(&format!("{{plenum}}:{key}"));
        }
        for key in &found {
            // A room that is over keeps its epoch for a while, and nothing else.
            if key.starts_with("{plenum}:room:") && !expected.contains(key) {
                let fields = self.redis.ask(&["HKEYS", key]).await;
                same(
                    &format!("fields of {key}"),
                    &fields,
                    &vec!["epoch".to_owned()],
                )?;
            }
        }
        found.retain(|key| !key.starts_with("{plenum}:room:"));
        expected.retain(|key| !key.starts_with("{plenum}:room:"));
        same("keys", &found, &expected)
    }
}

/// Which starts of which nodes live.
pub(crate) async fn starts(registry: &RedisRegistry) -> BTreeMap<String, NodeEpoch> {
    let leases = super::until("leases", async || registry.leases().await.ok()).await;
    let living = leases.leases.iter().filter(|it| it.since_renewal < LEASE);
    living.map(|it| (it.node.to_string(), it.epoch)).collect()
}

/// Notes who is in these rooms at a node, if each of them has what it sends, and receives what the others send.
async fn look(member: &Member, index: usize, rooms: &Rooms<'_>, parts: &mut Parts) -> Compared {
    let stats = member.node().get_json("/stats").await;
    let mut count = 0;
    for (room, bots) in rooms {
        let (code, body) = member
            .node()
            .get(&format!("/api/v1/rooms/default/{room}/peers"))
            .await;
        if code != 200 {
            continue;
        }
        count += 1;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let mut people = BTreeSet::new();
        for peer in body["peers"].as_array().into_iter().flatten() {
            let name = peer["peerId"].as_str().unwrap_or_default();
            let what = format!("what {name} in {room} at {}", member.name);
            let (own, others): (Vec<_>, Vec<_>) = bots.iter().partition(|bot| bot.name == name);
            let own = own.first().ok_or_else(|| format!("a ghost: {what}"))?;
            same(
                &format!("{what} sends"),
                &ids(peer, "producers"),
                &produced(&[own]),
            )?;
            same(
                &format!("{what} receives"),
                &ids(peer, "consumers"),
                &produced(&others),
            )?;
            people.insert(name.to_owned());
        }
        let worker = stats["placements"][room]["workerId"].as_u64();
        let worker = worker.ok_or("a room without a worker")?;
        parts.insert((index, (*room).to_owned()), Part { worker, people });
    }
    same(
        &format!("rooms at {}", member.name),
        &stats["totalRooms"],
        &Value::from(count),
    )
}

/// The producers on all transports of somebody, or those that they are the consumers of.
fn ids(peer: &Value, kind: &str) -> Vec<String> {
    let transports = peer["transports"].as_array().into_iter().flatten();
    let all = transports.flat_map(|it| it[kind].as_array().into_iter().flatten());
    let mut ids: Vec<_> = all
        .filter_map(|it| it["producerId"].as_str().map(str::to_owned))
        .collect();
    ids.sort_unstable();
    ids
}

fn produced(bots: &[&Bot]) -> Vec<String> {
    let of_all = bots
        .iter()
        .flat_map(|bot| bot.ledger().own.values().cloned().collect::<Vec<_>>());
    let mut ids: Vec<_> = of_all.collect();
    ids.sort_unstable();
    ids
}

/// What a worker has to have for these rooms: what its people send and receive; everything of the others once, by one trunk to each
/// other worker; and what its people send once for each other node.
fn needed(parts: &Parts, worker: (usize, u64)) -> Objects {
    let mut objects = [0; 4];
    let mut trunks = BTreeSet::new();
    for ((node, room), part) in parts {
        if (*node, part.worker) != worker {
            continue;
        }
        let of_room = parts.iter().filter(|((_, name), _)| name == room);
        let all: usize = of_room.clone().map(|(_, part)| part.people.len()).sum();
        let elsewhere: Vec<_> = of_room.filter(|((at, _), _)| at != node).collect();
        trunks.extend(elsewhere.iter().map(|((at, _), part)| (*at, part.worker)));
        let own = part.people.len();
        objects[0] += 1;
        objects[1] += 2 * own;
        objects[2] += 2 * all;
        objects[3] += own * 2 * (all - 1) + elsewhere.len() * 2 * own;
    }
    objects[1] += trunks.len();
    objects
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Compared {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, not {expected:?}"))
}
