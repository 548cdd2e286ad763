//! What peers write: data producers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use plenum_api::error::ErrorKind;
use plenum_ids::{DataProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::data::SctpStreamParameters;
use serde_json::{Map, Value};

use crate::{
    command::{Audience, RequestId, SessionId},
    effect::{Effect, RoomError},
    event::PeerEvent,
    remote::PipeSource,
    room::{
        Outcome, Room,
        requests::{check_size, not_joined, with_peer_id},
    },
    state::{DataConsumer, DataProducer, Presence, Work},
};

/// The content of a `produceData` request.
pub(super) struct DataSource {
    pub(super) transport: TransportId,
    pub(super) stream: SctpStreamParameters,
    pub(super) label: String,
    pub(super) protocol: String,
    pub(super) app_data: Map<String, Value>,
    pub(super) audience: Audience,
}

impl Room {
    pub(super) fn produce_data(
        &mut self,
        caller: (SessionId, RequestId),
        source: DataSource,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let session = caller.0;
        let peer = self.sessions.get(&session);
        let Some(peer) = peer.filter(|peer| peer.membership.is_some()) else {
            return Err(not_joined());
        };
        let app_data = with_peer_id(source.app_data, &peer.id);
        check_size("appData", &app_data, self.config.limits.app_data)?;
        check_size("label", &source.label, self.config.limits.label)?;
        check_size("protocol", &source.protocol, self.config.limits.label)?;
        self.check_writes(session)?;
        if !self.own_transport(session, source.transport)?.data {
            let reason = "the transport was made without data channels";
            return Err(RoomError::new(ErrorKind::BadRequest, reason));
        }
        self.check_data_producer_count(session)?;

        let id = DataProducerId::from_u128(self.fresh_id());
        let Some(transport) = self.transports.get_mut(&source.transport) else {
            return Ok(None);
        };
        transport.data_producers.push(id);
        let place = transport.place;
        self.producing_data.entry(session).or_default().push(id);
        self.data_producers.insert(
            id,
            DataProducer {
                session: Some(session),
                place: Some(place),
                transport: Some(source.transport),
                presence: Presence::Requested,
                stream: source.stream,
                label: source.label,
                protocol: source.protocol,
                app_data: Arc::new(app_data),
                told: false,
                audience: source.audience,
                consumers: BTreeSet::new(),
                ear: None,
                pipes: BTreeMap::new(),
            },
        );
        let request = Request::ProduceData {
            transport: source.transport,
            data_producer: id,
            stream: Some(source.stream),
            paused: false,
        };
        self.forward(caller, Work::ProduceData(id), request, effects)
    }

    fn check_data_producer_count(&self, session: SessionId) -> Result<(), RoomError> {
        let count = self.producing_data.get(&session).map_or(0, Vec::len);
        let limit = self.config.limits.data_producers;
        if count >= limit {
            let reason = format!("a peer may have {limit} data producers");
            return Err(RoomError::new(ErrorKind::TooMany, reason));
        }
        Ok(())
    }

    /// A data producer exists: whoever is to read it gets a data consumer.
    pub(super) fn publish_data(&mut self, id: DataProducerId, effects: &mut Vec<Effect>) {
        let owner = self.data_producers.get(&id).and_then(|it| it.session);
        if owner.is_some_and(|owner| self.check_writes(owner).is_err()) {
            let _ = self.take_data_producer(id, effects);
            return;
        }
        self.tell_data_producer(id, effects);
        let Some(producer) = self.data_producers.get(&id) else {
            return;
        };
        let owner = producer.session.filter(|owner| self.is_read(*owner));
        if let (Audience::Everybody, Some(owner)) = (producer.audience, owner) {
            self.offer_data(id, owner, effects);
        }
    }

    /// Whether those who come now read what a peer writes. They know a writer by its peer, so it must be announced; and in a
    /// room of more peers than that, where everybody writing to everybody would be thousands of channels for each who comes,
    /// it must send something to be seen or heard as well.
    pub(super) fn is_read(&self, owner: SessionId) -> bool {
        let is_small = self.joined.len() + self.far_count() <= self.config.announce_up_to;
        self.announced.contains(&owner) && (is_small || self.producing.contains_key(&owner))
    }

    /// This peer sends something now, and whoever does not read yet what it writes does so from now on.
    pub(super) fn publish_all_data(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let own = self.producing_data.get(&session).cloned();
        for id in own.unwrap_or_default() {
            let producer = self.data_producers.get(&id);
            if producer.is_some_and(|producer| producer.audience == Audience::Everybody) {
                self.offer_data(id, session, effects);
            }
        }
    }

    pub(super) fn offer_data(
        &mut self,
        id: DataProducerId,
        owner: SessionId,
        effects: &mut Vec<Effect>,
    ) {
        let others = self.joined.iter().copied();
        let others: Vec<_> = others.filter(|session| *session != owner).collect();
        for session in others {
            self.consume_data(session, id, effects);
        }
    }

    /// Takes a data producer out of the room's books, with its data consumers, whose clients are told. The worker closes
    /// them together with it.
    pub(super) fn forget_data_producer(
        &mut self,
        id: DataProducerId,
        effects: &mut Vec<Effect>,
    ) -> Option<DataProducer> {
        for (_, data_consumer) in self.data_producers.get(&id)?.consumers.clone() {
            let forgotten = self.forget_data_consumer(data_consumer);
            let told = |it: &DataConsumer| it.is_announced() && self.is_here(it.session);
            if let Some(forgotten) = forgotten.filter(told) {
                effects.push(Effect::Notify {
                    session: forgotten.session,
                    event: PeerEvent::DataConsumerClosed { data_consumer },
                });
            }
        }
        let producer = self.data_producers.remove(&id)?;
        self.tell_data_producer_gone(id, &producer, effects);
        for (place, pipe) in &producer.pipes {
            self.close_far_data_end(id, *place, pipe, effects);
        }
        if let (Some(place), Some(ear)) = (producer.place, producer.ear) {
            self.forget_ear(place, ear);
        }
        if producer.is_far() {
            self.close_inlet(PipeSource::DataProducer(id), effects);
        } else {
            self.forget_feeds(PipeSource::DataProducer(id), effects);
            self.touch_data(producer.session, id);
        }
        if let Some(session) = producer.session
            && let Some(own) = self.producing_data.get_mut(&session)
        {
            own.retain(|other| *other != id);
            if own.is_empty() {
                self.producing_data.remove(&session);
            }
        }
        let transport = producer
            .transport
            .and_then(|it| self.transports.get_mut(&it));
        if let Some(transport) = transport {
            transport.data_producers.retain(|other| *other != id);
        }
        Some(producer)
    }

    /// Closes somebody's data producer and tells its owner.
    pub(super) fn take_data_producer(
        &mut self,
        id: DataProducerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let owned = |it: &DataProducer| {
            it.presence == Presence::Confirmed && it.session.is_some() && !it.is_far()
        };
        let is_there = self.data_producers.get(&id).is_some_and(owned);
        let gone = is_there.then(|| self.forget_data_producer(id, effects));
        let Some(producer) = gone.flatten() else {
            return Err(RoomError::not_found("dataProducer", &id.to_string()));
        };
        if let Some(place) = producer.place {
            let request = Request::CloseDataProducer { data_producer: id };
            self.tell_worker(place, request, effects);
        }
        if let Some(session) = producer.session {
            let event = PeerEvent::DataProducerClosed { data_producer: id };
            effects.push(Effect::Notify { session, event });
        }
        Ok(())
    }

    /// Lets a peer write nothing any more.
    pub(super) fn take_all_data(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let written = self.producing_data.get(&session).cloned();
        for id in written.unwrap_or_default() {
            // What the worker has not made yet is looked at again when it has.
            let _ = self.take_data_producer(id, effects);
        }
    }

    pub(super) fn own_data_producer(
        &self,
        session: SessionId,
        id: DataProducerId,
    ) -> Result<&DataProducer, RoomError> {
        let producer = self.data_producers.get(&id);
        producer
            .filter(|producer| {
                producer.session == Some(session) && producer.presence == Presence::Confirmed
            })
            .ok_or_else(|| RoomError::not_found("dataProducer", &id.to_string()))
    }
}
