//! Whatever happens in whatever order: no panic, one reply per request, nothing left behind.

pub(super) mod deciding;

use plenum_params::{
    event::{Event, Layers},
    media::MediaKind,
    transport::DtlsState,
};
use proptest::prelude::*;

use super::{
    super::{away::AWAY_TIME, remote::Sink},
    worker::Failure,
    *,
};
use deciding::{CHOICES, DECISIONS};

/// One thing that happens; numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Administer(usize, usize),
    Answer,
    ClientAnswer(usize, bool),
    Connect(usize, usize, bool),
    Demand(usize, Vec<bool>, usize),
    Disconnect(usize),
    Hear(usize, Vec<(usize, i8)>, bool),
    LateGoodbye(usize),
    Later(u64),
    PlaceLost(usize),
    Say(usize),
    Request(usize, usize, usize),
    TransportFails(usize),
    WorkerFails(Failure, usize),
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    let number = 0..64_usize;
    let failure = prop_oneof![
        Just(Failure::LostAfter),
        Just(Failure::LostBefore),
        Just(Failure::Not),
        Just(Failure::Refused)
    ];
    prop_oneof![
        2 => (0..DECISIONS, number.clone()).prop_map(|(what, which)| Happening::Administer(what, which)),
        8 => Just(Happening::Answer),
        4 => (number.clone(), any::<bool>()).prop_map(|(ask, accepted)| Happening::ClientAnswer(ask, accepted)),
        4 => (number.clone(), number.clone(), any::<bool>())
            .prop_map(|(peer, place, joins)| Happening::Connect(peer, place, joins)),
        2 => (number.clone(), prop::collection::vec(any::<bool>(), 0..3), number.clone())
            .prop_map(|(producer, encodings, place)| Happening::Demand(producer, encodings, place)),
        2 => (number.clone(), prop::collection::vec((number.clone(), -127..0_i8), 0..4), any::<bool>())
            .prop_map(|(place, volumes, dominant)| Happening::Hear(place, volumes, dominant)),
        1 => number.clone().prop_map(Happening::LateGoodbye),
        2 => (1..12_u64).prop_map(Happening::Later),
        2 => number.clone().prop_map(Happening::PlaceLost),
        1 => number.clone().prop_map(Happening::Say),
        1 => number.clone().prop_map(Happening::Disconnect),
        16 => (number.clone(), 0..REQUESTS, number.clone())
            .prop_map(|(session, what, which)| Happening::Request(session, what, which)),
        1 => number.clone().prop_map(Happening::TransportFails),
        3 => (failure, number).prop_map(|(failure, place)| Happening::WorkerFails(failure, place)),
    ]
}

pub(super) fn pick<T: Copy>(list: &[T], index: usize) -> Option<T> {
    list.get(index % list.len().max(1)).copied()
}

const REQUESTS: usize = MEDIA + CHOICES + DECISIONS;

const MEDIA: usize = 29;

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
    let written = room.data_producers.iter();
    let written: Vec<_> = written
        .filter_map(|(id, it)| Some((*id, it.session?)))
        .collect();
    let read = room.data_consumers.iter();
    let read: Vec<_> = read.map(|(id, it)| (*id, it.session)).collect();
    let transport = || choose(&transports, session, which);
    let producer = || choose(&producers, session, which);
    let consumer = || choose(&consumers, session, which);
    Some(match what {
        0 => PeerRequest::GetRouterRtpCapabilities,
        1..=3 => PeerRequest::CreateWebRtcTransport {
            producing: which.is_multiple_of(2),
            consuming: !which.is_multiple_of(2),
            force_tcp: which == 63,
            data: which % 8 < 6,
        },
        4 => PeerRequest::ConnectWebRtcTransport {
            transport: transport()?,
            dtls: dtls(),
        },
        5 => PeerRequest::RestartIce {
            transport: transport()?,
        },
        6 => match which % 3 {
            0 => clients::join("somebody"),
            1 => clients::join_able("somebody"),
            _ => clients::join_able("somebody else"),
        },
        7..=8 => clients::produce(transport()?),
        9 => PeerRequest::Produce {
            transport: transport()?,
            kind: MediaKind::Audio,
            rtp_parameters: clients::vp9(),
            app_data: serde_json::Map::new(),
            paused: true,
            voice: false,
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
        22..=23 => clients::write(transport()?, which as u16, Audience::Everybody),
        24 => clients::write(transport()?, which as u16, Audience::Bot),
        25 => PeerRequest::GetDataProducerStats {
            data_producer: choose(&written, session, which)?,
        },
        26 => PeerRequest::GetDataConsumerStats {
            data_consumer: choose(&read, session, which)?,
        },
        27..MEDIA => clients::speak(transport()?),
        _ if what < MEDIA + CHOICES => {
            return deciding::choice(room, session, what - MEDIA, which);
        }
        _ => {
            let decision = deciding::decision(room, what - MEDIA - CHOICES, which)?;
            return deciding::as_request(decision);
        }
    })
}

pub(super) fn happen(world: &mut World, next_session: &mut u64, happening: &Happening) {
    let sessions: Vec<_> = world.live.iter().copied().collect();
    match happening.clone() {
        Happening::Administer(what, which) => {
            if let Some(command) = deciding::decision(&world.room, what, which) {
                // Most of them are about what is not there.
                let _ = world.administer(command);
            }
        }
        Happening::Answer => {
            world.answer_one();
        }
        Happening::ClientAnswer(index, accepted) => {
            let asks: Vec<_> = world.room.asks.keys().copied().collect();
            if let Some(ask) = pick(&asks, index) {
                world.handle(Command::ClientAnswer { ask, accepted });
            }
        }
        Happening::Connect(index, place, joins) => {
            *next_session += 1;
            // Places are never used again, so that the session's number serves for a new one.
            let mut places = world.room.dump().places;
            if places.len() < 3 {
                places.push(PlaceId(*next_session as u16));
            }
            let place = pick(&places, place).expect("at least one");
            if place != PlaceId::FIRST {
                world.beyond.entry(place).or_default();
            }
            let name = ["a", "b", "c", "d", "e"][index % 5];
            let which = index + *next_session as usize;
            let admission = deciding::admission(name, which);
            let session = world.connect_as(place, *next_session, admission);
            if joins && world.live.contains(&session) {
                world.send(session, deciding::join(which));
            }
        }
        Happening::Demand(index, encodings, place) => {
            if let Some(producer) = pick(&world.room.dump().producers, index) {
                let event = Event::ProducerDemand {
                    producer,
                    encodings,
                };
                let origin = &world.room.producers[&producer];
                let mut places: Vec<_> = origin.pipes.keys().copied().collect();
                places.extend(origin.place);
                if let Some(place) = pick(&places, place) {
                    world.handle(Command::MediaEvent { place, event });
                }
            }
        }
        Happening::Disconnect(index) => {
            if let Some(session) = pick(&sessions, index) {
                world.disconnect(session);
            }
        }
        Happening::Hear(index, volumes, dominant) => hear(world, index, &volumes, dominant),
        Happening::LateGoodbye(index) => {
            let timers = world.room.timers.iter().copied();
            let lost = timers.filter_map(|(_, timer)| match timer {
                Timer::Away(session) => Some(session),
                _ => None,
            });
            if let Some(session) = pick(&lost.collect::<Vec<_>>(), index) {
                world.handle(Command::PeerDisconnected { session });
            }
        }
        Happening::Later(seconds) => {
            world.now += Duration::from_secs(seconds);
            world.handle(Command::Tick);
        }
        Happening::PlaceLost(index) => {
            let places = world.room.dump().places;
            if let Some(place) = pick(&places, index).filter(|_| places.len() > 1) {
                world.lose(place);
            }
        }
        Happening::Request(index, what, which) => {
            let body = |session| Some((session, request(&world.room, session, what, which)?));
            if let Some((session, body)) = pick(&sessions, index).and_then(body) {
                world.send(session, body);
            }
        }
        Happening::Say(index) => {
            let ears: Vec<_> = world.room.ears.keys().copied().collect();
            if let Some(data_consumer) = pick(&ears, index) {
                let text = "hello".to_owned();
                world.handle(Command::Message {
                    data_consumer,
                    text,
                });
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
        Happening::WorkerFails(failure, place) => {
            let mut workers: Vec<_> = world.beyond.values_mut().collect();
            workers.push(&mut world.worker);
            let place = place % workers.len();
            workers[place].failures.push(failure);
        }
    }
}

/// The observers of a place say something, perhaps of producers that they have nothing to do with.
fn hear(world: &mut World, index: usize, volumes: &[(usize, i8)], dominant: bool) {
    let places = world.room.dump().places;
    let Some(place) = pick(&places, index) else {
        return;
    };
    let Some(([levels, dominance], _)) = world.room.speakers.voices_at(place) else {
        return;
    };
    let producers = world.room.dump().producers;
    let loud = volumes.iter();
    let loud: Vec<_> = loud
        .filter_map(|(which, volume)| Some((pick(&producers, *which)?, *volume)))
        .collect();
    let event = match loud.first() {
        Some((producer, _)) if dominant => Event::DominantSpeaker {
            observer: dominance,
            producer: *producer,
        },
        None => Event::Silence { observer: levels },
        Some(_) => Event::Volumes {
            observer: levels,
            volumes: loud,
        },
    };
    world.handle(Command::MediaEvent { place, event });
}

/// The room's books and the workers' must tell the same story once every answer has arrived.
pub(super) fn compare(world: &World) {
    let dump = world.room.dump();
    let nothing = FakeWorker::default();
    for place in &dump.places {
        let worker = match *place {
            PlaceId::FIRST => &world.worker,
            _ => &world.beyond[place],
        };
        compare_place(&world.room, *place, worker);
    }
    if !dump.places.contains(&PlaceId::FIRST) {
        assert!(world.worker.routers == nothing.routers && world.worker.holds_no_media());
    }
    assert!(world.beyond.keys().all(|place| dump.places.contains(place)));
    for consumer in world.room.consumers.values() {
        assert!(world.room.transports[&consumer.transport].session == consumer.session);
    }
    deciding::compare_choices(&world.room);
    compare_data(&world.room);
    for (id, producer) in &world.room.producers {
        let mut owners: Vec<_> = producer.consumers.iter().map(|(owner, _)| *owner).collect();
        owners.dedup();
        assert_eq!(
            owners.len(),
            producer.consumers.len(),
            "one consumer per peer"
        );
        assert!(
            producer.is_far()
                || world.room.transports[&producer.transport.expect("here")]
                    .producers
                    .contains(id)
        );
        let entry = producer.place.filter(|it| producer.pipes.contains_key(it));
        assert_eq!(entry, None);
        for (place, pipe) in &producer.pipes {
            let consumers = producer.consumers.iter();
            let behind = consumers.filter(|(_, id)| world.room.consumers[id].place == *place);
            assert_eq!(pipe.consumers, behind.count());
            assert_eq!(pipe.consumers == 0, pipe.closes_at.is_some());
        }
    }
}

/// Data channels of the whole room: who reads what, and pipes for whoever is elsewhere.
fn compare_data(room: &Room) {
    for (id, transport) in &room.transports {
        let consumers = room.data_consumers.values();
        let on_it = consumers.filter(|it| it.transport == *id);
        let streams: BTreeSet<_> = on_it.map(|it| it.stream.stream_id).collect();
        assert_eq!(streams, transport.streams);
    }
    for consumer in room.data_consumers.values() {
        let transport = &room.transports[&consumer.transport];
        assert!(transport.session == consumer.session && transport.place == consumer.place);
        let producer = &room.data_producers[&consumer.data_producer];
        assert_ne!(producer.audience, Audience::Bot);
    }
    for (id, producer) in &room.data_producers {
        let readers = || {
            let readers = producer.consumers.iter();
            readers.map(|(_, id)| &room.data_consumers[id])
        };
        let owners: BTreeSet<_> = readers().map(|it| it.session).collect();
        assert_eq!(owners.len(), producer.consumers.len(), "once for each peer");
        let entry = producer.place.filter(|it| producer.pipes.contains_key(it));
        assert_eq!(entry, None);
        for (place, pipe) in &producer.pipes {
            let behind = readers().filter(|it| it.place == *place).count();
            assert_eq!(pipe.consumers, behind);
            assert_ne!(behind, 0);
        }
        if producer.session.is_none() {
            let bot = &room.bots[&producer.place.expect("here")];
            let ears = room.ears.values().map(|id| &room.data_producers[id]);
            let ears = ears.filter(|it| it.place == producer.place).count();
            assert_eq!((bot.voice, bot.ears), (*id, ears));
            assert!(ears > 0 || !producer.consumers.is_empty());
        }
    }
}

/// Everybody sees the same, at any time: who is announced, and who is away.
pub(super) fn compare_sight(world: &World) {
    let room = &world.room;
    let announced = room.announced.iter().filter_map(|it| room.name_of(*it));
    let all: Vec<_> = announced.chain(room.away.names()).cloned().collect();
    let seen: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(seen.len(), all.len(), "either there or away");
    for session in &room.joined {
        let mut others = seen.clone();
        others.remove(&room.sessions[session].id);
        assert_eq!(world.seen[session], others);
    }
    assert!(room.joined.len() + room.away.len() <= room.config.limits.peers);
    compare_names(room);
    let timers = room.timers.iter();
    let due = timers.filter(|(_, timer)| matches!(timer, Timer::Away(_)));
    assert_eq!(due.count(), room.away.len());
    assert_eq!(room.away.names().count(), room.away.len());
}

/// Nobody is in the room twice. Who has two sessions is in it with the older one, and counts once.
fn compare_names(room: &Room) {
    let joined = room.joined.iter().map(|it| &room.sessions[it].id);
    assert_eq!(joined.collect::<BTreeSet<_>>().len(), room.joined.len());
    assert_eq!(room.names.len() + room.coming.len(), room.sessions.len());
    for (peer, session) in &room.names {
        assert_eq!(room.sessions[session].id, *peer);
    }
    for (peer, newer) in &room.coming {
        let (older, newer_peer) = (room.names[peer], &room.sessions[newer]);
        assert!(newer_peer.id == *peer && older < *newer);
        assert!(newer_peer.membership.is_none() && newer_peer.knock.is_none());
        assert!(room.joined.contains(&older) && !room.hosts.contains(newer));
    }
    let view = room.view();
    assert_eq!(view.peers.len(), room.names.len());
}

fn compare_place(room: &Room, place: PlaceId, worker: &FakeWorker) {
    assert_eq!(
        worker.routers.iter().collect::<Vec<_>>(),
        [&room.places[&place].router]
    );
    let sessions = room.sessions.values().filter(|peer| peer.place == place);
    let producers = room.producers.values();
    let producers = producers.filter(|it| it.place == Some(place) && !it.is_far());
    assert_eq!(room.counts_at(place), (sessions.count(), producers.count()));
    let transports = room.transports.iter().filter(|(_, it)| it.place == place);
    let transports = transports.map(|(id, _)| *id);
    let bot = room.bots.get(&place).map(|bot| bot.transport);
    let transports: BTreeSet<_> = transports.chain(bot).collect();
    assert!(transports.iter().eq(worker.transports.keys()));
    assert!(worker.direct.iter().copied().eq(bot));
    compare_data_place(room, place, worker);
    compare_voices(room, place, worker);

    let producers = room.producers.iter();
    let here = producers.filter(|(_, it)| it.place == Some(place) || it.pipes.contains_key(&place));
    assert!(here.clone().map(|(id, _)| id).eq(worker.producers.keys()));
    // At its own place a worker may have paused it without being able to say so.
    let piped = here.filter(|(_, it)| it.place != Some(place) || it.is_far());
    for (id, producer) in piped {
        assert_eq!(worker.producers[id].paused, producer.paused);
    }

    let waiting = room.waiting_sinks();
    let consumers = room.consumers.iter().filter(|(_, it)| it.place == place);
    let consumers = consumers.filter(|(id, _)| !waiting.contains(&Sink::Media(**id)));
    let mut here: BTreeSet<_> = consumers.map(|(id, _)| *id).collect();
    let own = room.producers.values().filter(|it| it.place == Some(place));
    for stream in own
        .flat_map(|it| it.pipes.values())
        .flat_map(|it| &it.streams)
    {
        assert!(here.insert(stream.consumer));
        let sink = &worker.consumers[&stream.consumer];
        assert_eq!(sink.paused, !stream.wanted);
    }
    for (consumer, wanted) in room.feed_streams(place) {
        assert!(here.insert(consumer));
        assert_eq!(worker.consumers[&consumer].paused, !wanted);
    }
    assert!(here.iter().eq(worker.consumers.keys()));
}

fn compare_data_place(room: &Room, place: PlaceId, worker: &FakeWorker) {
    let producers = room.data_producers.iter();
    let here = producers.filter(|(_, it)| it.place == Some(place) || it.pipes.contains_key(&place));
    assert!(here.map(|(id, _)| id).eq(worker.data_producers.keys()));
    let waiting = room.waiting_sinks();
    let consumers = room.data_consumers.iter();
    let consumers = consumers.filter(|(_, it)| it.place == place);
    let consumers = consumers.filter(|(id, _)| !waiting.contains(&Sink::Data(**id)));
    let own = || {
        let all = room.data_producers.values();
        all.filter(|it| it.place == Some(place))
    };
    let here: BTreeSet<_> = consumers
        .map(|(id, _)| *id)
        .chain(own().filter_map(|it| it.ear))
        .chain(own().flat_map(|it| it.pipes.values().map(|pipe| pipe.consumer)))
        .chain(room.feed_readers(place))
        .collect();
    assert!(here.iter().eq(worker.data_consumers.keys()));
    for (id, ear) in own()
        .filter_map(|it| it.ear)
        .map(|ear| (ear, &room.ears[&ear]))
    {
        assert_eq!(worker.data_consumers[&id].producer, *ear);
    }
}

/// Each voice is watched by both observers of the place where it comes in.
fn compare_voices(room: &Room, place: PlaceId, worker: &FakeWorker) {
    let own = room.producers.iter();
    let voices = own.filter(|(_, it)| {
        it.place == Some(place)
            && !it.is_far()
            && it.voice
            && it.presence == crate::state::Presence::Confirmed
    });
    let voices: BTreeSet<_> = voices.map(|(id, _)| *id).collect();
    let Some((observers, watched)) = room.speakers.voices_at(place) else {
        assert!(voices.is_empty() && worker.observers.is_empty());
        return;
    };
    assert_eq!(*watched, voices);
    assert_eq!(worker.observers.len(), observers.len());
    for observer in observers {
        assert_eq!(worker.observers[&observer].producers, voices);
    }
}

proptest! {
    #[test]
    fn nothing_is_left_behind_and_every_request_is_answered_once(
        happenings in prop::collection::vec(happening(), 0..160),
        announce_up_to in 0..6_usize,
        seats in 3..6_usize,
    ) {
        let mut world = World::with_data(|config| {
            config.announce_up_to = announce_up_to;
            config.limits.peers = seats;
        });
        for (session, peer, place) in [(1, "a", 0), (2, "b", 0), (3, "c", 3)] {
            let joined = world.join_at(PlaceId(place), session, peer);
            world.produce(joined);
            let chat = clients::write(joined.1, 0, Audience::Everybody);
            world.ask(joined.0, chat).expect("writes");
        }
        let mut next_session = 3;
        for happening in happenings {
            happen(&mut world, &mut next_session, &happening);
            compare_sight(&world);
            deciding::compare_standing(&world);
            if world.answers.is_empty() {
                compare(&world);
            }
        }
        world.worker.failures.clear();
        for worker in world.beyond.values_mut() {
            worker.failures.clear();
        }
        world.run_worker();
        // Nobody waits in the lobby for ever.
        world.now += Duration::from_hours(2);
        world.handle(Command::Tick);
        world.run_worker();
        prop_assert!(world.unanswered.is_empty(), "{:?}", world.unanswered);
        compare(&world);

        let sessions: Vec<_> = world.live.iter().copied().collect();
        world.effects.clear();
        for session in &sessions {
            world.disconnect(*session);
        }
        world.run_worker();
        world.now += AWAY_TIME;
        world.handle(Command::Tick);
        let places = world.room.dump().places;
        prop_assert_eq!(places.len(), 1);
        let nothing = RoomDump { places, ..RoomDump::default() };
        prop_assert_eq!(world.room.dump(), nothing);
        prop_assert!(world.holds_no_media());
        let empty = world.rest().iter().filter(|effect| **effect == Effect::RoomEmpty).count();
        prop_assert_eq!(empty, usize::from(!sessions.is_empty()));
        prop_assert!(deciding::is_clean(&world.room));
        world.handle(Command::Close);
        prop_assert!(world.worker.routers.is_empty());
        prop_assert!(world.beyond.values().all(|worker| worker.routers.is_empty()));
    }
}
