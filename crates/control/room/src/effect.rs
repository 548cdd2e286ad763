//! What a room wants done. Effects are carried out in the order in which they were written.

use std::sync::Arc;

use plenum_api::{
    error::ErrorKind,
    grants::{Grants, Role},
};
use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, RouterId, TransportId,
};
use plenum_ipc::message::Request;
use plenum_params::{
    data::{DataConsumerStats, DataProducerStats, SctpStreamParameters},
    event::ConsumerScore,
    media::MediaKind,
    ortc::ProducerType,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    stats::{ConsumerStats, StreamStats, TransportStats},
    transport::{IceParameters, PlainTransportInfo, WebRtcTransportInfo},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    close_reason::CloseReason,
    command::{PlaceId, RequestId, SessionId},
    event::PeerEvent,
    happening::RoomEvent,
    info::{PeerInfo, RoomSnapshot},
    remote::{
        FarEnd, NearEnd, NodeAskId, NodeFailure, NodeKey, NodeReply, NodeRequest, PartChange,
        PartHint,
    },
    words,
};

/// A request to a worker that is to be answered with [`crate::Command::WorkerAnswer`]. Unique in a room's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub u64);

/// A question to a client, answered with [`crate::Command::ClientAnswer`]. Unique in a room's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskId(pub u64);

/// Output of [`crate::Room::handle`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Ask the client and report its answer as [`crate::Command::ClientAnswer`]. Nothing waits for it.
    AskClient {
        /// Whom.
        session: SessionId,
        /// Repeated in the answer.
        ask: AskId,
        /// The question.
        body: ClientRequest,
    },
    /// Close the client's connection, after everything that was written to it before. The room has forgotten it.
    CloseSession {
        /// Which.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// Tell a client something.
    Notify {
        /// Whom.
        session: SessionId,
        /// What.
        event: PeerEvent,
    },
    /// Answer a client's request.
    Reply {
        /// Whom.
        session: SessionId,
        /// Which request.
        request: RequestId,
        /// The answer.
        result: Result<PeerReply, RoomError>,
    },
    /// Something that others than those in the room may want to know of.
    Happened(RoomEvent),
    /// Ask another node's part of the room and report its answer as [`crate::Command::NodeAnswers`]. What is asked and told of
    /// a node reaches it in order, unless the connection breaks; then both fetch each other's snapshot when it is back.
    AskNode {
        /// Repeated in the answer.
        op: OpId,
        /// Which node.
        node: NodeKey,
        /// The request. An [`crate::OpenPipe`] is completed by the host.
        request: NodeRequest,
    },
    /// The same without an answer.
    TellNode {
        /// Which node.
        node: NodeKey,
        /// The request.
        request: NodeRequest,
    },
    /// Another node's part has asked for something and is not known as it is: all of it is asked for, if it is still there.
    LookAt {
        /// Which node.
        node: NodeKey,
    },
    /// Answer another node's request.
    AnswerNode {
        /// Which request.
        ask: NodeAskId,
        /// The answer.
        result: Result<NodeReply, NodeFailure>,
    },
    /// Make the half of a pipe to another node that is at its producer's worker, answered with
    /// [`crate::Command::PipeOffered`].
    OpenNearEnd {
        /// Repeated in the answer.
        op: OpId,
        /// What is needed for it.
        pipe: Box<NearEnd>,
    },
    /// Make the half of a pipe from another node that is here, answered with [`crate::Command::WorkerAnswer`] like any request
    /// to a worker.
    OpenFarEnd {
        /// Repeated in the answer.
        op: OpId,
        /// What is needed for it.
        pipe: Box<FarEnd>,
    },
    /// The next fact of this part's log, for all other parts.
    Publish(Box<PartChange>),
    /// Something for all other parts that may get lost.
    PublishHint(PartHint),
    /// The room has ended, after `Close` or because its last place was lost. No effect follows except `CloseSession` for late arrivals.
    RoomClosed,
    /// The last session left. The host sends `Close`, unless another session is already on its way to this room.
    RoomEmpty,
    /// Bring a producer to another place: the far end first, and every request of the pipe before anything that follows. It
    /// fails if one of them does, and is closed request by request then.
    OpenPipe {
        /// Repeated in the answer, which is [`plenum_ipc::message::Answer::Done`] of all requests together.
        op: OpId,
        /// What is needed for them.
        pipe: Box<PipeRequest>,
    },
    /// The same for a data producer, see [`Self::OpenPipe`].
    OpenDataPipe {
        /// Repeated in the answer.
        op: OpId,
        /// What is needed for its requests.
        pipe: Box<DataPipeRequest>,
    },
    /// The last session at a place left, and there are other places. The host sends `ClosePlace`, unless another session
    /// is already on its way there.
    PlaceEmpty {
        /// Which place.
        place: PlaceId,
    },
    /// The room has given up a place, empty or without a router. No request for it follows.
    PlaceClosed {
        /// Which place.
        place: PlaceId,
    },
    /// Write to a data producer of the node's own. It may get lost, if the worker is behind.
    SendMessage {
        /// At which place it is.
        place: PlaceId,
        /// Which one.
        data_producer: DataProducerId,
        /// What to write.
        text: Arc<str>,
    },
    /// Ask the worker under a place. Requests of a room must reach each worker in order.
    Worker {
        /// Which place.
        place: PlaceId,
        /// Repeated in the answer; `None`: the answer is of no interest.
        op: Option<OpId>,
        /// The request.
        request: Request,
    },
}

/// A pipe between two places of a room. The trunk that it takes is the host's, and so are the SSRCs on it.
#[derive(Clone, Debug, PartialEq)]
pub struct PipeRequest {
    /// Whose streams.
    pub producer: ProducerId,
    /// Where the producer comes in.
    pub from: PlaceId,
    /// Where it is brought to.
    pub to: PlaceId,
    /// The router there.
    pub router: RouterId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The producer in the routers' numbers, for [`plenum_params::resolve::pipe_parameters`].
    pub consumable: RtpParameters,
    /// Whether the producer is paused.
    pub paused: bool,
    /// The near end: one paused consumer per stream.
    pub streams: Vec<ConsumerId>,
}

/// A pipe for messages between two places of a room. The trunk that it takes is the host's, and so is its stream there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPipeRequest {
    /// Whose messages.
    pub data_producer: DataProducerId,
    /// Where the data producer comes in.
    pub from: PlaceId,
    /// Where it is brought to.
    pub to: PlaceId,
    /// The router there.
    pub router: RouterId,
    /// How its messages travel.
    pub stream: SctpStreamParameters,
    /// The near end.
    pub data_consumer: DataConsumerId,
}

/// Answer to a [`crate::PeerRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum PeerReply {
    /// A consumer's counters.
    ConsumerStats(Box<ConsumerStats>),
    /// The consumer exists, running or paused as it was asked for.
    Consumed(Box<NewConsumer>),
    /// The data consumer exists.
    DataConsumed(Box<NewDataConsumer>),
    /// A data consumer's counters.
    DataConsumerStats(Box<DataStats<DataConsumerStats>>),
    /// The data producer exists.
    DataProduced {
        /// Its identifier.
        data_producer: DataProducerId,
    },
    /// A data producer's counters.
    DataProducerStats(Box<DataStats<DataProducerStats>>),
    /// It is done.
    Done,
    /// New ICE credentials.
    IceParameters(IceParameters),
    /// The client joined; the others who have.
    Joined {
        /// The one who has been connected longest comes first.
        peers: Vec<PeerInfo>,
        /// How the client is called.
        display_name: String,
        /// What the client is.
        role: Role,
        /// What it may do, its role considered.
        grants: Grants,
    },
    /// A plain transport as it is now.
    PlainTransport {
        /// Its identifier.
        transport: TransportId,
        /// What the other side must know to exchange packets with it.
        info: Box<PlainTransportInfo>,
    },
    /// The producer exists.
    Produced {
        /// Its identifier.
        producer: ProducerId,
    },
    /// One entry per received stream.
    ProducerStats(Vec<StreamStats>),
    /// The room as it is now.
    Room(Box<RoomSnapshot>),
    /// What the router can do.
    RouterRtpCapabilities(Arc<RtpCapabilities>),
    /// A transport's counters.
    TransportStats {
        /// Which transport.
        transport: TransportId,
        /// Its counters.
        stats: Box<TransportStats>,
    },
    /// The client is in the lobby; [`crate::PeerEvent::Admitted`] follows when it is let in. Only for clients with features.
    Waiting,
    /// The transport exists.
    WebRtcTransport {
        /// Its identifier.
        transport: TransportId,
        /// What the client needs to connect.
        info: Box<WebRtcTransportInfo>,
    },
}

/// Question to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum ClientRequest {
    /// Make a consumer. It stays paused until the positive answer.
    NewConsumer(Box<NewConsumer>),
    /// Make all of these: what one request of anybody brought, in one question. Consumers stay paused until the positive
    /// answer, unless the transport had no connection yet; those that the client cannot make it closes itself. After a
    /// negative answer consumers are paused and data consumers closed. Only for clients with batches.
    NewConsumers(Vec<NewConsumer>, Vec<NewDataConsumer>),
    /// Make a data consumer. It is closed after a negative answer.
    NewDataConsumer(Box<NewDataConsumer>),
}

/// What a client must know about a consumer made for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewConsumer {
    /// Who produces.
    pub peer: PeerId,
    /// The client's transport that it is on.
    pub transport: TransportId,
    /// The consumer.
    pub consumer: ConsumerId,
    /// What it consumes.
    pub producer: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// What the client will receive.
    pub rtp_parameters: RtpParameters,
    /// How many streams and layers stand behind it.
    pub producer_type: ProducerType,
    /// The producer's, with `peerId` added.
    pub app_data: Map<String, Value>,
    /// Whether the producer is paused now.
    pub producer_paused: bool,
    /// Quality now.
    pub score: ConsumerScore,
}

/// A data consumer for the client to make its half of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDataConsumer {
    /// Who writes; `None`: the room's bot.
    pub peer: Option<PeerId>,
    /// Where it arrives.
    pub transport: TransportId,
    /// The new data consumer.
    pub data_consumer: DataConsumerId,
    /// What is written.
    pub data_producer: DataProducerId,
    /// How it travels, on which of our streams.
    pub stream: SctpStreamParameters,
    /// The data producer's.
    pub label: String,
    /// The data producer's.
    pub protocol: String,
    /// The data producer's, with `peerId`.
    pub app_data: Map<String, Value>,
}

/// Counters of one direction of a data channel, with what applications know it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataStats<T> {
    /// As the producing client named it.
    pub label: String,
    /// As the producing client named it.
    pub protocol: String,
    /// The worker's counters.
    pub counters: T,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{reason}")]
pub struct RoomError {
    /// What kind of refusal.
    #[serde(with = "words::kind", rename = "code")]
    pub kind: ErrorKind,
    /// For people.
    pub reason: String,
    /// The session ends with it.
    #[serde(default)]
    pub ending: Option<CloseReason>,
}

impl RoomError {
    /// A refusal.
    #[must_use]
    pub fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            ending: None,
        }
    }

    /// A refusal after which the session ends.
    #[must_use]
    pub fn ending(kind: ErrorKind, reason: CloseReason) -> Self {
        Self {
            ending: Some(reason),
            ..Self::new(kind, reason.as_str())
        }
    }

    /// `object` is `transport`, `producer`, `consumer`, `dataProducer` or `dataConsumer`; `id` is what the client wrote.
    #[must_use]
    pub fn not_found(object: &str, id: &str) -> Self {
        Self::new(
            ErrorKind::NotFound,
            format!("{object} with id \"{id}\" not found"),
        )
    }
}
