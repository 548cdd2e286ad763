//! Nodes and what is between them, in virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use plenum_cluster::{Numbered, Stamp};
use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    node::{Call, Change, Out, Part, Process, Said},
    registry::Registry,
};

/// A registry that does not answer in this time does not count.
const PATIENCE: Duration = Duration::from_millis(500);
/// Links notice silence in this time.
const SILENCE: Duration = Duration::from_secs(3);
/// Whoever has been well for so long is known to everybody who is.
pub(crate) const WELL: Duration = Duration::from_secs(8);
/// After trouble has ended, everybody agrees in this time: two leases of caution, and some seconds to read and fetch.
pub(crate) const QUIET: Duration = Duration::from_secs(16);

/// Something that must never be.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug)]
enum Event {
    Answer(Call, Option<Said>),
    Bus(NodeId, Numbered<Change>),
    Call(Call),
    Ended(NodeId, Stamp),
    Fetch(usize, u32),
    Part(NodeId, Option<Part>),
    Wake,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    starts: [NodeEpoch; 2],
    pub(crate) silent_since: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// On its disk.
    pub(crate) stored_epoch: NodeEpoch,
    pub(crate) process: Option<Process>,
    /// Which of its processes: what was meant for another one is lost.
    life: u32,
    pub(crate) paused: bool,
    pub(crate) registry_cut: bool,
    /// Since when nothing has been wrong with it.
    pub(crate) well_since: Instant,
    /// When the last of its calls reaches the registry.
    last_call: Instant,
    /// Which process is woken next, and when.
    wakes: Option<(u32, Instant)>,
    /// What came while it was paused.
    backlog: Vec<Event>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    began: Instant,
    pub(crate) rng: StdRng,
    pub(crate) nodes: Vec<Node>,
    pub(crate) registry: Registry,
    queue: BTreeMap<(Instant, u64), (usize, u32, Event)>,
    next: u64,
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// Links that stand.
    pub(crate) links: BTreeMap<(usize, usize), Link>,
    /// Of 100 messages on the bus, so many get lost.
    pub(crate) loss: u32,
    /// When the last message comes from a process to a node.
    bus: BTreeMap<(usize, u32, usize), Instant>,
    pub(crate) owners: BTreeMap<RoomEpoch, (NodeId, NodeEpoch)>,
    pub(crate) trouble: Option<Trouble>,
    loud: bool,
    events: u64,
}

impl World {
    pub(crate) fn new(seed: u64, loud: bool) -> Self {
        // Instants before the machine's start cannot be told.
        let began = Instant::now();
        let now = began + Duration::from_hours(1);
        let mut rng = StdRng::seed_from_u64(seed);
        let count = rng.random_range(2..=4);
        let node = |index: usize| Node {
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
            bus: BTreeMap::new(),
            owners: BTreeMap::new(),
            trouble: None,
            loud,
            events: 0,
        };
        for index in 0..count {
            world.start(index);
        }
        world
    }

    /// How many things have happened.
    pub(crate) const fn happened(&self) -> u64 {
        self.events
    }

    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.loud {
            let at = (self.now - self.began).as_millis();
            println!("{at:>7} ms {}", what());
        }
    }

    /// Runs for so long, or until something is wrong.
    pub(crate) fn pass(&mut self, time: Duration) -> Result<(), Trouble> {
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

    /// Something is wrong with a node, or has just ended to be.
    pub(crate) fn touch(&mut self, index: usize) {
        self.nodes[index].well_since = self.now;
    }

    /// Carries out what a process does on somebody's behalf.
    pub(crate) fn act(&mut self, index: usize, act: impl FnOnce(&mut Process, Instant)) {
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

    fn schedule(&mut self, after: Duration, index: usize, life: u32, event: Event) {
        self.next += 1;
        self.queue
            .insert((self.now + after, self.next), (index, life, event));
    }

    fn delay(&mut self) -> Duration {
        // Most within a region, some around the world, few late.
        let millis = match self.rng.random_range(0..20) {
            0 => self.rng.random_range(100..400),
            1..6 => self.rng.random_range(20..100),
            _ => self.rng.random_range(1..20),
        };
        Duration::from_millis(millis)
    }

    fn deliver(&mut self, index: usize, life: u32, event: Event) {
        self.events += 1;
        if let Event::Call(call) = event {
            return self.handle_call(index, life, call);
        }
        let now = self.now;
        let node = &mut self.nodes[index];
        if node.life != life {
            if let Event::Fetch(from, from_life) = event {
                self.answer_fetch(index, (from, from_life), None);
            }
            return;
        }
        if node.paused {
            node.backlog.push(event);
            return;
        }
        let Some(process) = &mut node.process else {
            if let Event::Fetch(from, from_life) = event {
                self.answer_fetch(index, (from, from_life), None);
            }
            return;
        };
        match event {
            Event::Answer(call, said) => process.handle_said(now, &call, said),
            Event::Bus(from, change) => process.handle_bus(now, &from, change),
            Event::Ended(from, stamp) => process.handle_ended(now, &from, stamp),
            Event::Fetch(from, from_life) => {
                // Nodes make links once they have a lease, which says which start they are.
                let starts = process.membership.epoch().is_some();
                let part = starts.then(|| process.told());
                let asker = self.nodes[from].process.as_ref();
                let asks = asker.is_some_and(|it| it.membership.epoch().is_some());
                let part = part.filter(|_| asks && !self.cuts.contains(&pair(index, from)));
                if part.is_some() {
                    self.link(index, from);
                }
                self.answer_fetch(index, (from, from_life), part);
            }
            Event::Part(from, part) => process.handle_part(now, &from, part),
            Event::Wake => process.step(now),
            Event::Call(_) => {}
        }
        self.carry_out(index);
    }

    fn answer_fetch(&mut self, owner: usize, (to, life): (usize, u32), part: Option<Part>) {
        let after = self.delay();
        let name = self.nodes[owner].id.clone();
        self.schedule(after, to, life, Event::Part(name, part));
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
            Call::PutPart(stamp) => {
                registry.put_part(&node, *stamp);
                Said::Done
            }
            Call::ReadLeases => {
                let (life, since, seen) = registry.leases(now);
                Said::Leases(life, since, seen)
            }
            Call::ReadRoom => Said::Room(Box::new(registry.room.clone())),
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
        let after = self.delay();
        self.schedule(after, index, life, Event::Answer(call, Some(said)));
    }

    fn carry_out(&mut self, index: usize) {
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

    fn carry_out_one(&mut self, index: usize, life: u32, out: Out) {
        let me = self.nodes[index].id.clone();
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
            Out::Ended(stamp) => self.tell_all(index, |me| Event::Ended(me, stamp)),
            Out::Fetch(node) => {
                let owner = self.nodes.iter().position(|it| it.id == node);
                let owner = owner.expect("one of ours");
                if self.cuts.contains(&pair(index, owner)) {
                    self.schedule(PATIENCE, index, life, Event::Part(node, None));
                } else {
                    let after = self.delay();
                    let owner_life = self.nodes[owner].life;
                    self.schedule(after, owner, owner_life, Event::Fetch(index, life));
                }
            }
            Out::Publish(change) => self.tell_all(index, |me| Event::Bus(me, change.clone())),
            Out::Stop => {
                self.say(|| format!("{me} is fenced"));
                self.kill(index);
            }
        }
    }

    /// Over the bus, which is the registry's.
    fn tell_all(&mut self, index: usize, event: impl Fn(NodeId) -> Event) {
        let me = self.nodes[index].id.clone();
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
                self.schedule(after, other, life, event(me.clone()));
            }
        }
    }

    fn link(&mut self, one: usize, other: usize) {
        let ends = pair(one, other);
        let start = |index: usize| self.nodes[index].stored_epoch;
        let starts = [start(ends.0), start(ends.1)];
        match self.links.get(&ends) {
            Some(link) if link.starts == starts => return,
            // Of a process that is no more.
            Some(_) => self.unlink(one, other),
            None => {}
        }
        let link = Link {
            starts,
            silent_since: None,
        };
        self.links.insert(ends, link);
        self.tell_link(ends, link, true);
    }

    fn unlink(&mut self, one: usize, other: usize) {
        let ends = pair(one, other);
        if let Some(link) = self.links.remove(&ends) {
            self.tell_link(ends, link, false);
        }
    }

    fn tell_link(&mut self, ends: (usize, usize), link: Link, up: bool) {
        let now = self.now;
        for (to, of, start) in [
            (ends.0, ends.1, link.starts[1]),
            (ends.1, ends.0, link.starts[0]),
        ] {
            let id = self.nodes[of].id.clone();
            if let Some(process) = &mut self.nodes[to].process {
                process.handle_link(now, &id, start, up);
            }
            self.carry_out(to);
        }
    }

    fn check_links(&mut self) {
        for (one, other) in self.links.keys().copied().collect::<Vec<_>>() {
            let speaks = |node: &Node| node.process.is_some() && !node.paused;
            let is_silent = self.cuts.contains(&(one, other))
                || !speaks(&self.nodes[one])
                || !speaks(&self.nodes[other]);
            let starts = [one, other].map(|index| self.nodes[index].stored_epoch);
            let link = self.links.get_mut(&(one, other)).expect("of this map");
            let is_silent = is_silent || link.starts != starts;
            link.silent_since = if is_silent {
                Some(link.silent_since.unwrap_or(self.now))
            } else {
                None
            };
            let silence = link.silent_since.map(|since| self.now - since);
            if silence.is_some_and(|silence| silence >= SILENCE) {
                self.unlink(one, other);
            }
        }
    }
}

pub(crate) const fn pair(one: usize, other: usize) -> (usize, usize) {
    if one < other {
        (one, other)
    } else {
        (other, one)
    }
}
