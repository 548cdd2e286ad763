//! Which trunks lead to workers of other nodes, without I/O.
//!
//! There is one for each pair of workers, made of two *halves*: each node has one, and makes and ends it by itself. What it
//! tells the other with questions and offers is enough for both to have the same (`words.rs`). A trunk has a *generation*: each
//! node takes for a new one at least the lowest that both take, which is above that of any that has ended there, so that no
//! keys come again. If two nodes make one at once they choose the same; if one of them has ended its half, the next
//! pipe finds out: a question says which halves there are, an offer of a later generation takes the place of an earlier
//! trunk, and one of an earlier generation is refused, so that its room asks again.
//!
//! Engines know trunks by the address at their other end. So no two may lead from a worker to the same one.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use plenum_ids::{NodeEpoch, NodeId, TransportId, WorkerId};
use plenum_params::transport::TrunkOptions;
use plenum_room::NodeKey;

use super::{
    TrunkError,
    keys::{Process, Root},
    words::{Asked, FarWorker, Half, Offered},
};
use crate::trunks::Numbers;

/// Trunks to one node: between 32 workers here and 32 there, where rooms lead from each to each.
const MAX_TRUNKS: usize = 1024;

/// Trunks to all nodes together. At 20 KiB each (an engine remembers used SSRCs), these are 160 MB over all workers.
const MAX_ALL: usize = 8192;

/// Nodes that are remembered: as many as there are links.
const MAX_NODES: usize = 4096;

/// Generations are JSON numbers, which count to 2⁵³ exactly. Nobody gets there who counts by one.
const MAX_GENERATION: u64 = 1 << 53;

/// A trunk without pipes ends after this, as a pipe without consumers does: somebody who reloads a page is back sooner.
const LINGER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Table {
    me: NodeKey,
    root: Root,
    nodes: HashMap<NodeId, Known>,
    /// Nodes that were forgotten had no trunks of this generation or later ones.
    floor: u64,
}

/// Our worker under a pipe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) worker: WorkerId,
    /// Which start of it.
    pub(super) start: u64,
    /// Where others reach it.
    pub(super) address: SocketAddr,
}

/// What is to be sent to workers, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    End {
        worker: WorkerId,
        trunk: TransportId,
    },
    Make {
        worker: WorkerId,
        trunk: TransportId,
        options: TrunkOptions,
    },
}

#[derive(Debug)]
struct Known {
    epoch: NodeEpoch,
    /// No trunk to it was of this generation or a later one and has ended.
    least: u64,
    /// When a pipe was last asked for there. Its offer may need a trunk that nothing is on.
    asked: Option<Instant>,
    /// By our worker and theirs.
    trunks: BTreeMap<Pair, Trunk>,
}

type Pair = (WorkerId, WorkerId);

/// Our half of a trunk.
#[derive(Debug)]
struct Trunk {
    id: TransportId,
    start: u64,
    far_start: u64,
    address: SocketAddr,
    generation: u64,
    /// For what leaves here.
    numbers: Numbers,
    /// Since when nothing has been on it.
    idle: Option<Instant>,
}

impl Table {
    pub(super) fn new(me: NodeKey) -> Self {
        Self {
            me,
            root: Root::random(),
            nodes: HashMap::new(),
            floor: 0,
        }
    }

    /// What a node is told that is asked for a pipe to this worker.
    pub(super) fn ask(&mut self, now: Instant, node: &NodeKey, ours: &Ours) -> Asked {
        let known = self.nodes.get_mut(&node.node);
        let mut known = known.filter(|known| known.epoch == node.epoch);
        if let Some(known) = &mut known {
            known.asked = Some(now);
        }
        let trunks = known.iter().flat_map(|known| &known.trunks);
        let from_here = trunks
            .filter(|((worker, _), trunk)| (*worker, trunk.start) == (ours.worker, ours.start));
        let halves = from_here.map(|((_, to), trunk)| Half {
            to: *to,
            start: trunk.far_start,
            generation: trunk.generation,
        });
        Asked {
            halves: halves.collect(),
            least: known.map_or(self.floor, |known| known.least),
            at: self.told(node, ours),
        }
    }

    /// The trunk for a pipe to a node that has asked for it: our half, what the node is told, and what gives out
    /// numbers on it.
    pub(super) fn near(
        &mut self,
        node: &NodeKey,
        ours: &Ours,
        asked: &Asked,
        actions: &mut Vec<Action>,
    ) -> Result<(TransportId, Offered, &mut Numbers), TrunkError> {
        let far = &asked.at;
        let pair = (ours.worker, far.worker);
        let known = self.meet(node, actions)?;
        known.end_outlived(pair, ours, far, actions)?;
        let mut halves = asked.halves.iter();
        let theirs = halves.find(|it| (it.to, it.start) == (ours.worker, ours.start));
        let theirs = theirs.map(|it| it.generation);
        if let Some(trunk) = known.trunks.get(&pair)
            && theirs != Some(trunk.generation)
            && trunk.generation < asked.least
        {
            // Their half is gone, and none like it will be made.
            known.end(pair, actions);
        }
        if !known.trunks.contains_key(&pair) {
            let generation = known.least.max(asked.least).max(theirs.unwrap_or(0));
            self.make(node, ours, (far, generation), actions)?;
        }
        let at = self.told(node, ours);
        let known = self.nodes.get_mut(&node.node);
        let trunk = known.and_then(|known| known.trunks.get_mut(&pair));
        let trunk = trunk.ok_or(TrunkError::Stale)?;
        trunk.idle = None;
        let generation = trunk.generation;
        Ok((trunk.id, Offered { at, generation }, &mut trunk.numbers))
    }

    /// The trunk of a pipe that a node offers: our half.
    pub(super) fn far(
        &mut self,
        node: &NodeKey,
        ours: &Ours,
        offered: &Offered,
        actions: &mut Vec<Action>,
    ) -> Result<TransportId, TrunkError> {
        let (far, generation) = (&offered.at, offered.generation);
        let pair = (ours.worker, far.worker);
        let known = self.meet(node, actions)?;
        known.end_outlived(pair, ours, far, actions)?;
        if let Some(trunk) = known.trunks.get_mut(&pair) {
            if generation == trunk.generation {
                trunk.idle = None;
                return Ok(trunk.id);
            }
            if generation > trunk.generation {
                // Theirs is gone, and they have made another one.
                known.end(pair, actions);
            }
        }
        if known.trunks.contains_key(&pair) || generation < known.least {
            // They have not heard yet that ours is gone.
            return Err(TrunkError::Stale);
        }
        self.make(node, ours, (far, generation), actions)
    }

    /// A worker did not make its half, or did not say so.
    pub(super) fn handle_failure(&mut self, id: TransportId, actions: &mut Vec<Action>) {
        self.end_where(|_, _, trunk| trunk.id == id, actions);
    }

    /// A node is gone, with all that it had.
    pub(super) fn handle_node_gone(&mut self, node: &NodeKey, actions: &mut Vec<Action>) {
        if let Some(known) = self.nodes.get_mut(&node.node)
            && known.epoch <= node.epoch
        {
            known.end_where(|_, _| true, actions);
        }
    }

    /// Keeps the trunks of these starts of our workers only.
    pub(super) fn keep_workers(
        &mut self,
        lives: impl Fn(WorkerId, u64) -> bool,
        actions: &mut Vec<Action>,
    ) {
        self.end_where(|_, (worker, _), it| !lives(worker, it.start), actions);
    }

    /// Ends trunks that nothing has been on for some time.
    pub(super) fn sweep(
        &mut self,
        now: Instant,
        is_idle: impl Fn(WorkerId, TransportId) -> bool,
        actions: &mut Vec<Action>,
    ) {
        let is_long = |since: Instant| now.saturating_duration_since(since) >= LINGER;
        for known in self.nodes.values_mut() {
            for (&(worker, _), trunk) in &mut known.trunks {
                if !is_idle(worker, trunk.id) {
                    trunk.idle = None;
                } else if trunk.idle.is_none() {
                    trunk.idle = Some(now);
                }
            }
            if known.asked.is_none_or(is_long) {
                known.asked = None;
                known.end_where(|_, trunk| trunk.idle.is_some_and(is_long), actions);
            }
        }
    }

    fn len(&self) -> usize {
        self.nodes.values().map(|known| known.trunks.len()).sum()
    }

    fn told(&self, node: &NodeKey, ours: &Ours) -> FarWorker {
        FarWorker {
            worker: ours.worker,
            start: ours.start,
            address: ours.address,
            share: self.root.share_for(node),
        }
    }

    /// What is known of a node. Whatever an earlier start of it had ends.
    fn meet(
        &mut self,
        node: &NodeKey,
        actions: &mut Vec<Action>,
    ) -> Result<&mut Known, TrunkError> {
        if node.node == self.me.node {
            return Err(TrunkError::Stale);
        }
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&node.node) {
            self.forget_idle_nodes()?;
        }
        let floor = self.floor;
        let known = self.nodes.entry(node.node.clone());
        let known = known.or_insert_with(|| Known {
            epoch: node.epoch,
            least: floor,
            asked: None,
            trunks: BTreeMap::new(),
        });
        if node.epoch < known.epoch {
            return Err(TrunkError::Stale);
        }
        if node.epoch > known.epoch {
            known.end_where(|_, _| true, actions);
            known.epoch = node.epoch;
            known.asked = None;
        }
        Ok(known)
    }

    /// Makes room for others. What they had is not used again: it is below the floor from now on.
    fn forget_idle_nodes(&mut self) -> Result<(), TrunkError> {
        let floor = &mut self.floor;
        self.nodes.retain(|_, known| {
            if known.trunks.is_empty() {
                *floor = (*floor).max(known.least);
            }
            !known.trunks.is_empty()
        });
        let has_room = self.nodes.len() < MAX_NODES;
        has_room.then_some(()).ok_or(TrunkError::TooMany)
    }

    fn make(
        &mut self,
        node: &NodeKey,
        ours: &Ours,
        (far, generation): (&FarWorker, u64),
        actions: &mut Vec<Action>,
    ) -> Result<TransportId, TrunkError> {
        if generation >= MAX_GENERATION {
            return Err(TrunkError::Unreadable);
        }
        let address = far.address;
        let all = self.nodes.values().flat_map(|known| &known.trunks);
        let mut from_here = all.filter(|((worker, _), _)| *worker == ours.worker);
        if from_here.any(|(_, trunk)| trunk.address == address) {
            return Err(TrunkError::Taken(address));
        }
        let is_full = self.len() >= MAX_ALL;
        let known = self.nodes.get_mut(&node.node).ok_or(TrunkError::Stale)?;
        if is_full || known.trunks.len() >= MAX_TRUNKS {
            return Err(TrunkError::TooMany);
        }
        let here = Process {
            node: &self.me,
            worker: ours.worker,
            start: ours.start,
        };
        let there = Process {
            node,
            worker: far.worker,
            start: far.start,
        };
        let options = TrunkOptions {
            remote: address,
            local: Some(ours.address.ip()),
            send_key: self.root.share_for(node).key(here, there, generation),
            receive_key: far.share.key(there, here, generation),
        };
        let id = TransportId::random();
        let trunk = Trunk {
            id,
            start: ours.start,
            far_start: far.start,
            address,
            generation,
            numbers: Numbers::default(),
            idle: None,
        };
        known.trunks.insert((ours.worker, far.worker), trunk);
        actions.push(Action::Make {
            worker: ours.worker,
            trunk: id,
            options,
        });
        Ok(id)
    }

    fn end_where(
        &mut self,
        is_over: impl Fn(&NodeId, Pair, &Trunk) -> bool,
        actions: &mut Vec<Action>,
    ) {
        for (node, known) in &mut self.nodes {
            known.end_where(|pair, trunk| is_over(node, pair, trunk), actions);
        }
    }
}

impl Known {
    /// Ends what led to an earlier start of either worker, or elsewhere.
    fn end_outlived(
        &mut self,
        pair: Pair,
        ours: &Ours,
        far: &FarWorker,
        actions: &mut Vec<Action>,
    ) -> Result<(), TrunkError> {
        let Some(trunk) = self.trunks.get(&pair) else {
            return Ok(());
        };
        if far.start < trunk.far_start || ours.start < trunk.start {
            return Err(TrunkError::Stale);
        }
        let has = (trunk.start, trunk.far_start, trunk.address);
        if has != (ours.start, far.start, far.address) {
            self.end(pair, actions);
        }
        Ok(())
    }

    fn end(&mut self, pair: Pair, actions: &mut Vec<Action>) {
        self.end_where(|other, _| other == pair, actions);
    }

    fn end_where(&mut self, is_over: impl Fn(Pair, &Trunk) -> bool, actions: &mut Vec<Action>) {
        let least = &mut self.least;
        self.trunks.retain(|&pair, trunk| {
            let ends = is_over(pair, trunk);
            if ends {
                *least = (*least).max(trunk.generation.saturating_add(1));
                actions.push(Action::End {
                    worker: pair.0,
                    trunk: trunk.id,
                });
            }
            !ends
        });
    }
}

#[cfg(test)]
mod tests;
