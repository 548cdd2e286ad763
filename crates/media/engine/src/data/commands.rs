//! Making, pausing and closing what messages travel between.

use std::time::Instant;

use plenum_ids::{DataConsumerId, DataProducerId, RouterId, TransportId};
use plenum_params::{
    data::{
        DataConsumerStats, DataProducerStats, MAX_SUBCHANNELS, SCTP_STREAMS, SctpStreamParameters,
    },
    event::Event,
};

use super::{Carrier, Channel, DataConsumer, DataPart, DataProducer};
use crate::{commands::Result, engine::Engine, error::EngineError, transport::Transport};

impl Engine {
    /// Starts to take messages of a transport's peer on a stream, or of the node, without one.
    pub fn produce_data(
        &mut self,
        transport_id: TransportId,
        id: DataProducerId,
        stream: Option<SctpStreamParameters>,
        paused: bool,
    ) -> Result<()> {
        let transport = self.transport_key(transport_id)?;
        let router = self.transports[transport].router;
        let router = router.ok_or_else(|| crate::commands::is_trunk(transport_id))?;
        self.insert_data_producer(transport, router, id, stream, paused)
    }

    /// Makes the far end of a pipe of messages: a data producer of `router` that another worker sends over a trunk.
    pub fn pipe_produce_data(
        &mut self,
        now: Instant,
        trunk_id: TransportId,
        router_id: RouterId,
        id: DataProducerId,
        stream: SctpStreamParameters,
        paused: bool,
    ) -> Result<()> {
        let transport = self.trunk_key(trunk_id)?;
        if !self.routers.contains_key(&router_id) {
            return Err(EngineError::RouterNotFound(router_id));
        }
        self.open_trunk_data(now, transport);
        self.insert_data_producer(transport, router_id, id, Some(stream), paused)?;
        let key = self.data.producer_keys.get(&id).copied();
        if let Some((router, key)) = self.routers.get_mut(&router_id).zip(key) {
            router.piped_data.push(key);
        }
        Ok(())
    }

    fn insert_data_producer(
        &mut self,
        transport_key: usize,
        router: RouterId,
        id: DataProducerId,
        stream: Option<SctpStreamParameters>,
        paused: bool,
    ) -> Result<()> {
        if self.data.producer_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("data producer {id}")));
        }
        let transport = &mut self.transports[transport_key];
        let is_piped = transport.trunk.is_some();
        let part = data_part(transport)?;
        check_stream(part, stream)?;
        let stream = stream.map(|stream| stream.stream_id);
        if let Some(stream) = stream
            && part.by_stream.contains_key(&stream)
        {
            let what = format!("a data producer on stream {stream}");
            return Err(EngineError::AlreadyExists(what));
        }
        let key = self.data.producers.insert(DataProducer {
            id,
            router,
            transport: transport_key,
            stream,
            is_piped,
            paused,
            consumers: Vec::new(),
            stats: DataProducerStats::default(),
        });
        self.data.producer_keys.insert(id, key);
        part.producers.push(key);
        if let Some(stream) = stream {
            part.by_stream.insert(stream, key);
        }
        Ok(())
    }

    /// Starts to send the messages of a data producer of the same router to a transport's peer on a stream, or to the
    /// node, without one.
    pub fn consume_data(
        &mut self,
        transport_id: TransportId,
        id: DataConsumerId,
        producer_id: DataProducerId,
        stream: Option<SctpStreamParameters>,
        subchannels: Vec<u16>,
        paused: bool,
    ) -> Result<()> {
        let transport = self.transport_key(transport_id)?;
        let router = self.transports[transport].router;
        let router = router.ok_or_else(|| crate::commands::is_trunk(transport_id))?;
        let producer = self.data_producer_key(producer_id)?;
        if self.data.producers[producer].router != router {
            return Err(EngineError::Invalid(format!(
                "data producer {producer_id} belongs to another router"
            )));
        }
        self.insert_data_consumer(transport, id, producer, stream, subchannels, paused)
    }

    /// Makes the near end of a pipe of messages: those of a data producer are sent over a trunk.
    pub fn pipe_consume_data(
        &mut self,
        now: Instant,
        trunk_id: TransportId,
        id: DataConsumerId,
        producer_id: DataProducerId,
        stream: SctpStreamParameters,
        paused: bool,
    ) -> Result<()> {
        let transport = self.trunk_key(trunk_id)?;
        let producer = self.data_producer_key(producer_id)?;
        if self.data.producers[producer].transport == transport {
            return Err(EngineError::Invalid(format!(
                "data producer {producer_id} comes over this trunk"
            )));
        }
        self.open_trunk_data(now, transport);
        self.insert_data_consumer(transport, id, producer, Some(stream), Vec::new(), paused)
    }

    fn insert_data_consumer(
        &mut self,
        transport_key: usize,
        id: DataConsumerId,
        producer_key: usize,
        stream: Option<SctpStreamParameters>,
        subchannels: Vec<u16>,
        paused: bool,
    ) -> Result<()> {
        if self.data.consumer_keys.contains_key(&id) {
            return Err(EngineError::AlreadyExists(format!("data consumer {id}")));
        }
        let subchannels = sorted_subchannels(subchannels)?;
        let part = data_part(&mut self.transports[transport_key])?;
        check_stream(part, stream)?;
        let consumers = &self.data.consumers;
        let is_taken = |key: &usize| {
            let other = consumers.get(*key).and_then(|other| other.stream);
            other.map(|other| other.stream_id) == stream.map(|stream| stream.stream_id)
        };
        if stream.is_some() && part.consumers.iter().any(is_taken) {
            return Err(EngineError::AlreadyExists(
                "a data consumer on this stream".into(),
            ));
        }
        let key = self.data.consumers.insert(DataConsumer {
            id,
            producer: producer_key,
            transport: transport_key,
            stream,
            subchannels,
            paused,
            channel: Channel::default(),
            low_threshold: None,
            is_full: false,
            stats: DataConsumerStats::default(),
        });
        self.data.consumer_keys.insert(id, key);
        part.consumers.push(key);
        self.data.producers[producer_key].consumers.push(key);
        Ok(())
    }

    /// Closes a data producer with its data consumers. Closing what is gone is no error.
    pub fn close_data_producer(&mut self, now: Instant, id: DataProducerId) {
        if let Some(&key) = self.data.producer_keys.get(&id) {
            self.remove_data_producer(now, key);
            self.flush_data(now);
        }
    }

    /// Closes a data consumer. Closing what is gone is no error.
    pub fn close_data_consumer(&mut self, now: Instant, id: DataConsumerId) {
        if let Some(&key) = self.data.consumer_keys.get(&id) {
            self.remove_data_consumer(now, key);
            self.flush_data(now);
        }
    }

    /// Stops handing on what comes of a data producer; it is lost.
    pub fn pause_data_producer(&mut self, id: DataProducerId) -> Result<()> {
        let key = self.data_producer_key(id)?;
        self.data.producers[key].paused = true;
        Ok(())
    }

    /// Hands on again what comes of a data producer.
    pub fn resume_data_producer(&mut self, id: DataProducerId) -> Result<()> {
        let key = self.data_producer_key(id)?;
        self.data.producers[key].paused = false;
        Ok(())
    }

    /// Stops sending to a data consumer; what comes meanwhile is lost to it.
    pub fn pause_data_consumer(&mut self, id: DataConsumerId) -> Result<()> {
        let key = self.data_consumer_key(id)?;
        self.data.consumers[key].paused = true;
        Ok(())
    }

    /// Sends to a data consumer again.
    pub fn resume_data_consumer(&mut self, id: DataConsumerId) -> Result<()> {
        let key = self.data_consumer_key(id)?;
        self.data.consumers[key].paused = false;
        Ok(())
    }

    /// Chooses which messages a data consumer gets: see `DataMessage::is_for`.
    pub fn set_subchannels(&mut self, id: DataConsumerId, subchannels: Vec<u16>) -> Result<()> {
        let key = self.data_consumer_key(id)?;
        self.data.consumers[key].subchannels = sorted_subchannels(subchannels)?;
        Ok(())
    }

    /// Asks to be told when no more than so many bytes wait for a data consumer's receiver, after more did.
    pub fn set_buffered_amount_low_threshold(
        &mut self,
        id: DataConsumerId,
        threshold: u32,
    ) -> Result<()> {
        let key = self.data_consumer_key(id)?;
        let consumer = &mut self.data.consumers[key];
        consumer.low_threshold = Some(threshold);
        if consumer.channel == Channel::Open
            && let Some(stream) = consumer.stream
            && let Some(part) = &mut self.transports[consumer.transport].data
            && let Some(association) = part.association()
        {
            association.set_buffered_amount_low(stream.stream_id, threshold);
        }
        Ok(())
    }

    /// Counters of a data producer.
    pub fn data_producer_stats(&self, id: DataProducerId) -> Result<DataProducerStats> {
        Ok(self.data.producers[self.data_producer_key(id)?].stats)
    }

    /// Counters of a data consumer.
    pub fn data_consumer_stats(&mut self, id: DataConsumerId) -> Result<DataConsumerStats> {
        let key = self.data_consumer_key(id)?;
        let consumer = &self.data.consumers[key];
        let mut stats = consumer.stats;
        if consumer.channel == Channel::Open
            && let Some(stream) = consumer.stream
            && let Some(part) = &mut self.transports[consumer.transport].data
            && let Some(association) = part.association()
        {
            let amount = association.buffered(stream.stream_id);
            stats.buffered_amount = u32::try_from(amount).unwrap_or(u32::MAX);
        }
        Ok(stats)
    }

    /// Takes away a data producer and everything that hangs on it.
    pub(crate) fn remove_data_producer(&mut self, now: Instant, key: usize) {
        let Some(producer) = self.data.producers.get_mut(key) else {
            return;
        };
        for consumer in std::mem::take(&mut producer.consumers) {
            self.remove_data_consumer(now, consumer);
        }
        let Some(producer) = self.data.producers.try_remove(key) else {
            return;
        };
        self.data.producer_keys.remove(&producer.id);
        if producer.is_piped
            && let Some(router) = self.routers.get_mut(&producer.router)
        {
            router.piped_data.retain(|&other| other != key);
        }
        if let Some(transport) = self.transports.get_mut(producer.transport)
            && let Some(part) = &mut transport.data
        {
            part.producers.retain(|&other| other != key);
            if let Some(stream) = producer.stream {
                part.by_stream.remove(&stream);
                self.close_data_stream(now, producer.transport, stream);
            }
        }
    }

    /// Takes away a data consumer and everything that hangs on it.
    pub(crate) fn remove_data_consumer(&mut self, now: Instant, key: usize) {
        let Some(consumer) = self.data.consumers.try_remove(key) else {
            return;
        };
        let id = consumer.id;
        self.data.consumer_keys.remove(&id);
        if let Some(producer) = self.data.producers.get_mut(consumer.producer) {
            producer.consumers.retain(|&other| other != key);
        }
        if let Some(transport) = self.transports.get_mut(consumer.transport)
            && let Some(part) = &mut transport.data
        {
            part.consumers.retain(|&other| other != key);
            if let Some(stream) = consumer.stream {
                self.close_data_stream(now, consumer.transport, stream.stream_id);
            }
        }
        self.data.forget_messages(id);
        // Whoever closes knows: no event follows the close.
        self.events.retain(|event| match event {
            Event::DataConsumerBufferFull { data_consumer }
            | Event::DataConsumerBufferedAmountLow { data_consumer, .. } => *data_consumer != id,
            _ => true,
        });
    }

    /// Takes away everything that messages of a transport which is being closed travel between.
    pub(crate) fn remove_transport_data(&mut self, now: Instant, key: usize) {
        let transport = self.transports.get_mut(key);
        let Some(part) = transport.and_then(|transport| transport.data.take()) else {
            return;
        };
        self.data.touched.retain(|&other| other != key);
        for producer in part.producers {
            self.remove_data_producer(now, producer);
        }
        for consumer in part.consumers {
            self.remove_data_consumer(now, consumer);
        }
    }

    /// Resets a stream that neither a data producer nor a data consumer of its transport needs any more.
    fn close_data_stream(&mut self, now: Instant, transport_key: usize, stream: u16) {
        let consumers = &self.data.consumers;
        let Some(part) = self
            .transports
            .get_mut(transport_key)
            .and_then(|transport| transport.data.as_mut())
        else {
            return;
        };
        let is_consumed = part.consumers.iter().any(|&key| {
            let consumer = consumers.get(key).and_then(|consumer| consumer.stream);
            consumer.is_some_and(|other| other.stream_id == stream)
        });
        if is_consumed || part.by_stream.contains_key(&stream) {
            return;
        }
        if let Some(association) = part.association() {
            association.close_stream(now, stream);
            self.touch_data(transport_key);
        }
    }

    pub(crate) fn data_producer_key(&self, id: DataProducerId) -> Result<usize> {
        let key = self.data.producer_keys.get(&id);
        key.copied().ok_or(EngineError::DataProducerNotFound(id))
    }

    fn data_consumer_key(&self, id: DataConsumerId) -> Result<usize> {
        let key = self.data.consumer_keys.get(&id);
        key.copied().ok_or(EngineError::DataConsumerNotFound(id))
    }
}

fn data_part(transport: &mut Transport) -> Result<&mut DataPart> {
    let id = transport.id;
    transport
        .data
        .as_deref_mut()
        .ok_or_else(|| EngineError::Invalid(format!("transport {id} has no data channels")))
}

/// Whether messages can travel on this stream of the transport, or need none.
fn check_stream(part: &DataPart, stream: Option<SctpStreamParameters>) -> Result<()> {
    let refusal = match (stream, &part.carrier) {
        (None, Carrier::Direct) => return Ok(()),
        (None, _) => "messages over SCTP need a stream",
        (Some(_), Carrier::Direct) => "a direct transport has no streams",
        (Some(stream), carrier) => {
            let is_limited = !stream.is_reliable();
            let is_peers = matches!(carrier, Carrier::Dtls(_));
            if is_peers && stream.stream_id >= SCTP_STREAMS {
                "the stream is beyond those of the association"
            } else if stream.max_packet_life_time.is_some() && stream.max_retransmits.is_some() {
                "a stream cannot have both a life time and a limit of retransmissions"
            } else if stream.ordered && is_limited {
                "an ordered stream has neither a life time nor a limit of retransmissions"
            } else {
                return Ok(());
            }
        }
    };
    Err(EngineError::Invalid(refusal.into()))
}

fn sorted_subchannels(mut subchannels: Vec<u16>) -> Result<Vec<u16>> {
    subchannels.sort_unstable();
    subchannels.dedup();
    if subchannels.len() > MAX_SUBCHANNELS {
        return Err(EngineError::Limit(format!(
            "more than {MAX_SUBCHANNELS} subchannels"
        )));
    }
    Ok(subchannels)
}
