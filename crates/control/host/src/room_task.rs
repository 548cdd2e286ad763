//! The task of one room.

mod between;
mod effects;
mod leaving;
mod part;
mod pipes;
mod requests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use plenum_ids::{PeerId, RoomName, RouterId, TransportId};
use plenum_room::{
    AdminCommand, Admission, CloseReason, Command, PlaceId, Room, RoomConfig, RoomError,
    RoomProperties, RoomView, SessionId,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};
use tracing::info;

use self::{
    between::{Waiting, next},
    leaving::Leavers,
    part::Part,
};
use crate::{
    asking::Asking,
    happenings::{Happening, RoomEvent},
    host::Shared,
    lifetime::Lifetime,
    members::Members,
    session::{SessionEnd, SessionEvent},
    tally::{Arrival, Tally},
    trunks::End,
};

/// What a room's task is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// An operator wants something done.
    Administer {
        command: AdminCommand,
        done: oneshot::Sender<Result<(), RoomError>>,
    },
    Command(Command),
    Connect {
        session: SessionId,
        admission: Admission,
        place: PlaceId,
        /// What is under a place that the room does not have yet.
        opening: Option<Ground>,
        /// Held until the session counts as being there.
        arrival: Arrival,
        events: mpsc::Sender<SessionEvent>,
    },
    /// The node is drained: so many sessions are asked to go where the room is elsewhere. Answered with how many were.
    AskToLeave {
        most: usize,
        answer: oneshot::Sender<usize>,
    },
    /// The time for that is over.
    Leave,
    /// The room goes on at another worker: its sessions are asked to follow.
    Move,
    /// A session has followed.
    Release {
        session: SessionId,
    },
    Shutdown,
    /// Somebody wants to see what is in it.
    View(oneshot::Sender<RoomView>),
    /// Somebody asks for everybody's transports.
    Transports(oneshot::Sender<Vec<Vec<TransportId>>>),
}

/// A worker that a room is to be on, and its count there.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) end: End,
    pub(crate) tally: Arc<Tally>,
}

/// Whom a worker's events are for.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) room: mpsc::Sender<Input>,
    pub(crate) place: PlaceId,
}

/// Figures of a room that others read at any time.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Peers that have joined.
    pub(crate) joined: AtomicUsize,
    /// Clients, joined or not.
    pub(crate) sessions: AtomicUsize,
    pub(crate) producers: AtomicUsize,
    properties: Mutex<RoomProperties>,
    /// Who has joined, and what it is.
    pub(crate) members: Members,
}

impl Figures {
    pub(crate) fn new(properties: RoomProperties) -> Self {
        Self {
            properties: Mutex::new(properties),
            ..Self::default()
        }
    }

    /// What its hosts have decided.
    pub(crate) fn properties(&self) -> RoomProperties {
        let properties = self.properties.lock();
        properties.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note_properties(&self, properties: &RoomProperties) {
        let mut noted = self
            .properties
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        noted.clone_from(properties);
    }
}

pub(crate) struct RoomTask {
    id: RoomName,
    /// Tells this room from an earlier or later one of the same name.
    key: u64,
    room: Room,
    places: HashMap<PlaceId, Seat>,
    sender: mpsc::Sender<Input>,
    sessions: HashMap<SessionId, Client>,
    lifetime: Lifetime,
    in_flight: FuturesUnordered<InFlight>,
    /// Commands that effects have led to.
    todo: VecDeque<Command>,
    ended: bool,
    /// Its last worker is gone.
    lost: bool,
    /// While the room moves.
    departure: Option<Departure>,
    /// While the node is drained.
    leavers: Leavers,
    figures: Arc<Figures>,
    /// Of the latest event that was told.
    sequence: u64,
    /// While the room may have parts at other nodes.
    part: Option<Box<Part>>,
    /// What clients say before the other parts are known.
    waiting: Waiting,
    shared: Arc<Shared>,
}

/// One session of the room.
struct Client {
    peer: PeerId,
    events: mpsc::Sender<SessionEvent>,
    keeps_room: bool,
}

/// What a room begins with.
pub(crate) struct Beginning {
    pub(crate) id: RoomName,
    pub(crate) key: u64,
    pub(crate) config: RoomConfig,
    pub(crate) ground: Ground,
    /// What an operator has said who opened it.
    pub(crate) empty_timeout: Option<Duration>,
}

/// A room that moves away.
struct Departure {
    deadline: Instant,
    /// Sessions that need the room no longer.
    released: HashSet<SessionId>,
}

/// Clients get 10 s to join again; most are done within one.
const MOVE_LIMIT: Duration = Duration::from_secs(10);

impl Departure {
    fn new() -> Self {
        Self {
            deadline: Instant::now() + MOVE_LIMIT,
            released: HashSet::new(),
        }
    }
}

/// The worker under a place, and what the room has there.
struct Seat {
    ground: Ground,
    router: Option<RouterId>,
}

/// What a worker is asked, and what the room is told when it has answered.
type InFlight = Asking<Command>;

impl RoomTask {
    pub(crate) fn new(
        beginning: Beginning,
        sender: mpsc::Sender<Input>,
        figures: Arc<Figures>,
        shared: Arc<Shared>,
    ) -> Self {
        let Beginning {
            id,
            key,
            config,
            ground,
            empty_timeout,
        } = beginning;
        let mut effects = Vec::new();
        let room = Room::new(config, random_seed(), &mut effects);
        let part = shared.cluster.as_ref().map(|cluster| {
            let part = Part::new(Arc::clone(cluster), id.clone(), Instant::now());
            Box::new(part)
        });
        let mut task = Self {
            id,
            key,
            room,
            places: HashMap::new(),
            sender,
            sessions: HashMap::new(),
            lifetime: Lifetime::new(empty_timeout, Instant::now()),
            in_flight: FuturesUnordered::new(),
            todo: VecDeque::new(),
            ended: false,
            lost: false,
            departure: None,
            leavers: Leavers::default(),
            figures,
            sequence: 0,
            part,
            waiting: Waiting::default(),
            shared,
        };
        task.tell_watchers(Happening::Opened);
        task.open_place(PlaceId::FIRST, ground);
        for effect in effects {
            task.carry_out(effect);
        }
        task
    }

    /// Until the room has ended and everybody who was on the way has been told.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        info!(room = %self.id, "room opened");
        self.handle_todo();
        while !self.ended {
            let deadline = self.room.poll_timeout();
            let departure = self.departure.as_ref().map(|departure| departure.deadline);
            let leave = self.leavers.deadline();
            let desertion = self.lifetime.deadline();
            let takes_inputs = self.waiting.len() < self.shared.config.room_queue;
            tokio::select! {
                Some(command) = self.in_flight.next() => self.handle(command),
                Some(input) = inputs.recv(), if takes_inputs => self.take(input),
                event = next(&mut self.part) => self.handle_part(event),
                () = at(deadline) => self.handle(Command::Tick),
                () = at(departure) => self.end_sessions(SessionEnd::Moved),
                () = at(leave) => self.end_overdue(),
                () = at(desertion) => {}
            }
            self.let_in();
            self.depart_if_possible();
            self.end_if_deserted();
            // Whatever happened: a session that does not keep up ends with an answer of the worker, too.
            self.count();
        }
        self.end_part();
        for input in self.waiting.take() {
            self.handle_input(input);
        }
        self.note_joined(0);
        self.figures.sessions.store(0, Ordering::Relaxed);
        let goes_on = self.departure.is_some() || self.lost;
        self.tell_watchers(Happening::Closed { goes_on });
        inputs.close();
        while let Some(input) = inputs.recv().await {
            self.handle_input(input);
        }
        let places: Vec<_> = self.places.keys().copied().collect();
        for place in places {
            self.leave_place(place);
        }
        info!(room = %self.id, "room closed");
    }

    fn note_joined(&self, joined: usize) {
        let before = self.figures.joined.swap(joined, Ordering::Relaxed);
        if joined != before {
            self.shared.counts.note_peers(before, joined);
        }
    }

    fn handle_input(&mut self, input: Input) {
        match input {
            Input::Command(command) => {
                match &command {
                    Command::PeerDisconnected { session } => self.forget(*session),
                    Command::PlaceLost { place } => self.leave_place(*place),
                    Command::Request { .. } => self.lifetime.handle_request(Instant::now()),
                    _ => {}
                }
                self.handle(command);
            }
            Input::Connect {
                session,
                admission,
                place,
                opening,
                arrival,
                events,
            } => {
                if let Some(ground) = opening {
                    self.open_place(place, ground);
                }
                if self.places.contains_key(&place) {
                    let keeps_room = admission.keeps_room;
                    let client = Client {
                        peer: admission.peer.clone(),
                        events,
                        keeps_room,
                    };
                    self.sessions.insert(session, client);
                    self.lifetime.handle_arrival(keeps_room, Instant::now());
                    self.handle(Command::PeerConnected {
                        session,
                        place,
                        admission,
                    });
                } else {
                    // It was given up meanwhile.
                    let lost = SessionEnd::Room(CloseReason::RouterLost);
                    let _ = events.try_send(SessionEvent::End(lost));
                }
                self.count();
                drop(arrival);
                self.shared.arrived(&self.id, self.key, place);
            }
            Input::Move => {
                // The room that follows is this node's part from now on.
                self.end_part();
                self.departure = Some(Departure::new());
                let sessions: Vec<_> = self.sessions.keys().copied().collect();
                for session in sessions {
                    self.tell(session, SessionEvent::Move);
                }
                self.handle_todo();
            }
            Input::Release { session } => {
                if let Some(departure) = &mut self.departure {
                    departure.released.insert(session);
                }
                self.let_go(session);
            }
            Input::AskToLeave { most, answer } => {
                // Who has hung up asks again.
                let _ = answer.send(self.ask_to_leave(most));
            }
            Input::Leave => self.send_all_away(),
            Input::Shutdown => self.end_sessions(SessionEnd::Shutdown),
            Input::Administer { command, done } => {
                let result = self.administer(command);
                // Who has hung up has what they wanted all the same.
                let _ = done.send(result);
            }
            Input::View(seen) => {
                let _ = seen.send(self.room.view());
            }
            Input::Transports(told) => {
                let _ = told.send(self.room.transports_of_peers());
            }
        }
    }

    /// Tells those who choose places what is here.
    fn count(&self) {
        let producers = self.room.producer_count();
        let joined = self.room.joined_count();
        self.note_joined(joined);
        self.figures.producers.store(producers, Ordering::Relaxed);
        let sessions = self.sessions.len();
        self.figures.sessions.store(sessions, Ordering::Relaxed);
        for (place, seat) in &self.places {
            let (sessions, own) = self.room.counts_at(*place);
            seat.ground.tally.set(sessions, producers, own);
        }
    }

    /// Who has followed may still be seen and heard here: the room ends when nobody is left who has not.
    fn depart_if_possible(&mut self) {
        let Some(departure) = &self.departure else {
            return;
        };
        let mut sessions = self.sessions.keys();
        if !self.ended && sessions.all(|session| departure.released.contains(session)) {
            self.end_sessions(SessionEnd::Moved);
        }
    }

    fn end_sessions(&mut self, end: SessionEnd) {
        for (_, client) in self.sessions.drain() {
            let _ = client.events.try_send(SessionEvent::End(end));
        }
        self.handle(Command::Close);
    }

    /// Nobody is left for whom the room should go on, and nobody is on the way.
    fn end_if_deserted(&mut self) {
        let deadline = self.lifetime.deadline();
        if !self.ended
            && deadline.is_some_and(|deadline| deadline <= Instant::now())
            && self.shared.remove_room_if_deserted(&self.id, self.key)
        {
            self.handle(Command::Close);
        }
    }

    fn administer(&mut self, command: AdminCommand) -> Result<(), RoomError> {
        self.note_lapse();
        let mut effects = Vec::new();
        let result = self.room.administer(Instant::now(), command, &mut effects);
        for effect in effects {
            self.carry_out(effect);
        }
        self.handle_todo();
        result
    }

    /// A session is no more.
    fn forget(&mut self, session: SessionId) {
        if let Some(client) = self.sessions.remove(&session) {
            let now = Instant::now();
            self.lifetime.handle_departure(client.keeps_room, now);
            self.todo.extend(self.leavers.forget(session));
        }
    }

    fn tell_watchers(&mut self, what: Happening) {
        self.sequence += 1;
        self.shared.watchers.tell(&RoomEvent {
            room: self.id.clone(),
            life: self.key,
            sequence: self.sequence,
            at: SystemTime::now(),
            lost: 0,
            what,
        });
    }

    fn handle(&mut self, command: Command) {
        self.todo.push_back(command);
        self.handle_todo();
    }

    fn handle_todo(&mut self) {
        let mut effects = Vec::new();
        while let Some(command) = self.todo.pop_front() {
            self.note_lapse();
            self.room.handle(Instant::now(), command, &mut effects);
            for effect in effects.drain(..) {
                self.carry_out(effect);
            }
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn random_seed() -> [u8; 32] {
    use rand::TryRng as _;
    let mut seed = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut seed)
        .expect("the operating system has randomness");
    seed
}
