//! Which room a media object belongs to: workers' events name only the object. A producer that is piped has the same
//! identifier at each worker, so that an object is known by its worker, too.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, RtpObserverId, TransportId,
    WorkerId,
};
use plenum_ipc::{Event, Request};

/// A media object of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ObjectId {
    Consumer(ConsumerId),
    DataConsumer(DataConsumerId),
    DataProducer(DataProducerId),
    Observer(RtpObserverId),
    Producer(ProducerId),
    Router(RouterId),
    Transport(TransportId),
}

/// All media objects of a node's rooms, with `R` as whatever leads to their owner. Closing an object forgets what is
/// under it, as workers do.
#[derive(Debug)]
pub(crate) struct Objects<R> {
    entries: Mutex<HashMap<Key, Entry<R>>>,
}

/// Parents and children are at the same worker.
type Key = (WorkerId, ObjectId);

#[derive(Debug)]
struct Entry<R> {
    /// `None`: its events are for nobody.
    owner: Option<R>,
    parents: Vec<ObjectId>,
    children: HashSet<ObjectId>,
}

impl<R: Clone> Objects<R> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Mutex::new(HashMap::new()),
        }
    }

    /// Follows a request of a room on its way to the worker.
    pub(crate) fn note(&self, owner: &R, worker: WorkerId, request: &Request) {
        use ObjectId::{
            Consumer, DataConsumer, DataProducer, Observer, Producer, Router, Transport,
        };
        let insert = |id, parents| self.insert(Some(owner), worker, id, parents);
        match request {
            Request::CreateRouter { router } => insert(Router(*router), Vec::new()),
            Request::CreateWebRtcTransport {
                router, transport, ..
            }
            | Request::CreatePlainTransport {
                router, transport, ..
            } => insert(Transport(*transport), vec![Router(*router)]),
            Request::Produce {
                transport,
                producer,
                ..
            } => insert(Producer(*producer), vec![Transport(*transport)]),
            Request::PipeProduce {
                trunk,
                router,
                producer,
                ..
            } => insert(
                Producer(*producer),
                vec![Router(*router), Transport(*trunk)],
            ),
            Request::PipeConsume {
                trunk,
                consumer,
                producer,
                ..
            } => {
                let parents = vec![Transport(*trunk), Producer(*producer)];
                self.insert(None, worker, Consumer(*consumer), parents);
            }
            Request::Consume {
                transport,
                consumer,
                producer,
                ..
            } => insert(
                Consumer(*consumer),
                vec![Transport(*transport), Producer(*producer)],
            ),
            Request::CreateDirectTransport { router, transport } => {
                insert(Transport(*transport), vec![Router(*router)]);
            }
            Request::ProduceData {
                transport,
                data_producer,
                ..
            } => insert(DataProducer(*data_producer), vec![Transport(*transport)]),
            Request::PipeProduceData {
                trunk,
                router,
                data_producer,
                ..
            } => insert(
                DataProducer(*data_producer),
                vec![Router(*router), Transport(*trunk)],
            ),
            Request::PipeConsumeData {
                trunk,
                data_consumer,
                data_producer,
                ..
            } => {
                let parents = vec![Transport(*trunk), DataProducer(*data_producer)];
                self.insert(None, worker, DataConsumer(*data_consumer), parents);
            }
            Request::ConsumeData {
                transport,
                data_consumer,
                data_producer,
                ..
            } => insert(
                DataConsumer(*data_consumer),
                vec![Transport(*transport), DataProducer(*data_producer)],
            ),
            Request::CreateAudioLevelObserver {
                router, observer, ..
            }
            | Request::CreateActiveSpeakerObserver {
                router, observer, ..
            } => insert(Observer(*observer), vec![Router(*router)]),
            Request::CloseDataProducer { data_producer } => {
                self.remove(worker, DataProducer(*data_producer));
            }
            Request::CloseDataConsumer { data_consumer } => {
                self.remove(worker, DataConsumer(*data_consumer));
            }
            Request::CloseObserver { observer } => self.remove(worker, Observer(*observer)),
            Request::CloseRouter { router } => self.remove(worker, Router(*router)),
            Request::CloseTransport { transport } => self.remove(worker, Transport(*transport)),
            Request::CloseProducer { producer } => self.remove(worker, Producer(*producer)),
            Request::CloseConsumer { consumer } => self.remove(worker, Consumer(*consumer)),
            _ => {}
        }
    }

    /// A worker refused to make what a request asked for. It may never be closed, as it never was. Routers stay: their
    /// room ends, and then they are forgotten with everything under them.
    pub(crate) fn forget_refused(&self, worker: WorkerId, request: &Refusable) {
        self.remove(worker, request.0);
    }

    /// Whom an event of a worker is for.
    pub(crate) fn owner_of(&self, worker: WorkerId, event: &Event) -> Option<R> {
        let id = match event {
            Event::IceState { transport, .. }
            | Event::DtlsState { transport, .. }
            | Event::MediaStarted { transport }
            | Event::SctpState { transport, .. } => ObjectId::Transport(*transport),
            Event::DataConsumerBufferedAmountLow { data_consumer, .. }
            | Event::DataConsumerBufferFull { data_consumer } => {
                ObjectId::DataConsumer(*data_consumer)
            }
            Event::Volumes { observer, .. }
            | Event::Silence { observer }
            | Event::DominantSpeaker { observer, .. } => ObjectId::Observer(*observer),
            Event::ProducerScore { producer, .. } | Event::ProducerDemand { producer, .. } => {
                ObjectId::Producer(*producer)
            }
            Event::ConsumerScore { consumer, .. } | Event::ConsumerLayers { consumer, .. } => {
                ObjectId::Consumer(*consumer)
            }
            _ => return None,
        };
        self.owner(worker, id)
    }

    /// Whom a message is for that a data consumer has brought to the node.
    pub(crate) fn reader(&self, worker: WorkerId, data_consumer: DataConsumerId) -> Option<R> {
        self.owner(worker, ObjectId::DataConsumer(data_consumer))
    }

    fn owner(&self, worker: WorkerId, id: ObjectId) -> Option<R> {
        let entries = self.lock();
        entries.get(&(worker, id))?.owner.clone()
    }

    /// A trunk of its own to a worker of another node.
    pub(crate) fn note_trunk(&self, worker: WorkerId, trunk: TransportId) {
        self.insert(None, worker, ObjectId::Transport(trunk), Vec::new());
    }

    /// Forgets such a trunk with all that is on it.
    pub(crate) fn forget_trunk(&self, worker: WorkerId, trunk: TransportId) {
        self.remove(worker, ObjectId::Transport(trunk));
    }

    /// Whether no pipe is on such a trunk, as far as rooms have asked for any.
    pub(crate) fn is_unused(&self, worker: WorkerId, trunk: TransportId) -> bool {
        let entries = self.lock();
        let entry = entries.get(&(worker, ObjectId::Transport(trunk)));
        entry.is_none_or(|entry| entry.children.is_empty())
    }

    /// Forgets a router and everything in it.
    pub(crate) fn forget(&self, worker: WorkerId, router: RouterId) {
        self.remove(worker, ObjectId::Router(router));
    }

    fn insert(&self, owner: Option<&R>, worker: WorkerId, id: ObjectId, parents: Vec<ObjectId>) {
        let mut entries = self.lock();
        // A producer keeps its identifier when its room moves, perhaps back here: the earlier one, which is about to go,
        // must not take it along.
        if let Some(earlier) = entries.remove(&(worker, id)) {
            for parent in &earlier.parents {
                if let Some(parent) = entries.get_mut(&(worker, *parent)) {
                    parent.children.remove(&id);
                }
            }
        }
        for parent in &parents {
            if let Some(parent) = entries.get_mut(&(worker, *parent)) {
                parent.children.insert(id);
            }
        }
        entries.insert(
            (worker, id),
            Entry {
                owner: owner.cloned(),
                parents,
                children: HashSet::new(),
            },
        );
    }

    fn remove(&self, worker: WorkerId, id: ObjectId) {
        let mut entries = self.lock();
        let mut going = vec![id];
        while let Some(id) = going.pop() {
            let Some(entry) = entries.remove(&(worker, id)) else {
                continue;
            };
            for parent in &entry.parents {
                if let Some(parent) = entries.get_mut(&(worker, *parent)) {
                    parent.children.remove(&id);
                }
            }
            going.extend(entry.children);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry<R>>> {
        // Every change leaves a whole map, whatever panics in between.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An object that a worker may refuse to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusable(ObjectId);

impl Refusable {
    /// What a request makes, if anything.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let id = match request {
            Request::CreateWebRtcTransport { transport, .. }
            | Request::CreatePlainTransport { transport, .. } => ObjectId::Transport(*transport),
            Request::Produce { producer, .. } | Request::PipeProduce { producer, .. } => {
                ObjectId::Producer(*producer)
            }
            Request::Consume { consumer, .. } | Request::PipeConsume { consumer, .. } => {
                ObjectId::Consumer(*consumer)
            }
            Request::ProduceData { data_producer, .. }
            | Request::PipeProduceData { data_producer, .. } => {
                ObjectId::DataProducer(*data_producer)
            }
            Request::ConsumeData { data_consumer, .. }
            | Request::PipeConsumeData { data_consumer, .. } => {
                ObjectId::DataConsumer(*data_consumer)
            }
            _ => return None,
        };
        Some(Self(id))
    }
}

#[cfg(test)]
mod tests;
