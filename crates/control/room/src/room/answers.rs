//! What workers say: answers to requests, and events.

use std::time::Instant;

use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, DataConsumerId, ProducerId, TransportId};
use plenum_ipc::message::{Answer, ErrorCode, Request};
use plenum_params::{
    event::Event,
    ortc::ProducerType,
    transport::{DtlsState, IceState},
};

use crate::{
    close_reason::CloseReason,
    command::{PlaceId, WorkerFailure},
    effect::{DataStats, Effect, OpId, PeerReply, RoomError},
    event::PeerEvent,
    room::{Room, speakers::Heard},
    state::{DataProducer, Op, Presence, Work},
};

impl Room {
    pub(super) fn handle_worker_answer(
        &mut self,
        now: Instant,
        op: OpId,
        result: Result<Answer, WorkerFailure>,
        effects: &mut Vec<Effect>,
    ) {
        match self.ops.remove(&op) {
            Some(Op::CreateRouter(place)) => {
                if let Err(failure) = result {
                    self.handle_no_router(now, place, &failure, effects);
                }
            }
            Some(Op::Consume(consumer)) => {
                self.settle_consumer(consumer);
                match result {
                    Ok(_) => self.announce(consumer, effects),
                    Err(failure) => self.drop_consumer(consumer, &failure, effects),
                }
            }
            Some(Op::ConsumeData(consumer)) => {
                if let Some(consumer) = self.data_consumers.get_mut(&consumer) {
                    consumer.op = None;
                }
                match result {
                    Ok(_) => self.announce_data(consumer, effects),
                    Err(failure) => self.drop_data_consumer(consumer, &failure, effects),
                }
            }
            Some(Op::Mute(producer)) if result.is_ok() => self.handle_muted(producer, effects),
            Some(Op::OpenDataPipe(producer, place)) => {
                self.handle_data_pipe_answer((producer, place), result.is_ok(), effects);
            }
            Some(Op::OpenPipe(producer, place)) => {
                self.handle_pipe_answer((producer, place), result.is_ok(), effects);
            }
            Some(Op::Request {
                session,
                request,
                work,
            }) => {
                if let Some(peer) = self.sessions.get_mut(&session) {
                    peer.ops.remove(&op);
                }
                if result.is_ok() && self.listen_first((session, request), work, effects) {
                    return;
                }
                let result = match result {
                    Ok(answer) => self.settle(work, answer),
                    Err(failure) => {
                        // A peer's own bounds were looked at before: the worker itself has no more ports or sockets.
                        let is_worker_full =
                            matches!(work, Work::CreatePlain(_) | Work::CreateTransport(_));
                        self.undo(work, &failure, effects);
                        let mut error = refusal(failure);
                        if is_worker_full && error.kind == ErrorKind::TooMany {
                            error.kind = ErrorKind::Unavailable;
                        }
                        Err(error)
                    }
                };
                let succeeded = result.is_ok();
                effects.push(Effect::Reply {
                    session,
                    request,
                    result,
                });
                if succeeded {
                    self.follow_up(work, effects);
                }
            }
            Some(Op::OpenInlet(source)) => {
                self.handle_far_end(now, source, result.is_ok(), effects);
            }
            Some(Op::Start(consumer)) => {
                self.settle_consumer(consumer);
                if result.is_ok() {
                    self.tell_first_score(consumer, effects);
                }
            }
            // Without an entry the asker is gone, and what it asked for was undone when it went. What was not muted goes on.
            // What is another node's to answer does not come this way.
            Some(
                Op::Mute(_) | Op::Appoint | Op::Decide { .. } | Op::OpenFeed(_) | Op::AskInlet(_),
            )
            | None => {}
        }
    }

    /// Brings the books up to date and finds the words of the reply.
    fn settle(&mut self, work: Work, answer: Answer) -> Result<PeerReply, RoomError> {
        Ok(match (work, answer) {
            (Work::CreateTransport(id), Answer::WebRtcTransport(info)) => {
                if let Some(transport) = self.transports.get_mut(&id) {
                    transport.presence = Presence::Confirmed;
                }
                PeerReply::WebRtcTransport {
                    transport: id,
                    info: Box::new(info),
                }
            }
            (Work::CreatePlain(id), Answer::PlainTransport(info)) => {
                if let Some(transport) = self.transports.get_mut(&id) {
                    transport.presence = Presence::Confirmed;
                }
                PeerReply::PlainTransport {
                    transport: id,
                    info: Box::new(info),
                }
            }
            (Work::ConnectPlain(id), Answer::PlainTransport(info)) => PeerReply::PlainTransport {
                transport: id,
                info: Box::new(info),
            },
            (Work::Produce(id), Answer::Done) => {
                let producer = self.producers.get_mut(&id).ok_or_else(gone)?;
                producer.presence = Presence::Confirmed;
                PeerReply::Produced { producer: id }
            }
            (Work::ProduceData(id) | Work::Listen(id), Answer::Done) => {
                let producer = self.data_producers.get_mut(&id).ok_or_else(gone)?;
                producer.presence = Presence::Confirmed;
                PeerReply::DataProduced { data_producer: id }
            }
            (Work::DataConsumerStats(id), Answer::DataConsumerStats(counters)) => {
                let consumer = self.data_consumers.get(&id);
                let producer = consumer.and_then(|it| self.data_producers.get(&it.data_producer));
                PeerReply::DataConsumerStats(Box::new(data_stats(producer, counters)))
            }
            (Work::DataProducerStats(id), Answer::DataProducerStats(counters)) => {
                let producer = self.data_producers.get(&id);
                PeerReply::DataProducerStats(Box::new(data_stats(producer, counters)))
            }
            (Work::TransportStats(id), Answer::TransportStats(stats)) => {
                PeerReply::TransportStats {
                    transport: id,
                    stats,
                }
            }
            (Work::Forward, Answer::ConsumerStats(stats)) => PeerReply::ConsumerStats(stats),
            (Work::Forward, Answer::IceParameters(ice)) => PeerReply::IceParameters(ice),
            (Work::Forward, Answer::ProducerStats(stats)) => PeerReply::ProducerStats(stats),
            (
                Work::Connect(_)
                | Work::Forward
                | Work::PauseProducer(_)
                | Work::ResumeConsumer(_)
                | Work::ResumeProducer(_),
                Answer::Done,
            )
            // Clients are not told which layers count: they hear of those that they get.
            | (Work::Forward, Answer::PreferredLayers(_)) => PeerReply::Done,
            (_, _) => {
                return Err(RoomError::new(
                    ErrorKind::Internal,
                    "the media worker gave an answer to another question",
                ));
            }
        })
    }

    /// What happens because a request succeeded, after its reply.
    fn follow_up(&mut self, work: Work, effects: &mut Vec<Effect>) {
        match work {
            Work::Connect(_)
            | Work::ConnectPlain(_)
            | Work::DataConsumerStats(_)
            | Work::DataProducerStats(_)
            | Work::Forward
            | Work::Listen(_)
            | Work::TransportStats(_) => {}
            Work::CreatePlain(id) | Work::CreateTransport(id) => self.consume_late(id, effects),
            Work::PauseProducer(id) => self.set_producer_paused(id, true, effects),
            Work::Produce(id) => {
                self.tell_first_demand(id, effects);
                self.publish(id, effects);
            }
            Work::ProduceData(id) => self.publish_data(id, effects),
            Work::ResumeConsumer(id) => self.tell_first_score(id, effects),
            Work::ResumeProducer(id) => self.set_producer_paused(id, false, effects),
        }
    }

    /// A client that makes its receiving transport only after it joined gets its consumers now.
    fn consume_late(&mut self, id: TransportId, effects: &mut Vec<Effect>) {
        let transport = self
            .transports
            .get(&id)
            .filter(|transport| transport.consuming);
        if let Some(session) = transport.map(|transport| transport.session) {
            self.consume_all(session, effects);
            self.consume_all_data(session, effects);
        }
    }

    /// A request failed: what was prepared for it goes away again.
    fn undo(&mut self, work: Work, failure: &WorkerFailure, effects: &mut Vec<Effect>) {
        match work {
            Work::Connect(id) | Work::ConnectPlain(id) => {
                if let Some(transport) = self.transports.get_mut(&id) {
                    transport.connected = false;
                }
            }
            Work::CreatePlain(id) | Work::CreateTransport(id) => {
                let place = self.forget_transport(id, effects).map(|it| it.place);
                let close = Request::CloseTransport { transport: id };
                self.close_if_unsure(place, failure, close, effects);
            }
            Work::Produce(id) => {
                let place = self.forget_producer(id, effects).and_then(|it| it.place);
                let close = Request::CloseProducer { producer: id };
                self.close_if_unsure(place, failure, close, effects);
            }
            Work::ProduceData(id) => {
                let place = self.forget_data_producer(id, effects);
                let place = place.and_then(|it| it.place);
                let close = Request::CloseDataProducer { data_producer: id };
                self.close_if_unsure(place, failure, close, effects);
            }
            Work::Listen(data_producer) => {
                let place = self.forget_data_producer(data_producer, effects);
                if let Some(place) = place.and_then(|it| it.place) {
                    let close = Request::CloseDataProducer { data_producer };
                    self.tell_worker(place, close, effects);
                }
            }
            Work::DataConsumerStats(_)
            | Work::DataProducerStats(_)
            | Work::Forward
            | Work::PauseProducer(_)
            | Work::ResumeConsumer(_)
            | Work::ResumeProducer(_)
            | Work::TransportStats(_) => {}
        }
    }

    fn drop_consumer(
        &mut self,
        id: ConsumerId,
        failure: &WorkerFailure,
        effects: &mut Vec<Effect>,
    ) {
        let consumer = self.consumers.get_mut(&id);
        let choice = consumer.and_then(|it| Some((it.session, it.choice.as_mut()?)));
        if let Some((session, request)) =
            choice.and_then(|(session, choice)| Some((session, choice.request.take()?)))
        {
            effects.push(Effect::Reply {
                session,
                request,
                result: Err(refusal(failure.clone())),
            });
        }
        let place = self.forget_consumer(id).map(|it| it.place);
        let close = Request::CloseConsumer { consumer: id };
        self.close_if_unsure(place, failure, close, effects);
    }

    fn drop_data_consumer(
        &mut self,
        id: DataConsumerId,
        failure: &WorkerFailure,
        effects: &mut Vec<Effect>,
    ) {
        let place = self.forget_data_consumer(id).map(|it| it.place);
        let close = Request::CloseDataConsumer { data_consumer: id };
        self.close_if_unsure(place, failure, close, effects);
    }

    /// A worker that did not answer may still have made the object.
    fn close_if_unsure(
        &self,
        place: Option<PlaceId>,
        failure: &WorkerFailure,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        if let (Some(place), WorkerFailure::Lost) = (place, failure) {
            self.tell_worker(place, request, effects);
        }
    }

    pub(super) fn handle_media_event(
        &mut self,
        place: PlaceId,
        event: Event,
        effects: &mut Vec<Effect>,
    ) {
        match event {
            Event::IceState {
                transport,
                state: IceState::Disconnected | IceState::Closed,
                ..
            }
            | Event::DtlsState {
                transport,
                state: DtlsState::Failed | DtlsState::Closed,
            } => {
                if let Some(session) = self.transports.get(&transport).map(|lost| lost.session) {
                    self.leave(session, Some(CloseReason::TransportLost), effects);
                }
            }
            Event::DtlsState {
                transport,
                state: DtlsState::Connected,
            } => {
                if let Some(transport) = self.transports.get_mut(&transport) {
                    transport.up = true;
                }
                let event = PeerEvent::TransportConnected { transport };
                self.tell_owner(transport, event, effects);
            }
            Event::MediaStarted { transport } => {
                let event = PeerEvent::MediaStarted { transport };
                self.tell_owner(transport, event, effects);
            }
            Event::ProducerScore { producer, scores }
                if self.is_origin(producer, place) && !self.is_far(producer) =>
            {
                self.score_producer(producer, scores, effects);
            }
            Event::ConsumerScore {
                consumer: id,
                score,
            } => {
                let Some(consumer) = self.consumers.get_mut(&id) else {
                    return;
                };
                consumer.score = Some(score.clone());
                let event = PeerEvent::ConsumerScore {
                    consumer: id,
                    score,
                };
                self.tell_consuming(id, event, effects);
            }
            Event::ConsumerLayers { consumer, layers } if self.has_layers(consumer) => {
                let event = PeerEvent::ConsumerLayersChanged { consumer, layers };
                self.tell_consuming(consumer, event, effects);
            }
            Event::ProducerDemand {
                producer,
                encodings,
            } if self.is_origin(producer, place) => {
                self.handle_demand(producer, encodings, effects);
            }
            Event::ProducerDemand {
                producer,
                encodings,
            } => self.handle_pipe_demand(producer, place, &encodings, effects),
            Event::Volumes { observer, volumes } => {
                self.handle_heard((place, observer), Heard::Volumes(volumes), effects);
            }
            Event::Silence { observer } => {
                self.handle_heard((place, observer), Heard::Volumes(Vec::new()), effects);
            }
            Event::DominantSpeaker { observer, producer } => {
                self.handle_heard((place, observer), Heard::Dominant(producer), effects);
            }
            // Other states on the way up are of no interest here; layers of single streams and events of the future neither.
            _ => {}
        }
    }

    /// Whether a producer comes in at a place, and is not just piped there.
    fn is_origin(&self, producer: ProducerId, place: PlaceId) -> bool {
        let producer = self.producers.get(&producer);
        producer.is_some_and(|producer| producer.place == Some(place))
    }

    fn settle_consumer(&mut self, id: ConsumerId) {
        if let Some(consumer) = self.consumers.get_mut(&id) {
            consumer.op = None;
        }
    }

    pub(super) fn score_producer(
        &mut self,
        id: ProducerId,
        scores: Vec<plenum_params::event::EncodingScore>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(producer) = self.producers.get_mut(&id) else {
            return;
        };
        producer.scores.clone_from(&scores);
        if producer.presence == Presence::Confirmed && !producer.is_far() {
            effects.push(Effect::Notify {
                session: producer.session,
                event: PeerEvent::ProducerScore {
                    producer: id,
                    scores,
                },
            });
        }
        self.tell_pipes_scores(id, effects);
        self.tell_inlet_scores(id, effects);
        self.touch_producer(id);
    }

    /// Clients ask about layers only where there is more than one.
    fn has_layers(&self, id: ConsumerId) -> bool {
        let consumer = self.consumers.get(&id);
        let producer = consumer.and_then(|consumer| self.producers.get(&consumer.producer));
        producer.is_some_and(|producer| producer.form != ProducerType::Simple)
    }

    fn tell_owner(&self, id: TransportId, event: PeerEvent, effects: &mut Vec<Effect>) {
        if let Some(transport) = self.transports.get(&id) {
            let session = transport.session;
            effects.push(Effect::Notify { session, event });
        }
    }

    /// Tells a consumer's client, if it has heard of the consumer.
    fn tell_consuming(&self, id: ConsumerId, event: PeerEvent, effects: &mut Vec<Effect>) {
        let consumer = self.consumers.get(&id);
        if let Some(consumer) = consumer.filter(|consumer| consumer.is_announced()) {
            effects.push(Effect::Notify {
                session: consumer.session,
                event,
            });
        }
    }
}

/// Whose producer has gone meanwhile is told of nothing but numbers.
fn data_stats<T>(producer: Option<&DataProducer>, counters: T) -> DataStats<T> {
    DataStats {
        label: producer.map(|it| it.label.clone()).unwrap_or_default(),
        protocol: producer.map(|it| it.protocol.clone()).unwrap_or_default(),
        counters,
    }
}

/// Somebody has closed what it was on before the worker could answer.
fn gone() -> RoomError {
    RoomError::new(ErrorKind::NotFound, "its transport is gone")
}

/// A worker's refusal in the words of clients.
pub(super) fn refusal(failure: WorkerFailure) -> RoomError {
    let error = match failure {
        WorkerFailure::Lost => {
            return RoomError::new(ErrorKind::Unavailable, "the media worker does not answer");
        }
        WorkerFailure::Refused(error) => error,
    };
    let kind = match error.code {
        ErrorCode::NotFound => ErrorKind::NotFound,
        ErrorCode::Conflict => ErrorKind::Conflict,
        ErrorCode::Invalid => ErrorKind::BadRequest,
        ErrorCode::Limit => ErrorKind::TooMany,
        _ => ErrorKind::Internal,
    };
    RoomError::new(kind, error.reason)
}
