//! What a worker tells its node without being asked.

use plenum_ids::{ConsumerId, DataConsumerId, ProducerId, RtpObserverId, TransportId};
use serde::{Deserialize, Serialize};

use crate::{
    data::SctpState,
    trace::TraceEvent,
    transport::{DtlsState, IceState, Tuple},
};

/// Quality of one encoding of a producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodingScore {
    /// Index into the producer's encodings.
    pub encoding_index: u8,
    /// SSRC seen on the wire.
    pub ssrc: u32,
    /// RTP stream id.
    pub rid: Option<String>,
    /// 0 (worst) to 10.
    pub score: u8,
}

/// Quality of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerScore {
    /// Of the consumer's own stream.
    pub score: u8,
    /// Of the producer stream that it forwards now.
    pub producer_score: u8,
    /// Of all the producer's encodings.
    pub producer_scores: Vec<u8>,
}

/// Layers, lowest is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// Spatial layer or simulcast encoding.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: Option<u8>,
}

/// Events are ordered per object. Nothing is sent for an object after the answer to its close request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// ICE state changed.
    IceState {
        /// Which transport.
        transport: TransportId,
        /// New state.
        state: IceState,
        /// Pair in use, once there is one.
        tuple: Option<Tuple>,
    },
    /// DTLS state changed.
    DtlsState {
        /// Which transport.
        transport: TransportId,
        /// New state.
        state: DtlsState,
    },
    /// The scores of a producer's encodings changed.
    ProducerScore {
        /// Which producer.
        producer: ProducerId,
        /// One per encoding that was seen on the wire.
        scores: Vec<EncodingScore>,
    },
    /// The score of a consumer changed.
    ConsumerScore {
        /// Which consumer.
        consumer: ConsumerId,
        /// New score.
        score: ConsumerScore,
    },
    /// A consumer forwards other layers than before; `None`: nothing.
    ConsumerLayers {
        /// Which consumer.
        consumer: ConsumerId,
        /// What it forwards.
        layers: Option<Layers>,
    },
    /// Other encodings of a producer are wanted than before. Told at once when one is wanted, and with a delay when
    /// none is any more, so that a receiver who comes right back costs nothing. Until the first one all are wanted.
    ProducerDemand {
        /// Which producer.
        producer: ProducerId,
        /// One per encoding: whether anybody would take its packets.
        encodings: Vec<bool>,
    },
    /// The first media has left towards a transport's peer.
    MediaStarted {
        /// Which transport.
        transport: TransportId,
    },
    /// A plain transport with `comedia` found out where its other side is.
    PlainTuple {
        /// Which transport.
        transport: TransportId,
        /// Addresses of both sides.
        tuple: Tuple,
        /// Whether these are the addresses of RTCP alone.
        rtcp: bool,
    },
    /// Who was heard in an audio level observer's last interval.
    Volumes {
        /// Which observer.
        observer: RtpObserverId,
        /// The loudest producers with their average in dBov, −127 to 0; the loudest first.
        volumes: Vec<(ProducerId, i8)>,
    },
    /// Nobody was heard in an audio level observer's last interval, after somebody was.
    Silence {
        /// Which observer.
        observer: RtpObserverId,
    },
    /// An active speaker observer's dominant speaker changed.
    DominantSpeaker {
        /// Which observer.
        observer: RtpObserverId,
        /// Who speaks now.
        producer: ProducerId,
    },
    /// Something happened that somebody wants to look into.
    Trace(Box<TraceEvent>),
    /// The state of a transport's association changed.
    SctpState {
        /// Which transport.
        transport: TransportId,
        /// New state.
        state: SctpState,
    },
    /// No more than its threshold waits for the receiver of a data consumer, after there was more.
    DataConsumerBufferedAmountLow {
        /// Which data consumer.
        data_consumer: DataConsumerId,
        /// Bytes that wait.
        amount: u32,
    },
    /// A message was lost because too much waits for the receiver of a data consumer. Told once until something fits
    /// again.
    DataConsumerBufferFull {
        /// Which data consumer.
        data_consumer: DataConsumerId,
    },
}
