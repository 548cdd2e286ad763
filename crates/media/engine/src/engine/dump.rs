//! What an engine holds, to be compared with what it should hold.

use std::net::SocketAddr;

use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, RtpObserverId, TransportId,
};

use super::Engine;
use crate::transport::Transport;

/// Everything that an engine holds, for tests and for looking into a running worker. Lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineDump {
    /// Routers.
    pub routers: Vec<RouterId>,
    /// Transports.
    pub transports: Vec<TransportId>,
    /// Producers.
    pub producers: Vec<ProducerId>,
    /// Consumers.
    pub consumers: Vec<ConsumerId>,
    /// Observers.
    pub observers: Vec<RtpObserverId>,
    /// Data producers.
    pub data_producers: Vec<DataProducerId>,
    /// Data consumers.
    pub data_consumers: Vec<DataConsumerId>,
    /// Peers' addresses that lead to a transport.
    pub addresses: Vec<SocketAddr>,
    /// Entries in the queue of deadlines, also those that mean nothing any more.
    pub deadlines: usize,
    /// Events that nobody has taken.
    pub events: usize,
    /// Datagrams, planned packets and transports that wait to be sent or to send.
    pub waiting: usize,
    /// References that lead to nothing, or not back. More than none is a mistake.
    pub orphans: usize,
}

impl Engine {
    /// Everything that the engine holds.
    #[must_use]
    pub fn dump(&self) -> EngineDump {
        fn sorted<T: Ord>(list: impl Iterator<Item = T>) -> Vec<T> {
            let mut list: Vec<_> = list.collect();
            list.sort_unstable();
            list
        }
        EngineDump {
            routers: sorted(self.routers.keys().copied()),
            transports: sorted(self.transports.iter().map(|(_, it)| it.id)),
            producers: sorted(self.producers.iter().map(|(_, it)| it.id)),
            consumers: sorted(self.consumers.iter().map(|(_, it)| it.id)),
            observers: sorted(self.observers.list.iter().map(|(_, it)| it.id)),
            data_producers: sorted(self.data.producers.iter().map(|(_, it)| it.id)),
            data_consumers: sorted(self.data.consumers.iter().map(|(_, it)| it.id)),
            addresses: sorted(self.addresses.keys().map(|(_, address)| *address)),
            deadlines: self.timers.len() + self.observers.timers.len(),
            events: self.events.len() + self.traces.len(),
            waiting: self.control.waiting()
                + self.fan_out.waiting()
                + self.touched.len()
                + self.data.touched.len()
                + self.data.outbox.len()
                + self
                    .transports
                    .iter()
                    .map(|(_, it)| it.pacer.len())
                    .sum::<usize>(),
            orphans: self.orphans() + self.data_orphans(),
        }
    }

    /// Objects for which the memory of the tables suffices. It follows the most that there were at a time, not how many
    /// there have been.
    #[must_use]
    pub fn table_capacity(&self) -> usize {
        self.routers.capacity()
            + self.transports.capacity()
            + self.producers.capacity()
            + self.consumers.capacity()
            + self.data.table_capacity()
            + self.addresses.capacity()
            + self.transport_keys.capacity()
            + self.producer_keys.capacity()
            + self.consumer_keys.capacity()
            + self.events.capacity()
            + self.traces.capacity()
            + self.timers.capacity()
            + self.observers.keys.capacity()
            + self.observers.list.capacity()
            + self.observers.timers.capacity()
    }

    fn orphans(&self) -> usize {
        let mut orphans = 0;
        let mut expect = |holds: bool| orphans += usize::from(!holds);
        for (id, router) in &self.routers {
            for &key in &router.transports {
                let transport = self.transports.get(key);
                expect(transport.is_some_and(|transport| transport.router == Some(*id)));
            }
            for &key in &router.piped {
                let producer = self.producers.get(key);
                expect(producer.is_some_and(|it| it.is_piped && it.router == *id));
            }
        }
        for (key, transport) in &self.transports {
            expect(self.transport_keys.get(&transport.id) == Some(&key));
            match (transport.router, &transport.trunk) {
                (Some(router), None) => {
                    let router = self.routers.get(&router);
                    expect(router.is_some_and(|router| router.transports.contains(&key)));
                }
                (None, Some(trunk)) => {
                    expect(trunk.senders.len() == transport.consumers.len());
                    expect(
                        trunk
                            .senders
                            .values()
                            .all(|it| transport.consumers.contains(it)),
                    );
                }
                _ => expect(false),
            }
            for producer in &transport.asking {
                expect(transport.producers.contains(producer));
            }
            for &producer in &transport.producers {
                let producer = self.producers.get(producer);
                expect(producer.is_some_and(|producer| producer.transport == key));
            }
            for &consumer in &transport.consumers {
                let consumer = self.consumers.get(consumer);
                expect(consumer.is_some_and(|consumer| consumer.transport == key));
            }
            for producer in transport.receive.producers() {
                expect(transport.producers.contains(&producer));
            }
            let waiting = transport.retransmissions.iter().map(|(key, _)| *key);
            for consumer in waiting.chain(self.fan_out.queued_consumers(key)) {
                expect(transport.consumers.contains(&consumer));
            }
            for consumer in transport.pacer.consumers() {
                expect(transport.consumers.contains(&consumer));
            }
        }
        for (key, producer) in &self.producers {
            expect(self.producer_keys.get(&producer.id) == Some(&key));
            let transport = self.transports.get(producer.transport);
            expect(transport.is_some_and(|transport| transport.producers.contains(&key)));
            let router = self.routers.get(&producer.router);
            expect(router.is_some_and(|it| !producer.is_piped || it.piped.contains(&key)));
            for &consumer in &producer.consumers {
                let consumer = self.consumers.get(consumer);
                expect(consumer.is_some_and(|consumer| consumer.producer == key));
            }
        }
        for (key, consumer) in &self.consumers {
            expect(self.consumer_keys.get(&consumer.id) == Some(&key));
            let transport = self.transports.get(consumer.transport);
            expect(transport.is_some_and(|transport| transport.consumers.contains(&key)));
            let producer = self.producers.get(consumer.producer);
            expect(producer.is_some_and(|producer| producer.consumers.contains(&key)));
        }
        expect(self.transport_keys.len() == self.transports.len());
        expect(self.producer_keys.len() == self.producers.len());
        expect(self.consumer_keys.len() == self.consumers.len());
        for (&(socket, address), &key) in &self.addresses {
            let transport = self.transports.get(key);
            let leads_to = |it: &Transport| match &it.ice {
                Some(ice) => ice.is_valid_tuple(socket, address),
                None => it.path == Some((socket, address)),
            };
            expect(transport.is_some_and(leads_to));
        }
        for key in self.timers.keys() {
            expect(self.transports.contains(key));
        }
        orphans + self.orphaned_observers()
    }

    fn orphaned_observers(&self) -> usize {
        let mut orphans = 0;
        let mut expect = |holds: bool| orphans += usize::from(!holds);
        let observers = &self.observers;
        for (key, observer) in &observers.list {
            expect(observers.keys.get(&observer.id) == Some(&key));
            let router = self.routers.get(&observer.router);
            expect(router.is_some_and(|router| router.observers.contains(&key)));
            for member in &observer.members {
                let producer = self.producers.get(member.producer);
                let levels = producer.and_then(|producer| producer.levels.as_ref());
                expect(levels.is_some_and(|levels| levels.observers.contains(&key)));
            }
        }
        expect(observers.keys.len() == observers.list.len());
        for router in self.routers.values() {
            for &key in &router.observers {
                expect(observers.list.contains(key));
            }
        }
        for key in observers.timers.keys() {
            expect(observers.list.contains(key));
        }
        for (key, producer) in &self.producers {
            for &observer in producer.levels.iter().flat_map(|levels| &levels.observers) {
                let observer = observers.list.get(observer);
                let is_member = |it: &crate::observers::Observer| {
                    it.members.iter().any(|member| member.producer == key)
                };
                expect(observer.is_some_and(is_member));
            }
        }
        orphans
    }
}
