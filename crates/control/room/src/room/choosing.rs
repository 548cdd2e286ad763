//! Consumers that clients ask for by name.

use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, DataProducerId, ProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::{event::Layers, ortc};

use crate::{
    command::{Audience, RequestId, SessionId},
    effect::{Effect, NewConsumer, PeerReply, RoomError},
    room::{Outcome, Room, consumers::Wish},
    state::{Choice, DataProducer, Presence, Work},
};

impl Room {
    pub(super) fn choose(
        &mut self,
        (session, request): (SessionId, RequestId),
        (transport, producer): (Option<TransportId>, ProducerId),
        (mut wish, layers): (Wish, Option<Layers>),
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.joined(session)?;
        self.check_subscribes(session)?;
        let transport = self.receiving_transport(session, transport)?;
        if self.consumers_of(session, producer).next().is_some() {
            let reason = format!("producer with id \"{producer}\" is consumed already");
            return Err(RoomError::new(ErrorKind::Conflict, reason));
        }
        let peer = self.sessions.get(&session);
        let transports = peer.into_iter().flat_map(|peer| &peer.transports);
        let transports = transports.filter_map(|id| self.transports.get(id));
        let limit = self.config.limits.consumers;
        if transports.map(|it| it.consumers.len()).sum::<usize>() >= limit {
            let reason = format!("a peer may have {limit} consumers");
            return Err(RoomError::new(ErrorKind::TooMany, reason));
        }
        if let Some(capabilities) = &mut wish.rtp_capabilities {
            ortc::retain_known(capabilities, &self.config.capabilities);
        }
        wish.choice = Some(Choice {
            request: Some(request),
            layers,
        });
        self.make_consumer((session, transport), producer, wish, effects)?;
        Ok(None)
    }

    /// The transport that a client means, or the first one that it made for receiving.
    fn receiving_transport(
        &mut self,
        session: SessionId,
        named: Option<TransportId>,
    ) -> Result<TransportId, RoomError> {
        if let Some(id) = named {
            return self.own_transport(session, id).map(|_| id);
        }
        self.consuming_transport(session).ok_or_else(|| {
            RoomError::new(ErrorKind::Conflict, "there is no transport for receiving")
        })
    }

    /// The worker has made a consumer that its client chose.
    pub(super) fn tell_chosen(
        &mut self,
        id: ConsumerId,
        body: NewConsumer,
        effects: &mut Vec<Effect>,
    ) {
        let Some(consumer) = self.consumers.get_mut(&id) else {
            return;
        };
        let (session, place) = (consumer.session, consumer.place);
        let choice = consumer.choice.as_mut();
        let Some((request, layers)) =
            choice.and_then(|it| Some((it.request.take()?, it.layers.take())))
        else {
            return;
        };
        if let Some(layers) = layers {
            let consumer = id;
            let request = Request::SetPreferredLayers { consumer, layers };
            self.tell_worker(place, request, effects);
        }
        effects.push(Effect::Reply {
            session,
            request,
            result: Ok(PeerReply::Consumed(Box::new(body))),
        });
    }

    pub(super) fn close_consumer(
        &mut self,
        caller: (SessionId, RequestId),
        id: ConsumerId,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.own_consumer(caller.0, id)?;
        self.forget_consumer(id);
        let request = Request::CloseConsumer { consumer: id };
        self.forward(caller, Work::Forward, request, effects)
    }

    pub(super) fn choose_data(
        &mut self,
        (session, request): (SessionId, RequestId),
        (transport, id): (Option<TransportId>, DataProducerId),
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.joined(session)?;
        self.check_subscribes(session)?;
        let transport = match transport {
            Some(id) => id,
            None => self.receiving_transport(session, None)?,
        };
        if !self.own_transport(session, transport)?.data {
            let reason = "the transport was made without data channels";
            return Err(RoomError::new(ErrorKind::BadRequest, reason));
        }
        // The bot is given to those who take data consumers.
        let by_choice = |it: &&DataProducer| {
            it.presence == Presence::Confirmed
                && it.audience != Audience::Bot
                && it.session.is_some()
        };
        let producer = self.data_producers.get(&id).filter(by_choice);
        if producer.is_none() {
            return Err(RoomError::not_found("dataProducer", &id.to_string()));
        }
        self.make_data_consumer((session, transport), id, Some(request), effects)
            .ok_or_else(|| {
                let reason = "it is consumed already, or the transport has no stream left";
                RoomError::new(ErrorKind::Conflict, reason)
            })?;
        Ok(None)
    }

    /// Answers those whose consumers went before they were there.
    pub(super) fn tell_disappointed(&mut self, effects: &mut Vec<Effect>) {
        for (session, request) in std::mem::take(&mut self.disappointed) {
            if self.is_here(session) {
                let reason = "what was to be consumed is gone";
                effects.push(Effect::Reply {
                    session,
                    request,
                    result: Err(RoomError::new(ErrorKind::NotFound, reason)),
                });
            }
        }
    }

    /// Whether a session is in the room, joined or not.
    pub(super) fn is_here(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }
}
