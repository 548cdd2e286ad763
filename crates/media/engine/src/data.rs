//! Data channels: messages from data producers to data consumers.
//!
//! A message comes over a transport's SCTP association, over a trunk, or from the node, and leaves at once in as many
//! ways. There is one copy of it, however many get it. What a receiver has not acknowledged yet is kept by its
//! association; how much that may be is bounded for each data consumer, and a message beyond it is lost, counted and told
//! ([`Event::DataConsumerBufferFull`](plenum_params::event::Event)): waiting for a slow reader would hold up the sender
//! and with it everybody else, or grow without bound.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use foldhash::fast::RandomState;
use plenum_ids::{DataConsumerId, DataProducerId, RouterId};
use plenum_params::data::{
    DataConsumerStats, DataProducerStats, SctpOptions, SctpState, SctpStreamParameters,
};
use plenum_sctp::Association;
use slab::Slab;

mod commands;
mod drive;
mod dump;
mod messages;
mod trunks;

pub(crate) use drive::sctp_parameters;

/// All data producers and data consumers of a worker.
#[derive(Debug, Default)]
pub(crate) struct DataPlane {
    pub(crate) producers: Slab<DataProducer>,
    pub(crate) consumers: Slab<DataConsumer>,
    pub(crate) producer_keys: HashMap<DataProducerId, usize>,
    pub(crate) consumer_keys: HashMap<DataConsumerId, usize>,
    /// Transports whose association has something to say or to send.
    pub(crate) touched: Vec<usize>,
    /// Messages for the node.
    pub(crate) outbox: VecDeque<NodeMessage>,
    pub(crate) outbox_bytes: usize,
}

/// Where messages come from.
#[derive(Debug)]
pub(crate) struct DataProducer {
    pub(crate) id: DataProducerId,
    pub(crate) router: RouterId,
    pub(crate) transport: usize,
    /// `None`: from the node.
    pub(crate) stream: Option<u16>,
    /// It came over a trunk.
    pub(crate) is_piped: bool,
    pub(crate) paused: bool,
    pub(crate) consumers: Vec<usize>,
    pub(crate) stats: DataProducerStats,
}

/// Where messages go to.
#[derive(Debug)]
pub(crate) struct DataConsumer {
    pub(crate) id: DataConsumerId,
    pub(crate) producer: usize,
    pub(crate) transport: usize,
    /// `None`: to the node.
    pub(crate) stream: Option<SctpStreamParameters>,
    /// In ascending order.
    pub(crate) subchannels: Vec<u16>,
    pub(crate) paused: bool,
    pub(crate) channel: Channel,
    /// `None`: nobody asked to be told.
    pub(crate) low_threshold: Option<u32>,
    /// The last message did not fit.
    pub(crate) is_full: bool,
    pub(crate) stats: DataConsumerStats,
}

/// What became of a data consumer's stream of the association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Nothing was sent on it yet.
    #[default]
    Unused,
    /// It is in use.
    Open,
    /// Its receiver has closed it.
    Refused,
}

/// A message on its way to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeMessage {
    /// Of which data consumer.
    pub data_consumer: DataConsumerId,
    /// What it is: see [`plenum_params::data::ppid`].
    pub ppid: u32,
    /// The message; one byte of no meaning if the PPID says that it is empty.
    pub data: Bytes,
}

/// What a transport with data channels has beside its media.
#[derive(Debug)]
pub(crate) struct DataPart {
    pub(crate) carrier: Carrier,
    pub(crate) options: SctpOptions,
    pub(crate) state: SctpState,
    /// Data producers by their streams, which the node's have none of.
    pub(crate) by_stream: HashMap<u16, usize, RandomState>,
    pub(crate) producers: Vec<usize>,
    pub(crate) consumers: Vec<usize>,
    /// It is in [`DataPlane::touched`].
    pub(crate) is_touched: bool,
}

/// What carries a transport's messages.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// The packet socket.
    Direct,
    /// An association over DTLS, once that is connected.
    Dtls(Option<Association>),
    /// An association in a trunk.
    Trunk(Association),
}

impl DataPart {
    pub(crate) fn new(carrier: Carrier, options: SctpOptions) -> Self {
        Self {
            carrier,
            options,
            state: SctpState::New,
            by_stream: HashMap::default(),
            producers: Vec::new(),
            consumers: Vec::new(),
            is_touched: false,
        }
    }

    pub(crate) fn is_direct(&self) -> bool {
        matches!(self.carrier, Carrier::Direct)
    }

    pub(crate) fn association(&mut self) -> Option<&mut Association> {
        match &mut self.carrier {
            Carrier::Direct => None,
            Carrier::Dtls(association) => association.as_mut(),
            Carrier::Trunk(association) => Some(association),
        }
    }

    /// When its association wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<std::time::Instant> {
        match &self.carrier {
            Carrier::Direct => None,
            Carrier::Dtls(association) => association.as_ref()?.poll_timeout(),
            Carrier::Trunk(association) => association.poll_timeout(),
        }
    }

    /// Its state, of which nobody is told on trunks and to the node itself.
    pub(crate) fn visible_state(&self) -> Option<SctpState> {
        matches!(self.carrier, Carrier::Dtls(_)).then_some(self.state)
    }
}
