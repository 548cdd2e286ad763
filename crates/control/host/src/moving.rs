//! Rooms that go on at another worker.
//!
//! When a worker dies, its rooms leave the list at once and then tell their sessions. Whoever comes first, be it a client
//! that was connected all the time ([`Host::reconnect`]) or one that connects anew, opens the room again, on the worker
//! that placement chooses. Nothing waits for the dead worker's successor unless there is no other worker.
//!
//! When an operator wants a worker empty ([`Host::drain`]), a room leaves the list in the same way while it still runs:
//! it asks its sessions to move, and ends when all of them have gone, or say that they need it no longer, or when the time
//! for that is over. Until then there are two rooms of one name, and only the new one can be entered.

mod drain;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use plenum_ids::{PeerId, RoomName, WorkerId};
use plenum_room::{Admission, Command, PlaceId, Returning, RoomProperties};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    cluster::Who,
    host::{ConnectError, Host, Shared},
    options::RoomOptions,
    placement::Load,
    room_task::Input,
    rooms::Rooms,
    session::Session,
};

pub use drain::DrainError;
pub(crate) use drain::Plans;

impl Host {
    /// As [`Self::connect`], for a client who was in the room until its worker was lost: limits of the namespace have let it
    /// in before. If no worker runs, waits for one to be started again.
    pub async fn reconnect(
        &self,
        room: &RoomName,
        admission: &Admission,
        options: RoomOptions,
    ) -> Result<Session, ConnectError> {
        let mut starts = self.shared.worker_starts.subscribe();
        let mut failure = ConnectError::NoWorker;
        let connecting = async {
            loop {
                let way = self.locate(room, &Who::from(admission)).await;
                let entered = match way {
                    Ok(way) => self.go(way, admission.clone(), options, true).await,
                    Err(err) => Err(err),
                };
                match entered {
                    Err(err) if err.may_pass() => failure = err,
                    result => return result,
                }
                tokio::select! {
                    // The sender lives in `shared`, so waiting cannot fail.
                    _ = starts.changed() => {}
                    () = sleep(LOCATE_AGAIN), if failure != ConnectError::NoWorker => {}
                }
            }
        };
        let patience = timeout(WORKER_PATIENCE, connecting).await;
        patience.unwrap_or(Err(failure))
    }

    /// As [`Self::reconnect`], for a room that is here.
    pub(crate) async fn enter_again(
        &self,
        room: &RoomName,
        admission: &Admission,
        options: RoomOptions,
    ) -> Result<Session, ConnectError> {
        let mut starts = self.shared.worker_starts.subscribe();
        let entering = async {
            loop {
                match self.enter(room, admission.clone(), options, false) {
                    Err(ConnectError::NoWorker) => {}
                    result => return result,
                }
                // The sender lives in `shared`, so waiting cannot fail.
                let _ = starts.changed().await;
            }
        };
        let patience = timeout(WORKER_PATIENCE, entering).await;
        patience.unwrap_or(Err(ConnectError::NoWorker))
    }
}

/// A worker is back after 0.1 s, or some seconds when it dies again and again; clients that come by themselves wait as
/// long between two attempts.
const WORKER_PATIENCE: Duration = Duration::from_secs(8);

/// Between two attempts to find a room whose node has just died: its lease ends some seconds later.
const LOCATE_AGAIN: Duration = Duration::from_millis(250);

impl ConnectError {
    /// Whether it may go in a moment by itself.
    const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::NoWorker | Self::NodeDraining | Self::RegistryAway | Self::Unreachable
        )
    }
}

impl Shared {
    /// Takes what rooms had at ended workers off the list, and rooms that had nothing else, and tells them.
    pub(crate) async fn handle_worker_death(&self) {
        self.trunks.handle_worker_death();
        let lost = {
            let mut rooms = self.rooms();
            let all: Vec<_> = rooms.by_id.keys().cloned().collect();
            let lost = all.iter().flat_map(|id| rooms.take_lost(id));
            lost.collect::<Vec<_>>()
        };
        for (room, place) in lost {
            // A room that has ended meanwhile need not know.
            let _ = room
                .send(Input::Command(Command::PlaceLost { place }))
                .await;
        }
    }
}

impl Rooms {
    /// Takes a room off the list as far as its workers have ended, if nobody has said so yet.
    pub(crate) fn give_up_lost(&mut self, id: &RoomName) {
        for (room, place) in self.take_lost(id) {
            tokio::spawn(async move {
                let _ = room
                    .send(Input::Command(Command::PlaceLost { place }))
                    .await;
            });
        }
    }

    fn take_lost(&mut self, id: &RoomName) -> Vec<(mpsc::Sender<Input>, PlaceId)> {
        let Some(entry) = self.by_id.get(id) else {
            return Vec::new();
        };
        let (key, sender) = (entry.key, entry.sender.clone());
        let closed = entry.spots.iter().filter(|spot| spot.worker.is_closed());
        let places: Vec<_> = closed.map(|spot| spot.place).collect();
        if places.len() == entry.spots.len() {
            let lost = entry.legacy();
            self.displaced.handle_lost(id, lost, Instant::now());
        }
        for place in &places {
            self.remove_place(id, key, *place);
        }
        places
            .into_iter()
            .map(|place| (sender.clone(), place))
            .collect()
    }
}

/// Rooms that have lost their worker, and what those that are open again will soon take of another one: a worker's
/// figures show that only once the clients have joined again, and without it a thousand rooms at once would go to
/// workers that have no room for them.
#[derive(Debug, Default)]
pub(crate) struct Displaced {
    /// Rooms that nobody has come back to yet: until when that counts, and what is known of them.
    waiting: HashMap<RoomName, (Instant, Legacy)>,
    /// What was promised of each worker, in the order of time.
    promised: Vec<(Instant, WorkerId, u64)>,
}

/// What is left of a room that goes on elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legacy {
    /// Peers that had joined.
    pub(crate) peers: usize,
    /// What its hosts had decided: a locked room is locked afterwards.
    pub(crate) properties: RoomProperties,
    /// Who had joined, and what it was.
    pub(crate) members: BTreeMap<PeerId, Returning>,
    /// What an operator said who had opened it.
    pub(crate) empty_timeout: Option<Duration>,
}

impl Legacy {
    /// A microphone and a camera of everybody, for everybody else.
    fn consumers(&self) -> u64 {
        let peers = self.peers as u64;
        peers
            .saturating_mul(peers.saturating_sub(1))
            .saturating_mul(2)
    }
}

/// Clients that were connected all the time are back sooner, others try again within some seconds.
const RETURN_TIME: Duration = Duration::from_secs(10);

/// Joining again takes up to two seconds, and the next heartbeat tells of it.
const PROMISE_TIME: Duration = Duration::from_secs(3);

impl Displaced {
    fn handle_lost(&mut self, id: &RoomName, legacy: Legacy, now: Instant) {
        self.waiting.retain(|_, (until, _)| *until > now);
        self.waiting.insert(id.clone(), (now + RETURN_TIME, legacy));
    }

    /// A room was opened; it may be one of those.
    pub(crate) fn handle_reopened(
        &mut self,
        id: &RoomName,
        worker: WorkerId,
        now: Instant,
    ) -> Option<Legacy> {
        self.promised.retain(|(until, ..)| *until > now);
        let (until, legacy) = self.waiting.remove(id)?;
        if until <= now {
            return None;
        }
        let promise = (now + PROMISE_TIME, worker, legacy.consumers());
        self.promised.push(promise);
        Some(legacy)
    }

    /// The load of a worker with what was promised of it.
    pub(crate) fn expected(&self, load: Load, worker: WorkerId, now: Instant) -> Load {
        let of_worker = |(until, of, _): &&(Instant, WorkerId, u64)| *of == worker && *until > now;
        let promised = self.promised.iter().filter(of_worker);
        let consumers: u64 = promised.map(|(.., consumers)| consumers).sum();
        Load {
            consumers: load.consumers.saturating_add(consumers),
            ..load
        }
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::RoomId;

    use super::*;

    #[test]
    fn what_a_lost_room_takes_counts_where_it_opens_until_figures_show_it() {
        let (mut displaced, now) = (Displaced::default(), Instant::now());
        let room = |n: u32| RoomName::from(RoomId::from(format!("room-{n}")));
        let of = |peers| Legacy {
            peers,
            ..Legacy::default()
        };
        for n in 0..100 {
            displaced.handle_lost(&room(n), of(4), now);
        }
        for n in 0..50 {
            let legacy = displaced.handle_reopened(&room(n), WorkerId(1), now);
            assert!(legacy.is_some_and(|legacy| legacy.peers == 4));
        }
        displaced.handle_reopened(&room(1000), WorkerId(2), now);
        let consumers = |displaced: &Displaced, worker, at| {
            let load = Load {
                consumers: 7,
                ..Load::default()
            };
            displaced.expected(load, WorkerId(worker), at).consumers
        };
        assert_eq!(consumers(&displaced, 1, now), 7 + 50 * 4 * 3 * 2);
        assert_eq!(consumers(&displaced, 2, now), 7);
        let later = now + PROMISE_TIME;
        assert_eq!(consumers(&displaced, 1, later), 7);
        // Who comes too late comes to a new room.
        let late = now + RETURN_TIME;
        assert!(
            displaced
                .handle_reopened(&room(50), WorkerId(1), late)
                .is_none()
        );
        assert_eq!(consumers(&displaced, 1, late), 7);
        assert!(displaced.promised.is_empty());
        displaced.handle_lost(&room(1), of(1), late);
        assert_eq!(displaced.waiting.len(), 1);
    }
}
