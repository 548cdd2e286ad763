//! Nodes that tell each other of trunks, with workers that are as particular as engines.

use std::collections::{HashMap, HashSet};

use plenum_ids::{NodeEpoch, NodeId};
use proptest::prelude::*;

use super::*;

/// A node with two workers.
struct Node {
    key: NodeKey,
    table: Table,
    starts: [u64; 2],
    /// What its workers have.
    halves: HashMap<TransportId, (WorkerId, TrunkOptions)>,
    /// What it has ever sealed with.
    sealed: HashSet<[u8; 32]>,
    now: Instant,
    base: u16,
}

/// What is on its way to a node that takes a pipe.
struct Offer {
    from: NodeKey,
    at: Ours,
    offered: Offered,
}

impl Node {
    fn new(name: &str, epoch: u64, base: u16) -> Self {
        let key = NodeKey {
            node: NodeId::from(name),
            epoch: NodeEpoch(epoch),
        };
        Self {
            table: Table::new(key.clone()),
            key,
            starts: [1, 2],
            halves: HashMap::new(),
            sealed: HashSet::new(),
            now: Instant::now(),
            base,
        }
    }

    fn ours(&self, worker: u16) -> Ours {
        Ours {
            worker: WorkerId(worker),
            start: self.starts[usize::from(worker)],
            address: ([192, 0, 2, 1], self.base + worker).into(),
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::End { trunk, .. } => drop(self.halves.remove(&trunk)),
                Action::Make {
                    worker,
                    trunk,
                    options,
                } => {
                    let mut others = self.halves.values();
                    let is_taken =
                        others.any(|(at, other)| *at == worker && other.remote == options.remote);
                    assert!(!is_taken, "two trunks to {}", options.remote);
                    assert_ne!(options.send_key, options.receive_key);
                    assert!(self.sealed.insert(*options.send_key.key()), "a key again");
                    self.halves.insert(trunk, (worker, options));
                }
            }
        }
        assert_eq!(self.halves.len(), self.table.len());
    }

    fn ask(&mut self, worker: u16, of: &NodeKey) -> (Ours, Asked) {
        let ours = self.ours(worker);
        (ours, self.table.ask(self.now, of, &ours))
    }

    /// It has the producer, and makes its half.
    fn near(
        &mut self,
        worker: u16,
        asker: &NodeKey,
        (at, asked): &(Ours, Asked),
    ) -> Result<Offer, TrunkError> {
        let ours = self.ours(worker);
        let mut actions = Vec::new();
        let made = self.table.near(asker, &ours, asked, &mut actions);
        let made = made.map(|(_, offered, _)| offered);
        self.carry_out(actions);
        Ok(Offer {
            from: self.key.clone(),
            at: *at,
            offered: made?,
        })
    }

    fn far(&mut self, offer: &Offer) -> Result<TransportId, TrunkError> {
        let mut actions = Vec::new();
        let (from, offered) = (&offer.from, &offer.offered);
        let made = self.table.far(from, &offer.at, offered, &mut actions);
        self.carry_out(actions);
        made
    }

    fn change(&mut self, change: impl FnOnce(&mut Table, &mut Vec<Action>)) {
        let mut actions = Vec::new();
        change(&mut self.table, &mut actions);
        self.carry_out(actions);
    }

    fn restart(&mut self, worker: u16) {
        self.starts[usize::from(worker)] += 2;
        let starts = self.starts;
        self.change(|table, actions| {
            let lives = |worker: WorkerId, start| starts[usize::from(worker.0)] == start;
            table.keep_workers(lives, actions);
        });
    }

    fn sweep(&mut self, after: Duration) {
        self.now += after;
        let now = self.now;
        self.change(|table, actions| table.sweep(now, |_, _| true, actions));
    }

    /// What its worker has towards another one.
    fn half(&self, worker: u16, to: &Self, there: u16) -> Option<&TrunkOptions> {
        let remote = to.ours(there).address;
        let mut halves = self.halves.values();
        let found = halves.find(|(at, it)| *at == WorkerId(worker) && it.remote == remote);
        found.map(|(_, options)| options)
    }
}

/// A pipe from a worker of one to one of another.
fn pipe(from: &mut Node, here: u16, to: &mut Node, there: u16) -> Result<(), TrunkError> {
    let asked = to.ask(there, &from.key.clone());
    let offer = from.near(here, &to.key.clone(), &asked)?;
    to.far(&offer).map(drop)
}

fn fits(a: &Node, here: u16, b: &Node, there: u16) -> bool {
    let (Some(near), Some(far)) = (a.half(here, b, there), b.half(there, a, here)) else {
        return false;
    };
    near.send_key == far.receive_key && near.receive_key == far.send_key
}

fn two() -> (Node, Node) {
    (Node::new("a", 1, 1000), Node::new("b", 1, 2000))
}

#[test]
fn pipes_of_both_directions_share_one_trunk_whoever_asks_first() {
    let (mut a, mut b) = two();
    pipe(&mut a, 0, &mut b, 1).expect("made");
    assert!(fits(&a, 0, &b, 1));
    pipe(&mut b, 1, &mut a, 0).expect("there is one");
    pipe(&mut a, 0, &mut b, 1).expect("there is one");
    assert_eq!((a.table.len(), b.table.len()), (1, 1));
    pipe(&mut a, 1, &mut b, 1).expect("made");
    assert!(fits(&a, 1, &b, 1) && fits(&a, 0, &b, 1));
}

#[test]
fn two_nodes_that_begin_at_once_make_the_same_trunk() {
    let (mut a, mut b) = two();
    let (a_asks, b_asks) = (a.ask(0, &b.key), b.ask(0, &a.key));
    let from_a = a.near(0, &b.key, &b_asks).expect("made");
    let from_b = b.near(0, &a.key, &a_asks).expect("made");
    assert!(fits(&a, 0, &b, 0));
    a.far(&from_b).expect("the same");
    b.far(&from_a).expect("the same");
    assert!(fits(&a, 0, &b, 0));
    assert_eq!((a.table.len(), b.table.len()), (1, 1));
}

#[test]
fn numbers_on_a_trunk_go_on_and_begin_anew_with_the_next_trunk() {
    let (mut a, mut b) = two();
    let asked = b.ask(0, &a.key);
    let ours = a.ours(0);
    for (ssrc, stream) in [(Some(1), 0), (Some(2), 1)] {
        let mut actions = Vec::new();
        let made = a.table.near(&b.key, &ours, &asked.1, &mut actions);
        let (_, _, numbers) = made.expect("made");
        let taken = (numbers.ssrcs.take(), numbers.take_stream());
        assert_eq!(taken, (ssrc, stream));
        a.carry_out(actions);
    }
}

#[test]
fn an_idle_trunk_ends_and_the_next_one_has_other_keys() {
    let (mut a, mut b) = two();
    pipe(&mut a, 0, &mut b, 0).expect("made");
    let before = a.half(0, &b, 0).cloned();
    // A node that has ended its half says so with the next question, and with the next offer.
    for ends in [true, false] {
        let ended = if ends { &mut a } else { &mut b };
        ended.sweep(LINGER);
        assert_eq!(ended.table.len(), 1, "seen to be idle just now");
        ended.sweep(LINGER);
        assert_eq!(ended.table.len(), 0);
        pipe(&mut a, 0, &mut b, 0).expect("made");
        assert!(fits(&a, 0, &b, 0));
        assert_ne!(a.half(0, &b, 0).cloned(), before);
    }
}

#[test]
fn a_trunk_does_not_end_while_an_offer_may_be_on_its_way() {
    let (mut a, mut b) = two();
    pipe(&mut a, 0, &mut b, 0).expect("made");
    b.sweep(Duration::ZERO);
    b.sweep(LINGER / 2);
    let asked = b.ask(0, &a.key);
    b.sweep(LINGER / 2);
    let offer = a.near(0, &b.key, &asked).expect("there is one");
    b.far(&offer).expect("it is still there");
    assert!(fits(&a, 0, &b, 0));
}

#[test]
fn an_offer_for_a_half_that_has_ended_is_refused_and_the_next_attempt_succeeds() {
    let (mut a, mut b) = two();
    pipe(&mut a, 0, &mut b, 0).expect("made");
    let asked = b.ask(0, &a.key);
    let offer = a.near(0, &b.key, &asked).expect("there is one");
    let trunk = *b.halves.keys().next().expect("one");
    b.change(|table, actions| table.handle_failure(trunk, actions));
    assert_eq!(b.far(&offer), Err(TrunkError::Stale));
    pipe(&mut a, 0, &mut b, 0).expect("another one");
    assert!(fits(&a, 0, &b, 0));
    assert_eq!(b.far(&offer), Err(TrunkError::Stale), "it comes again");
    assert!(fits(&a, 0, &b, 0));
}

#[test]
fn workers_and_nodes_that_start_again_get_other_trunks() {
    let (mut a, mut b) = two();
    pipe(&mut a, 0, &mut b, 0).expect("made");
    let old = b.ask(0, &a.key);
    b.restart(0);
    assert_eq!(b.table.len(), 0);
    pipe(&mut a, 0, &mut b, 0).expect("another one");
    assert!(fits(&a, 0, &b, 0));
    // What the earlier start has said comes too late.
    assert!(matches!(a.near(0, &b.key, &old), Err(TrunkError::Stale)));
    a.restart(0);
    pipe(&mut b, 0, &mut a, 0).expect("another one");
    assert!(fits(&a, 0, &b, 0));

    let old = b.key.clone();
    let mut b = Node::new("b", 2, 2000);
    pipe(&mut a, 1, &mut b, 0).expect("made");
    assert_eq!(a.table.len(), 1, "what the earlier start had is over");
    let asked = b.ask(0, &a.key);
    assert!(matches!(a.near(0, &old, &asked), Err(TrunkError::Stale)));
    a.change(|table, actions| table.handle_node_gone(&old, actions));
    assert!(fits(&a, 1, &b, 0), "that one was gone long ago");
    let gone = b.key.clone();
    a.change(|table, actions| table.handle_node_gone(&gone, actions));
    assert_eq!(a.table.len(), 0);
    pipe(&mut b, 0, &mut a, 1).expect("it was not gone after all");
    assert!(fits(&a, 1, &b, 0));
}

#[test]
fn no_two_trunks_lead_to_one_address() {
    let (mut a, mut b) = two();
    pipe(&mut a, 0, &mut b, 0).expect("made");
    let mut other = Node::new("c", 1, 2000);
    let refused = pipe(&mut a, 0, &mut other, 0);
    assert_eq!(refused, Err(TrunkError::Taken(b.ours(0).address)));
    // From another worker it is another pair of addresses.
    pipe(&mut a, 1, &mut other, 0).expect("made");
    let gone = b.key.clone();
    a.change(|table, actions| table.handle_node_gone(&gone, actions));
    pipe(&mut a, 0, &mut other, 0).expect("made");
}

#[test]
fn a_node_fills_nobodys_memory() {
    let (mut a, mut b) = two();
    let mut asked = b.ask(0, &a.key);
    let ours = a.ours(0);
    let mut refused = 0;
    for n in 0..2 * MAX_TRUNKS as u16 {
        asked.1.at.worker = WorkerId(n);
        asked.1.at.address = ([192, 0, 2, 2], 10_000 + n).into();
        asked.1.at.start += 1;
        let mut actions = Vec::new();
        let made = a.table.near(&b.key, &ours, &asked.1, &mut actions);
        match made {
            Err(TrunkError::TooMany) => refused += 1,
            made => assert!(made.is_ok()),
        }
        a.carry_out(actions);
    }
    assert_eq!((a.table.len(), refused), (MAX_TRUNKS, MAX_TRUNKS));
    let mut late = Asked {
        least: MAX_GENERATION,
        ..asked.1
    };
    late.at.address.set_port(9);
    let mut actions = Vec::new();
    let other = Node::new("c", 1, 3000);
    let made = a.table.near(&other.key, &ours, &late, &mut actions);
    assert!(matches!(made, Err(TrunkError::Unreadable)));
}

#[test]
fn nodes_that_are_forgotten_get_no_key_again() {
    let (mut a, mut b) = two();
    pipe(&mut a, 0, &mut b, 0).expect("made");
    a.sweep(LINGER);
    a.sweep(LINGER);
    b.sweep(LINGER);
    b.sweep(LINGER);
    let asked = b.ask(0, &a.key);
    for n in 0..MAX_NODES {
        let mut actions = Vec::new();
        let node = NodeKey {
            node: NodeId::from(format!("n{n}")),
            epoch: NodeEpoch(1),
        };
        a.table.meet(&node, &mut actions).expect("there is room");
    }
    assert!(a.table.nodes.len() <= MAX_NODES);
    assert!(!a.table.nodes.contains_key(&b.key.node));
    // `carry_out` looks at the keys.
    let offer = a.near(0, &b.key, &asked).expect("made");
    b.far(&offer).expect("made");
    assert!(fits(&a, 0, &b, 0));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask { of_a: bool, worker: u16 },
    Offer { from_a: bool, worker: u16 },
    Take { by_a: bool },
    Lose { offers: bool },
    Repeat,
    Restart { a: bool, worker: u16 },
    Gone { at_a: bool },
    Fail { at_a: bool },
    Sweep { a: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let (side, worker) = (any::<bool>, || 0u16..2);
    prop_oneof![
        4 => (side(), worker()).prop_map(|(of_a, worker)| Step::Ask { of_a, worker }),
        4 => (side(), worker()).prop_map(|(from_a, worker)| Step::Offer { from_a, worker }),
        4 => side().prop_map(|by_a| Step::Take { by_a }),
        1 => side().prop_map(|offers| Step::Lose { offers }),
        1 => Just(Step::Repeat),
        1 => (side(), worker()).prop_map(|(a, worker)| Step::Restart { a, worker }),
        1 => side().prop_map(|at_a| Step::Gone { at_a }),
        1 => side().prop_map(|at_a| Step::Fail { at_a }),
        2 => side().prop_map(|a| Step::Sweep { a }),
    ]
}

proptest! {
    /// Whatever is lost, comes late or again, and whoever ends its half: workers are never asked for two trunks to one
    /// address, no key seals twice, and soon after it is quiet both directions work over matching halves.
    #[test]
    fn halves_find_together_again(steps in prop::collection::vec(step(), 0..80)) {
        let (mut a, mut b) = two();
        // Questions and offers on their way to `a` and to `b`.
        let mut questions: [Vec<(Ours, Asked)>; 2] = Default::default();
        let mut offers: [Vec<Offer>; 2] = Default::default();
        for step in steps {
            match step {
                Step::Ask { of_a, worker } => {
                    let (asker, asked) = if of_a { (&mut b, &a) } else { (&mut a, &b) };
                    let question = asker.ask(worker, &asked.key);
                    questions[usize::from(!of_a)].push(question);
                }
                Step::Offer { from_a, worker } => {
                    let waiting = &mut questions[usize::from(!from_a)];
                    if waiting.is_empty() {
                        continue;
                    }
                    let question = waiting.remove(0);
                    let (owner, asker) = if from_a { (&mut a, &b) } else { (&mut b, &a) };
                    if let Ok(offer) = owner.near(worker, &asker.key, &question) {
                        offers[usize::from(from_a)].push(offer);
                    }
                }
                Step::Take { by_a } => {
                    let waiting = &mut offers[usize::from(!by_a)];
                    if waiting.is_empty() {
                        continue;
                    }
                    let offer = waiting.remove(0);
                    let taker = if by_a { &mut a } else { &mut b };
                    // The place at an earlier start of a worker was lost.
                    if taker.ours(offer.at.worker.0).start == offer.at.start {
                        let _ = taker.far(&offer);
                    }
                }
                Step::Lose { offers: true } => offers.iter_mut().for_each(Vec::clear),
                Step::Lose { offers: false } => questions.iter_mut().for_each(Vec::clear),
                Step::Repeat => {
                    for waiting in &mut questions {
                        let again = waiting.first().cloned();
                        waiting.extend(again);
                    }
                }
                Step::Restart { a: true, worker } => a.restart(worker),
                Step::Restart { a: false, worker } => b.restart(worker),
                Step::Gone { at_a } => {
                    let (here, there) = if at_a { (&mut a, &b) } else { (&mut b, &a) };
                    here.change(|table, actions| table.handle_node_gone(&there.key, actions));
                }
                Step::Fail { at_a } => {
                    let here = if at_a { &mut a } else { &mut b };
                    if let Some(trunk) = here.halves.keys().next().copied() {
                        here.change(|table, actions| table.handle_failure(trunk, actions));
                    }
                }
                Step::Sweep { a: true } => a.sweep(LINGER),
                Step::Sweep { a: false } => b.sweep(LINGER),
            }
        }
        for (here, there) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let mut attempts = (0..3).map(|_| pipe(&mut a, here, &mut b, there));
            prop_assert!(attempts.any(|made| made.is_ok()));
            let mut attempts = (0..3).map(|_| pipe(&mut b, there, &mut a, here));
            prop_assert!(attempts.any(|made| made.is_ok()));
            prop_assert!(fits(&a, here, &b, there));
        }
        for _ in 0..2 {
            a.sweep(LINGER);
            b.sweep(LINGER);
        }
        prop_assert_eq!((a.halves.len(), b.halves.len()), (0, 0));
    }
}
