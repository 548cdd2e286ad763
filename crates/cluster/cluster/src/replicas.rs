//! Copies of the other nodes' parts of one room.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use plenum_ids::{NodeEpoch, NodeId};

use crate::{
    fault::Fault,
    log::{Numbered, Stamp},
};

/// Changes that may wait for a snapshot. A room of a hundred that starts makes fewer in the time of a round trip around
/// the world; beyond them the next snapshot is asked for anyway.
const MOST_WAITING: usize = 512;

/// A snapshot that failed is asked for again after this, then after twice as long, up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// An owner that answers again is found in this time.
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// What to do about copies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all are to be carried out")]
pub enum ReplicasAction<C, S> {
    /// Change the copy.
    Apply {
        /// Whose.
        node: NodeId,
        /// By this.
        change: C,
    },
    /// Forget the copy, with all that is in it.
    Drop {
        /// Whose.
        node: NodeId,
    },
    /// Ask the owner for all of its part; answered with [`Replicas::handle_snapshot`],
    /// [`Replicas::handle_no_part`] or [`Replicas::handle_no_snapshot`].
    Fetch {
        /// The owner.
        node: NodeId,
    },
    /// The copy is this from now on.
    Replace {
        /// Whose.
        node: NodeId,
        /// All of it.
        snapshot: S,
    },
}

/// The other nodes' parts of one room, as far as they are known here. *A copy is never a mix of two states: it is what its owner
/// had after some number of changes, and a number that is missing leads to a snapshot.*
#[derive(Debug)]
pub struct Replicas<C, S> {
    copies: BTreeMap<NodeId, Copy<C>>,
    actions: VecDeque<ReplicasAction<C, S>>,
}

#[derive(Debug)]
struct Copy<C> {
    /// What the copy is; `None`: there is none yet.
    have: Option<Stamp>,
    /// The farthest that anybody has said the owner is.
    heard: Stamp,
    fetch: Fetch,
    /// What came meanwhile, in order.
    waiting: VecDeque<Numbered<C>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetch {
    No,
    /// Asked, after so many failures.
    Asked(u32),
    /// To be asked again then.
    Again(Instant, u32),
}

impl<C, S> Default for Replicas<C, S> {
    fn default() -> Self {
        Self {
            copies: BTreeMap::new(),
            actions: VecDeque::new(),
        }
    }
}

impl<C, S> Replicas<C, S> {
    /// A change came over the bus.
    pub fn handle_change(&mut self, node: &NodeId, change: Numbered<C>) {
        let stamp = change.stamp;
        if !self.meet(node, stamp) {
            return;
        }
        let Some(copy) = self.copies.get_mut(node) else {
            return;
        };
        let Some(have) = copy.have.filter(|_| copy.fetch == Fetch::No) else {
            copy.keep(change);
            return;
        };
        if stamp.seq <= have.seq {
            return;
        }
        if stamp.seq == have.seq + 1 || Fault::LoseGap.is_planted() {
            copy.have = Some(stamp);
            self.actions.push_back(ReplicasAction::Apply {
                node: node.clone(),
                change: change.change,
            });
            return;
        }
        copy.keep(change);
        self.fetch(node);
    }

    /// The registry, or the owner itself, says how far a part is. Finds what the bus has lost.
    pub fn handle_mark(&mut self, node: &NodeId, mark: Stamp) {
        if Fault::SkipMarks.is_planted() && self.copies.contains_key(node) {
            return;
        }
        if !self.meet(node, mark) {
            return;
        }
        let behind = self.copies.get(node).is_some_and(|copy| {
            copy.fetch == Fetch::No && copy.have.is_none_or(|have| have.seq < mark.seq)
        });
        if behind {
            self.fetch(node);
        }
    }

    /// Everything that there was to hear may have been missed, as after a bus that was away: marks say what really is.
    pub fn handle_silence(&mut self) {
        let nodes: Vec<_> = self.copies.keys().cloned().collect();
        for node in nodes {
            self.fetch(&node);
        }
    }

    /// The owner's answer to [`ReplicasAction::Fetch`].
    pub fn handle_snapshot(&mut self, now: Instant, node: &NodeId, stamp: Stamp, snapshot: S) {
        if !self.meet(node, stamp) {
            // An earlier start that has not noticed yet has answered in the place of the one that was asked.
            return self.handle_no_snapshot(now, node);
        }
        let Some(copy) = self.copies.get_mut(node) else {
            return;
        };
        if copy.have.is_some_and(|have| have > stamp) {
            // It was overtaken by what came over the bus; that leaves nothing to ask for, or another snapshot.
            copy.settle(now);
            return;
        }
        copy.have = Some(stamp);
        self.actions.push_back(ReplicasAction::Replace {
            node: node.clone(),
            snapshot,
        });
        while let Some(change) = copy.waiting.pop_front() {
            let next = copy.have.map_or(0, |have| have.seq) + 1;
            if change.stamp.seq < next {
                if Fault::ReplayWaiting.is_planted() {
                    self.actions.push_back(ReplicasAction::Apply {
                        node: node.clone(),
                        change: change.change,
                    });
                }
                continue;
            }
            if change.stamp.seq > next {
                copy.waiting.push_front(change);
                break;
            }
            copy.have = Some(change.stamp);
            self.actions.push_back(ReplicasAction::Apply {
                node: node.clone(),
                change: change.change,
            });
        }
        copy.settle(now);
    }

    /// The owner could not be asked, or refused: it is asked again, until it is found dead or says that it has no part.
    pub fn handle_no_snapshot(&mut self, now: Instant, node: &NodeId) {
        if let Some(copy) = self.copies.get_mut(node) {
            copy.fail(now);
        }
    }

    /// The registry has no part of that node. The owner is asked: only its word counts.
    pub fn handle_absent(&mut self, node: &NodeId) {
        if Fault::SkipAbsent.is_planted() {
            return;
        }
        if self
            .copies
            .get(node)
            .is_some_and(|copy| copy.fetch == Fetch::No)
        {
            self.fetch(node);
        }
    }

    /// A start of a node speaks as if it had a part that is not known here, or another one than is known. It is asked.
    pub fn handle_stranger(&mut self, node: &NodeId, epoch: NodeEpoch) {
        let known = self.copies.get(node);
        if known.is_none_or(|copy| copy.heard.epoch < epoch) {
            self.meet(node, Stamp { epoch, seq: 0 });
        } else if known.is_some_and(|copy| copy.heard.epoch == epoch && copy.fetch == Fetch::No) {
            self.fetch(node);
        }
    }

    /// The owner's answer to [`ReplicasAction::Fetch`] is that it has no part, after so many changes.
    pub fn handle_no_part(&mut self, now: Instant, node: &NodeId, stamp: Stamp) {
        self.handle_end(node, stamp);
        // The part has begun anew since.
        if let Some(copy) = self.copies.get_mut(node) {
            copy.fail(now);
        }
    }

    /// The owner tells that its part has ended, after so many changes.
    pub fn handle_end(&mut self, node: &NodeId, stamp: Stamp) {
        let known = self.copies.get(node);
        if known.is_some_and(|copy| copy.heard <= stamp) {
            self.forget(node);
        }
    }

    /// A node was found dead, in this start or an earlier one.
    pub fn handle_node_gone(&mut self, node: &NodeId, epoch: NodeEpoch) {
        if Fault::DeadPartsStay.is_planted() {
            return;
        }
        let known = self.copies.get(node);
        if known.is_some_and(|copy| copy.heard.epoch <= epoch) {
            self.forget(node);
        }
    }

    /// Time passed; see [`Self::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<_> = self
            .copies
            .iter()
            .filter_map(|(node, copy)| match copy.fetch {
                Fetch::Again(at, failures) if at <= now => Some((node.clone(), failures)),
                _ => None,
            })
            .collect();
        for (node, failures) in due {
            if let Some(copy) = self.copies.get_mut(&node) {
                copy.fetch = Fetch::Asked(failures);
                self.actions.push_back(ReplicasAction::Fetch { node });
            }
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.copies.values().filter_map(|copy| match copy.fetch {
            Fetch::Again(at, _) => Some(at),
            _ => None,
        });
        due.min()
    }

    /// What to do next. Actions are to be carried out in order.
    pub fn poll_action(&mut self) -> Option<ReplicasAction<C, S>> {
        self.actions.pop_front()
    }

    /// Whose parts are known of, and how far each copy is.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeId, Option<Stamp>)> {
        self.copies.iter().map(|(node, copy)| (node, copy.have))
    }

    /// Whether every copy is as far as anybody has said that its owner is.
    pub fn is_current(&self) -> bool {
        let mut copies = self.copies.values();
        copies.all(|copy| copy.fetch == Fetch::No && copy.have.is_some_and(|it| it >= copy.heard))
    }

    /// Somebody spoke of this state of a node's part. `false`: of one that a later start has put an end to.
    fn meet(&mut self, node: &NodeId, stamp: Stamp) -> bool {
        let Some(copy) = self.copies.get_mut(node) else {
            let copy = Copy {
                have: None,
                heard: stamp,
                fetch: Fetch::No,
                waiting: VecDeque::new(),
            };
            self.copies.insert(node.clone(), copy);
            self.fetch(node);
            return true;
        };
        if stamp.epoch < copy.heard.epoch {
            return false;
        }
        if stamp.epoch > copy.heard.epoch {
            // What the earlier start owned ended with it. Its answer, should one still come, is of that start too.
            let had_copy = copy.have.take().is_some();
            copy.waiting.clear();
            copy.heard = stamp;
            copy.fetch = Fetch::No;
            if had_copy {
                self.actions
                    .push_back(ReplicasAction::Drop { node: node.clone() });
            }
            self.fetch(node);
            return true;
        }
        copy.heard = copy.heard.max(stamp);
        true
    }

    fn fetch(&mut self, node: &NodeId) {
        if let Some(copy) = self.copies.get_mut(node)
            && !matches!(copy.fetch, Fetch::Asked(_))
        {
            copy.fetch = Fetch::Asked(0);
            self.actions
                .push_back(ReplicasAction::Fetch { node: node.clone() });
        }
    }

    fn forget(&mut self, node: &NodeId) {
        if self
            .copies
            .remove(node)
            .is_some_and(|copy| copy.have.is_some())
        {
            self.actions
                .push_back(ReplicasAction::Drop { node: node.clone() });
        }
    }
}

impl<C> Copy<C> {
    fn keep(&mut self, change: Numbered<C>) {
        if self.waiting.len() < MOST_WAITING {
            // The bus keeps the order of one owner's changes; what comes twice is passed over when it is its turn.
            self.waiting.push_back(change);
        }
    }

    /// A snapshot was taken in. Another one is asked for if there is more than it tells and nothing that fills the gap.
    fn settle(&mut self, now: Instant) {
        let complete = self.have.is_some_and(|have| have >= self.heard);
        if complete {
            self.waiting.clear();
            self.fetch = Fetch::No;
        } else {
            self.fail(now);
        }
    }

    fn fail(&mut self, now: Instant) {
        let failures = match self.fetch {
            Fetch::Asked(failures) | Fetch::Again(_, failures) => failures + 1,
            Fetch::No => 1,
        };
        let wait = FIRST_RETRY * 2_u32.saturating_pow(failures.min(8) - 1);
        self.fetch = match now.checked_add(wait.min(LONGEST_RETRY)) {
            Some(at) => Fetch::Again(at, failures),
            None => Fetch::No,
        };
    }
}

#[cfg(test)]
mod tests;
