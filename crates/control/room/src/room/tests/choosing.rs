//! Consumers by choice, catalogs, snapshots and plain transports.

use super::*;

fn catalog(peer: &str) -> Admission {
    Admission {
        catalog: true,
        door: Door::Plenum,
        ..Admission::new(peer.into())
    }
}

fn manual(name: &str) -> PeerRequest {
    clients::join_featured(name, Subscription::Manual)
}

#[test]
fn who_chooses_is_told_what_there_is_and_gets_what_it_asks_for() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let (bob, _) = world.join_as(2, catalog("bob"), manual("Bob"));
    assert_eq!(world.questions().len(), 0);
    let robot = Admission {
        door: Door::Broadcaster,
        ..catalog("robot")
    };
    let robot = world.connect_as(PlaceId::FIRST, 3, robot);
    let Ok(PeerReply::Joined { peers, .. }) = world.ask(robot, manual("Robot")) else {
        panic!("joins");
    };
    assert_eq!(peers[0].producers[0].producer, producer);
    world.disconnect(robot);
    let Ok(PeerReply::Room(room)) = world.ask(bob, PeerRequest::GetRoom) else {
        panic!("a snapshot");
    };
    assert_eq!(room.peers[0].producers[0].producer, producer);
    assert_eq!(room.joined, 2);

    let reply = world.ask(bob, clients::consume(producer));
    let Ok(PeerReply::Consumed(consumer)) = reply else {
        panic!("not a consumer: {reply:?}");
    };
    assert!(!world.worker.consumers[&consumer.consumer].paused);
    assert_eq!(world.questions().len(), 0);
    let twice = world.ask(bob, clients::consume(producer));
    assert_eq!(twice.map_err(|err| err.kind), Err(ErrorKind::Conflict));

    let close = PeerRequest::CloseConsumer {
        consumer: consumer.consumer,
    };
    assert_eq!(world.ask(bob, close), Ok(PeerReply::Done));
    assert_eq!(world.worker.consumers.len(), 0);
}

#[test]
fn a_choice_may_begin_paused_with_layers_of_its_own() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let (bob, _) = world.join_as(2, catalog("bob"), manual("Bob"));
    let layers = Layers {
        spatial: 0,
        temporal: None,
    };
    let mut body = clients::consume(producer);
    if let PeerRequest::Consume {
        paused,
        layers: wanted,
        ..
    } = &mut body
    {
        *paused = true;
        *wanted = Some(layers);
    }
    let Ok(PeerReply::Consumed(consumer)) = world.ask(bob, body) else {
        panic!("not a consumer");
    };
    let sink = &world.worker.consumers[&consumer.consumer];
    assert!(sink.paused);
    assert_eq!(sink.preferred, Some(layers));
    let resume = PeerRequest::ResumeConsumer {
        consumer: consumer.consumer,
    };
    world.ask(bob, resume).expect("resumes");
    assert!(!world.worker.consumers[&consumer.consumer].paused);
}

#[test]
fn a_choice_that_cannot_be_met_is_refused() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let bob = world.connect_as(PlaceId::FIRST, 2, catalog("bob"));
    let refusal = |world: &mut World, body| world.ask(bob, body).map_err(|err| err.kind);
    let not_joined = refusal(&mut world, clients::consume(producer));
    assert_eq!(not_joined, Err(ErrorKind::Conflict));
    world.ask(bob, manual("Bob")).expect("joins");
    let no_transport = refusal(&mut world, clients::consume(producer));
    assert_eq!(no_transport, Err(ErrorKind::Conflict));
    world.transport(bob, true);
    let unknown = ProducerId::from_u128(7);
    let unknown = refusal(&mut world, clients::consume(unknown));
    assert_eq!(unknown, Err(ErrorKind::NotFound));
    let mut deaf = clients::consume(producer);
    if let PeerRequest::Consume {
        rtp_capabilities, ..
    } = &mut deaf
    {
        *rtp_capabilities = Some(RtpCapabilities::default());
    }
    assert_eq!(refusal(&mut world, deaf), Err(ErrorKind::Conflict));
    assert_eq!(world.worker.consumers.len(), 0);
}

#[test]
fn a_peer_chooses_only_so_many() {
    let mut world = World::with(|config| config.limits.consumers = 1);
    let alice = world.join(1, "alice");
    let (first, second) = (world.produce(alice), world.produce(alice));
    let (bob, _) = world.join_as(2, catalog("bob"), manual("Bob"));
    world.ask(bob, clients::consume(first)).expect("one");
    let refused = world.ask(bob, clients::consume(second));
    assert_eq!(refused.map_err(|err| err.kind), Err(ErrorKind::TooMany));
}

#[test]
fn a_choice_is_answered_even_when_its_producer_goes_meanwhile() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let (bob, _) = world.join_as(2, catalog("bob"), manual("Bob"));
    let request = world.send(bob, clients::consume(producer));
    world.disconnect(alice.0);
    world.run_worker();
    let refused = |effect: &Effect| match effect {
        Effect::Reply {
            request: of,
            result: Err(err),
            ..
        } => *of == request && err.kind == ErrorKind::NotFound,
        _ => false,
    };
    assert_eq!(world.rest().iter().filter(|it| refused(it)).count(), 1);
}

#[test]
fn a_catalog_is_kept_up_to_date() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let (bob, _) = world.join_as(2, catalog("bob"), manual("Bob"));
    world.events(bob);
    let producer = world.produce(alice);
    let peer = PeerId::from("alice");
    let added = world.events(bob);
    assert!(
        matches!(&added[..], [PeerEvent::ProducerAdded(info)] if info.producer == producer),
        "{added:?}"
    );
    for body in [
        PeerRequest::PauseProducer { producer },
        PeerRequest::ResumeProducer { producer },
        PeerRequest::CloseProducer { producer },
    ] {
        world.ask(alice.0, body).expect("its own");
    }
    let peer = || peer.clone();
    assert_eq!(
        world.events(bob),
        [
            PeerEvent::ProducerPaused {
                peer: peer(),
                producer
            },
            PeerEvent::ProducerResumed {
                peer: peer(),
                producer
            },
            PeerEvent::ProducerRemoved {
                peer: peer(),
                producer
            },
        ]
    );
    world.produce(alice);
    world.events(bob);
    world.disconnect(alice.0);
    // What it sent is gone with it, without further words.
    let host = PeerEvent::RoleChanged {
        peer: "bob".into(),
        role: Role::Host,
    };
    assert_eq!(
        world.events(bob),
        [PeerEvent::PeerClosed { peer: peer() }, host]
    );
}

#[test]
fn data_is_chosen_too_and_ones_own() {
    let mut world = World::with_data(|_| {});
    let broadcaster = world.join_as(1, catalog("robot"), manual("Robot"));
    let write = clients::write(broadcaster.1, 0, Audience::Asking);
    let Ok(PeerReply::DataProduced { data_producer }) = world.ask(broadcaster.0, write) else {
        panic!("writes");
    };
    let (bob, _) = world.join(2, "bob");
    let read = world.data_questions();
    assert!(
        read.iter()
            .all(|(_, _, it)| it.data_producer != data_producer)
    );
    let body = PeerRequest::ConsumeData {
        data_producer,
        transport: None,
    };
    for session in [broadcaster.0, bob] {
        let reply = world.ask(session, body.clone());
        assert!(matches!(reply, Ok(PeerReply::DataConsumed(_))), "{reply:?}");
    }
    world.disconnect(broadcaster.0);
    assert_eq!(world.worker.data_consumers.len(), 1, "the bot's");
}

#[test]
fn plain_transports_carry_media_of_peers() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let (robot, _) = world.join_as(2, catalog("robot"), manual("Robot"));
    let create = PeerRequest::CreatePlainTransport {
        producing: true,
        consuming: false,
        rtcp_mux: false,
        comedia: true,
        srtp: None,
    };
    let reply = world.ask(robot, create);
    let Ok(PeerReply::PlainTransport { transport, info }) = reply else {
        panic!("not a plain transport: {reply:?}");
    };
    assert_ne!(info.local.port(), 0);
    let connect = |transport| PeerRequest::ConnectPlainTransport {
        transport,
        remote: None,
        srtp: None,
    };
    let connected = world.ask(robot, connect(transport));
    assert!(matches!(connected, Ok(PeerReply::PlainTransport { .. })));
    let again = world.ask(robot, connect(transport));
    assert_eq!(again.map_err(|err| err.kind), Err(ErrorKind::Conflict));
    let wrong = PeerRequest::ConnectWebRtcTransport {
        transport,
        dtls: dtls(),
    };
    let wrong = world.ask(robot, wrong).map_err(|err| err.kind);
    assert_eq!(wrong, Err(ErrorKind::BadRequest));
    world.produce((robot, transport));
    let questions = world.questions();
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].0, alice.0);
    world.disconnect(robot);
    assert_eq!(world.worker.transports.len(), 2);
}
