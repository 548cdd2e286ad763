//! A node's lease, and whether the others live.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use plenum_ids::{NodeEpoch, NodeId};

use crate::fault::Fault;

/// How leases are kept.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "settings")]
pub struct MembershipConfig {
    /// A lease is renewed this often, and the others' are read.
    pub renew_every: Duration,
    /// A lease that was not renewed for so long has ended.
    pub lease: Duration,
}

impl Default for MembershipConfig {
    /// A renewal each second, dead after three: a node is gone from its rooms within four seconds.
    fn default() -> Self {
        Self {
            renew_every: Duration::from_secs(1),
            lease: Duration::from_secs(3),
        }
    }
}

/// A node's lease as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Seen {
    /// Whose.
    pub node: NodeId,
    /// Which start of it.
    pub epoch: NodeEpoch,
    /// How long ago it was renewed, by the registry's clock.
    pub age: Duration,
}

/// What the registry said to [`MembershipAction::Register`] or [`MembershipAction::Renew`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each means something else")]
pub enum LeaseAnswer {
    /// It holds.
    Held {
        /// Under this epoch.
        epoch: NodeEpoch,
        /// Which life of the registry's memory took it.
        incarnation: String,
    },
    /// A later start of this node has the lease.
    Fenced {
        /// Which one.
        by: NodeEpoch,
    },
    /// No answer, or none that tells anything.
    Unknown,
}

/// What to ask the registry. One question of each kind at a time is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all are to be carried out")]
pub enum MembershipAction {
    /// Ask for all leases; answered with [`Membership::handle_leases`].
    ReadLeases,
    /// Begin a lease; answered with [`Membership::handle_lease`].
    Register,
    /// Renew it; answered with [`Membership::handle_lease`].
    Renew {
        /// Of this start.
        epoch: NodeEpoch,
    },
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all are to be heard")]
pub enum MembershipEvent {
    /// A later start of this node lives: this process owns nothing any more. Nothing follows.
    Fenced {
        /// Which one.
        by: NodeEpoch,
    },
    /// The registry may have lost what was written to it: write everything again.
    Forgotten,
    /// This node's lease holds, for the first time or again after it had ended: others may have taken over its homes and
    /// forgotten its parts.
    Held {
        /// Under this epoch.
        epoch: NodeEpoch,
    },
    /// This node's lease has ended without an answer from the registry. Media goes on; what belongs to whole rooms stands still.
    Lapsed,
    /// A node's start is dead.
    NodeGone {
        /// Which node.
        node: NodeId,
        /// Which start, and all before it.
        epoch: NodeEpoch,
    },
    /// A node lives.
    NodeUp {
        /// Which node.
        node: NodeId,
        /// Which start.
        epoch: NodeEpoch,
    },
}

/// How much a node may conclude from what the registry does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each means something else")]
pub enum Judgement {
    /// The registry does not answer: nobody is found dead, nothing is claimed or swept.
    Blind,
    /// Everything may be concluded.
    Free,
    /// The registry has forgotten, and owners write again: as blind, until then.
    Settling {
        /// Until when.
        until: Instant,
    },
}

/// One node's view of who lives.
#[derive(Debug)]
pub struct Membership {
    config: MembershipConfig,
    me: NodeId,
    lease: Lease,
    incarnation: Option<String>,
    /// When the registry last told all leases.
    read: Option<Instant>,
    settles: Option<Instant>,
    nodes: BTreeMap<NodeId, Known>,
    due: Option<Instant>,
    asking_lease: bool,
    asking_leases: bool,
    /// When the question about this node's lease was asked.
    asked_lease: Option<Instant>,
    actions: VecDeque<MembershipAction>,
    events: VecDeque<MembershipEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    None,
    Held {
        epoch: NodeEpoch,
        /// When the renewal was asked for that was granted last: the registry's time began no earlier.
        since: Instant,
        lapsed: bool,
    },
    Fenced,
}

#[derive(Debug)]
struct Known {
    epoch: NodeEpoch,
    /// A link to this start stands.
    linked: bool,
    /// It was said to be up, and not gone since. One that is not stays here while the registry has its lease, so that its end is
    /// told once.
    up: bool,
    /// When it was found dead. It may live and die again while nobody here sees it, and leave something once more.
    gone: Option<Instant>,
}

impl Membership {
    /// A node that has no lease yet and asks for one now.
    #[must_use]
    pub fn new(config: MembershipConfig, me: NodeId, now: Instant) -> Self {
        Self {
            config,
            me,
            lease: Lease::None,
            incarnation: None,
            read: None,
            settles: None,
            nodes: BTreeMap::new(),
            due: Some(now),
            asking_lease: false,
            asking_leases: false,
            asked_lease: None,
            actions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The registry's answer about this node's lease, or that there is none.
    pub fn handle_lease(&mut self, now: Instant, answer: LeaseAnswer) {
        self.asking_lease = false;
        let asked = self.asked_lease.take().unwrap_or(now);
        // Who was asleep may hear of the new one before it has noticed that the old one was over.
        self.check_lapse(now);
        if self.lease == Lease::Fenced {
            return;
        }
        match answer {
            LeaseAnswer::Held { epoch, incarnation } => {
                let held = matches!(self.lease, Lease::Held { lapsed: false, .. });
                self.lease = Lease::Held {
                    epoch,
                    since: asked,
                    lapsed: false,
                };
                if !held {
                    self.events.push_back(MembershipEvent::Held { epoch });
                }
                self.meet_incarnation(now, incarnation);
            }
            LeaseAnswer::Fenced { by } => {
                self.lease = Lease::Fenced;
                self.due = None;
                self.actions.clear();
                self.events.push_back(MembershipEvent::Fenced { by });
            }
            LeaseAnswer::Unknown => self.check_lapse(now),
        }
    }

    /// All leases as the registry has them, and for how long it has remembered anything at all; `None`: no answer.
    pub fn handle_leases(&mut self, now: Instant, answer: Option<(String, Duration, Vec<Seen>)>) {
        self.asking_leases = false;
        let Some((incarnation, remembers_for, seen)) = answer else {
            return;
        };
        if self.lease == Lease::Fenced {
            return;
        }
        self.meet_incarnation(now, incarnation);
        // Twice a lease: everybody who lives has renewed by then, and has written what it owns.
        let settling = (self.config.lease * 2).checked_sub(remembers_for);
        self.settles = settling.and_then(|left| now.checked_add(left));
        self.read = Some(now);
        for lease in &seen {
            if lease.node != self.me && lease.age < self.config.lease {
                self.meet_alive(&lease.node, lease.epoch);
            }
        }
        if self.judgement(now) != Judgement::Free {
            return;
        }
        self.meet_dead(now, &seen);
        let is_held = |node: &NodeId, epoch: NodeEpoch| {
            seen.iter().any(|lease| {
                lease.node == *node && lease.epoch >= epoch && lease.age < self.config.lease
            })
        };
        let dead: Vec<_> = self
            .nodes
            .iter()
            .filter(|(node, known)| {
                known.up
                    && (!known.linked || Fault::IgnoreLinks.is_planted())
                    && !is_held(node, known.epoch)
            })
            .map(|(node, _)| node.clone())
            .collect();
        for node in dead {
            if let Some(known) = self.nodes.get_mut(&node) {
                known.up = false;
                known.gone = Some(now);
                let epoch = known.epoch;
                self.events
                    .push_back(MembershipEvent::NodeGone { node, epoch });
            }
        }
    }

    /// A link to a start of a node stands, or is gone.
    pub fn handle_link(&mut self, node: &NodeId, epoch: NodeEpoch, up: bool) {
        if self.lease == Lease::Fenced || *node == self.me {
            return;
        }
        if up {
            self.meet_alive(node, epoch);
        }
        if let Some(known) = self.nodes.get_mut(node)
            && known.epoch == epoch
        {
            known.linked = up;
        }
    }

    /// Time passed; see [`Self::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.check_lapse(now);
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        self.due = now.checked_add(self.config.renew_every);
        if !self.asking_lease {
            let action = match self.lease {
                Lease::None => MembershipAction::Register,
                Lease::Held { epoch, .. } => MembershipAction::Renew { epoch },
                Lease::Fenced => return,
            };
            self.asking_lease = true;
            self.asked_lease = Some(now);
            self.actions.push_back(action);
        }
        if !self.asking_leases {
            self.asking_leases = true;
            self.actions.push_back(MembershipAction::ReadLeases);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lapse = match self.lease {
            Lease::Held {
                since,
                lapsed: false,
                ..
            } => since.checked_add(self.config.lease),
            _ => None,
        };
        self.due.into_iter().chain(lapse).min()
    }

    /// What to ask the registry.
    pub fn poll_action(&mut self) -> Option<MembershipAction> {
        self.actions.pop_front()
    }

    /// What has changed.
    pub fn poll_event(&mut self) -> Option<MembershipEvent> {
        self.events.pop_front()
    }

    /// How much may be concluded now.
    pub fn judgement(&self, now: Instant) -> Judgement {
        let is_fresh = |read: Instant| now.saturating_duration_since(read) < self.config.lease;
        if !self.read.is_some_and(is_fresh) {
            return Judgement::Blind;
        }
        match self.settles {
            Some(until) if now < until && !Fault::SkipSettling.is_planted() => {
                Judgement::Settling { until }
            }
            _ => Judgement::Free,
        }
    }

    /// This node's start, while its lease holds: what it decides for whole rooms counts.
    pub fn lease(&self, now: Instant) -> Option<NodeEpoch> {
        match self.lease {
            Lease::Held { epoch, since, .. }
                if now.saturating_duration_since(since) < self.config.lease =>
            {
                Some(epoch)
            }
            _ => None,
        }
    }

    /// Until when this node's lease holds, as far as it was renewed.
    pub fn lease_until(&self) -> Option<Instant> {
        match self.lease {
            Lease::Held { since, .. } => since.checked_add(self.config.lease),
            Lease::None | Lease::Fenced => None,
        }
    }

    /// This node's start, whether its lease holds or not.
    pub const fn epoch(&self) -> Option<NodeEpoch> {
        match self.lease {
            Lease::Held { epoch, .. } => Some(epoch),
            Lease::None | Lease::Fenced => None,
        }
    }

    /// Which life of the registry's memory is known: claims and sweeps name it.
    pub fn incarnation(&self) -> Option<&str> {
        self.incarnation.as_deref()
    }

    /// Which start of a node lives, as far as is known.
    pub fn alive(&self, node: &NodeId) -> Option<NodeEpoch> {
        let known = self.nodes.get(node)?;
        known.up.then_some(known.epoch)
    }

    /// The others that live.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeId, NodeEpoch)> {
        let up = self.nodes.iter().filter(|(_, known)| known.up);
        up.map(|(node, known)| (node, known.epoch))
    }

    fn meet_alive(&mut self, node: &NodeId, epoch: NodeEpoch) {
        if let Some(known) = self.nodes.get_mut(node) {
            if epoch < known.epoch || (epoch == known.epoch && known.up) {
                return;
            }
            let (old, was_up) = (known.epoch, known.up);
            *known = Known {
                epoch,
                linked: false,
                up: true,
                gone: None,
            };
            if was_up {
                self.events.push_back(MembershipEvent::NodeGone {
                    node: node.clone(),
                    epoch: old,
                });
            }
        } else {
            let known = Known {
                epoch,
                linked: false,
                up: true,
                gone: None,
            };
            self.nodes.insert(node.clone(), known);
        }
        self.events.push_back(MembershipEvent::NodeUp {
            node: node.clone(),
            epoch,
        });
    }

    /// Leases that began and ended unseen, as before this node came: nobody else may have been there.
    fn meet_dead(&mut self, now: Instant, seen: &[Seen]) {
        self.nodes
            .retain(|node, known| known.up || seen.iter().any(|lease| lease.node == *node));
        for lease in seen {
            let known = self.nodes.get(&lease.node);
            // What was renewed since it was found dead was seen by others, or by nobody.
            let renewed = now.checked_sub(lease.age);
            let has_lived = |known: &Known| known.gone.is_some_and(|gone| renewed > Some(gone));
            let is_known = known.is_some_and(|known| {
                known.epoch > lease.epoch || known.epoch == lease.epoch && !has_lived(known)
            });
            if !is_known && lease.node != self.me && lease.age >= self.config.lease {
                let known = Known {
                    epoch: lease.epoch,
                    linked: false,
                    up: false,
                    gone: Some(now),
                };
                self.nodes.insert(lease.node.clone(), known);
                self.events.push_back(MembershipEvent::NodeGone {
                    node: lease.node.clone(),
                    epoch: lease.epoch,
                });
            }
        }
    }

    fn meet_incarnation(&mut self, now: Instant, incarnation: String) {
        if self.incarnation.as_ref() == Some(&incarnation) {
            return;
        }
        let is_first = self.incarnation.replace(incarnation).is_none();
        // For how long is told with the leases.
        self.settles = now.checked_add(self.config.lease * 2);
        if !is_first && !Fault::KeepSilentAfterLoss.is_planted() {
            self.events.push_back(MembershipEvent::Forgotten);
        }
    }

    fn check_lapse(&mut self, now: Instant) {
        if let Lease::Held {
            epoch,
            since,
            lapsed: false,
        } = self.lease
            && now.saturating_duration_since(since) >= self.config.lease
        {
            self.lease = Lease::Held {
                epoch,
                since,
                lapsed: true,
            };
            self.events.push_back(MembershipEvent::Lapsed);
        }
    }
}

#[cfg(test)]
mod tests;
