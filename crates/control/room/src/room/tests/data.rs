//! Data channels: who writes, who reads, and the bot.

use plenum_params::data::SctpStreamParameters;

use super::*;

/// Joins, and lets the client have its half of everything that it is asked about.
fn join(world: &mut World, session: u64, peer: &str) -> (SessionId, TransportId) {
    join_at(world, PlaceId::FIRST, session, peer)
}

fn join_at(
    world: &mut World,
    place: PlaceId,
    session: u64,
    peer: &str,
) -> (SessionId, TransportId) {
    let joined = world.join_at(place, session, peer);
    world.run_worker();
    joined
}

fn write(
    world: &mut World,
    (session, transport): (SessionId, TransportId),
    (stream, audience): (u16, Audience),
) -> DataProducerId {
    match world.ask(session, clients::write(transport, stream, audience)) {
        Ok(PeerReply::DataProduced { data_producer }) => data_producer,
        other => panic!("not a data producer: {other:?}"),
    }
}

/// Who was asked about what of whom, on which stream; the bot has no name.
fn asked(world: &mut World) -> Vec<(u64, String, u16)> {
    let questions = world.data_questions().into_iter();
    let asked = questions.map(|(session, ask, consumer)| {
        world.handle(Command::ClientAnswer {
            ask,
            accepted: true,
        });
        let peer = consumer.peer.map(|peer| peer.as_str().to_owned());
        let peer = peer.unwrap_or_default();
        (session.0, peer, consumer.stream.stream_id)
    });
    let mut asked: Vec<_> = asked.collect();
    asked.sort();
    asked
}

fn from(peer: &str) -> String {
    peer.to_owned()
}

const BOT: &str = "";

fn said(world: &mut World) -> Vec<(PlaceId, DataProducerId, String)> {
    let mut said = Vec::new();
    world.effects.retain(|effect| match effect {
        Effect::SendMessage {
            place,
            data_producer,
            text,
        } => {
            said.push((*place, *data_producer, text.to_string()));
            false
        }
        _ => true,
    });
    said
}

fn ear(world: &World, id: DataProducerId) -> DataConsumerId {
    world.room.data_producers[&id].ear.expect("the bot listens")
}

#[test]
fn everybody_reads_what_the_others_write_whenever_they_came() {
    let mut world = World::with_data(|_| {});
    let alice = join(&mut world, 1, "alice");
    join(&mut world, 2, "bob");
    assert_eq!(asked(&mut world), [(1, from(BOT), 0), (2, from(BOT), 0)]);
    let producer = write(&mut world, alice, (3, Audience::Everybody));
    let questions = world.data_questions();
    let [(session, _, consumer)] = &questions[..] else {
        panic!("{questions:?}");
    };
    assert_eq!(session.0, 2);
    assert_eq!(consumer.data_producer, producer);
    assert_eq!(consumer.stream, SctpStreamParameters::reliable(1));
    assert_eq!((&*consumer.label, &*consumer.protocol), ("chat", ""));
    assert_eq!(
        Value::Object(consumer.app_data.clone()),
        json!({ "info": "my-chat", "peerId": "alice" })
    );

    let late = join(&mut world, 3, "late");
    assert_eq!(
        asked(&mut world),
        [(3, from(BOT), 1), (3, from("alice"), 0)],
        "what people write comes first"
    );
    let stats = world.ask(
        alice.0,
        PeerRequest::GetDataProducerStats {
            data_producer: producer,
        },
    );
    assert!(matches!(
        stats,
        Ok(PeerReply::DataProducerStats(stats)) if stats.label == "chat"
    ));
    let foreign = PeerRequest::GetDataProducerStats {
        data_producer: producer,
    };
    let error = world.ask(late.0, foreign).expect_err("not his own");
    assert_eq!(error.kind, ErrorKind::NotFound);

    world.effects.clear();
    world.disconnect(alice.0);
    for session in [2, 3] {
        let events = world.events(SessionId(session));
        let closed = |event: &PeerEvent| matches!(event, PeerEvent::DataConsumerClosed { .. });
        assert_eq!(events.iter().filter(|event| closed(event)).count(), 1);
    }
}

#[test]
fn the_reply_comes_before_the_questions_that_follow_from_it() {
    let mut world = World::with_data(|_| {});
    let alice = join(&mut world, 1, "alice");
    join(&mut world, 2, "bob");
    world.rest();
    world.send(alice.0, clients::write(alice.1, 0, Audience::Everybody));
    world.run_worker();
    let effects = world.rest();
    assert!(matches!(
        &effects[..],
        [Effect::Reply { .. }, Effect::AskClient { .. }]
    ));
}

#[test]
fn who_does_not_take_data_gets_none() {
    let mut world = World::with_data(|_| {});
    let alice = join(&mut world, 1, "alice");
    let bob = world.connect(2, "bob");
    world.transport(bob, true);
    let mut request = clients::join("bob");
    if let PeerRequest::Join { data, .. } = &mut request {
        *data = false;
    }
    world.ask(bob, request).expect("joins");
    let carl = world.connect(3, "carl");
    let plain = PeerRequest::CreateWebRtcTransport {
        producing: true,
        consuming: true,
        force_tcp: false,
        data: false,
    };
    let plain = world.ask(carl, plain);
    let Ok(PeerReply::WebRtcTransport { transport, .. }) = plain else {
        panic!("not a transport: {plain:?}");
    };
    world.ask(carl, clients::join("carl")).expect("joins");
    world.data_questions();
    write(&mut world, alice, (0, Audience::Everybody));
    assert_eq!(asked(&mut world), []);
    let write = clients::write(transport, 0, Audience::Everybody);
    let error = world.ask(carl, write).expect_err("no data channels");
    assert_eq!(error.kind, ErrorKind::BadRequest);
    // As soon as there is a transport for it.
    world.transport(carl, true);
    assert_eq!(
        asked(&mut world),
        [(3, from(BOT), 1), (3, from("alice"), 0)]
    );
}

#[test]
fn a_refused_data_consumer_is_closed_and_its_stream_rests_for_a_while() {
    let mut world = World::with_data(|_| {});
    let alice = join(&mut world, 1, "alice");
    join(&mut world, 2, "bob");
    asked(&mut world);
    write(&mut world, alice, (0, Audience::Everybody));
    let questions = world.data_questions();
    let (_, ask, consumer) = &questions[0];
    assert!(
        world
            .worker
            .data_consumers
            .contains_key(&consumer.data_consumer)
    );
    world.handle(Command::ClientAnswer {
        ask: *ask,
        accepted: false,
    });
    assert!(
        !world
            .worker
            .data_consumers
            .contains_key(&consumer.data_consumer)
    );
    write(&mut world, alice, (1, Audience::Everybody));
    assert_eq!(asked(&mut world), [(2, from("alice"), 2)]);
}

#[test]
fn a_transport_has_as_many_data_consumers_as_streams() {
    let mut world = World::with_data(|config| config.limits.data_producers = 2000);
    let alice = join(&mut world, 1, "alice");
    join(&mut world, 2, "bob");
    for stream in 0..1100 {
        write(&mut world, alice, (stream % 1024, Audience::Everybody));
    }
    let all = asked(&mut world);
    let bobs = all.iter().filter(|(session, ..)| *session == 2);
    assert_eq!(bobs.count(), 1024);
}

#[test]
fn who_writes_to_the_bot_is_answered_when_the_bot_reads() {
    let mut world = World::with_data(|_| {});
    let alice = join(&mut world, 1, "alice");
    world.rest();
    world.send(alice.0, clients::write(alice.1, 0, Audience::Bot));
    assert!(world.answer_one(), "the worker has made it");
    assert_eq!(world.rest(), [], "not yet");
    world.run_worker();
    assert!(matches!(&world.rest()[..], [Effect::Reply { .. }]));

    world.worker.failures = vec![worker::Failure::Refused, worker::Failure::Not];
    let deaf = world.ask(alice.0, clients::write(alice.1, 1, Audience::Bot));
    assert_eq!(deaf.expect_err("no ear").kind, ErrorKind::TooMany);
    assert_eq!(
        world.room.dump().data_producers.len(),
        2,
        "the bot's and the first"
    );
    assert_eq!(world.worker.data_producers.len(), 2);
}

#[test]
fn the_bot_speaks_as_the_server_that_a_client_was_written_for() {
    for (door, words) in [
        (Door::Classic, "alice said me: \"hi\""),
        (Door::Plenum, "alice said me: \"hi\""),
        (Door::Newest, "alice told me: 'hi'"),
    ] {
        let mut world = World::with_data(|_| {});
        let admission = Admission {
            door,
            ..Admission::new("alice".into())
        };
        let alice = world.join_as(1, admission, clients::join("alice"));
        world.run_worker();
        let told = write(&mut world, alice, (0, Audience::Bot));
        let data_consumer = ear(&world, told);
        world.handle(Command::Message {
            data_consumer,
            text: "hi".to_owned(),
        });
        let said = said(&mut world);
        assert!(!said.is_empty() && said.iter().all(|(.., text)| text == words));
    }
}

#[test]
fn the_bot_repeats_to_everybody_what_it_is_told() {
    let mut world = World::with_data(|_| {});
    let alice = join(&mut world, 1, "alice");
    join_at(&mut world, PlaceId(1), 2, "bob");
    asked(&mut world);
    let told = write(&mut world, alice, (0, Audience::Bot));
    assert_eq!(asked(&mut world), [], "nobody else reads it");
    let data_consumer = ear(&world, told);
    let say = |world: &mut World, text: &str| {
        world.handle(Command::Message {
            data_consumer,
            text: text.to_owned(),
        });
        said(world)
    };
    let said = say(&mut world, "hi");
    let places: Vec<_> = said.iter().map(|(place, ..)| *place).collect();
    assert_eq!(places, [PlaceId::FIRST, PlaceId(1)]);
    assert!(
        said.iter()
            .all(|(.., text)| text == "alice said me: \"hi\"")
    );
    assert_eq!(say(&mut world, &"x".repeat(513)), []);

    let answered = (0..100).filter(|_| !say(&mut world, "hi").is_empty());
    assert_eq!(answered.count(), 9);
    world.now += Duration::from_secs(1);
    assert_eq!(say(&mut world, "hi").len(), 2);

    world.disconnect(alice.0);
    world.now += Duration::from_secs(1);
    assert_eq!(say(&mut world, "hi"), []);
    assert!(world.worker.holds_no_media(), "its half there is gone");
}

#[test]
fn what_is_written_at_one_place_is_read_at_the_other_ones_over_one_pipe() {
    let mut world = World::with_data(|_| {});
    let alice = join(&mut world, 1, "alice");
    let far = PlaceId(1);
    let bob = join_at(&mut world, far, 2, "bob");
    join_at(&mut world, far, 3, "carl");
    asked(&mut world);
    let producer = write(&mut world, alice, (0, Audience::Everybody));
    assert_eq!(
        asked(&mut world),
        [(2, from("alice"), 1), (3, from("alice"), 1)]
    );
    assert!(world.beyond[&far].data_producers.contains_key(&producer));
    // The bot's voice, and the near end.
    let near = world.worker.data_consumers.values();
    assert_eq!(near.filter(|it| it.producer == producer).count(), 1);

    world.disconnect(bob.0);
    assert!(world.beyond[&far].data_producers.contains_key(&producer));
    world.disconnect(SessionId(3));
    assert!(world.room.data_producers[&producer].pipes.is_empty());
    let near = world.worker.data_consumers.values();
    assert_eq!(near.filter(|it| it.producer == producer).count(), 0);
}

#[test]
fn a_pipe_that_fails_is_tried_again_and_then_given_up() {
    for (failures, expected) in [(2, 1), (3, 0)] {
        let mut world = World::with_data(|_| {});
        let alice = join(&mut world, 1, "alice");
        join_at(&mut world, PlaceId(1), 2, "bob");
        asked(&mut world);
        let far = world.beyond.get_mut(&PlaceId(1)).expect("a place");
        far.failures = vec![worker::Failure::Refused; failures];
        write(&mut world, alice, (0, Audience::Everybody));
        assert_eq!(asked(&mut world).len(), expected);
        assert_eq!(
            world.room.dump().data_consumers.len(),
            2 + expected,
            "those of the bot, and that"
        );
    }
}

#[test]
fn in_a_large_room_those_are_read_who_send_something() {
    let mut world = World::with_data(|config| config.announce_up_to = 2);
    let alice = join(&mut world, 1, "alice");
    join(&mut world, 2, "bob");
    asked(&mut world);
    write(&mut world, alice, (0, Audience::Everybody));
    assert_eq!(asked(&mut world), [(2, from("alice"), 1)]);
    let viewer = join(&mut world, 3, "viewer");
    assert_eq!(asked(&mut world), [(3, from(BOT), 0)]);
    write(&mut world, viewer, (0, Audience::Everybody));
    assert_eq!(asked(&mut world), [], "nobody knows whose it would be");
    world.produce(alice);
    assert_eq!(asked(&mut world), [(3, from("alice"), 1)], "bob has it");
    world.produce(viewer);
    assert_eq!(
        asked(&mut world),
        [(1, from("viewer"), 1), (2, from("viewer"), 2)]
    );
    join(&mut world, 4, "late");
    let all = asked(&mut world);
    assert_eq!(all.len(), 3, "the bot and both: {all:?}");
}

#[test]
fn limits_are_kept() {
    let mut world = World::with_data(|config| {
        config.limits.data_producers = 1;
        config.limits.label = 8;
    });
    let alice = join(&mut world, 1, "alice");
    let mut long = clients::write(alice.1, 0, Audience::Everybody);
    if let PeerRequest::ProduceData { label, .. } = &mut long {
        *label = "a long label".to_owned();
    }
    let error = world.ask(alice.0, long).expect_err("too long");
    assert_eq!(error.kind, ErrorKind::BadRequest);
    write(&mut world, alice, (0, Audience::Everybody));
    let one_more = clients::write(alice.1, 1, Audience::Everybody);
    let error = world.ask(alice.0, one_more).expect_err("one too many");
    assert_eq!(error.kind, ErrorKind::TooMany);
    let before = world.connect(2, "bob");
    let transport = world.transport(before, false);
    let early = clients::write(transport, 0, Audience::Everybody);
    let error = world.ask(before, early).expect_err("has not joined");
    assert_eq!(error.kind, ErrorKind::Conflict);
}
