//! Handles of data producers, data consumers and direct transports.

use plenum_ids::{DataConsumerId, DataProducerId, RouterId, TransportId};
use plenum_ipc::{Answer, DataMessage, Packet, PacketKind, Request};
use plenum_params::data::{DataConsumerStats, DataProducerStats, SctpStreamParameters};

use super::{Object, RouterHandle, TransportHandle, TrunkHandle};
use crate::{
    error::WorkerError,
    packets::{ObjectPackets, ReceivedPacket},
};

/// A transport in a worker whose other end is the node itself.
#[derive(Debug)]
pub struct DirectTransportHandle {
    pub(super) id: TransportId,
    pub(super) object: Object,
}

/// A data producer in a worker.
#[derive(Debug)]
pub struct DataProducerHandle {
    id: DataProducerId,
    object: Object,
}

/// A data consumer in a worker.
#[derive(Debug)]
pub struct DataConsumerHandle {
    id: DataConsumerId,
    object: Object,
}

/// A message that reached the node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedMessage {
    /// What it is: see [`plenum_params::data::ppid`].
    pub ppid: u32,
    /// What its sender said; empty if the PPID says so.
    pub data: Box<[u8]>,
}

/// The messages of one data consumer of a direct transport, until this is dropped.
#[derive(Debug)]
pub struct Messages(ObjectPackets);

/// What a data consumer shall be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "arguments of one request")]
pub struct ConsumeData {
    /// How its messages travel; `None` on direct transports only.
    pub stream: Option<SctpStreamParameters>,
    /// See [`DataMessage::is_for`].
    pub subchannels: Vec<u16>,
    /// Whether it begins paused.
    pub paused: bool,
}

impl RouterHandle {
    /// Creates a direct transport in it.
    pub async fn create_direct_transport(
        &self,
        id: TransportId,
    ) -> Result<DirectTransportHandle, WorkerError> {
        let request = Request::CreateDirectTransport {
            router: self.id,
            transport: id,
        };
        let object = self.object.under(Request::CloseTransport { transport: id });
        let object = object.create_done(request).await?;
        Ok(DirectTransportHandle { id, object })
    }
}

impl TransportHandle {
    /// Creates a data producer that receives over it.
    pub async fn produce_data(
        &self,
        id: DataProducerId,
        stream: SctpStreamParameters,
        paused: bool,
    ) -> Result<DataProducerHandle, WorkerError> {
        let request = produce(self.id, id, Some(stream), paused);
        self.object.data_producer(id, request).await
    }

    /// Creates a data consumer that sends over it.
    pub async fn consume_data(
        &self,
        id: DataConsumerId,
        producer: DataProducerId,
        how: ConsumeData,
    ) -> Result<DataConsumerHandle, WorkerError> {
        let request = consume(self.id, id, producer, how);
        self.object.data_consumer(id, request).await
    }
}

impl DirectTransportHandle {
    /// Creates a data producer that the node writes to.
    pub async fn produce_data(
        &self,
        id: DataProducerId,
        paused: bool,
    ) -> Result<DataProducerHandle, WorkerError> {
        let request = produce(self.id, id, None, paused);
        self.object.data_producer(id, request).await
    }

    /// Creates a data consumer whose messages come to the node. When `capacity` of them wait, more are lost.
    pub async fn consume_data(
        &self,
        id: DataConsumerId,
        producer: DataProducerId,
        how: ConsumeData,
        capacity: usize,
    ) -> Result<(DataConsumerHandle, Messages), WorkerError> {
        // Before the first of them can come.
        let messages = self.object.worker.listen_to(id.as_u128(), capacity);
        let request = consume(self.id, id, producer, how);
        let handle = self.object.data_consumer(id, request).await?;
        Ok((handle, Messages(messages)))
    }

    /// Its identifier.
    pub fn id(&self) -> TransportId {
        self.id
    }
}

impl TrunkHandle {
    /// Creates the far end of a pipe of messages: a data producer of `router` that comes over it.
    pub async fn pipe_produce_data(
        &self,
        router: RouterId,
        id: DataProducerId,
        stream: SctpStreamParameters,
        paused: bool,
    ) -> Result<DataProducerHandle, WorkerError> {
        let request = Request::PipeProduceData {
            trunk: self.id,
            router,
            data_producer: id,
            stream,
            paused,
        };
        self.object.data_producer(id, request).await
    }

    /// Creates the near end of a pipe of messages: a data producer that leaves over it.
    pub async fn pipe_consume_data(
        &self,
        id: DataConsumerId,
        producer: DataProducerId,
        stream: SctpStreamParameters,
        paused: bool,
    ) -> Result<DataConsumerHandle, WorkerError> {
        let request = Request::PipeConsumeData {
            trunk: self.id,
            data_consumer: id,
            data_producer: producer,
            stream,
            paused,
        };
        self.object.data_consumer(id, request).await
    }
}

impl DataProducerHandle {
    /// Sends a message of the node to everybody who consumes this one, which is on a direct transport. An empty one says so
    /// by its PPID and has one byte. Whether it left: it is lost when the worker is behind.
    pub fn send(&self, ppid: u32, data: &[u8]) -> Result<bool, WorkerError> {
        self.send_to(ppid, None, &[], data)
    }

    /// The same for some subchannels: see [`DataMessage::is_for`].
    pub fn send_to(
        &self,
        ppid: u32,
        required_subchannel: Option<u16>,
        subchannels: &[u16],
        data: &[u8],
    ) -> Result<bool, WorkerError> {
        let mut message = Vec::with_capacity(data.len() + plenum_ipc::MAX_MESSAGE_HEADER_BYTES);
        let chosen = subchannels.iter().copied();
        DataMessage::write_header(ppid, required_subchannel, chosen, &mut message);
        message.extend_from_slice(data);
        self.object.worker.send_packet(&Packet {
            kind: PacketKind::Message,
            object: self.id.as_u128(),
            data: &message,
        })
    }

    /// Stops forwarding.
    pub async fn pause(&self) -> Result<(), WorkerError> {
        let data_producer = self.id;
        self.object
            .ask_done(Request::PauseDataProducer { data_producer })
            .await
    }

    /// Forwards again.
    pub async fn resume(&self) -> Result<(), WorkerError> {
        let data_producer = self.id;
        self.object
            .ask_done(Request::ResumeDataProducer { data_producer })
            .await
    }

    /// Its counters.
    pub async fn stats(&self) -> Result<DataProducerStats, WorkerError> {
        let data_producer = self.id;
        let request = Request::DataProducerStats { data_producer };
        match self.object.ask(request).await? {
            Answer::DataProducerStats(stats) => Ok(stats),
            _ => Err(WorkerError::UnexpectedAnswer),
        }
    }

    /// Its identifier.
    pub fn id(&self) -> DataProducerId {
        self.id
    }
}

impl DataConsumerHandle {
    /// Stops sending.
    pub async fn pause(&self) -> Result<(), WorkerError> {
        let data_consumer = self.id;
        self.object
            .ask_done(Request::PauseDataConsumer { data_consumer })
            .await
    }

    /// Sends again what comes from now on.
    pub async fn resume(&self) -> Result<(), WorkerError> {
        let data_consumer = self.id;
        self.object
            .ask_done(Request::ResumeDataConsumer { data_consumer })
            .await
    }

    /// Chooses when the node is told that little waits: when no more than so many bytes do.
    pub async fn set_buffered_amount_low_threshold(
        &self,
        threshold: u32,
    ) -> Result<(), WorkerError> {
        let request = Request::SetBufferedAmountLowThreshold {
            data_consumer: self.id,
            threshold,
        };
        self.object.ask_done(request).await
    }

    /// Chooses its subchannels, in place of those that it had.
    pub async fn set_subchannels(&self, subchannels: Vec<u16>) -> Result<(), WorkerError> {
        let request = Request::SetSubchannels {
            data_consumer: self.id,
            subchannels,
        };
        self.object.ask_done(request).await
    }

    /// Its counters.
    pub async fn stats(&self) -> Result<DataConsumerStats, WorkerError> {
        let data_consumer = self.id;
        let request = Request::DataConsumerStats { data_consumer };
        match self.object.ask(request).await? {
            Answer::DataConsumerStats(stats) => Ok(stats),
            _ => Err(WorkerError::UnexpectedAnswer),
        }
    }

    /// Its identifier.
    pub fn id(&self) -> DataConsumerId {
        self.id
    }
}

impl Messages {
    /// The next message; `None` when the worker is gone.
    pub async fn next(&mut self) -> Option<ReceivedMessage> {
        loop {
            let ReceivedPacket { kind, data, .. } = self.0.next().await?;
            if kind == PacketKind::Message
                && let Ok(message) = DataMessage::parse(&data)
            {
                return Some(ReceivedMessage {
                    ppid: message.ppid,
                    data: message.data.into(),
                });
            }
        }
    }
}

impl Object {
    async fn data_producer(
        &self,
        id: DataProducerId,
        request: Request,
    ) -> Result<DataProducerHandle, WorkerError> {
        let object = self.under(Request::CloseDataProducer { data_producer: id });
        let object = object.create_done(request).await?;
        Ok(DataProducerHandle { id, object })
    }

    async fn data_consumer(
        &self,
        id: DataConsumerId,
        request: Request,
    ) -> Result<DataConsumerHandle, WorkerError> {
        let object = self.under(Request::CloseDataConsumer { data_consumer: id });
        let object = object.create_done(request).await?;
        Ok(DataConsumerHandle { id, object })
    }
}

fn produce(
    transport: TransportId,
    data_producer: DataProducerId,
    stream: Option<SctpStreamParameters>,
    paused: bool,
) -> Request {
    Request::ProduceData {
        transport,
        data_producer,
        stream,
        paused,
    }
}

fn consume(
    transport: TransportId,
    data_consumer: DataConsumerId,
    data_producer: DataProducerId,
    how: ConsumeData,
) -> Request {
    Request::ConsumeData {
        transport,
        data_consumer,
        data_producer,
        stream: how.stream,
        subchannels: how.subchannels,
        paused: how.paused,
    }
}
