//! Keeps this node's lease, knows who else lives, and clears away what the dead have left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use plenum_cluster::{Judgement, LeaseAnswer, Membership, MembershipAction, MembershipEvent, Seen};
use plenum_ids::{NodeEpoch, NodeId, RoomName};
use plenum_link::{LinkEvent, LinkEvents, LinkState, Peer};
use plenum_registry::{Incarnation, Lease, NodesView, Registered, RegistryError, Renewed, Sweep};
use plenum_room::NodeKey;
use tokio::time::sleep_until;
use tracing::{debug, error, info, warn};

use super::{Cluster, incarnation_of, lease::Moment};

/// Who lives, as this node sees it, and what it may conclude.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// This node's start while its lease holds: what it decides for whole rooms counts.
    pub lease: Option<NodeEpoch>,
    /// How much may be concluded from what the registry does not say.
    pub judgement: Judgement,
    /// Which life of the registry's memory is known: claims and sweeps name it.
    pub incarnation: Option<Incarnation>,
    /// The other nodes that live.
    pub alive: BTreeMap<NodeId, Alive>,
    /// The registry has told all leases at least once.
    pub(crate) has_read: bool,
    /// How often the lease was held anew: others may have taken over and forgotten what is here.
    pub(crate) held: u64,
    /// How often the registry may have lost what was written to it.
    pub(crate) forgotten: u64,
}

/// Another node that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alive {
    /// Which start of it.
    pub epoch: NodeEpoch,
    /// Where its links are; empty as long as nobody has said so.
    pub address: String,
}

impl Standing {
    pub(super) fn new(epoch: NodeEpoch, incarnation: &Incarnation) -> Self {
        Self {
            lease: Some(epoch),
            judgement: Judgement::Blind,
            incarnation: Some(incarnation.clone()),
            alive: BTreeMap::new(),
            has_read: false,
            held: 0,
            forgotten: 0,
        }
    }

    /// Whether this start of a node lives.
    pub fn is_alive(&self, node: &NodeKey) -> bool {
        let alive = self.alive.get(&node.node);
        alive.is_some_and(|alive| alive.epoch == node.epoch)
    }
}

/// All records are read this often: addresses and load change slowly, and a hundred of them are some 100 kB.
const READ_NODES: Duration = Duration::from_secs(3);

/// What the dead have left is looked for this often, until it is swept.
const SWEEP: Duration = Duration::from_secs(2);

/// Leases are read ahead of time no more often than this, however many rooms have met somebody unknown.
const READ_AGAIN: Duration = Duration::from_millis(50);

/// Rooms that the registry believes to be here are looked through after so many leases. One that is not here twice in a row
/// is nobody's who is on the way.
const TIDY_LEASES: u32 = 3;

/// Dead starts of nodes that wait to be swept. More nodes than the largest installation has; the rest is found by their rooms.
const MAX_UNSWEPT: usize = 4096;

/// Dead starts of nodes, of which something may be left.
#[derive(Debug, Default)]
struct Unswept(BTreeMap<NodeId, NodeEpoch>);

impl Unswept {
    fn note(&mut self, node: NodeId, epoch: NodeEpoch) {
        if self.0.len() < MAX_UNSWEPT || self.0.contains_key(&node) {
            let known = self.0.entry(node).or_default();
            *known = (*known).max(epoch);
        }
    }

    /// Nothing is left of this start and those before it.
    fn remove(&mut self, node: &NodeId, epoch: NodeEpoch) {
        if self.0.get(node).is_some_and(|it| *it <= epoch) {
            self.0.remove(node);
        }
    }
}

type Asking = BoxFuture<'static, Said>;

/// What the registry says.
enum Said {
    /// And when it was asked.
    Lease(LeaseAnswer, Moment),
    Leases(Option<(String, Duration, Vec<Seen>)>),
    Nodes(Option<Arc<NodesView>>),
    Swept(NodeId, NodeEpoch, bool),
    Tidied(BTreeSet<RoomName>),
}

/// Drives [`Membership`] until the node leaves.
pub(super) struct Driver {
    cluster: Arc<Cluster>,
    membership: Membership,
    events: LinkEvents,
    linked: BTreeMap<NodeId, NodeEpoch>,
    asking: FuturesUnordered<Asking>,
    addresses: BTreeMap<NodeId, (NodeEpoch, String)>,
    nodes_read: Option<Instant>,
    leases_read: Instant,
    /// When the lease was asked for that was granted last.
    granted: Moment,
    unswept: Unswept,
    sweep_at: Instant,
    tidy_at: Instant,
    /// Rooms that the registry believed to be here and that were not.
    suspects: BTreeSet<RoomName>,
    has_read: bool,
    held: u64,
    forgotten: u64,
}

impl Driver {
    /// Begins with a lease that was asked for at that moment.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        (asked, granted): (Instant, Moment),
        registered: Registered,
    ) -> Self {
        let config = cluster.membership;
        let mut membership = Membership::new(config, cluster.me.node.clone(), asked);
        let Registered { epoch, incarnation } = registered;
        let incarnation = incarnation.to_string();
        membership.handle_lease(asked, LeaseAnswer::Held { epoch, incarnation });
        Self {
            events: cluster.links.events(),
            membership,
            linked: BTreeMap::new(),
            asking: FuturesUnordered::new(),
            addresses: BTreeMap::new(),
            nodes_read: None,
            leases_read: asked,
            granted,
            unswept: Unswept::default(),
            sweep_at: asked,
            tidy_at: asked + config.lease * TIDY_LEASES,
            suspects: BTreeSet::new(),
            has_read: false,
            held: 0,
            forgotten: 0,
            cluster,
        }
    }

    pub(super) async fn run(mut self) {
        let cluster = Arc::clone(&self.cluster);
        let mut leaving = cluster.leaving.subscribe();
        self.look_at_links();
        loop {
            self.step(Instant::now());
            let due = self.membership.poll_timeout().into_iter();
            let due = due.chain([self.sweep_at, self.tidy_at]).min();
            let due = due.unwrap_or(self.sweep_at);
            tokio::select! {
                Some(said) = self.asking.next() => self.handle_said(Instant::now(), said),
                event = self.events.next() => match event {
                    Some(event) => self.handle_link(event),
                    None => return,
                },
                () = sleep_until(due.into()) => {}
                () = cluster.strangers.notified() => self.read_again(Instant::now()),
                _ = leaving.wait_for(|leaving| *leaving) => return,
            }
        }
    }

    fn step(&mut self, now: Instant) {
        self.membership.handle_timeout(now);
        while let Some(action) = self.membership.poll_action() {
            let asking = match action {
                MembershipAction::ReadLeases => self.read(now),
                // It was registered before this began.
                MembershipAction::Register => continue,
                MembershipAction::Renew { epoch } => self.renew(epoch),
            };
            self.asking.push(asking);
        }
        while let Some(event) = self.membership.poll_event() {
            self.handle_event(event);
        }
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP;
            self.sweep(now);
        }
        if now >= self.tidy_at {
            self.tidy_at = now + self.cluster.lease() * TIDY_LEASES;
            self.tidy();
        }
        self.publish(now);
    }

    fn handle_event(&mut self, event: MembershipEvent) {
        let me = &self.cluster.me.node;
        match event {
            MembershipEvent::Fenced { by } => {
                error!(%me, %by, "a later start of this node lives: this one is over");
                self.cluster.term.end();
                self.cluster.fenced.send_replace(Some(by));
            }
            MembershipEvent::Forgotten => {
                warn!("the registry may have forgotten: what is here is written again");
                self.forgotten += 1;
            }
            MembershipEvent::Held { epoch } => {
                info!(%epoch, "the node's lease holds");
                self.held += 1;
                if let Some(earlier) = epoch.0.checked_sub(1) {
                    self.unswept.note(me.clone(), NodeEpoch(earlier));
                }
            }
            MembershipEvent::Lapsed => {
                warn!(
                    "the node's lease has run out without a word from the registry: rooms go on, what concerns them as a whole stands still"
                );
            }
            MembershipEvent::NodeGone { node, epoch } => {
                info!(%node, %epoch, "node gone");
                self.unswept.note(node, epoch);
            }
            MembershipEvent::NodeUp { node, epoch } => {
                info!(%node, %epoch, "node up");
                if self.linked.get(&node).is_some_and(|linked| *linked < epoch) {
                    // An earlier start that has not noticed yet would go on answering for it.
                    self.cluster.links.cut(&node);
                }
            }
        }
    }

    /// Somebody is met whose lease is not known: it may be as old as this question.
    fn read_again(&mut self, now: Instant) {
        if now >= self.leases_read + READ_AGAIN {
            let reading = self.read(now);
            self.asking.push(reading);
        }
    }

    /// Leases, or all records with them when they are due or somebody's address is missing.
    fn read(&mut self, now: Instant) -> Asking {
        self.leases_read = now;
        let is_due = self.nodes_read.is_none_or(|read| now >= read + READ_NODES);
        let is_known = |(node, epoch): (&NodeId, NodeEpoch)| {
            let known = self.addresses.get(node);
            known.is_some_and(|(known, _)| *known == epoch)
        };
        let registry = Arc::clone(&self.cluster.registry);
        if is_due || !self.membership.nodes().all(is_known) {
            self.nodes_read = Some(now);
            return Box::pin(async move {
                let nodes = registry.nodes().await;
                Said::Nodes(nodes.inspect_err(note).ok().map(Arc::new))
            });
        }
        Box::pin(async move {
            let leases = registry.leases().await.inspect_err(note).ok();
            Said::Leases(leases.map(|leases| {
                let seen = leases.leases.iter().map(seen).collect();
                (leases.incarnation.to_string(), leases.age, seen)
            }))
        })
    }

    fn renew(&self, epoch: NodeEpoch) -> Asking {
        let registry = Arc::clone(&self.cluster.registry);
        let (node, record) = (self.cluster.me.node.clone(), self.cluster.record().clone());
        let asked = Moment::now();
        Box::pin(async move {
            let renewed = registry.renew(node, epoch, record).await;
            let answer = match renewed {
                Ok(Renewed { incarnation }) => LeaseAnswer::Held {
                    epoch,
                    incarnation: incarnation.to_string(),
                },
                Err(RegistryError::Fenced { by }) => LeaseAnswer::Fenced { by },
                Err(err) => {
                    note(&err);
                    LeaseAnswer::Unknown
                }
            };
            Said::Lease(answer, asked)
        })
    }

    fn handle_said(&mut self, now: Instant, said: Said) {
        match said {
            Said::Lease(answer, asked) => {
                if matches!(answer, LeaseAnswer::Held { .. }) {
                    if !self.cluster.term.holds(Moment::now(), self.held) {
                        // The machine was asleep, which no other clock has seen.
                        self.held += 1;
                    }
                    self.granted = asked;
                }
                self.membership.handle_lease(now, answer);
            }
            Said::Leases(answer) => {
                self.has_read |= answer.is_some();
                self.membership.handle_leases(now, answer);
            }
            Said::Nodes(None) => {
                self.nodes_read = None;
                self.membership.handle_leases(now, None);
            }
            Said::Nodes(Some(view)) => {
                self.has_read = true;
                let of = |node: &plenum_registry::NodeView| {
                    let (lease, record) = (&node.lease, &node.record);
                    let address = record.addresses.link.clone();
                    (lease.node.clone(), (lease.epoch, address))
                };
                self.addresses = view.nodes.iter().map(of).collect();
                let leases = view.nodes.iter().map(|node| seen(&node.lease));
                let answer = (view.incarnation.to_string(), view.age, leases.collect());
                self.membership.handle_leases(now, Some(answer));
                self.cluster.nodes.send_replace(Some(view));
            }
            Said::Swept(node, epoch, done) => {
                if done {
                    self.unswept.remove(&node, epoch);
                }
            }
            Said::Tidied(suspects) => self.suspects = suspects,
        }
    }

    fn handle_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up { peer } => self.note_link(peer, true),
            LinkEvent::Down { peer, .. } => {
                self.note_link(peer, false);
                // It held up a judgement, perhaps, that need not wait for the next time that leases are read.
                self.read_again(Instant::now());
            }
            LinkEvent::Missed => self.look_at_links(),
            LinkEvent::Fenced { by, .. } => {
                let later = NodeEpoch(self.cluster.me.epoch.0.saturating_add(1));
                self.cluster.fenced.send_replace(Some(by.unwrap_or(later)));
            }
            _ => {}
        }
    }

    fn note_link(&mut self, Peer { node, epoch }: Peer, up: bool) {
        self.membership.handle_link(&node, epoch, up);
        if up {
            self.linked.insert(node, epoch);
        } else if self.linked.get(&node) == Some(&epoch) {
            self.linked.remove(&node);
        }
    }

    fn look_at_links(&mut self) {
        let all = self.cluster.links.status().into_iter();
        let up = all.filter(|link| link.state == LinkState::Up);
        let up: BTreeMap<_, _> = up
            .filter_map(|link| Some((link.node, link.epoch?)))
            .collect();
        for (node, epoch) in std::mem::take(&mut self.linked) {
            if up.get(&node) != Some(&epoch) {
                self.membership.handle_link(&node, epoch, false);
            }
        }
        for (node, epoch) in up {
            self.note_link(Peer { node, epoch }, true);
        }
    }

    /// What the dead and earlier starts of this node have left goes, once it is certain that they are dead.
    fn sweep(&self, now: Instant) {
        let judgement = self.membership.judgement(now);
        let seen = incarnation_of(self.membership.incarnation());
        let (Judgement::Free, Some(seen)) = (judgement, seen) else {
            return;
        };
        for (node, epoch) in &self.unswept.0 {
            let registry = Arc::clone(&self.cluster.registry);
            let sweep = Sweep {
                node: node.clone(),
                epoch: *epoch,
                lease: self.cluster.lease(),
                seen: seen.clone(),
            };
            let (node, epoch) = (node.clone(), *epoch);
            self.asking.push(Box::pin(async move {
                let swept = registry.sweep(sweep).await;
                // One that lives after all is swept when it is found dead again.
                let done = matches!(&swept, Ok(_) | Err(RegistryError::Alive { .. }));
                if let Ok(swept) = &swept {
                    debug!(%node, %epoch, rooms = swept.rooms.len(), "swept");
                }
                Said::Swept(node, epoch, done)
            }));
        }
    }

    /// Gives up rooms that the registry believes to be here, because somebody was sent here and never came.
    fn tidy(&mut self) {
        let cluster = Arc::clone(&self.cluster);
        let suspects = std::mem::take(&mut self.suspects);
        self.asking.push(Box::pin(async move {
            let me = &cluster.me;
            let named = cluster.registry.rooms_of(me.node.clone()).await;
            let absent = named.unwrap_or_default().into_iter();
            let absent: BTreeSet<_> = absent.filter(|room| !cluster.is_here(room)).collect();
            for room in absent.intersection(&suspects) {
                cluster.give_up(room).await;
            }
            Said::Tidied(absent)
        }));
    }

    fn publish(&self, now: Instant) {
        if self.membership.lease(now).is_some() {
            let (term, lease) = (&self.cluster.term, self.cluster.lease());
            term.extend(self.granted, lease, self.held);
        }
        let alive = self.membership.nodes().map(|(node, epoch)| {
            let known = self
                .addresses
                .get(node)
                .filter(|(known, _)| *known == epoch);
            let address = known.map(|(_, address)| address.clone());
            let address = address.unwrap_or_default();
            (node.clone(), Alive { epoch, address })
        });
        let standing = Standing {
            lease: self.membership.lease(now),
            judgement: self.membership.judgement(now),
            incarnation: incarnation_of(self.membership.incarnation()),
            alive: alive.collect(),
            has_read: self.has_read,
            held: self.held,
            forgotten: self.forgotten,
        };
        self.cluster.standing.send_if_modified(|known| {
            let has_changed = **known != standing;
            if has_changed {
                *known = Arc::new(standing);
            }
            has_changed
        });
    }
}

impl Cluster {
    /// What stands in the registry about a room that is not here. A part that begins meanwhile waits.
    async fn give_up(&self, room: &RoomName) {
        let Some(_turn) = self.parts.try_turn(room) else {
            return;
        };
        let NodeKey { node, epoch } = self.me.clone();
        let record = self.registry.room(room.clone()).await;
        let home = record.ok().flatten().and_then(|record| record.home);
        let _ = self
            .registry
            .remove_part(room.clone(), node.clone(), epoch)
            .await;
        if let Some(home) = home.filter(|home| home.node == node && home.node_epoch == epoch) {
            let released = self
                .registry
                .release(room.clone(), node, epoch, home.epoch)
                .await;
            debug!(%room, ?released, "a room that nobody came to was given up");
        }
    }
}

fn seen(lease: &Lease) -> Seen {
    Seen {
        node: lease.node.clone(),
        epoch: lease.epoch,
        age: lease.since_renewal,
    }
}

fn note(err: &RegistryError) {
    debug!(%err, "no answer from the registry");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_starts_that_wait_to_be_swept_are_bounded() {
        let mut unswept = Unswept::default();
        let name = |number: usize| NodeId::from(format!("node-{number}"));
        for number in 0..2 * MAX_UNSWEPT {
            unswept.note(name(number), NodeEpoch(1));
        }
        assert_eq!(unswept.0.len(), MAX_UNSWEPT);
        unswept.note(name(0), NodeEpoch(3));
        unswept.note(name(0), NodeEpoch(2));
        assert_eq!(
            unswept.0.get(&name(0)),
            Some(&NodeEpoch(3)),
            "it died again"
        );
        unswept.remove(&name(0), NodeEpoch(2));
        assert!(unswept.0.contains_key(&name(0)), "that was an earlier one");
        unswept.remove(&name(0), NodeEpoch(3));
        unswept.note(name(MAX_UNSWEPT), NodeEpoch(1));
        assert!(
            unswept.0.contains_key(&name(MAX_UNSWEPT)),
            "there is room again"
        );
    }
}
