//! The rooms of a node.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use plenum_api::{
    error::ErrorKind,
    status::{RoomPlacement, Stats},
};
use plenum_ids::{PeerId, RoomId, RouterId, WorkerId};
use plenum_ipc::{Answer, Request};
use plenum_params::{
    log::LogOptions,
    stats::WorkerStats,
    trace::{TraceObject, TraceTypes},
};
use plenum_room::{PlaceId, RoomConfig, SessionId};
use plenum_supervisor::{Supervisor, Traces, Worker, WorkerError, WorkerEvent, WorkerState};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{debug, info, warn};

use crate::{
    config::HostConfig,
    dispatch,
    figures::{Counts, NodeFigures, worker_figures},
    moving::{Displaced, Plans},
    objects::Objects,
    placement::{NoPlace, Resource},
    room_task::{Figures, Ground, Input, Owner, RoomTask},
    session::Session,
    status::worker_status,
    tally::Tally,
    trunks::Trunks,
};

/// The rooms of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) shared: Arc<Shared>,
}

/// What the first client of a room may ask of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct RoomOptions {
    /// Consumers that a peer gets of each producer beyond the first one, for load tests.
    pub consumer_replicas: u8,
}

/// A client was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// All workers that run are being drained.
    #[error("all media workers are being drained, try again later")]
    Draining,
    /// The room would be a new one, and all workers are at a limit.
    #[error("the server is full and takes no new rooms now ({0}), try again later")]
    Full(Resource),
    /// The room's workers are at a limit, and all others, too.
    #[error(
        "the server is full and takes no further peers into this room now ({0}), try again later"
    )]
    FullForRoom(Resource),
    /// No worker runs.
    #[error("no media worker is running, try again later")]
    NoWorker,
    /// The room cannot keep up.
    #[error("the room is overloaded")]
    Overloaded,
    /// The node is about to end.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The limit of rooms is reached.
    #[error("the server has as many rooms as it may have")]
    TooManyRooms,
}

impl ConnectError {
    /// Its place in the table of errors.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

impl Host {
    /// Takes over the workers and their events. Call inside a tokio runtime.
    #[must_use]
    pub fn start(
        config: HostConfig,
        supervisor: Arc<Supervisor>,
        events: mpsc::UnboundedReceiver<WorkerEvent>,
    ) -> Self {
        let shared = Arc::new(Shared {
            config,
            supervisor,
            objects: Objects::new(),
            trunks: Trunks::default(),
            rooms: Mutex::new(Rooms::default()),
            next_session: AtomicU64::new(0),
            counts: Counts::default(),
            running_tasks: watch::Sender::new(0),
            ending: watch::Sender::new(None),
            worker_starts: watch::Sender::new(0),
        });
        tokio::spawn(dispatch::run(Arc::clone(&shared), events));
        Self { shared }
    }

    /// A place in a room, which is made with `options` if it does not exist. A session of the same peer in the room is
    /// ended.
    pub fn connect(
        &self,
        room: &RoomId,
        peer: PeerId,
        options: RoomOptions,
    ) -> Result<Session, ConnectError> {
        let shared = &self.shared;
        let id = SessionId(shared.next_session.fetch_add(1, Ordering::Relaxed));
        let (sender, events) = mpsc::channel(shared.config.session_queue);
        let mut rooms = shared.rooms();
        if rooms.closing {
            return Err(ConnectError::ShuttingDown);
        }
        rooms.give_up_lost(room);
        if !rooms.by_id.contains_key(room) {
            self.open_room(&mut rooms, room, options)?;
        }
        let room = self.seat(&mut rooms, room, |place, opening, arrival| Input::Connect {
            session: id,
            peer,
            place,
            opening,
            arrival,
            events: sender,
        })?;
        let opened = &shared.counts.sessions_opened;
        opened.fetch_add(1, Ordering::Relaxed);
        Ok(Session { id, room, events })
    }

    /// Whether joins are taken, and if not, why.
    pub fn readiness(&self) -> Result<(), ConnectError> {
        if self.shared.rooms().closing {
            return Err(ConnectError::ShuttingDown);
        }
        if self.shared.supervisor.running().is_empty() {
            return Err(ConnectError::NoWorker);
        }
        Ok(())
    }

    /// Numbers of workers that died too often and wait.
    pub fn held_workers(&self) -> Vec<u16> {
        let workers = self.shared.supervisor.workers().into_iter();
        let held = workers.filter(|info| info.state == WorkerState::Held);
        held.map(|info| info.id.0).collect()
    }

    /// Rooms and workers as they are now.
    pub async fn stats(&self) -> Stats {
        let shared = &self.shared;
        let infos = self.shared.supervisor.workers();
        let figures = join_all(infos.iter().map(|info| self.worker_stats(info.id))).await;
        let rooms = shared.rooms();
        let mut distribution: BTreeMap<_, Vec<_>> =
            infos.iter().map(|info| (info.id.0, Vec::new())).collect();
        let mut total_peers = 0;
        let mut placements = BTreeMap::new();
        for (id, entry) in &rooms.by_id {
            total_peers += entry.figures.joined.load(Ordering::Relaxed);
            for spot in &entry.spots {
                let worker_id = spot.worker.id().0;
                let names = distribution.entry(worker_id).or_default();
                names.push(id.to_string());
            }
            placements.insert(id.to_string(), room_placement(&entry.spots));
        }
        for names in distribution.values_mut() {
            names.sort_unstable();
        }
        let capacity = &shared.config.worker_capacity;
        let workers = infos.iter().zip(figures);
        Stats {
            workers: workers
                .map(|(info, stats)| {
                    let drain = rooms.drain_status(info.id);
                    worker_status(info, stats, drain, capacity)
                })
                .collect(),
            distribution,
            placements,
            total_rooms: rooms.by_id.len(),
            total_peers,
        }
    }

    /// The node in figures. Asks nobody, so that it answers at once whatever the workers do.
    pub fn figures(&self) -> NodeFigures {
        let shared = &self.shared;
        let (infos, usage) = (shared.supervisor.workers(), shared.supervisor.node_usage());
        let capacity = &shared.config.worker_capacity;
        let running = infos.iter().any(|info| info.state == WorkerState::Running);
        let rooms = shared.rooms();
        let workers = infos.iter().map(|info| {
            let drain = rooms.drain_status(info.id);
            worker_figures(info, &drain, capacity)
        });
        NodeFigures {
            ready: running && !rooms.closing,
            closing: rooms.closing,
            rooms: rooms.by_id.len(),
            workers: workers.collect(),
            ..NodeFigures::new(&shared.counts, &usage)
        }
    }

    /// What a worker logs; `None`: there is no such worker.
    pub fn worker_log(&self, worker: WorkerId) -> Option<LogOptions> {
        self.shared.supervisor.log(worker)
    }

    /// Tells a worker what to log from now on, also when it is started again; `false`: there is no such worker.
    pub async fn set_worker_log(&self, worker: WorkerId, options: LogOptions) -> bool {
        match self.shared.supervisor.set_log(worker, options).await {
            Some(Err(err)) => {
                warn!(%worker, %err, "the worker hears what to log when it starts again");
            }
            Some(Ok(())) => {}
            None => return false,
        }
        true
    }

    /// Tells a worker what of an object to trace from now on; `None`: that worker does not run.
    pub async fn set_trace(
        &self,
        worker: WorkerId,
        object: TraceObject,
        types: TraceTypes,
    ) -> Option<Result<(), WorkerError>> {
        let worker = self.shared.supervisor.worker(worker)?;
        Some(worker.set_trace(object, types).await)
    }

    /// What a worker traced since this was last asked; `None`: it does not run.
    pub fn take_traces(&self, worker: WorkerId) -> Option<Traces> {
        Some(self.shared.supervisor.worker(worker)?.take_traces())
    }

    /// Lets nobody in any more. Rooms that are there go on.
    pub fn close_doors(&self) {
        self.shared.rooms().closing = true;
    }

    /// Tells sessions that the node ends after this time; see [`Self::ending`].
    pub fn announce_end(&self, after: Duration) {
        self.shared.ending.send_replace(Some(after));
    }

    /// How long rooms may still go on, from when it changed; `None`: for as long as anybody likes.
    pub fn ending(&self) -> watch::Receiver<Option<Duration>> {
        self.shared.ending.subscribe()
    }

    /// Completes when no room is left.
    pub async fn emptied(&self) {
        let mut running = self.shared.running_tasks.subscribe();
        // The sender lives in `shared`, so waiting cannot fail.
        let _ = running.wait_for(|count| *count == 0).await;
    }

    /// Ends every room: clients are told to come back later. Returns when all rooms have ended.
    pub async fn shutdown(&self) {
        let senders: Vec<_> = {
            let mut rooms = self.shared.rooms();
            rooms.closing = true;
            rooms.by_id.values().map(|e| e.sender.clone()).collect()
        };
        for sender in senders {
            let _ = sender.send(Input::Shutdown).await;
        }
        self.emptied().await;
    }

    fn open_room(
        &self,
        rooms: &mut Rooms,
        id: &RoomId,
        options: RoomOptions,
    ) -> Result<(), ConnectError> {
        let shared = &self.shared;
        if rooms.by_id.len() >= shared.config.max_rooms {
            return Err(ConnectError::TooManyRooms);
        }
        let (worker, placement) = self.place(rooms)?;
        let ground = self.ground(rooms, worker)?;
        debug!(room = %id, worker = %placement.worker, reason = %placement, "room placed");
        let opened = &shared.counts.rooms_opened;
        opened.fetch_add(1, Ordering::Relaxed);
        rooms.last_key += 1;
        let key = rooms.last_key;
        rooms.last_used.insert(placement.worker, key);
        rooms
            .displaced
            .handle_reopened(id, placement.worker, Instant::now());
        let (sender, inputs) = mpsc::channel(shared.config.room_queue);
        let figures = Arc::new(Figures::default());
        rooms.insert(
            id.clone(),
            Entry {
                key,
                spots: vec![Spot::new(PlaceId::FIRST, &ground, placement.to_string())],
                last_place: PlaceId::FIRST,
                sender: sender.clone(),
                arriving: 0,
                figures: Arc::clone(&figures),
            },
        );
        let config = RoomConfig {
            transport: shared.config.transport.clone(),
            consumer_replicas: options.consumer_replicas,
            join_timeout: shared.config.join_timeout,
            announce_up_to: shared.config.announce_up_to,
            limits: shared.config.limits,
            ..RoomConfig::new(RouterId::random(), Arc::clone(&shared.config.capabilities))
        };
        let running = Running::new(Arc::clone(shared));
        let (id, shared) = (id.clone(), Arc::clone(shared));
        tokio::spawn(async move {
            let room = RoomTask::new(id, key, config, ground, sender, figures, shared);
            room.run(inputs).await;
            drop(running);
        });
        Ok(())
    }

    async fn worker_stats(&self, id: WorkerId) -> Option<WorkerStats> {
        let worker = self.shared.supervisor.worker(id)?;
        match timeout(STATS_TIMEOUT, worker.request(Request::WorkerStats)).await {
            Ok(Ok(Answer::WorkerStats(stats))) => Some(*stats),
            _ => None,
        }
    }
}

/// A worker that does not answer in this time is shown with the figures of its last heartbeat.
const STATS_TIMEOUT: Duration = Duration::from_millis(500);

/// What a host's handles, its rooms' tasks and its dispatcher share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: HostConfig,
    pub(crate) objects: Objects<Owner>,
    pub(crate) trunks: Trunks,
    pub(crate) supervisor: Arc<Supervisor>,
    rooms: Mutex<Rooms>,
    next_session: AtomicU64,
    pub(crate) counts: Counts,
    running_tasks: watch::Sender<usize>,
    ending: watch::Sender<Option<Duration>>,
    /// How often a worker was started again.
    pub(crate) worker_starts: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Rooms {
    pub(crate) by_id: HashMap<RoomId, Entry>,
    per_worker: HashMap<WorkerId, usize>,
    last_key: u64,
    /// The key of the latest room that each worker got.
    pub(crate) last_used: HashMap<WorkerId, u64>,
    /// Why the latest room had no place.
    refusal: Option<NoPlace>,
    /// Consumers that rooms have or will soon have at each worker.
    pub(crate) live: HashMap<WorkerId, Arc<AtomicU64>>,
    pub(crate) closing: bool,
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
fn room_placement(spots: &[Spot]) -> RoomPlacement {
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

impl Shared {
    /// A session that was on its way has reached the room's task.
    pub(crate) fn arrived(&self, id: &RoomId, key: u64, place: PlaceId) {
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
    pub(crate) fn remove_room_if_deserted(&self, id: &RoomId, key: u64) -> bool {
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
    pub(crate) fn remove_room(&self, id: &RoomId, key: u64) {
        self.rooms().remove(id, key);
    }

    /// Takes a place off the list unless somebody is on the way to it, or it is the only one.
    pub(crate) fn remove_place_if_deserted(&self, id: &RoomId, key: u64, place: PlaceId) -> bool {
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
    pub(crate) fn remove_place(&self, id: &RoomId, key: u64, place: PlaceId) {
        self.rooms().remove_place(id, key, place);
    }

    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Every change leaves a whole table, whatever panics in between.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
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

    /// A room goes to another worker, too.
    pub(crate) fn add_place(&mut self, id: &RoomId, spot: Spot) {
        if let Some(entry) = self.by_id.get_mut(id) {
            *self.per_worker.entry(spot.worker.id()).or_default() += 1;
            entry.last_place = spot.place;
            entry.spots.push(spot);
        }
    }

    fn insert(&mut self, id: RoomId, entry: Entry) {
        for spot in &entry.spots {
            *self.per_worker.entry(spot.worker.id()).or_default() += 1;
        }
        self.by_id.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: &RoomId, key: u64) {
        if self.by_id.get(id).is_none_or(|entry| entry.key != key) {
            return;
        }
        for spot in self.by_id.remove(id).into_iter().flat_map(|it| it.spots) {
            self.uncount(spot.worker.id());
        }
    }

    /// Takes a place off the list, and the room if it has no other.
    pub(crate) fn remove_place(&mut self, id: &RoomId, key: u64, place: PlaceId) {
        let entry = self.by_id.get_mut(id).filter(|entry| entry.key == key);
        let Some(entry) = entry else {
            return;
        };
        let Some(index) = entry.spots.iter().position(|spot| spot.place == place) else {
            return;
        };
        let spot = entry.spots.remove(index);
        if entry.spots.is_empty() {
            self.by_id.remove(id);
        }
        self.uncount(spot.worker.id());
    }

    fn uncount(&mut self, worker: WorkerId) {
        if let Some(count) = self.per_worker.get_mut(&worker) {
            *count -= 1;
        }
    }
}

/// Counts a room's task while it runs, however it ends.
struct Running {
    shared: Arc<Shared>,
}

impl Running {
    fn new(shared: Arc<Shared>) -> Self {
        shared.running_tasks.send_modify(|count| *count += 1);
        Self { shared }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running_tasks.send_modify(|count| *count -= 1);
    }
}
