//! What a registry in memory knows, and how it changes. The meaning of every call stands here in Rust; the scripts of the
//! Redis registry say the same in Lua, and one suite holds both to it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use plenum_ids::{NodeEpoch, NodeId, PeerId, RoomEpoch, RoomName};

use crate::{
    Claim, ClaimRequest, Incarnation, Joins, Lease, Leases, NodeRecord, NodeView, NodesView,
    PartMark, PeerPlace, Registered, RegistryError, Renewed, RoomHome, RoomPart, RoomRecord, Sweep,
    Swept, bounds,
};

#[derive(Default)]
pub(super) struct State {
    /// How often the store has begun anew.
    beginnings: u64,
    /// When it did.
    began: Duration,
    /// The last start of each node, also of those that are gone.
    epochs: BTreeMap<NodeId, NodeEpoch>,
    leases: BTreeMap<NodeId, Leased>,
    rooms: BTreeMap<RoomName, Room>,
    peers: BTreeMap<(RoomName, NodeId), Peers>,
    /// Rooms that nobody has, with the moment since when: their epochs are kept for a while.
    emptied: VecDeque<(Duration, RoomName)>,
    /// Nodes that are gone, in the same way.
    gone: VecDeque<(Duration, NodeId)>,
}

struct Leased {
    epoch: NodeEpoch,
    renewed: Duration,
    /// Joins sent there before the last renewal and since.
    pending: [u32; 2],
    record: NodeRecord,
}

#[derive(Default)]
struct Room {
    home: Option<RoomHome>,
    epoch: RoomEpoch,
    parts: BTreeMap<NodeId, (NodeEpoch, PartMark)>,
    emptied: Option<Duration>,
}

#[derive(Default)]
struct Peers {
    epoch: NodeEpoch,
    notes: BTreeMap<PeerId, String>,
}

impl State {
    pub(super) fn incarnation(&self) -> Incarnation {
        Incarnation::from(format!("memory {}", self.beginnings))
    }

    pub(super) fn forget(&mut self, now: Duration) {
        let beginnings = self.beginnings + 1;
        *self = Self {
            beginnings,
            began: now,
            ..Self::default()
        };
    }

    pub(super) const fn restart(&mut self, now: Duration) {
        self.beginnings += 1;
        self.began = now;
    }

    pub(super) fn register(
        &mut self,
        node: NodeId,
        at_least: NodeEpoch,
        record: NodeRecord,
        now: Duration,
    ) -> Result<Registered, RegistryError> {
        let stored = self.epochs.get(&node).copied().unwrap_or_default();
        let epoch = NodeEpoch(stored.max(at_least).0 + 1);
        bounds::node_epoch(epoch)?;
        self.epochs.insert(node.clone(), epoch);
        self.leases.insert(
            node,
            Leased {
                epoch,
                renewed: now,
                pending: [0; 2],
                record,
            },
        );
        Ok(Registered {
            epoch,
            incarnation: self.incarnation(),
        })
    }

    pub(super) fn renew(
        &mut self,
        node: NodeId,
        epoch: NodeEpoch,
        record: NodeRecord,
        now: Duration,
    ) -> Result<Renewed, RegistryError> {
        self.fence(&node, epoch)?;
        self.epochs.insert(node.clone(), epoch);
        let sent = self.leases.get(&node).map_or(0, |lease| lease.pending[1]);
        self.leases.insert(
            node,
            Leased {
                epoch,
                renewed: now,
                pending: [sent, 0],
                record,
            },
        );
        Ok(Renewed {
            incarnation: self.incarnation(),
        })
    }

    pub(super) fn resign(
        &mut self,
        node: &NodeId,
        epoch: NodeEpoch,
        now: Duration,
    ) -> Result<(), RegistryError> {
        self.fence(node, epoch)?;
        self.end_lease(node, now);
        Ok(())
    }

    pub(super) fn leases(&self, now: Duration) -> Leases {
        Leases {
            incarnation: self.incarnation(),
            age: now.saturating_sub(self.began),
            leases: self
                .leases
                .iter()
                .map(|(node, lease)| lease.view(node, now))
                .collect(),
        }
    }

    pub(super) fn nodes(&self, now: Duration) -> NodesView {
        let view = |(node, lease): (&NodeId, &Leased)| NodeView {
            lease: lease.view(node, now),
            record: lease.record.clone(),
        };
        NodesView {
            incarnation: self.incarnation(),
            age: now.saturating_sub(self.began),
            nodes: self.leases.iter().map(view).collect(),
        }
    }

    pub(super) fn claim(
        &mut self,
        request: &ClaimRequest,
        now: Duration,
    ) -> Result<Claim, RegistryError> {
        self.check_incarnation(&request.seen)?;
        let room = self.rooms.get(&request.room);
        let living = room
            .and_then(|room| room.home.as_ref())
            .filter(|home| home.epoch >= request.at_least)
            .filter(|home| {
                let lease = self.leases.get(&home.node);
                lease.is_some_and(|lease| {
                    lease.epoch == home.node_epoch && lease.is_alive(now, request.lease)
                })
            })
            .cloned();
        let created = living.is_none();
        let home = match living {
            Some(home) => home,
            None if !request.create && room.is_none_or(Room::is_empty) => {
                return Err(RegistryError::NoRoom);
            }
            None => self.new_home(request, now)?,
        };
        let pending = self.count_join(&request.joins, &home.node);
        Ok(Claim {
            home: home.node,
            home_epoch: home.node_epoch,
            epoch: home.epoch,
            created,
            pending,
        })
    }

    fn new_home(
        &mut self,
        request: &ClaimRequest,
        now: Duration,
    ) -> Result<RoomHome, RegistryError> {
        let takes_it = |node: &&NodeId| {
            let lease = self.leases.get(*node);
            lease.is_some_and(|lease| lease.is_alive(now, request.lease) && !lease.record.draining)
        };
        let Some(node) = request.candidates.iter().find(takes_it) else {
            return Err(RegistryError::NoCandidate);
        };
        let stored = self.rooms.get(&request.room).map(|room| room.epoch);
        let epoch = RoomEpoch(stored.unwrap_or_default().max(request.at_least).0 + 1);
        bounds::room_epoch(epoch)?;
        let home = RoomHome {
            node: node.clone(),
            node_epoch: self
                .leases
                .get(node)
                .map(|lease| lease.epoch)
                .unwrap_or_default(),
            epoch,
        };
        let room = self.rooms.entry(request.room.clone()).or_default();
        room.home = Some(home.clone());
        room.epoch = epoch;
        room.emptied = None;
        Ok(home)
    }

    fn count_join(&mut self, joins: &Joins, home: &NodeId) -> u32 {
        let (node, more) = match joins {
            Joins::Home => (home, 1),
            Joins::At(node) => (node, 1),
            Joins::Nowhere => (home, 0),
        };
        self.leases.get_mut(node).map_or(0, |lease| {
            lease.pending[1] = lease.pending[1].saturating_add(more);
            lease.pending()
        })
    }

    pub(super) fn release(
        &mut self,
        name: &RoomName,
        node: &NodeId,
        node_epoch: NodeEpoch,
        epoch: RoomEpoch,
        now: Duration,
    ) -> bool {
        let given_up = RoomHome {
            node: node.clone(),
            node_epoch,
            epoch,
        };
        let Some(room) = self.rooms.get_mut(name) else {
            return false;
        };
        let is_home = room.home.as_ref() == Some(&given_up);
        if is_home {
            room.home = None;
            self.tidy(name, now);
        }
        is_home
    }

    pub(super) fn put_part(
        &mut self,
        room: RoomName,
        (node, epoch): (NodeId, NodeEpoch),
        mark: PartMark,
        (lease, now): (Duration, Duration),
    ) -> Result<(), RegistryError> {
        self.check_lease((&node, epoch), lease, now)?;
        let stored = self.rooms.get(&room).and_then(|room| room.parts.get(&node));
        match stored {
            Some((by, _)) if *by > epoch => return Err(RegistryError::Fenced { by: *by }),
            Some((stored, old)) if *stored == epoch && old.seq > mark.seq => return Ok(()),
            Some(_) | None => {}
        }
        let room = self.rooms.entry(room).or_default();
        room.parts.insert(node, (epoch, mark));
        room.emptied = None;
        Ok(())
    }

    pub(super) fn remove_part(
        &mut self,
        name: &RoomName,
        node: &NodeId,
        epoch: NodeEpoch,
        now: Duration,
    ) {
        self.drop_peers(name, node, epoch);
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        if room.drop_part(node, epoch) {
            self.tidy(name, now);
        }
    }

    pub(super) fn room(&self, name: &RoomName) -> Option<RoomRecord> {
        let room = self.rooms.get(name).filter(|room| !room.is_empty())?;
        let part = |(node, (node_epoch, mark)): (&NodeId, &(NodeEpoch, PartMark))| RoomPart {
            node: node.clone(),
            node_epoch: *node_epoch,
            mark: *mark,
        };
        Some(RoomRecord {
            home: room.home.clone(),
            epoch: room.epoch,
            parts: room.parts.iter().map(part).collect(),
        })
    }

    pub(super) fn rooms_of(&self, node: &NodeId) -> Vec<RoomName> {
        let is_there = |room: &Room| {
            room.parts.contains_key(node)
                || room.home.as_ref().is_some_and(|home| home.node == *node)
        };
        let rooms = self.rooms.iter().filter(|(_, room)| is_there(room));
        let with_peers = self.peers.keys().filter(|(_, at)| at == node);
        let names = rooms.map(|(name, _)| name);
        let names: BTreeSet<_> = names.chain(with_peers.map(|(name, _)| name)).collect();
        names.into_iter().cloned().collect()
    }

    pub(super) fn put_peer(
        &mut self,
        room: RoomName,
        (node, epoch): (NodeId, NodeEpoch),
        (peer, note): (PeerId, String),
        (lease, now): (Duration, Duration),
    ) -> Result<(), RegistryError> {
        self.check_lease((&node, epoch), lease, now)?;
        let peers = self.peers.entry((room, node)).or_default();
        if peers.epoch > epoch {
            return Err(RegistryError::Fenced { by: peers.epoch });
        }
        if peers.epoch < epoch {
            *peers = Peers {
                epoch,
                ..Peers::default()
            };
        }
        peers.notes.insert(peer, note);
        Ok(())
    }

    pub(super) fn remove_peer(
        &mut self,
        room: &RoomName,
        node: &NodeId,
        epoch: NodeEpoch,
        peer: &PeerId,
    ) {
        let key = (room.clone(), node.clone());
        let Some(peers) = self.peers.get_mut(&key) else {
            return;
        };
        if peers.epoch == epoch {
            peers.notes.remove(peer);
        }
        if peers.notes.is_empty() {
            self.peers.remove(&key);
        }
    }

    pub(super) fn peers(&self, name: &RoomName, only: Option<&PeerId>) -> Vec<PeerPlace> {
        let Some(room) = self.rooms.get(name) else {
            return Vec::new();
        };
        let mut places = Vec::new();
        for (node, (epoch, _)) in &room.parts {
            let peers = self.peers.get(&(name.clone(), node.clone()));
            let Some(peers) = peers.filter(|peers| peers.epoch == *epoch) else {
                continue;
            };
            let wanted = peers.notes.iter();
            let wanted = wanted.filter(|(peer, _)| only.is_none_or(|only| only == *peer));
            places.extend(wanted.map(|(peer, note)| PeerPlace {
                peer: peer.clone(),
                node: node.clone(),
                node_epoch: *epoch,
                note: note.clone(),
            }));
        }
        places
    }

    pub(super) fn sweep(&mut self, sweep: &Sweep, now: Duration) -> Result<Swept, RegistryError> {
        self.check_incarnation(&sweep.seen)?;
        let (node, epoch) = (&sweep.node, sweep.epoch);
        let present = self.leases.get(node).filter(|lease| lease.epoch <= epoch);
        if let Some(lease) = present {
            if lease.is_alive(now, sweep.lease) {
                return Err(RegistryError::Alive {
                    since_renewal: now.saturating_sub(lease.renewed),
                });
            }
            self.end_lease(node, now);
        }
        let mut swept = Swept::default();
        for name in self.rooms_of(node) {
            self.drop_peers(&name, node, epoch);
            let Some(room) = self.rooms.get_mut(&name) else {
                continue;
            };
            let lost_home = room
                .home
                .take_if(|home| home.node == *node && home.node_epoch <= epoch)
                .is_some();
            if room.drop_part(node, epoch) || lost_home {
                self.tidy(&name, now);
                swept.rooms.push(name);
            }
        }
        Ok(swept)
    }

    fn check_incarnation(&self, seen: &Incarnation) -> Result<(), RegistryError> {
        let now = self.incarnation();
        if *seen == now {
            return Ok(());
        }
        Err(RegistryError::Restarted { now })
    }

    fn fence(&self, node: &NodeId, epoch: NodeEpoch) -> Result<(), RegistryError> {
        match self.epochs.get(node) {
            Some(by) if *by > epoch => Err(RegistryError::Fenced { by: *by }),
            Some(_) | None => Ok(()),
        }
    }

    /// What is written without a lease nobody would sweep.
    fn check_lease(
        &self,
        (node, epoch): (&NodeId, NodeEpoch),
        length: Duration,
        now: Duration,
    ) -> Result<(), RegistryError> {
        self.fence(node, epoch)?;
        let lease = self.leases.get(node);
        let holds = lease.is_some_and(|it| it.epoch == epoch && it.is_alive(now, length));
        if holds {
            Ok(())
        } else {
            Err(RegistryError::Unleased)
        }
    }

    fn end_lease(&mut self, node: &NodeId, now: Duration) {
        if self.leases.remove(node).is_some() {
            self.gone.push_back((now, node.clone()));
        }
        while let Some((since, _)) = self.gone.front()
            && now.saturating_sub(*since) > bounds::KEEP_NODES
        {
            let gone = self.gone.pop_front().map(|(_, node)| node);
            if let Some(node) = gone.filter(|node| !self.leases.contains_key(node)) {
                self.epochs.remove(&node);
            }
        }
    }

    fn drop_peers(&mut self, room: &RoomName, node: &NodeId, epoch: NodeEpoch) {
        let key = (room.clone(), node.clone());
        if self
            .peers
            .get(&key)
            .is_some_and(|peers| peers.epoch <= epoch)
        {
            self.peers.remove(&key);
        }
    }

    /// A room that nobody has any more keeps its epoch for a while.
    fn tidy(&mut self, name: &RoomName, now: Duration) {
        if let Some(room) = self.rooms.get_mut(name).filter(|room| room.is_empty()) {
            room.emptied = Some(now);
            self.emptied.push_back((now, name.clone()));
        }
        while let Some((since, name)) = self.emptied.front()
            && now.saturating_sub(*since) > bounds::KEEP_ROOMS
        {
            let is_due = |room: &Room| room.emptied == Some(*since);
            if self.rooms.get(name).is_some_and(is_due) {
                self.rooms.remove(name);
            }
            self.emptied.pop_front();
        }
    }
}

impl Leased {
    fn is_alive(&self, now: Duration, lease: Duration) -> bool {
        now.saturating_sub(self.renewed) <= lease
    }

    fn pending(&self) -> u32 {
        let [before, since] = self.pending;
        before.saturating_add(since)
    }

    fn view(&self, node: &NodeId, now: Duration) -> Lease {
        Lease {
            node: node.clone(),
            epoch: self.epoch,
            since_renewal: now.saturating_sub(self.renewed),
            draining: self.record.draining,
            pending: self.pending(),
        }
    }
}

impl Room {
    fn is_empty(&self) -> bool {
        self.home.is_none() && self.parts.is_empty()
    }

    fn drop_part(&mut self, node: &NodeId, epoch: NodeEpoch) -> bool {
        let is_meant = self.parts.get(node).is_some_and(|(of, _)| *of <= epoch);
        is_meant && self.parts.remove(node).is_some()
    }
}
