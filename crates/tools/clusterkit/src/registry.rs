//! A registry as nodes see it: leases by its own clock, homes by one call, and a memory that can be lost.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use plenum_cluster::{LeaseAnswer, Seen, Stamp};
use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

const LEASE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub(crate) struct HomeRecord {
    pub(crate) node: NodeId,
    pub(crate) node_epoch: NodeEpoch,
    pub(crate) epoch: RoomEpoch,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct RoomRecord {
    pub(crate) home: Option<HomeRecord>,
    pub(crate) epoch: RoomEpoch,
    pub(crate) parts: BTreeMap<NodeId, Stamp>,
    /// Whose peers can be found.
    pub(crate) places: BTreeMap<NodeId, NodeEpoch>,
}

/// Who writes has no lease, and nothing was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unleased;

#[derive(Debug)]
pub(crate) struct Registry {
    life: u32,
    began: Instant,
    leases: BTreeMap<NodeId, (NodeEpoch, Option<Instant>)>,
    pub(crate) room: RoomRecord,
}

impl Registry {
    /// It has remembered since then.
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            life: 0,
            began,
            leases: BTreeMap::new(),
            room: RoomRecord::default(),
        }
    }

    /// It was started again with nothing.
    pub(crate) fn forget(&mut self, now: Instant) {
        let life = self.life + 1;
        *self = Self {
            life,
            ..Self::new(now)
        };
    }

    pub(crate) fn incarnation(&self) -> String {
        self.life.to_string()
    }

    pub(crate) fn register(
        &mut self,
        now: Instant,
        node: &NodeId,
        at_least: NodeEpoch,
    ) -> LeaseAnswer {
        let stored = self.leases.get(node).map_or(NodeEpoch(0), |it| it.0);
        let epoch = NodeEpoch(stored.max(at_least).0 + 1);
        self.leases.insert(node.clone(), (epoch, Some(now)));
        LeaseAnswer::Held {
            epoch,
            incarnation: self.incarnation(),
        }
    }

    pub(crate) fn renew(&mut self, now: Instant, node: &NodeId, epoch: NodeEpoch) -> LeaseAnswer {
        match self.leases.get(node) {
            Some((by, _)) if *by > epoch => LeaseAnswer::Fenced { by: *by },
            _ => {
                self.leases.insert(node.clone(), (epoch, Some(now)));
                LeaseAnswer::Held {
                    epoch,
                    incarnation: self.incarnation(),
                }
            }
        }
    }

    pub(crate) fn leases(&self, now: Instant) -> (String, Duration, Vec<Seen>) {
        let seen = self.leases.iter().filter_map(|(node, (epoch, renewed))| {
            Some(Seen {
                node: node.clone(),
                epoch: *epoch,
                age: now - (*renewed)?,
            })
        });
        (self.incarnation(), now - self.began, seen.collect())
    }

    fn lives(&self, now: Instant, node: &NodeId, epoch: NodeEpoch) -> bool {
        let lease = self.leases.get(node);
        lease.is_some_and(|(held, renewed)| {
            *held == epoch && renewed.is_some_and(|at| now - at < LEASE)
        })
    }

    /// The living home, else the one who asks.
    pub(crate) fn claim(
        &mut self,
        now: Instant,
        (node, node_epoch): (&NodeId, NodeEpoch),
        at_least: RoomEpoch,
    ) -> Option<HomeRecord> {
        let holds =
            self.room.home.as_ref().filter(|home| {
                home.epoch >= at_least && self.lives(now, &home.node, home.node_epoch)
            });
        if let Some(home) = holds {
            return Some(home.clone());
        }
        if !self.lives(now, node, node_epoch) {
            return None;
        }
        let epoch = RoomEpoch(self.room.epoch.max(at_least).0 + 1);
        let home = HomeRecord {
            node: node.clone(),
            node_epoch,
            epoch,
        };
        self.room.epoch = epoch;
        self.room.home = Some(home.clone());
        Some(home)
    }

    pub(crate) fn release(&mut self, node: &NodeId, node_epoch: NodeEpoch, epoch: RoomEpoch) {
        self.room.home.take_if(|home| {
            home.node == *node && home.node_epoch == node_epoch && home.epoch == epoch
        });
    }

    pub(crate) fn put_part(
        &mut self,
        now: Instant,
        node: &NodeId,
        stamp: Stamp,
    ) -> Result<(), Unleased> {
        if !self.lives(now, node, stamp.epoch) {
            return Err(Unleased);
        }
        let known = self.room.parts.entry(node.clone()).or_insert(stamp);
        *known = (*known).max(stamp);
        Ok(())
    }

    pub(crate) fn put_places(
        &mut self,
        now: Instant,
        node: &NodeId,
        epoch: NodeEpoch,
    ) -> Result<(), Unleased> {
        if !self.lives(now, node, epoch) {
            return Err(Unleased);
        }
        self.room.places.insert(node.clone(), epoch);
        Ok(())
    }

    pub(crate) fn remove_part(&mut self, node: &NodeId, epoch: NodeEpoch) {
        self.room
            .parts
            .retain(|owner, stamp| owner != node || stamp.epoch > epoch);
        self.room
            .places
            .retain(|owner, of| owner != node || *of > epoch);
    }

    /// What a dead start left.
    pub(crate) fn sweep(&mut self, now: Instant, node: &NodeId, epoch: NodeEpoch) {
        if !self.lives(now, node, epoch) {
            self.remove_part(node, epoch);
        }
    }
}
