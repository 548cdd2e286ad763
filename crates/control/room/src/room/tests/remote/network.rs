//! What nodes have for each other, and how it gets there.

use serde::{Serialize, de::DeserializeOwned};

use super::*;

/// What becomes of it on the way.
pub(super) fn travel<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(sent: &T) -> T {
    let text = serde_json::to_string(sent).expect("JSON");
    let received = serde_json::from_str(&text).expect("what was sent");
    assert_eq!(*sent, received);
    received
}

impl Cluster {
    /// Takes what a node has for others.
    pub(super) fn collect(&mut self, key: &NodeKey) {
        let Some(node) = self.nodes.get_mut(key) else {
            return;
        };
        let outbox = node.world.outbox.as_mut().map(std::mem::take);
        for effect in outbox.unwrap_or_default() {
            self.carry_out(key, effect);
        }
    }

    fn carry_out(&mut self, key: &NodeKey, effect: Effect) {
        match effect {
            Effect::Publish(change) => {
                let node = self.nodes.get_mut(key).expect("it lives");
                node.log += 1;
                let log = node.log;
                state::add(&mut node.sum, &change);
                self.broadcast(key, &Told::Fact(log, travel(&*change)));
            }
            Effect::PublishHint(hint) => self.broadcast(key, &Told::Hint(hint)),
            Effect::AskNode {
                op,
                node,
                mut request,
            } => {
                if let NodeRequest::OpenPipe(open) = &mut request {
                    open.near.clone_from(&self.near);
                }
                let parcel = Parcel::Ask(op, travel(&request));
                if !self.send(key, &node, parcel) {
                    let result = Err(NodeFailure::Lost);
                    self.handle(key, Command::NodeAnswers { op, result });
                }
            }
            Effect::TellNode { node, request } => {
                self.send(key, &node, Parcel::Tell(travel(&request)));
            }
            Effect::LookAt { node } => {
                self.send(key, &node, Parcel::Fetch);
            }
            Effect::AnswerNode { ask, result } => {
                if let Some((asker, _, op)) = self.asks.remove(&ask) {
                    let result = travel(&result);
                    self.send(key, &asker, Parcel::Answer(op, result));
                }
            }
            other => panic!("not for other nodes: {other:?}"),
        }
    }

    fn broadcast(&mut self, from: &NodeKey, told: &Told) {
        let others = self.nodes.keys().filter(|key| *key != from).cloned();
        for to in others.collect::<Vec<_>>() {
            self.bus.push_back((from.clone(), to, told.clone()));
        }
    }

    /// Whether it is on its way: there is no connection otherwise.
    pub(super) fn send(&mut self, from: &NodeKey, to: &NodeKey, parcel: Parcel) -> bool {
        let is_up = !self.broken.contains(&pair(from, to));
        let is_up = is_up && self.nodes.contains_key(to) && self.nodes.contains_key(from);
        if is_up {
            let link = self.links.entry((from.clone(), to.clone())).or_default();
            link.push_back(parcel);
        }
        is_up
    }

    /// The next parcel of a link arrives.
    pub(super) fn deliver(&mut self, from: &NodeKey, to: &NodeKey) {
        let link = self.links.get_mut(&(from.clone(), to.clone()));
        let Some(parcel) = link.and_then(VecDeque::pop_front) else {
            return;
        };
        let node = from.clone();
        match parcel {
            Parcel::Ask(op, request) => {
                let ask = NodeAskId(self.next_ask);
                self.next_ask += 1;
                self.asks.insert(ask, (from.clone(), to.clone(), op));
                let ask = Some(ask);
                self.handle(to, Command::NodeAsks { ask, node, request });
            }
            Parcel::Tell(request) => {
                let ask = None;
                self.handle(to, Command::NodeAsks { ask, node, request });
            }
            Parcel::Answer(op, result) => self.handle(to, Command::NodeAnswers { op, result }),
            Parcel::Fetch => {
                let asked = &self.nodes[to];
                let snapshot = Box::new(travel(&asked.world.room.part_snapshot()));
                let log = asked.log;
                self.send(to, from, Parcel::Snapshot(log, snapshot));
            }
            Parcel::Snapshot(log, snapshot) => {
                let known = &mut self.nodes.get_mut(to).expect("it lives").known;
                if known.get(from).is_none_or(|known| *known <= log) {
                    known.insert(from.clone(), log);
                    let change = RemoteChange::Replace(snapshot);
                    self.handle(to, Command::Remote { node, change });
                }
            }
        }
    }

    /// A fact or a hint arrives, whichever it is.
    pub(super) fn hear(&mut self, index: usize) {
        let Some((from, to, told)) = self.bus.remove(index) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&to) else {
            return;
        };
        let change = match told {
            Told::Hint(hint) => RemoteChange::Hint(hint),
            Told::Fact(number, change) => match node.known.get(&from) {
                Some(known) if number <= *known => return,
                Some(known) if number == known + 1 => {
                    node.known.insert(from.clone(), number);
                    RemoteChange::Apply(Box::new(change))
                }
                _ => {
                    self.send(&to, &from, Parcel::Fetch);
                    return;
                }
            },
        };
        self.handle(&to, Command::Remote { node: from, change });
    }

    /// A connection breaks: what was on its way is lost, and who waits for an answer hears so.
    pub(super) fn cut(&mut self, one: &NodeKey, other: &NodeKey) {
        self.broken.insert(pair(one, other));
        self.lose(one, other);
        self.tell_home();
    }

    fn lose(&mut self, one: &NodeKey, other: &NodeKey) {
        let mut waiting = BTreeSet::new();
        for (from, to) in [(one, other), (other, one)] {
            let link = self.links.remove(&(from.clone(), to.clone()));
            for parcel in link.into_iter().flatten() {
                match parcel {
                    Parcel::Ask(op, _) => waiting.insert((from.clone(), op)),
                    Parcel::Answer(op, _) => waiting.insert((to.clone(), op)),
                    _ => false,
                };
            }
        }
        self.asks.retain(|_, (asker, asked, op)| {
            let is_lost = pair(asker, asked) == pair(one, other);
            if is_lost {
                waiting.insert((asker.clone(), *op));
            }
            !is_lost
        });
        for (asker, op) in waiting {
            let result = Err(NodeFailure::Lost);
            self.handle(&asker, Command::NodeAnswers { op, result });
        }
    }

    /// A node gives another one up.
    pub(super) fn give_up(&mut self, at: &NodeKey, node: &NodeKey) {
        if let Some(here) = self.nodes.get_mut(at) {
            here.known.remove(node);
            let (node, change) = (node.clone(), RemoteChange::Dropped);
            self.handle(at, Command::Remote { node, change });
        }
    }

    /// A node dies; the others give it up.
    pub(super) fn kill(&mut self, key: &NodeKey) {
        self.nodes.remove(key);
        let others: Vec<_> = self.nodes.keys().cloned().collect();
        for other in &others {
            self.lose(key, other);
        }
        self.bus.retain(|(from, to, _)| from != key && to != key);
        for other in &others {
            self.give_up(other, key);
        }
        if self.home.as_ref() == Some(key) {
            self.elect();
        }
    }

    /// A part of a node is followed by another one, which the others notice at once or by what it says.
    pub(super) fn reopen(
        &mut self,
        key: &NodeKey,
        log: u64,
        is_noticed: bool,
        change: impl Fn(&mut RoomConfig),
    ) {
        self.nodes.remove(key);
        let others: Vec<_> = self.nodes.keys().cloned().collect();
        for other in &others {
            self.lose(key, other);
            if is_noticed {
                self.give_up(other, key);
            }
        }
        self.bus.retain(|(from, to, _)| from != key && to != key);
        let broken = self.broken.clone();
        self.start(key, change);
        self.broken = broken;
        self.links
            .retain(|(from, to), _| !self.broken.contains(&pair(from, to)));
        if let Some(node) = self.nodes.get_mut(key) {
            node.log += log + 1;
        }
        if self.home.as_ref() == Some(key)
            && let Some(next) = others.last()
        {
            // It does not know any more what it had decided.
            self.home = Some(next.clone());
            self.epoch += 1;
        }
        self.tell_home();
    }

    /// All connections stand again.
    pub(super) fn heal(&mut self) {
        for (one, other) in std::mem::take(&mut self.broken) {
            if self.nodes.contains_key(&one) && self.nodes.contains_key(&other) {
                self.meet(&one, &other);
            }
        }
        self.tell_home();
    }

    /// Everything arrives that is on its way, and what follows from it.
    pub(super) fn deliver_all(&mut self) {
        for round in 0.. {
            assert!(round < 100_000, "it never ends");
            let links: Vec<_> = self.links.keys().cloned().collect();
            for (from, to) in links {
                self.deliver(&from, &to);
            }
            self.hear(0);
            for key in self.nodes.keys().cloned().collect::<Vec<_>>() {
                let node = self.nodes.get_mut(&key).expect("it lives");
                node.world.answer_one();
                self.collect(&key);
            }
            self.links.retain(|_, parcels| !parcels.is_empty());
            let mut worlds = self.nodes.values().map(|node| &node.world);
            let is_idle = worlds.all(|it| it.answers.is_empty() && it.offers.is_empty());
            if is_idle && self.links.is_empty() && self.bus.is_empty() {
                return;
            }
        }
    }

    /// Whoever has missed something asks for it, as those do who sweep.
    pub(super) fn sweep(&mut self) {
        let logs: Vec<_> = self
            .nodes
            .iter()
            .map(|(key, it)| (key.clone(), it.log))
            .collect();
        let keys: Vec<_> = self.nodes.keys().cloned().collect();
        for at in keys {
            for (node, log) in logs.iter().filter(|(node, _)| *node != at) {
                if self.nodes[&at].known.get(node) != Some(log) {
                    self.send(&at, node, Parcel::Fetch);
                }
            }
        }
    }

    /// Nothing happens for a while: connections stand, what was lost is found, what lingers goes.
    pub(super) fn rest(&mut self) {
        for node in self.nodes.values_mut() {
            node.world.worker.failures.clear();
            for worker in node.world.beyond.values_mut() {
                worker.failures.clear();
            }
        }
        self.heal();
        for _ in 0..4 {
            self.deliver_all();
            self.sweep();
            self.deliver_all();
            self.pass(Duration::from_secs(6));
            self.deliver_all();
        }
    }
}
