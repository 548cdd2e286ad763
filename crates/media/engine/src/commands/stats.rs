//! Counters, read by snapshot.

use std::time::Instant;

use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_params::stats::{
    ConsumerStats, StreamStats, TransportBitrate, TransportStats, WorkerStats,
};

use super::Result;
use crate::engine::Engine;

impl Engine {
    /// Counters of a transport.
    pub fn transport_stats(&self, now: Instant, id: TransportId) -> Result<TransportStats> {
        let key = self.transport_key(id)?;
        Ok(self.transports[key].stats(now, &self.sockets))
    }

    /// What goes through all transports of rooms.
    pub fn transport_bitrates(&self, now: Instant) -> Vec<TransportBitrate> {
        let transports = self.transports.iter().map(|(_, transport)| transport);
        let of_rooms = transports.filter(|transport| transport.router.is_some());
        let bitrates = of_rooms.map(|transport| transport.bitrate(now));
        bitrates.collect()
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
            data_producers: self.data.producers.len() as u32,
            data_consumers: self.data.consumers.len() as u32,
            datagrams_received: counters.datagrams_received,
            datagrams_sent: counters.datagrams_sent,
            bytes_received: counters.bytes_received,
            bytes_sent: counters.bytes_sent,
            datagrams_discarded: counters.discarded,
            group_sizes: counters.group_sizes,
            media: counters.media,
            forwarding_delay: counters.paced,
            gso: self.sockets.shared().all(|(_, socket)| socket.gso),
            ..WorkerStats::default()
        }
    }

    /// Packets that waited in a pacer and have left it.
    pub fn paced_packets(&self) -> u64 {
        self.counters.paced.count()
    }
}
