//! What of an object is traced.

use plenum_params::trace::{TraceObject, TraceTypes};

use super::Result;
use crate::engine::Engine;

impl Engine {
    /// Traces these kinds of events of an object, in place of those before. Kinds that the object has none of are no
    /// error.
    pub fn set_trace(&mut self, object: TraceObject, types: TraceTypes) -> Result<()> {
        match object {
            TraceObject::Transport(id) => {
                let key = self.transport_key(id)?;
                self.transports[key].trace = types;
            }
            TraceObject::Producer(id) => {
                let key = self.producer_key(id)?;
                self.producers[key].trace = types;
            }
            TraceObject::Consumer(id) => {
                let key = self.consumer_key(id)?;
                self.consumers[key].trace = types;
            }
        }
        Ok(())
    }
}
