//! Transports of peers.

use plenum_api::error::ErrorKind;
use plenum_ids::{RouterId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::transport::{DtlsParameters, Protocols};

use crate::{
    command::{RequestId, SessionId},
    effect::{Effect, RoomError},
    room::{Outcome, Room},
    state::{Form, Presence, Transport, Work},
};

impl Room {
    pub(super) fn create_transport(
        &mut self,
        caller: (SessionId, RequestId),
        (consuming, data): (bool, bool),
        force_tcp: bool,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let (router, id) = self.enter_transport(caller.0, Form::WebRtc, (consuming, data))?;
        let mut options = self.config.transport.clone();
        options.sctp = data.then(|| options.sctp.unwrap_or_default());
        if force_tcp {
            options.protocols = Protocols::TCP_ONLY;
        }
        let request = Request::CreateWebRtcTransport {
            router,
            transport: id,
            options,
        };
        self.forward(caller, Work::CreateTransport(id), request, effects)
    }

    /// Enters a transport in the books; the worker is to be asked for it.
    pub(super) fn enter_transport(
        &mut self,
        session: SessionId,
        form: Form,
        purpose: (bool, bool),
    ) -> Result<(RouterId, TransportId), RoomError> {
        let id = TransportId::from_u128(self.fresh_id());
        let limit = self.config.limits.transports;
        let peer = self.sessions.get_mut(&session);
        let place = peer.as_ref().and_then(|peer| self.places.get(&peer.place));
        let (Some(peer), Some(router)) = (peer, place.map(|place| place.router)) else {
            return Err(RoomError::new(
                ErrorKind::Unavailable,
                "the session is gone",
            ));
        };
        if peer.transports.len() >= limit {
            let reason = format!("a peer may have {limit} transports");
            return Err(RoomError::new(ErrorKind::TooMany, reason));
        }
        peer.transports.push(id);
        let transport = Transport::new(session, peer.place, form, purpose);
        self.transports.insert(id, transport);
        Ok((router, id))
    }

    pub(super) fn connect_transport(
        &mut self,
        caller: (SessionId, RequestId),
        id: TransportId,
        dtls: DtlsParameters,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.note_connecting(caller.0, id, Form::WebRtc)?;
        let request = Request::ConnectWebRtcTransport {
            transport: id,
            dtls,
        };
        self.forward(caller, Work::Connect(id), request, effects)
    }

    /// Notes that a client has said how to connect, which it may do once.
    pub(super) fn note_connecting(
        &mut self,
        session: SessionId,
        id: TransportId,
        form: Form,
    ) -> Result<(), RoomError> {
        let transport = self.own_transport(session, id)?;
        if transport.form != form {
            let reason = format!("transport with id \"{id}\" is of another kind");
            return Err(RoomError::new(ErrorKind::BadRequest, reason));
        }
        if std::mem::replace(&mut transport.connected, true) {
            let reason = format!("transport with id \"{id}\" is already connected");
            return Err(RoomError::new(ErrorKind::Conflict, reason));
        }
        Ok(())
    }

    pub(super) fn own_transport(
        &mut self,
        session: SessionId,
        id: TransportId,
    ) -> Result<&mut Transport, RoomError> {
        let transport = self.transports.get_mut(&id);
        transport
            .filter(|transport| {
                transport.session == session && transport.presence == Presence::Confirmed
            })
            .ok_or_else(|| RoomError::not_found("transport", &id.to_string()))
    }

    /// Closes a transport with everything on it. Requests reach the worker in order, so this also undoes a transport that
    /// the worker has not confirmed yet.
    pub(super) fn close_transport(&mut self, id: TransportId, effects: &mut Vec<Effect>) {
        if let Some(transport) = self.forget_transport(id, effects) {
            debug_assert!(transport.producers.is_empty() && transport.consumers.is_empty());
            let request = Request::CloseTransport { transport: id };
            self.tell_worker(transport.place, request, effects);
        }
    }

    /// Closes somebody's transport. Its client hears of its producers and consumers, as its own half stays.
    pub(super) fn take_transport(
        &mut self,
        id: TransportId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let transport = self.transports.get(&id);
        let transport = transport
            .filter(|it| it.presence == Presence::Confirmed)
            .ok_or_else(|| RoomError::not_found("transport", &id.to_string()))?;
        let consumers = transport.consumers.clone();
        let read = transport.data_consumers.clone();
        let (sent, written) = (
            transport.producers.clone(),
            transport.data_producers.clone(),
        );
        for consumer in consumers {
            let _ = self.take_consumer(consumer, effects);
        }
        for data_consumer in read {
            self.take_data_consumer(data_consumer, effects);
        }
        for producer in sent {
            let _ = self.take_producer(producer, effects);
        }
        for data_producer in written {
            let _ = self.take_data_producer(data_producer, effects);
        }
        self.close_transport(id, effects);
        Ok(())
    }

    /// Takes a transport and everything on it out of the room's books.
    pub(super) fn forget_transport(
        &mut self,
        id: TransportId,
        effects: &mut Vec<Effect>,
    ) -> Option<Transport> {
        let transport = self.transports.get(&id)?;
        let (producers, consumers) = (transport.producers.clone(), transport.consumers.clone());
        let written = transport.data_producers.clone();
        let read = transport.data_consumers.clone();
        for producer in producers {
            self.forget_producer(producer, effects);
        }
        for consumer in consumers {
            self.forget_consumer(consumer);
        }
        for data_producer in written {
            self.forget_data_producer(data_producer, effects);
        }
        for data_consumer in read {
            self.forget_data_consumer(data_consumer);
        }
        let transport = self.transports.remove(&id)?;
        if let Some(peer) = self.sessions.get_mut(&transport.session) {
            peer.transports.retain(|other| *other != id);
        }
        Some(transport)
    }
}
