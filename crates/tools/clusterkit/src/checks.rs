//! What must never be, and what must be in the end.

use std::collections::{BTreeMap, BTreeSet};

use plenum_cluster::{Decides, Home};
use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

use crate::{
    part::Part,
    process::Process,
    world::{Trouble, WELL, World, pair},
};

impl<P: Part> World<P> {
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
            let seat = process.and_then(|it| it.seat.as_ref());
            // One that a registry without a memory let in below an epoch that somebody knows gives way to it, whoever hears
            // of it first.
            // So does one whose lease had ended: it does not decide until it has asked.
            let home = seat.map(|it| it.deciding.home());
            let held = home.filter(|it| it.decides()).and_then(Home::here);
            let is_home = held.is_some_and(|held| held.0 == epoch.0 || held.0 + 1 == epoch.0);
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
                let home = process.seat.as_ref().map(|it| it.deciding.home());
                let is_it = home.is_some_and(|it| it.decides() && it.here() == Some(epoch));
                is_it && process.membership.lease(self.now).is_some()
            });
            node.id == *id && node.stored_epoch == *start && is_home
        })
    }

    /// A part is told that it decides. Nobody else may do so under the same epoch.
    pub(crate) fn check_decides(&mut self, index: usize, epoch: RoomEpoch) {
        self.say(|| format!("node-{index} decides, epoch {epoch}"));
        for (other, node) in self.nodes.iter().enumerate() {
            let process = node.process.as_ref().filter(|_| other != index);
            let seat = process.and_then(|it| it.seat.as_ref());
            // Its process would notice that its lease has ended before it did anything.
            let is_held = process.is_some_and(|it| it.membership.lease(self.now).is_some());
            if is_held && seat.is_some_and(|it| *it.deciding.told() == Decides::Here(epoch)) {
                let trouble = format!("node-{index} and node-{other} decide under epoch {epoch}");
                self.trouble = Some(Trouble(trouble));
            }
        }
    }

    /// Whoever decides something has a lease.
    pub(crate) fn check_decided(&mut self, index: usize) {
        let process = self.nodes[index].process.as_mut();
        let Some(process) = process else { return };
        let seat = process.seat.as_mut();
        let decided = seat.and_then(|seat| seat.decided.take());
        if decided.is_some_and(|at| process.membership.lease(at).is_none()) {
            let trouble = format!("node-{index} decides without a lease");
            self.trouble = Some(Trouble(trouble));
        }
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
    ///
    /// # Errors
    ///
    /// Says what went wrong, or who does not agree about what.
    pub fn quiet(&mut self) -> Result<(), Trouble> {
        self.is_quiet = true;
        for (one, other) in self.cuts.clone() {
            self.heal(one, other);
        }
        for index in 0..self.nodes.len() {
            self.heal_registry(index);
            if self.nodes[index].paused {
                self.resume(index);
            }
            self.act(index, |process, _| {
                if let Some(seat) = process.seat() {
                    seat.part.calm();
                }
            });
        }
        self.say(|| "quiet".to_owned());
        self.pass(P::SIGHT)?;
        P::check_sight(&self.parts()).map_err(Trouble)?;
        self.pass(P::QUIET.saturating_sub(P::SIGHT))?;
        self.agree().map_err(Trouble)
    }

    fn parts(&self) -> BTreeMap<&NodeId, &P> {
        let nodes = self.nodes.iter().enumerate();
        let parts = nodes.filter_map(|(index, node)| Some((&node.id, self.part(index)?)));
        parts.collect()
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
        let seats = || alive().filter_map(|(id, process)| Some((id, process.seat.as_ref()?)));
        let parts = self.parts();
        let known: BTreeSet<_> = self.registry.room.parts.keys().collect();
        if known != parts.keys().copied().collect() {
            return Err(format!(
                "the registry knows parts of {known:?}, there are those of {:?}",
                parts.keys()
            ));
        }
        let placed = self.registry.room.places.keys();
        if !placed.eq(known.iter().copied()) {
            return Err(format!(
                "peers can be found at {:?}, there are parts of {known:?}",
                self.registry.room.places
            ));
        }
        let homes: Vec<_> = alive()
            .filter(|(_, process)| is_home(process))
            .map(|(id, process)| (id, process.membership.epoch()))
            .collect();
        let home = self.registry.room.home.as_ref();
        let registered = home.map(|home| (&home.node, Some(home.node_epoch)));
        let is_one = match homes.as_slice() {
            // What a dead one was the home of is claimed by whoever comes.
            [] => {
                let mut living = alive().map(|(id, process)| (id, process.membership.epoch()));
                parts.is_empty() && living.all(|start| registered != Some(start))
            }
            [one] => registered == Some(*one),
            _ => false,
        };
        if !is_one {
            return Err(format!("homes are {homes:?}, registered is {registered:?}"));
        }
        let home = homes.first().map(|(id, _)| *id);
        for (id, seat) in seats() {
            let told = seat.deciding.told();
            let is_told = match told {
                Decides::Here(_) => home == Some(id),
                Decides::There(node, ..) => home == Some(node),
                Decides::Nobody => home.is_none(),
            };
            if !is_told {
                return Err(format!("{id} is told {told:?}, the home is {home:?}"));
            }
        }
        P::check_rest(&parts, home)
    }
}

fn is_home<P: Part>(process: &Process<P>) -> bool {
    let seat = process.seat.as_ref();
    seat.is_some_and(|seat| seat.deciding.home().is_here())
}
