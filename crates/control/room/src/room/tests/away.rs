//! Peers whose place is lost and who come back: the others do not see them leave.

use super::{super::away::AWAY_TIME, *};

const FAR: PlaceId = PlaceId(7);

fn join_able(world: &mut World, place: PlaceId, session: u64, peer: &str) -> SessionId {
    let session = world.connect_at(place, session, peer);
    peers_at_join(world, session, peer);
    session
}

/// Joins and gives whom the answer names.
fn peers_at_join(world: &mut World, session: SessionId, name: &str) -> Vec<String> {
    let Ok(PeerReply::Joined { peers, .. }) = world.ask(session, clients::join_able(name)) else {
        panic!("joins");
    };
    let names = peers.iter().map(|info| info.peer.to_string());
    names.collect()
}

fn closed(peer: &str) -> PeerEvent {
    PeerEvent::PeerClosed { peer: peer.into() }
}

/// Alice at the first place, and bob, who was at another one that is lost now.
fn bob_is_away(change: impl FnOnce(&mut RoomConfig)) -> (World, SessionId) {
    let mut world = World::with(change);
    let alice = join_able(&mut world, PlaceId::FIRST, 1, "alice");
    join_able(&mut world, FAR, 2, "bob");
    world.rest();
    world.lose(FAR);
    (world, alice)
}

fn pass(world: &mut World, time: Duration) {
    world.now += time;
    world.handle(Command::Tick);
}

#[test]
fn who_comes_back_in_time_is_not_seen_to_leave() {
    let (mut world, alice) = bob_is_away(|_| {});
    let lost = Effect::CloseSession {
        session: SessionId(2),
        reason: CloseReason::RouterLost,
    };
    assert_eq!(world.rest(), [lost]);
    assert_eq!(world.room.dump().away, ["bob".into()]);
    let bob = world.connect(3, "bob");
    world.disconnect(SessionId(2));
    assert_eq!(peers_at_join(&mut world, bob, "bob"), ["alice"]);
    pass(&mut world, AWAY_TIME);
    assert_eq!(world.events(alice), []);
    assert!(world.room.dump().away.is_empty());
    world.disconnect(bob);
    assert_eq!(world.events(alice), [closed("bob")]);
}

#[test]
fn what_it_sent_ends_and_comes_back_by_the_same_id() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    let bob = join_able(&mut world, FAR, 2, "bob");
    let transport = world.transport(bob, false);
    let camera = world.produce((bob, transport));
    let questions = world.questions();
    world.rest();
    world.lose(FAR);
    let consumer = questions[0].2.consumer;
    let gone = PeerEvent::ConsumerClosed { consumer };
    assert_eq!(world.events(alice), [gone]);

    let bob = join_able(&mut world, PlaceId::FIRST, 3, "bob");
    let transport = world.transport(bob, false);
    let mut produce = clients::produce(transport);
    if let PeerRequest::Produce { wish, .. } = &mut produce {
        *wish = Some(camera);
    }
    let again = PeerReply::Produced { producer: camera };
    assert_eq!(world.ask(bob, produce), Ok(again));
    let questions = world.questions();
    assert_eq!((questions[0].0, questions[0].2.producer), (alice, camera));
    assert_eq!(world.events(alice), []);
}

#[test]
fn who_does_not_come_back_in_time_has_left_then() {
    let (mut world, alice) = bob_is_away(|_| {});
    // To have connected is not enough.
    let bob = world.connect(3, "bob");
    let moment = Duration::from_millis(1);
    pass(&mut world, AWAY_TIME.saturating_sub(moment));
    assert_eq!(world.events(alice), []);
    assert_eq!(world.room.poll_timeout(), Some(world.now + moment));
    pass(&mut world, moment);
    assert_eq!(world.events(alice), [closed("bob")]);
    peers_at_join(&mut world, bob, "bob");
    assert!(matches!(
        world.events(alice)[..],
        [PeerEvent::NewPeer { .. }]
    ));
}

#[test]
fn who_cannot_follow_or_is_disconnected_has_left_at_once() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    world.join_at(FAR, 2, "bob");
    let carol = join_able(&mut world, FAR, 3, "carol");
    let dave = join_able(&mut world, FAR, 4, "dave");
    world.events(alice);
    world.lose(FAR);
    assert_eq!(world.events(alice), [closed("bob")]);
    world.disconnect(carol);
    assert_eq!(world.events(alice), [closed("carol")]);
    // Whoever is on the way back already has another session to lose.
    let again = world.connect(5, "dave");
    world.disconnect(dave);
    assert_eq!(world.events(alice), []);
    world.disconnect(again);
    assert_eq!(world.events(alice), [closed("dave")]);
    assert!(world.room.dump().away.is_empty());
}

#[test]
fn who_loses_its_place_again_on_the_way_back_is_still_expected() {
    let (mut world, alice) = bob_is_away(|_| {});
    world.connect_at(PlaceId(8), 3, "bob");
    world.lose(PlaceId(8));
    let bob = world.connect(4, "bob");
    peers_at_join(&mut world, bob, "bob");
    pass(&mut world, AWAY_TIME);
    assert_eq!(world.events(alice), []);
}

#[test]
fn another_name_is_told() {
    let (mut world, alice) = bob_is_away(|_| {});
    let bob = world.connect(3, "bob");
    peers_at_join(&mut world, bob, "Robert");
    let renamed = PeerEvent::PeerDisplayNameChanged {
        peer: "bob".into(),
        display_name: "Robert".to_owned(),
        old_display_name: "bob".to_owned(),
    };
    assert_eq!(world.events(alice), [renamed]);
}

#[test]
fn who_joins_meanwhile_sees_who_is_away() {
    let (mut world, _) = bob_is_away(|_| {});
    let carol = world.connect(3, "carol");
    assert_eq!(peers_at_join(&mut world, carol, "carol"), ["alice", "bob"]);
    join_able(&mut world, PlaceId::FIRST, 4, "bob");
    assert_eq!(world.events(carol), []);
}

#[test]
fn a_viewer_whom_nobody_knew_is_not_expected() {
    let (mut world, alice) = bob_is_away(|config| config.announce_up_to = 1);
    assert!(world.room.dump().away.is_empty());
    join_able(&mut world, PlaceId::FIRST, 3, "bob");
    pass(&mut world, AWAY_TIME);
    assert_eq!(world.events(alice), []);
}

#[test]
fn who_is_away_counts_among_those_who_are_announced() {
    let (mut world, alice) = bob_is_away(|config| config.announce_up_to = 2);
    join_able(&mut world, PlaceId::FIRST, 3, "carol");
    join_able(&mut world, PlaceId::FIRST, 4, "bob");
    assert_eq!(world.events(alice), [], "carol was one too many");
    world.disconnect(SessionId(4));
    assert_eq!(world.events(alice), [closed("bob")], "bob is known");
}

#[test]
fn who_is_away_keeps_its_seat() {
    let (mut world, _) = bob_is_away(|config| config.limits.peers = 2);
    let full = |session| Effect::CloseSession {
        session,
        reason: CloseReason::RoomFull,
    };
    world.rest();
    let carol = world.connect(3, "carol");
    assert_eq!(world.rest(), [full(carol)]);
    world.connect(4, "bob");
    assert_eq!(world.rest(), [], "one seat, connected or joined");
    let dave = world.connect(5, "dave");
    assert_eq!(world.rest(), [full(dave)]);
    world.disconnect(SessionId(4));
    world.connect(6, "carol");
    assert_eq!(world.rest().len(), 1, "bob has gone for good");
}

#[test]
fn a_room_with_nobody_but_those_who_are_away_counts_as_empty() {
    let (mut world, alice) = bob_is_away(|_| {});
    world.rest();
    world.disconnect(alice);
    assert_eq!(world.rest(), [Effect::RoomEmpty]);
    // The host knew that bob is on the way.
    let bob = world.connect(3, "bob");
    assert!(peers_at_join(&mut world, bob, "bob").is_empty());
}

#[test]
fn an_ended_room_expects_nobody() {
    let (mut world, _) = bob_is_away(|_| {});
    world.handle(Command::Close);
    assert_eq!(world.room.dump(), RoomDump::default());
    assert_eq!(world.room.poll_timeout(), None);
}
