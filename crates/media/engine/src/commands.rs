//! Commands: making, connecting, pausing and closing media objects. They succeed or change nothing.

use std::time::Instant;

use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};

use crate::{
    engine::{Engine, Router},
    error::EngineError,
};

mod consumers;
mod observers;
mod plain;
mod producers;
mod stats;
mod traces;
mod transports;
mod trunks;

pub(crate) use transports::is_trunk;

pub(crate) type Result<T> = std::result::Result<T, EngineError>;

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
        for key in router.observers {
            self.remove_observer(key);
        }
        for key in router.transports {
            self.remove_transport(now, key);
        }
        for key in router.piped {
            self.detach_producer(key);
        }
        for key in router.piped_data {
            self.remove_data_producer(now, key);
        }
        self.flush_data(now);
    }

    pub(crate) fn transport_key(&self, id: TransportId) -> Result<usize> {
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
}
