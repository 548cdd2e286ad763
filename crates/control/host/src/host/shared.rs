//! What a node's rooms have in common.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use plenum_ids::RoomName;
use plenum_room::PlaceId;
use plenum_supervisor::Supervisor;
use tokio::sync::watch;

use crate::{
    cluster::Cluster,
    config::HostConfig,
    figures::Counts,
    happenings::Watchers,
    objects::Objects,
    room_task::Owner,
    rooms::Rooms,
    trunks::{Trunks, nodes::NodeTrunks},
};

/// What a host's handles, its rooms' tasks and its dispatcher share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: HostConfig,
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) objects: Objects<Owner>,
    pub(crate) trunks: Trunks,
    /// Those to other nodes, if there are any.
    pub(crate) node_trunks: Option<NodeTrunks>,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(super) rooms: Mutex<Rooms>,
    pub(super) next_session: AtomicU64,
    pub(crate) counts: Counts,
    pub(crate) watchers: Watchers,
    pub(super) running_tasks: watch::Sender<usize>,
    pub(super) ending: watch::Sender<Option<Duration>>,
    /// See [`super::Host::departing`].
    pub(crate) departing: watch::Sender<Option<Instant>>,
    /// How often a worker was started again.
    pub(crate) worker_starts: watch::Sender<u64>,
}

impl Shared {
    /// A session that was on its way has reached the room's task.
    pub(crate) fn arrived(&self, id: &RoomName, key: u64, place: PlaceId) {
        if let Some(entry) = self.rooms().by_id.get_mut(id)
            && entry.key == key
        {
            entry.arriving -= 1;
            if let Some(spot) = entry.spots.iter_mut().find(|spot| spot.place == place) {
                spot.arriving -= 1;
            }
        }
    }

    /// Takes a room off the list unless somebody is on the way to it. Whoever comes from now on gets a new room.
    pub(crate) fn remove_room_if_deserted(&self, id: &RoomName, key: u64) -> bool {
        let mut rooms = self.rooms();
        let is_deserted = rooms
            .by_id
            .get(id)
            .is_none_or(|entry| entry.key != key || entry.arriving == 0);
        if is_deserted {
            rooms.remove(id, key);
        }
        is_deserted
    }

    /// Takes a room off the list.
    pub(crate) fn remove_room(&self, id: &RoomName, key: u64) {
        self.rooms().remove(id, key);
    }

    /// Takes a place off the list unless somebody is on the way to it, or it is the only one.
    pub(crate) fn remove_place_if_deserted(&self, id: &RoomName, key: u64, place: PlaceId) -> bool {
        let mut rooms = self.rooms();
        let entry = rooms.by_id.get(id).filter(|entry| entry.key == key);
        let is_deserted = entry.is_some_and(|entry| {
            let mut spots = entry.spots.iter();
            let spot = spots.find(|spot| spot.place == place);
            entry.spots.len() > 1 && spot.is_some_and(|spot| spot.arriving == 0)
        });
        if is_deserted {
            rooms.remove_place(id, key, place);
        }
        is_deserted
    }

    /// A room has given up one of its places.
    pub(crate) fn remove_place(&self, id: &RoomName, key: u64, place: PlaceId) {
        self.rooms().remove_place(id, key, place);
    }

    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Every change leaves a whole table, whatever panics in between.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a room's task while it runs, however it ends.
pub(super) struct Running {
    shared: Arc<Shared>,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        shared.running_tasks.send_modify(|count| *count += 1);
        Self { shared }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running_tasks.send_modify(|count| *count -= 1);
    }
}
