//! Counters of single media objects, straight from their workers.

use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, ProducerId, TransportId, WorkerId};
use plenum_ipc::{Answer, Request};
use plenum_params::{
    data::{DataConsumerStats, DataProducerStats},
    stats::{ConsumerStats, StreamStats, TransportStats},
};
use plenum_room::RoomError;
use plenum_supervisor::WorkerError;

use crate::host::Host;

impl Host {
    /// Of a transport.
    pub async fn transport_stats(
        &self,
        worker: WorkerId,
        transport: TransportId,
    ) -> Result<TransportStats, RoomError> {
        match self
            .count(worker, Request::TransportStats { transport })
            .await?
        {
            Answer::TransportStats(stats) => Ok(*stats),
            _ => Err(nonsense()),
        }
    }

    /// Of a producer: one entry per received stream.
    pub async fn producer_stats(
        &self,
        worker: WorkerId,
        producer: ProducerId,
    ) -> Result<Vec<StreamStats>, RoomError> {
        match self
            .count(worker, Request::ProducerStats { producer })
            .await?
        {
            Answer::ProducerStats(stats) => Ok(stats),
            _ => Err(nonsense()),
        }
    }

    /// Of a consumer.
    pub async fn consumer_stats(
        &self,
        worker: WorkerId,
        consumer: ConsumerId,
    ) -> Result<ConsumerStats, RoomError> {
        match self
            .count(worker, Request::ConsumerStats { consumer })
            .await?
        {
            Answer::ConsumerStats(stats) => Ok(*stats),
            _ => Err(nonsense()),
        }
    }

    /// Of a data producer.
    pub async fn data_producer_stats(
        &self,
        worker: WorkerId,
        data_producer: DataProducerId,
    ) -> Result<DataProducerStats, RoomError> {
        let request = Request::DataProducerStats { data_producer };
        match self.count(worker, request).await? {
            Answer::DataProducerStats(stats) => Ok(stats),
            _ => Err(nonsense()),
        }
    }

    /// Of a data consumer.
    pub async fn data_consumer_stats(
        &self,
        worker: WorkerId,
        data_consumer: DataConsumerId,
    ) -> Result<DataConsumerStats, RoomError> {
        let request = Request::DataConsumerStats { data_consumer };
        match self.count(worker, request).await? {
            Answer::DataConsumerStats(stats) => Ok(stats),
            _ => Err(nonsense()),
        }
    }

    async fn count(&self, worker: WorkerId, request: Request) -> Result<Answer, RoomError> {
        let gone = || RoomError::new(ErrorKind::Unavailable, "the media worker does not run");
        let worker = self.shared.supervisor.worker(worker).ok_or_else(gone)?;
        worker.request(request).await.map_err(|err| match err {
            WorkerError::Refused(refusal) => RoomError::new(ErrorKind::NotFound, refusal.reason),
            other => RoomError::new(ErrorKind::Unavailable, other.to_string()),
        })
    }
}

/// Both are one build, so that this does not happen.
fn nonsense() -> RoomError {
    RoomError::new(
        ErrorKind::Unavailable,
        "the media worker answers something else",
    )
}
