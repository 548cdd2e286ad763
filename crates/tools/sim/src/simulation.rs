//! One day under one who decides.
//!
//! People come, are placed by what the last status of the nodes says and the joins since, and leave. Every five seconds nodes
//! say how they are, and people of nodes that are drained move on. A node that fails is noticed after three seconds;
//! until then it is still among the candidates, and who is sent there takes the next.

use std::{collections::HashMap, mem, time::Duration};

use plenum_ids::{NodeId, PeerId, RoomId, RoomName};
use plenum_placement::{Measured, NamespaceRules, Part, Policy, Request, Role, Rules, View, rank};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    Choice, Figures,
    crowd::{Crowd, Time},
    faults::{DRAIN_STEPS, Fault, Kind, faults},
    figures::{Spread, cumulative},
    rng::Rng,
    traffic::{Flow, RoomPart, arrange, flows, share_of_pipes},
    world::{World, bits, location, precise},
};

mod samples;

use samples::Samples;

/// Nodes say so often how they are.
pub(crate) const STATUS: Time = 5_000;

/// Figures are taken so often.
const SAMPLE: Time = 300_000;

/// Under `broadcast` nodes feed each other as a tree in rooms with so few publishers: in a conversation of many each node
/// wants other streams, and the tree would carry all of them everywhere.
const FEW: u32 = 3;

/// Nowhere.
const NONE: u32 = u32::MAX;

pub(crate) struct Simulation<'a> {
    world: &'a World,
    crowd: &'a Crowd,
    choice: Choice,
    rules: Rules,
    view: View,
    index: HashMap<NodeId, usize>,
    nodes: Vec<NodeState>,
    rooms: Vec<RoomState>,
    /// Where everybody is.
    at: Vec<u32>,
    people: u32,
    faults: Vec<Fault>,
    draining: Vec<Drain>,
    rng: Rng,
    samples: Samples,
    scratch: Vec<Flow>,
}

#[derive(Debug, Default)]
struct NodeState {
    health: Health,
    peers: u32,
    flow: Flow,
    /// Something changed since its last status.
    is_dirty: bool,
}

#[derive(Debug, Default)]
struct RoomState {
    home: Option<usize>,
    parts: Vec<Part>,
    /// In the same order.
    nodes: Vec<RoomPart>,
    has_tree: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Alive,
    /// It is gone, and the others do not know.
    Dead,
    Draining,
    /// It is gone, and the others know.
    Judged,
}

impl Health {
    const fn is_alive(self) -> bool {
        matches!(self, Self::Alive | Self::Draining)
    }
}

/// A node that is being emptied.
struct Drain {
    node: usize,
    people: Vec<u32>,
    step: usize,
}

/// Why somebody is placed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Comes,
    Drained,
    Failed,
}

impl<'a> Simulation<'a> {
    pub(crate) fn new(world: &'a World, crowd: &'a Crowd, choice: Choice, seed: u64) -> Self {
        let policy = match choice {
            Choice::Policy(policy) => policy,
            Choice::Random => Policy::User,
        };
        let rules = Rules {
            default: NamespaceRules {
                policy,
                ..NamespaceRules::default()
            },
            ..Rules::default()
        };
        let ids = world.nodes.iter().map(|node| node.id.clone());
        let mut simulation = Self {
            world,
            crowd,
            choice,
            rules,
            view: View::default(),
            index: ids.zip(0..).collect(),
            nodes: world.nodes.iter().map(|_| NodeState::default()).collect(),
            rooms: crowd.rooms.iter().map(|_| RoomState::default()).collect(),
            at: vec![NONE; crowd.people.len()],
            people: 0,
            faults: faults(world, crowd.end, seed),
            draining: Vec::new(),
            rng: Rng::new(seed, "choices"),
            samples: Samples::default(),
            scratch: Vec::new(),
        };
        simulation.look();
        simulation
    }

    /// The whole day.
    pub(crate) fn run(&mut self, progress: &mut dyn FnMut(f64)) -> Figures {
        let crowd = self.crowd;
        let (mut arrivals, mut departures) = (crowd.arrivals.iter(), crowd.departures.iter());
        let (mut arrives, mut departs) = (arrivals.next(), departures.next());
        let faults = mem::take(&mut self.faults);
        let mut due = faults.iter().peekable();
        let mut now = 0;
        while now < crowd.end {
            let until = now.saturating_add(STATUS).min(crowd.end);
            while let Some(fault) = due.next_if(|fault| fault.at < until) {
                self.happen(*fault);
            }
            // Who leaves and who comes at one moment: first the former, unless it is the same person.
            loop {
                let joins =
                    arrives.map_or(Time::MAX, |person| crowd.people[*person as usize].joins);
                let leaves =
                    departs.map_or(Time::MAX, |person| crowd.people[*person as usize].leaves);
                if joins.min(leaves) >= until {
                    break;
                }
                if joins <= leaves {
                    if let Some(person) = arrives {
                        self.place(*person, Why::Comes);
                    }
                    arrives = arrivals.next();
                } else {
                    if let Some(person) = departs {
                        self.leave(*person);
                    }
                    departs = departures.next();
                }
            }
            now = until;
            self.drain();
            self.tell();
            if now % SAMPLE < STATUS {
                self.sample(now);
                progress(f64::from(now) / f64::from(crowd.end));
            }
        }
        self.figures()
    }

    fn happen(&mut self, fault: Fault) {
        let node = &mut self.nodes[fault.node];
        match fault.kind {
            Kind::Fail => {
                node.health = Health::Dead;
                self.samples.failures += 1;
            }
            Kind::Judged => {
                node.health = Health::Judged;
                self.look();
                self.bury(fault.node);
            }
            Kind::Drain => {
                node.health = Health::Draining;
                self.samples.drains += 1;
                let id = &self.world.nodes[fault.node].id;
                self.view.set_draining(id, true);
                self.draining.push(Drain {
                    node: fault.node,
                    people: self.people_of(fault.node),
                    step: 0,
                });
            }
            Kind::Back => {
                // Who could not be moved away is put out now.
                self.bury(fault.node);
                self.nodes[fault.node] = NodeState::default();
                self.draining.retain(|drain| drain.node != fault.node);
                self.look();
            }
        }
    }

    /// Everybody of a node that is gone looks for another.
    fn bury(&mut self, node: usize) {
        let people = self.people_of(node);
        for person in &people {
            self.leave(*person);
        }
        for room in &mut self.rooms {
            if room.home == Some(node) {
                // Of those that survive, one claims the room.
                room.home = room.largest();
            }
        }
        for person in people {
            self.place(person, Why::Failed);
        }
    }

    /// Moves on a part of the people of each node that is drained.
    fn drain(&mut self) {
        let mut draining = mem::take(&mut self.draining);
        for drain in &mut draining {
            let size = drain.people.len().div_ceil(DRAIN_STEPS);
            let from = (drain.step * size).min(drain.people.len());
            let to = (from + size).min(drain.people.len());
            drain.step += 1;
            for person in &drain.people[from..to] {
                // Some have left by themselves.
                if self.at[*person as usize] as usize == drain.node {
                    self.leave(*person);
                    let room = self.crowd.people[*person as usize].room as usize;
                    // The room goes where the first of its people goes.
                    if self.rooms[room].home == Some(drain.node) {
                        self.rooms[room].home = None;
                    }
                    self.place(*person, Why::Drained);
                    let room = &mut self.rooms[room];
                    room.home = room.home.or_else(|| room.largest());
                }
            }
        }
        self.draining = draining;
    }

    fn people_of(&self, node: usize) -> Vec<u32> {
        let people = (0..).zip(&self.at);
        let there = people.filter(|(_, at)| **at as usize == node);
        there.map(|(person, _)| person).collect()
    }

    /// Sees anew which nodes there are.
    fn look(&mut self) {
        let nodes = self.world.nodes.iter().zip(&self.nodes);
        let living = nodes.filter(|(_, state)| state.health != Health::Judged);
        let views = living.map(|(node, state)| {
            let mut view = node.view();
            view.draining = state.health == Health::Draining;
            view.measured = state.measured(node.capacity);
            view
        });
        self.view = View::new(views.collect());
    }

    /// Nodes say how they are.
    fn tell(&mut self) {
        for (node, state) in self.world.nodes.iter().zip(&mut self.nodes) {
            if state.is_dirty && state.health.is_alive() {
                let measured = state.measured(node.capacity);
                self.view.measured(&node.id, measured, 0);
                state.is_dirty = false;
            }
        }
    }

    /// Finds a node for somebody.
    fn place(&mut self, person: u32, why: Why) {
        let chosen = match self.choice {
            Choice::Policy(_) => self.decide(person),
            Choice::Random => self.guess(),
        };
        match (chosen, why) {
            (None, Why::Comes) => self.samples.refused += 1,
            (None, _) => self.samples.lost += 1,
            (Some(_), Why::Comes) => self.samples.joins += 1,
            (Some(_), Why::Drained) => self.samples.moved_by_drains += 1,
            (Some(_), Why::Failed) => self.samples.moved_by_failures += 1,
        }
        if let Some(node) = chosen {
            let egress = self.demand(person);
            self.view.count_join(&self.world.nodes[node].id, egress);
            self.enter(person, node);
            self.measure_paths(person, node);
        }
    }

    /// Bits a second that somebody will receive, when he comes.
    fn demand(&self, person: u32) -> u64 {
        let number = self.crowd.people[person as usize].room as usize;
        let room = &self.crowd.rooms[number];
        let parts = self.rooms[number].parts.iter();
        let peers: u32 = parts.map(|part| part.peers).sum();
        u64::from(room.streams(peers + 1).max(1) * room.bitrate())
    }

    /// By the ranking; the first of its candidates that lives.
    fn decide(&mut self, person: u32) -> Option<usize> {
        let egress = self.demand(person);
        let who = &self.crowd.people[person as usize];
        let room = &self.crowd.rooms[who.room as usize];
        let state = &mut self.rooms[who.room as usize];
        let coordinates = who.located.then(|| who.coordinates());
        let mut request = Request {
            peer: Some(PeerId::from(format!("person {person}"))),
            role: if who.publishes {
                Role::Publisher
            } else {
                Role::Viewer
            },
            client: location(usize::from(who.area), who.isp, coordinates),
            home: state.home.map(|home| self.world.nodes[home].id.clone()),
            parts: mem::take(&mut state.parts),
            egress,
            ..Request::new(RoomName::from(RoomId::from(format!("room {}", who.room))))
        };
        let start = processor_time();
        let ranking = rank(&request, &self.view, &self.rules);
        let took = processor_time().saturating_sub(start).as_secs_f32() * 1e6;
        state.parts = mem::take(&mut request.parts);
        self.samples.decision(took, room.is_event);
        let candidates = ranking.candidates.iter();
        let mut nodes = candidates.filter_map(|candidate| self.index.get(&candidate.node).copied());
        nodes.find(|node| self.nodes[*node].health.is_alive())
    }

    /// Any node that is not full, as somebody would who knows nothing else.
    fn guess(&mut self) -> Option<usize> {
        let most = self.rules.default.max_load;
        // Far more often than it takes unless nearly all are full.
        for _ in 0..1000 {
            let node = self.rng.index(self.nodes.len());
            let state = &self.nodes[node];
            let load = state.measured(self.world.nodes[node].capacity).load;
            if state.health == Health::Alive && load < most {
                return Some(node);
            }
        }
        None
    }

    fn enter(&mut self, person: u32, node: usize) {
        let who = &self.crowd.people[person as usize];
        let room = &mut self.rooms[who.room as usize];
        room.home.get_or_insert(node);
        let known = room.nodes.iter().position(|part| part.node == node);
        let index = known.unwrap_or_else(|| {
            room.parts.push(Part {
                node: self.world.nodes[node].id.clone(),
                peers: 0,
                publishers: 0,
            });
            room.nodes.push(RoomPart {
                node,
                flow: Flow::default(),
                children: 0,
            });
            room.has_tree = false;
            room.nodes.len() - 1
        });
        room.parts[index].peers += 1;
        room.parts[index].publishers += u32::from(who.publishes);
        self.nodes[node].peers += 1;
        self.at[person as usize] = node as u32;
        self.people += 1;
        self.reckon(who.room as usize);
    }

    fn leave(&mut self, person: u32) {
        let node = mem::replace(&mut self.at[person as usize], NONE) as usize;
        let who = &self.crowd.people[person as usize];
        let room = &mut self.rooms[who.room as usize];
        // Who was refused is nowhere.
        let Some(index) = room.nodes.iter().position(|part| part.node == node) else {
            return;
        };
        room.parts[index].peers -= 1;
        room.parts[index].publishers -= u32::from(who.publishes);
        self.nodes[node].peers -= 1;
        self.nodes[node].is_dirty = true;
        self.people -= 1;
        if room.parts[index].peers == 0 {
            self.nodes[node].flow.add(&room.nodes[index].flow, -1.0);
            room.parts.swap_remove(index);
            room.nodes.swap_remove(index);
            room.has_tree = false;
        }
        if room.parts.is_empty() {
            room.home = None;
        }
        self.reckon(who.room as usize);
    }

    /// What a room's nodes carry now.
    fn reckon(&mut self, number: usize) {
        let room = &mut self.rooms[number];
        let publishers: u32 = room.parts.iter().map(|part| part.publishers).sum();
        let by_tree = self.choice == Choice::Policy(Policy::Broadcast)
            && room.nodes.len() > 2
            && (1..=FEW).contains(&publishers);
        if by_tree && !room.has_tree {
            let (depth, unreachable) = arrange(self.world, &room.parts, &mut room.nodes);
            self.samples.tree(depth, unreachable);
            room.has_tree = true;
        }
        let of = &self.crowd.rooms[number];
        flows(of, &room.parts, &room.nodes, by_tree, &mut self.scratch);
        for (part, flow) in room.nodes.iter_mut().zip(&self.scratch) {
            if part.flow != *flow {
                let node = &mut self.nodes[part.node];
                node.flow.add(&part.flow, -1.0);
                node.flow.add(flow, 1.0);
                node.is_dirty = true;
                part.flow = *flow;
            }
        }
    }

    /// How far it is to the node, and by it to somebody else of the room.
    fn measure_paths(&mut self, person: u32, node: usize) {
        let who = &self.crowd.people[person as usize];
        let own = self.world.round_trip(who, node);
        self.samples.round_trips.push(own);
        let room = &self.crowd.rooms[who.room as usize];
        for _ in 0..4 {
            let other = room.first + self.rng.index(room.size as usize) as u32;
            let at = self.at[other as usize];
            if other == person || at == NONE {
                continue;
            }
            let theirs = self
                .world
                .round_trip(&self.crowd.people[other as usize], at as usize);
            let between = self.world.between(node, at as usize);
            self.samples.paths.push(own / 2.0 + between + theirs / 2.0);
            return;
        }
    }

    fn sample(&mut self, now: Time) {
        #[cfg(test)]
        tests::check(self);
        let mut loads = Vec::with_capacity(self.nodes.len());
        let mut total = Flow::default();
        for (node, state) in self.world.nodes.iter().zip(&self.nodes) {
            if state.health.is_alive() {
                loads.push(state.measured(node.capacity).load);
            }
            total.add(&state.flow, 1.0);
            self.samples.piped_by_one = self.samples.piped_by_one.max(state.flow.piped_out);
        }
        for (room, state) in self.crowd.rooms.iter().zip(&self.rooms) {
            let nodes = state.parts.len() as u64;
            self.samples.room_nodes += nodes;
            self.samples.room_moments += u64::from(nodes > 0);
            if room.is_event {
                self.samples.nodes_of_event = self.samples.nodes_of_event.max(nodes);
            }
        }
        self.samples
            .moment(f64::from(now) / 3_600_000.0, self.people, loads, &total);
        self.samples.piped_share += share_of_pipes(&total);
    }

    fn figures(&mut self) -> Figures {
        mem::take(&mut self.samples).figures(self.choice)
    }
}

/// Processor time of this thread: what a decision costs, however busy the machine is with other things.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl RoomState {
    /// The node with most of its people.
    fn largest(&self) -> Option<usize> {
        let parts = self.parts.iter().zip(&self.nodes);
        let largest = parts.max_by_key(|(part, _)| part.peers);
        largest.map(|(_, at)| at.node)
    }
}

impl NodeState {
    fn measured(&self, capacity: u64) -> Measured {
        Measured {
            load: (self.flow.work() / precise(capacity)).max(0.0) as f32,
            peers: self.peers,
            egress: bits(self.flow.egress()),
        }
    }
}

#[cfg(test)]
mod tests;
