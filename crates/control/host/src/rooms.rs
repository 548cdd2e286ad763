//! The table of rooms that a host has.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use plenum_api::status::RoomPlacement;
use plenum_ids::{PeerId, RoomName, WorkerId};
use plenum_room::PlaceId;
use plenum_supervisor::Worker;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{
    cluster::Leaving,
    moving::{Displaced, Legacy, Plans},
    namespaces::Namespaces,
    placement::NoPlace,
    room_task::{Figures, Ground, Input},
    tally::Tally,
};

#[derive(Debug, Default)]
pub(crate) struct Rooms {
    pub(crate) by_id: HashMap<RoomName, Entry>,
    per_worker: HashMap<WorkerId, usize>,
    pub(crate) namespaces: Namespaces,
    pub(crate) last_key: u64,
    /// The key of the latest room that each worker got.
    pub(crate) last_used: HashMap<WorkerId, u64>,
    /// Why the latest room had no place.
    refusal: Option<NoPlace>,
    /// Consumers that rooms have or will soon have at each worker.
    pub(crate) live: HashMap<WorkerId, Arc<AtomicU64>>,
    pub(crate) closing: bool,
    /// While everybody is to leave the node.
    pub(crate) leaving: Option<Leaving>,
    /// The number of the latest time that this was asked for.
    pub(crate) last_leaving: u64,
    /// What operators have asked for.
    pub(crate) plans: Plans,
    /// Rooms that lost their worker and consumers that are about to appear on others.
    pub(crate) displaced: Displaced,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: u64,
    /// At least one, oldest first.
    pub(crate) spots: Vec<Spot>,
    pub(crate) last_place: PlaceId,
    pub(crate) sender: mpsc::Sender<Input>,
    /// Sessions on their way to the room's task.
    pub(crate) arriving: usize,
    pub(crate) figures: Arc<Figures>,
    /// Peers go to its places by turns.
    pub(crate) two_routers: bool,
    pub(crate) opened: SystemTime,
    /// What an operator said who opened it.
    pub(crate) empty_timeout: Option<Duration>,
}

impl Entry {
    /// Who is there or on the way.
    pub(crate) fn clients(&self) -> usize {
        self.figures.sessions.load(Ordering::Relaxed) + self.arriving
    }

    /// What whoever opens it again elsewhere finds.
    pub(crate) fn legacy(&self) -> Legacy {
        Legacy {
            peers: self.figures.joined.load(Ordering::Relaxed),
            properties: self.figures.properties(),
            members: self.figures.members.all(),
            empty_timeout: self.empty_timeout,
        }
    }
}

/// A worker that a room is on.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(crate) place: PlaceId,
    pub(crate) worker: Worker,
    pub(crate) tally: Arc<Tally>,
    /// Sessions on their way there.
    pub(crate) arriving: usize,
    /// Why it is there, for people.
    reason: String,
}

impl Spot {
    pub(crate) fn new(place: PlaceId, ground: &Ground, reason: String) -> Self {
        Self {
            place,
            worker: ground.end.worker.clone(),
            tally: Arc::clone(&ground.tally),
            arriving: 0,
            reason,
        }
    }
}

/// The place that a room has had for longest, and after it the further ones.
pub(crate) fn room_placement(spots: &[Spot]) -> RoomPlacement {
    let placement = |spot: &Spot| RoomPlacement {
        worker_id: spot.worker.id().0,
        reason: spot.reason.clone(),
        further: Vec::new(),
    };
    let mut all = spots.iter().map(placement);
    let mut first = all.next().unwrap_or_default();
    first.further = all.collect();
    first
}

impl Rooms {
    /// Rooms that somebody is in, and how many those are.
    pub(crate) fn clients(&self) -> Vec<(mpsc::Sender<Input>, usize)> {
        let rooms = self.by_id.values();
        rooms
            .map(|entry| (entry.sender.clone(), entry.clients()))
            .filter(|(_, clients)| *clients > 0)
            .collect()
    }

    pub(crate) fn on(&self, worker: WorkerId) -> usize {
        self.per_worker.get(&worker).copied().unwrap_or(0)
    }

    /// Says once that rooms find no place, and once that they do again, however many come meanwhile.
    pub(crate) fn note_refusal(&mut self, refusal: Option<NoPlace>) {
        match refusal {
            Some(refusal) if self.refusal != Some(refusal) => {
                warn!(?refusal, "no worker takes new rooms");
            }
            None if self.refusal.is_some() => info!("workers take new rooms again"),
            _ => {}
        }
        self.refusal = refusal;
    }

    /// Whether somebody has joined a room that is there.
    pub(crate) fn has_member(&self, room: &RoomName, peer: &PeerId) -> bool {
        let entry = self.by_id.get(room);
        entry.is_some_and(|entry| entry.figures.members.contains(peer))
    }

    /// A room goes to another worker, too.
    pub(crate) fn add_place(&mut self, id: &RoomName, spot: Spot) {
        if let Some(entry) = self.by_id.get_mut(id) {
            *self.per_worker.entry(spot.worker.id()).or_default() += 1;
            entry.last_place = spot.place;
            entry.spots.push(spot);
        }
    }

    pub(crate) fn insert(&mut self, id: RoomName, entry: Entry) {
        self.namespaces.add_room(&id.namespace);
        for spot in &entry.spots {
            *self.per_worker.entry(spot.worker.id()).or_default() += 1;
        }
        self.by_id.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: &RoomName, key: u64) {
        if self.by_id.get(id).is_none_or(|entry| entry.key != key) {
            return;
        }
        for spot in self.take(id).into_iter().flat_map(|it| it.spots) {
            self.uncount(spot.worker.id());
        }
    }

    /// Takes a place off the list, and the room if it has no other.
    pub(crate) fn remove_place(&mut self, id: &RoomName, key: u64, place: PlaceId) {
        let entry = self.by_id.get_mut(id).filter(|entry| entry.key == key);
        let Some(entry) = entry else {
            return;
        };
        let Some(index) = entry.spots.iter().position(|spot| spot.place == place) else {
            return;
        };
        let spot = entry.spots.remove(index);
        if entry.spots.is_empty() {
            self.take(id);
        }
        self.uncount(spot.worker.id());
    }

    fn take(&mut self, id: &RoomName) -> Option<Entry> {
        let entry = self.by_id.remove(id)?;
        self.namespaces.remove_room(&id.namespace);
        Some(entry)
    }

    fn uncount(&mut self, worker: WorkerId) {
        if let Some(count) = self.per_worker.get_mut(&worker) {
            *count -= 1;
        }
    }
}
