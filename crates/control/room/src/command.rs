//! What can happen to a room, in the room's own words. Adapters of dialects translate to and from these types.

use plenum_api::grants::{Grants, Role};
use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_ipc::message::{Answer, RequestError};
use plenum_params::{
    data::SctpStreamParameters,
    event::{Event, Layers},
    media::MediaKind,
    ortc::OwnNumbers,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    transport::{DtlsParameters, PlainRemote, SrtpParameters, SrtpSuite},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    admission::Admission,
    effect::{AskId, OpId},
    remote::{
        Home, NodeAskId, NodeFailure, NodeKey, NodeReply, NodeRequest, PipeOffer, RemoteChange,
    },
    subscription::Subscription,
};

/// Where a part of the room lives: one router at one worker. Chosen by the host, given once among the places that a room
/// has at a time; the room is made with [`PlaceId::FIRST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlaceId(pub u16);

impl PlaceId {
    /// The place that a room begins with.
    pub const FIRST: Self = Self(0);
}

/// One connection of a client. Never used twice in the life of a room; a client that reconnects is a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// Tells the requests of one session apart; chosen by the adapter, repeated in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// Input of [`crate::Room::handle`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// A client connected. If its peer id is taken, this session takes the older one's place: at once if that has not joined,
    /// else when this one joins.
    PeerConnected {
        /// The new session.
        session: SessionId,
        /// Who it is and what it may do.
        admission: Admission,
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
    /// Where what concerns the room as a whole is decided from now on. Only for rooms that live on several nodes
    /// ([`crate::RoomConfig::shared`]), as all that follows.
    Home(Home),
    /// Another node answered [`crate::Effect::AskNode`]. Each of them is answered once, if only with
    /// [`NodeFailure::Lost`].
    NodeAnswers {
        /// Which request.
        op: OpId,
        /// What it said.
        result: Result<NodeReply, NodeFailure>,
    },
    /// Another node's part asks this one.
    NodeAsks {
        /// To be answered with [`crate::Effect::AnswerNode`]; `None`: it was only told ([`crate::Effect::TellNode`]).
        ask: Option<NodeAskId>,
        /// Which node; the host knows it from the link.
        node: NodeKey,
        /// What it asks.
        request: NodeRequest,
    },
    /// The near end of a pipe to another node was made, or not ([`crate::Effect::OpenNearEnd`]).
    PipeOffered {
        /// Which request.
        op: OpId,
        /// What the far end must know.
        result: Result<Box<PipeOffer>, WorkerFailure>,
    },
    /// Another node's part has told something of itself.
    Remote {
        /// Which node.
        node: NodeKey,
        /// What it told.
        change: RemoteChange,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "people and the machine")]
pub enum Audience {
    /// Who asks for it ([`PeerRequest::ConsumeData`]).
    Asking,
    /// The room's bot.
    Bot,
    /// Every other peer that takes data consumers.
    Everybody,
}

/// What a client may ask for. Identifiers that are not even well-formed are answered by the adapter, with
/// [`crate::RoomError::not_found`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum PeerRequest {
    /// → [`crate::PeerReply::Done`]; lets in somebody who waits in the lobby. Hosts only.
    Admit {
        /// Whom.
        peer: PeerId,
    },
    /// → [`crate::PeerReply::Done`]
    ChangeDisplayName {
        /// The new name.
        display_name: String,
    },
    /// → [`crate::PeerReply::Done`]
    CloseConsumer {
        /// One of the peer's own.
        consumer: ConsumerId,
    },
    /// → [`crate::PeerReply::Done`]
    CloseProducer {
        /// One of the peer's own.
        producer: ProducerId,
    },
    /// → [`crate::PeerReply::Done`]; hosts only.
    CloseProducerOf {
        /// Anybody's.
        producer: ProducerId,
    },
    /// → [`crate::PeerReply::Done`], before the room ends. Hosts only.
    CloseRoom,
    /// → [`crate::PeerReply::PlainTransport`]
    ConnectPlainTransport {
        /// One of the peer's own.
        transport: TransportId,
        /// Where the other side is, unless that shows by itself.
        remote: Option<PlainRemote>,
        /// Keys of what it sends.
        srtp: Option<SrtpParameters>,
    },
    /// → [`crate::PeerReply::Done`]
    ConnectWebRtcTransport {
        /// One of the peer's own.
        transport: TransportId,
        /// The client's fingerprints and DTLS role.
        dtls: DtlsParameters,
    },
    /// → [`crate::PeerReply::Consumed`]; a producer of the peer's own choice, whatever it has subscribed to. No question
    /// follows.
    Consume {
        /// One of the peer's own; `None`: the first one that it made for receiving.
        transport: Option<TransportId>,
        /// Anybody's.
        producer: ProducerId,
        /// What it can receive; `None`: what it said when it joined.
        rtp_capabilities: Option<RtpCapabilities>,
        /// Begin paused.
        paused: bool,
        /// Highest layers wanted.
        layers: Option<Layers>,
        /// What the client calls payload types, header extensions and the media section; `None`: as the router does.
        numbers: Option<Box<OwnNumbers>>,
    },
    /// → [`crate::PeerReply::DataConsumed`]; no question follows.
    ConsumeData {
        /// Anybody's, except what only the bot reads.
        data_producer: DataProducerId,
        /// One of the peer's own, with data channels; `None`: the first one that it made for receiving.
        transport: Option<TransportId>,
    },
    /// → [`crate::PeerReply::PlainTransport`]
    CreatePlainTransport {
        /// The client will produce on it.
        producing: bool,
        /// The client wants its consumers on it.
        consuming: bool,
        /// RTP and RTCP share a port.
        rtcp_mux: bool,
        /// The other side is where the first packet comes from.
        comedia: bool,
        /// Protection; `None`: RTP as it is.
        srtp: Option<SrtpSuite>,
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
    /// → [`crate::PeerReply::Room`], also before the peer has joined.
    GetRoom,
    /// → [`crate::PeerReply::RouterRtpCapabilities`]
    GetRouterRtpCapabilities,
    /// → [`crate::PeerReply::TransportStats`]
    GetTransportStats {
        /// One of the peer's own.
        transport: TransportId,
    },
    /// → [`crate::PeerReply::Joined`], or [`crate::PeerReply::Waiting`] for clients with features.
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
        /// What it receives without asking.
        subscription: Subscription,
        /// For applications; shown to the others.
        app_data: Map<String, Value>,
        /// The client understands lobbies, roles, hands and what is said of the room.
        features: bool,
    },
    /// → [`crate::PeerReply::Done`]; hosts only.
    Kick {
        /// Whom.
        peer: PeerId,
    },
    /// → [`crate::PeerReply::Done`]; hosts only.
    LowerHand {
        /// Whose.
        peer: PeerId,
    },
    /// → [`crate::PeerReply::Done`]; pauses producers, which their owners may resume. Hosts only.
    Mute {
        /// Whose; `None`: of all but hosts.
        peer: Option<PeerId>,
        /// Of which kind; `None`: of both.
        kind: Option<MediaKind>,
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
    /// → [`crate::PeerReply::Done`]; the peer's own hand.
    RaiseHand(bool),
    /// → [`crate::PeerReply::Done`]; sends away somebody who waits in the lobby. Hosts only.
    Refuse {
        /// Whom.
        peer: PeerId,
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
    /// → [`crate::PeerReply::Done`]; what somebody may do from now on. Hosts only.
    SetGrants {
        /// Who.
        peer: PeerId,
        /// All of it.
        grants: Grants,
    },
    /// → [`crate::PeerReply::Done`]; whether those who are no hosts wait to be let in. Hosts only.
    SetLobby(bool),
    /// → [`crate::PeerReply::Done`]; whether nobody but hosts may join. Hosts only.
    SetLocked(bool),
    /// → [`crate::PeerReply::Done`]; hosts only.
    SetMaxPeers(Option<u32>),
    /// → [`crate::PeerReply::Done`]; what the room is said to be about. Hosts only.
    SetMetadata(Value),
    /// → [`crate::PeerReply::Done`]; what somebody is from now on. Hosts only.
    SetRole {
        /// Who.
        peer: PeerId,
        /// What it is.
        role: Role,
    },
    /// → [`crate::PeerReply::Done`]; consumers are opened and closed accordingly.
    Subscribe {
        /// From now on.
        subscription: Subscription,
    },
}
