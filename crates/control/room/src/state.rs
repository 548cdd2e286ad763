//! Who and what is in a room.

mod data;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use plenum_api::grants::{Grants, Role};
use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, RouterId, TransportId,
};
use plenum_ipc::message::Request;
use plenum_params::{
    data::SCTP_STREAMS,
    event::{ConsumerScore, EncodingScore, Layers},
    media::MediaKind,
    ortc::ProducerType,
    rtp_parameters::{RtpCapabilities, RtpParameters},
};
use serde_json::{Map, Value};

use crate::{
    admission::Admission,
    command::{PlaceId, RequestId, SessionId},
    effect::{AskId, OpId},
    remote::{NodeKey, PipeSource},
    subscription::Subscription,
};

pub(crate) use data::{Bot, DataConsumer, DataPipe, DataPipeStage, DataProducer, DataStage};

/// A router of the room at one worker.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) router: RouterId,
    /// How many sessions are there.
    pub(crate) sessions: usize,
    /// How many producers come in there.
    pub(crate) producers: usize,
}

/// A session and the peer behind it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) admission: Admission,
    /// What it was granted where it came in, before anybody here decided about it.
    pub(crate) door_grants: Grants,
    /// Where all its transports are.
    pub(crate) place: PlaceId,
    pub(crate) membership: Option<Membership>,
    /// It waits to be let in.
    pub(crate) knock: Option<Box<Knock>>,
    /// What an earlier session of this peer was that this one has replaced.
    pub(crate) role_before: Option<Role>,
    /// When it must have joined.
    pub(crate) join_deadline: Option<Instant>,
    /// Oldest first.
    pub(crate) transports: Vec<TransportId>,
    /// Requests that wait for a worker.
    pub(crate) ops: BTreeSet<OpId>,
}

/// What a peer told when it joined.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "clients say each of them by itself"
)]
pub(crate) struct Membership {
    pub(crate) display_name: String,
    pub(crate) device: Value,
    pub(crate) rtp_capabilities: Option<RtpCapabilities>,
    /// It takes data consumers.
    pub(crate) data: bool,
    /// It wants to know of everybody who can be heard.
    pub(crate) volumes: bool,
    /// It wants to know what nobody consumes.
    pub(crate) demand: bool,
    /// It joins again when its session was lost.
    pub(crate) migrate: bool,
    /// What it receives without asking.
    pub(crate) subscription: Subscription,
    /// For applications.
    pub(crate) app_data: Map<String, Value>,
    /// It understands lobbies, roles and hands.
    pub(crate) features: bool,
    pub(crate) role: Role,
    /// It would like to speak.
    pub(crate) hand_raised: bool,
}

/// Somebody who waits in the lobby.
#[derive(Debug)]
pub(crate) struct Knock {
    pub(crate) membership: Membership,
    /// To be answered; `None`: it was told to wait.
    pub(crate) request: Option<RequestId>,
    /// For how long.
    pub(crate) until: Option<Instant>,
}

/// What a peer was made, which holds when it comes again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    pub(crate) role: Option<Role>,
    pub(crate) grants: Option<Grants>,
}

/// Something that becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The peer whose session this was must have joined again.
    Away(SessionId),
    /// A session must have joined.
    Join(SessionId),
    /// A session has waited in the lobby for long enough.
    Knock(SessionId),
    /// Who was in the room before it moved here must be back.
    Returned,
    /// Nobody has needed a producer at a place for long enough.
    Pipe(ProducerId, PlaceId),
    /// Nobody here has needed what comes from another node for long enough.
    Inlet(PipeSource),
    /// It is asked for again.
    Retry(PipeSource),
    /// Somebody at another node whom the room needs as its host has not become it.
    Heir,
    /// Another node has not told for some time who can be heard there.
    Hearing,
}

/// Whether the worker has confirmed an object. The client hears of it only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Requested,
    Confirmed,
}

/// How a transport finds its other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    WebRtc,
    Plain,
}

impl Form {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WebRtc => "webrtc",
            Self::Plain => "plain",
        }
    }
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what it is for, and how far it has come"
)]
pub(crate) struct Transport {
    pub(crate) session: SessionId,
    pub(crate) place: PlaceId,
    pub(crate) form: Form,
    pub(crate) consuming: bool,
    /// It has data channels.
    pub(crate) data: bool,
    pub(crate) presence: Presence,
    /// What the client said of how to connect is on its way to the worker, or there.
    pub(crate) connected: bool,
    /// Its connection stands.
    pub(crate) up: bool,
    /// What its client was asked about on it before anything else, if that was a batch.
    pub(crate) first_batch: Option<BatchId>,
    /// Canonical name of everything produced on it.
    pub(crate) cname: Option<String>,
    next_mid: u32,
    pub(crate) producers: Vec<ProducerId>,
    pub(crate) consumers: BTreeSet<ConsumerId>,
    /// Of the consumers.
    pub(crate) ssrcs: BTreeSet<u32>,
    pub(crate) data_producers: Vec<DataProducerId>,
    pub(crate) data_consumers: BTreeSet<DataConsumerId>,
    /// Of the data consumers.
    pub(crate) streams: BTreeSet<u16>,
    next_stream: u16,
}

impl Transport {
    pub(crate) const fn new(
        session: SessionId,
        place: PlaceId,
        form: Form,
        (consuming, data): (bool, bool),
    ) -> Self {
        Self {
            session,
            place,
            form,
            consuming,
            data,
            presence: Presence::Requested,
            connected: false,
            up: false,
            first_batch: None,
            cname: None,
            next_mid: 0,
            producers: Vec::new(),
            consumers: BTreeSet::new(),
            ssrcs: BTreeSet::new(),
            data_producers: Vec::new(),
            data_consumers: BTreeSet::new(),
            streams: BTreeSet::new(),
            next_stream: 0,
        }
    }

    /// A stream for the next data consumer. The one that has been free for longest comes first: a client that has just
    /// closed its half of a channel takes a moment before it can use the stream again.
    pub(crate) fn take_stream(&mut self) -> Option<u16> {
        let (later, earlier) = (self.next_stream..SCTP_STREAMS, 0..self.next_stream);
        let stream = later.chain(earlier).find(|id| !self.streams.contains(id))?;
        self.streams.insert(stream);
        self.next_stream = (stream + 1) % SCTP_STREAMS;
        Some(stream)
    }

    pub(crate) fn release_stream(&mut self, stream: u16) {
        self.streams.remove(&stream);
    }

    /// Whether nothing has ever been consumed on it.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.next_mid == 0 && self.next_stream == 0
    }

    /// A media id for the next consumer.
    pub(crate) fn take_mid(&mut self) -> String {
        let mid = self.next_mid;
        self.next_mid = (mid + 1) % MID_WRAP;
        mid.to_string()
    }
}

/// Media ids are short, because they travel in packets; this is where mediasoup begins anew.
const MID_WRAP: u32 = 100_000_000;

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them happens by itself"
)]
pub(crate) struct Producer {
    pub(crate) session: SessionId,
    /// Where it comes in; `None`: it is another node's, and has not been brought here.
    pub(crate) place: Option<PlaceId>,
    /// `None`: it is another node's.
    pub(crate) transport: Option<TransportId>,
    pub(crate) presence: Presence,
    pub(crate) kind: MediaKind,
    /// How many streams and layers it sends.
    pub(crate) form: ProducerType,
    /// In the router's numbers.
    pub(crate) consumable: Arc<RtpParameters>,
    /// With `peerId`.
    pub(crate) app_data: Arc<Map<String, Value>>,
    /// What it is a picture or the sound of.
    pub(crate) source: MediaSource,
    pub(crate) paused: bool,
    /// A host wished it muted before the worker had made it.
    pub(crate) mute_wished: bool,
    /// Those with a catalog have been told of it.
    pub(crate) told: bool,
    /// Who is loud is told of it.
    pub(crate) voice: bool,
    pub(crate) scores: Vec<EncodingScore>,
    /// Which encodings are wanted; all are until the worker says otherwise.
    pub(crate) demand: Vec<bool>,
    /// By session, so that those of one session are found among thousands.
    pub(crate) consumers: BTreeSet<(SessionId, ConsumerId)>,
    /// To the places where others consume it.
    pub(crate) pipes: BTreeMap<PlaceId, Pipe>,
}

impl Producer {
    /// Whether its owner is at another node.
    pub(crate) const fn is_far(&self) -> bool {
        self.transport.is_none()
    }
}

/// What a producer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaSource {
    Microphone,
    Camera,
    Screen,
}

impl MediaSource {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Microphone => "audio",
            Self::Camera => "video",
            Self::Screen => "a screen",
        }
    }
}

impl MediaSource {
    /// As applications have named shared screens for years: the older ones `share`, the newer ones by `source`.
    pub(crate) fn of(kind: MediaKind, app_data: &Map<String, Value>) -> Self {
        let named = app_data.get("source").and_then(Value::as_str);
        if app_data.get("share") == Some(&Value::Bool(true)) || named == Some("screensharing") {
            return Self::Screen;
        }
        match kind {
            MediaKind::Audio => Self::Microphone,
            MediaKind::Video => Self::Camera,
        }
    }
}

/// A producer on its way to a place where it does not come in.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) stage: PipeStage,
    /// One per stream of the producer.
    pub(crate) streams: Vec<PipeStream>,
    /// What its far end was told of the producer.
    pub(crate) paused: bool,
    /// How many consumers need it, those that wait for it included.
    pub(crate) consumers: usize,
    /// When it closes unless somebody needs it again.
    pub(crate) closes_at: Option<Instant>,
    /// How often opening it has failed.
    pub(crate) failures: u8,
}

#[derive(Debug)]
pub(crate) enum PipeStage {
    /// The workers make it; these consumers are asked for when they have.
    Opening(OpId, Vec<(ConsumerId, Request)>),
    Open,
}

/// One stream of a pipe.
#[derive(Debug)]
pub(crate) struct PipeStream {
    /// At the producer's own place.
    pub(crate) consumer: ConsumerId,
    /// Somebody behind the pipe wants it; so it is until the far end says otherwise.
    pub(crate) wanted: bool,
}

impl PipeStream {
    /// Notes which of a pipe's streams somebody wants, those that are not mentioned not: what its worker must be told.
    pub(crate) fn set_wanted(streams: &mut [Self], wanted: &[bool]) -> Vec<Request> {
        let mut requests = Vec::new();
        for (index, stream) in streams.iter_mut().enumerate() {
            let wanted = wanted.get(index).copied().unwrap_or(false);
            if std::mem::replace(&mut stream.wanted, wanted) != wanted {
                let consumer = stream.consumer;
                requests.push(if wanted {
                    Request::ResumeConsumer { consumer }
                } else {
                    Request::PauseConsumer { consumer }
                });
            }
        }
        requests
    }
}

#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) session: SessionId,
    pub(crate) place: PlaceId,
    pub(crate) transport: TransportId,
    pub(crate) producer: ProducerId,
    pub(crate) stage: Stage,
    /// Its client asked for it by name.
    pub(crate) choice: Option<Choice>,
    /// What its client is asked about together with it.
    pub(crate) batch: Option<BatchId>,
    /// It runs without having waited for its client's answer.
    pub(crate) early: bool,
    /// What it is asked of the worker at the moment.
    pub(crate) op: Option<OpId>,
    pub(crate) ssrcs: [Option<u32>; 2],
    /// The client paused it itself.
    pub(crate) paused_by_client: bool,
    /// Its score was told, which happens when it runs for the first time.
    pub(crate) score_told: bool,
    pub(crate) score: Option<ConsumerScore>,
}

/// What a client said that chose a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// To be answered when the worker has made it.
    pub(crate) request: Option<RequestId>,
    /// To be set then.
    pub(crate) layers: Option<Layers>,
}

/// Consumers that a client is asked about together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchId(pub(crate) u64);

/// How far a consumer has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The worker makes it; the client will be told these parameters.
    Requested(Box<RtpParameters>),
    /// The worker has made it; the rest of its batch is missing.
    Ready(Box<RtpParameters>),
    /// The client was asked.
    Asked(AskId),
    /// The client answered.
    Answered,
}

impl Consumer {
    /// Whether the client has heard of it.
    pub(crate) const fn is_announced(&self) -> bool {
        !matches!(self.stage, Stage::Requested(_) | Stage::Ready(_))
    }
}

/// A request to the worker whose answer is awaited.
#[derive(Debug)]
pub(crate) enum Op {
    /// Nothing works at a place without it.
    CreateRouter(PlaceId),
    /// A consumer that no client asked for.
    Consume(ConsumerId),
    /// A data consumer that no client asked for.
    ConsumeData(DataConsumerId),
    /// A producer is paused because a host wished so.
    Mute(ProducerId),
    /// A data producer is brought to a place.
    OpenDataPipe(DataProducerId, PlaceId),
    /// A producer is brought to a place.
    OpenPipe(ProducerId, PlaceId),
    /// Another node decides something that a client asked for.
    Decide {
        session: SessionId,
        request: RequestId,
    },
    /// Somebody at another node is to be host.
    Appoint,
    /// The near end of a pipe to another node.
    OpenFeed(FeedKey),
    /// Another node is asked for something that comes in there.
    AskInlet(PipeSource),
    /// The far end of a pipe from another node.
    OpenInlet(PipeSource),
    /// The worker's answer answers a client.
    Request {
        session: SessionId,
        request: RequestId,
        work: Work,
    },
    /// A consumer is set going.
    Start(ConsumerId),
}

/// A pipe that another node's part takes: the node, the life of its part, and its number there.
pub(crate) type FeedKey = (NodeKey, u64, u64);

/// What to do when the worker has answered a client's request, besides telling the client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Connect(TransportId),
    ConnectPlain(TransportId),
    CreatePlain(TransportId),
    CreateTransport(TransportId),
    DataConsumerStats(DataConsumerId),
    DataProducerStats(DataProducerId),
    /// Nothing: pass the answer on.
    Forward,
    /// The bot reads a data producer; only then its client may write.
    Listen(DataProducerId),
    PauseProducer(ProducerId),
    Produce(ProducerId),
    ProduceData(DataProducerId),
    ResumeConsumer(ConsumerId),
    ResumeProducer(ProducerId),
    TransportStats(TransportId),
}

/// What a client was asked about.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Batch(BTreeSet<ConsumerId>, BTreeSet<DataConsumerId>),
    Consumer(ConsumerId),
    DataConsumer(DataConsumerId),
}
