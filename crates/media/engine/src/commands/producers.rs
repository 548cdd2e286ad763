//! Producers: what peers send.

use std::time::Instant;

use plenum_ids::{ProducerId, TransportId};
use plenum_params::{
    event::Event,
    media::{MAX_STREAMS, ReceiveParameters},
    trace::TraceObject,
};
use plenum_srtp::InboundStream;

use super::{Result, transports::is_trunk};
use crate::{engine::Engine, error::EngineError, producer::Producer, transport::StreamTarget};

/// Producers of one transport: a browser sends a handful of tracks; more is a mistake or an attack.
const MAX_PRODUCERS_PER_TRANSPORT: usize = 32;

impl Engine {
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
        let router = transport.router.ok_or_else(|| is_trunk(transport_id))?;
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
        self.insert_producer(Producer::new(id, router, transport_key, parameters, paused));
        Ok(())
    }

    /// Adds a producer whose SSRCs are known to be free.
    pub(super) fn insert_producer(&mut self, producer: Producer) {
        let Some(transport) = self.transports.get_mut(producer.transport) else {
            return;
        };
        let parameters = &producer.parameters;
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
        self.producer_keys.insert(producer.id, key);
        self.producers.insert(producer);
    }

    /// Closes a producer and its consumers. Closing what is gone is no error.
    pub fn close_producer(&mut self, id: ProducerId) {
        if let Some(&key) = self.producer_keys.get(&id) {
            self.detach_producer(key);
        }
    }

    /// Closes a producer whose transport stays.
    pub(super) fn detach_producer(&mut self, key: usize) {
        let transport = self.producers.get(key).map(|producer| producer.transport);
        if let Some(transport) = transport.and_then(|key| self.transports.get_mut(key)) {
            transport.producers.retain(|&other| other != key);
        }
        self.remove_producer(key);
    }

    pub(super) fn remove_producer(&mut self, key: usize) {
        let Some(producer) = self.producers.try_remove(key) else {
            return;
        };
        self.producer_keys.remove(&producer.id);
        self.touched.retain(|&other| other != key);
        if let Some(transport) = self.transports.get_mut(producer.transport) {
            let streams = producer.streams.iter();
            let ssrcs = streams.flat_map(|stream| stream.ssrc.into_iter().chain(stream.rtx_ssrc));
            transport.receive.remove_producer(key, ssrcs);
            transport.asking.retain(|&other| other != key);
        }
        if let Some(router) = self
            .routers
            .get_mut(&producer.router)
            .filter(|_| producer.is_piped)
        {
            router.piped.retain(|&other| other != key);
        }
        self.forget_observed(key, &producer);
        self.traces.forget(TraceObject::Producer(producer.id));
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
}
