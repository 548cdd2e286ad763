//! Nodes and what is between them, in virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use plenum_cluster::Stamp;
use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    links::{Line, LineKey, Link},
    part::{Part, Start},
    process::{Call, Item, Out, Process, Said},
    registry::{Registry, Unleased},
};

/// A registry that does not answer in this time does not count.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
/// Whoever has been well for so long is known to everybody who is.
pub(crate) const WELL: Duration = Duration::from_secs(8);

/// Something that must never be.
#[derive(Debug, Default)]
pub struct Trouble(pub(crate) String);

impl Trouble {
    /// Whatever somebody else has found.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug)]
pub(crate) enum Event<P: Part> {
    Answer(Call, Option<Said>),
    Broken(NodeId),
    Bus(Start, Item<P>),
    Call(Call),
    /// Who asks: which node, which of its processes, of which part, under which number.
    Fetch(usize, u32, (u64, u64)),
    Parcel(LineKey, u64),
    Resubscribed,
    /// A line could not be opened.
    Unreachable(usize),
    Told((u64, u64), Option<(Stamp, Option<P::Snapshot>)>),
    Wake,
}

/// A machine.
#[derive(Debug)]
pub(crate) struct Node<P: Part> {
    pub(crate) id: NodeId,
    /// On its disk.
    pub(crate) stored_epoch: NodeEpoch,
    pub(crate) process: Option<Process<P>>,
    /// Which of its processes: what was meant for another one is lost.
    pub(crate) life: u32,
    pub(crate) paused: bool,
    pub(crate) registry_cut: bool,
    /// Since when nothing has been wrong with it.
    pub(crate) well_since: Instant,
    /// When the last of its calls reaches the registry.
    last_call: Instant,
    /// Which process is woken next, and when.
    wakes: Option<(u32, Instant)>,
    /// What came while it was paused.
    pub(crate) backlog: Vec<Event<P>>,
}

/// Nodes and what is between them.
#[derive(Debug)]
pub struct World<P: Part> {
    pub(crate) now: Instant,
    began: Instant,
    /// For what happens, and when.
    pub rng: StdRng,
    pub(crate) nodes: Vec<Node<P>>,
    pub(crate) registry: Registry,
    queue: BTreeMap<(Instant, u64), (usize, u32, Event<P>)>,
    next: u64,
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// Links that stand.
    pub(crate) links: BTreeMap<(usize, usize), Link>,
    /// What is said over them.
    pub(crate) lines: BTreeMap<LineKey, Line<P>>,
    pub(crate) unreachable: BTreeSet<(usize, usize)>,
    pub(crate) generations: u64,
    /// Of 100 messages on the bus, so many get lost.
    loss: u32,
    /// When the last message comes from a process to a node.
    bus: BTreeMap<(usize, u32, usize), Instant>,
    pub(crate) owners: BTreeMap<RoomEpoch, Start>,
    pub(crate) trouble: Option<Trouble>,
    /// No more trouble is made.
    pub(crate) is_quiet: bool,
    loud: bool,
    events: u64,
}

impl<P: Part> World<P> {
    /// A cluster of some nodes that have just been started.
    #[must_use]
    pub fn new(seed: u64, loud: bool) -> Self {
        // Instants before the machine's start cannot be told.
        let began = Instant::now();
        let now = began + Duration::from_hours(1);
        let mut rng = StdRng::seed_from_u64(seed);
        let count = rng.random_range(2..=4);
        let node = |index: usize| Node::<P> {
            id: format!("node-{index}").into(),
            stored_epoch: NodeEpoch(0),
            process: None,
            life: 0,
            paused: false,
            registry_cut: false,
            well_since: now,
            last_call: now,
            wakes: None,
            backlog: Vec::new(),
        };
        let mut world = Self {
            now,
            began: now,
            loss: rng.random_range(0..20),
            rng,
            nodes: (0..count).map(node).collect(),
            registry: Registry::new(began),
            queue: BTreeMap::new(),
            next: 0,
            cuts: BTreeSet::new(),
            links: BTreeMap::new(),
            lines: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            generations: 0,
            bus: BTreeMap::new(),
            owners: BTreeMap::new(),
            trouble: None,
            is_quiet: false,
            loud,
            events: 0,
        };
        for index in 0..count {
            world.start(index);
        }
        world
    }

    /// How many things have happened.
    pub const fn happened(&self) -> u64 {
        self.events
    }

    /// How many nodes there are, with or without a process.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// A node's part of the room, if it has one.
    #[must_use]
    pub fn part(&self, index: usize) -> Option<&P> {
        let seat = self.nodes[index].process.as_ref()?.seat.as_ref()?;
        Some(&seat.part)
    }

    /// Tells what happens when a seed is run alone.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.loud {
            let at = (self.now - self.began).as_millis();
            println!("{at:>7} ms {}", what());
        }
    }

    /// What must hold at any time.
    ///
    /// # Errors
    ///
    /// Says what does not.
    pub fn check(&self) -> Result<(), Trouble> {
        let mut parts = (0..self.nodes.len()).filter_map(|index| self.part(index));
        parts.try_for_each(P::check).map_err(Trouble)
    }

    /// Runs for so long, or until something is wrong.
    ///
    /// # Errors
    ///
    /// Says what is.
    pub fn pass(&mut self, time: Duration) -> Result<(), Trouble> {
        let until = self.now + time;
        let mut next_check = self.now;
        while let Some((&(at, _), _)) = self.queue.first_key_value() {
            if at > until {
                break;
            }
            let Some((_, (index, life, event))) = self.queue.pop_first() else {
                break;
            };
            self.now = at;
            if self.now >= next_check {
                next_check = self.now + Duration::from_millis(200);
                self.check_links();
            }
            self.deliver(index, life, event);
            if let Some(trouble) = self.trouble.take() {
                return Err(trouble);
            }
        }
        self.now = until;
        self.check_links();
        Ok(())
    }

    pub(crate) fn start(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        node.life += 1;
        node.paused = false;
        node.backlog.clear();
        node.well_since = now;
        node.process = Some(Process::new(node.id.clone(), node.stored_epoch, now));
        self.say(|| format!("node-{index} starts"));
        self.wake(index);
    }

    pub(crate) fn kill(&mut self, index: usize) {
        self.say(|| format!("node-{index} is killed"));
        self.nodes[index].process = None;
        self.nodes[index].life += 1;
        self.nodes[index].paused = false;
        self.unreachable.retain(|(from, _)| *from != index);
        for other in 0..self.nodes.len() {
            if !self.cuts.contains(&pair(index, other)) {
                self.unlink(index, other);
            }
        }
    }

    pub(crate) fn resume(&mut self, index: usize) {
        self.say(|| format!("node-{index} goes on"));
        let node = &mut self.nodes[index];
        node.paused = false;
        node.well_since = self.now;
        let life = node.life;
        for event in std::mem::take(&mut node.backlog) {
            self.schedule(Duration::ZERO, index, life, event);
        }
        self.wake(index);
    }

    /// A node gets a part of the room, or gives it up.
    pub(crate) fn turn(&mut self, index: usize) {
        let process = self.nodes[index].process.as_ref();
        if process.is_some_and(|it| it.seat.is_some()) {
            self.act(index, Process::close);
        } else {
            self.open(index);
        }
        self.say(|| format!("node-{index} turns its part"));
    }

    /// A node gets a part of the room, if it lives and has none.
    pub fn open(&mut self, index: usize) {
        let passed = u64::try_from((self.now - self.began).as_millis()).unwrap_or_default();
        // Clocks of nodes differ.
        let skew = 331 * index as u64;
        let luck = (1_000_000 + passed + skew, self.rng.random());
        self.act(index, |process, now| process.open(now, luck));
    }

    /// Every node gives up its part of the room.
    pub fn close_all(&mut self) {
        for index in 0..self.nodes.len() {
            self.act(index, Process::close);
        }
    }

    /// A node reaches the registry again. Its connection may have broken meanwhile.
    pub(crate) fn heal_registry(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !std::mem::take(&mut node.registry_cut) {
            return;
        }
        let life = node.life;
        self.touch(index);
        self.say(|| format!("node-{index} and the registry: healed"));
        if self.rng.random_bool(0.5) {
            let after = self.delay();
            self.schedule(after, index, life, Event::Resubscribed);
        }
    }

    /// Something is wrong with a node, or has just ended to be.
    pub(crate) fn touch(&mut self, index: usize) {
        self.nodes[index].well_since = self.now;
    }

    /// Carries out what a process does on somebody's behalf.
    pub fn act(&mut self, index: usize, act: impl FnOnce(&mut Process<P>, Instant)) {
        let now = self.now;
        if self.nodes[index].paused {
            return;
        }
        if let Some(process) = &mut self.nodes[index].process {
            act(process, now);
        }
        self.carry_out(index);
    }

    fn wake(&mut self, index: usize) {
        self.schedule(Duration::ZERO, index, self.nodes[index].life, Event::Wake);
    }

    pub(crate) fn schedule(&mut self, after: Duration, index: usize, life: u32, event: Event<P>) {
        self.next += 1;
        self.queue
            .insert((self.now + after, self.next), (index, life, event));
    }

    pub(crate) fn delay(&mut self) -> Duration {
        // Most within a region, some around the world, few late.
        let millis = match self.rng.random_range(0..20) {
            0 => self.rng.random_range(100..400),
            1..6 => self.rng.random_range(20..100),
            _ => self.rng.random_range(1..20),
        };
        Duration::from_millis(millis)
    }

    fn deliver(&mut self, index: usize, life: u32, event: Event<P>) {
        self.events += 1;
        if let Event::Call(call) = event {
            return self.handle_call(index, life, call);
        }
        let now = self.now;
        let node = &mut self.nodes[index];
        let is_it = node.life == life && node.process.is_some();
        if !is_it {
            if let Event::Fetch(from, from_life, number) = event {
                self.answer_fetch((from, from_life), number, None);
            }
            return;
        }
        if node.paused {
            node.backlog.push(event);
            return;
        }
        let parcel = match &event {
            Event::Parcel(line, generation) => self.take_parcel(*line, *generation),
            _ => None,
        };
        let Some(process) = &mut self.nodes[index].process else {
            return;
        };
        match event {
            Event::Answer(call, said) => process.handle_said(now, &call, said),
            Event::Broken(node) => process.hear(now, |seat| seat.handle_broken(now, &node)),
            Event::Bus(from, item) => process.hear(now, |seat| seat.handle_bus(now, &from, item)),
            Event::Fetch(from, from_life, number) => {
                let told = process.told();
                let told = told.filter(|_| self.connect(index, from));
                self.answer_fetch((from, from_life), number, told);
            }
            Event::Parcel(..) => {
                if let Some(parcel) = parcel {
                    process.handle_parcel(now, parcel);
                }
            }
            Event::Resubscribed => process.hear(now, |seat| seat.handle_resubscribed(now)),
            Event::Told((number, fetch), told) => process.hear(now, |seat| {
                if seat.number() == number {
                    seat.handle_told(now, fetch, told);
                }
            }),
            Event::Unreachable(other) => {
                self.unreachable.remove(&(index, other));
                let node = self.nodes[other].id.clone();
                self.act(index, |process, now| {
                    process.hear(now, |seat| seat.handle_broken(now, &node));
                });
            }
            Event::Wake => process.step(now),
            // It was for the registry.
            Event::Call(_) => {}
        }
        self.carry_out(index);
    }

    fn answer_fetch(
        &mut self,
        (to, life): (usize, u32),
        number: (u64, u64),
        told: Option<(Stamp, Option<P::Snapshot>)>,
    ) {
        let after = self.delay();
        self.schedule(after, to, life, Event::Told(number, told));
    }

    fn handle_call(&mut self, index: usize, life: u32, call: Call) {
        let (now, node) = (self.now, self.nodes[index].id.clone());
        let registry = &mut self.registry;
        if self.nodes[index].registry_cut {
            return self.schedule(PATIENCE, index, life, Event::Answer(call, None));
        }
        let knows = |life: &str, registry: &Registry| *life == registry.incarnation();
        let said = match &call {
            Call::Claim(epoch, at_least, life) => {
                let claim = knows(life, registry)
                    .then(|| registry.claim(now, (&node, *epoch), *at_least))
                    .flatten();
                Said::Claimed(claim)
            }
            Call::PutPart(stamp) => done(registry.put_part(now, &node, *stamp)),
            Call::PutPlaces => {
                let epoch = self.nodes[index].stored_epoch;
                done(registry.put_places(now, &node, epoch))
            }
            Call::ReadLeases => {
                let (life, since, seen) = registry.leases(now);
                Said::Leases(life, since, seen)
            }
            Call::ReadRoom | Call::Tidy => Said::Room(Box::new(registry.room.clone())),
            Call::Register(at_least) => {
                let answer = registry.register(now, &node, *at_least);
                if let plenum_cluster::LeaseAnswer::Held { epoch, .. } = &answer {
                    self.nodes[index].stored_epoch = *epoch;
                }
                Said::Lease(answer)
            }
            Call::Release(start, epoch) => {
                registry.release(&node, *start, *epoch);
                Said::Done
            }
            Call::RemovePart(epoch) => {
                registry.remove_part(&node, *epoch);
                Said::Done
            }
            Call::Renew(epoch) => Said::Lease(registry.renew(now, &node, *epoch)),
            Call::Sweep(dead, epoch, life) => {
                if knows(life, registry) {
                    registry.sweep(now, dead, *epoch);
                }
                Said::Done
            }
        };
        // It may do what it was asked for and be unable to say so.
        let is_lost = !self.is_quiet && self.rng.random_range(0..100) == 0;
        let after = if is_lost { PATIENCE } else { self.delay() };
        let said = Some(said).filter(|_| !is_lost);
        self.schedule(after, index, life, Event::Answer(call, said));
    }

    pub(crate) fn carry_out(&mut self, index: usize) {
        self.check_decided(index);
        let life = self.nodes[index].life;
        let Some(process) = &mut self.nodes[index].process else {
            return;
        };
        let out = std::mem::take(&mut process.out);
        let due = process.due().max(self.now + Duration::from_millis(1));
        let node = &mut self.nodes[index];
        let is_set = |at: Instant| at > self.now && at <= due;
        if !node.wakes.is_some_and(|(of, at)| of == life && is_set(at)) {
            node.wakes = Some((life, due));
            let after = due - self.now;
            self.schedule(after, index, life, Event::Wake);
        }
        for out in out {
            self.carry_out_one(index, life, out);
        }
    }

    fn carry_out_one(&mut self, index: usize, life: u32, out: Out<P>) {
        match out {
            Out::Ask(call) => {
                // Over one connection: they come in order.
                let at = (self.now + self.delay()).max(self.nodes[index].last_call);
                self.nodes[index].last_call = at;
                let after = at - self.now;
                self.schedule(after, index, life, Event::Call(call));
            }
            Out::Began(epoch) => self.check_home(index, epoch),
            Out::Dead(node, epoch) => self.check_dead(index, &node, epoch),
            Out::Decides(epoch) => self.check_decides(index, epoch),
            Out::Fetch(node, number) => {
                let owner = self.index_of(&node);
                if self.cuts.contains(&pair(index, owner)) {
                    self.schedule(PATIENCE, index, life, Event::Told(number, None));
                } else {
                    let after = self.delay();
                    let owner_life = self.nodes[owner].life;
                    self.schedule(after, owner, owner_life, Event::Fetch(index, life, number));
                }
            }
            Out::Say(node, parcel) => {
                let to = self.index_of(&node);
                self.send(index, to, parcel);
            }
            Out::Stop => {
                self.say(|| format!("node-{index} is fenced"));
                self.kill(index);
            }
            Out::Tell(item) => self.tell_all(index, &item),
        }
    }

    pub(crate) fn index_of(&self, node: &NodeId) -> usize {
        let index = self.nodes.iter().position(|it| it.id == *node);
        index.expect("one of ours")
    }

    /// Over the bus, which is the registry's.
    fn tell_all(&mut self, index: usize, item: &Item<P>) {
        let node = &self.nodes[index];
        let Some(epoch) = node.process.as_ref().and_then(|it| it.membership.epoch()) else {
            return;
        };
        let me = (node.id.clone(), epoch);
        for other in 0..self.nodes.len() {
            let cut = self.nodes[index].registry_cut || self.nodes[other].registry_cut;
            let lost = self.rng.random_range(0..100) < self.loss;
            if other != index && !cut && !lost {
                // Those of one process come in order; what a dead one has sent may come late.
                let stalls = self.rng.random_range(0..100) == 0;
                let late = if stalls { 3_000 } else { 15 };
                let key = (index, self.nodes[index].life, other);
                let at = self.now + Duration::from_millis(late);
                let last = self.bus.entry(key).or_insert(at);
                *last = at.max(*last);
                let after = *last - self.now;
                let life = self.nodes[other].life;
                self.schedule(after, other, life, Event::Bus(me.clone(), item.clone()));
            }
        }
    }
}

const fn done(written: Result<(), Unleased>) -> Said {
    match written {
        Ok(()) => Said::Done,
        Err(Unleased) => Said::Unleased,
    }
}

pub(crate) const fn pair(one: usize, other: usize) -> (usize, usize) {
    if one < other {
        (one, other)
    } else {
        (other, one)
    }
}
