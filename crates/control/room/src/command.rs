//! What can happen to a room, in the room's own words. Adapters of dialects translate to and from these types.

use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_ipc::message::{Answer, RequestError};
use plenum_params::{
    data::SctpStreamParameters,
    event::{Event, Layers},
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    transport::DtlsParameters,
};
use serde_json::{Map, Value};

use crate::effect::{AskId, OpId};

/// Where a part of the room lives: one router at one worker. Chosen by the host, given once among the places that a room
/// has at a time; the room is made with [`PlaceId::FIRST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlaceId(pub u16);

impl PlaceId {
    /// The place that a room begins with.
    pub const FIRST: Self = Self(0);
}

/// One connection of a client. Never used twice in the life of a room; a client that reconnects is a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Tells the requests of one session apart; chosen by the adapter, repeated in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Input of [`crate::Room::handle`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// A client connected. If its peer id is taken, the older session is closed and this one takes its place.
    PeerConnected {
        /// The new session.
        session: SessionId,
        /// Who it says it is.
        peer: PeerId,
        /// Where its transports shall be. The room opens a place that it does not have yet.
        place: PlaceId,
    },
    /// A client's connection is gone. Unknown sessions are ignored, so that it may follow `CloseSession`.
    PeerDisconnected {
        /// Which session.
        session: SessionId,
    },
    /// A client asks for something. A live session gets exactly one [`crate::Effect::Reply`] for it, now or later.
    Request {
        /// Who asks.
        session: SessionId,
        /// Repeated in the reply.
        request: RequestId,
        /// What it asks for.
        body: PeerRequest,
    },
    /// A client answered [`crate::Effect::AskClient`], or did not answer in time (`accepted: false`).
    ClientAnswer {
        /// Which question.
        ask: AskId,
        /// Whether the answer was positive.
        accepted: bool,
    },
    /// A worker answered [`crate::Effect::Worker`].
    WorkerAnswer {
        /// Which request.
        op: OpId,
        /// What it said.
        result: Result<Answer, WorkerFailure>,
    },
    /// A worker told something about an object of this room.
    MediaEvent {
        /// Which worker's place.
        place: PlaceId,
        /// What it told.
        event: Event,
    },
    /// Somebody wrote to the node itself, on one of the data consumers that the room made for that.
    Message {
        /// On which of them.
        data_consumer: DataConsumerId,
        /// What was written.
        text: String,
    },
    /// The worker under a place is gone, and everything on it. Without another place the room ends.
    PlaceLost {
        /// Which place.
        place: PlaceId,
    },
    /// A place without sessions, see [`crate::Effect::PlaceEmpty`], shall go.
    ClosePlace {
        /// Which place.
        place: PlaceId,
    },
    /// Time passed; see [`crate::Room::poll_timeout`].
    Tick,
    /// End of the room: every session is closed, the router too.
    Close,
}

/// Why a request to a worker was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerFailure {
    /// The worker is gone or did not answer.
    Lost,
    /// The worker said no.
    Refused(RequestError),
}

/// Who gets what a peer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "people and the machine")]
pub enum Audience {
    /// The room's bot.
    Bot,
    /// Every other peer that takes data consumers.
    Everybody,
}

/// What a client may ask for. Identifiers that are not even well-formed are answered by the adapter, with
/// [`crate::RoomError::not_found`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PeerRequest {
    /// → [`crate::PeerReply::Done`]
    ChangeDisplayName {
        /// The new name.
        display_name: String,
    },
    /// → [`crate::PeerReply::Done`]
    CloseProducer {
        /// One of the peer's own.
        producer: ProducerId,
    },
    /// → [`crate::PeerReply::Done`]
    ConnectWebRtcTransport {
        /// One of the peer's own.
        transport: TransportId,
        /// The client's fingerprints and DTLS role.
        dtls: DtlsParameters,
    },
    /// → [`crate::PeerReply::WebRtcTransport`]
    CreateWebRtcTransport {
        /// The client will produce on it.
        producing: bool,
        /// The client wants its consumers on it.
        consuming: bool,
        /// Only TCP candidates; refused for now.
        force_tcp: bool,
        /// With data channels.
        data: bool,
    },
    /// → [`crate::PeerReply::ConsumerStats`]
    GetConsumerStats {
        /// One of the peer's own.
        consumer: ConsumerId,
    },
    /// → [`crate::PeerReply::DataConsumerStats`]
    GetDataConsumerStats {
        /// One of the peer's own.
        data_consumer: DataConsumerId,
    },
    /// → [`crate::PeerReply::DataProducerStats`]
    GetDataProducerStats {
        /// One of the peer's own.
        data_producer: DataProducerId,
    },
    /// → [`crate::PeerReply::ProducerStats`]
    GetProducerStats {
        /// One of the peer's own.
        producer: ProducerId,
    },
    /// → [`crate::PeerReply::RouterRtpCapabilities`]
    GetRouterRtpCapabilities,
    /// → [`crate::PeerReply::TransportStats`]
    GetTransportStats {
        /// One of the peer's own.
        transport: TransportId,
    },
    /// → [`crate::PeerReply::Joined`]
    Join {
        /// Shown to the others.
        display_name: String,
        /// What the client runs on (`{flag, name, version}` usually), passed on to the others as it is.
        device: Value,
        /// What the client can receive; `None`: it does not want consumers.
        rtp_capabilities: Option<RtpCapabilities>,
        /// The client takes data consumers.
        data: bool,
        /// The client wants to hear how loud everybody is and who has the floor, and not just who is the loudest.
        volumes: bool,
        /// The client stops sending what nobody wants if it is told, see [`crate::PeerEvent::ProducerDemand`].
        demand: bool,
        /// The client comes back by itself, soon, when the worker under its place is gone: the others do not see it leave.
        migrate: bool,
    },
    /// → [`crate::PeerReply::Done`]
    PauseConsumer {
        /// One of the peer's own.
        consumer: ConsumerId,
    },
    /// → [`crate::PeerReply::Done`]
    PauseProducer {
        /// One of the peer's own.
        producer: ProducerId,
    },
    /// → [`crate::PeerReply::Produced`]
    Produce {
        /// One of the peer's own.
        transport: TransportId,
        /// Audio or video.
        kind: MediaKind,
        /// What the client sends.
        rtp_parameters: RtpParameters,
        /// Passed on to the consuming clients, with `peerId` added.
        app_data: Map<String, Value>,
        /// Start paused.
        paused: bool,
        /// Somebody speaks there: who is loud is told to everybody.
        voice: bool,
        /// An identifier that an earlier session of the same peer had for it. The adapter has made sure of that; it is
        /// taken unless the room has it already.
        wish: Option<ProducerId>,
    },
    /// → [`crate::PeerReply::DataProduced`]
    ProduceData {
        /// One of the peer's own, with data channels.
        transport: TransportId,
        /// How the client sends; the others get it in the same manner.
        stream: SctpStreamParameters,
        /// For applications.
        label: String,
        /// For applications.
        protocol: String,
        /// Passed on to the consuming clients, with `peerId` added.
        app_data: Map<String, Value>,
        /// Who gets it.
        audience: Audience,
    },
    /// → [`crate::PeerReply::Done`]
    RequestConsumerKeyFrame {
        /// One of the peer's own.
        consumer: ConsumerId,
    },
    /// → [`crate::PeerReply::IceParameters`]
    RestartIce {
        /// One of the peer's own.
        transport: TransportId,
    },
    /// → [`crate::PeerReply::Done`]
    ResumeConsumer {
        /// One of the peer's own.
        consumer: ConsumerId,
    },
    /// → [`crate::PeerReply::Done`]
    ResumeProducer {
        /// One of the peer's own.
        producer: ProducerId,
    },
    /// → [`crate::PeerReply::Done`]
    SetConsumerPreferredLayers {
        /// One of the peer's own.
        consumer: ConsumerId,
        /// Highest layers wanted; beyond what there is counts as the highest, no temporal layer too.
        layers: Layers,
    },
    /// → [`crate::PeerReply::Done`]
    SetConsumerPriority {
        /// One of the peer's own.
        consumer: ConsumerId,
        /// 1 to 255; consumers with more get layers first when bandwidth is short.
        priority: u8,
    },
}
