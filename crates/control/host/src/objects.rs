//! Which room a media object belongs to: workers' events name only the object.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_ipc::{Event, Request};

/// A media object of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ObjectId {
    Consumer(ConsumerId),
    Producer(ProducerId),
    Router(RouterId),
    Transport(TransportId),
}

/// All media objects of a node's rooms, with `R` as whatever leads to the room. Closing an object forgets what is
/// under it, as workers do.
#[derive(Debug)]
pub(crate) struct Objects<R> {
    entries: Mutex<HashMap<ObjectId, Entry<R>>>,
}

#[derive(Debug)]
struct Entry<R> {
    room: R,
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
    pub(crate) fn note(&self, room: &R, request: &Request) {
        use ObjectId::{Consumer, Producer, Router, Transport};
        match request {
            Request::CreateRouter { router } => self.insert(room, Router(*router), Vec::new()),
            Request::CreateWebRtcTransport {
                router, transport, ..
            } => self.insert(room, Transport(*transport), vec![Router(*router)]),
            Request::Produce {
                transport,
                producer,
                ..
            } => self.insert(room, Producer(*producer), vec![Transport(*transport)]),
            Request::Consume {
                transport,
                consumer,
                producer,
                ..
            } => self.insert(
                room,
                Consumer(*consumer),
                vec![Transport(*transport), Producer(*producer)],
            ),
            Request::CloseRouter { router } => self.remove(Router(*router)),
            Request::CloseTransport { transport } => self.remove(Transport(*transport)),
            Request::CloseProducer { producer } => self.remove(Producer(*producer)),
            Request::CloseConsumer { consumer } => self.remove(Consumer(*consumer)),
            _ => {}
        }
    }

    /// A worker refused to make what a request asked for. It may never be closed, as it never was. Routers stay: their
    /// room ends, and then they are forgotten with everything under them.
    pub(crate) fn forget_refused(&self, request: &Refusable) {
        self.remove(request.0);
    }

    /// The room that an event is for.
    pub(crate) fn room_of(&self, event: &Event) -> Option<R> {
        let id = match event {
            Event::IceState { transport, .. } | Event::DtlsState { transport, .. } => {
                ObjectId::Transport(*transport)
            }
            Event::ProducerScore { producer, .. } | Event::ProducerDemand { producer, .. } => {
                ObjectId::Producer(*producer)
            }
            Event::ConsumerScore { consumer, .. } | Event::ConsumerLayers { consumer, .. } => {
                ObjectId::Consumer(*consumer)
            }
            _ => return None,
        };
        self.lock().get(&id).map(|entry| entry.room.clone())
    }

    /// Forgets a router and everything in it.
    pub(crate) fn forget(&self, router: RouterId) {
        self.remove(ObjectId::Router(router));
    }

    fn insert(&self, room: &R, id: ObjectId, parents: Vec<ObjectId>) {
        let mut entries = self.lock();
        for parent in &parents {
            if let Some(parent) = entries.get_mut(parent) {
                parent.children.insert(id);
            }
        }
        entries.insert(
            id,
            Entry {
                room: room.clone(),
                parents,
                children: HashSet::new(),
            },
        );
    }

    fn remove(&self, id: ObjectId) {
        let mut entries = self.lock();
        let mut going = vec![id];
        while let Some(id) = going.pop() {
            let Some(entry) = entries.remove(&id) else {
                continue;
            };
            for parent in &entry.parents {
                if let Some(parent) = entries.get_mut(parent) {
                    parent.children.remove(&id);
                }
            }
            going.extend(entry.children);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectId, Entry<R>>> {
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
            Request::CreateWebRtcTransport { transport, .. } => ObjectId::Transport(*transport),
            Request::Produce { producer, .. } => ObjectId::Producer(*producer),
            Request::Consume { consumer, .. } => ObjectId::Consumer(*consumer),
            _ => return None,
        };
        Some(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use plenum_params::{
        event::ConsumerScore,
        media::{MediaKind, ReceiveParameters},
        transport::{IceState, WebRtcTransportOptions},
    };

    use super::*;

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
        objects.note(&"a", &router(10));
        objects.note(&"b", &router(20));
        objects.note(&"a", &transport(1, 10));
        objects.note(&"b", &transport(2, 20));
        objects.note(&"a", &producer(3, 1));
        objects.note(&"a", &producer(4, 1));
        assert_eq!(objects.room_of(&ice(2)), Some("b"));
        assert_eq!(objects.room_of(&score(3)), Some("a"));
        assert_eq!(objects.room_of(&demand(3)), Some("a"));
        objects.note(
            &"a",
            &Request::CloseProducer {
                producer: ProducerId::from_u128(3),
            },
        );
        assert_eq!(objects.room_of(&score(3)), None);
        assert_eq!(objects.room_of(&demand(3)), None);
        assert_eq!(objects.room_of(&score(4)), Some("a"));
        objects.note(
            &"a",
            &Request::CloseTransport {
                transport: TransportId::from_u128(1),
            },
        );
        assert_eq!(objects.room_of(&score(4)), None);
        assert_eq!(objects.room_of(&ice(1)), None);
        objects.forget(RouterId::from_u128(20));
        assert_eq!(objects.room_of(&ice(2)), None);
        objects.note(
            &"a",
            &Request::CloseRouter {
                router: RouterId::from_u128(10),
            },
        );
        assert!(objects.lock().is_empty());
    }

    #[test]
    fn what_a_worker_refused_to_make_is_forgotten() {
        let objects = Objects::new();
        objects.note(&"a", &router(10));
        objects.note(&"a", &transport(1, 10));
        for n in 2..1000 {
            let request = producer(n, 1);
            objects.note(&"a", &request);
            let refused = Refusable::of(&request).expect("makes a producer");
            objects.forget_refused(&refused);
            assert_eq!(objects.lock().len(), 2);
        }
        assert!(Refusable::of(&router(10)).is_none());
        let lives = |entry: &Entry<&str>| entry.children.is_empty();
        assert!(lives(
            &objects.lock()[&ObjectId::Transport(TransportId::from_u128(1))]
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
            objects.note(&"a", &transport(1, 10));
            objects.note(&"a", &transport(2, 10));
            objects.note(&"a", &producer(3, 1));
            objects.insert(
                &"a",
                ObjectId::Consumer(consumer),
                vec![
                    ObjectId::Transport(TransportId::from_u128(2)),
                    ObjectId::Producer(ProducerId::from_u128(3)),
                ],
            );
            assert_eq!(objects.room_of(&event), Some("a"));
            objects.note(&"a", &closing);
            assert_eq!(objects.room_of(&event), None, "{closing:?}");
            let children = |entries: &HashMap<_, Entry<_>>| {
                entries.values().any(|entry: &Entry<&str>| {
                    entry.children.contains(&ObjectId::Consumer(consumer))
                })
            };
            assert!(!children(&objects.lock()));
        }
    }
}
