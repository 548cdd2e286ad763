//! A room with a worker that does as it is told and checks that it is told sensible things.

mod away;
mod broken_worker;
mod choosing;
mod clients;
mod crowd;
mod data;
mod layers;
mod lobby;
mod pipes;
mod places;
mod property;
mod refusals;
mod remote;
mod rights;
mod sessions;
mod speakers;
mod streams;
mod subscriptions;
mod worker;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use plenum_api::grants::{Grants, Role};
use plenum_ids::RouterId;
use plenum_ipc::message::Answer;
use plenum_params::{
    event::{Event, Layers},
    media::MediaKind,
    ortc, resolve,
    rtp_parameters::RtpCapabilities,
    transport::{DtlsParameters, DtlsRole, DtlsState, TrunkSsrcs},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    admin::AdminCommand,
    admission::{Admission, Door},
    command::{Audience, PeerRequest, RequestId, WorkerFailure},
    effect::{ClientRequest, DataPipeRequest, NewConsumer, NewDataConsumer, PipeRequest},
    happening::RoomEvent,
    info::PeerInfo,
    remote::PipeOffer,
    subscription::Subscription,
};
use worker::FakeWorker;

/// A room, its worker, and everything that the room did.
struct World {
    room: Room,
    now: Instant,
    worker: FakeWorker,
    /// Those under the other places of the room.
    beyond: BTreeMap<PlaceId, FakeWorker>,
    ssrcs: TrunkSsrcs,
    /// What the workers have to say.
    answers: VecDeque<(OpId, Result<Answer, WorkerFailure>)>,
    /// Effects that no test has looked at yet, those for the worker excepted.
    effects: VecDeque<Effect>,
    /// Requests of live sessions without a reply.
    unanswered: BTreeSet<(SessionId, RequestId)>,
    live: BTreeSet<SessionId>,
    /// Whom the joined sessions see.
    seen: BTreeMap<SessionId, BTreeSet<PeerId>>,
    /// What they know that those send.
    listed: BTreeMap<SessionId, BTreeMap<PeerId, BTreeSet<ProducerId>>>,
    next_request: u64,
    /// What was told to the outside.
    happened: Vec<RoomEvent>,
    /// Transports are made with data channels.
    data: bool,
    /// Time that the room itself took.
    spent: Duration,
    /// What the room has for other nodes; `None`: it is whole and must have nothing.
    outbox: Option<Vec<Effect>>,
    /// What the host has to say of near ends.
    offers: VecDeque<(OpId, Result<Box<PipeOffer>, WorkerFailure>)>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// One whose clients make transports with data channels.
    fn with_data(change: impl FnOnce(&mut RoomConfig)) -> Self {
        let mut world = Self::with(change);
        world.data = true;
        world
    }

    fn with(change: impl FnOnce(&mut RoomConfig)) -> Self {
        let capabilities = ortc::router_capabilities(&ortc::default_codecs()).expect("valid");
        let mut config = RoomConfig::new(RouterId::from_u128(1), Arc::new(capabilities));
        change(&mut config);
        let mut effects = Vec::new();
        let outbox = config.shared.is_some().then(Vec::new);
        let mut seed = [3; 32];
        if let Some(shared) = &config.shared {
            seed[..8].copy_from_slice(&shared.clock_ms.to_le_bytes());
        }
        let room = Room::new(config, seed, &mut effects);
        let mut world = Self {
            room,
            now: Instant::now(),
            worker: FakeWorker::default(),
            beyond: BTreeMap::new(),
            ssrcs: TrunkSsrcs::default(),
            answers: VecDeque::new(),
            effects: VecDeque::new(),
            unanswered: BTreeSet::new(),
            live: BTreeSet::new(),
            seen: BTreeMap::new(),
            listed: BTreeMap::new(),
            next_request: 0,
            happened: Vec::new(),
            data: false,
            spent: Duration::ZERO,
            outbox,
            offers: VecDeque::new(),
        };
        world.carry_out(effects);
        world.run_worker();
        world
    }

    fn handle(&mut self, command: Command) {
        let mut effects = Vec::new();
        let started = Instant::now();
        self.room.handle(self.now, command, &mut effects);
        self.spent += started.elapsed();
        self.carry_out(effects);
    }

    /// Something happened to an object at the first place.
    fn event(&mut self, event: Event) {
        let place = PlaceId::FIRST;
        self.handle(Command::MediaEvent { place, event });
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut deserted = Vec::new();
        for effect in effects {
            self.look(&effect);
            match &effect {
                Effect::OpenPipe { op, pipe } => {
                    let answer = self.open_pipe(pipe);
                    self.answers.push_back((*op, answer));
                    continue;
                }
                Effect::OpenDataPipe { op, pipe } => {
                    let answer = self.open_data_pipe(pipe);
                    self.answers.push_back((*op, answer));
                    continue;
                }
                Effect::SendMessage {
                    place,
                    data_producer,
                    ..
                } => {
                    let worker = match *place {
                        PlaceId::FIRST => &self.worker,
                        _ => &self.beyond[place],
                    };
                    assert!(worker.data_producers.contains_key(data_producer));
                }
                Effect::Worker { place, op, request } => {
                    let worker = self.worker_at(*place, request);
                    let answer = worker.carry_out(request, op.is_some());
                    self.answers.extend(op.map(|op| (op, answer)));
                    continue;
                }
                Effect::PlaceEmpty { place } => {
                    deserted.push(*place);
                    continue;
                }
                Effect::PlaceClosed { place } => {
                    let worker = self.forget_place(*place);
                    assert!(worker.routers.is_empty() && worker.holds_no_media());
                }
                Effect::Reply {
                    session, request, ..
                } => assert!(
                    self.unanswered.remove(&(*session, *request)),
                    "second reply, or a reply that nobody waits for: {effect:?}"
                ),
                Effect::AskClient { session, .. } | Effect::Notify { session, .. } => {
                    assert!(self.live.contains(session), "for nobody: {effect:?}");
                }
                Effect::CloseSession { session, .. } => self.forget(*session),
                Effect::Happened(event) => {
                    self.happened.push(event.clone());
                    continue;
                }
                Effect::RoomClosed | Effect::RoomEmpty => {}
                Effect::AskNode { .. }
                | Effect::LookAt { .. }
                | Effect::TellNode { .. }
                | Effect::AnswerNode { .. }
                | Effect::Publish(_)
                | Effect::PublishHint(_) => {
                    let outbox = self.outbox.as_mut();
                    outbox.expect("a room that is not whole").push(effect);
                    continue;
                }
                Effect::OpenNearEnd { op, pipe } => {
                    let offer = self.open_near_end(pipe);
                    self.offers.push_back((*op, offer));
                    continue;
                }
                Effect::OpenFarEnd { op, pipe } => {
                    let answer = self.open_far_end(pipe);
                    self.answers.push_back((*op, answer));
                    continue;
                }
            }
            self.effects.push_back(effect);
        }
        // Nobody is on the way to it.
        for place in deserted {
            self.handle(Command::ClosePlace { place });
        }
    }

    /// Nobody appears twice, disappears twice or is spoken of without being there.
    fn look(&mut self, effect: &Effect) {
        match effect {
            Effect::Reply {
                session,
                result: Ok(PeerReply::Joined { peers, .. }),
                ..
            } => {
                let seen: BTreeSet<_> = peers.iter().map(|info| info.peer.clone()).collect();
                assert_eq!(seen.len(), peers.len(), "{effect:?}");
                self.seen.insert(*session, seen);
                self.list(*session, peers);
            }
            Effect::Notify { session, event } => {
                self.look_at_list(*session, event);
                let seen = self.seen.entry(*session).or_default();
                let sensible = match event {
                    PeerEvent::Admitted { peers, .. } => {
                        seen.extend(peers.iter().map(|info| info.peer.clone()));
                        seen.len() == peers.len()
                    }
                    PeerEvent::NewPeer(info) => seen.insert(info.peer.clone()),
                    PeerEvent::PeerClosed { peer } => seen.remove(peer),
                    PeerEvent::PeerDisplayNameChanged { peer, .. } => seen.contains(peer),
                    _ => true,
                };
                assert!(sensible, "{effect:?}");
            }
            _ => {}
        }
    }

    fn list(&mut self, session: SessionId, peers: &[PeerInfo]) {
        let listed = self.listed.entry(session).or_default();
        for info in peers {
            let own = info.producers.iter().map(|it| it.producer);
            listed.insert(info.peer.clone(), own.collect());
        }
    }

    /// What those with a catalog know.
    fn look_at_list(&mut self, session: SessionId, event: &PeerEvent) {
        match event {
            PeerEvent::Admitted { peers, .. } => return self.list(session, peers),
            PeerEvent::NewPeer(info) => return self.list(session, std::slice::from_ref(info)),
            _ => {}
        }
        let listed = self.listed.entry(session).or_default();
        let sensible = match event {
            PeerEvent::PeerClosed { peer } => {
                listed.remove(peer);
                true
            }
            PeerEvent::ProducerAdded(info) => listed
                .get_mut(&info.peer)
                .is_some_and(|own| own.insert(info.producer)),
            PeerEvent::ProducerRemoved { peer, producer } => {
                listed.get_mut(peer).is_some_and(|own| own.remove(producer))
            }
            PeerEvent::ProducerPaused { peer, producer }
            | PeerEvent::ProducerResumed { peer, producer } => {
                listed.get(peer).is_some_and(|own| own.contains(producer))
            }
            _ => true,
        };
        assert!(sensible, "{event:?}");
    }

    fn worker_at(&mut self, place: PlaceId, request: &Request) -> &mut FakeWorker {
        if place == PlaceId::FIRST {
            return &mut self.worker;
        }
        if matches!(request, Request::CreateRouter { .. }) {
            self.beyond.entry(place).or_default();
        }
        self.beyond.get_mut(&place).expect("a place that is there")
    }

    /// What the host does for a pipe.
    fn open_pipe(&mut self, pipe: &PipeRequest) -> Result<Answer, WorkerFailure> {
        let (received, sent) =
            resolve::pipe_parameters(pipe.kind, &pipe.consumable, &mut self.ssrcs).expect("fits");
        assert_eq!(sent.len(), pipe.streams.len());
        let trunk = TransportId::from_u128(9);
        let produce = Request::PipeProduce {
            trunk,
            router: pipe.router,
            producer: pipe.producer,
            parameters: received,
            paused: pipe.paused,
        };
        let far = self.worker_at(pipe.to, &produce);
        let mut result = far.carry_out(&produce, true);
        for (index, (parameters, consumer)) in sent.into_iter().zip(&pipe.streams).enumerate() {
            let consume = Request::PipeConsume {
                trunk,
                consumer: *consumer,
                producer: pipe.producer,
                stream: index as u8,
                parameters,
                paused: true,
            };
            let near = self.worker_at(pipe.from, &consume);
            // Whatever became of the others.
            let answer = near.carry_out(&consume, true);
            result = result.and(answer);
        }
        result
    }

    fn open_data_pipe(&mut self, pipe: &DataPipeRequest) -> Result<Answer, WorkerFailure> {
        let trunk = TransportId::from_u128(9);
        let produce = Request::PipeProduceData {
            trunk,
            router: pipe.router,
            data_producer: pipe.data_producer,
            stream: pipe.stream,
            paused: false,
        };
        let far = self.worker_at(pipe.to, &produce);
        let result = far.carry_out(&produce, true);
        let consume = Request::PipeConsumeData {
            trunk,
            data_consumer: pipe.data_consumer,
            data_producer: pipe.data_producer,
            stream: pipe.stream,
            paused: false,
        };
        let near = self.worker_at(pipe.from, &consume);
        let answer = near.carry_out(&consume, true);
        result.and(answer)
    }

    fn forget_place(&mut self, place: PlaceId) -> FakeWorker {
        if place == PlaceId::FIRST {
            return std::mem::take(&mut self.worker);
        }
        self.beyond.remove(&place).expect("it was there")
    }

    fn holds_no_media(&self) -> bool {
        self.worker.holds_no_media() && self.beyond.values().all(FakeWorker::holds_no_media)
    }

    /// The worker under a place dies.
    fn lose(&mut self, place: PlaceId) {
        self.forget_place(place);
        self.handle(Command::PlaceLost { place });
    }

    /// Lets the worker answer everything, and what follows from it.
    fn run_worker(&mut self) {
        while self.answer_one() {}
    }

    fn answer_one(&mut self) -> bool {
        if let Some((op, result)) = self.answers.pop_front() {
            self.handle(Command::WorkerAnswer { op, result });
        } else if let Some((op, result)) = self.offers.pop_front() {
            self.handle(Command::PipeOffered { op, result });
        } else {
            return false;
        }
        true
    }

    fn forget(&mut self, session: SessionId) {
        self.live.remove(&session);
        self.seen.remove(&session);
        self.listed.remove(&session);
        self.unanswered.retain(|(of, _)| *of != session);
    }

    fn connect(&mut self, session: u64, peer: &str) -> SessionId {
        self.connect_at(PlaceId::FIRST, session, peer)
    }

    fn connect_at(&mut self, place: PlaceId, session: u64, peer: &str) -> SessionId {
        self.connect_as(place, session, Admission::new(peer.into()))
    }

    fn connect_as(&mut self, place: PlaceId, session: u64, admission: Admission) -> SessionId {
        let session = SessionId(session);
        self.live.insert(session);
        self.handle(Command::PeerConnected {
            session,
            place,
            admission,
        });
        session
    }

    /// Connects and joins with a transport of each kind, as somebody in particular; gives the producing one.
    fn join_as(
        &mut self,
        session: u64,
        admission: Admission,
        join: PeerRequest,
    ) -> (SessionId, TransportId) {
        let session = self.connect_as(PlaceId::FIRST, session, admission);
        let producing = self.transport(session, false);
        self.transport(session, true);
        let reply = self.ask(session, join);
        assert!(matches!(reply, Ok(PeerReply::Joined { .. })), "{reply:?}");
        (session, producing)
    }

    fn administer(&mut self, command: AdminCommand) -> Result<(), RoomError> {
        let mut effects = Vec::new();
        let result = self.room.administer(self.now, command, &mut effects);
        self.carry_out(effects);
        result
    }

    fn disconnect(&mut self, session: SessionId) {
        self.forget(session);
        self.handle(Command::PeerDisconnected { session });
    }

    /// Sends a request without letting the worker answer.
    fn send(&mut self, session: SessionId, body: PeerRequest) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        if self.live.contains(&session) {
            self.unanswered.insert((session, request));
        }
        self.handle(Command::Request {
            session,
            request,
            body,
        });
        request
    }

    /// Sends a request, lets the worker answer and takes the reply out of the effects.
    fn ask(&mut self, session: SessionId, body: PeerRequest) -> Result<PeerReply, RoomError> {
        let request = self.send(session, body);
        self.run_worker();
        let index = self.effects.iter().position(|effect| {
            matches!(effect, Effect::Reply { session: to, request: of, .. } if *to == session && *of == request)
        });
        let effect = self.effects.remove(index.expect("a reply"));
        let Some(Effect::Reply { result, .. }) = effect else {
            unreachable!("was found by its shape");
        };
        result
    }

    fn transport(&mut self, session: SessionId, consuming: bool) -> TransportId {
        let body = PeerRequest::CreateWebRtcTransport {
            producing: !consuming,
            consuming,
            force_tcp: false,
            data: self.data,
        };
        match self.ask(session, body) {
            Ok(PeerReply::WebRtcTransport { transport, .. }) => transport,
            other => panic!("not a transport: {other:?}"),
        }
    }

    /// Connects and joins with a transport of each kind; gives the producing one.
    fn join(&mut self, session: u64, peer: &str) -> (SessionId, TransportId) {
        self.join_at(PlaceId::FIRST, session, peer)
    }

    fn join_at(&mut self, place: PlaceId, session: u64, peer: &str) -> (SessionId, TransportId) {
        let session = self.connect_at(place, session, peer);
        let producing = self.transport(session, false);
        self.transport(session, true);
        let reply = self.ask(session, clients::join(peer));
        assert!(matches!(reply, Ok(PeerReply::Joined { .. })), "{reply:?}");
        (session, producing)
    }

    fn produce(&mut self, (session, transport): (SessionId, TransportId)) -> ProducerId {
        match self.ask(session, clients::produce(transport)) {
            Ok(PeerReply::Produced { producer }) => producer,
            other => panic!("not a producer: {other:?}"),
        }
    }

    /// Takes all questions about consumers out of the effects.
    fn questions(&mut self) -> Vec<(SessionId, AskId, NewConsumer)> {
        let mut questions = Vec::new();
        self.effects.retain(|effect| {
            let Effect::AskClient { session, ask, body } = effect else {
                return true;
            };
            let ClientRequest::NewConsumer(consumer) = body else {
                return true;
            };
            questions.push((*session, *ask, (**consumer).clone()));
            false
        });
        questions
    }

    /// Takes all questions about data consumers out of the effects.
    fn data_questions(&mut self) -> Vec<(SessionId, AskId, NewDataConsumer)> {
        let mut questions = Vec::new();
        self.effects.retain(|effect| {
            let Effect::AskClient { session, ask, body } = effect else {
                return true;
            };
            let ClientRequest::NewDataConsumer(consumer) = body else {
                return true;
            };
            questions.push((*session, *ask, (**consumer).clone()));
            false
        });
        questions
    }

    fn accept(&mut self, ask: AskId) {
        self.handle(Command::ClientAnswer {
            ask,
            accepted: true,
        });
        self.run_worker();
    }

    /// Takes all notifications to a session out of the effects.
    fn events(&mut self, session: SessionId) -> Vec<PeerEvent> {
        let mut events = Vec::new();
        self.effects.retain(|effect| match effect {
            Effect::Notify { session: to, event } if *to == session => {
                events.push(event.clone());
                false
            }
            _ => true,
        });
        events
    }

    /// Takes everything that no other function took.
    fn rest(&mut self) -> Vec<Effect> {
        self.effects.drain(..).collect()
    }
}

fn dtls() -> DtlsParameters {
    DtlsParameters {
        role: DtlsRole::Client,
        fingerprints: Vec::new(),
    }
}

fn device() -> Value {
    json!({ "flag": "chrome", "name": "Chrome", "version": "140" })
}
