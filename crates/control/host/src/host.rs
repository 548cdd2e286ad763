//! The rooms of a node.

mod shared;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use plenum_api::{error::ErrorKind, status::Stats};
use plenum_ids::{PeerId, RoomName, RouterId, WorkerId};
use plenum_ipc::{Answer, Request};
use plenum_params::{
    log::LogOptions,
    stats::WorkerStats,
    trace::{TraceObject, TraceTypes},
};
use plenum_room::{Admission, Limits, PlaceId, RoomConfig, SessionId, SharedRoom};
use plenum_supervisor::{Supervisor, Traces, WorkerError, WorkerEvent, WorkerState};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{debug, warn};

use crate::{
    cluster::{Cluster, Target, Way, Who, relay},
    config::HostConfig,
    dispatch,
    figures::{Counts, NodeFigures, worker_figures},
    happenings::Watchers,
    moving::Legacy,
    objects::Objects,
    options::RoomOptions,
    overview::{is_of_everybody, shown_name, unix_millis},
    placement::Resource,
    room_task::{Beginning, Figures, Input, RoomTask},
    rooms::{Entry, Rooms, Spot, room_placement},
    session::Session,
    status::worker_status,
    trunks::{Trunks, nodes::NodeTrunks},
};

use shared::Running;
pub(crate) use shared::Shared;

/// The rooms of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) shared: Arc<Shared>,
}

/// A client was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
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
    /// The namespace has as many rooms or clients as it may have.
    #[error("the namespace has as many rooms or peers as it may have, try again later")]
    NamespaceFull,
    /// No worker runs.
    #[error("no media worker is running, try again later")]
    NoWorker,
    /// The room cannot keep up.
    #[error("the room is overloaded")]
    Overloaded,
    /// Everybody is to leave the node.
    #[error("the node is being drained and takes nobody, try again later")]
    NodeDraining,
    /// The node that has the room does not take the client, for a reason that this version does not know.
    #[error("the node that has the room did not take this, try again later")]
    Refused,
    /// The node is about to end.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// Where the room is cannot be found out: the cluster's registry does not answer.
    #[error(
        "where the room is cannot be found out now: the cluster's registry does not answer, try again later"
    )]
    RegistryAway,
    /// No node takes this client now.
    #[error("no node of the cluster takes this client into the room now, try again later")]
    NoNode,
    /// No node may.
    #[error("no node of the cluster may take this client into the room")]
    NotAllowed,
    /// The room is at another node, which cannot be reached.
    #[error("the room is at another node, which cannot be reached from here, try again later")]
    Unreachable,
    /// The limit of rooms is reached.
    #[error("the server has as many rooms as it may have")]
    TooManyRooms,
}

impl ConnectError {
    /// Its place in the table of errors.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::NamespaceFull => ErrorKind::TooMany,
            Self::NotAllowed => ErrorKind::Forbidden,
            _ => ErrorKind::Unavailable,
        }
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
        let me = config.cluster.as_ref().map(|cluster| cluster.me().clone());
        let node_trunks = me.map(NodeTrunks::new);
        let shared = Arc::new(Shared {
            cluster: config.cluster.clone(),
            config,
            supervisor,
            objects: Objects::new(),
            trunks: Trunks::default(),
            node_trunks,
            rooms: Mutex::new(Rooms::default()),
            next_session: AtomicU64::new(0),
            counts: Counts::default(),
            watchers: Watchers::default(),
            running_tasks: watch::Sender::new(0),
            ending: watch::Sender::new(None),
            departing: watch::Sender::new(None),
            worker_starts: watch::Sender::new(0),
        });
        if let Some(cluster) = &shared.cluster {
            cluster.serve(&shared);
            tokio::spawn(NodeTrunks::keep(
                Arc::clone(cluster),
                Arc::downgrade(&shared),
            ));
        }
        tokio::spawn(dispatch::run(Arc::clone(&shared), events));
        Self { shared }
    }

    /// Where somebody is to enter a room. Without a cluster that is here, whoever it is.
    pub async fn locate(&self, room: &RoomName, who: &Who) -> Result<Way, ConnectError> {
        match &self.shared.cluster {
            Some(cluster) => cluster.locate(self, room, who).await,
            None => Ok(Way::here(room)),
        }
    }

    /// A place in a room, which is made with `options` if it does not exist. A session of the same peer in the room ends when
    /// this one joins, or at once if it has not joined itself.
    pub async fn connect(
        &self,
        way: Way,
        admission: Admission,
        options: RoomOptions,
    ) -> Result<Session, ConnectError> {
        let (is_closing, is_drained) = {
            let rooms = self.shared.rooms();
            (rooms.closing, rooms.leaving.is_some())
        };
        if is_closing {
            return Err(ConnectError::ShuttingDown);
        }
        // Of a room that is here it says so by itself.
        if is_drained && !way.is_here() {
            return Err(ConnectError::NodeDraining);
        }
        self.go(way, admission, options, false).await
    }

    /// With `again`, for somebody whom limits of the namespace have let in before.
    pub(crate) async fn go(
        &self,
        way: Way,
        admission: Admission,
        options: RoomOptions,
        again: bool,
    ) -> Result<Session, ConnectError> {
        match (way.target, &self.shared.cluster) {
            (Target::Here, _) => {
                let peer = admission.peer.clone();
                let session = self.enter(&way.room, admission, options, !again)?;
                Ok(self.noted(session, &way.room, &peer, &way.reasons))
            }
            (Target::There(node), Some(cluster)) => {
                let count = cluster.relays().count();
                let whom = (&way.room, admission, options);
                let queue = self.shared.config.session_queue;
                let whence = (again, way.reasons);
                relay::enter(
                    Arc::clone(cluster) as _,
                    &node,
                    whom,
                    whence,
                    (queue, count),
                )
                .await
            }
            (Target::There(_), None) => Err(ConnectError::Unreachable),
        }
    }

    /// With a note of why somebody is here.
    pub(crate) fn noted(
        &self,
        session: Session,
        room: &RoomName,
        peer: &PeerId,
        reasons: &[String],
    ) -> Session {
        let cluster = self.shared.cluster.as_ref();
        session.with_note(cluster.map(|it| it.note(room, peer, reasons)))
    }

    /// Whether a room is here.
    pub(crate) fn has_room(&self, room: &RoomName) -> bool {
        self.shared.rooms().by_id.contains_key(room)
    }

    /// The cluster that this node belongs to.
    #[must_use]
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.shared.cluster.as_ref()
    }

    /// With `limited`, only if the namespace may have one client more.
    pub(crate) fn enter(
        &self,
        room: &RoomName,
        admission: Admission,
        options: RoomOptions,
        limited: bool,
    ) -> Result<Session, ConnectError> {
        let shared = &self.shared;
        let id = SessionId(shared.next_session.fetch_add(1, Ordering::Relaxed));
        let (sender, events) = mpsc::channel(shared.config.session_queue);
        let mut rooms = shared.rooms();
        // First: who is led away finds another node as soon as the others know that this one takes nobody.
        if rooms.leaving.is_some() {
            return Err(ConnectError::NodeDraining);
        }
        if rooms.closing {
            return Err(ConnectError::ShuttingDown);
        }
        rooms.give_up_lost(room);
        let namespace = &room.namespace;
        let limits = shared.config.namespace_limits(namespace);
        // Whoever comes back takes the place of its own older session.
        if limited && !rooms.has_member(room, &admission.peer) {
            rooms.namespaces.check_peer(namespace, &limits)?;
        }
        if !rooms.by_id.contains_key(room) {
            if limited {
                rooms.namespaces.check_room(namespace, &limits)?;
            }
            self.open_room(&mut rooms, room, options, Legacy::default())?;
        }
        let sender = self.seat(&mut rooms, room, |place, opening, arrival| Input::Connect {
            session: id,
            admission,
            place,
            opening,
            arrival,
            events: sender,
        })?;
        let opened = &shared.counts.sessions_opened;
        opened.fetch_add(1, Ordering::Relaxed);
        let stay = rooms.namespaces.stay(namespace);
        Ok(Session::new(id, sender, events, stay))
    }

    /// Whether joins are taken, and if not, why.
    pub fn readiness(&self) -> Result<(), ConnectError> {
        let (closing, leaving) = {
            let rooms = self.shared.rooms();
            (rooms.closing, rooms.leaving.is_some())
        };
        if closing {
            return Err(ConnectError::ShuttingDown);
        }
        if leaving {
            return Err(ConnectError::NodeDraining);
        }
        let cluster = self.shared.cluster.as_ref();
        let needs_workers = cluster.is_none_or(|cluster| cluster.takes_rooms());
        if needs_workers && self.shared.supervisor.running().is_empty() {
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
        self.stats_of(|_| true).await
    }

    /// The same for everybody: of namespaces of their own only how much there is.
    pub async fn public_stats(&self) -> Stats {
        self.stats_of(is_of_everybody).await
    }

    async fn stats_of(&self, is_shown: impl Fn(&RoomName) -> bool) -> Stats {
        let shared = &self.shared;
        let infos = self.shared.supervisor.workers();
        let figures = join_all(infos.iter().map(|info| self.worker_stats(info.id))).await;
        let rooms = shared.rooms();
        let mut distribution: BTreeMap<_, Vec<_>> =
            infos.iter().map(|info| (info.id.0, Vec::new())).collect();
        let mut total_peers = 0;
        let mut placements = BTreeMap::new();
        for (name, entry) in &rooms.by_id {
            total_peers += entry.figures.joined.load(Ordering::Relaxed);
            if !is_shown(name) {
                continue;
            }
            let id = shown_name(name);
            for spot in &entry.spots {
                let worker_id = spot.worker.id().0;
                let names = distribution.entry(worker_id).or_default();
                names.push(id.clone());
            }
            placements.insert(id, room_placement(&entry.spots));
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
        let end = Instant::now() + after;
        self.shared.departing.send_modify(|departing| {
            let sooner = departing.map_or(end, |departing| departing.min(end));
            *departing = Some(sooner);
        });
    }

    /// When nobody is to be connected here any more whose room is at another node, if the node is to be empty.
    pub fn departing(&self) -> watch::Receiver<Option<Instant>> {
        self.shared.departing.subscribe()
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

    pub(crate) fn open_room(
        &self,
        rooms: &mut Rooms,
        id: &RoomName,
        options: RoomOptions,
        given: Legacy,
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
        let displaced = &mut rooms.displaced;
        let left = displaced.handle_reopened(id, placement.worker, Instant::now());
        let legacy = left.unwrap_or(given);
        let (sender, inputs) = mpsc::channel(shared.config.room_queue);
        let figures = Arc::new(Figures::new(legacy.properties.clone()));
        rooms.insert(
            id.clone(),
            Entry {
                key,
                spots: vec![Spot::new(PlaceId::FIRST, &ground, placement.to_string())],
                last_place: PlaceId::FIRST,
                sender: sender.clone(),
                arriving: 0,
                figures: Arc::clone(&figures),
                two_routers: options.two_routers,
                opened: SystemTime::now(),
                empty_timeout: legacy.empty_timeout,
            },
        );
        let config = RoomConfig {
            properties: legacy.properties,
            returning: legacy.members,
            ..self.room_config(id, options)
        };
        let beginning = Beginning {
            id: id.clone(),
            key,
            config,
            ground,
            empty_timeout: legacy.empty_timeout,
        };
        let running = Running::new(Arc::clone(shared));
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let room = RoomTask::new(beginning, sender, figures, shared);
            room.run(inputs).await;
            drop(running);
        });
        Ok(())
    }

    fn room_config(&self, id: &RoomName, options: RoomOptions) -> RoomConfig {
        let config = &self.shared.config;
        let of_namespace = config.namespace_limits(&id.namespace).max_peers_per_room;
        let peers = config.limits.peers;
        let tree = self.shared.cluster.as_ref().map(|it| it.tree());
        let tree = tree.unwrap_or_default();
        RoomConfig {
            transport: config.transport.clone(),
            consumer_replicas: options.consumer_replicas,
            shared: self.shared.cluster.as_ref().map(|cluster| SharedRoom {
                node: cluster.me().clone(),
                now: Instant::now(),
                clock_ms: unix_millis(SystemTime::now()),
            }),
            join_timeout: config.join_timeout,
            announce_up_to: config.announce_up_to,
            volume_interval: config.volume_interval,
            first_is_host: config.first_is_host,
            limits: Limits {
                peers: of_namespace.map_or(peers, |most| most.min(peers)),
                ..config.limits
            },
            fan_out: usize::try_from(tree.fan_out).unwrap_or(usize::MAX),
            depth: u8::try_from(tree.depth).unwrap_or(u8::MAX),
            ..RoomConfig::new(
                RouterId::random(),
                options.capabilities(&config.capabilities),
            )
        }
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
