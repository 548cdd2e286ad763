//! What of objects is traced. It comes as `Trace` events of their worker.

use plenum_ipc::Request;
use plenum_params::trace::{TraceObject, TraceTypes};

use super::{ConsumerHandle, ProducerHandle, TransportHandle};
use crate::{error::WorkerError, worker::Worker};

impl Worker {
    /// Traces these kinds of events of an object, in place of those before.
    pub async fn set_trace(
        &self,
        object: TraceObject,
        types: TraceTypes,
    ) -> Result<(), WorkerError> {
        let answer = self.request(Request::SetTrace { object, types }).await?;
        super::done(&answer)
    }
}

impl TransportHandle {
    /// Traces these kinds of its events.
    pub async fn set_trace(&self, types: TraceTypes) -> Result<(), WorkerError> {
        let object = TraceObject::Transport(self.id);
        self.object.worker.set_trace(object, types).await
    }
}

impl ProducerHandle {
    /// Traces these kinds of its events.
    pub async fn set_trace(&self, types: TraceTypes) -> Result<(), WorkerError> {
        let object = TraceObject::Producer(self.id);
        self.object.worker.set_trace(object, types).await
    }
}

impl ConsumerHandle {
    /// Traces these kinds of its events.
    pub async fn set_trace(&self, types: TraceTypes) -> Result<(), WorkerError> {
        let object = TraceObject::Consumer(self.id);
        self.object.worker.set_trace(object, types).await
    }
}
