//! What leads to the rooms, and what is forgotten.

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
            entries
                .values()
                .any(|entry: &Entry<&str>| entry.children.contains(&ObjectId::Consumer(consumer)))
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
