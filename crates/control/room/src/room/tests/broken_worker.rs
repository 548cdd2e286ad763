//! Refusals, silence and death of the worker.

use plenum_ipc::message::{ErrorCode, RequestError};

use super::{worker::Failure, *};

#[test]
fn a_refused_transport_leaves_nothing_behind() {
    for failure in [Failure::Refused, Failure::LostAfter, Failure::LostBefore] {
        let mut world = World::new();
        let alice = world.connect(1, "alice");
        world.worker.failures = vec![failure];
        let request = PeerRequest::CreateWebRtcTransport {
            producing: true,
            consuming: false,
            force_tcp: false,
            data: false,
        };
        let error = world.ask(alice, request).expect_err("the worker failed");
        let kinds = [ErrorKind::TooMany, ErrorKind::Unavailable];
        assert!(kinds.contains(&error.kind), "{error:?}");
        assert!(world.room.dump().transports.is_empty());
        assert!(world.worker.holds_no_media(), "{failure:?}");
    }
}

#[test]
fn a_refused_producer_or_consumer_leaves_nothing_behind() {
    for failure in [Failure::Refused, Failure::LostAfter, Failure::LostBefore] {
        let mut world = World::new();
        let alice = world.join(1, "alice");
        world.join(2, "bob");
        world.worker.failures = vec![failure];
        world
            .ask(alice.0, clients::produce(alice.1))
            .expect_err("the worker failed");
        assert!(world.room.dump().producers.is_empty() && world.worker.producers.is_empty());

        world.worker.failures = vec![failure, Failure::Not];
        world.produce(alice);
        assert!(world.room.dump().consumers.is_empty() && world.worker.consumers.is_empty());
        assert_eq!(world.questions(), []);
        world.produce(alice);
        assert_eq!(world.questions().len(), 1);
    }
}

#[test]
fn a_connect_that_failed_may_be_tried_again() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let connect = || PeerRequest::ConnectWebRtcTransport {
        transport: alice.1,
        dtls: dtls(),
    };
    world.worker.failures = vec![Failure::Refused];
    world.ask(alice.0, connect()).expect_err("refused");
    assert_eq!(world.ask(alice.0, connect()), Ok(PeerReply::Done));
}

#[test]
fn what_was_under_way_for_a_session_that_left_is_undone() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.join(2, "bob");
    world.send(alice.0, clients::produce(alice.1));
    world.send(
        alice.0,
        PeerRequest::CreateWebRtcTransport {
            producing: false,
            consuming: true,
            force_tcp: false,
            data: false,
        },
    );
    world.disconnect(alice.0);
    world.run_worker();
    assert_eq!(world.worker.transports.len(), 2, "bob's");
    assert!(world.worker.producers.is_empty());
    assert_eq!(world.room.dump().pending_worker_requests, 0);
    assert_eq!(world.questions(), []);
}

#[test]
fn a_lost_router_ends_the_room_and_lets_everybody_reconnect() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    world.rest();
    world.handle(Command::PlaceLost {
        place: PlaceId::FIRST,
    });
    let lost = CloseReason::RouterLost;
    let closed = Effect::CloseSession {
        session: alice.0,
        reason: lost,
    };
    assert_eq!(world.rest(), [closed, Effect::RoomClosed]);
    assert!(lost.may_reconnect() && !CloseReason::Replaced.may_reconnect());
    assert_eq!(world.room.dump(), RoomDump::default());
}

#[test]
fn a_room_without_a_router_ends_at_once() {
    let mut world = World::new();
    let mut effects = Vec::new();
    let config = world.room.config.clone();
    world.room = Room::new(config, [0; 32], &mut effects);
    let [Effect::Worker { op: Some(op), .. }] = effects[..] else {
        panic!("{effects:?}");
    };
    let alice = world.connect(1, "alice");
    let refused = RequestError {
        code: ErrorCode::Limit,
        reason: "full".to_owned(),
    };
    world.handle(Command::WorkerAnswer {
        op,
        result: Err(WorkerFailure::Refused(refused)),
    });
    let closed = Effect::CloseSession {
        session: alice,
        reason: CloseReason::RouterLost,
    };
    assert_eq!(world.rest(), [closed, Effect::RoomClosed]);
}
