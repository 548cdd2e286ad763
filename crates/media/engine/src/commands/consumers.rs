//! Consumers: what peers are sent.

use std::time::Instant;

use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_params::{
    event::{Event, Layers},
    media::{MediaKind, SendParameters},
    trace::TraceObject,
};

use super::{Result, transports::is_trunk};
use crate::{consumer::Consumer, engine::Engine, error::EngineError};

impl Engine {
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
        let router = self.transports[transport_key].router;
        let router = router.ok_or_else(|| is_trunk(transport_id))?;
        if self.producers[producer_key].router != router {
            return Err(EngineError::Invalid(format!(
                "producer {producer_id} belongs to another router"
            )));
        }
        if parameters.codecs.is_empty() {
            return Err(EngineError::Invalid("a consumer needs a codec".into()));
        }
        let (first, first_rtx) = self.first_sequence_numbers();
        let mut consumer = Consumer::new(
            id,
            transport_key,
            (producer_key, &self.producers[producer_key]),
            parameters,
            paused,
            first,
            first_rtx,
        );
        let transport = &mut self.transports[transport_key];
        let congestion = &mut transport.congestion;
        // Who is no WebRTC peer is sent what it asked for, whatever its path carries.
        if transport.ice.is_some() {
            congestion.add_consumer(now, &consumer);
        }
        // On a measured path the division of its bandwidth says what to begin with.
        if congestion.estimate(now).is_none() || consumer.parameters.kind == MediaKind::Audio {
            let target = consumer.wanted(&self.producers[producer_key]);
            consumer.set_target(target);
        }
        self.insert_consumer(now, consumer);
        Ok(())
    }

    /// First numbers of a stream and of its retransmissions. In the lower half they leave room for the first packets to
    /// arrive out of order (RFC 3711 §3.3.1).
    pub(super) fn first_sequence_numbers(&mut self) -> (u16, u16) {
        (self.random_u32() as u16 >> 1, self.random_u32() as u16 >> 1)
    }

    /// Adds a consumer of which everything is known to be right.
    pub(super) fn insert_consumer(&mut self, now: Instant, consumer: Consumer) {
        let (id, transport, producer) = (consumer.id, consumer.transport, consumer.producer);
        let key = self.consumers.insert(consumer);
        self.consumer_keys.insert(id, key);
        self.transports[transport].consumers.push(key);
        self.producers[producer].consumers.push(key);
        self.raise_demand(key);
        self.divide_bandwidth(now, transport);
        self.request_key_frame_for(now, key);
    }

    /// Closes a consumer. Closing what is gone is no error.
    pub fn close_consumer(&mut self, id: ConsumerId) {
        if let Some(&key) = self.consumer_keys.get(&id) {
            self.remove_consumer(key);
        }
    }

    pub(super) fn remove_consumer(&mut self, key: usize) {
        let Some(consumer) = self.consumers.try_remove(key) else {
            return;
        };
        self.consumer_keys.remove(&consumer.id);
        if let Some(transport) = self.transports.get_mut(consumer.transport) {
            transport.consumers.retain(|&other| other != key);
            self.fan_out.forget_consumer(consumer.transport, key);
            transport.retransmissions.retain(|&(other, _)| other != key);
            transport.pacer.forget(key);
            if let Some(trunk) = &mut transport.trunk {
                trunk.senders.remove(&consumer.parameters.ssrc);
            }
        }
        if let Some(producer) = self.producers.get_mut(consumer.producer) {
            producer.consumers.retain(|&other| other != key);
        }
        self.traces.forget(TraceObject::Consumer(consumer.id));
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
        let is_pinned = consumer.is_pinned();
        let Some(producer) = producer.filter(|it| it.is_layered() && !is_pinned) else {
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

    /// Asks the producer behind a consumer for a key frame.
    pub fn request_key_frame(&mut self, now: Instant, id: ConsumerId) -> Result<()> {
        let key = self.consumer_key(id)?;
        self.request_key_frame_for(now, key);
        Ok(())
    }

    /// The numbers of a producer's stream begin anew: whoever gets it goes on with the next key frame. What was asked of the
    /// stream before was forgotten with it.
    #[cold]
    pub(crate) fn restart_consumers(&mut self, now: Instant, producer: usize) {
        let consumers = self.producers.get(producer);
        let consumers = consumers.map(|producer| producer.consumers.clone());
        for key in consumers.unwrap_or_default() {
            if let Some(consumer) = self.consumers.get_mut(key) {
                consumer.restart();
                self.request_key_frame_for(now, key);
            }
        }
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
            let producer = consumer.producer;
            self.note_asking(now, producer);
        }
    }
}
