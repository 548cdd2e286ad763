//! One node's process: the protocol's state machines, carried out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use plenum_cluster::{
    Home, HomeAction, Judgement, LeaseAnswer, Log, Membership, MembershipAction, MembershipConfig,
    MembershipEvent, Numbered, Replicas, ReplicasAction, Seen, Stamp,
};
use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

use crate::registry::{HomeRecord, RoomRecord};

/// A room's record is read this often.
const SWEEP: Duration = Duration::from_secs(2);

/// Those in a part, which stand for peers and what they send.
pub(crate) type Items = BTreeSet<u32>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add(u32),
    Remove(u32),
}

/// What a node asks of the registry.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Claim(NodeEpoch, RoomEpoch, String),
    PutPart(Stamp),
    ReadLeases,
    ReadRoom,
    Register(NodeEpoch),
    Release(NodeEpoch, RoomEpoch),
    RemovePart(NodeEpoch),
    Renew(NodeEpoch),
    Sweep(NodeId, NodeEpoch, String),
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Claimed(Option<HomeRecord>),
    Done,
    Lease(LeaseAnswer),
    Leases(String, Duration, Vec<Seen>),
    Room(Box<RoomRecord>),
}

/// What an owner answers.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Ended(Stamp),
    Is(Stamp, Items),
}

/// What a process wants done.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    Ask(Call),
    Began(RoomEpoch),
    Dead(NodeId, NodeEpoch),
    Ended(Stamp),
    Fetch(NodeId),
    Publish(Numbered<Change>),
    Stop,
}

#[derive(Debug)]
pub(crate) struct Process {
    me: NodeId,
    /// On its disk.
    pub(crate) stored_epoch: NodeEpoch,
    pub(crate) membership: Membership,
    pub(crate) home: Home,
    replicas: Replicas<Change, Items>,
    /// Of the others.
    pub(crate) copies: BTreeMap<NodeId, Items>,
    pub(crate) log: Log,
    /// Its own part of the room, if it has one.
    pub(crate) part: Option<Items>,
    /// The registry does not know the part as it is.
    unmarked: bool,
    marking: bool,
    unswept: BTreeMap<NodeId, NodeEpoch>,
    look_at: Instant,
    looking: bool,
    pub(crate) out: Vec<Out>,
}

impl Process {
    pub(crate) fn new(me: NodeId, stored_epoch: NodeEpoch, now: Instant) -> Self {
        Self {
            me: me.clone(),
            stored_epoch,
            membership: Membership::new(MembershipConfig::default(), me.clone(), now),
            home: Home::new(me, NodeEpoch(0)),
            replicas: Replicas::default(),
            copies: BTreeMap::new(),
            log: Log::new(NodeEpoch(0)),
            part: None,
            unmarked: false,
            marking: false,
            unswept: BTreeMap::new(),
            look_at: now,
            looking: false,
            out: Vec::new(),
        }
    }

    /// Somebody comes or goes.
    pub(crate) fn change(&mut self, now: Instant, change: Change) {
        let Some(part) = &mut self.part else { return };
        match change {
            Change::Add(item) => part.insert(item),
            Change::Remove(item) => part.remove(&item),
        };
        let numbered = self.log.number(change);
        self.out.push(Out::Publish(numbered));
        self.unmarked = true;
        self.step(now);
    }

    /// The node gets a part of the room, or gives it up.
    pub(crate) fn turn(&mut self, now: Instant, epoch: NodeEpoch) {
        if self.part.take().is_some() {
            self.out.push(Out::Ended(self.log.stamp()));
            self.out.push(Out::Ask(Call::RemovePart(epoch)));
            if let Some(home) = self.home.here() {
                self.out.push(Out::Ask(Call::Release(epoch, home)));
            }
        } else {
            self.home = Home::new(self.me.clone(), epoch);
            self.part = Some(Items::new());
            // Its beginning has a number of its own: nothing that was said before speaks of it.
            let number = self.log.number(Change::Remove(0));
            self.out.push(Out::Publish(number));
            self.unmarked = true;
        }
        self.step(now);
    }

    pub(crate) fn handle_said(&mut self, now: Instant, asked: &Call, said: Option<Said>) {
        match (asked, said) {
            (Call::Register(_) | Call::Renew(_), said) => {
                let answer = match said {
                    Some(Said::Lease(answer)) => answer,
                    _ => LeaseAnswer::Unknown,
                };
                self.membership.handle_lease(now, answer);
            }
            (Call::ReadLeases, Some(Said::Leases(life, since, seen))) => {
                let answer = Some((life, since, seen));
                self.membership.handle_leases(now, answer);
            }
            (Call::ReadLeases, _) => self.membership.handle_leases(now, None),
            (Call::ReadRoom, said) => {
                self.looking = false;
                if let Some(Said::Room(record)) = said {
                    self.handle_record(now, &record);
                }
            }
            (Call::Claim(..), Some(Said::Claimed(Some(home)))) => {
                self.home
                    .handle_home(home.node, home.node_epoch, home.epoch);
            }
            (Call::Claim(..), _) => self.home.handle_no_answer(),
            (Call::PutPart(stamp), said) => {
                self.marking = false;
                let is_told = said.is_some() && *stamp == self.log.stamp();
                self.unmarked &= !is_told;
            }
            (Call::RemovePart(epoch), None) => self.out.push(Out::Ask(Call::RemovePart(*epoch))),
            (Call::Sweep(node, epoch, _), Some(_)) => {
                self.unswept.retain(|name, it| name != node || *it > *epoch);
            }
            // A home that was not released is claimed by who comes next, once this node is found to be without the room.
            (Call::Sweep(..) | Call::RemovePart(_) | Call::Release(..), _) => {}
        }
        self.step(now);
    }

    fn handle_record(&mut self, now: Instant, record: &RoomRecord) {
        for (node, stamp) in &record.parts {
            let is_alive = self.membership.alive(node).is_some();
            if is_alive && *node != self.me {
                self.replicas.handle_mark(node, *stamp);
            }
        }
        // What was written last may have been overtaken by what was written before.
        let mine = record.parts.get(&self.me);
        self.unmarked |= self.part.is_some() && mine != Some(&self.log.stamp());
        let known: Vec<_> = self
            .replicas
            .nodes()
            .map(|(node, _)| node.clone())
            .collect();
        for node in known {
            if !record.parts.contains_key(&node) {
                self.replicas.handle_absent(&node);
            }
            let judges = self.membership.judgement(now) == Judgement::Free;
            if judges && self.membership.alive(&node).is_none() {
                self.replicas.handle_node_gone(&node, NodeEpoch(u64::MAX));
            }
        }
        if record.home.is_none() {
            self.home.handle_vacant();
        }
        if let Some(home) = record.home.clone() {
            let (node, start) = (home.node.clone(), home.node_epoch);
            self.home
                .handle_home(home.node, home.node_epoch, home.epoch);
            let judges = self.membership.judgement(now) == Judgement::Free;
            if judges && node != self.me && self.membership.alive(&node) != Some(start) {
                self.home.handle_node_gone(&node, start);
            }
        }
    }

    pub(crate) fn handle_bus(&mut self, now: Instant, from: &NodeId, change: Numbered<Change>) {
        self.replicas.handle_change(from, change);
        self.step(now);
    }

    pub(crate) fn handle_ended(&mut self, now: Instant, from: &NodeId, stamp: Stamp) {
        self.replicas.handle_end(from, stamp);
        self.step(now);
    }

    pub(crate) fn handle_part(&mut self, now: Instant, from: &NodeId, part: Option<Part>) {
        match part {
            Some(Part::Is(stamp, items)) => self.replicas.handle_snapshot(now, from, stamp, items),
            Some(Part::Ended(stamp)) => self.replicas.handle_no_part(now, from, stamp),
            None => self.replicas.handle_no_snapshot(now, from),
        }
        self.step(now);
    }

    pub(crate) fn handle_link(&mut self, now: Instant, node: &NodeId, epoch: NodeEpoch, up: bool) {
        self.membership.handle_link(node, epoch, up);
        self.step(now);
    }

    /// All of its part, for those who ask.
    pub(crate) fn told(&self) -> Part {
        let stamp = self.log.stamp();
        match &self.part {
            Some(items) => Part::Is(stamp, items.clone()),
            None => Part::Ended(stamp),
        }
    }

    /// When [`Self::step`] is due.
    pub(crate) fn due(&self) -> Instant {
        let home = self.replicas.poll_timeout();
        let all = [self.membership.poll_timeout(), home, Some(self.look_at)];
        all.into_iter().flatten().min().expect("it looks")
    }

    pub(crate) fn step(&mut self, now: Instant) {
        self.membership.handle_timeout(now);
        while let Some(action) = self.membership.poll_action() {
            let call = match action {
                MembershipAction::ReadLeases => Call::ReadLeases,
                MembershipAction::Register => Call::Register(self.stored_epoch),
                MembershipAction::Renew { epoch } => Call::Renew(epoch),
            };
            self.out.push(Out::Ask(call));
        }
        while let Some(event) = self.membership.poll_event() {
            self.handle_event(now, event);
        }
        let judgement = self.membership.judgement(now);
        if self.part.is_some() {
            self.home.handle_timeout(judgement);
        }
        while let Some(action) = self.home.poll_action() {
            match action {
                HomeAction::Begin { epoch } => self.out.push(Out::Began(epoch)),
                HomeAction::Claim { at_least } => self.claim(at_least),
                HomeAction::End => {}
            }
        }
        self.replicas.handle_timeout(now);
        while let Some(action) = self.replicas.poll_action() {
            match action {
                ReplicasAction::Apply { node, change } => {
                    let copy = self.copies.entry(node).or_default();
                    match change {
                        Change::Add(item) => copy.insert(item),
                        Change::Remove(item) => copy.remove(&item),
                    };
                }
                ReplicasAction::Drop { node } => drop(self.copies.remove(&node)),
                ReplicasAction::Fetch { node } => self.out.push(Out::Fetch(node)),
                ReplicasAction::Replace { node, snapshot } => {
                    self.copies.insert(node, snapshot);
                }
            }
        }
        let Some(epoch) = self.membership.epoch() else {
            return;
        };
        if self.part.is_some() && self.unmarked && !self.marking {
            self.marking = true;
            self.out.push(Out::Ask(Call::PutPart(self.log.stamp())));
        }
        if now < self.look_at || self.looking {
            return;
        }
        self.look_at = now + SWEEP;
        self.looking = true;
        self.out.push(Out::Ask(Call::ReadRoom));
        if self.part.is_none() {
            self.out.push(Out::Ask(Call::RemovePart(epoch)));
        }
        if let Some(life) = self.membership.incarnation()
            && judgement == Judgement::Free
        {
            for (node, epoch) in &self.unswept {
                let sweep = Call::Sweep(node.clone(), *epoch, life.to_owned());
                self.out.push(Out::Ask(sweep));
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: MembershipEvent) {
        match event {
            MembershipEvent::Fenced { .. } => self.out.push(Out::Stop),
            MembershipEvent::Forgotten => {
                self.unmarked = true;
                self.home.handle_doubt();
                self.look_at = now;
            }
            MembershipEvent::Held { epoch } => {
                if self.log.stamp().epoch != epoch {
                    self.log = Log::new(epoch);
                }
                self.stored_epoch = epoch;
                let earlier = NodeEpoch(epoch.0 - 1);
                self.unswept.insert(self.me.clone(), earlier);
                self.unmarked = true;
                self.home.handle_doubt();
                self.replicas.handle_silence();
                self.look_at = now;
            }
            MembershipEvent::Lapsed => {}
            MembershipEvent::NodeGone { node, epoch } => {
                self.replicas.handle_node_gone(&node, epoch);
                self.home.handle_node_gone(&node, epoch);
                self.out.push(Out::Dead(node.clone(), epoch));
                self.unswept.insert(node, epoch);
            }
            MembershipEvent::NodeUp { .. } => self.look_at = now,
        }
    }

    fn claim(&mut self, at_least: RoomEpoch) {
        let epoch = self.membership.epoch();
        let life = self.membership.incarnation();
        let (Some(epoch), Some(life)) = (epoch, life) else {
            return self.home.handle_no_answer();
        };
        self.out
            .push(Out::Ask(Call::Claim(epoch, at_least, life.to_owned())));
    }
}
