//! Commands: making, connecting, pausing and closing media objects. They succeed or change nothing.

use std::time::Instant;

use plenum_dtls::{DtlsEndpoint, DtlsRole, DtlsSettings, Fingerprint};
use plenum_ice::{
    IceCredentials, IceLite, IceLiteConfig, UfragCode,
    candidate::{UDP_FOUNDATION, host_priority, local_preference},
    password_from_random,
};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    event::{Event, Layers},
    media::{MAX_STREAMS, MediaKind, ReceiveParameters, SendParameters},
    stats::{ConsumerStats, StreamStats, TransportStats, WorkerStats},
    transport::{
        DtlsFingerprint, DtlsParameters, DtlsState, IceCandidate, IceParameters, IceState,
        OutgoingLimits, Protocol, WebRtcTransportInfo, WebRtcTransportOptions,
    },
};
use plenum_srtp::InboundStream;
use rand::Rng;

use crate::{
    congestion::Congestion,
    consumer::Consumer,
    engine::{Engine, Router},
    error::EngineError,
    pacer::Pacer,
    producer::Producer,
    transport::{DirectionCounters, ReceiveTable, StreamTarget, Transport},
    twcc_receiver::TwccReceiver,
};

type Result<T> = std::result::Result<T, EngineError>;

/// Producers of one transport: a browser sends a handful of tracks; more is a mistake or an attack.
const MAX_PRODUCERS_PER_TRANSPORT: usize = 32;

impl Engine {
    /// Makes a router.
    pub fn create_router(&mut self, id: RouterId) -> Result<()> {
        if self.routers.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("router {id}")));
        }
        self.routers.insert(id, Router::default());
        Ok(())
    }

    /// Closes a router with everything in it. Closing what is gone is no error.
    pub fn close_router(&mut self, now: Instant, id: RouterId) {
        let Some(router) = self.routers.remove(&id) else {
            return;
        };
        for key in router.transports {
            self.remove_transport(now, key);
        }
    }

    /// Makes a WebRTC transport and returns what the client must know to connect to it.
    pub fn create_webrtc_transport(
        &mut self,
        now: Instant,
        router_id: RouterId,
        id: TransportId,
        options: &WebRtcTransportOptions,
    ) -> Result<WebRtcTransportInfo> {
        if self.transport_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("transport {id}")));
        }
        if !self.routers.contains_key(&router_id) {
            return Err(EngineError::RouterNotFound(router_id));
        }
        let key = self.transports.vacant_key();
        let credentials = self.ice_credentials(key);
        let info = WebRtcTransportInfo {
            ice_parameters: ice_parameters(&credentials),
            ice_candidates: self.ice_candidates(),
            dtls_parameters: self.dtls_parameters(),
        };
        let config = IceLiteConfig {
            credentials,
            consent_timeout: self.config.consent_timeout,
        };
        let local_ssrc = self.random_u32();
        let twcc_sequence = self.random_u32() as u16;
        self.transports.insert(Transport {
            id,
            router: router_id,
            ice: IceLite::new(config, now),
            ice_state: IceState::New,
            path: None,
            dtls: None,
            dtls_state: DtlsState::New,
            fingerprints: Vec::new(),
            srtp: None,
            local_ssrc,
            producers: Vec::new(),
            consumers: Vec::new(),
            receive: ReceiveTable::default(),
            extensions: crate::packet::ExtensionTable::default(),
            twcc_receiver: TwccReceiver::default(),
            twcc_media_ssrc: 0,
            twcc_feedback_count: 0,
            twcc_sequence,
            dirty_consumers: Vec::new(),
            dirty: false,
            retransmissions: Vec::new(),
            pacer: Pacer::default(),
            congestion: Congestion::new(options),
            next_report: now,
            report_count: 0,
            max_incoming_bitrate: options.max_incoming_bitrate,
            remb: None,
            received: DirectionCounters::default(),
            sent: DirectionCounters::default(),
            discarded: 0,
        });
        self.transport_keys.insert(id, key);
        self.routers
            .entry(router_id)
            .or_default()
            .transports
            .push(key);
        Ok(info)
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
        self.set_dtls_state(key, DtlsState::Connecting);
        self.drive_dtls(now, key);
        Ok(())
    }

    /// Gives a transport new ICE credentials; the old ones hold until the new ones are used.
    pub fn restart_ice(&mut self, id: TransportId) -> Result<IceParameters> {
        let key = self.transport_key(id)?;
        let credentials = self.ice_credentials(key);
        let parameters = ice_parameters(&credentials);
        self.transports[key].ice.restart(credentials);
        Ok(parameters)
    }

    /// Closes a transport with its producers (and their consumers) and consumers. Closing what is gone is no error.
    pub fn close_transport(&mut self, now: Instant, id: TransportId) {
        if let Some(&key) = self.transport_keys.get(&id) {
            if let Some(router) = self
                .transports
                .get(key)
                .and_then(|transport| self.routers.get_mut(&transport.router))
            {
                router.transports.retain(|&other| other != key);
            }
            self.remove_transport(now, key);
        }
    }

    fn remove_transport(&mut self, now: Instant, key: usize) {
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
        transport.ice.close();
        self.handle_ice_events(now, key);
        self.timers.cancel(key);
        self.fan_out.forget(key);
        self.transports.remove(key);
        self.transport_keys.remove(&id);
        // Whoever closes knows: no event follows the close.
        self.events.retain(|event| {
            !matches!(event, Event::IceState { transport, .. } | Event::DtlsState { transport, .. } if *transport == id)
        });
    }

    /// Starts to receive a media source.
    pub fn produce(
        &mut self,
        transport_id: TransportId,
        id: ProducerId,
        mut parameters: ReceiveParameters,
        paused: bool,
    ) -> Result<()> {
        let transport_key = self.transport_key(transport_id)?;
        if self.producer_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("producer {id}")));
        }
        if parameters.codecs.is_empty() || parameters.encodings.is_empty() {
            return Err(EngineError::Invalid(
                "a producer needs a codec and an encoding".into(),
            ));
        }
        parameters.encodings.truncate(MAX_STREAMS);
        let transport = &mut self.transports[transport_key];
        if transport.producers.len() >= MAX_PRODUCERS_PER_TRANSPORT {
            return Err(EngineError::Limit(format!(
                "more than {MAX_PRODUCERS_PER_TRANSPORT} producers on a transport"
            )));
        }
        let declared = parameters
            .encodings
            .iter()
            .flat_map(|encoding| [encoding.ssrc, encoding.rtx_ssrc])
            .flatten();
        for ssrc in declared {
            let owner = transport
                .receive
                .find(ssrc)
                .map(|entry| entry.target.producer);
            if owner.is_some() {
                return Err(EngineError::Invalid(format!(
                    "SSRC {ssrc} is already in use on this transport"
                )));
            }
        }
        let key = self.producers.vacant_key();
        for (index, encoding) in parameters.encodings.iter().enumerate() {
            let mut declare = |ssrc: Option<u32>, retransmission| {
                let target = StreamTarget {
                    producer: key,
                    stream: index as u8,
                    retransmission,
                };
                if let Some(ssrc) = ssrc {
                    transport.receive.insert(ssrc, InboundStream::new(), target);
                }
            };
            declare(encoding.ssrc, false);
            declare(encoding.rtx_ssrc, true);
        }
        transport.extensions.extend(&parameters.extensions);
        transport.producers.push(key);
        self.producers
            .insert(Producer::new(id, transport_key, parameters, paused));
        self.producer_keys.insert(id, key);
        Ok(())
    }

    /// Closes a producer and its consumers. Closing what is gone is no error.
    pub fn close_producer(&mut self, id: ProducerId) {
        if let Some(&key) = self.producer_keys.get(&id) {
            if let Some(transport) = self.transports.get_mut(self.producers[key].transport) {
                transport.producers.retain(|&other| other != key);
            }
            self.remove_producer(key);
        }
    }

    fn remove_producer(&mut self, key: usize) {
        let Some(producer) = self.producers.try_remove(key) else {
            return;
        };
        self.producer_keys.remove(&producer.id);
        self.touched.retain(|&other| other != key);
        if let Some(transport) = self.transports.get_mut(producer.transport) {
            transport.receive.remove_producer(key);
        }
        for consumer in producer.consumers {
            self.remove_consumer(consumer);
        }
        self.events.retain(|event| {
            !matches!(event, Event::ProducerScore { producer: id, .. } | Event::ProducerDemand { producer: id, .. }
                if *id == producer.id)
        });
    }

    /// Stops forwarding a producer; its packets still arrive and are counted.
    pub fn pause_producer(&mut self, id: ProducerId) -> Result<()> {
        let key = self.producer_key(id)?;
        let producer = &mut self.producers[key];
        producer.paused = true;
        for &consumer in &producer.consumers {
            if let Some(consumer) = self.consumers.get_mut(consumer) {
                self.events.extend(consumer.announce_layers(producer));
            }
        }
        Ok(())
    }

    /// Forwards a producer again, from its next key frame on.
    pub fn resume_producer(&mut self, now: Instant, id: ProducerId) -> Result<()> {
        let key = self.producer_key(id)?;
        let producer = &mut self.producers[key];
        if std::mem::replace(&mut producer.paused, false) {
            let consumers = producer.consumers.clone();
            for consumer in consumers {
                self.consumers[consumer].resync();
                self.request_key_frame_for(now, consumer);
            }
        }
        Ok(())
    }

    /// Starts to send a producer of the same router to a transport's peer.
    pub fn consume(
        &mut self,
        now: Instant,
        transport_id: TransportId,
        id: ConsumerId,
        producer_id: ProducerId,
        parameters: SendParameters,
        paused: bool,
    ) -> Result<()> {
        let transport_key = self.transport_key(transport_id)?;
        let producer_key = self.producer_key(producer_id)?;
        if self.consumer_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("consumer {id}")));
        }
        let same_router = self
            .transports
            .get(self.producers[producer_key].transport)
            .map(|transport| transport.router)
            == Some(self.transports[transport_key].router);
        if !same_router {
            return Err(EngineError::Invalid(format!(
                "producer {producer_id} belongs to another router"
            )));
        }
        if parameters.codecs.is_empty() {
            return Err(EngineError::Invalid("a consumer needs a codec".into()));
        }
        // A first number in the lower half leaves room for the first packets to arrive out of order (RFC 3711 §3.3.1).
        let (first, first_rtx) = (self.random_u32() as u16 >> 1, self.random_u32() as u16 >> 1);
        let mut consumer = Consumer::new(
            id,
            transport_key,
            (producer_key, &self.producers[producer_key]),
            parameters,
            paused,
            first,
            first_rtx,
        );
        let congestion = &mut self.transports[transport_key].congestion;
        congestion.add_consumer(now, &consumer);
        // On a measured path the division of its bandwidth says what to begin with.
        if congestion.estimate(now).is_none() || consumer.parameters.kind == MediaKind::Audio {
            let target = consumer.wanted(&self.producers[producer_key]);
            consumer.set_target(target);
        }
        let key = self.consumers.insert(consumer);
        self.consumer_keys.insert(id, key);
        self.transports[transport_key].consumers.push(key);
        self.producers[producer_key].consumers.push(key);
        self.raise_demand(key);
        self.divide_bandwidth(now, transport_key);
        self.request_key_frame_for(now, key);
        Ok(())
    }

    /// Closes a consumer. Closing what is gone is no error.
    pub fn close_consumer(&mut self, id: ConsumerId) {
        if let Some(&key) = self.consumer_keys.get(&id) {
            self.remove_consumer(key);
        }
    }

    fn remove_consumer(&mut self, key: usize) {
        let Some(consumer) = self.consumers.try_remove(key) else {
            return;
        };
        self.consumer_keys.remove(&consumer.id);
        if let Some(transport) = self.transports.get_mut(consumer.transport) {
            transport.consumers.retain(|&other| other != key);
            transport.dirty_consumers.retain(|&other| other != key);
            transport.retransmissions.retain(|&(other, _)| other != key);
            transport.pacer.forget(key);
        }
        if let Some(producer) = self.producers.get_mut(consumer.producer) {
            producer.consumers.retain(|&other| other != key);
        }
        self.events.retain(|event| {
            !matches!(event, Event::ConsumerScore { consumer: id, .. } | Event::ConsumerLayers { consumer: id, .. }
                if *id == consumer.id)
        });
    }

    /// Stops sending a consumer.
    pub fn pause_consumer(&mut self, id: ConsumerId) -> Result<()> {
        let key = self.consumer_key(id)?;
        let consumer = &mut self.consumers[key];
        consumer.paused = true;
        if let Some(producer) = self.producers.get(consumer.producer) {
            self.events.extend(consumer.announce_layers(producer));
        }
        Ok(())
    }

    /// Sends a consumer again, from the next key frame on, which is asked for.
    pub fn resume_consumer(&mut self, now: Instant, id: ConsumerId) -> Result<()> {
        let key = self.consumer_key(id)?;
        let consumer = &mut self.consumers[key];
        if std::mem::replace(&mut consumer.paused, false) {
            consumer.resync();
            let transport = consumer.transport;
            self.raise_demand(key);
            self.divide_bandwidth(now, transport);
            self.request_key_frame_for(now, key);
        }
        Ok(())
    }

    /// Sets the highest layers that a consumer is to get. Returns the nearest ones that its producer has, `None` when
    /// there is nothing to choose.
    pub fn set_preferred_layers(
        &mut self,
        now: Instant,
        id: ConsumerId,
        layers: Layers,
    ) -> Result<Option<Layers>> {
        let key = self.consumer_key(id)?;
        let consumer = &mut self.consumers[key];
        let producer = self.producers.get(consumer.producer);
        let Some(producer) = producer.filter(|producer| producer.is_layered()) else {
            return Ok(None);
        };
        let layers = producer.clamp(layers);
        consumer.preferred = Some(layers);
        self.raise_demand(key);
        self.retarget(now, key);
        Ok(Some(layers))
    }

    /// Sets a consumer's weight when bandwidth is shared out, 1 to 255; 0 counts as 1.
    pub fn set_priority(&mut self, now: Instant, id: ConsumerId, priority: u8) -> Result<()> {
        let key = self.consumer_key(id)?;
        let consumer = &mut self.consumers[key];
        consumer.priority = priority.max(1);
        let transport = consumer.transport;
        self.request_allocation(now, transport);
        Ok(())
    }

    /// Sets the bounds of the estimate towards a transport's receiver.
    pub fn set_outgoing_limits(
        &mut self,
        now: Instant,
        id: TransportId,
        limits: OutgoingLimits,
    ) -> Result<()> {
        let key = self.transport_key(id)?;
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
        self.transports[key].max_incoming_bitrate = bitrate;
        Ok(())
    }

    /// Asks the producer behind a consumer for a key frame.
    pub fn request_key_frame(&mut self, now: Instant, id: ConsumerId) -> Result<()> {
        let key = self.consumer_key(id)?;
        self.request_key_frame_for(now, key);
        Ok(())
    }

    /// Asks for a key frame of the stream that a consumer forwards or waits for, unless it can do with the last one.
    pub(crate) fn request_key_frame_for(&mut self, now: Instant, key: usize) {
        if self.start_with_past(now, key) {
            return;
        }
        let Some(consumer) = self.consumers.get(key) else {
            return;
        };
        if consumer.paused || consumer.parameters.kind == MediaKind::Audio {
            return;
        }
        let Some(producer) = self.producers.get_mut(consumer.producer) else {
            return;
        };
        let wanted = consumer.target().map(|target| target.stream);
        let wanted = wanted.or_else(|| consumer.current_stream());
        if let Some(stream) =
            wanted.and_then(|stream| producer.streams.get_mut(usize::from(stream)))
        {
            stream.key_frames.request(now);
            self.timers.schedule(producer.transport, now);
        }
    }

    /// Counters of a transport.
    pub fn transport_stats(&self, now: Instant, id: TransportId) -> Result<TransportStats> {
        let key = self.transport_key(id)?;
        let sockets = &self.config.sockets;
        Ok(self.transports[key].stats(now, |socket| Some(sockets.get(usize::from(socket))?.local)))
    }

    /// Counters of a producer's streams.
    pub fn producer_stats(&self, now: Instant, id: ProducerId) -> Result<Vec<StreamStats>> {
        Ok(self.producers[self.producer_key(id)?].stats(now))
    }

    /// Counters of a consumer and of the producer stream behind it.
    pub fn consumer_stats(&self, now: Instant, id: ConsumerId) -> Result<ConsumerStats> {
        let consumer = &self.consumers[self.consumer_key(id)?];
        let producer = self.producers.get(consumer.producer);
        let inbound = producer.zip(consumer.current_stream());
        Ok(ConsumerStats {
            outbound: consumer.stats(now),
            inbound: inbound
                .map(|(producer, stream)| producer.stream_stats(now, usize::from(stream))),
            preferred_layers: consumer.preferred,
            target_layers: producer.and_then(|producer| consumer.target_layers(producer)),
            current_layers: producer.and_then(|producer| consumer.layers(producer)),
            priority: consumer.priority,
        })
    }

    /// Counters of the engine; process figures are left at zero for the worker to fill in.
    pub fn stats(&self) -> WorkerStats {
        let counters = &self.counters;
        WorkerStats {
            routers: self.routers.len() as u32,
            transports: self.transports.len() as u32,
            producers: self.producers.len() as u32,
            consumers: self.consumers.len() as u32,
            datagrams_received: counters.datagrams_received,
            datagrams_sent: counters.datagrams_sent,
            bytes_received: counters.bytes_received,
            bytes_sent: counters.bytes_sent,
            datagrams_discarded: counters.discarded,
            group_sizes: counters.group_sizes,
            gso: self.config.sockets.iter().all(|socket| socket.gso),
            ..WorkerStats::default()
        }
    }

    fn transport_key(&self, id: TransportId) -> Result<usize> {
        self.transport_keys
            .get(&id)
            .copied()
            .ok_or(EngineError::TransportNotFound(id))
    }

    fn producer_key(&self, id: ProducerId) -> Result<usize> {
        self.producer_keys
            .get(&id)
            .copied()
            .ok_or(EngineError::ProducerNotFound(id))
    }

    fn consumer_key(&self, id: ConsumerId) -> Result<usize> {
        self.consumer_keys
            .get(&id)
            .copied()
            .ok_or(EngineError::ConsumerNotFound(id))
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

    fn ice_candidates(&self) -> Vec<IceCandidate> {
        let sockets = self.config.sockets.iter().enumerate();
        let candidate = |(index, socket): (usize, &crate::config::SocketConfig)| IceCandidate {
            foundation: UDP_FOUNDATION.into(),
            priority: host_priority(local_preference(index as u16, false)),
            address: socket.announced.unwrap_or_else(|| socket.local.ip()),
            port: socket.local.port(),
            protocol: Protocol::Udp,
        };
        sockets.map(candidate).collect()
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

fn ice_parameters(credentials: &IceCredentials) -> IceParameters {
    IceParameters {
        username_fragment: credentials.username_fragment.clone(),
        password: credentials.password.clone(),
    }
}
