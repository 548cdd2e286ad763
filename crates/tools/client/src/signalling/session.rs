//! The task of one client.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use plenum_dtls::Certificate;
use plenum_ids::{ConsumerId, ProducerId};
use plenum_params::rtp_parameters::RtpCapabilities;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    door::Door,
    frames::{self, Incoming, Numbered},
    wire::{Gone, Wire},
};
use crate::{
    ClientConfig, ClientError, ClientStats, Codec, Consumer, Encoding, Ended, Event, Layers, Media,
    Producer, Publication, Received, Refusal, Sent, Stage, Step, Subscription,
    media::{Line, LineEvent, SourceSetup},
};

/// What a client asks of its task, with where the answer goes.
pub(crate) enum Command {
    Consume(Vec<ProducerId>, Answer<Vec<Consumer>>),
    Cut,
    KeyFrame(ConsumerId, Answer<()>),
    Leave(oneshot::Sender<()>),
    Publish(Box<Publication>, Answer<Producer>),
    Request(String, Value, Answer<Value>),
    SetLayers(ConsumerId, Layers, Answer<()>),
    SetPaused(ProducerId, bool, Answer<()>),
    Stats(oneshot::Sender<ClientStats>),
    StopConsuming(ConsumerId, Answer<()>),
    Subscribe(Subscription, Answer<()>),
    Unpublish(ProducerId, Answer<()>),
}

pub(crate) type Answer<T> = oneshot::Sender<Result<T, ClientError>>;

/// What whoever has a client may want to know without asking its task.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) peer_id: String,
    pub(crate) server: String,
}

/// Why a request has no answer to work with.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection is over.
    Gone(Gone),
    /// Anything else.
    Other(ClientError),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Self::Other(error)
    }
}

impl From<Trouble> for ClientError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Gone(Gone {
                code: Some(code),
                reason,
            }) => Self::TurnedAway { code, reason },
            Trouble::Gone(_) => Self::Closed,
            Trouble::Other(error) => error,
        }
    }
}

/// One client.
pub(crate) struct Session {
    pub(super) config: ClientConfig,
    pub(super) media: Media,
    pub(super) certificate: Certificate,
    pub(super) rng: StdRng,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    missed: u64,
    pub(super) tell: mpsc::UnboundedSender<LineEvent>,
    told: mpsc::UnboundedReceiver<LineEvent>,
    known: Arc<Mutex<Known>>,
    pub(super) wire: Option<Wire>,
    pub(super) door: Option<Door>,
    /// Other nodes of the cluster.
    pub(super) nodes: Vec<String>,
    /// What this session can be resumed with, and for how long.
    pub(super) ticket: Option<(String, std::time::Duration)>,
    /// The last numbered frame.
    pub(super) seen: u64,
    next_id: u64,
    /// Requests without an answer.
    pub(super) pending: BTreeMap<u64, Pending>,
    answers: HashMap<u64, Result<Value, Refusal>>,
    /// The last answers to questions of the server, in case that it has not got them.
    pub(super) given: VecDeque<(u64, String)>,
    pub(super) backlog: VecDeque<Incoming>,
    pub(super) seat: Seat,
    pub(super) publications: Vec<Publishing>,
    pub(super) next_number: u64,
    pub(super) attempt: Attempt,
    /// What transports that have gone had sent and received.
    past: (Sent, Received),
    pub(super) ended: Option<Ended>,
}

/// A request without an answer.
pub(super) struct Pending {
    pub(super) method: String,
    pub(super) text: String,
    pub(super) sent: Instant,
}

/// What a client has at one router.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) capabilities: RtpCapabilities,
    pub(super) send: Option<Side>,
    pub(super) receive: Option<Side>,
    pub(super) consumers: HashMap<ConsumerId, Consuming>,
    pub(super) next_mid: u32,
}

/// One transport.
pub(super) struct Side {
    pub(super) line: Line,
    pub(super) number: u64,
    /// Its identifier in signalling.
    pub(super) id: String,
    /// The server knows our certificate.
    pub(super) is_connected: bool,
    /// When ICE was done, and when DTLS was let begin.
    pub(super) ice: Option<Instant>,
    pub(super) released: Option<Instant>,
}

pub(super) struct Consuming {
    pub(super) consumer: Consumer,
    pub(super) told: Instant,
}

/// What the client sends.
pub(super) struct Publishing {
    pub(super) number: u64,
    /// As the client's application knows it.
    pub(super) producer: ProducerId,
    /// As the server knows it now.
    pub(super) current: ProducerId,
    pub(super) codec: Codec,
    pub(super) encodings: Vec<Encoding>,
    pub(super) app_data: Map<String, Value>,
    pub(super) is_paused: bool,
    /// While it is on no transport.
    pub(super) source: Option<SourceSetup>,
}

/// Going into a room, from the beginning to the first picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) began: Instant,
    pub(super) has_audio: bool,
    pub(super) has_video: bool,
    pub(super) has_key_frame: bool,
}

impl Attempt {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            has_audio: false,
            has_video: false,
            has_key_frame: false,
        }
    }
}

/// Answers to the server's questions that are kept. A server asks a handful at a time.
const GIVEN: usize = 32;

/// Messages of the server that wait while a request is open; what is more is lost by whoever sends it.
const MAX_BACKLOG: usize = 16_384;

impl Session {
    pub(crate) fn new(
        config: ClientConfig,
        media: Media,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        known: Arc<Mutex<Known>>,
    ) -> Result<Self, ClientError> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut seed = [0; 32];
        rand::rng().fill_bytes(&mut seed);
        Ok(Self {
            config,
            media,
            certificate: Certificate::generate().map_err(ClientError::Dtls)?,
            rng: StdRng::from_seed(seed),
            commands,
            events,
            missed: 0,
            tell,
            told,
            known,
            wire: None,
            door: None,
            nodes: Vec::new(),
            ticket: None,
            seen: 0,
            next_id: 1,
            pending: BTreeMap::new(),
            answers: HashMap::new(),
            given: VecDeque::new(),
            backlog: VecDeque::new(),
            seat: Seat::default(),
            publications: Vec::new(),
            next_number: 1,
            attempt: Attempt::begin(),
            past: <(Sent, Received)>::default(),
            ended: None,
        })
    }

    /// Goes into the room.
    pub(crate) async fn begin(&mut self) -> Result<(), ClientError> {
        self.attempt = Attempt::begin();
        let joined = self.join_anywhere().await;
        let error = joined.as_ref().err().map(ClientError::kind);
        self.step(Stage::Join, self.attempt.began, error);
        joined
    }

    /// Serves the client until its session ends.
    pub(crate) async fn run(mut self) {
        while self.ended.is_none() {
            while let Some(message) = self.backlog.pop_front() {
                self.handle(message).await;
            }
            if self.ended.is_some() {
                break;
            }
            let Some(wire) = &mut self.wire else {
                let gone = Gone {
                    code: None,
                    reason: String::new(),
                };
                self.recover(gone).await;
                continue;
            };
            tokio::select! {
                numbered = wire.next() => match numbered {
                    Ok(numbered) => self.note(numbered),
                    Err(gone) => {
                        self.recover(gone).await;
                    }
                },
                command = self.commands.recv() => match command {
                    Some(Command::Leave(done)) => {
                        self.leave().await;
                        // Who left may not wait.
                        let _ = done.send(());
                    }
                    Some(command) => self.carry_out(command).await,
                    None => self.leave().await,
                },
                Some(event) = self.told.recv() => self.handle_line(event),
            }
        }
        let ended = self.ended.take().unwrap_or(Ended::Left);
        // The last word has to arrive, if anybody listens.
        let _ = self.events.send(Event::Ended(ended)).await;
    }

    async fn leave(&mut self) {
        // First the media, so that the server hears both at once.
        self.seat = Seat::default();
        if let Some(wire) = self.wire.take() {
            wire.close().await;
        }
        self.ended = Some(Ended::Left);
    }

    /// Tells the application.
    pub(super) fn emit(&mut self, event: Event) {
        if self.missed > 0 {
            if self.events.try_send(Event::Missed(self.missed)).is_err() {
                self.missed += 1;
                return;
            }
            self.missed = 0;
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            self.missed += 1;
        }
    }

    /// Tells the hook.
    pub(super) fn step(&self, stage: Stage, began: Instant, error: Option<&'static str>) {
        self.step_at(stage, began, Instant::now(), error);
    }

    pub(super) fn step_at(
        &self,
        stage: Stage,
        began: Instant,
        ended: Instant,
        error: Option<&'static str>,
    ) {
        if let Some(hook) = &self.config.hook {
            hook.step(&Step {
                stage,
                began,
                ended,
                error,
            });
        }
    }

    /// Sends a request and returns its number.
    pub(super) async fn send(&mut self, method: &str, data: &Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let text = frames::request(self.config.dialect, id, method, data);
        self.pending.insert(
            id,
            Pending {
                method: method.to_owned(),
                text: text.clone(),
                sent: Instant::now(),
            },
        );
        if let Some(wire) = &mut self.wire {
            wire.send(text).await;
        }
        id
    }

    /// Waits for the answer to a request. What else comes meanwhile is kept.
    pub(super) async fn answer_to(&mut self, id: u64, method: &str) -> Result<Value, Trouble> {
        loop {
            if let Some(result) = self.answers.remove(&id) {
                return result.map_err(|refusal| {
                    Trouble::Other(ClientError::Refused {
                        method: method.to_owned(),
                        refusal,
                    })
                });
            }
            if let Err(trouble) = self.read().await {
                if let Trouble::Other(error) = &trouble
                    && let Some(pending) = self.pending.remove(&id)
                {
                    let stage = Stage::Message(pending.method.into());
                    self.step(stage, pending.sent, Some(error.kind()));
                }
                return Err(trouble);
            }
        }
    }

    /// Waits for something that the server says by itself.
    pub(super) async fn wait_for(&mut self, wanted: &[&str]) -> Result<(String, Value), Trouble> {
        loop {
            let found = self.backlog.iter().position(|message| {
                matches!(message, Incoming::Notification { method, .. } if wanted.contains(&&method[..]))
            });
            if let Some(Incoming::Notification { method, data }) =
                found.and_then(|index| self.backlog.remove(index))
            {
                return Ok((method, data));
            }
            self.read().await?;
        }
    }

    /// Reads one message.
    async fn read(&mut self) -> Result<(), Trouble> {
        let limit = self.config.timeout;
        let Some(wire) = &mut self.wire else {
            return Err(Trouble::Gone(Gone {
                code: None,
                reason: String::new(),
            }));
        };
        match timeout(limit, wire.next()).await {
            Ok(Ok(numbered)) => {
                self.note(numbered);
                Ok(())
            }
            Ok(Err(gone)) => Err(Trouble::Gone(gone)),
            Err(_) => Err(Trouble::Other(ClientError::Timeout("an answer"))),
        }
    }

    /// A request and its answer, on this connection only.
    pub(super) async fn ask_once(&mut self, method: &str, data: &Value) -> Result<Value, Trouble> {
        let id = self.send(method, data).await;
        self.answer_to(id, method).await
    }

    /// A request and its answer, also if the connection breaks meanwhile and the session is resumed.
    pub(super) async fn ask(&mut self, method: &str, data: &Value) -> Result<Value, ClientError> {
        let id = self.send(method, data).await;
        loop {
            match self.answer_to(id, method).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Gone(gone)) => {
                    if !self.recover(gone).await {
                        return Err(ClientError::Closed);
                    }
                }
                Err(Trouble::Other(error)) => return Err(error),
            }
        }
    }

    /// Answers a question of the server.
    pub(super) async fn give(&mut self, id: u64, result: Result<Value, Refusal>) {
        let text = frames::answer(id, &result);
        if let Some(wire) = &mut self.wire {
            wire.send(text.clone()).await;
        }
        if self.given.len() == GIVEN {
            self.given.pop_front();
        }
        self.given.push_back((id, text));
    }

    /// Puts a message where it belongs.
    fn note(&mut self, numbered: Numbered) {
        if let Some(seq) = numbered.seq {
            // Told once more.
            if seq <= self.seen {
                return;
            }
            self.seen = seq;
        }
        match numbered.message {
            Incoming::Answer { id, result } => {
                if let Some(pending) = self.pending.remove(&id) {
                    let error = result.as_ref().err().map(|_| "refused");
                    self.step(Stage::Message(pending.method.into()), pending.sent, error);
                    self.answers.insert(id, result);
                }
            }
            message if self.backlog.len() < MAX_BACKLOG => self.backlog.push_back(message),
            _ => {}
        }
    }

    /// Begins another session: nothing of the last one is known to the server any more.
    pub(super) async fn forget(&mut self) {
        self.wire = None;
        self.ticket = None;
        self.seen = 0;
        self.next_id = 1;
        self.pending.clear();
        self.answers.clear();
        self.given.clear();
        self.backlog.clear();
        self.vacate().await;
    }

    /// Gives up all transports, and takes the sources back.
    pub(super) async fn vacate(&mut self) -> Seat {
        let seat = std::mem::take(&mut self.seat);
        if let Some(side) = &seat.send {
            for publishing in &mut self.publications {
                if publishing.source.is_none() {
                    publishing.source = side.line.take_source(publishing.number).await;
                }
            }
        }
        for side in [&seat.send, &seat.receive].into_iter().flatten() {
            let stats = side.line.stats().await;
            self.past.0 += stats.sent;
            self.past.1 += stats.received;
        }
        seat
    }

    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "a source may not be shared between threads, and so may not this"
    )]
    pub(super) async fn stats(&mut self) -> ClientStats {
        let mut stats = ClientStats {
            sent: self.past.0,
            received: self.past.1,
            ..ClientStats::default()
        };
        if let Some(side) = &self.seat.send {
            let line = side.line.stats().await;
            stats.sent += line.sent;
            stats.received += line.received;
            stats.send_transport = Some(line.state);
            for (mut stream, number) in line.sending.into_iter().zip(line.publications) {
                let mut publications = self.publications.iter();
                let publishing = publications.find(|one| one.number == number);
                stream.producer_id = publishing.map(|one| one.producer);
                stats.sending.push(stream);
            }
        }
        if let Some(side) = &self.seat.receive {
            let line = side.line.stats().await;
            stats.sent += line.sent;
            stats.received += line.received;
            stats.receive_transport = Some(line.state);
            stats.receiving = line.receiving;
        }
        stats
    }

    pub(super) fn random(&mut self) -> u32 {
        self.rng.next_u32()
    }

    pub(super) fn set_peer_id(&self, name: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        name.clone_into(&mut known.peer_id);
    }

    /// This is where it is connected.
    pub(super) fn set_door(&mut self, door: Door) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.server = door.base();
        drop(known);
        self.door = Some(door);
    }
}
