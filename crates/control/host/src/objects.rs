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
mod tests {
    use plenum_params::{
        event::ConsumerScore,
        media::{MediaKind, ReceiveParameters, SendParameters},
        transport::{IceState, WebRtcTransportOptions},
    };

    use super::*;

    const W: WorkerId = WorkerId(3);

    fn router(n: u128) -> Request {
        Request::CreateRouter {
            router: RouterId::from_u128(n),
        }
    }

    fn transport(n: u128, router: u128) -> Request {
        Request::CreateWebRtcTransport {
            router: RouterId::from_u128(router),
            transport: TransportId::from_u128(n),
            options: WebRtcTransportOptions::default(),
        }
    }

    fn producer(n: u128, transport: u128) -> Request {
        Request::Produce {
            transport: TransportId::from_u128(transport),
            producer: ProducerId::from_u128(n),
            parameters: ReceiveParameters {
                kind: MediaKind::Audio,
                mid: None,
                codecs: Vec::new(),
                extensions: Vec::new(),
                encodings: Vec::new(),
                cname: String::new(),
            },
            paused: false,
        }
    }

    fn ice(n: u128) -> Event {
        Event::IceState {
            transport: TransportId::from_u128(n),
            state: IceState::Connected,
            tuple: None,
        }
    }

    fn demand(n: u128) -> Event {
        Event::ProducerDemand {
            producer: ProducerId::from_u128(n),
            encodings: vec![true],
        }
    }

    fn score(n: u128) -> Event {
        Event::ProducerScore {
            producer: ProducerId::from_u128(n),
            scores: Vec::new(),
        }
    }

    #[test]
    fn events_lead_to_the_room_until_the_object_or_its_parent_closes() {
        let objects = Objects::new();
        objects.note(&"a", W, &router(10));
        objects.note(&"b", W, &router(20));
        objects.note(&"a", W, &transport(1, 10));
        objects.note(&"b", W, &transport(2, 20));
        objects.note(&"a", W, &producer(3, 1));
        objects.note(&"a", W, &producer(4, 1));
        assert_eq!(objects.owner_of(W, &ice(2)), Some("b"));
        assert_eq!(objects.owner_of(W, &score(3)), Some("a"));
        assert_eq!(objects.owner_of(W, &demand(3)), Some("a"));
        objects.note(
            &"a",
            W,
            &Request::CloseProducer {
                producer: ProducerId::from_u128(3),
            },
        );
        assert_eq!(objects.owner_of(W, &score(3)), None);
        assert_eq!(objects.owner_of(W, &demand(3)), None);
        assert_eq!(objects.owner_of(W, &score(4)), Some("a"));
        objects.note(
            &"a",
            W,
            &Request::CloseTransport {
                transport: TransportId::from_u128(1),
            },
        );
        assert_eq!(objects.owner_of(W, &score(4)), None);
        assert_eq!(objects.owner_of(W, &ice(1)), None);
        objects.forget(W, RouterId::from_u128(20));
        assert_eq!(objects.owner_of(W, &ice(2)), None);
        objects.note(
            &"a",
            W,
            &Request::CloseRouter {
                router: RouterId::from_u128(10),
            },
        );
        assert!(objects.lock().is_empty());
    }

    #[test]
    fn a_producer_may_be_at_two_workers() {
        let objects = Objects::new();
        let (origin, beyond) = (WorkerId(0), WorkerId(1));
        objects.note(&"origin", origin, &producer(3, 1));
        objects.note(&"beyond", beyond, &producer(3, 2));
        assert_eq!(objects.owner_of(origin, &demand(3)), Some("origin"));
        assert_eq!(objects.owner_of(beyond, &demand(3)), Some("beyond"));
        let close = Request::CloseProducer {
            producer: ProducerId::from_u128(3),
        };
        objects.note(&"beyond", beyond, &close);
        assert_eq!(objects.owner_of(origin, &demand(3)), Some("origin"));
        assert_eq!(objects.owner_of(beyond, &demand(3)), None);
    }

    #[test]
    fn what_a_worker_refused_to_make_is_forgotten() {
        let objects = Objects::new();
        objects.note(&"a", W, &router(10));
        objects.note(&"a", W, &transport(1, 10));
        for n in 2..1000 {
            let request = producer(n, 1);
            objects.note(&"a", W, &request);
            let refused = Refusable::of(&request).expect("makes a producer");
            objects.forget_refused(W, &refused);
            assert_eq!(objects.lock().len(), 2);
        }
        assert!(Refusable::of(&router(10)).is_none());
        let lives = |entry: &Entry<&str>| entry.children.is_empty();
        assert!(lives(
            &objects.lock()[&(W, ObjectId::Transport(TransportId::from_u128(1)))]
        ));
    }

    #[test]
    fn a_consumer_ends_with_its_producer_or_its_transport() {
        let objects = Objects::new();
        let consumer = ConsumerId::from_u128(9);
        let event = Event::ConsumerScore {
            consumer,
            score: ConsumerScore::default(),
        };
        for closing in [
            Request::CloseProducer {
                producer: ProducerId::from_u128(3),
            },
            Request::CloseTransport {
                transport: TransportId::from_u128(2),
            },
            Request::CloseConsumer { consumer },
        ] {
            objects.note(&"a", W, &transport(1, 10));
            objects.note(&"a", W, &transport(2, 10));
            objects.note(&"a", W, &producer(3, 1));
            objects.insert(
                Some(&"a"),
                W,
                ObjectId::Consumer(consumer),
                vec![
                    ObjectId::Transport(TransportId::from_u128(2)),
                    ObjectId::Producer(ProducerId::from_u128(3)),
                ],
            );
            assert_eq!(objects.owner_of(W, &event), Some("a"));
            objects.note(&"a", W, &closing);
            assert_eq!(objects.owner_of(W, &event), None, "{closing:?}");
            let children = |entries: &HashMap<_, Entry<_>>| {
                entries.values().any(|entry: &Entry<&str>| {
                    entry.children.contains(&ObjectId::Consumer(consumer))
                })
            };
            assert!(!children(&objects.lock()));
        }
    }

    #[test]
    fn messages_and_speakers_lead_to_the_room_until_what_they_come_from_closes() {
        let objects = Objects::new();
        let (written, read) = (DataProducerId::from_u128(1), DataConsumerId::from_u128(2));
        let observer = RtpObserverId::from_u128(3);
        let direct = TransportId::from_u128(4);
        let router_id = RouterId::from_u128(10);
        let silence = Event::Silence { observer };
        for closing in [
            Request::CloseDataProducer {
                data_producer: written,
            },
            Request::CloseDataConsumer {
                data_consumer: read,
            },
            Request::CloseTransport { transport: direct },
            Request::CloseRouter { router: router_id },
        ] {
            objects.note(&"a", W, &router(10));
            objects.note(&"a", W, &transport(1, 10));
            for request in [
                Request::CreateDirectTransport {
                    router: router_id,
                    transport: direct,
                },
                Request::ProduceData {
                    transport: TransportId::from_u128(1),
                    data_producer: written,
                    stream: None,
                    paused: false,
                },
                Request::ConsumeData {
                    transport: direct,
                    data_consumer: read,
                    data_producer: written,
                    stream: None,
                    subchannels: Vec::new(),
                    paused: false,
                },
                Request::CreateActiveSpeakerObserver {
                    router: router_id,
                    observer,
                    interval_ms: 300,
                },
            ] {
                objects.note(&"a", W, &request);
            }
            assert_eq!(objects.reader(W, read), Some("a"));
            assert_eq!(objects.owner_of(W, &silence), Some("a"));
            objects.note(&"a", W, &closing);
            assert_eq!(objects.reader(W, read), None, "{closing:?}");
        }
        assert_eq!(objects.owner_of(W, &silence), None);
        assert!(objects.lock().is_empty());
    }

    #[test]
    fn a_trunk_is_in_use_as_long_as_a_pipe_is_on_it_however_that_ends() {
        let objects = Objects::new();
        let (trunk, origin) = (TransportId::from_u128(9), ProducerId::from_u128(3));
        let (far, consumer) = (ProducerId::from_u128(5), ConsumerId::from_u128(6));
        let codecs = || match producer(0, 0) {
            Request::Produce { parameters, .. } => parameters,
            _ => unreachable!("made above"),
        };
        let consume = Request::PipeConsume {
            trunk,
            consumer,
            producer: origin,
            stream: 0,
            parameters: SendParameters {
                kind: MediaKind::Audio,
                mid: None,
                codecs: Vec::new(),
                extensions: Vec::new(),
                ssrc: 1,
                rtx_ssrc: None,
                cname: String::new(),
            },
            paused: true,
        };
        let produce = Request::PipeProduce {
            trunk,
            router: RouterId::from_u128(10),
            producer: far,
            parameters: codecs(),
            paused: false,
        };
        objects.note(&"a", W, &router(10));
        objects.note(&"a", W, &transport(1, 10));
        objects.note_trunk(W, trunk);
        assert!(objects.is_unused(W, trunk));
        for (pipe, ends) in [
            (&consume, Request::CloseConsumer { consumer }),
            (&consume, Request::CloseProducer { producer: origin }),
            (&produce, Request::CloseProducer { producer: far }),
        ] {
            objects.note(&"a", W, &producer(3, 1));
            objects.note(&"a", W, pipe);
            assert!(!objects.is_unused(W, trunk));
            objects.note(&"a", W, &ends);
            assert!(objects.is_unused(W, trunk), "{ends:?}");
        }
        for pipe in [&consume, &produce] {
            objects.note(&"a", W, &producer(3, 1));
            objects.note(&"a", W, pipe);
            let refused = Refusable::of(pipe).expect("makes something");
            objects.forget_refused(W, &refused);
            assert!(objects.is_unused(W, trunk));
        }
        objects.note(&"a", W, &consume);
        objects.note(&"a", W, &produce);
        // Of what only serves to send it on nobody hears.
        let event = Event::ConsumerScore {
            consumer,
            score: ConsumerScore::default(),
        };
        assert_eq!(objects.owner_of(W, &event), None);
        assert_eq!(objects.owner_of(W, &score(5)), Some("a"));
        objects.forget(W, RouterId::from_u128(10));
        assert!(objects.is_unused(W, trunk));
        objects.note(&"a", W, &produce);
        objects.forget_trunk(W, trunk);
        assert!(objects.lock().is_empty());
    }
}
