//! Transports: where a peer's packets come from and go to.

use std::time::Instant;

use plenum_dtls::{DtlsEndpoint, DtlsRole, DtlsSettings, Fingerprint};
use plenum_ice::{
    IceCredentials, IceLite, IceLiteConfig, UfragCode,
    candidate::{
        TCP_FOUNDATION, UDP_FOUNDATION, host_priority, internal_local_preference, local_preference,
    },
    password_from_random,
};
use plenum_ids::{RouterId, TransportId};
use plenum_params::{
    event::Event,
    trace::TraceObject,
    transport::{
        Address, DtlsFingerprint, DtlsParameters, DtlsState, IceCandidate, IceParameters,
        OutgoingLimits, Protocol, Protocols, WebRtcTransportInfo, WebRtcTransportOptions,
    },
};
use rand::Rng;

use super::Result;
use crate::{
    config::{SocketConfig, SocketIndex},
    data::{Carrier, DataPart, sctp_parameters},
    engine::Engine,
    error::EngineError,
    transport::Transport,
};

impl Engine {
    /// Makes a WebRTC transport and returns what the client must know to connect to it.
    pub fn create_webrtc_transport(
        &mut self,
        now: Instant,
        router_id: RouterId,
        id: TransportId,
        options: &WebRtcTransportOptions,
    ) -> Result<WebRtcTransportInfo> {
        self.create_webrtc_transport_on(now, router_id, id, options, &[])
    }

    /// Like [`Self::create_webrtc_transport`], on these sockets of its own, which are released when it is closed; none: on
    /// the shared ones.
    pub fn create_webrtc_transport_on(
        &mut self,
        now: Instant,
        router_id: RouterId,
        id: TransportId,
        options: &WebRtcTransportOptions,
        own: &[SocketIndex],
    ) -> Result<WebRtcTransportInfo> {
        self.check_new_transport(router_id, id)?;
        if !self.sockets.are_free(own) {
            return Err(EngineError::Invalid("sockets that are another's".into()));
        }
        let ice_candidates = self.ice_candidates(options.protocols, own);
        if ice_candidates.is_empty() {
            return Err(EngineError::Invalid(
                "this worker listens for none of the protocols that are wanted".into(),
            ));
        }
        let key = self.transports.vacant_key();
        let credentials = self.ice_credentials(key);
        let info = WebRtcTransportInfo {
            ice_parameters: ice_parameters(&credentials),
            ice_candidates,
            dtls_parameters: self.dtls_parameters(),
            sctp_parameters: options.sctp.map(sctp_parameters),
        };
        let config = IceLiteConfig {
            credentials,
            consent_timeout: self.config.consent_timeout,
        };
        let local_ssrc = self.random_u32();
        let twcc_sequence = self.random_u32() as u16;
        let transport = Transport::new(id, now, (local_ssrc, twcc_sequence), options);
        let data = options
            .sctp
            .map(|options| DataPart::new(Carrier::Dtls(None), options));
        let transport = Transport {
            ice: Some(IceLite::new(config, now)),
            own_sockets: own.into(),
            data: data.map(Box::new),
            ..transport
        };
        self.insert_transport(router_id, transport);
        Ok(info)
    }

    /// Whether a transport of this router can be made under this identifier.
    pub(crate) fn check_new_transport(&self, router: RouterId, id: TransportId) -> Result<()> {
        if self.transport_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("transport {id}")));
        }
        if !self.routers.contains_key(&router) {
            return Err(EngineError::RouterNotFound(router));
        }
        Ok(())
    }

    /// Enters a transport under its router, with the sockets of its own, and returns its key, which was the vacant one.
    pub(crate) fn insert_transport(&mut self, router: RouterId, transport: Transport) -> usize {
        let id = transport.id;
        let key = self.transports.vacant_key();
        self.sockets.give(&transport.own_sockets, key);
        self.transports.insert(Transport {
            router: Some(router),
            ..transport
        });
        self.transport_keys.insert(id, key);
        let router = self.routers.entry(router).or_default();
        router.transports.push(key);
        key
    }

    /// Tells a transport its peer's DTLS parameters, which starts the handshake.
    pub fn connect_webrtc_transport(
        &mut self,
        now: Instant,
        id: TransportId,
        dtls: &DtlsParameters,
    ) -> Result<()> {
        let key = self.transport_key(id)?;
        let transport = &mut self.transports[key];
        if transport.ice.is_none() {
            return Err(has_no_ice(id));
        }
        if transport.dtls_state != DtlsState::New {
            return Err(EngineError::AlreadyConnected(id));
        }
        let fingerprints: Vec<Fingerprint> = dtls
            .fingerprints
            .iter()
            .filter_map(|entry| Fingerprint::parse(&entry.algorithm, &entry.value).ok())
            .collect();
        if fingerprints.is_empty() {
            return Err(EngineError::Invalid(
                "no usable certificate fingerprint in dtlsParameters".into(),
            ));
        }
        let role = match dtls.role {
            plenum_params::transport::DtlsRole::Server => DtlsRole::Client,
            _ => DtlsRole::Server,
        };
        let settings = if self.config.srtp_profiles.is_empty() {
            DtlsSettings::default()
        } else {
            DtlsSettings::with_profiles(&self.config.srtp_profiles)
        };
        let endpoint = DtlsEndpoint::with_settings(role, &self.config.certificate, &settings, now)
            .map_err(|error| EngineError::Invalid(format!("DTLS cannot start: {error}")))?;
        transport.dtls = Some(endpoint);
        transport.fingerprints = fingerprints;
        let early = std::mem::take(&mut transport.early_dtls);
        self.set_dtls_state(key, DtlsState::Connecting);
        self.drive_dtls(now, key);
        for datagram in early {
            // What is wrong with it shows in the state.
            let _ = self.take_dtls(now, key, &datagram);
        }
        Ok(())
    }

    /// Gives a transport new ICE credentials; the old ones hold until the new ones are used.
    pub fn restart_ice(&mut self, id: TransportId) -> Result<IceParameters> {
        let key = self.transport_key(id)?;
        let credentials = self.ice_credentials(key);
        let parameters = ice_parameters(&credentials);
        let Some(ice) = &mut self.transports[key].ice else {
            return Err(has_no_ice(id));
        };
        ice.restart(credentials);
        Ok(parameters)
    }

    /// Closes a transport with its producers (and their consumers) and consumers. Closing what is gone is no error.
    pub fn close_transport(&mut self, now: Instant, id: TransportId) {
        if let Some(&key) = self.transport_keys.get(&id) {
            if let Some(router) = self
                .transports
                .get(key)
                .and_then(|transport| self.routers.get_mut(&transport.router?))
            {
                router.transports.retain(|&other| other != key);
            }
            self.remove_transport(now, key);
            self.flush_data(now);
        }
    }

    pub(super) fn remove_transport(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let id = transport.id;
        let (producers, consumers) = (
            std::mem::take(&mut transport.producers),
            std::mem::take(&mut transport.consumers),
        );
        for producer in producers {
            self.remove_producer(producer);
        }
        for consumer in consumers {
            self.remove_consumer(consumer);
        }
        self.remove_transport_data(now, key);
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if let Some(endpoint) = transport.dtls.as_mut() {
            endpoint.close();
        }
        self.drive_dtls(now, key);
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if let Some(ice) = &mut transport.ice {
            ice.close();
        } else if let Some(path) = transport.path {
            self.addresses.remove(&path);
        }
        self.handle_ice_events(now, key);
        if let Some(transport) = self.transports.get_mut(key) {
            self.sockets
                .release(&std::mem::take(&mut transport.own_sockets));
        }
        self.forget_plain_paths(key);
        self.timers.cancel(key);
        self.fan_out.forget(key);
        self.transports.remove(key);
        self.transport_keys.remove(&id);
        self.traces.forget(TraceObject::Transport(id));
        // Whoever closes knows: no event follows the close.
        self.events.retain(|event| {
            !matches!(event, Event::IceState { transport, .. } | Event::DtlsState { transport, .. } | Event::PlainTuple { transport, .. } | Event::SctpState { transport, .. }
                if *transport == id)
        });
    }

    /// Sets the bounds of the estimate towards a transport's receiver.
    pub fn set_outgoing_limits(
        &mut self,
        now: Instant,
        id: TransportId,
        limits: OutgoingLimits,
    ) -> Result<()> {
        let key = self.transport_key(id)?;
        refuse_trunk(&self.transports[key])?;
        self.transports[key].congestion.set_limits(now, limits);
        self.follow_estimate(now, key);
        Ok(())
    }

    /// Sets the limit that a transport's sender is told from its next report on; `None`: no limit.
    pub fn set_max_incoming_bitrate(
        &mut self,
        id: TransportId,
        bitrate: Option<u32>,
    ) -> Result<()> {
        let key = self.transport_key(id)?;
        refuse_trunk(&self.transports[key])?;
        self.transports[key].max_incoming_bitrate = bitrate;
        Ok(())
    }

    fn ice_credentials(&mut self, key: usize) -> IceCredentials {
        let mut nonce = [0; 10];
        let mut secret = [0; 24];
        self.rng.fill_bytes(&mut nonce);
        self.rng.fill_bytes(&mut secret);
        let code = UfragCode {
            node: self.config.node,
            worker: self.config.worker,
            transport: key as u32,
            nonce,
        };
        IceCredentials {
            username_fragment: code.encode(),
            password: password_from_random(&secret),
        }
    }

    /// What clients are told of the transport's own sockets, or of the shared ones. Every announced address counts as one
    /// listen entry, also those that are left out, so that an address keeps its rank.
    fn ice_candidates(&self, protocols: Protocols, own: &[SocketIndex]) -> Vec<IceCandidate> {
        let mut entry = 0;
        let mut candidates = Vec::new();
        let mut add = |socket: &SocketConfig| {
            let prefers = protocols.prefer == Some(socket.protocol);
            let internal = Address::Ip(socket.local.ip());
            let told = match socket.announced.as_slice() {
                [] => std::slice::from_ref(&internal),
                announced => announced,
            };
            let exposed = socket.expose_internal && !told.contains(&internal);
            let lowest = internal_local_preference(local_preference(entry, prefers));
            for address in told {
                let preference = local_preference(entry, prefers);
                candidates.push(candidate(socket, address.clone(), preference));
                entry += 1;
            }
            if exposed {
                candidates.push(candidate(socket, internal, lowest));
            }
        };
        if own.is_empty() {
            self.sockets.shared().for_each(|(_, socket)| add(socket));
        } else {
            let own = own.iter().filter_map(|&index| self.sockets.get(index));
            own.for_each(add);
        }
        candidates.retain(|candidate| protocols.includes(candidate.protocol));
        candidates
    }

    fn dtls_parameters(&self) -> DtlsParameters {
        let fingerprint = self.config.certificate.fingerprint();
        DtlsParameters {
            role: plenum_params::transport::DtlsRole::Auto,
            fingerprints: vec![DtlsFingerprint {
                algorithm: fingerprint.algorithm.name().into(),
                value: fingerprint.to_string(),
            }],
        }
    }
}

fn candidate(socket: &SocketConfig, address: Address, local_preference: u16) -> IceCandidate {
    let foundation = match socket.protocol {
        Protocol::Tcp => TCP_FOUNDATION,
        Protocol::Udp => UDP_FOUNDATION,
    };
    IceCandidate {
        foundation: foundation.into(),
        priority: host_priority(local_preference),
        address,
        port: socket.local.port(),
        protocol: socket.protocol,
    }
}

fn ice_parameters(credentials: &IceCredentials) -> IceParameters {
    IceParameters {
        username_fragment: credentials.username_fragment.clone(),
        password: credentials.password.clone(),
    }
}

/// What is asked of peers' transports alone.
fn refuse_trunk(transport: &Transport) -> Result<()> {
    match transport.trunk {
        Some(_) => Err(is_trunk(transport.id)),
        None => Ok(()),
    }
}

fn has_no_ice(id: TransportId) -> EngineError {
    EngineError::Invalid(format!("transport {id} is no WebRTC transport"))
}

pub(crate) fn is_trunk(id: TransportId) -> EngineError {
    EngineError::Invalid(format!("transport {id} is a trunk"))
}
