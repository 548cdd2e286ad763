//! Trunks to other workers, and the two ends of a pipe.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    media::{MAX_STREAMS, ReceiveParameters, SendParameters},
    transport::{Protocol, TrunkKey, TrunkOptions, WebRtcTransportOptions},
};
use plenum_srtp::{KeyingMaterial, Opener, Sealer, SrtpError, SrtpProfile};

use super::Result;
use crate::{
    config::{SocketConfig, SocketIndex},
    consumer::Consumer,
    engine::Engine,
    error::EngineError,
    pacer::Pacer,
    producer::Producer,
    transport::{ReceiveTable, SrtpSession, Transport},
    trunk::{MAX_SSRCS, Trunk},
};

impl Engine {
    /// Makes one end of a trunk to another worker.
    pub fn create_trunk(
        &mut self,
        now: Instant,
        id: TransportId,
        options: &TrunkOptions,
    ) -> Result<()> {
        if self.transport_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("transport {id}")));
        }
        let remote = options.remote;
        let Some(socket) = socket_towards(self.sockets.shared(), remote, options.local) else {
            return Err(EngineError::Invalid(format!(
                "no socket of this worker leads to {remote}"
            )));
        };
        let path = (socket, remote);
        let owner = self.addresses.get(&path);
        let owner = owner.and_then(|&key| self.transports.get(key));
        if owner.is_some_and(|owner| owner.trunk.is_some()) {
            return Err(EngineError::AlreadyExists(format!("a trunk to {remote}")));
        }
        let session = srtp_session(options)?;
        let numbers = (self.random_u32(), self.random_u32() as u16);
        let transport = Transport::new(id, now, numbers, &WebRtcTransportOptions::default());
        let key = self.transports.insert(Transport {
            trunk: Some(Box::new(Trunk::new(options))),
            path: Some(path),
            srtp: Some(session),
            receive: ReceiveTable::for_trunk(),
            pacer: Pacer::for_trunk(),
            ..transport
        });
        self.transport_keys.insert(id, key);
        // The node knows where its workers are. A peer that has written the address on its checks was not there.
        self.addresses.insert(path, key);
        self.timers.schedule(key, now);
        Ok(())
    }

    /// Makes the far end of a pipe: a producer of `router` whose streams another worker sends over a trunk.
    pub fn pipe_produce(
        &mut self,
        trunk_id: TransportId,
        router_id: RouterId,
        id: ProducerId,
        mut parameters: ReceiveParameters,
        paused: bool,
    ) -> Result<()> {
        let transport_key = self.trunk_key(trunk_id)?;
        if !self.routers.contains_key(&router_id) {
            return Err(EngineError::RouterNotFound(router_id));
        }
        if self.producer_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("producer {id}")));
        }
        parameters.encodings.truncate(MAX_STREAMS);
        let ssrcs = piped_ssrcs(&parameters)?;
        let transport = &mut self.transports[transport_key];
        if transport.receive.len() + ssrcs.len() > MAX_SSRCS {
            return Err(too_many_streams());
        }
        if let Some(trunk) = &mut transport.trunk {
            trunk.received.claim(&ssrcs).map_err(is_used)?;
        }
        let key = self.producers.vacant_key();
        let mut producer = Producer::new(id, router_id, transport_key, parameters, paused);
        producer.is_piped = true;
        self.insert_producer(producer);
        self.routers.entry(router_id).or_default().piped.push(key);
        Ok(())
    }

    /// Tells a piped producer the scores of its streams where they come in, in their order. They count from now on.
    pub fn set_origin_scores(&mut self, id: ProducerId, mut scores: Vec<u8>) -> Result<()> {
        let key = self.producer_key(id)?;
        let producer = &mut self.producers[key];
        if !producer.is_piped || scores.is_empty() {
            return Err(EngineError::Invalid(format!(
                "producer {id} comes in here, or nothing is said of it"
            )));
        }
        scores.truncate(producer.streams.len());
        producer.origin_scores = scores;
        for index in 0..producer.streams.len() {
            if let Some(score) = producer.origin_score(index) {
                producer.streams[index].score = score;
            }
        }
        self.update_consumer_scores(key);
        Ok(())
    }

    /// Makes the near end of a pipe: a stream of a producer, with all layers in it, is sent over a trunk.
    pub fn pipe_consume(
        &mut self,
        now: Instant,
        trunk_id: TransportId,
        id: ConsumerId,
        (producer_id, stream): (ProducerId, u8),
        parameters: SendParameters,
        paused: bool,
    ) -> Result<()> {
        let transport_key = self.trunk_key(trunk_id)?;
        let producer_key = self.producer_key(producer_id)?;
        if self.consumer_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("consumer {id}")));
        }
        let producer = &self.producers[producer_key];
        let refusal = if usize::from(stream) >= producer.streams.len() {
            Some(format!("producer {producer_id} has no stream {stream}"))
        } else if producer.transport == transport_key {
            Some(format!("producer {producer_id} comes over this trunk"))
        } else {
            let has_codec = !parameters.codecs.is_empty();
            (!has_codec).then(|| "a consumer needs a codec".into())
        };
        if let Some(refusal) = refusal {
            return Err(EngineError::Invalid(refusal));
        }
        let ssrc = parameters.ssrc;
        let ssrcs: Vec<u32> = std::iter::once(ssrc).chain(parameters.rtx_ssrc).collect();
        let key = self.consumers.vacant_key();
        if let Some(trunk) = &mut self.transports[transport_key].trunk {
            if trunk.senders.len() >= MAX_SSRCS {
                return Err(too_many_streams());
            }
            trunk.sent.claim(&ssrcs).map_err(is_used)?;
            trunk.senders.insert(ssrc, key);
        }
        let (first, first_rtx) = self.first_sequence_numbers();
        let producer = (producer_key, &self.producers[producer_key]);
        let consumer = Consumer::new(
            id,
            transport_key,
            producer,
            parameters,
            paused,
            first,
            first_rtx,
        );
        self.insert_consumer(now, consumer.pinned_to(stream));
        Ok(())
    }

    pub(crate) fn trunk_key(&self, id: TransportId) -> Result<usize> {
        let key = self.transport_key(id)?;
        match self.transports[key].trunk {
            Some(_) => Ok(key),
            None => Err(EngineError::Invalid(format!("transport {id} is no trunk"))),
        }
    }
}

/// The socket that packets to another worker leave from: the one that it knows, the one on its own address, or one from which
/// that can be reached.
fn socket_towards<'a>(
    sockets: impl Iterator<Item = (SocketIndex, &'a SocketConfig)> + Clone,
    remote: SocketAddr,
    known: Option<IpAddr>,
) -> Option<SocketIndex> {
    let is_same = |local: SocketAddr| local.ip() == remote.ip();
    let leads_there = |local: SocketAddr| {
        let same_scope = local.ip().is_loopback() == remote.ip().is_loopback();
        local.is_ipv4() == remote.is_ipv4() && (same_scope || local.ip().is_unspecified())
    };
    let datagrams = sockets.filter(|(_, socket)| socket.protocol == Protocol::Udp);
    let find = |suits: &dyn Fn(SocketAddr) -> bool| {
        let mut suitable = datagrams.clone().filter(|(_, socket)| suits(socket.local));
        suitable.next().map(|(index, _)| index)
    };
    let is_known = |local: SocketAddr| Some(local.ip()) == known;
    let chosen = find(&is_known).or_else(|| find(&is_same));
    chosen.or_else(|| find(&leads_there))
}

/// RFC 7714 with the longer key: the difference to the shorter one is a few nanoseconds a packet.
fn srtp_session(options: &TrunkOptions) -> Result<SrtpSession> {
    if options.send_key == options.receive_key {
        return Err(EngineError::Invalid(
            "both directions of a trunk have the same key".into(),
        ));
    }
    let profile = SrtpProfile::AeadAes256Gcm;
    let made = || -> std::result::Result<SrtpSession, SrtpError> {
        let material = |key: &TrunkKey| KeyingMaterial::new(profile, key.key(), key.salt());
        Ok(SrtpSession {
            profile,
            sealer: Sealer::new(profile, &material(&options.send_key)?)?,
            opener: Opener::new(profile, &material(&options.receive_key)?)?,
        })
    };
    made().map_err(|error| EngineError::Invalid(format!("unusable keys: {error}")))
}

/// All SSRCs of a piped producer. Nothing is learnt on a trunk, so that each stream must have one.
fn piped_ssrcs(parameters: &ReceiveParameters) -> Result<Vec<u32>> {
    if parameters.codecs.is_empty() || parameters.encodings.is_empty() {
        return Err(EngineError::Invalid(
            "a producer needs a codec and an encoding".into(),
        ));
    }
    let mut ssrcs = Vec::new();
    for encoding in &parameters.encodings {
        let Some(ssrc) = encoding.ssrc else {
            return Err(EngineError::Invalid(
                "every stream of a pipe needs an SSRC".into(),
            ));
        };
        ssrcs.push(ssrc);
        ssrcs.extend(encoding.rtx_ssrc);
    }
    Ok(ssrcs)
}

/// Also when there was one: see `UsedSsrcs`.
fn is_used(ssrc: u32) -> EngineError {
    EngineError::AlreadyExists(format!("a stream with SSRC {ssrc}"))
}

fn too_many_streams() -> EngineError {
    EngineError::Limit(format!("more than {MAX_SSRCS} streams on a trunk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(locals: &[&str]) -> Vec<SocketConfig> {
        let socket = |local: &&str| SocketConfig::new(local.parse().expect("an address"));
        locals.iter().map(socket).collect()
    }

    fn chosen(locals: &[&str], remote: &str) -> Option<SocketIndex> {
        let sockets = sockets(locals);
        let numbered = (0..).zip(&sockets);
        socket_towards(numbered, remote.parse().expect("an address"), None)
    }

    #[test]
    fn a_trunk_leaves_from_where_its_other_end_can_be_reached() {
        let both = ["192.0.2.1:10000", "127.0.0.1:10000", "[2001:db8::1]:10000"];
        assert_eq!(chosen(&both, "127.0.0.1:11000"), Some(1));
        assert_eq!(chosen(&both, "192.0.2.1:11000"), Some(0));
        assert_eq!(chosen(&both, "192.0.2.9:11000"), Some(0));
        assert_eq!(chosen(&both, "[2001:db8::2]:11000"), Some(2));
        assert_eq!(chosen(&both, "[::1]:11000"), None);
        let everywhere = ["0.0.0.0:10000"];
        assert_eq!(chosen(&everywhere, "127.0.0.1:11000"), Some(0));
        assert_eq!(chosen(&everywhere, "192.0.2.9:11000"), Some(0));
        assert_eq!(chosen(&everywhere, "[::1]:11000"), None);
    }

    #[test]
    fn a_trunk_leaves_from_where_its_other_end_expects_it() {
        let sockets = sockets(&["192.0.2.1:10000", "198.51.100.1:10000"]);
        let remote = "203.0.113.1:11000".parse().expect("an address");
        for (known, expected) in [
            (Some("198.51.100.1"), Some(1)),
            // It is behind NAT.
            (Some("203.0.113.7"), Some(0)),
            (None, Some(0)),
        ] {
            let known = known.map(|known| known.parse().expect("an address"));
            let numbered = (0..).zip(&sockets);
            assert_eq!(socket_towards(numbered, remote, known), expected);
        }
    }
}
