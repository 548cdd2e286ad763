//! What peers send.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use plenum_api::error::ErrorKind;
use plenum_ids::{ProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::{media::MediaKind, ortc, resolve, rtp_parameters::RtpParameters};
use serde_json::{Map, Value};

use crate::{
    command::{RequestId, SessionId},
    effect::{Effect, RoomError},
    event::PeerEvent,
    remote::PipeSource,
    room::{
        Outcome, Room,
        remote::Dirty,
        requests::{check_size, not_joined, with_peer_id},
    },
    state::{Consumer, MediaSource, Presence, Producer, Work},
};

/// The content of a `produce` request.
pub(super) struct Production {
    pub(super) transport: TransportId,
    pub(super) kind: MediaKind,
    pub(super) rtp_parameters: RtpParameters,
    pub(super) app_data: Map<String, Value>,
    pub(super) paused: bool,
    pub(super) voice: bool,
    pub(super) wish: Option<ProducerId>,
}

impl Room {
    pub(super) fn produce(
        &mut self,
        caller: (SessionId, RequestId),
        source: Production,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let session = caller.0;
        let peer = self.sessions.get(&session);
        let Some(peer) = peer.filter(|peer| peer.membership.is_some()) else {
            return Err(not_joined());
        };
        let app_data = with_peer_id(source.app_data, &peer.id);
        check_size("appData", &app_data, self.config.limits.app_data)?;
        self.check_publishes(session, MediaSource::of(source.kind, &app_data))?;
        self.own_transport(session, source.transport)?;
        self.check_producer_count(session)?;

        let fresh = ProducerId::from_u128(self.fresh_id());
        let wish = source.wish.filter(|id| !self.producers.contains_key(id));
        let id = wish.unwrap_or(fresh);
        let (kind, mut parameters) = (source.kind, source.rtp_parameters);
        let router = &self.config.capabilities;
        let mapping = ortc::producer_mapping(kind, &mut parameters, router, &mut self.rng)
            .map_err(|error| unusable(&error))?;
        let form = ortc::producer_type(&parameters).map_err(|error| unusable(&error))?;
        let Some(transport) = self.transports.get_mut(&source.transport) else {
            return Err(RoomError::not_found(
                "transport",
                &source.transport.to_string(),
            ));
        };
        ortc::assign_cname(&mut transport.cname, &mut parameters, &mut self.rng);
        let received = resolve::receive_parameters(kind, &parameters, &mapping)
            .map_err(|error| unusable(&error))?;
        transport.producers.push(id);
        self.producing.entry(session).or_default().push(id);
        if let Some(place) = self.places.get_mut(&transport.place) {
            place.producers += 1;
        }
        self.producers.insert(
            id,
            Producer {
                session,
                place: Some(transport.place),
                transport: Some(source.transport),
                presence: Presence::Requested,
                kind,
                form,
                consumable: Arc::new(ortc::consumable_parameters(
                    kind,
                    &parameters,
                    router,
                    &mapping,
                )),
                source: MediaSource::of(kind, &app_data),
                app_data: Arc::new(app_data),
                paused: source.paused,
                mute_wished: false,
                told: false,
                voice: source.voice && kind == MediaKind::Audio,
                scores: Vec::new(),
                demand: vec![true; received.encodings.len()],
                consumers: BTreeSet::new(),
                pipes: BTreeMap::new(),
            },
        );
        let request = Request::Produce {
            transport: source.transport,
            producer: id,
            parameters: received,
            paused: source.paused,
        };
        self.forward(caller, Work::Produce(id), request, effects)
    }

    fn check_producer_count(&self, session: SessionId) -> Result<(), RoomError> {
        let producers = self.producing.get(&session).map_or(0, Vec::len);
        let limit = self.config.limits.producers;
        if producers >= limit {
            let reason = format!("a peer may have {limit} producers");
            return Err(RoomError::new(ErrorKind::TooMany, reason));
        }
        Ok(())
    }

    /// The worker has made a producer: the others hear of it and get it, unless its owner may not send it any more.
    pub(super) fn publish(&mut self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&id);
        let Some((session, source)) = producer.map(|it| (it.session, it.source)) else {
            return;
        };
        if self.check_publishes(session, source).is_err() {
            let _ = self.take_producer(id, effects);
            return;
        }
        self.mute_if_wished(id, effects);
        self.announce_producing(id, effects);
        self.tell_producer(id, effects);
        if source == MediaSource::Camera {
            self.floor.enter(session);
        }
        self.offer(id, effects);
        self.observe(id, effects);
    }

    pub(super) fn close_producer(
        &mut self,
        caller: (SessionId, RequestId),
        id: ProducerId,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.joined(caller.0)?;
        self.own_producer(caller.0, id)?;
        self.forget_producer(id, effects);
        let request = Request::CloseProducer { producer: id };
        self.forward(caller, Work::Forward, request, effects)
    }

    /// Takes a producer out of the room's books, with its consumers, whose clients are told. The worker closes the
    /// consumers together with the producer.
    pub(super) fn forget_producer(
        &mut self,
        id: ProducerId,
        effects: &mut Vec<Effect>,
    ) -> Option<Producer> {
        for (_, consumer) in self.producers.get(&id)?.consumers.clone() {
            let forgotten = self.forget_consumer(consumer);
            let told = |it: &Consumer| it.is_announced() && self.is_here(it.session);
            if let Some(forgotten) = forgotten.filter(told) {
                effects.push(Effect::Notify {
                    session: forgotten.session,
                    event: PeerEvent::ConsumerClosed { consumer },
                });
            }
        }
        let producer = self.producers.remove(&id)?;
        self.tell_producer_gone(id, &producer, effects);
        for (place, pipe) in &producer.pipes {
            self.close_far_end(id, *place, pipe, effects);
        }
        if producer.is_far() {
            self.close_inlet(PipeSource::Producer(id), effects);
        } else {
            self.forget_source(&producer, id, effects);
        }
        if let Some(own) = self.producing.get_mut(&producer.session) {
            own.retain(|other| *other != id);
            if own.is_empty() {
                self.producing.remove(&producer.session);
            }
        }
        if producer.source == MediaSource::Camera && !self.has_camera(producer.session) {
            self.floor.leave(producer.session);
        }
        Some(producer)
    }

    /// What there is of a producer where it comes in.
    fn forget_source(&mut self, producer: &Producer, id: ProducerId, effects: &mut Vec<Effect>) {
        self.touch(Dirty::Producer(producer.session, id));
        self.forget_feeds(PipeSource::Producer(id), effects);
        let transport = producer
            .transport
            .and_then(|it| self.transports.get_mut(&it));
        if let Some(transport) = transport {
            transport.producers.retain(|other| *other != id);
        }
        let Some(at) = producer.place else {
            return;
        };
        if let Some(place) = self.places.get_mut(&at) {
            place.producers = place.producers.saturating_sub(1);
        }
        if producer.voice {
            self.forget_voice(at, id, effects);
        }
    }

    pub(super) fn has_camera(&self, session: SessionId) -> bool {
        let own = self.producing.get(&session).into_iter().flatten();
        let mut own = own.filter_map(|id| self.producers.get(id));
        own.any(|it| it.source == MediaSource::Camera && it.presence == Presence::Confirmed)
    }

    /// The worker says which encodings of a producer are of any use.
    pub(super) fn handle_demand(
        &mut self,
        id: ProducerId,
        mut encodings: Vec<bool>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(producer) = self.producers.get_mut(&id) else {
            return;
        };
        // Encodings that the worker does not look at are forwarded to nobody.
        encodings.resize(producer.demand.len(), false);
        if producer.demand != encodings {
            producer.demand = encodings;
            self.tell_demand(id, effects);
            self.tell_inlet_demand(id, effects);
        }
    }

    /// A client that has just learnt of its producer knows that all encodings are wanted, unless it is told.
    pub(super) fn tell_first_demand(&self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&id);
        if producer.is_some_and(|producer| producer.demand.contains(&false)) {
            self.tell_demand(id, effects);
        }
    }

    fn tell_demand(&self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&id);
        let Some(producer) = producer.filter(|own| own.presence == Presence::Confirmed) else {
            return;
        };
        let peer = self.sessions.get(&producer.session);
        let membership = peer.and_then(|peer| peer.membership.as_ref());
        if membership.is_some_and(|membership| membership.demand) {
            effects.push(Effect::Notify {
                session: producer.session,
                event: PeerEvent::ProducerDemand {
                    producer: id,
                    encodings: producer.demand.clone(),
                },
            });
        }
    }

    /// The worker has paused or resumed a producer.
    pub(super) fn set_producer_paused(
        &mut self,
        id: ProducerId,
        paused: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(producer) = self.producers.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut producer.paused, paused) == paused {
            return;
        }
        for (_, id) in &producer.consumers {
            let consumer = self.consumers.get(id);
            let Some(consumer) = consumer.filter(|consumer| consumer.is_announced()) else {
                continue;
            };
            let event = if paused {
                PeerEvent::ConsumerPaused { consumer: *id }
            } else {
                PeerEvent::ConsumerResumed { consumer: *id }
            };
            effects.push(Effect::Notify {
                session: consumer.session,
                event,
            });
        }
        self.tell_pipes_paused(id, paused, effects);
        self.tell_inlet_paused(id, paused, effects);
        self.tell_catalogs_paused(id, effects);
        self.touch_producer(id);
    }
}

fn unusable(error: &ortc::Error) -> RoomError {
    RoomError::new(ErrorKind::BadRequest, error.to_string())
}
