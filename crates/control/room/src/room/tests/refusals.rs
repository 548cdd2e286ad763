//! What is refused, passed on to the worker as it is, or limited.

use super::{streams::consuming, *};

#[test]
fn only_the_owner_may_use_an_object_and_refusals_name_it() {
    let (mut world, alice, producer, bob, (_, consumer)) = consuming();
    let unknown = |error: RoomError| {
        assert_eq!(error.kind, ErrorKind::NotFound);
        error.reason
    };
    let cases = [
        (
            bob,
            PeerRequest::PauseProducer { producer },
            producer.to_string(),
        ),
        (
            bob,
            PeerRequest::GetProducerStats { producer },
            producer.to_string(),
        ),
        (
            alice.0,
            PeerRequest::PauseConsumer { consumer },
            consumer.to_string(),
        ),
        (
            alice.0,
            PeerRequest::RequestConsumerKeyFrame { consumer },
            consumer.to_string(),
        ),
        (
            bob,
            PeerRequest::RestartIce { transport: alice.1 },
            alice.1.to_string(),
        ),
        (bob, clients::produce(alice.1), alice.1.to_string()),
        (
            bob,
            PeerRequest::GetTransportStats { transport: alice.1 },
            alice.1.to_string(),
        ),
    ];
    for (session, request, id) in cases {
        let reason = unknown(world.ask(session, request).expect_err("not theirs"));
        assert!(reason.contains(&id), "{reason}");
    }
}

#[test]
fn counters_and_key_frames_go_through_to_the_worker() {
    let (mut world, alice, producer, bob, (_, consumer)) = consuming();
    let stats = world.ask(
        alice.0,
        PeerRequest::GetTransportStats { transport: alice.1 },
    );
    assert!(
        matches!(stats, Ok(PeerReply::TransportStats { transport, .. }) if transport == alice.1)
    );
    let stats = world.ask(alice.0, PeerRequest::GetProducerStats { producer });
    assert_eq!(stats, Ok(PeerReply::ProducerStats(Vec::new())));
    let stats = world.ask(bob, PeerRequest::GetConsumerStats { consumer });
    assert!(matches!(stats, Ok(PeerReply::ConsumerStats(_))));
    let key_frame = world.ask(bob, PeerRequest::RequestConsumerKeyFrame { consumer });
    assert_eq!(key_frame, Ok(PeerReply::Done));
    let restart = world.ask(alice.0, PeerRequest::RestartIce { transport: alice.1 });
    assert!(matches!(restart, Ok(PeerReply::IceParameters(_))));
}

#[test]
fn who_wants_tcp_alone_gets_no_other_candidates() {
    let mut world = World::new();
    let (bob, _) = world.join(2, "bob");
    for force_tcp in [false, true] {
        let body = PeerRequest::CreateWebRtcTransport {
            producing: true,
            consuming: false,
            force_tcp,
            data: false,
        };
        let mut effects = Vec::new();
        let command = Command::Request {
            session: bob,
            request: RequestId(1000 + u64::from(force_tcp)),
            body,
        };
        world.room.handle(world.now, command, &mut effects);
        let [
            Effect::Worker {
                request: Request::CreateWebRtcTransport { options, .. },
                ..
            },
        ] = &effects[..]
        else {
            panic!("{effects:?}");
        };
        assert_eq!(options.protocols.udp, !force_tcp);
        assert!(options.protocols.tcp);
    }
}

#[test]
fn a_worker_without_ports_is_not_the_fault_of_whoever_asks() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.worker.failures = vec![worker::Failure::Refused];
    let transport = PeerRequest::CreatePlainTransport {
        producing: true,
        consuming: false,
        rtcp_mux: true,
        comedia: true,
        srtp: None,
    };
    let refused = world.ask(alice.0, transport).expect_err("no port is left");
    assert_eq!(refused.kind, ErrorKind::Unavailable);
}

#[test]
fn limits_are_kept() {
    let mut world = World::with(|config| {
        config.limits.transports = 3;
        config.limits.producers = 1;
        config.limits.app_data = 64;
        config.limits.pending_requests = 2;
    });
    let alice = world.join(1, "alice");
    world.transport(alice.0, true);
    let kind = |result: Result<PeerReply, RoomError>| result.expect_err("beyond the limit").kind;
    let transport = PeerRequest::CreateWebRtcTransport {
        producing: true,
        consuming: false,
        force_tcp: false,
        data: false,
    };
    assert_eq!(kind(world.ask(alice.0, transport)), ErrorKind::TooMany);
    let large = PeerRequest::Produce {
        transport: alice.1,
        kind: MediaKind::Video,
        rtp_parameters: clients::vp8(),
        app_data: serde_json::Map::from_iter([("text".to_owned(), "x".repeat(64).into())]),
        paused: false,
        voice: false,
        wish: None,
    };
    assert_eq!(kind(world.ask(alice.0, large)), ErrorKind::BadRequest);
    world.produce(alice);
    assert_eq!(
        kind(world.ask(alice.0, clients::produce(alice.1))),
        ErrorKind::TooMany
    );
    for _ in 0..2 {
        world.send(alice.0, PeerRequest::RestartIce { transport: alice.1 });
    }
    world.rest();
    world.send(alice.0, PeerRequest::RestartIce { transport: alice.1 });
    let refused = world.rest();
    assert!(
        matches!(&refused[..], [Effect::Reply { result: Err(error), .. }] if error.kind == ErrorKind::TooMany)
    );
    world.run_worker();
    let restart = world.ask(alice.0, PeerRequest::RestartIce { transport: alice.1 });
    assert!(restart.is_ok());
}

#[test]
fn a_producer_that_the_router_cannot_take_is_refused_with_the_reason() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let mut rtp_parameters = clients::vp9();
    rtp_parameters.codecs[0].clock_rate = 1;
    let request = PeerRequest::Produce {
        transport: alice.1,
        kind: MediaKind::Video,
        rtp_parameters,
        app_data: serde_json::Map::new(),
        paused: false,
        voice: false,
        wish: None,
    };
    let error = world.ask(alice.0, request).expect_err("an odd clock");
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(
        error.reason,
        "unsupported codec video/VP9 (payload type 98)"
    );
    assert!(world.room.dump().producers.is_empty());
}

#[test]
fn a_producer_keeps_an_earlier_identifier_unless_another_has_it() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let wished = ProducerId::from_u128(77);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut body = clients::produce(alice.1);
        if let PeerRequest::Produce { wish, .. } = &mut body {
            *wish = Some(wished);
        }
        match world.ask(alice.0, body) {
            Ok(PeerReply::Produced { producer }) => ids.push(producer),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ids[0], wished);
    assert_ne!(ids[1], wished);
}
