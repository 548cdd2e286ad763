//! Transports of peers.

use plenum_api::error::ErrorKind;
use plenum_ids::TransportId;
use plenum_ipc::message::Request;
use plenum_params::transport::{DtlsParameters, Protocols};

use crate::{
    command::{RequestId, SessionId},
    effect::{Effect, RoomError},
    room::{Outcome, Room},
    state::{Presence, Transport, Work},
};

impl Room {
    pub(super) fn create_transport(
        &mut self,
        caller: (SessionId, RequestId),
        (consuming, data): (bool, bool),
        force_tcp: bool,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let id = TransportId::from_u128(self.fresh_id());
        let limit = self.config.limits.transports;
        let Some(peer) = self.sessions.get_mut(&caller.0) else {
            return Ok(None);
        };
        if peer.transports.len() >= limit {
            let reason = format!("a peer may have {limit} transports");
            return Err(RoomError::new(ErrorKind::TooMany, reason));
        }
        let place = peer.place;
        let Some(router) = self.places.get(&place).map(|place| place.router) else {
            return Ok(None);
        };
        peer.transports.push(id);
        let transport = Transport::new(caller.0, place, (consuming, data));
        self.transports.insert(id, transport);
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

    pub(super) fn connect_transport(
        &mut self,
        caller: (SessionId, RequestId),
        id: TransportId,
        dtls: DtlsParameters,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let transport = self.own_transport(caller.0, id)?;
        if std::mem::replace(&mut transport.connected, true) {
            let reason = format!("transport with id \"{id}\" is already connected");
            return Err(RoomError::new(ErrorKind::Conflict, reason));
        }
        let request = Request::ConnectWebRtcTransport {
            transport: id,
            dtls,
        };
        self.forward(caller, Work::Connect(id), request, effects)
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
