//! Which node decides about what belongs to a whole room.

use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

use crate::{fault::Fault, membership::Judgement};

/// What to do about a room's home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all are to be carried out")]
pub enum HomeAction {
    /// Ask the registry who is the home, and take this node if nobody living is; answered with [`Home::handle_home`] or
    /// [`Home::handle_no_answer`].
    Claim {
        /// The highest epoch of this room that is known here.
        at_least: RoomEpoch,
    },
    /// This node is the home from now on: it decides, beginning with what it last heard of the room.
    Begin {
        /// Under this epoch.
        epoch: RoomEpoch,
    },
    /// This node is the home no longer: what it decides does not count.
    End,
}

/// One room's home, as one node knows it. *A node that is the home under an epoch stops as soon as it hears of a higher one; of two
/// that believe to be it, everybody follows the higher.*
#[derive(Debug)]
pub struct Home {
    me: NodeId,
    start: NodeEpoch,
    /// The highest that anybody has spoken of.
    heard: RoomEpoch,
    holder: Option<Holder>,
    claiming: bool,
    wants: bool,
    /// Somebody else may have become the home, which a registry that has forgotten cannot tell.
    unsure: bool,
    actions: std::collections::VecDeque<HomeAction>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    node: NodeId,
    node_epoch: NodeEpoch,
    epoch: RoomEpoch,
}

impl Home {
    /// A room of which nothing is known yet, at this start of a node.
    #[must_use]
    pub fn new(me: NodeId, start: NodeEpoch) -> Self {
        Self {
            me,
            start,
            heard: RoomEpoch(0),
            holder: None,
            claiming: false,
            wants: true,
            unsure: false,
            actions: std::collections::VecDeque::new(),
        }
    }

    /// Somebody who knows says who is the home: a claim, the registry's record, or a fact of the home itself.
    pub fn handle_home(&mut self, node: NodeId, node_epoch: NodeEpoch, epoch: RoomEpoch) {
        self.claiming = false;
        if epoch < self.heard && !Fault::KeepLostHome.is_planted() {
            return;
        }
        let is_earlier = node == self.me && node_epoch < self.start;
        let node_epoch = if is_earlier && Fault::SkipNodeEpoch.is_planted() {
            self.start
        } else {
            node_epoch
        };
        if node == self.me && node_epoch < self.start {
            // What an earlier start was ended with it.
            self.heard = self.heard.max(epoch);
            return self.handle_vacant();
        }
        let rival = self.holder.as_ref().filter(|known| known.epoch == epoch);
        if rival.is_some_and(|known| known.node != node) && !Fault::KeepLostHome.is_planted() {
            // A registry that has forgotten has given the same epoch again. What either decided cannot be told from the other's:
            // a home above both is needed.
            self.heard = RoomEpoch(epoch.0.saturating_add(1));
            self.wants = true;
            return;
        }
        let was_here = self.is_here();
        if was_here && node != self.me && Fault::KeepLostHome.is_planted() {
            return;
        }
        self.heard = self.heard.max(epoch);
        self.unsure = false;
        let holder = Holder {
            node,
            node_epoch,
            epoch,
        };
        if self.holder.as_ref() == Some(&holder) {
            self.wants = false;
            return;
        }
        self.holder = Some(holder);
        self.wants = false;
        let is_here = self.is_here();
        match (was_here, is_here) {
            (_, true) => self.actions.push_back(HomeAction::Begin { epoch }),
            (true, false) => self.actions.push_back(HomeAction::End),
            (false, false) => {}
        }
    }

    /// Somebody tells what a home under this epoch has decided. One under a lower epoch does not count: another one is wanted.
    pub fn handle_epoch(&mut self, epoch: RoomEpoch) {
        if epoch > self.heard {
            self.heard = epoch;
            let is_known = self.holder.as_ref();
            self.wants |= is_known.is_some_and(|holder| holder.epoch < epoch);
        }
    }

    /// The registry did not answer a claim, or refused to judge: [`Self::handle_timeout`] asks again.
    pub const fn handle_no_answer(&mut self) {
        self.claiming = false;
    }

    /// A node was found dead. If it was the home, another one is wanted.
    pub fn handle_node_gone(&mut self, node: &NodeId, epoch: NodeEpoch) {
        let is_home = |holder: &Holder| holder.node == *node && holder.node_epoch <= epoch;
        if self.holder.as_ref().is_some_and(is_home) {
            self.holder = None;
            self.wants = true;
        }
    }

    /// The registry has forgotten: it is to be told of the home again, under the highest epoch that is known here.
    pub const fn handle_doubt(&mut self) {
        self.wants = true;
    }

    /// This node's lease had ended and holds again: whether this node is still the home is to be found out. Should the registry
    /// have forgotten as well, those whose leases have not ended come first.
    pub const fn handle_lapse(&mut self) {
        self.wants = true;
        self.unsure = true;
    }

    /// The registry knows of no home: it was given up, or the registry has forgotten it.
    pub fn handle_vacant(&mut self) {
        self.wants = true;
        if !self.is_here() {
            self.holder = None;
        }
    }

    /// Asks for a home if one is wanted and the registry may be asked. To be called whenever time passes. A registry that has
    /// forgotten is asked by homes only, before all others: they tell it again what they are, if nobody can have followed them.
    pub fn handle_timeout(&mut self, judgement: Judgement) {
        let may_claim = match judgement {
            Judgement::Blind => false,
            Judgement::Free => true,
            Judgement::Settling { .. } => self.is_here() && !self.unsure,
        };
        if self.wants && !self.claiming && may_claim {
            self.claiming = true;
            self.actions.push_back(HomeAction::Claim {
                at_least: self.heard,
            });
        }
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<HomeAction> {
        self.actions.pop_front()
    }

    /// Whether this node is the home.
    pub fn is_here(&self) -> bool {
        self.here().is_some()
    }

    /// Whether this node decides for the whole room: it is the home, and is in no doubt about it. Its lease must hold as well.
    pub fn decides(&self) -> bool {
        self.is_here() && !self.wants
    }

    /// Under which epoch this node is the home.
    pub fn here(&self) -> Option<RoomEpoch> {
        let holder = self.holder.as_ref()?;
        (holder.node == self.me && holder.node_epoch == self.start).then_some(holder.epoch)
    }

    /// Which node is the home.
    pub fn node(&self) -> Option<&NodeId> {
        self.holder.as_ref().map(|holder| &holder.node)
    }

    /// Which start of which node is the home, under which epoch.
    pub fn holder(&self) -> Option<(&NodeId, NodeEpoch, RoomEpoch)> {
        let holder = self.holder.as_ref()?;
        Some((&holder.node, holder.node_epoch, holder.epoch))
    }

    /// The highest epoch that is known: facts of a home under a lower one do not count.
    pub const fn heard(&self) -> RoomEpoch {
        self.heard
    }
}

#[cfg(test)]
mod tests;
