//! Data channels of a room.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use plenum_ids::{DataConsumerId, DataProducerId, TransportId};
use plenum_ipc::message::Request;
use plenum_params::data::SctpStreamParameters;
use serde_json::{Map, Value};

use crate::{
    command::{Audience, PlaceId, RequestId, SessionId},
    effect::{AskId, OpId},
    state::{BatchId, Presence},
};

/// What somebody writes.
#[derive(Debug)]
pub(crate) struct DataProducer {
    /// `None`: the bot.
    pub(crate) session: Option<SessionId>,
    /// Where it comes in; `None`: it is another node's, and has not been brought here.
    pub(crate) place: Option<PlaceId>,
    /// `None`: it is another node's.
    pub(crate) transport: Option<TransportId>,
    pub(crate) presence: Presence,
    /// With a stream of the producing transport.
    pub(crate) stream: SctpStreamParameters,
    pub(crate) label: String,
    pub(crate) protocol: String,
    /// With `peerId`.
    pub(crate) app_data: Arc<Map<String, Value>>,
    /// Those with a catalog may know of it.
    pub(crate) told: bool,
    pub(crate) audience: Audience,
    /// By session, so that those of one session are found among thousands.
    pub(crate) consumers: BTreeSet<(SessionId, DataConsumerId)>,
    /// On which the bot reads it.
    pub(crate) ear: Option<DataConsumerId>,
    /// To the places where others read it.
    pub(crate) pipes: BTreeMap<PlaceId, DataPipe>,
}

impl DataProducer {
    /// Whether its owner is at another node.
    pub(crate) const fn is_far(&self) -> bool {
        self.transport.is_none()
    }
}

/// What somebody writes, as one other peer gets it.
#[derive(Debug)]
pub(crate) struct DataConsumer {
    pub(crate) session: SessionId,
    pub(crate) place: PlaceId,
    pub(crate) transport: TransportId,
    pub(crate) data_producer: DataProducerId,
    /// With a stream of the consuming transport.
    pub(crate) stream: SctpStreamParameters,
    pub(crate) stage: DataStage,
    /// Its client asked for it by name, and is answered when the worker has made it.
    pub(crate) request: Option<RequestId>,
    /// What its client is asked about together with it.
    pub(crate) batch: Option<BatchId>,
    /// What it is asked of the worker at the moment.
    pub(crate) op: Option<OpId>,
}

/// How far a data consumer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataStage {
    /// The worker makes it.
    Requested,
    /// The worker has made it; the rest of its batch is missing.
    Ready,
    /// The client was asked.
    Asked(AskId),
    /// The client has its half.
    Accepted,
}

impl DataConsumer {
    /// Whether the client has heard of it.
    pub(crate) const fn is_announced(&self) -> bool {
        !matches!(self.stage, DataStage::Requested | DataStage::Ready)
    }
}

/// A data producer on its way to a place where it does not come in. It goes with its last data consumer there.
#[derive(Debug)]
pub(crate) struct DataPipe {
    pub(crate) stage: DataPipeStage,
    /// Its near end.
    pub(crate) consumer: DataConsumerId,
    /// How many data consumers need it, those that wait for it included.
    pub(crate) consumers: usize,
    /// How often opening it has failed.
    pub(crate) failures: u8,
}

#[derive(Debug)]
pub(crate) enum DataPipeStage {
    /// The workers make it; these data consumers are asked for when they have.
    Opening(OpId, Vec<(DataConsumerId, Request)>),
    Open,
}

/// The bot's half at one place, which is there as long as somebody writes to it or reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bot {
    /// To the node itself.
    pub(crate) transport: TransportId,
    /// What it says.
    pub(crate) voice: DataProducerId,
    /// How many data producers it listens to.
    pub(crate) ears: usize,
}
