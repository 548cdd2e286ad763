//! The room itself: sessions come and go, time passes, everything else is handed to the parts below.

mod administration;
mod answers;
mod away;
mod batches;
mod bot;
mod catalog;
mod choosing;
mod consumers;
mod data;
mod data_consumers;
mod data_pipes;
mod joining;
mod lobby;
mod moderation;
mod pipes;
mod places;
mod plain;
mod producers;
mod remote;
mod replacing;
mod requests;
mod rights;
mod sessions;
mod speakers;
mod subscriptions;
mod transports;
mod viewing;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_ipc::message::Request;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    close_reason::CloseReason,
    command::{Command, PlaceId, RequestId, SessionId},
    config::{MAX_CONSUMER_REPLICAS, Returning, RoomConfig},
    effect::{AskId, Effect, OpId, PeerReply, RoomError},
    event::PeerEvent,
    info::RoomProperties,
    remote::{NodeKey, PipeSource},
    room::{
        away::Away, batches::Batch, bot::Patience, remote::Remote, speakers::Speakers,
        subscriptions::Floor,
    },
    state::{
        Asked, BatchId, Bot, Consumer, DataConsumer, DataProducer, Made, Op, Peer, Place, Producer,
        Timer, Transport,
    },
};

/// One room.
#[derive(Debug)]
pub struct Room {
    config: RoomConfig,
    rng: StdRng,
    /// What hosts have decided.
    properties: RoomProperties,
    /// Why the room has ended.
    ended: Option<CloseReason>,
    places: BTreeMap<PlaceId, Place>,
    sessions: BTreeMap<SessionId, Peer>,
    names: BTreeMap<PeerId, SessionId>,
    /// Newer sessions of those whose session goes on until the newer one joins.
    coming: BTreeMap<PeerId, SessionId>,
    joined: BTreeSet<SessionId>,
    /// Those of the joined whom the others know.
    announced: BTreeSet<SessionId>,
    /// Those whom the others still see though their session was lost.
    away: Away,
    /// Those of the joined who understand lobbies, roles and hands.
    featured: BTreeSet<SessionId>,
    /// Those of the joined who are told of every producer.
    catalogs: BTreeSet<SessionId>,
    /// Those who are hosts, or will be again when they have joined.
    hosts: BTreeSet<SessionId>,
    /// Those of the joined who may decide about the others.
    deciders: BTreeSet<SessionId>,
    /// Those who wait to be let in.
    knocks: BTreeSet<SessionId>,
    /// What peers were made.
    made: BTreeMap<PeerId, Made>,
    /// Who was in the room before it moved here.
    returning: BTreeMap<PeerId, Returning>,
    /// The producers of those who have any, oldest first.
    producing: BTreeMap<SessionId, Vec<ProducerId>>,
    transports: BTreeMap<TransportId, Transport>,
    producers: BTreeMap<ProducerId, Producer>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    /// The data producers of those who have any, oldest first.
    producing_data: BTreeMap<SessionId, Vec<DataProducerId>>,
    /// Those of the bot included.
    data_producers: BTreeMap<DataProducerId, DataProducer>,
    data_consumers: BTreeMap<DataConsumerId, DataConsumer>,
    bots: BTreeMap<PlaceId, Bot>,
    /// What the bot reads.
    ears: BTreeMap<DataConsumerId, DataProducerId>,
    patience: Option<Patience>,
    speakers: Speakers,
    floor: Floor,
    /// Those of the joined who see only who comes first there.
    selective: BTreeSet<SessionId>,
    batches: BTreeMap<BatchId, Batch>,
    /// Those of the command at hand.
    open_batches: BTreeMap<SessionId, BatchId>,
    /// Those of which nothing is missing since the command at hand.
    full_batches: Vec<BatchId>,
    ops: BTreeMap<OpId, Op>,
    asks: BTreeMap<AskId, Asked>,
    timers: BTreeSet<(Instant, Timer)>,
    /// Pipes that lost their last consumer in the command at hand.
    idle_pipes: Vec<(ProducerId, PlaceId)>,
    /// The same for pipes of messages.
    idle_data_pipes: Vec<(DataProducerId, PlaceId)>,
    /// Where somebody turned away from the bot in the command at hand.
    idle_bots: Vec<PlaceId>,
    /// Requests for consumers that went before they were there, in the command at hand.
    disappointed: Vec<(SessionId, RequestId)>,
    /// A host went, or is none any more, in the command at hand.
    host_left: bool,
    /// Of a room that may have parts at other nodes.
    remote: Option<Box<Remote>>,
    next_op: u64,
    next_ask: u64,
    next_batch: u64,
}

impl Room {
    /// A room without anybody in it. Asks the worker for the router; clients need not wait for the answer.
    ///
    /// The room draws its identifiers and SSRCs from `seed`, so that the same seed and commands give the same effects. In
    /// service it comes from the operating system, because identifiers must not be guessable.
    #[must_use]
    pub fn new(mut config: RoomConfig, seed: [u8; 32], effects: &mut Vec<Effect>) -> Self {
        config.consumer_replicas = config.consumer_replicas.min(MAX_CONSUMER_REPLICAS);
        let router = config.router;
        let mut rng = StdRng::from_seed(seed);
        let shared = config.shared.take();
        let mut room = Self {
            remote: shared.map(|shared| Box::new(Remote::new(shared, &mut rng))),
            properties: config.properties.clone(),
            returning: std::mem::take(&mut config.returning),
            config,
            rng,
            ended: None,
            places: BTreeMap::new(),
            sessions: BTreeMap::new(),
            names: BTreeMap::new(),
            coming: BTreeMap::new(),
            joined: BTreeSet::new(),
            announced: BTreeSet::new(),
            away: Away::default(),
            featured: BTreeSet::new(),
            catalogs: BTreeSet::new(),
            hosts: BTreeSet::new(),
            deciders: BTreeSet::new(),
            knocks: BTreeSet::new(),
            made: BTreeMap::new(),
            producing: BTreeMap::new(),
            transports: BTreeMap::new(),
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            producing_data: BTreeMap::new(),
            data_producers: BTreeMap::new(),
            data_consumers: BTreeMap::new(),
            bots: BTreeMap::new(),
            ears: BTreeMap::new(),
            patience: None,
            speakers: Speakers::default(),
            floor: Floor::default(),
            selective: BTreeSet::new(),
            batches: BTreeMap::new(),
            open_batches: BTreeMap::new(),
            full_batches: Vec::new(),
            ops: BTreeMap::new(),
            asks: BTreeMap::new(),
            timers: BTreeSet::new(),
            idle_pipes: Vec::new(),
            idle_data_pipes: Vec::new(),
            idle_bots: Vec::new(),
            disappointed: Vec::new(),
            host_left: false,
            next_op: 0,
            next_ask: 0,
            next_batch: 0,
        };
        room.open_place(PlaceId::FIRST, router, effects);
        room
    }

    /// Takes a command and appends what is to be done, in order.
    pub fn handle(&mut self, now: Instant, command: Command, effects: &mut Vec<Effect>) {
        if let Some(reason) = self.ended {
            // The host found this room just before it ended.
            if let Command::PeerConnected { session, .. } = command {
                effects.push(Effect::CloseSession { session, reason });
            }
            return;
        }
        self.note_time(now);
        match command {
            Command::ClientAnswer { ask, accepted } => {
                self.handle_client_answer(ask, accepted, effects);
            }
            Command::Close => self.end(CloseReason::RoomClosed, effects),
            Command::ClosePlace { place } => self.close_place(place, effects),
            Command::MediaEvent { place, event } => self.handle_media_event(place, event, effects),
            Command::Message {
                data_consumer,
                text,
            } => self.handle_message(now, data_consumer, &text, effects),
            Command::PeerConnected {
                session,
                place,
                admission,
            } => self.connect(now, session, (admission, place), effects),
            Command::PeerDisconnected { session } => {
                self.leave(session, None, effects);
                self.handle_late_goodbye(session, effects);
            }
            Command::PlaceLost { place } => self.lose_place(now, place, effects),
            Command::Request {
                session,
                request,
                body,
            } => self.handle_request(now, (session, request), body, effects),
            Command::Tick => self.handle_timers(now, effects),
            Command::WorkerAnswer { op, result } => {
                self.handle_worker_answer(now, op, result, effects);
            }
            Command::Home(home) => self.handle_home(home),
            Command::NodeAnswers { op, result } => {
                self.handle_node_answer(now, op, result, effects);
            }
            Command::NodeAsks { ask, node, request } => {
                self.handle_node_request(ask, &node, request, effects);
            }
            Command::PipeOffered { op, result } => self.handle_offer(op, result, effects),
            Command::Remote { node, change } => self.handle_remote(now, &node, change, effects),
        }
        if self.ended.is_none() {
            self.tidy(now, effects);
        }
    }

    /// What is left to do when a command has been carried out to its end.
    fn tidy(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.settle_departed(effects);
        self.settle_hosts(effects);
        self.settle_floor(effects);
        self.ask_batches(effects);
        self.note_idle_pipes(now);
        self.close_idle_data_pipes(effects);
        self.note_idle_inlets(now, effects);
        self.close_idle_bots(effects);
        self.tell_disappointed(effects);
        self.publish_changes(effects);
    }

    /// When [`Command::Tick`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Connected sessions, joined or not.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Peers who have joined.
    pub fn joined_count(&self) -> usize {
        self.joined.len()
    }

    /// Producers of the whole room.
    pub fn producer_count(&self) -> usize {
        self.producers.len()
    }

    /// Sessions and producers at a place.
    pub fn counts_at(&self, place: PlaceId) -> (usize, usize) {
        let place = self.places.get(&place);
        place.map_or((0, 0), |place| (place.sessions, place.producers))
    }

    /// Everything that the room holds, for tests and for looking into a running node.
    pub fn dump(&self) -> RoomDump {
        RoomDump {
            places: self.places.keys().copied().collect(),
            sessions: self.sessions.keys().copied().collect(),
            away: self.away.names().cloned().collect(),
            transports: self.transports.keys().copied().collect(),
            producers: self.producers.keys().copied().collect(),
            consumers: self.consumers.keys().copied().collect(),
            data_producers: self.data_producers.keys().copied().collect(),
            data_consumers: self.data_consumers.keys().copied().collect(),
            observes: !self.speakers.is_empty(),
            pipes: self.pipes().collect(),
            inlets: self.inlets(),
            feeds: self.feeds(),
            far_peers: self.far_names(),
            pending_worker_requests: self.ops.len(),
            pending_client_requests: self.asks.len(),
        }
    }

    fn handle_timers(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((due, timer)) = self.timers.pop_first() {
            if due > now {
                self.timers.insert((due, timer));
                return;
            }
            match timer {
                Timer::Away(session) => self.end_absence(session, effects),
                Timer::Knock(session) => self.handle_knock_timer(session, effects),
                Timer::Join(session) => {
                    self.leave(session, Some(CloseReason::JoinTimeout), effects);
                }
                Timer::Returned => {
                    self.returning.clear();
                    self.host_left = true;
                }
                Timer::Pipe(producer, place) => self.handle_pipe_timer(producer, place, effects),
                Timer::Inlet(source) => self.handle_inlet_timer(source, effects),
                Timer::Heir => self.handle_heir_timer(),
                Timer::Retry(source) => self.handle_retry(source, effects),
                Timer::Hearing => self.handle_hearing_timer(now, effects),
            }
        }
    }

    fn end(&mut self, reason: CloseReason, effects: &mut Vec<Effect>) {
        self.ended = Some(reason);
        let chosen = self.consumers.values().filter_map(|consumer| {
            let request = consumer.choice.and_then(|choice| choice.request);
            Some((consumer.session, request?))
        });
        let read = self.data_consumers.values();
        let chosen = chosen.chain(read.filter_map(|it| Some((it.session, it.request?))));
        let waiting = self.knocks.iter().filter_map(|session| {
            let knock = self.sessions.get(session)?.knock.as_ref()?;
            Some((*session, knock.request?))
        });
        for (session, request) in chosen.chain(waiting) {
            let error = RoomError::ending(ErrorKind::Unavailable, reason);
            effects.push(Effect::Reply {
                session,
                request,
                result: Err(error),
            });
        }
        for op in std::mem::take(&mut self.ops).into_values() {
            if let Op::Request {
                session, request, ..
            }
            | Op::Decide { session, request } = op
            {
                let error = RoomError::ending(ErrorKind::Unavailable, reason);
                effects.push(Effect::Reply {
                    session,
                    request,
                    result: Err(error),
                });
            }
        }
        for session in std::mem::take(&mut self.sessions).into_keys() {
            effects.push(Effect::CloseSession { session, reason });
        }
        self.names.clear();
        self.coming.clear();
        self.transports.clear();
        self.producers.clear();
        self.consumers.clear();
        self.producing_data.clear();
        self.data_producers.clear();
        self.data_consumers.clear();
        self.bots.clear();
        self.ears.clear();
        self.speakers = Speakers::default();
        self.floor = Floor::default();
        self.selective.clear();
        self.batches.clear();
        self.full_batches.clear();
        self.asks.clear();
        self.joined.clear();
        self.announced.clear();
        self.featured.clear();
        self.catalogs.clear();
        self.hosts.clear();
        self.deciders.clear();
        self.knocks.clear();
        self.made.clear();
        self.returning.clear();
        self.away.clear();
        self.producing.clear();
        self.timers.clear();
        self.remote = None;
        for (place, Place { router, .. }) in std::mem::take(&mut self.places) {
            effects.push(Effect::Worker {
                place,
                op: None,
                request: Request::CloseRouter { router },
            });
        }
        effects.push(Effect::RoomClosed);
    }

    /// Tells everybody who has joined, except one.
    fn tell_joined(&self, except: Option<SessionId>, event: &PeerEvent, effects: &mut Vec<Effect>) {
        let others = self.joined.iter().copied();
        for session in others.filter(|to| Some(*to) != except) {
            effects.push(Effect::Notify {
                session,
                event: event.clone(),
            });
        }
    }

    /// Producers at places where they do not come in.
    fn pipes(&self) -> impl Iterator<Item = (ProducerId, PlaceId)> {
        let producers = self.producers.iter();
        producers.flat_map(|(id, producer)| producer.pipes.keys().map(|place| (*id, *place)))
    }

    /// Sends a request to the worker and remembers what its answer is for.
    fn ask_worker(
        &mut self,
        place: PlaceId,
        op: Op,
        request: Request,
        effects: &mut Vec<Effect>,
    ) -> OpId {
        let id = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(id, op);
        effects.push(Effect::Worker {
            place,
            op: Some(id),
            request,
        });
        id
    }

    /// Sends a request whose answer is of no interest to the worker, if it is still there.
    fn tell_worker(&self, place: PlaceId, request: Request, effects: &mut Vec<Effect>) {
        if self.places.contains_key(&place) {
            effects.push(Effect::Worker {
                place,
                op: None,
                request,
            });
        }
    }

    /// An identifier with the form of a UUID version 4 (RFC 9562 §5.4).
    fn fresh_id(&mut self) -> u128 {
        let random: u128 = self.rng.random();
        (random & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62)
    }
}

/// What answers a request: a reply now, or nothing yet because the worker was asked.
type Outcome = Result<Option<PeerReply>, RoomError>;

/// Everything that a room holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomDump {
    /// Places.
    pub places: Vec<PlaceId>,
    /// Sessions.
    pub sessions: Vec<SessionId>,
    /// Peers whose session was lost and who are expected back.
    pub away: Vec<PeerId>,
    /// Transports.
    pub transports: Vec<TransportId>,
    /// Producers.
    pub producers: Vec<ProducerId>,
    /// Consumers.
    pub consumers: Vec<ConsumerId>,
    /// Data producers, those of the bot included.
    pub data_producers: Vec<DataProducerId>,
    /// Data consumers of peers.
    pub data_consumers: Vec<DataConsumerId>,
    /// Whether somebody has a voice.
    pub observes: bool,
    /// Producers at places where they do not come in.
    pub pipes: Vec<(ProducerId, PlaceId)>,
    /// What is brought here from other nodes.
    pub inlets: Vec<PipeSource>,
    /// What is brought from here to other nodes.
    pub feeds: Vec<(NodeKey, PipeSource)>,
    /// Peers of other nodes.
    pub far_peers: Vec<PeerId>,
    /// Requests that a worker or another node has not answered.
    pub pending_worker_requests: usize,
    /// Questions that clients have not answered.
    pub pending_client_requests: usize,
}

#[cfg(test)]
mod tests;
