//! Typed handles of the objects in a worker. Dropping one closes its object, and with it everything under it.
//!
//! A handle exists before its request leaves, so that giving up waiting for the answer closes the object as well.

use plenum_ids::{ConsumerId, ProducerId, RouterId, RtpObserverId, TransportId};
use plenum_ipc::{Answer, Request};
use plenum_params::{
    event::Layers,
    media::{ReceiveParameters, SendParameters},
    observer::AudioLevelOptions,
    stats::{ConsumerStats, StreamStats, TransportStats},
    transport::{
        DtlsParameters, IceParameters, OutgoingLimits, TrunkOptions, WebRtcTransportInfo,
        WebRtcTransportOptions,
    },
};

use crate::{error::WorkerError, worker::Worker};

pub(crate) mod data;
pub(crate) mod direct;
mod observers;
mod plain;
mod traces;

pub use observers::ObserverHandle;

/// A router in a worker.
#[derive(Debug)]
pub struct RouterHandle {
    id: RouterId,
    object: Object,
}

/// A WebRTC transport in a worker.
#[derive(Debug)]
pub struct TransportHandle {
    id: TransportId,
    object: Object,
}

/// A worker's end of a trunk to another one.
#[derive(Debug)]
pub struct TrunkHandle {
    id: TransportId,
    object: Object,
}

/// A producer in a worker.
#[derive(Debug)]
pub struct ProducerHandle {
    id: ProducerId,
    object: Object,
}

/// A consumer in a worker.
#[derive(Debug)]
pub struct ConsumerHandle {
    id: ConsumerId,
    object: Object,
}

impl RouterHandle {
    /// Creates a router.
    pub async fn create(worker: &Worker, id: RouterId) -> Result<Self, WorkerError> {
        let object = Object::new(worker, Request::CloseRouter { router: id });
        let object = object
            .create_done(Request::CreateRouter { router: id })
            .await?;
        Ok(Self { id, object })
    }

    /// Creates a WebRTC transport in it.
    pub async fn create_webrtc_transport(
        &self,
        id: TransportId,
        options: WebRtcTransportOptions,
    ) -> Result<(TransportHandle, WebRtcTransportInfo), WorkerError> {
        let request = Request::CreateWebRtcTransport {
            router: self.id,
            transport: id,
            options,
        };
        let object = self.object.under(Request::CloseTransport { transport: id });
        let (object, answer) = object.create(request).await?;
        let Answer::WebRtcTransport(info) = answer else {
            return Err(WorkerError::UnexpectedAnswer);
        };
        Ok((TransportHandle { id, object }, info))
    }

    /// Creates an observer of how loud its producers are. It begins with none.
    pub async fn create_audio_level_observer(
        &self,
        id: RtpObserverId,
        options: AudioLevelOptions,
    ) -> Result<ObserverHandle, WorkerError> {
        let request = Request::CreateAudioLevelObserver {
            router: self.id,
            observer: id,
            options,
        };
        ObserverHandle::create(&self.object, id, request).await
    }

    /// Creates an observer of who speaks. It begins with no producers.
    pub async fn create_active_speaker_observer(
        &self,
        id: RtpObserverId,
        interval_ms: u16,
    ) -> Result<ObserverHandle, WorkerError> {
        let request = Request::CreateActiveSpeakerObserver {
            router: self.id,
            observer: id,
            interval_ms,
        };
        ObserverHandle::create(&self.object, id, request).await
    }

    /// Its identifier.
    pub fn id(&self) -> RouterId {
        self.id
    }

    /// The worker that it is in.
    pub fn worker(&self) -> &Worker {
        &self.object.worker
    }
}

impl TransportHandle {
    /// Tells it the client's DTLS parameters.
    pub async fn connect(&self, dtls: DtlsParameters) -> Result<(), WorkerError> {
        let transport = self.id;
        let request = Request::ConnectWebRtcTransport { transport, dtls };
        self.object.ask_done(request).await
    }

    /// Gives it new ICE credentials.
    pub async fn restart_ice(&self) -> Result<IceParameters, WorkerError> {
        let transport = self.id;
        match self.object.ask(Request::RestartIce { transport }).await? {
            Answer::IceParameters(parameters) => Ok(parameters),
            _ => Err(WorkerError::UnexpectedAnswer),
        }
    }

    /// Creates a producer that receives over it.
    pub async fn produce(
        &self,
        id: ProducerId,
        parameters: ReceiveParameters,
        paused: bool,
    ) -> Result<ProducerHandle, WorkerError> {
        self.object
            .producer(id, produce(self.id, id, parameters, paused))
            .await
    }

    /// Creates a consumer that sends over it.
    pub async fn consume(
        &self,
        id: ConsumerId,
        producer: ProducerId,
        parameters: SendParameters,
        paused: bool,
    ) -> Result<ConsumerHandle, WorkerError> {
        let request = consume(self.id, id, producer, (parameters, paused));
        self.object.consumer(id, request).await
    }

    /// Limits what its sender is asked to send, in bit/s; `None`: no limit.
    pub async fn set_max_incoming_bitrate(&self, bitrate: Option<u32>) -> Result<(), WorkerError> {
        let transport = self.id;
        self.object
            .ask_done(Request::SetMaxIncomingBitrate { transport, bitrate })
            .await
    }

    /// Bounds the estimate towards its receiver.
    pub async fn set_outgoing_limits(&self, limits: OutgoingLimits) -> Result<(), WorkerError> {
        let transport = self.id;
        self.object
            .ask_done(Request::SetOutgoingLimits { transport, limits })
            .await
    }

    /// Its counters.
    pub async fn stats(&self) -> Result<TransportStats, WorkerError> {
        transport_stats(&self.object, self.id).await
    }

    /// Its identifier.
    pub fn id(&self) -> TransportId {
        self.id
    }
}

impl TrunkHandle {
    /// Creates one end of a trunk.
    pub async fn create(
        worker: &Worker,
        id: TransportId,
        options: TrunkOptions,
    ) -> Result<Self, WorkerError> {
        let object = Object::new(worker, Request::CloseTransport { transport: id });
        let request = Request::CreateTrunk { trunk: id, options };
        let object = object.create_done(request).await?;
        Ok(Self { id, object })
    }

    /// Creates the far end of a pipe: a producer of `router` that comes over it.
    pub async fn pipe_produce(
        &self,
        router: RouterId,
        id: ProducerId,
        parameters: ReceiveParameters,
        paused: bool,
    ) -> Result<ProducerHandle, WorkerError> {
        let request = Request::PipeProduce {
            trunk: self.id,
            router,
            producer: id,
            parameters,
            paused,
        };
        self.object.producer(id, request).await
    }

    /// Creates the near end of a pipe: one stream of a producer that leaves over it.
    pub async fn pipe_consume(
        &self,
        id: ConsumerId,
        (producer, stream): (ProducerId, u8),
        parameters: SendParameters,
        paused: bool,
    ) -> Result<ConsumerHandle, WorkerError> {
        let request = Request::PipeConsume {
            trunk: self.id,
            consumer: id,
            producer,
            stream,
            parameters,
            paused,
        };
        self.object.consumer(id, request).await
    }

    /// Its counters.
    pub async fn stats(&self) -> Result<TransportStats, WorkerError> {
        transport_stats(&self.object, self.id).await
    }

    /// Its identifier.
    pub fn id(&self) -> TransportId {
        self.id
    }
}

impl ProducerHandle {
    /// Stops forwarding.
    pub async fn pause(&self) -> Result<(), WorkerError> {
        let producer = self.id;
        self.object
            .ask_done(Request::PauseProducer { producer })
            .await
    }

    /// Forwards again.
    pub async fn resume(&self) -> Result<(), WorkerError> {
        let producer = self.id;
        self.object
            .ask_done(Request::ResumeProducer { producer })
            .await
    }

    /// Its counters, one entry per received stream.
    pub async fn stats(&self) -> Result<Vec<StreamStats>, WorkerError> {
        let producer = self.id;
        match self.object.ask(Request::ProducerStats { producer }).await? {
            Answer::ProducerStats(stats) => Ok(stats),
            _ => Err(WorkerError::UnexpectedAnswer),
        }
    }

    /// Its identifier.
    pub fn id(&self) -> ProducerId {
        self.id
    }
}

impl ConsumerHandle {
    /// Stops sending.
    pub async fn pause(&self) -> Result<(), WorkerError> {
        let consumer = self.id;
        self.object
            .ask_done(Request::PauseConsumer { consumer })
            .await
    }

    /// Sends again, from the next key frame on.
    pub async fn resume(&self) -> Result<(), WorkerError> {
        let consumer = self.id;
        self.object
            .ask_done(Request::ResumeConsumer { consumer })
            .await
    }

    /// Asks the producer for a key frame.
    pub async fn request_key_frame(&self) -> Result<(), WorkerError> {
        let consumer = self.id;
        self.object
            .ask_done(Request::RequestKeyFrame { consumer })
            .await
    }

    /// Chooses the highest layers that it shall get. Gives those that count, no higher than there are; `None` if it has
    /// no choice of layers.
    pub async fn set_preferred_layers(
        &self,
        layers: Layers,
    ) -> Result<Option<Layers>, WorkerError> {
        let consumer = self.id;
        let request = Request::SetPreferredLayers { consumer, layers };
        match self.object.ask(request).await? {
            Answer::PreferredLayers(layers) => Ok(layers),
            _ => Err(WorkerError::UnexpectedAnswer),
        }
    }

    /// Gives it a weight among its transport's consumers, 1 to 255, for when bandwidth is short.
    pub async fn set_priority(&self, priority: u8) -> Result<(), WorkerError> {
        let consumer = self.id;
        self.object
            .ask_done(Request::SetPriority { consumer, priority })
            .await
    }

    /// Its counters.
    pub async fn stats(&self) -> Result<ConsumerStats, WorkerError> {
        let consumer = self.id;
        match self.object.ask(Request::ConsumerStats { consumer }).await? {
            Answer::ConsumerStats(stats) => Ok(*stats),
            _ => Err(WorkerError::UnexpectedAnswer),
        }
    }

    /// Its identifier.
    pub fn id(&self) -> ConsumerId {
        self.id
    }
}

/// The request that closes an object, sent when this is dropped.
#[derive(Debug)]
struct Object {
    worker: Worker,
    close: Option<Request>,
}

impl Object {
    fn new(worker: &Worker, close: Request) -> Self {
        Self {
            worker: worker.clone(),
            close: Some(close),
        }
    }

    /// An object in the same worker.
    fn under(&self, close: Request) -> Self {
        Self::new(&self.worker, close)
    }

    /// Sends the request that creates the object.
    async fn create(mut self, request: Request) -> Result<(Self, Answer), WorkerError> {
        let result = self.worker.request(request).await;
        if let Err(WorkerError::Refused(_)) = result {
            // Nothing was created. If the identifier was taken, closing would hit the other object.
            self.close = None;
        }
        Ok((self, result?))
    }

    /// The same for what says nothing but that it is made.
    async fn create_done(self, request: Request) -> Result<Self, WorkerError> {
        let (object, answer) = self.create(request).await?;
        done(&answer)?;
        Ok(object)
    }

    /// A producer in the same worker, made by this request.
    async fn producer(
        &self,
        id: ProducerId,
        request: Request,
    ) -> Result<ProducerHandle, WorkerError> {
        let object = self.under(Request::CloseProducer { producer: id });
        let object = object.create_done(request).await?;
        Ok(ProducerHandle { id, object })
    }

    /// A consumer in the same worker, made by this request.
    async fn consumer(
        &self,
        id: ConsumerId,
        request: Request,
    ) -> Result<ConsumerHandle, WorkerError> {
        let object = self.under(Request::CloseConsumer { consumer: id });
        let object = object.create_done(request).await?;
        Ok(ConsumerHandle { id, object })
    }

    async fn ask(&self, request: Request) -> Result<Answer, WorkerError> {
        self.worker.request(request).await
    }

    async fn ask_done(&self, request: Request) -> Result<(), WorkerError> {
        done(&self.ask(request).await?)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            self.worker.notify(close);
        }
    }
}

fn produce(
    transport: TransportId,
    producer: ProducerId,
    parameters: ReceiveParameters,
    paused: bool,
) -> Request {
    Request::Produce {
        transport,
        producer,
        parameters,
        paused,
    }
}

fn consume(
    transport: TransportId,
    consumer: ConsumerId,
    producer: ProducerId,
    (parameters, paused): (SendParameters, bool),
) -> Request {
    Request::Consume {
        transport,
        consumer,
        producer,
        parameters,
        paused,
    }
}

async fn transport_stats(
    object: &Object,
    transport: TransportId,
) -> Result<TransportStats, WorkerError> {
    match object.ask(Request::TransportStats { transport }).await? {
        Answer::TransportStats(stats) => Ok(*stats),
        _ => Err(WorkerError::UnexpectedAnswer),
    }
}

fn done(answer: &Answer) -> Result<(), WorkerError> {
    match answer {
        Answer::Done => Ok(()),
        _ => Err(WorkerError::UnexpectedAnswer),
    }
}
