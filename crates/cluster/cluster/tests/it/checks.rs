//! What must never be, and what must be in the end.

use std::collections::{BTreeMap, BTreeSet};

use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

use crate::{
    node::Items,
    world::{QUIET, Trouble, WELL, World, pair},
};

impl World {
    fn is_well(&self, index: usize) -> bool {
        let node = &self.nodes[index];
        let sees = node.process.is_some() && !node.paused && !node.registry_cut;
        sees && self.now - node.well_since >= WELL
    }

    pub(crate) fn check_home(&mut self, index: usize, epoch: RoomEpoch) {
        let node = &self.nodes[index];
        let start = (node.id.clone(), node.stored_epoch);
        self.say(|| format!("{} is the home, epoch {epoch}", start.0));
        // A registry that has forgotten may give the epoch of a home again that nobody alive knows of.
        let first = self.owners.insert(epoch, start.clone());
        let still = first.filter(|first| *first != start && self.owns(first, epoch));
        if let Some(first) = still {
            let trouble = format!("epoch {epoch} of the room is {first:?}'s and {start:?}'s");
            self.trouble = Some(Trouble(trouble));
        }
        for other in 0..self.nodes.len() {
            let process = self.nodes[other].process.as_ref();
            let process = process.filter(|it| it.part.is_some());
            // One that a registry without a memory let in below an epoch that somebody knows gives way to it.
            let held = process.and_then(|it| it.home.here());
            let is_home = held.is_some_and(|held| epoch.0 <= held.0 + 1);
            if other != index && is_home && self.is_well(other) && self.is_well(index) {
                let trouble =
                    format!("node-{index} takes the room from node-{other}, which is well");
                self.trouble = Some(Trouble(trouble));
            }
        }
    }

    fn owns(&self, (id, start): &(NodeId, NodeEpoch), epoch: RoomEpoch) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| {
            let process = node.process.as_ref();
            let is_home = process.is_some_and(|process| {
                let is_it = process.part.is_some() && process.home.here() == Some(epoch);
                is_it && process.home.decides() && process.membership.lease(self.now).is_some()
            });
            node.id == *id && node.stored_epoch == *start && is_home
        })
    }

    pub(crate) fn check_dead(&mut self, index: usize, node: &NodeId, epoch: NodeEpoch) {
        self.say(|| format!("node-{index} finds {node} dead, epoch {epoch}"));
        let dead = self.nodes.iter().position(|it| it.id == *node);
        let dead = dead.expect("one of ours");
        if self.nodes[dead].stored_epoch != epoch {
            return;
        }
        let link = self.links.get(&pair(index, dead));
        let linked = link.is_some_and(|link| link.silent_since.is_none());
        let both_well = self.is_well(index) && self.is_well(dead);
        let lives = self.nodes[dead].process.is_some() && !self.nodes[dead].paused;
        if lives && (linked || both_well) {
            let trouble = format!("node-{index} finds node-{dead} dead, which is well");
            self.trouble = Some(Trouble(trouble));
        }
    }

    /// Trouble ends, and after a bound everybody agrees.
    pub(crate) fn quiet(&mut self) -> Result<(), Trouble> {
        self.cuts.clear();
        for index in 0..self.nodes.len() {
            if std::mem::take(&mut self.nodes[index].registry_cut) {
                self.touch(index);
            }
            if self.nodes[index].paused {
                self.resume(index);
            }
        }
        self.say(|| "quiet".to_owned());
        self.pass(QUIET)?;
        self.agree().map_err(Trouble)
    }

    fn agree(&self) -> Result<(), String> {
        let alive = || {
            let all = self.nodes.iter();
            all.filter_map(|node| Some((&node.id, node.process.as_ref()?)))
        };
        if alive().next().is_none() {
            // Nobody is there to clear anything away.
            return Ok(());
        }
        let parts: BTreeMap<&NodeId, &Items> = alive()
            .filter_map(|(id, process)| Some((id, process.part.as_ref()?)))
            .collect();
        for (id, process) in alive() {
            let copies: BTreeMap<_, _> = process.copies.iter().collect();
            let others = parts.iter().filter(|(owner, _)| **owner != id);
            let others: BTreeMap<_, _> = others.map(|(owner, items)| (*owner, *items)).collect();
            if copies != others {
                return Err(format!("{id} has {copies:?}, there is {others:?}"));
            }
        }
        let known: BTreeSet<_> = self.registry.room.parts.keys().collect();
        if known != parts.keys().copied().collect() {
            return Err(format!("the registry knows parts of {known:?}"));
        }
        let homes: Vec<_> = alive()
            .filter(|(_, process)| process.home.is_here() && process.part.is_some())
            .map(|(id, process)| (id, process.membership.epoch()))
            .collect();
        let home = self.registry.room.home.as_ref();
        let registered = home.map(|home| (&home.node, Some(home.node_epoch)));
        let is_one = match homes.as_slice() {
            [] => parts.is_empty() || registered.is_some_and(|home| !parts.contains_key(home.0)),
            [one] => registered == Some(*one),
            _ => false,
        };
        if !is_one {
            return Err(format!("homes are {homes:?}, registered is {registered:?}"));
        }
        Ok(())
    }
}
