//! What there is of data channels, to be compared with what there should be.

use super::{DataPart, DataPlane};
use crate::engine::Engine;

impl DataPlane {
    /// Objects for which the memory of the tables suffices.
    pub(crate) fn table_capacity(&self) -> usize {
        self.producers.capacity()
            + self.consumers.capacity()
            + self.producer_keys.capacity()
            + self.consumer_keys.capacity()
            + self.touched.capacity()
            + self.outbox.capacity()
    }
}

impl Engine {
    /// References of data channels that lead to nothing, or not back.
    pub(crate) fn data_orphans(&self) -> usize {
        let mut orphans = 0;
        let mut expect = |holds: bool| orphans += usize::from(!holds);
        let data = &self.data;
        let part = |key: usize| -> Option<&DataPart> { self.transports.get(key)?.data.as_deref() };
        for (id, router) in &self.routers {
            for &key in &router.piped_data {
                let producer = data.producers.get(key);
                expect(producer.is_some_and(|it| it.is_piped && it.router == *id));
            }
        }
        for (key, transport) in &self.transports {
            let Some(part) = &transport.data else {
                continue;
            };
            for &producer in &part.producers {
                let producer = data.producers.get(producer);
                expect(producer.is_some_and(|producer| producer.transport == key));
            }
            for (&stream, producer) in &part.by_stream {
                let found = data.producers.get(*producer);
                expect(found.is_some_and(|producer| producer.stream == Some(stream)));
                expect(part.producers.contains(producer));
            }
            for &consumer in &part.consumers {
                let consumer = data.consumers.get(consumer);
                expect(consumer.is_some_and(|consumer| consumer.transport == key));
            }
            expect(part.is_touched == data.touched.contains(&key));
        }
        for (key, producer) in &data.producers {
            expect(data.producer_keys.get(&producer.id) == Some(&key));
            expect(part(producer.transport).is_some_and(|part| part.producers.contains(&key)));
            let router = self.routers.get(&producer.router);
            expect(router.is_some_and(|it| !producer.is_piped || it.piped_data.contains(&key)));
            for &consumer in &producer.consumers {
                let consumer = data.consumers.get(consumer);
                expect(consumer.is_some_and(|consumer| consumer.producer == key));
            }
        }
        for (key, consumer) in &data.consumers {
            expect(data.consumer_keys.get(&consumer.id) == Some(&key));
            expect(part(consumer.transport).is_some_and(|part| part.consumers.contains(&key)));
            let producer = data.producers.get(consumer.producer);
            expect(producer.is_some_and(|producer| producer.consumers.contains(&key)));
        }
        expect(data.producer_keys.len() == data.producers.len());
        expect(data.consumer_keys.len() == data.consumers.len());
        for &key in &data.touched {
            expect(part(key).is_some());
        }
        orphans
    }
}
