//! What a node asks of a worker and what it answers. Variants are only ever appended: the encoding counts them.

use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, RtpObserverId, TransportId,
};
use plenum_params::{
    data::{DataConsumerStats, DataProducerStats, SctpStreamParameters},
    event::Layers,
    log::LogOptions,
    media::{ReceiveParameters, SendParameters},
    observer::AudioLevelOptions,
    stats::{ConsumerStats, StreamStats, TransportBitrate, TransportStats, WorkerStats},
    trace::{TraceObject, TraceTypes},
    transport::{
        DtlsParameters, IceParameters, OutgoingLimits, PlainRemote, PlainTransportInfo,
        PlainTransportOptions, SrtpParameters, TrunkOptions, WebRtcTransportInfo,
        WebRtcTransportOptions,
    },
};
use serde::{Deserialize, Serialize};

pub use plenum_params::event::Event;

/// A request of the node. Identifiers of new objects are chosen by the node.
///
/// Closing an object closes everything under it (a router its transports, a transport its producers and consumers, a
/// producer its consumers); the node knows that tree and gets no event for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "fields are the identifiers and parameters that their types describe"
)]
pub enum Request {
    /// → [`Answer::Done`]
    CreateRouter { router: RouterId },
    /// → [`Answer::Done`], also when it is already gone, like every close request.
    CloseRouter { router: RouterId },
    /// → [`Answer::WebRtcTransport`]
    CreateWebRtcTransport {
        router: RouterId,
        transport: TransportId,
        options: WebRtcTransportOptions,
    },
    /// → [`Answer::Done`]; a second connect is an error.
    ConnectWebRtcTransport {
        transport: TransportId,
        dtls: DtlsParameters,
    },
    /// → [`Answer::IceParameters`], the new ones.
    RestartIce { transport: TransportId },
    /// → [`Answer::Done`]
    CloseTransport { transport: TransportId },
    /// → [`Answer::Done`]
    Produce {
        transport: TransportId,
        producer: ProducerId,
        parameters: ReceiveParameters,
        paused: bool,
    },
    /// → [`Answer::Done`]
    CloseProducer { producer: ProducerId },
    /// → [`Answer::Done`]
    PauseProducer { producer: ProducerId },
    /// → [`Answer::Done`]
    ResumeProducer { producer: ProducerId },
    /// → [`Answer::Done`]
    Consume {
        transport: TransportId,
        consumer: ConsumerId,
        producer: ProducerId,
        parameters: SendParameters,
        paused: bool,
    },
    /// → [`Answer::Done`]
    CloseConsumer { consumer: ConsumerId },
    /// → [`Answer::Done`]
    PauseConsumer { consumer: ConsumerId },
    /// → [`Answer::Done`]; asks the producer for a key frame.
    ResumeConsumer { consumer: ConsumerId },
    /// → [`Answer::Done`]
    RequestKeyFrame { consumer: ConsumerId },
    /// → [`Answer::TransportStats`]
    TransportStats { transport: TransportId },
    /// → [`Answer::ProducerStats`]
    ProducerStats { producer: ProducerId },
    /// → [`Answer::ConsumerStats`]
    ConsumerStats { consumer: ConsumerId },
    /// → [`Answer::WorkerStats`]
    WorkerStats,
    /// → [`Answer::TransportBitrates`]; of all transports of rooms.
    TransportBitrates,
    /// → [`Answer::PreferredLayers`]; the highest that this consumer shall get, without a temporal layer the highest
    /// of the spatial one.
    SetPreferredLayers {
        consumer: ConsumerId,
        layers: Layers,
    },
    /// → [`Answer::Done`]; 1 to 255, more bandwidth to those with more.
    SetPriority { consumer: ConsumerId, priority: u8 },
    /// → [`Answer::Done`]; what the sender is told by REMB.
    SetMaxIncomingBitrate {
        transport: TransportId,
        bitrate: Option<u32>,
    },
    /// → [`Answer::Done`]; bounds of the estimate towards the receiver.
    SetOutgoingLimits {
        transport: TransportId,
        limits: OutgoingLimits,
    },
    /// → [`Answer::Done`]; one end of a connection to another worker, which belongs to no router. Closed by
    /// [`Request::CloseTransport`].
    CreateTrunk {
        trunk: TransportId,
        options: TrunkOptions,
    },
    /// → [`Answer::Done`]; the far end of a pipe: a producer of the router named here that another worker sends over the
    /// trunk, one stream for each of its [`Request::PipeConsume`]. It has the identifier that it has there.
    PipeProduce {
        trunk: TransportId,
        router: RouterId,
        producer: ProducerId,
        parameters: ReceiveParameters,
        paused: bool,
    },
    /// → [`Answer::Done`]; the near end of a pipe: one stream of a producer, with all layers in it, is sent over the
    /// trunk. Closed, paused and resumed like any consumer.
    PipeConsume {
        trunk: TransportId,
        consumer: ConsumerId,
        producer: ProducerId,
        stream: u8,
        parameters: SendParameters,
        paused: bool,
    },
    /// → [`Answer::Done`]; what the worker logs from now on.
    SetLog { options: LogOptions },
    /// → [`Answer::PlainTransport`]; closed by [`Request::CloseTransport`].
    CreatePlainTransport {
        router: RouterId,
        transport: TransportId,
        options: PlainTransportOptions,
    },
    /// → [`Answer::PlainTransport`]; where the other side is, unless that shows by itself (`comedia`), and its keys, if
    /// the transport has any. A second connect is an error.
    ConnectPlainTransport {
        transport: TransportId,
        remote: Option<PlainRemote>,
        srtp: Option<SrtpParameters>,
    },
    /// → [`Answer::Done`]
    CreateAudioLevelObserver {
        router: RouterId,
        observer: RtpObserverId,
        options: AudioLevelOptions,
    },
    /// → [`Answer::Done`]
    CreateActiveSpeakerObserver {
        router: RouterId,
        observer: RtpObserverId,
        interval_ms: u16,
    },
    /// → [`Answer::Done`]; closing its router closes it too.
    CloseObserver { observer: RtpObserverId },
    /// → [`Answer::Done`]
    PauseObserver { observer: RtpObserverId },
    /// → [`Answer::Done`]
    ResumeObserver { observer: RtpObserverId },
    /// → [`Answer::Done`], also when it is watched already; an audio producer of the observer's router.
    ObserveProducer {
        observer: RtpObserverId,
        producer: ProducerId,
    },
    /// → [`Answer::Done`], also when it is not watched.
    UnobserveProducer {
        observer: RtpObserverId,
        producer: ProducerId,
    },
    /// → [`Answer::Done`]; what of an object is told by [`Event::Trace`] from now on.
    SetTrace {
        object: TraceObject,
        types: TraceTypes,
    },
    /// → [`Answer::Done`]; a transport to the node itself: what its consumers get goes out on the packet socket, and what
    /// the node writes there for its producers comes in. Closed by [`Request::CloseTransport`].
    CreateDirectTransport {
        router: RouterId,
        transport: TransportId,
    },
    /// → [`Answer::Done`]; without a stream on direct transports only.
    ProduceData {
        transport: TransportId,
        data_producer: DataProducerId,
        stream: Option<SctpStreamParameters>,
        paused: bool,
    },
    /// → [`Answer::Done`]
    CloseDataProducer { data_producer: DataProducerId },
    /// → [`Answer::Done`]; its messages go nowhere from now on.
    PauseDataProducer { data_producer: DataProducerId },
    /// → [`Answer::Done`]
    ResumeDataProducer { data_producer: DataProducerId },
    /// → [`Answer::DataProducerStats`]
    DataProducerStats { data_producer: DataProducerId },
    /// → [`Answer::Done`]; without a stream on direct transports only.
    ConsumeData {
        transport: TransportId,
        data_consumer: DataConsumerId,
        data_producer: DataProducerId,
        stream: Option<SctpStreamParameters>,
        subchannels: Vec<u16>,
        paused: bool,
    },
    /// → [`Answer::Done`]
    CloseDataConsumer { data_consumer: DataConsumerId },
    /// → [`Answer::Done`]; it misses what is sent from now on.
    PauseDataConsumer { data_consumer: DataConsumerId },
    /// → [`Answer::Done`]
    ResumeDataConsumer { data_consumer: DataConsumerId },
    /// → [`Answer::DataConsumerStats`]
    DataConsumerStats { data_consumer: DataConsumerId },
    /// → [`Answer::Done`]; in bytes, see [`Event::DataConsumerBufferedAmountLow`].
    SetBufferedAmountLowThreshold {
        data_consumer: DataConsumerId,
        threshold: u32,
    },
    /// → [`Answer::Done`]; all of them from now on.
    SetSubchannels {
        data_consumer: DataConsumerId,
        subchannels: Vec<u16>,
    },
    /// → [`Answer::Done`]; the far end of a pipe of messages: a data producer of the router named here that another worker
    /// sends over the trunk, on this stream of it. It has the identifier that it has there.
    PipeProduceData {
        trunk: TransportId,
        router: RouterId,
        data_producer: DataProducerId,
        stream: SctpStreamParameters,
        paused: bool,
    },
    /// → [`Answer::Done`]; the near end of a pipe of messages. Closed, paused and resumed like any data consumer.
    PipeConsumeData {
        trunk: TransportId,
        data_consumer: DataConsumerId,
        data_producer: DataProducerId,
        stream: SctpStreamParameters,
        paused: bool,
    },
    /// → [`Answer::Done`]; the scores of a piped producer's streams where they come in, in their order. From now on they
    /// count for its consumers, and not what arrives over the trunk.
    SetOriginScores {
        producer: ProducerId,
        scores: Vec<u8>,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Answer {
    /// It is done.
    Done,
    /// The transport is ready to be connected.
    WebRtcTransport(WebRtcTransportInfo),
    /// New ICE credentials.
    IceParameters(IceParameters),
    /// A transport's counters.
    TransportStats(Box<TransportStats>),
    /// One entry per received stream.
    ProducerStats(Vec<StreamStats>),
    /// A consumer's counters.
    ConsumerStats(Box<ConsumerStats>),
    /// The worker's counters.
    WorkerStats(Box<WorkerStats>),
    /// One entry per transport.
    TransportBitrates(Vec<TransportBitrate>),
    /// The layers that count from now on, no higher than there are; `None`: the consumer has no choice of layers.
    PreferredLayers(Option<Layers>),
    /// The plain transport as it is now.
    PlainTransport(PlainTransportInfo),
    /// A data producer's counters.
    DataProducerStats(DataProducerStats),
    /// A data consumer's counters.
    DataConsumerStats(DataConsumerStats),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct RequestError {
    /// What kind of refusal.
    pub code: ErrorCode,
    /// For people: names the object.
    pub reason: String,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The object does not exist (any more).
    NotFound,
    /// An object with that identifier exists, or the operation was already done.
    Conflict,
    /// The parameters cannot work.
    Invalid,
    /// A limit was reached.
    Limit,
}
