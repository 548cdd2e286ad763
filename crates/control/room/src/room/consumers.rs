//! What peers receive. Nobody asks for consumers: everybody who has joined gets what the others send, as far as its
//! capabilities reach.

use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::{
    event::ConsumerScore,
    media::SendParameters,
    ortc::{self, ConsumerOptions, OwnNumbers},
    resolve,
    rtp_parameters::{RtpCapabilities, RtpParameters},
};
use rand::rngs::StdRng;
use serde_json::Map;

use crate::{
    command::{PlaceId, SessionId},
    effect::{AskId, ClientRequest, Effect, NewConsumer, OpId, RoomError},
    event::PeerEvent,
    remote::PipeSource,
    room::{Room, remote::Sink},
    state::{Asked, Choice, Consumer, Op, Presence, Producer, Stage, Transport},
};

/// How a consumer is to be.
pub(super) struct Wish {
    /// What its client can receive; `None`: what it said when it joined.
    pub(super) rtp_capabilities: Option<RtpCapabilities>,
    /// Numbers that its client has chosen itself.
    pub(super) own: Option<Box<OwnNumbers>>,
    pub(super) paused: bool,
    pub(super) choice: Option<Choice>,
}

impl Wish {
    /// Of a consumer that its client is asked about.
    const fn none() -> Self {
        Self {
            rtp_capabilities: None,
            own: None,
            paused: true,
            choice: None,
        }
    }
}

impl Room {
    /// Gives a peer consumers of everything that others send and that it does not have yet.
    pub(super) fn consume_all(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let others = self
            .producing
            .iter()
            .filter(|(owner, _)| **owner != session);
        let producers: Vec<_> = others
            .flat_map(|(_, producers)| producers.iter().copied())
            .collect();
        for producer in producers {
            self.consume(session, producer, effects);
        }
    }

    /// Gives everybody else who has joined a consumer of a producer.
    pub(super) fn offer(&mut self, producer: ProducerId, effects: &mut Vec<Effect>) {
        let owner = self
            .producers
            .get(&producer)
            .map(|producer| producer.session);
        let others: Vec<_> = self
            .joined
            .iter()
            .copied()
            .filter(|session| Some(*session) != owner)
            .collect();
        for session in others {
            self.consume(session, producer, effects);
        }
    }

    pub(super) fn consume(
        &mut self,
        session: SessionId,
        producer: ProducerId,
        effects: &mut Vec<Effect>,
    ) {
        let wanted = self.producers.get(&producer);
        if !wanted.is_some_and(|it| self.wants(session, it)) || !self.subscribes(session) {
            return;
        }
        let Some(transport) = self.consuming_transport(session) else {
            return;
        };
        for _ in 0..=self.config.consumer_replicas {
            if !self.may_have_another(session, producer)
                || self
                    .make_consumer((session, transport), producer, Wish::none(), effects)
                    .is_err()
            {
                return;
            }
        }
    }

    /// Makes a consumer and asks the worker for it, now or when its producer has got to the place.
    pub(super) fn make_consumer(
        &mut self,
        to: (SessionId, TransportId),
        producer: ProducerId,
        wish: Wish,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let (place, consumer, request) = self.new_consumer(to, producer, wish)?;
        match self.producers.get(&producer).and_then(|it| it.place) {
            Some(origin) if origin == place => {
                self.request_consumer(place, consumer, request, effects);
            }
            Some(_) => self.consume_piped((producer, place), consumer, request, effects),
            None => {
                let source = PipeSource::Producer(producer);
                self.consume_far((source, place), (Sink::Media(consumer), request), effects);
            }
        }
        Ok(())
    }

    pub(super) fn request_consumer(
        &mut self,
        place: PlaceId,
        id: ConsumerId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        // It may have waited for a pipe, and be gone.
        if self.consumers.contains_key(&id) {
            let op = self.ask_worker(place, Op::Consume(id), request, effects);
            self.note_op(id, op);
        }
    }

    fn note_op(&mut self, id: ConsumerId, op: OpId) {
        if let Some(consumer) = self.consumers.get_mut(&id) {
            consumer.op = Some(op);
        }
    }

    /// Whether a peer has fewer consumers of a producer than everybody is to have.
    fn may_have_another(&self, session: SessionId, producer: ProducerId) -> bool {
        let had = self.consumers_of(session, producer).count();
        had <= usize::from(self.config.consumer_replicas)
    }

    /// What a peer has of a producer.
    pub(super) fn consumers_of(
        &self,
        session: SessionId,
        producer: ProducerId,
    ) -> impl Iterator<Item = ConsumerId> {
        let (first, last) = (ConsumerId::from_u128(0), ConsumerId::from_u128(u128::MAX));
        let producer = self.producers.get(&producer);
        let own = producer.map(|it| it.consumers.range((session, first)..=(session, last)));
        own.into_iter().flatten().map(|(_, id)| *id)
    }

    /// A consumer with its request to the worker.
    fn new_consumer(
        &mut self,
        (session, transport_id): (SessionId, TransportId),
        producer_id: ProducerId,
        wish: Wish,
    ) -> Result<(PlaceId, ConsumerId, Request), RoomError> {
        let id = ConsumerId::from_u128(self.fresh_id());
        let membership = self.sessions.get(&session).map(|it| it.membership.as_ref());
        let said = membership
            .flatten()
            .and_then(|it| it.rtp_capabilities.as_ref());
        let remote = wish.rtp_capabilities.as_ref().or(said);
        let remote = remote.ok_or_else(cannot_consume)?;
        let producer = self.producers.get(&producer_id);
        let producer = producer
            .filter(|it| it.presence == Presence::Confirmed)
            .ok_or_else(|| RoomError::not_found("producer", &producer_id.to_string()))?;
        if !ortc::can_consume(&producer.consumable, remote) {
            return Err(cannot_consume());
        }
        let transport = self.transports.get_mut(&transport_id);
        let transport = transport
            .ok_or_else(|| RoomError::not_found("transport", &transport_id.to_string()))?;
        let is_untouched = transport.is_untouched();
        let (parameters, sent) =
            consumer_parameters(producer, remote, (transport, wish.own), &mut self.rng)
                .ok_or_else(cannot_consume)?;
        let ssrcs = [Some(sent.ssrc), sent.rtx_ssrc];
        transport.ssrcs.extend(ssrcs.into_iter().flatten());
        transport.consumers.insert(id);
        let (place, is_up) = (transport.place, transport.up);
        let batch = match wish.choice {
            Some(_) => None,
            None => self.enter_batch(session),
        };
        if is_untouched && let Some(transport) = self.transports.get_mut(&transport_id) {
            transport.first_batch = batch;
        }
        let transport = self.transports.get(&transport_id);
        let is_first = batch.is_some() && transport.is_some_and(|it| it.first_batch == batch);
        // A client that takes batches has its half of what made it connect when the connection stands. What comes while
        // it connects may be news to it when packets can flow already.
        let early = is_first && !is_up;
        if let Some(producer) = self.producers.get_mut(&producer_id) {
            producer.consumers.insert((session, id));
        }
        self.consumers.insert(
            id,
            Consumer {
                session,
                place,
                transport: transport_id,
                producer: producer_id,
                stage: Stage::Requested(Box::new(parameters)),
                choice: wish.choice,
                batch,
                early,
                op: None,
                ssrcs,
                paused_by_client: wish.choice.is_some() && wish.paused,
                score_told: wish.choice.is_some(),
                score: None,
            },
        );
        let request = Request::Consume {
            transport: transport_id,
            consumer: id,
            producer: producer_id,
            parameters: sent,
            paused: wish.paused && !early,
        };
        Ok((place, id, request))
    }

    /// The first transport that the client created for receiving.
    pub(super) fn consuming_transport(&self, session: SessionId) -> Option<TransportId> {
        let mut transports = self.sessions.get(&session)?.transports.iter();
        let usable = |id: &&TransportId| {
            let transport = self.transports.get(id);
            transport.is_some_and(|transport| {
                transport.consuming && transport.presence == Presence::Confirmed
            })
        };
        transports.find(usable).copied()
    }

    /// The worker has made a consumer: ask the client to make its half, or answer it.
    pub(super) fn announce(&mut self, id: ConsumerId, effects: &mut Vec<Effect>) {
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        if let Some(batch) = consumer.batch {
            let stage = std::mem::replace(&mut consumer.stage, Stage::Answered);
            if let Stage::Requested(parameters) = stage {
                consumer.stage = Stage::Ready(parameters);
                return self.note_ready(batch, id);
            }
            consumer.stage = stage;
            return;
        }
        let session = consumer.session;
        if consumer.choice.is_some() {
            if let Some(body) = self.describe_consumer(id, Stage::Answered) {
                self.tell_chosen(id, body, effects);
            }
            return;
        }
        let ask = AskId(self.next_ask);
        if let Some(body) = self.describe_consumer(id, Stage::Asked(ask)) {
            self.next_ask += 1;
            self.asks.insert(ask, Asked::Consumer(id));
            effects.push(Effect::AskClient {
                session,
                ask,
                body: ClientRequest::NewConsumer(Box::new(body)),
            });
        }
    }

    /// What a client must know of a consumer that the worker has made, which is at the next stage then.
    pub(super) fn describe_consumer(&mut self, id: ConsumerId, next: Stage) -> Option<NewConsumer> {
        let producer = self.consumers.get(&id)?.producer;
        let producer = self.producers.get(&producer)?;
        let owner = self.name_of(producer.session)?.clone();
        let consumer = self.consumers.get_mut(&id)?;
        let stage = std::mem::replace(&mut consumer.stage, next);
        let (Stage::Requested(parameters) | Stage::Ready(parameters)) = stage else {
            consumer.stage = stage;
            return None;
        };
        let score = consumer.score.clone();
        Some(NewConsumer {
            peer: owner,
            transport: consumer.transport,
            consumer: id,
            producer: consumer.producer,
            kind: producer.kind,
            rtp_parameters: *parameters,
            producer_type: producer.form,
            app_data: Map::clone(&producer.app_data),
            producer_paused: producer.paused,
            score: score.unwrap_or_else(|| first_score(producer)),
        })
    }

    /// A client that refuses or does not answer keeps a paused consumer: it may still resume it by itself.
    pub(super) fn handle_client_answer(
        &mut self,
        ask: AskId,
        accepted: bool,
        effects: &mut Vec<Effect>,
    ) {
        // A client that was too slow may still say yes: only then is the question settled.
        let asked = if accepted {
            self.asks.remove(&ask)
        } else {
            self.asks.get(&ask).cloned()
        };
        match asked {
            Some(Asked::Consumer(id)) => self.handle_consumer_answer(id, accepted, effects),
            Some(Asked::DataConsumer(id)) => self.handle_data_answer(id, accepted, effects),
            Some(Asked::Batch(consumers, data_consumers)) => {
                for id in consumers {
                    self.handle_consumer_answer(id, accepted, effects);
                }
                for id in data_consumers {
                    self.handle_data_answer(id, accepted, effects);
                }
            }
            None => {}
        }
    }

    fn handle_consumer_answer(
        &mut self,
        id: ConsumerId,
        accepted: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        if accepted {
            consumer.stage = Stage::Answered;
        }
        let place = consumer.place;
        let early = consumer.early;
        consumer.early &= accepted;
        match (accepted, early) {
            (true, true) => self.tell_first_score(id, effects),
            (true, false) if !consumer.paused_by_client => {
                let request = Request::ResumeConsumer { consumer: id };
                let op = self.ask_worker(place, Op::Start(id), request, effects);
                self.note_op(id, op);
            }
            (false, true) => {
                let request = Request::PauseConsumer { consumer: id };
                self.tell_worker(place, request, effects);
            }
            (_, false) => {}
        }
    }

    /// A consumer runs; the first time its client is told the score.
    pub(super) fn tell_first_score(&mut self, id: ConsumerId, effects: &mut Vec<Effect>) {
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut consumer.score_told, true) {
            return;
        }
        let producer = self.producers.get(&consumer.producer);
        let score = consumer.score.clone();
        if let Some(score) = score.or_else(|| producer.map(first_score)) {
            effects.push(Effect::Notify {
                session: consumer.session,
                event: PeerEvent::ConsumerScore {
                    consumer: id,
                    score,
                },
            });
        }
    }

    /// Closes somebody's consumer and tells its owner.
    pub(super) fn take_consumer(
        &mut self,
        id: ConsumerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let Some(consumer) = self.forget_consumer(id) else {
            return Err(RoomError::not_found("consumer", &id.to_string()));
        };
        let request = Request::CloseConsumer { consumer: id };
        self.tell_worker(consumer.place, request, effects);
        if consumer.is_announced() {
            effects.push(Effect::Notify {
                session: consumer.session,
                event: PeerEvent::ConsumerClosed { consumer: id },
            });
        }
        Ok(())
    }

    /// Takes a consumer out of the room's books.
    pub(super) fn forget_consumer(&mut self, id: ConsumerId) -> Option<Consumer> {
        let consumer = self.consumers.remove(&id)?;
        match (&consumer.stage, consumer.batch) {
            (Stage::Asked(ask), _) => self.forget_asked(*ask, id),
            (Stage::Requested(_), Some(batch)) => self.note_settled(batch),
            _ => {}
        }
        if let Some(op) = consumer.op {
            self.ops.remove(&op);
        }
        if let Some(transport) = self.transports.get_mut(&consumer.transport) {
            transport.consumers.remove(&id);
            for ssrc in consumer.ssrcs.iter().flatten() {
                transport.ssrcs.remove(ssrc);
            }
        }
        if let Some(producer) = self.producers.get_mut(&consumer.producer) {
            producer.consumers.remove(&(consumer.session, id));
        }
        self.release_pipe(consumer.producer, consumer.place);
        self.release_inlet(PipeSource::Producer(consumer.producer));
        if let Some(request) = consumer.choice.and_then(|choice| choice.request) {
            self.disappointed.push((consumer.session, request));
        }
        Some(consumer)
    }
}

/// A new consumer is presumed perfect until something is known of it.
fn first_score(producer: &Producer) -> ConsumerScore {
    let scores: Vec<_> = producer
        .scores
        .iter()
        .map(|encoding| encoding.score)
        .collect();
    ConsumerScore {
        score: 10,
        producer_score: scores.iter().copied().max().unwrap_or_default(),
        producer_scores: scores,
    }
}

/// What its client will receive and what the worker is told of it, with SSRCs that no other consumer of the transport has.
fn consumer_parameters(
    producer: &Producer,
    remote: &RtpCapabilities,
    (transport, own): (&mut Transport, Option<Box<OwnNumbers>>),
    rng: &mut StdRng,
) -> Option<(RtpParameters, SendParameters)> {
    let mid = transport.take_mid();
    for _ in 0..SSRC_ATTEMPTS {
        let options = ConsumerOptions {
            mid: Some(mid.clone()),
            // In audio too: it is what makes clients ask for lost Opus packets.
            enable_rtx: true,
        };
        let mut parameters =
            ortc::consumer_parameters(&producer.consumable, remote, options, rng).ok()?;
        let taken = |ssrc| transport.ssrcs.contains(&ssrc);
        let clash = parameters.encodings.iter().any(|encoding| {
            encoding.ssrc.is_some_and(taken) || encoding.rtx.is_some_and(|rtx| taken(rtx.ssrc))
        });
        if !clash {
            let mut sent = resolve::send_parameters(producer.kind, &parameters).ok()?;
            if let Some(own) = own {
                own.translate(&mut parameters, &mut sent);
            }
            return (!sent.codecs.is_empty()).then_some((parameters, sent));
        }
    }
    None
}

fn cannot_consume() -> RoomError {
    let reason = "the peer cannot decode what the producer sends";
    RoomError::new(ErrorKind::Conflict, reason)
}

/// With a thousand consumers on a transport one attempt fails once in 400,000 times.
const SSRC_ATTEMPTS: u8 = 8;
