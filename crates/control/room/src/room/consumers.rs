//! What peers receive. Nobody asks for consumers: everybody who has joined gets what the others send, as far as its
//! capabilities reach.

use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::{
    event::ConsumerScore,
    ortc::{self, ConsumerOptions},
    resolve,
    rtp_parameters::{RtpCapabilities, RtpParameters},
};
use rand::rngs::StdRng;

use crate::{
    command::{PlaceId, SessionId},
    effect::{AskId, ClientRequest, Effect, NewConsumer, OpId},
    event::PeerEvent,
    room::Room,
    state::{Asked, Consumer, Op, Presence, Producer, Stage, Transport},
};

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

    fn consume(&mut self, session: SessionId, producer: ProducerId, effects: &mut Vec<Effect>) {
        let Some(origin) = self.producers.get(&producer).map(|origin| origin.place) else {
            return;
        };
        for _ in 0..=self.config.consumer_replicas {
            let Some((place, consumer, request)) = self.new_consumer(session, producer) else {
                return;
            };
            if place == origin {
                self.request_consumer(place, consumer, request, effects);
            } else {
                self.consume_piped((producer, place), consumer, request, effects);
            }
        }
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

    /// A consumer with its request to the worker; `None` if the peer cannot have it or has enough of them.
    fn new_consumer(
        &mut self,
        session: SessionId,
        producer_id: ProducerId,
    ) -> Option<(PlaceId, ConsumerId, Request)> {
        let id = ConsumerId::from_u128(self.fresh_id());
        let transport_id = self.consuming_transport(session)?;
        let peer = self.sessions.get(&session)?;
        let remote = peer.membership.as_ref()?.rtp_capabilities.as_ref()?;
        let producer = self.producers.get(&producer_id)?;
        let (first, last) = (ConsumerId::from_u128(0), ConsumerId::from_u128(u128::MAX));
        let own = producer.consumers.range((session, first)..=(session, last));
        let had = own.count();
        if producer.presence != Presence::Confirmed
            || had > usize::from(self.config.consumer_replicas)
            || !ortc::can_consume(&producer.consumable, remote)
        {
            return None;
        }
        let transport = self.transports.get_mut(&transport_id)?;
        let parameters = consumer_parameters(producer, remote, transport, &mut self.rng)?;
        let sent = resolve::send_parameters(producer.kind, &parameters).ok()?;
        let ssrcs = [Some(sent.ssrc), sent.rtx_ssrc];
        transport.ssrcs.extend(ssrcs.into_iter().flatten());
        transport.consumers.insert(id);
        let place = transport.place;
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
                op: None,
                ssrcs,
                paused_by_client: false,
                score_told: false,
                score: None,
            },
        );
        let request = Request::Consume {
            transport: transport_id,
            consumer: id,
            producer: producer_id,
            parameters: sent,
            paused: true,
        };
        Some((place, id, request))
    }

    /// The first transport that the client created for receiving.
    fn consuming_transport(&self, session: SessionId) -> Option<TransportId> {
        let mut transports = self.sessions.get(&session)?.transports.iter();
        let usable = |id: &&TransportId| {
            let transport = self.transports.get(id);
            transport.is_some_and(|transport| {
                transport.consuming && transport.presence == Presence::Confirmed
            })
        };
        transports.find(usable).copied()
    }

    /// The worker has made a consumer: ask the client to make its half.
    pub(super) fn announce(&mut self, id: ConsumerId, effects: &mut Vec<Effect>) {
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        let producer = self.producers.get(&consumer.producer);
        let owner = producer.and_then(|producer| self.sessions.get(&producer.session));
        let (Some(producer), Some(owner)) = (producer, owner) else {
            return;
        };
        let ask = AskId(self.next_ask);
        let stage = std::mem::replace(&mut consumer.stage, Stage::Asked(ask));
        let Stage::Requested(parameters) = stage else {
            consumer.stage = stage;
            return;
        };
        self.next_ask += 1;
        self.asks.insert(ask, Asked::Consumer(id));
        let score = consumer.score.clone();
        let body = NewConsumer {
            peer: owner.id.clone(),
            transport: consumer.transport,
            consumer: id,
            producer: consumer.producer,
            kind: producer.kind,
            rtp_parameters: *parameters,
            producer_type: producer.form,
            app_data: producer.app_data.clone(),
            producer_paused: producer.paused,
            score: score.unwrap_or_else(|| first_score(producer)),
        };
        effects.push(Effect::AskClient {
            session: consumer.session,
            ask,
            body: ClientRequest::NewConsumer(Box::new(body)),
        });
    }

    /// A client that refuses or does not answer keeps a paused consumer: it may still resume it by itself.
    pub(super) fn handle_client_answer(
        &mut self,
        ask: AskId,
        accepted: bool,
        effects: &mut Vec<Effect>,
    ) {
        let id = match self.asks.remove(&ask) {
            Some(Asked::Consumer(id)) => id,
            Some(Asked::DataConsumer(id)) => return self.handle_data_answer(id, accepted, effects),
            None => return,
        };
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        consumer.stage = Stage::Answered;
        if accepted && !consumer.paused_by_client {
            let request = Request::ResumeConsumer { consumer: id };
            let place = consumer.place;
            let op = self.ask_worker(place, Op::Start(id), request, effects);
            self.note_op(id, op);
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

    /// Takes a consumer out of the room's books.
    pub(super) fn forget_consumer(&mut self, id: ConsumerId) -> Option<Consumer> {
        let consumer = self.consumers.remove(&id)?;
        if let Stage::Asked(ask) = consumer.stage {
            self.asks.remove(&ask);
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

/// Parameters whose SSRCs no other consumer of the transport has.
fn consumer_parameters(
    producer: &Producer,
    remote: &RtpCapabilities,
    transport: &mut Transport,
    rng: &mut StdRng,
) -> Option<RtpParameters> {
    let mid = transport.take_mid();
    for _ in 0..SSRC_ATTEMPTS {
        let options = ConsumerOptions {
            mid: Some(mid.clone()),
            // In audio too: it is what makes clients ask for lost Opus packets.
            enable_rtx: true,
        };
        let parameters =
            ortc::consumer_parameters(&producer.consumable, remote, options, rng).ok()?;
        let taken = |ssrc| transport.ssrcs.contains(&ssrc);
        let clash = parameters.encodings.iter().any(|encoding| {
            encoding.ssrc.is_some_and(taken) || encoding.rtx.is_some_and(|rtx| taken(rtx.ssrc))
        });
        if !clash {
            return Some(parameters);
        }
    }
    None
}

/// With a thousand consumers on a transport one attempt fails once in 400,000 times.
const SSRC_ATTEMPTS: u8 = 8;
