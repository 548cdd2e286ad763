//! What peers read: everybody who has joined, and takes data consumers, gets what those write whom it knows.

use plenum_ids::{DataConsumerId, DataProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::data::SctpStreamParameters;
use serde_json::Map;

use crate::{
    command::{Audience, PlaceId, RequestId, SessionId},
    effect::{AskId, ClientRequest, Effect, NewDataConsumer, PeerReply, RoomError},
    event::PeerEvent,
    remote::PipeSource,
    room::{Room, remote::Sink},
    state::{Asked, DataConsumer, DataStage, Op, Presence},
};

impl Room {
    /// Gives a peer data consumers of everything that others write and that it does not have yet.
    pub(super) fn consume_all_data(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let transport = self.reading_transport(session);
        let Some((place, _)) = transport.filter(|_| self.subscribes(session)) else {
            return;
        };
        let others = self.announced.iter().filter(|other| **other != session);
        let others = others.filter(|other| self.is_read(**other));
        let written = others.filter_map(|other| self.producing_data.get(other));
        let written: Vec<_> = written.flatten().copied().collect();
        for id in written {
            let producer = self.data_producers.get(&id);
            if producer.is_some_and(|producer| producer.audience == Audience::Everybody) {
                self.consume_data(session, id, effects);
            }
        }
        if let Some(bot) = self.bot_at(place, effects) {
            self.consume_data(session, bot.voice, effects);
        }
    }

    pub(super) fn consume_data(
        &mut self,
        session: SessionId,
        id: DataProducerId,
        effects: &mut Vec<Effect>,
    ) {
        let transport = self.reading_transport(session);
        if let Some((_, transport)) = transport.filter(|_| self.subscribes(session)) {
            self.make_data_consumer((session, transport), id, None, effects);
        }
    }

    /// Makes a data consumer and asks the worker for it, unless the peer has this one or has no stream left.
    pub(super) fn make_data_consumer(
        &mut self,
        to: (SessionId, TransportId),
        id: DataProducerId,
        request: Option<RequestId>,
        effects: &mut Vec<Effect>,
    ) -> Option<()> {
        let (place, consumer, request) = self.new_data_consumer(to, id, request)?;
        match self.data_producers.get(&id).and_then(|it| it.place) {
            Some(origin) if origin == place => {
                self.request_data_consumer(place, consumer, request, effects);
            }
            Some(_) => self.consume_piped_data((id, place), consumer, request, effects),
            None => {
                let source = PipeSource::DataProducer(id);
                self.consume_far((source, place), (Sink::Data(consumer), request), effects);
            }
        }
        Some(())
    }

    pub(super) fn request_data_consumer(
        &mut self,
        place: PlaceId,
        id: DataConsumerId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        // It may have waited for a pipe, and be gone.
        if self.data_consumers.contains_key(&id) {
            let op = self.ask_worker(place, Op::ConsumeData(id), request, effects);
            if let Some(consumer) = self.data_consumers.get_mut(&id) {
                consumer.op = Some(op);
            }
        }
    }

    fn new_data_consumer(
        &mut self,
        (session, transport_id): (SessionId, TransportId),
        producer_id: DataProducerId,
        request: Option<RequestId>,
    ) -> Option<(PlaceId, DataConsumerId, Request)> {
        let id = DataConsumerId::from_u128(self.fresh_id());
        let producer = self.data_producers.get_mut(&producer_id)?;
        let (first, last) = (
            DataConsumerId::from_u128(0),
            DataConsumerId::from_u128(u128::MAX),
        );
        let mut had = producer.consumers.range((session, first)..=(session, last));
        if producer.presence != Presence::Confirmed || had.next().is_some() {
            return None;
        }
        let transport = self.transports.get_mut(&transport_id)?;
        let stream = SctpStreamParameters {
            stream_id: transport.take_stream()?,
            ..producer.stream
        };
        let place = transport.place;
        transport.data_consumers.insert(id);
        producer.consumers.insert((session, id));
        let batch = match request {
            Some(_) => None,
            None => self.enter_batch(session),
        };
        self.data_consumers.insert(
            id,
            DataConsumer {
                session,
                place,
                transport: transport_id,
                data_producer: producer_id,
                stream,
                stage: DataStage::Requested,
                request,
                batch,
                op: None,
            },
        );
        let request = Request::ConsumeData {
            transport: transport_id,
            data_consumer: id,
            data_producer: producer_id,
            stream: Some(stream),
            subchannels: Vec::new(),
            paused: false,
        };
        Some((place, id, request))
    }

    /// The first transport with data channels that the client created for receiving, if it takes data consumers.
    pub(super) fn reading_transport(&self, session: SessionId) -> Option<(PlaceId, TransportId)> {
        let peer = self.sessions.get(&session)?;
        if !peer.membership.as_ref()?.data {
            return None;
        }
        let mut transports = peer.transports.iter();
        transports.find_map(|id| {
            let transport = self.transports.get(id)?;
            let usable =
                transport.consuming && transport.data && transport.presence == Presence::Confirmed;
            usable.then_some((transport.place, *id))
        })
    }

    /// The worker has made a data consumer: ask the client to make its half, or answer it.
    pub(super) fn announce_data(&mut self, id: DataConsumerId, effects: &mut Vec<Effect>) {
        let Some(consumer) = self.data_consumers.get_mut(&id) else {
            return;
        };
        if let Some(batch) = consumer.batch {
            consumer.stage = DataStage::Ready;
            return self.note_ready_data(batch, id);
        }
        let (session, request) = (consumer.session, consumer.request.take());
        if let Some(request) = request {
            if let Some(body) = self.describe_data_consumer(id, DataStage::Accepted) {
                effects.push(Effect::Reply {
                    session,
                    request,
                    result: Ok(PeerReply::DataConsumed(Box::new(body))),
                });
            }
            return;
        }
        let ask = AskId(self.next_ask);
        if let Some(body) = self.describe_data_consumer(id, DataStage::Asked(ask)) {
            self.next_ask += 1;
            self.asks.insert(ask, Asked::DataConsumer(id));
            effects.push(Effect::AskClient {
                session,
                ask,
                body: ClientRequest::NewDataConsumer(Box::new(body)),
            });
        }
    }

    /// What a client must know of a data consumer that the worker has made, which is at the next stage then.
    pub(super) fn describe_data_consumer(
        &mut self,
        id: DataConsumerId,
        next: DataStage,
    ) -> Option<NewDataConsumer> {
        let producer = self.data_consumers.get(&id)?.data_producer;
        let producer = self.data_producers.get(&producer)?;
        let owner = producer.session.and_then(|owner| self.name_of(owner));
        let owner = owner.cloned();
        let consumer = self.data_consumers.get_mut(&id)?;
        consumer.stage = next;
        Some(NewDataConsumer {
            peer: owner,
            transport: consumer.transport,
            data_consumer: id,
            data_producer: consumer.data_producer,
            stream: consumer.stream,
            label: producer.label.clone(),
            protocol: producer.protocol.clone(),
            app_data: Map::clone(&producer.app_data),
        })
    }

    /// A client that refuses a data consumer, or does not answer, has no way to ask for it later.
    pub(super) fn handle_data_answer(
        &mut self,
        id: DataConsumerId,
        accepted: bool,
        effects: &mut Vec<Effect>,
    ) {
        if accepted {
            if let Some(consumer) = self.data_consumers.get_mut(&id) {
                consumer.stage = DataStage::Accepted;
            }
        } else if let Some(consumer) = self.forget_data_consumer(id) {
            let request = Request::CloseDataConsumer { data_consumer: id };
            self.tell_worker(consumer.place, request, effects);
        }
    }

    /// Closes somebody's data consumer and tells its owner.
    pub(super) fn take_data_consumer(&mut self, id: DataConsumerId, effects: &mut Vec<Effect>) {
        let Some(consumer) = self.forget_data_consumer(id) else {
            return;
        };
        let request = Request::CloseDataConsumer { data_consumer: id };
        self.tell_worker(consumer.place, request, effects);
        if consumer.is_announced() {
            effects.push(Effect::Notify {
                session: consumer.session,
                event: PeerEvent::DataConsumerClosed { data_consumer: id },
            });
        }
    }

    /// Takes a data consumer out of the room's books.
    pub(super) fn forget_data_consumer(&mut self, id: DataConsumerId) -> Option<DataConsumer> {
        let consumer = self.data_consumers.remove(&id)?;
        match (consumer.stage, consumer.batch) {
            (DataStage::Asked(ask), _) => self.forget_asked_data(ask, id),
            (DataStage::Requested, Some(batch)) => self.note_settled(batch),
            _ => {}
        }
        if let Some(op) = consumer.op {
            self.ops.remove(&op);
        }
        if let Some(transport) = self.transports.get_mut(&consumer.transport) {
            transport.data_consumers.remove(&id);
            transport.release_stream(consumer.stream.stream_id);
        }
        if let Some(producer) = self.data_producers.get_mut(&consumer.data_producer) {
            producer.consumers.remove(&(consumer.session, id));
            if producer.session.is_none() {
                self.idle_bots.push(consumer.place);
            }
        }
        self.release_data_pipe(consumer.data_producer, consumer.place);
        self.release_inlet(PipeSource::DataProducer(consumer.data_producer));
        if let Some(request) = consumer.request {
            self.disappointed.push((consumer.session, request));
        }
        Some(consumer)
    }

    pub(super) fn own_data_consumer(
        &self,
        session: SessionId,
        id: DataConsumerId,
    ) -> Result<&DataConsumer, RoomError> {
        let consumer = self.data_consumers.get(&id);
        consumer
            .filter(|consumer| consumer.session == session && consumer.is_announced())
            .ok_or_else(|| RoomError::not_found("dataConsumer", &id.to_string()))
    }
}
