//! Whatever happens in whatever order: no panic, one reply per request, nothing left behind.

use plenum_params::{
    event::{Event, Layers},
    media::MediaKind,
    transport::DtlsState,
};
use proptest::prelude::*;

use super::{worker::Failure, *};

/// One thing that happens; numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Happening {
    Answer,
    ClientAnswer(usize, bool),
    Connect(usize),
    Demand(usize, Vec<bool>),
    Disconnect(usize),
    Request(usize, usize, usize),
    TransportFails(usize),
    WorkerFails(Failure),
}

fn happening() -> impl Strategy<Value = Happening> {
    let number = 0..64_usize;
    let failure = prop_oneof![
        Just(Failure::LostAfter),
        Just(Failure::LostBefore),
        Just(Failure::Not),
        Just(Failure::Refused)
    ];
    prop_oneof![
        8 => Just(Happening::Answer),
        4 => (number.clone(), any::<bool>()).prop_map(|(ask, accepted)| Happening::ClientAnswer(ask, accepted)),
        3 => number.clone().prop_map(Happening::Connect),
        2 => (number.clone(), prop::collection::vec(any::<bool>(), 0..3))
            .prop_map(|(producer, encodings)| Happening::Demand(producer, encodings)),
        1 => number.clone().prop_map(Happening::Disconnect),
        16 => (number.clone(), 0..REQUESTS, number.clone())
            .prop_map(|(session, what, which)| Happening::Request(session, what, which)),
        1 => number.prop_map(Happening::TransportFails),
        1 => failure.prop_map(Happening::WorkerFails),
    ]
}

fn pick<T: Copy>(list: &[T], index: usize) -> Option<T> {
    list.get(index % list.len().max(1)).copied()
}

const REQUESTS: usize = 23;

/// Mostly one of the session's own, sometimes anybody's.
fn choose<T: Copy>(all: &[(T, SessionId)], session: SessionId, which: usize) -> Option<T> {
    let own: Vec<_> = all.iter().filter(|(_, owner)| *owner == session).collect();
    let anybody = which.is_multiple_of(8);
    match pick(&own, which) {
        Some((id, _)) if !anybody => Some(*id),
        _ => pick(all, which).map(|(id, _)| id),
    }
}

/// One of [`REQUESTS`] sorts of requests; `None` if there is no object for it.
fn request(room: &Room, session: SessionId, what: usize, which: usize) -> Option<PeerRequest> {
    let transports: Vec<_> = room
        .transports
        .iter()
        .map(|(id, it)| (*id, it.session))
        .collect();
    let producers: Vec<_> = room
        .producers
        .iter()
        .map(|(id, it)| (*id, it.session))
        .collect();
    let consumers: Vec<_> = room
        .consumers
        .iter()
        .map(|(id, it)| (*id, it.session))
        .collect();
    let transport = || choose(&transports, session, which);
    let producer = || choose(&producers, session, which);
    let consumer = || choose(&consumers, session, which);
    Some(match what {
        0 => PeerRequest::GetRouterRtpCapabilities,
        1..=3 => PeerRequest::CreateWebRtcTransport {
            producing: which.is_multiple_of(2),
            consuming: !which.is_multiple_of(2),
            force_tcp: which == 63,
        },
        4 => PeerRequest::ConnectWebRtcTransport {
            transport: transport()?,
            dtls: dtls(),
        },
        5 => PeerRequest::RestartIce {
            transport: transport()?,
        },
        6 => clients::join("somebody"),
        7..=8 => clients::produce(transport()?),
        9 => PeerRequest::Produce {
            transport: transport()?,
            kind: MediaKind::Audio,
            rtp_parameters: clients::vp9(),
            app_data: serde_json::Map::new(),
            paused: true,
            wish: producer(),
        },
        10 => PeerRequest::CloseProducer {
            producer: producer()?,
        },
        11 => PeerRequest::PauseProducer {
            producer: producer()?,
        },
        12 => PeerRequest::ResumeProducer {
            producer: producer()?,
        },
        13 => PeerRequest::PauseConsumer {
            consumer: consumer()?,
        },
        14 => PeerRequest::ResumeConsumer {
            consumer: consumer()?,
        },
        15 => PeerRequest::RequestConsumerKeyFrame {
            consumer: consumer()?,
        },
        16 => PeerRequest::GetTransportStats {
            transport: transport()?,
        },
        17 => PeerRequest::GetProducerStats {
            producer: producer()?,
        },
        18 => PeerRequest::GetConsumerStats {
            consumer: consumer()?,
        },
        19 => PeerRequest::ChangeDisplayName {
            display_name: which.to_string(),
        },
        20 => PeerRequest::SetConsumerPreferredLayers {
            consumer: consumer()?,
            layers: Layers {
                spatial: which as u8,
                temporal: which.is_multiple_of(2).then_some(0),
            },
        },
        21 => PeerRequest::SetConsumerPriority {
            consumer: consumer()?,
            priority: which as u8,
        },
        _ => PeerRequest::ProduceData,
    })
}

fn happen(world: &mut World, next_session: &mut u64, happening: &Happening) {
    let sessions: Vec<_> = world.live.iter().copied().collect();
    match happening.clone() {
        Happening::Answer => {
            world.answer_one();
        }
        Happening::ClientAnswer(index, accepted) => {
            let asks: Vec<_> = world.room.asks.keys().copied().collect();
            if let Some(ask) = pick(&asks, index) {
                world.handle(Command::ClientAnswer { ask, accepted });
            }
        }
        Happening::Connect(index) => {
            *next_session += 1;
            world.connect(*next_session, ["a", "b", "c", "d"][index % 4]);
        }
        Happening::Demand(index, encodings) => {
            if let Some(producer) = pick(&world.room.dump().producers, index) {
                world.event(Event::ProducerDemand {
                    producer,
                    encodings,
                });
            }
        }
        Happening::Disconnect(index) => {
            if let Some(session) = pick(&sessions, index) {
                world.disconnect(session);
            }
        }
        Happening::Request(index, what, which) => {
            let body = |session| Some((session, request(&world.room, session, what, which)?));
            if let Some((session, body)) = pick(&sessions, index).and_then(body) {
                world.send(session, body);
            }
        }
        Happening::TransportFails(index) => {
            if let Some(transport) = pick(&world.room.dump().transports, index) {
                world.event(Event::DtlsState {
                    transport,
                    state: DtlsState::Failed,
                });
            }
        }
        Happening::WorkerFails(failure) => world.worker.failures.push(failure),
    }
}

/// The room's books and the worker's must tell the same story once every answer has arrived.
fn compare(world: &World) {
    let dump = world.room.dump();
    assert!(dump.transports.iter().eq(world.worker.transports.keys()));
    assert!(dump.producers.iter().eq(world.worker.producers.keys()));
    assert!(dump.consumers.iter().eq(world.worker.consumers.keys()));
    for consumer in world.room.consumers.values() {
        assert!(world.room.transports[&consumer.transport].session == consumer.session);
        assert!(world.room.producers[&consumer.producer].session != consumer.session);
    }
    for (id, producer) in &world.room.producers {
        let mut owners: Vec<_> = producer
            .consumers
            .iter()
            .map(|consumer| world.room.consumers[consumer].session)
            .collect();
        owners.sort_unstable();
        owners.dedup();
        assert_eq!(
            owners.len(),
            producer.consumers.len(),
            "one consumer per peer"
        );
        assert!(
            world.room.transports[&producer.transport]
                .producers
                .contains(id)
        );
    }
}

proptest! {
    #[test]
    fn nothing_is_left_behind_and_every_request_is_answered_once(
        happenings in prop::collection::vec(happening(), 0..160),
    ) {
        let mut world = World::new();
        for (session, peer) in [(1, "a"), (2, "b")] {
            let joined = world.join(session, peer);
            world.produce(joined);
        }
        let mut next_session = 2;
        for happening in happenings {
            happen(&mut world, &mut next_session, &happening);
        }
        world.worker.failures.clear();
        world.run_worker();
        prop_assert!(world.unanswered.is_empty(), "{:?}", world.unanswered);
        compare(&world);

        let sessions: Vec<_> = world.live.iter().copied().collect();
        world.effects.clear();
        for session in &sessions {
            world.disconnect(*session);
        }
        world.run_worker();
        let nothing = RoomDump {
            places: vec![PlaceId::FIRST],
            ..RoomDump::default()
        };
        prop_assert_eq!(world.room.dump(), nothing);
        prop_assert!(world.worker.holds_no_media());
        let empty = world.rest().iter().filter(|effect| **effect == Effect::RoomEmpty).count();
        prop_assert_eq!(empty, usize::from(!sessions.is_empty()));
        world.handle(Command::Close);
        prop_assert!(world.worker.routers.is_empty());
    }
}
