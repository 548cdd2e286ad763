//! Rooms at several workers.

use plenum_ipc::message::{ErrorCode, RequestError};

use super::*;

const FAR: PlaceId = PlaceId(7);

#[test]
fn a_room_opens_a_place_for_the_first_session_there_and_gives_it_up_after_the_last() {
    let mut world = World::new();
    world.join(1, "alice");
    let (bob, _) = world.join_at(FAR, 2, "bob");
    let (carol, _) = world.join_at(FAR, 3, "carol");
    assert_eq!(world.room.dump().places, [PlaceId::FIRST, FAR]);
    assert_eq!(world.worker.transports.len(), 2);
    assert_eq!(world.beyond[&FAR].transports.len(), 4);
    world.disconnect(bob);
    assert!(world.beyond.contains_key(&FAR));
    world.rest();
    world.disconnect(carol);
    assert_eq!(world.room.dump().places, [PlaceId::FIRST]);
    let closed = Effect::PlaceClosed { place: FAR };
    assert!(world.rest().contains(&closed));
}

#[test]
fn a_room_may_leave_the_place_that_it_began_with() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    let bob = world.join_at(FAR, 2, "bob");
    world.disconnect(alice);
    assert_eq!(world.room.dump().places, [FAR]);
    world.produce(bob);
    world.join(3, "carol");
    assert_eq!(world.questions().len(), 1);
}

#[test]
fn a_lost_place_takes_its_sessions_along_and_nobody_else() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    let (bob, transport) = world.join_at(FAR, 2, "bob");
    world.send(bob, PeerRequest::RestartIce { transport });
    world.rest();
    world.lose(FAR);
    let closed = PeerEvent::PeerClosed { peer: "bob".into() };
    assert_eq!(world.events(alice), [closed]);
    let lost = Effect::CloseSession {
        session: bob,
        reason: CloseReason::RouterLost,
    };
    assert_eq!(world.rest(), [lost]);
    world.run_worker();
    assert_eq!(world.room.dump().pending_worker_requests, 0);

    world.lose(PlaceId::FIRST);
    assert_eq!(world.rest().last(), Some(&Effect::RoomClosed));
}

#[test]
fn a_place_whose_worker_makes_no_router_is_given_up() {
    for failure in [
        WorkerFailure::Lost,
        WorkerFailure::Refused(RequestError {
            code: ErrorCode::Limit,
            reason: "full".to_owned(),
        }),
    ] {
        let mut world = World::new();
        world.join(1, "alice");
        let bob = world.connect_at(FAR, 2, "bob");
        let (op, _) = world.answers.pop_back().expect("a router was asked for");
        let far = world.beyond.get_mut(&FAR).expect("asked");
        if failure != WorkerFailure::Lost {
            far.routers.clear();
        }
        world.rest();
        let result = Err(failure);
        world.handle(Command::WorkerAnswer { op, result });
        let lost = Effect::CloseSession {
            session: bob,
            reason: CloseReason::RouterLost,
        };
        assert_eq!(world.rest(), [Effect::PlaceClosed { place: FAR }, lost]);
        assert_eq!(world.room.dump().places, [PlaceId::FIRST]);
    }
}

#[test]
fn a_full_room_opens_no_place() {
    let mut world = World::with(|config| config.limits.peers = 1);
    world.join(1, "alice");
    world.rest();
    world.beyond.insert(FAR, FakeWorker::default());
    let bob = world.connect_at(FAR, 2, "bob");
    let full = Effect::CloseSession {
        session: bob,
        reason: CloseReason::RoomFull,
    };
    assert_eq!(world.rest(), [full, Effect::PlaceClosed { place: FAR }]);
}
