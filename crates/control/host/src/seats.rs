//! Where the session of a peer goes: to a new room's worker, or to one of a room's places.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use plenum_ids::{RoomName, WorkerId};
use plenum_room::PlaceId;
use plenum_supervisor::Worker;
use tokio::sync::mpsc;
use tracing::info;

use crate::{
    host::{ConnectError, Host},
    placement::{self, Candidate, NoPlace, Placement},
    room_task::{Ground, Input},
    rooms::{Entry, Rooms, Spot},
    spread::{self, Choice, Limits, Standing},
    status::load,
    tally::{Arrival, Tally},
    trunks::End,
};

impl Host {
    /// Sends a session to the place in a room that is there where it shall be.
    pub(crate) fn seat(
        &self,
        rooms: &mut Rooms,
        id: &RoomName,
        connect: impl FnOnce(PlaceId, Option<Ground>, Arrival) -> Input,
    ) -> Result<mpsc::Sender<Input>, ConnectError> {
        let (place, opening) = self.choose_place(rooms, id)?;
        let entry = rooms.by_id.get_mut(id).ok_or(ConnectError::Overloaded)?;
        let producers = entry.figures.producers.load(Ordering::Relaxed);
        let spots = &mut entry.spots;
        let known = spots.iter_mut().find(|spot| spot.place == place);
        let tally = match (&known, &opening) {
            (Some(spot), _) => &spot.tally,
            (None, Some((ground, _))) => &ground.tally,
            (None, None) => return Err(ConnectError::Overloaded),
        };
        let arrival = Arrival::new(tally, producers);
        let ground = opening.as_ref().map(|(ground, _)| ground.clone());
        let sent = entry.sender.try_send(connect(place, ground, arrival));
        sent.map_err(|_| ConnectError::Overloaded)?;
        entry.arriving += 1;
        let sender = entry.sender.clone();
        match (known, opening) {
            (Some(spot), _) => spot.arriving += 1,
            (None, Some((ground, reason))) => {
                let mut spot = Spot::new(place, &ground, reason);
                spot.arriving = 1;
                rooms.add_place(id, spot);
            }
            (None, None) => {}
        }
        Ok(sender)
    }

    /// A place, and what it needs if the room does not have it yet: its worker and why that one.
    fn choose_place(
        &self,
        rooms: &mut Rooms,
        id: &RoomName,
    ) -> Result<(PlaceId, Option<(Ground, String)>), ConnectError> {
        let config = &self.shared.config;
        let candidates = self.candidates(rooms);
        let entry = rooms.by_id.get(id).ok_or(ConnectError::Overloaded)?;
        let standings = standings(entry, &candidates);
        let others: Vec<_> = candidates
            .into_iter()
            .map(|(candidate, _)| candidate)
            .filter(|it| entry.spots.iter().all(|spot| spot.worker.id() != it.worker))
            .collect();
        let limits = Limits {
            per_worker: config.worker_capacity,
            of_node: config.node_capacity,
            room_consumers: config.max_room_consumers,
            by_turns: entry.two_routers,
        };
        let choice = spread::choose(&standings, &others, &limits);
        let spread = match choice.map_err(|refusal| refused(refusal, ConnectError::FullForRoom))? {
            Choice::Stay(place) => return Ok((place, None)),
            Choice::Spread(spread) => spread,
        };
        let place = free_place(entry);
        let id_of_worker = spread.placement.worker;
        let worker = self.shared.supervisor.worker(id_of_worker);
        let ground = self.ground(rooms, worker.ok_or(ConnectError::NoWorker)?)?;
        info!(room = %id, worker = %id_of_worker, reason = %spread, "room spreads");
        Ok((place, Some((ground, spread.to_string()))))
    }

    /// Chooses a worker for a new room.
    pub(crate) fn place(&self, rooms: &mut Rooms) -> Result<(Worker, Placement), ConnectError> {
        let (candidates, workers): (Vec<_>, Vec<_>) = self.candidates(rooms).into_iter().unzip();
        let config = &self.shared.config;
        let placed = placement::choose(&candidates, &config.worker_capacity, &config.node_capacity);
        rooms.note_refusal(placed.as_ref().err().copied());
        let placement = placed.map_err(|refusal| refused(refusal, ConnectError::Full))?;
        let mut workers = workers.into_iter().flatten();
        let worker = workers.find(|worker| worker.id() == placement.worker);
        Ok((worker.ok_or(ConnectError::NoWorker)?, placement))
    }

    /// All workers as a choice sees them, with their processes.
    fn candidates(&self, rooms: &Rooms) -> Vec<(Candidate, Option<Worker>)> {
        let supervisor = &self.shared.supervisor;
        let infos = supervisor.workers().into_iter();
        let now = Instant::now();
        infos
            .map(|info| {
                let worker = supervisor.worker(info.id);
                let mut load = rooms.displaced.expected(load(&info), info.id, now);
                load.consumers = load.consumers.max(rooms.live_consumers(info.id));
                let candidate = Candidate {
                    worker: info.id,
                    open: worker.as_ref().is_some_and(|worker| !worker.is_closed()),
                    draining: rooms.plans.is_draining(info.id),
                    rooms: rooms.on(info.id),
                    last_used: rooms.last_used.get(&info.id).copied().unwrap_or(0),
                    load,
                };
                (candidate, worker)
            })
            .collect()
    }

    pub(crate) fn ground(&self, rooms: &mut Rooms, worker: Worker) -> Result<Ground, ConnectError> {
        let address = self.shared.supervisor.trunk_address(worker.id());
        let address = address.ok_or(ConnectError::NoWorker)?;
        let tally = Arc::new(rooms.tally(worker.id()));
        let end = End { worker, address };
        Ok(Ground { end, tally })
    }
}

impl Rooms {
    fn tally(&mut self, worker: WorkerId) -> Tally {
        Tally::new(Arc::clone(self.live.entry(worker).or_default()))
    }

    fn live_consumers(&self, worker: WorkerId) -> u64 {
        let live = self.live.get(&worker);
        live.map_or(0, |live| live.load(Ordering::Relaxed))
    }
}

fn standings(entry: &Entry, candidates: &[(Candidate, Option<Worker>)]) -> Vec<Standing> {
    let standing = |spot: &Spot| {
        let mut candidates = candidates.iter().map(|(candidate, _)| candidate);
        let candidate = candidates.find(|it| it.worker == spot.worker.id())?;
        Some(Standing {
            place: spot.place,
            consumers: spot.tally.consumers(),
            worker: Candidate {
                // It may be the successor that is open.
                open: candidate.open && !spot.worker.is_closed(),
                ..*candidate
            },
        })
    };
    entry.spots.iter().filter_map(standing).collect()
}

/// The next number that no place of the room has.
fn free_place(entry: &Entry) -> PlaceId {
    let mut place = entry.last_place;
    loop {
        place = PlaceId(place.0.wrapping_add(1));
        // There are fewer workers than numbers, and a room has one place at each.
        if entry.spots.iter().all(|spot| spot.place != place) {
            return place;
        }
    }
}

fn refused(
    refusal: NoPlace,
    full: impl FnOnce(placement::Resource) -> ConnectError,
) -> ConnectError {
    match refusal {
        NoPlace::AllDraining => ConnectError::Draining,
        NoPlace::NoWorker => ConnectError::NoWorker,
        NoPlace::NodeFull(resource) | NoPlace::WorkersFull(resource) => full(resource),
    }
}
