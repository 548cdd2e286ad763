//! Several parts of one room, with a network between them that loses, repeats and reorders facts, breaks connections, and
//! nodes that die and come back. What was lost is made good by snapshots, as between real nodes.

mod clusters;
mod deciding;
mod host;
mod media;
mod network;
mod people;
mod random;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

use super::*;
use crate::{
    config::SharedRoom,
    remote::{
        Home, NodeAskId, NodeFailure, NodeReply, NodeRequest, PartChange, PartHint, PartSnapshot,
        RemoteChange,
    },
};

/// Nodes and what is between them.
struct Cluster {
    nodes: BTreeMap<NodeKey, Node>,
    now: Instant,
    /// Facts and hints on their way: from whom, to whom.
    bus: VecDeque<(NodeKey, NodeKey, Told)>,
    /// What nodes say to each other directly, in order.
    links: BTreeMap<(NodeKey, NodeKey), VecDeque<Parcel>>,
    /// Broken connections, the smaller name first.
    broken: BTreeSet<(NodeKey, NodeKey)>,
    /// Who waits for the answer to which question of another node.
    asks: BTreeMap<NodeAskId, (NodeKey, NodeKey, OpId)>,
    next_ask: u64,
    home: Option<NodeKey>,
    epoch: u64,
    /// Parts that there have been.
    starts: u64,
    /// Nodes that all others had rather take something from.
    near: Vec<NodeId>,
}

struct Node {
    world: World,
    /// Facts published.
    log: u64,
    /// What the facts published so far add up to.
    sum: state::Sum,
    /// How many facts of the others are known here.
    known: BTreeMap<NodeKey, u64>,
}

#[derive(Clone, Debug)]
enum Told {
    Fact(u64, PartChange),
    Hint(PartHint),
}

#[derive(Debug)]
enum Parcel {
    Ask(OpId, NodeRequest),
    Tell(NodeRequest),
    Answer(OpId, Result<NodeReply, NodeFailure>),
    Fetch,
    Snapshot(u64, Box<PartSnapshot>),
}

fn key(name: &str, epoch: u64) -> NodeKey {
    NodeKey {
        node: NodeId::from(name),
        epoch: NodeEpoch(epoch),
    }
}

fn pair(one: &NodeKey, other: &NodeKey) -> (NodeKey, NodeKey) {
    let (first, second) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    (first.clone(), second.clone())
}

impl Cluster {
    /// Nodes called `n0`, `n1` …, of which the first is the home.
    fn new(count: usize, change: impl Fn(&mut RoomConfig)) -> Self {
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            now: Instant::now(),
            bus: VecDeque::new(),
            links: BTreeMap::new(),
            broken: BTreeSet::new(),
            asks: BTreeMap::new(),
            next_ask: 0,
            home: None,
            epoch: 0,
            starts: 0,
            near: Vec::new(),
        };
        for index in 0..count {
            cluster.start(&key(&format!("n{index}"), 1), &change);
        }
        cluster.elect();
        cluster.deliver_all();
        cluster
    }

    fn start(&mut self, key: &NodeKey, change: impl Fn(&mut RoomConfig)) {
        self.starts += 1;
        let (now, starts) = (self.now, self.starts);
        let number: u64 = key.node.as_str()[1..].parse().expect("a number");
        let mut world = World::with_data(|config| {
            config.shared = Some(SharedRoom {
                node: key.clone(),
                now,
                // Clocks of nodes differ.
                clock_ms: 1_000_000 + 10 * number + 100 * starts,
            });
            change(config);
        });
        world.now = now;
        let others: Vec<_> = self.nodes.keys().cloned().collect();
        let node = Node {
            world,
            log: 0,
            sum: BTreeMap::new(),
            known: BTreeMap::new(),
        };
        self.nodes.insert(key.clone(), node);
        self.collect(key);
        for other in others {
            self.meet(key, &other);
        }
    }

    /// A connection is there: both ask for all that the other one has.
    fn meet(&mut self, one: &NodeKey, other: &NodeKey) {
        self.broken.remove(&pair(one, other));
        self.send(one, other, Parcel::Fetch);
        self.send(other, one, Parcel::Fetch);
    }

    fn world(&mut self, name: &str) -> &mut World {
        let mut nodes = self.nodes.iter_mut();
        let found = nodes.find(|(key, _)| key.node.as_str() == name);
        &mut found.expect("a living node").1.world
    }

    fn key(&self, name: &str) -> NodeKey {
        let mut keys = self.nodes.keys();
        let found = keys.find(|key| key.node.as_str() == name);
        found.expect("a living node").clone()
    }

    /// Does something at a node and sends what follows from it on its way.
    fn at<T>(&mut self, name: &str, act: impl FnOnce(&mut World) -> T) -> T {
        let result = act(self.world(name));
        self.collect(&self.key(name));
        result
    }

    /// The first living node is the home from now on.
    fn elect(&mut self) {
        self.home = self.nodes.keys().next().cloned();
        self.epoch += 1;
        self.tell_home();
    }

    fn tell_home(&mut self) {
        let Some(home) = self.home.clone() else {
            return;
        };
        let epoch = RoomEpoch(self.epoch);
        for key in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let is_reachable = !self.broken.contains(&pair(&key, &home));
            let told = if key == home {
                Home::Here(epoch)
            } else if is_reachable {
                Home::There(home.clone(), epoch)
            } else {
                Home::Unreachable
            };
            self.handle(&key, Command::Home(told));
        }
    }

    fn handle(&mut self, key: &NodeKey, command: Command) {
        if let Some(node) = self.nodes.get_mut(key) {
            node.world.handle(command);
            self.collect(key);
        }
    }

    /// Time passes everywhere.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        for key in self.nodes.keys().cloned().collect::<Vec<_>>() {
            if let Some(node) = self.nodes.get_mut(&key) {
                node.world.now = self.now;
            }
            self.handle(&key, Command::Tick);
        }
    }
}

/// What people of two nodes do.
impl Cluster {
    /// Joins at a node, as somebody who understands everything, and lets everybody hear of it.
    fn join(&mut self, name: &str, session: u64, peer: &str) -> (SessionId, TransportId) {
        let join = clients::join_featured(peer, Subscription::All);
        let admission = Admission::new(peer.into());
        let joined = self.at(name, |world| world.join_as(session, admission, join));
        self.deliver_all();
        joined
    }

    fn produce(&mut self, name: &str, joined: (SessionId, TransportId)) -> ProducerId {
        let producer = self.at(name, |world| world.produce(joined));
        self.deliver_all();
        producer
    }

    /// Asks for something that another node may have to answer.
    fn ask(
        &mut self,
        name: &str,
        session: SessionId,
        body: PeerRequest,
    ) -> Result<PeerReply, ErrorKind> {
        let request = self.at(name, |world| world.send(session, body));
        self.deliver_all();
        let effects = self.world(name).effects.iter();
        let reply = effects.rev().find_map(|effect| match effect {
            Effect::Reply {
                request: of,
                result,
                ..
            } if *of == request => Some(result.clone()),
            _ => None,
        });
        reply.expect("a reply").map_err(|error| error.kind)
    }

    fn events(&mut self, name: &str, session: SessionId) -> Vec<PeerEvent> {
        self.world(name).events(session)
    }
}
