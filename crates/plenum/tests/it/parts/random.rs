//! People come and go at three nodes while the network between them fails in every way that it can; afterwards all nodes
//! agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use plenum_ids::RoomName;
use plenum_registry::Registry;
use plenum_room::AdminCommand;
use serde_json::json;
use tokio::time::sleep;

use crate::node::report;

use super::{
    nodes::{BOUND, Member, Node, Shared, eventually},
    room,
};

const PEERS: u64 = 6;
const STEPS: usize = 60;

/// `SplitMix64` (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }
}

/// Who is in which room, with the latest session last. A node that was told neither of a later one nor of its end goes on with
/// an earlier one, so that who leaves does so with all of them.
#[derive(Default)]
struct People {
    present: BTreeMap<(RoomName, String), Vec<Member>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_between_nodes_in_the_end_they_agree() {
    let is_long = std::env::var("PLENUM_LONG_TESTS").is_ok_and(|value| value == "1");
    for seed in 0..if is_long { 20 } else { 2 } {
        report(&format!("seed {seed}"));
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let shared = Shared::new();
    let (a, b, c) = tokio::join!(shared.node("a"), shared.node("b"), shared.node("c"));
    let nodes = [a, b, c];
    let rooms = [room("red"), room("green")];
    let mut random = Random(seed);
    let mut people = People::default();
    for _ in 0..STEPS {
        step(&mut random, &shared, &nodes, &rooms, &mut people).await;
    }
    for node in &nodes {
        node.memory.cut(false);
    }
    for room in &rooms {
        agree(&shared, &nodes, room, &people).await;
    }
    drop(people);
    eventually("an empty registry", async || {
        let mut left = Vec::new();
        for room in &rooms {
            left.push(shared.registry().room(room.clone()).await.expect("read"));
        }
        left.iter().all(Option::is_none)
    })
    .await;
}

async fn step(
    random: &mut Random,
    shared: &Shared,
    nodes: &[Node; 3],
    rooms: &[RoomName; 2],
    people: &mut People,
) {
    let (node, room) = (random.of(nodes), random.of(rooms));
    let peer = format!("peer{}", random.below(PEERS));
    match random.below(20) {
        0..8 => {
            let member = node.join(room, &peer).await;
            let sessions = people.present.entry((room.clone(), peer));
            sessions.or_default().push(member);
        }
        8..12 => drop(people.present.remove(&(room.clone(), peer))),
        12..14 => {
            let other = random.of(nodes);
            node.cluster.links().cut(other.name());
        }
        14 | 15 => node.memory.cut(true),
        16 => node.memory.cut(false),
        17 => {
            // Long enough to be taken for dead by those who have no link.
            node.memory.cut(true);
            eventually("no lease", async || {
                node.cluster.standing_now().lease.is_none()
            })
            .await;
            node.memory.cut(false);
        }
        18 => {
            let said = AdminCommand::SetMetadata(json!(random.below(1000)));
            // It may be refused.
            let _ = node.host.administer(room, said).await;
        }
        _ if random.below(2) == 0 => shared.registry().forget(),
        _ => shared.registry().restart(),
    }
}

/// Who has joined at a node, by its own word.
async fn own(node: &Node, room: &RoomName) -> Option<BTreeSet<String>> {
    let view = node.view(room).await?;
    let joined = view.peers.into_iter().filter(|peer| peer.role.is_some());
    Some(joined.map(|peer| peer.peer_id.to_string()).collect())
}

/// Whether every node sees exactly those who are there, each once, and so does the registry; if not, what there is.
async fn check(
    shared: &Shared,
    nodes: &[Node; 3],
    room: &RoomName,
    expected: &BTreeSet<&String>,
) -> Result<(), String> {
    let mut parts = Vec::new();
    for node in nodes {
        if let Some(own) = own(node, room).await {
            let far: BTreeSet<_> = node.far(room).await.into_iter().collect();
            parts.push((node.name().clone(), own, far));
        }
    }
    let all: Vec<_> = parts.iter().flat_map(|(_, own, _)| own).collect();
    let is_complete = all.iter().copied().collect::<BTreeSet<_>>() == *expected;
    let agree = parts.iter().all(|(_, own, far)| {
        let seen: BTreeSet<_> = own.union(far).collect();
        own.is_disjoint(far) && seen == *expected
    });
    let record = shared.registry().room(room.clone()).await.expect("read");
    let peers = shared.registry().peers(room.clone(), None).await;
    let mut known: Vec<_> = peers.expect("read").into_iter().collect();
    known.sort_by(|a, b| a.peer.cmp(&b.peer));
    let known: Vec<_> = known.iter().map(|place| place.peer.as_str()).collect();
    let wanted: Vec<_> = expected.iter().map(|peer| peer.as_str()).collect();
    let found = format!("parts {parts:?}, record {record:?}, peers {known:?}");
    let is_recorded = match record {
        Some(record) => {
            let marked: Vec<_> = record.parts.iter().map(|part| &part.node).collect();
            let names: Vec<_> = parts.iter().map(|(name, ..)| name).collect();
            let home = record.home.map(|home| home.node);
            marked == names && home.is_some_and(|home| names.contains(&&home))
        }
        None => parts.is_empty(),
    };
    let is_fine = all.len() == expected.len() && is_complete && agree;
    (is_fine && is_recorded && known == wanted)
        .then_some(())
        .ok_or(found)
}

async fn agree(shared: &Shared, nodes: &[Node; 3], room: &RoomName, people: &People) {
    let present = people.present.keys().filter(|(of, _)| of == room);
    let expected: BTreeSet<_> = present.map(|(_, peer)| peer).collect();
    let end = Instant::now() + BOUND;
    while let Err(found) = check(shared, nodes, room, &expected).await {
        assert!(Instant::now() < end, "not {expected:?} in {room}: {found}");
        sleep(Duration::from_millis(10)).await;
    }
    // Somebody decides, wherever that is asked for.
    for node in nodes {
        if node.view(room).await.is_none() {
            continue;
        }
        let decided = json!(node.name().as_str());
        let end = Instant::now() + BOUND;
        loop {
            let mut views = Vec::new();
            for node in nodes {
                let metadata = node.view(room).await.map(|view| view.properties.metadata);
                views.extend(metadata.map(|it| (node.name().clone(), it)));
            }
            if views.iter().all(|(_, metadata)| **metadata == decided) {
                break;
            }
            // What an operator says travels to the home without an answer.
            let said = AdminCommand::SetMetadata(decided.clone());
            let answer = node.host.administer(room, said).await;
            let home = node.home(room).await;
            let is_late = Instant::now() >= end;
            assert!(
                !is_late,
                "{decided} is not so in {room}: {views:?}, {answer:?}, home {home:?}"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}
