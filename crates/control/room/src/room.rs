//! The room itself: sessions come and go, time passes, everything else is handed to the parts below.

mod answers;
mod consumers;
mod places;
mod producers;
mod requests;
mod transports;

use std::{collections::BTreeMap, time::Instant};

use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, PeerId, ProducerId, RouterId, TransportId};
use plenum_ipc::message::Request;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    command::{Command, PlaceId, SessionId},
    config::{MAX_CONSUMER_REPLICAS, RoomConfig},
    effect::{AskId, CloseReason, Effect, OpId, PeerEvent, PeerReply, RoomError},
    state::{Consumer, Op, Peer, Place, Producer, Transport},
};

/// One room.
#[derive(Debug)]
pub struct Room {
    config: RoomConfig,
    rng: StdRng,
    /// Why the room has ended.
    ended: Option<CloseReason>,
    places: BTreeMap<PlaceId, Place>,
    sessions: BTreeMap<SessionId, Peer>,
    names: BTreeMap<PeerId, SessionId>,
    transports: BTreeMap<TransportId, Transport>,
    producers: BTreeMap<ProducerId, Producer>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    ops: BTreeMap<OpId, Op>,
    asks: BTreeMap<AskId, ConsumerId>,
    next_op: u64,
    next_ask: u64,
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
        let mut room = Self {
            config,
            rng: StdRng::from_seed(seed),
            ended: None,
            places: BTreeMap::new(),
            sessions: BTreeMap::new(),
            names: BTreeMap::new(),
            transports: BTreeMap::new(),
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            ops: BTreeMap::new(),
            asks: BTreeMap::new(),
            next_op: 0,
            next_ask: 0,
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
        match command {
            Command::ClientAnswer { ask, accepted } => {
                self.handle_client_answer(ask, accepted, effects);
            }
            Command::Close => self.end(CloseReason::RoomClosed, effects),
            Command::MediaEvent { place, event } => self.handle_media_event(place, event, effects),
            Command::PeerConnected {
                session,
                peer,
                place,
            } => self.connect(now, session, (peer, place), effects),
            Command::PeerDisconnected { session } => self.leave(session, None, effects),
            Command::PlaceLost { place } => self.lose_place(place, effects),
            Command::Request {
                session,
                request,
                body,
            } => self.handle_request(session, request, body, effects),
            Command::Tick => self.close_late(now, effects),
            Command::WorkerAnswer { op, result } => self.handle_worker_answer(op, result, effects),
        }
    }

    /// When [`Command::Tick`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self.sessions.values();
        sessions.filter_map(|peer| peer.join_deadline).min()
    }

    /// Connected sessions, joined or not.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Peers who have joined.
    pub fn joined_count(&self) -> usize {
        let sessions = self.sessions.values();
        sessions.filter(|peer| peer.membership.is_some()).count()
    }

    /// Everything that the room holds, for tests and for looking into a running node.
    pub fn dump(&self) -> RoomDump {
        RoomDump {
            places: self.places.keys().copied().collect(),
            sessions: self.sessions.keys().copied().collect(),
            transports: self.transports.keys().copied().collect(),
            producers: self.producers.keys().copied().collect(),
            consumers: self.consumers.keys().copied().collect(),
            pending_worker_requests: self.ops.len(),
            pending_client_requests: self.asks.len(),
        }
    }

    fn connect(
        &mut self,
        now: Instant,
        session: SessionId,
        (peer, place): (PeerId, PlaceId),
        effects: &mut Vec<Effect>,
    ) {
        if self.sessions.contains_key(&session) {
            return;
        }
        if let Some(older) = self.names.get(&peer).copied() {
            self.remove(older, effects);
            effects.push(Effect::CloseSession {
                session: older,
                reason: CloseReason::Replaced,
            });
        }
        if self.sessions.len() >= self.config.limits.peers {
            effects.push(Effect::CloseSession {
                session,
                reason: CloseReason::RoomFull,
            });
            return;
        }
        if !self.places.contains_key(&place) {
            let router = RouterId::from_u128(self.fresh_id());
            self.open_place(place, router, effects);
        }
        self.names.insert(peer.clone(), session);
        self.sessions.insert(
            session,
            Peer {
                id: peer,
                place,
                membership: None,
                join_deadline: now.checked_add(self.config.join_timeout),
                transports: Vec::new(),
                pending: 0,
            },
        );
    }

    /// Ends a session; `reason` if it is we who close it.
    fn leave(
        &mut self,
        session: SessionId,
        reason: Option<CloseReason>,
        effects: &mut Vec<Effect>,
    ) {
        if !self.sessions.contains_key(&session) {
            return;
        }
        self.remove(session, effects);
        if let Some(reason) = reason {
            effects.push(Effect::CloseSession { session, reason });
        }
        if self.sessions.is_empty() {
            effects.push(Effect::RoomEmpty);
        }
    }

    /// Takes a session and everything of it out of the room and tells the others.
    fn remove(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let Some(peer) = self.sessions.remove(&session) else {
            return;
        };
        self.names.remove(&peer.id);
        self.ops
            .retain(|_, op| !matches!(op, Op::Request { session: of, .. } if *of == session));
        if peer.membership.is_some() {
            let event = PeerEvent::PeerClosed { peer: peer.id };
            self.tell_joined(session, &event, effects);
        }
        for transport in peer.transports {
            self.close_transport(transport, effects);
        }
    }

    fn close_late(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let is_late = |peer: &Peer| peer.join_deadline.is_some_and(|deadline| deadline <= now);
        let late: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, peer)| is_late(peer))
            .map(|(session, _)| *session)
            .collect();
        for session in late {
            self.leave(session, Some(CloseReason::JoinTimeout), effects);
        }
    }

    fn end(&mut self, reason: CloseReason, effects: &mut Vec<Effect>) {
        self.ended = Some(reason);
        for op in std::mem::take(&mut self.ops).into_values() {
            if let Op::Request {
                session, request, ..
            } = op
            {
                let error = RoomError::new(ErrorKind::Unavailable, reason.as_str());
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
        self.transports.clear();
        self.producers.clear();
        self.consumers.clear();
        self.asks.clear();
        for (place, Place { router }) in std::mem::take(&mut self.places) {
            effects.push(Effect::Worker {
                place,
                op: None,
                request: Request::CloseRouter { router },
            });
        }
        effects.push(Effect::RoomClosed);
    }

    /// Tells everybody who has joined, except one.
    fn tell_joined(&self, except: SessionId, event: &PeerEvent, effects: &mut Vec<Effect>) {
        for session in self.joined_sessions().filter(|session| *session != except) {
            effects.push(Effect::Notify {
                session,
                event: event.clone(),
            });
        }
    }

    fn joined_sessions(&self) -> impl Iterator<Item = SessionId> {
        let sessions = self.sessions.iter();
        sessions
            .filter(|(_, peer)| peer.membership.is_some())
            .map(|(session, _)| *session)
    }

    /// Sends a request to the worker and remembers what its answer is for.
    fn ask_worker(&mut self, place: PlaceId, op: Op, request: Request, effects: &mut Vec<Effect>) {
        let id = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(id, op);
        effects.push(Effect::Worker {
            place,
            op: Some(id),
            request,
        });
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
    /// Transports.
    pub transports: Vec<TransportId>,
    /// Producers.
    pub producers: Vec<ProducerId>,
    /// Consumers.
    pub consumers: Vec<ConsumerId>,
    /// Requests that a worker has not answered.
    pub pending_worker_requests: usize,
    /// Questions that clients have not answered.
    pub pending_client_requests: usize,
}

#[cfg(test)]
mod tests;
