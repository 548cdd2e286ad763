//! One who sends, and viewers at six nodes that feed each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::successors,
    time::Instant,
};

use serde_json::json;

use super::{
    CLIENTS, Cluster, NAMES, eventually,
    people::{Consumer, Speaker, Viewer},
    until,
    watching::{KINDS, objects},
};
use crate::{client::Client, node::report};

const NODES: usize = 6;

/// What the cluster's nodes may: too little for all to be fed by the first one.
const FAN_OUT: usize = 2;
const DEPTH: u64 = 3;

/// Enough of something to be sure that it flows: half a second of sound.
const SOME: u64 = 25;

/// From whom each node takes something, and over how many nodes it gets there.
type Tree = BTreeMap<usize, (usize, u64)>;

/// The trees of all that is sent, by its identifiers.
type Trees = BTreeMap<String, Tree>;

/// Somebody who looks on at a node.
struct Seat {
    node: usize,
    viewer: Viewer,
    sound: Consumer,
    picture: Consumer,
}

impl Seat {
    async fn take(cluster: &Cluster, node: usize, name: &str) -> Self {
        let client = connect(cluster, node, name).await;
        let mut viewer = Viewer::join(client, name, false).await;
        let (sound, picture) = viewer.take_both().await;
        Self {
            node,
            viewer,
            sound,
            picture,
        }
    }

    /// Something comes by another way.
    async fn take_again(&mut self) {
        match self.viewer.take().await {
            ("audio", sound) => self.sound = sound,
            (_, picture) => self.picture = picture,
        }
    }

    async fn prefer(&mut self, size: usize) {
        let layers =
            json!({"consumerId": self.picture.id, "spatialLayer": size, "temporalLayer": 0});
        let done = self.viewer.client.ask("setConsumerPreferredLayers", layers);
        assert_eq!(done.await, Ok(json!({})));
    }

    /// Sound goes on, and the largest picture comes.
    async fn is_served(&self) {
        let from = self.viewer.packets(&self.sound);
        until("sound and the picture", async || {
            let hears = self.viewer.packets(&self.sound) >= from + SOME;
            (hears && self.viewer.size(&self.picture) == Some(2)).then_some(())
        })
        .await;
    }
}

async fn connect(cluster: &Cluster, node: usize, name: &str) -> Client {
    Client::connect_from(cluster.node(node), "event", name, CLIENTS[node]).await
}

/// A cluster with one who sends at the first node, and viewers at all.
struct Event {
    cluster: Cluster,
    ada: Speaker,
    seats: Vec<Seat>,
}

impl Event {
    async fn begin() -> Self {
        let settings = [
            "cluster.policy=broadcast".to_owned(),
            format!("cluster.fan_out={FAN_OUT}"),
            format!("cluster.depth={DEPTH}"),
        ];
        let cluster = Cluster::of(NODES, &settings).await;
        let ada = Speaker::join(connect(&cluster, 0, "ada").await, "Ada").await;
        let mut seats = Vec::new();
        for (number, node) in [1, 2, 3, 4, 5, 5, 0].into_iter().enumerate() {
            seats.push(Seat::take(&cluster, node, &format!("viewer-{number}")).await);
        }
        for seat in &seats {
            seat.is_served().await;
        }
        Self {
            cluster,
            ada,
            seats,
        }
    }

    /// Both things that are sent, and how many streams each is.
    fn sent(&self) -> [(&str, u64); 2] {
        let sound = self.ada.sound.as_str().expect("an identifier");
        let picture = self.ada.picture.as_str().expect("an identifier");
        [(sound, 1), (picture, 3)]
    }

    /// Who takes what from whom, as soon as all of these nodes take everything from living ones; and that this is as it should be.
    async fn trees(&self, nodes: &BTreeSet<usize>) -> Trees {
        let trees = until("everything at all nodes", async || {
            let mut trees = Trees::new();
            for node in nodes {
                let room = self.cluster.node(*node);
                let room = room.get_json("/api/v1/rooms/default/event").await;
                for from in room["fromNodes"].as_array()? {
                    let (id, hops) = (from["producerId"].as_str()?, from["hops"].as_u64()?);
                    let parent = NAMES.iter().position(|name| from["node"] == *name)?;
                    let tree = trees.entry(id.to_owned()).or_default();
                    tree.insert(*node, (parent, hops));
                }
            }
            let is_whole = |id: &str| {
                let tree = trees.get(id)?;
                let parents = tree.values().map(|(parent, _)| parent);
                let live = parents.clone().all(|it| *it == 0 || nodes.contains(it));
                (live && tree.len() == nodes.len()).then_some(())
            };
            self.sent().iter().try_for_each(|(id, _)| is_whole(id))?;
            Some(trees)
        })
        .await;
        for tree in trees.values() {
            let mut children = BTreeMap::<usize, usize>::new();
            for (parent, hops) in tree.values() {
                let before = tree.get(parent).map_or(0, |(_, hops)| *hops);
                assert_eq!(*hops, before + 1, "{tree:?}");
                assert!(*hops <= DEPTH, "{tree:?}");
                *children.entry(*parent).or_default() += 1;
            }
            assert!(children.values().all(|it| *it <= FAN_OUT), "{tree:?}");
        }
        trees
    }

    /// Every node's worker has everything once, and sends each stream once to each node that takes it from there.
    async fn each_node_has_it_once(&self, nodes: &BTreeSet<usize>, trees: &Trees) {
        for node in nodes.iter().copied().chain([0]) {
            let viewers = self.seats.iter().filter(|seat| seat.node == node);
            let viewers = viewers.count() as u64;
            let mut neighbours = BTreeSet::new();
            let mut streams = 0;
            for (id, count) in self.sent() {
                let tree = &trees[id];
                neighbours.extend(tree.get(&node).map(|(parent, _)| *parent));
                let children = tree.iter().filter(|(_, (parent, _))| *parent == node);
                let children: Vec<_> = children.map(|(child, _)| *child).collect();
                streams += children.len() as u64 * count;
                neighbours.extend(children);
            }
            let clients = viewers + u64::from(node == 0);
            let expected = [
                1,
                clients + neighbours.len() as u64,
                2,
                2 * viewers + streams,
            ];
            let mut last = [0; 4];
            let fits = eventually(async || {
                last = objects(self.cluster.node(node)).await;
                (last == expected).then_some(())
            });
            let fits = fits.await.is_some();
            assert!(fits, "{node} has {last:?} {KINDS:?}, not {expected:?}");
        }
    }

    /// The one who sends hears which sizes anybody wants.
    async fn is_wanted(&mut self, sizes: [bool; 3]) {
        let picture = self.ada.picture.clone();
        loop {
            let demand = self.ada.client.notified("producerDemand").await;
            if demand["producerId"] == picture && demand["encodings"] == json!(sizes) {
                return;
            }
        }
    }
}

/// Whether something gets to a node over another one.
fn is_over(tree: &Tree, node: usize, middle: usize) -> bool {
    let parents = successors(Some(node), |node| tree.get(node).map(|(parent, _)| *parent));
    parents.skip(1).any(|it| it == middle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_reaches_each_node_once_over_a_tree_that_grows_together_again() {
    let mut event = Event::begin().await;
    let mut nodes: BTreeSet<_> = (1..NODES).collect();
    let trees = event.trees(&nodes).await;
    event.each_node_has_it_once(&nodes, &trees).await;
    let (sound, picture) = (&trees[event.sent()[0].0], &trees[event.sent()[1].0]);
    report(&format!(
        "node: (from, hops): sound {sound:?}, picture {picture:?}"
    ));

    // What nobody wants is told up to who sends, and so is what somebody at the end of a branch wants again.
    for seat in &mut event.seats {
        seat.prefer(0).await;
    }
    event.is_wanted([true, false, false]).await;
    let deepest = picture.iter().max_by_key(|(_, (_, hops))| *hops);
    let deepest = *deepest.expect("five of them").0;
    let mut seats = event.seats.iter_mut();
    let last = seats.find(|seat| seat.node == deepest).expect("a viewer");
    last.prefer(2).await;
    last.is_served().await;
    event.is_wanted([true, true, true]).await;

    // A machine in the middle of a tree dies: who took something over it takes it by another way.
    let (dead, _) = *picture
        .values()
        .find(|(parent, _)| *parent != 0)
        .expect("two branches");
    event.seats.retain(|seat| seat.node != dead);
    let began = Instant::now();
    event.cluster.member_mut(dead).kill().await;
    for seat in &mut event.seats {
        let lost = [sound, picture].map(|tree| is_over(tree, seat.node, dead));
        for _ in lost.into_iter().filter(|is_lost| *is_lost) {
            seat.take_again().await;
        }
        seat.prefer(2).await;
        seat.is_served().await;
    }
    report(&format!(
        "all served {:?} after the death of {dead}",
        began.elapsed()
    ));
    nodes.remove(&dead);
    let trees = event.trees(&nodes).await;
    event.each_node_has_it_once(&nodes, &trees).await;
    let Event {
        cluster,
        ada,
        seats,
    } = event;
    drop((ada, seats));
    cluster.nothing_is_left().await;
}
