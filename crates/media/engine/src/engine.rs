//! The engine's state, and the thin inputs and outputs around it.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::Instant,
};

use foldhash::fast::RandomState;
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::event::Event;
use rand::{Rng, SeedableRng, rngs::StdRng};
use slab::Slab;

use crate::{
    batch::{ControlQueue, Datagram, SendBatch},
    config::{EngineConfig, WallClock},
    congestion::Division,
    consumer::Consumer,
    counters::Counters,
    data::DataPlane,
    fan_out::FanOut,
    observers::Observers,
    prefetching::Ahead,
    producer::Producer,
    sockets::Sockets,
    timers::Timers,
    trace::Traces,
    transport::Transport,
};

mod dump;

pub use dump::EngineDump;

/// A router: the transports that share producers, the producers that came to it over trunks, and who observes them.
#[derive(Debug, Default)]
pub(crate) struct Router {
    pub(crate) transports: Vec<usize>,
    pub(crate) piped: Vec<usize>,
    pub(crate) piped_data: Vec<usize>,
    pub(crate) observers: Vec<usize>,
}

/// All media objects of one worker. See the crate's documentation for how to drive it.
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) sockets: Sockets,
    pub(crate) clock: WallClock,
    pub(crate) rng: StdRng,
    pub(crate) routers: HashMap<RouterId, Router>,
    pub(crate) transport_keys: HashMap<TransportId, usize>,
    pub(crate) producer_keys: HashMap<ProducerId, usize>,
    pub(crate) consumer_keys: HashMap<ConsumerId, usize>,
    pub(crate) transports: Slab<Transport>,
    pub(crate) producers: Slab<Producer>,
    pub(crate) consumers: Slab<Consumer>,
    /// Addresses that passed an ICE check, those of trunks and those of plain transports' other sides lead to a transport;
    /// nothing else does.
    pub(crate) addresses: HashMap<(u16, SocketAddr), usize, RandomState>,
    pub(crate) timers: Timers,
    pub(crate) observers: Observers,
    pub(crate) control: ControlQueue,
    pub(crate) events: VecDeque<Event>,
    pub(crate) traces: Traces,
    /// Producers with packets in this batch.
    pub(crate) touched: Vec<usize>,
    pub(crate) fan_out: FanOut,
    pub(crate) division: Division,
    pub(crate) counters: Counters,
    pub(crate) data: DataPlane,
    pub(crate) nack_scratch: Vec<u16>,
}

impl Engine {
    /// An engine without objects.
    #[must_use]
    pub fn new(mut config: EngineConfig, now: Instant) -> Self {
        let clock = WallClock::new(now, config.unix_time);
        Self {
            sockets: Sockets::new(std::mem::take(&mut config.sockets)),
            clock,
            rng: StdRng::from_seed(config.seed),
            config,
            routers: HashMap::new(),
            transport_keys: HashMap::new(),
            producer_keys: HashMap::new(),
            consumer_keys: HashMap::new(),
            transports: Slab::new(),
            producers: Slab::new(),
            consumers: Slab::new(),
            addresses: HashMap::default(),
            timers: Timers::default(),
            observers: Observers::default(),
            control: ControlQueue::default(),
            events: VecDeque::new(),
            traces: Traces::new(now, clock),
            touched: Vec::new(),
            fan_out: FanOut::default(),
            division: Division::default(),
            counters: Counters::default(),
            data: DataPlane::default(),
            nack_scratch: Vec::new(),
        }
    }

    /// Takes the datagrams that arrived since the last call, decrypting them in place.
    pub fn handle_datagrams<'a>(
        &mut self,
        now: Instant,
        datagrams: impl IntoIterator<Item = Datagram<'a>>,
    ) {
        let mut datagrams = Ahead::new(datagrams.into_iter().fuse());
        while let Some(datagram) = datagrams.next(self) {
            self.counters.datagrams_received += 1;
            self.counters.bytes_received += datagram.data.len() as u64;
            self.handle_datagram(now, datagram);
        }
        self.distribute();
        self.flush_data(now);
    }

    /// Does everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.pop_due(now) {
            self.handle_transport_timeout(now, key);
        }
        self.handle_observers_timeout(now);
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let observers = self.observers.timers.next();
        self.timers.next().into_iter().chain(observers).min()
    }

    /// Fills `batch` with datagrams to send; `true` when more are waiting.
    pub fn poll_transmit(&mut self, now: Instant, batch: &mut SendBatch) -> bool {
        if !self.control.drain(batch) {
            return true;
        }
        self.poll_fan_out(now, batch)
    }

    /// The next event. Traces come last, so that they delay no other.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events
            .pop_front()
            .or_else(|| Some(Event::Trace(Box::new(self.traces.poll()?))))
    }

    pub(crate) fn random_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }
}
