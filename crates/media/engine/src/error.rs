//! Why the engine refuses a command.

use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, RtpObserverId, TransportId,
};

/// A refused command. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The router does not exist.
    #[error("router {0} not found")]
    RouterNotFound(RouterId),
    /// The transport does not exist.
    #[error("transport {0} not found")]
    TransportNotFound(TransportId),
    /// The producer does not exist.
    #[error("producer {0} not found")]
    ProducerNotFound(ProducerId),
    /// The consumer does not exist.
    #[error("consumer {0} not found")]
    ConsumerNotFound(ConsumerId),
    /// The observer does not exist.
    #[error("observer {0} not found")]
    ObserverNotFound(RtpObserverId),
    /// The data producer does not exist.
    #[error("data producer {0} not found")]
    DataProducerNotFound(DataProducerId),
    /// The data consumer does not exist.
    #[error("data consumer {0} not found")]
    DataConsumerNotFound(DataConsumerId),
    /// An object with this identifier exists.
    #[error("{0} already exists")]
    AlreadyExists(String),
    /// `connect` was already called.
    #[error("transport {0} is already connected")]
    AlreadyConnected(TransportId),
    /// The parameters contradict each other or the transport's other streams.
    #[error("{0}")]
    Invalid(String),
    /// A limit of the engine was reached.
    #[error("{0}")]
    Limit(String),
}
