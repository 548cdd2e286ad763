//! Who and what is in a room.

mod data;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, RouterId, TransportId,
};
use plenum_ipc::message::Request;
use plenum_params::{
    data::SCTP_STREAMS,
    event::{ConsumerScore, EncodingScore},
    media::MediaKind,
    ortc::ProducerType,
    rtp_parameters::{RtpCapabilities, RtpParameters},
};
use serde_json::{Map, Value};

use crate::{
    admission::Admission,
    command::{PlaceId, RequestId, SessionId},
    effect::{AskId, OpId},
    info::PeerInfo,
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
    /// Where all its transports are.
    pub(crate) place: PlaceId,
    pub(crate) membership: Option<Membership>,
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
}

/// Something that becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The peer whose session this was must have joined again.
    Away(SessionId),
    /// A session must have joined.
    Join(SessionId),
    /// Nobody has needed a producer at a place for long enough.
    Pipe(ProducerId, PlaceId),
}

impl Peer {
    /// As the others see it, once it has joined.
    pub(crate) fn info(&self) -> Option<PeerInfo> {
        let membership = self.membership.as_ref()?;
        let (name, device) = (membership.display_name.clone(), membership.device.clone());
        Some(PeerInfo {
            remote: self.admission.remote,
            ..PeerInfo::new(self.id.clone(), name, device)
        })
    }
}

/// Whether the worker has confirmed an object. The client hears of it only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Requested,
    Confirmed,
}

#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) session: SessionId,
    pub(crate) place: PlaceId,
    pub(crate) consuming: bool,
    /// It has data channels.
    pub(crate) data: bool,
    pub(crate) presence: Presence,
    /// The client's DTLS parameters are on their way to the worker, or there.
    pub(crate) connected: bool,
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
    pub(crate) fn new(session: SessionId, place: PlaceId, (consuming, data): (bool, bool)) -> Self {
        Self {
            session,
            place,
            consuming,
            data,
            presence: Presence::Requested,
            connected: false,
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
pub(crate) struct Producer {
    pub(crate) session: SessionId,
    /// Where it comes in.
    pub(crate) place: PlaceId,
    pub(crate) transport: TransportId,
    pub(crate) presence: Presence,
    pub(crate) kind: MediaKind,
    /// How many streams and layers it sends.
    pub(crate) form: ProducerType,
    /// In the router's numbers.
    pub(crate) consumable: RtpParameters,
    /// With `peerId`.
    pub(crate) app_data: Map<String, Value>,
    pub(crate) paused: bool,
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

#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) session: SessionId,
    pub(crate) place: PlaceId,
    pub(crate) transport: TransportId,
    pub(crate) producer: ProducerId,
    pub(crate) stage: Stage,
    /// What it is asked of the worker at the moment.
    pub(crate) op: Option<OpId>,
    pub(crate) ssrcs: [Option<u32>; 2],
    /// The client paused it itself.
    pub(crate) paused_by_client: bool,
    /// Its score was told, which happens when it runs for the first time.
    pub(crate) score_told: bool,
    pub(crate) score: Option<ConsumerScore>,
}

/// How far a consumer has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The worker makes it; the client will be told these parameters.
    Requested(Box<RtpParameters>),
    /// The client was asked.
    Asked(AskId),
    /// The client answered.
    Answered,
}

impl Consumer {
    /// Whether the client has heard of it.
    pub(crate) const fn is_announced(&self) -> bool {
        !matches!(self.stage, Stage::Requested(_))
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
    /// A data producer is brought to a place.
    OpenDataPipe(DataProducerId, PlaceId),
    /// A producer is brought to a place.
    OpenPipe(ProducerId, PlaceId),
    /// The worker's answer answers a client.
    Request {
        session: SessionId,
        request: RequestId,
        work: Work,
    },
    /// A consumer is set going.
    Start(ConsumerId),
}

/// What to do when the worker has answered a client's request, besides telling the client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Connect(TransportId),
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
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Consumer(ConsumerId),
    DataConsumer(DataConsumerId),
}
