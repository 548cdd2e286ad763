//! Locked rooms, and those who wait.

use super::*;

fn host(world: &mut World) -> SessionId {
    let join = clients::join_featured("Alice", Subscription::All);
    let (alice, _) = world.join_as(1, Admission::new("alice".into()), join);
    world.events(alice);
    alice
}

fn refusals(world: &mut World, request: RequestId) -> Vec<ErrorKind> {
    let replies = world.rest().into_iter().filter_map(|effect| match effect {
        Effect::Reply {
            request: of,
            result: Err(err),
            ..
        } if of == request => Some(err.kind),
        _ => None,
    });
    replies.collect()
}

#[test]
fn a_locked_room_refuses_whoever_was_not_in_it() {
    let mut world = World::new();
    let alice = host(&mut world);
    world.join(2, "bob");
    let lock = PeerRequest::SetLocked(true);
    world.ask(alice, lock).expect("a host");
    let carol = world.connect(3, "carol");
    let join = world.ask(carol, clients::join("Carol"));
    assert_eq!(join.map_err(|err| err.kind), Err(ErrorKind::Forbidden));
    assert!(world.rest().contains(&Effect::CloseSession {
        session: carol,
        reason: CloseReason::Locked
    }));
    // Who reloads the page was in it.
    world.join(4, "bob");
    assert_eq!(world.room.joined_count(), 2);
}

#[test]
fn who_understands_lobbies_waits_and_is_admitted() {
    let mut world = World::new();
    let alice = host(&mut world);
    let lobby = |on| PeerRequest::SetLobby(on);
    world.ask(alice, lobby(true)).expect("a host");
    world.events(alice);
    let bob = world.connect(2, "bob");
    let join = clients::join_featured("Bob", Subscription::All);
    assert_eq!(world.ask(bob, join.clone()), Ok(PeerReply::Waiting));
    assert_eq!(
        world.events(alice),
        [PeerEvent::Knock {
            peer: "bob".into(),
            display_name: "Bob".to_owned()
        }]
    );
    let twice = world.ask(bob, join).map_err(|err| err.kind);
    assert_eq!(twice, Err(ErrorKind::Conflict));
    assert_eq!(world.room.joined_count(), 1);
    let admit = PeerRequest::Admit { peer: "bob".into() };
    assert_eq!(world.ask(alice, admit.clone()), Ok(PeerReply::Done));
    let told = world.events(bob);
    assert!(
        matches!(&told[0], PeerEvent::Admitted { peers, .. } if peers.len() == 1),
        "{told:?}"
    );
    let told = world.events(alice);
    assert_eq!(told[0], PeerEvent::KnockGone { peer: "bob".into() });
    assert!(matches!(told[1], PeerEvent::NewPeer(_)));
    let again = world.ask(alice, admit).map_err(|err| err.kind);
    assert_eq!(again, Err(ErrorKind::NotFound));
}

#[test]
fn others_are_answered_when_they_are_admitted_or_before_they_give_up() {
    let mut world = World::new();
    let alice = host(&mut world);
    world
        .ask(alice, PeerRequest::SetLobby(true))
        .expect("a host");
    let bob = world.connect(2, "bob");
    let carol = world.connect(3, "carol");
    let bobs = world.send(bob, clients::join("Bob"));
    let carols = world.send(carol, clients::join("Carol"));
    let admit = PeerRequest::Admit { peer: "bob".into() };
    world.ask(alice, admit).expect("a host");
    let joined = world.rest().into_iter().any(|effect| match effect {
        Effect::Reply {
            request,
            result: Ok(PeerReply::Joined { .. }),
            ..
        } => request == bobs,
        _ => false,
    });
    assert!(joined);
    world.now += Duration::from_secs(20);
    world.handle(Command::Tick);
    assert_eq!(refusals(&mut world, carols), [ErrorKind::Forbidden]);
    assert!(!world.live.contains(&carol));
}

#[test]
fn who_is_refused_or_leaves_waits_no_more() {
    let mut world = World::new();
    let alice = host(&mut world);
    world
        .ask(alice, PeerRequest::SetLobby(true))
        .expect("a host");
    let join = clients::join_featured("Bob", Subscription::All);
    for (number, peer) in [(2, "bob"), (3, "carol")] {
        let session = world.connect(number, peer);
        assert_eq!(world.ask(session, join.clone()), Ok(PeerReply::Waiting));
    }
    world.events(alice);
    let refuse = PeerRequest::Refuse { peer: "bob".into() };
    world.ask(alice, refuse).expect("a host");
    assert!(world.rest().contains(&Effect::CloseSession {
        session: SessionId(2),
        reason: CloseReason::Refused
    }));
    world.disconnect(SessionId(3));
    assert!(world.events(alice).contains(&PeerEvent::KnockGone {
        peer: "carol".into()
    }));
    assert!(world.room.knocks.is_empty());
}

#[test]
fn a_lobby_that_is_opened_lets_everybody_in() {
    let mut world = World::new();
    let alice = host(&mut world);
    world
        .ask(alice, PeerRequest::SetLobby(true))
        .expect("a host");
    for (number, peer) in [(2, "bob"), (3, "carol")] {
        let session = world.connect(number, peer);
        world.send(session, clients::join(peer));
    }
    assert_eq!(world.room.joined_count(), 1);
    world
        .ask(alice, PeerRequest::SetLobby(false))
        .expect("a host");
    assert_eq!(world.room.joined_count(), 3);
}

#[test]
fn a_new_host_hears_who_waits_and_without_one_the_first_goes_in() {
    let mut world = World::new();
    let alice = host(&mut world);
    let join = clients::join_featured("Bob", Subscription::All);
    let (bob, _) = world.join_as(2, Admission::new("bob".into()), join.clone());
    world
        .ask(alice, PeerRequest::SetLobby(true))
        .expect("a host");
    for (number, peer) in [(3, "carol"), (4, "dave")] {
        let session = world.connect(number, peer);
        assert_eq!(world.ask(session, join.clone()), Ok(PeerReply::Waiting));
    }
    world.events(bob);
    world.disconnect(alice);
    let knocks = world.events(bob);
    let knocks = knocks
        .iter()
        .filter(|it| matches!(it, PeerEvent::Knock { .. }));
    assert_eq!(knocks.count(), 2);
    world.disconnect(bob);
    assert_eq!(world.room.joined_count(), 1);
    assert_eq!(world.room.standing(SessionId(3)).0, Role::Host);
}

/// A room with a host and a lobby, in which some wait.
fn besieged(change: impl FnOnce(&mut RoomConfig), waiting: &[&str]) -> (World, SessionId) {
    let mut world = World::with(change);
    let alice = host(&mut world);
    let lobby = PeerRequest::SetLobby(true);
    world.ask(alice, lobby).expect("a host");
    for (number, peer) in (2..).zip(waiting) {
        let session = world.connect(number, peer);
        let join = clients::join_featured(peer, Subscription::All);
        assert_eq!(world.ask(session, join), Ok(PeerReply::Waiting));
    }
    (world, alice)
}

#[test]
fn who_waits_has_no_seat() {
    let (mut world, alice) = besieged(|_| {}, &["bob", "carol", "dave"]);
    let seats = PeerRequest::SetMaxPeers(Some(2));
    world.ask(alice, seats).expect("a host");
    let admit = |world: &mut World, peer: &str| {
        let admit = PeerRequest::Admit { peer: peer.into() };
        world.ask(alice, admit).map_err(|err| err.kind)
    };
    assert_eq!(admit(&mut world, "bob"), Ok(PeerReply::Done));
    assert_eq!(admit(&mut world, "carol"), Err(ErrorKind::TooMany));
    assert_eq!(world.room.knocks.len(), 2, "they go on waiting");
    // An open lobby has no more seats than there are.
    let lobby = PeerRequest::SetLobby(false);
    world.ask(alice, lobby).expect("a host");
    assert_eq!(world.room.joined_count(), 2);
    let seats = PeerRequest::SetMaxPeers(Some(3));
    world.ask(alice, seats).expect("a host");
    assert_eq!(world.room.joined_count(), 3);
}

#[test]
fn who_connects_at_the_same_time_finds_the_last_seat_taken() {
    let mut world = World::with(|config| config.properties.max_peers = Some(2));
    host(&mut world);
    let (bob, carol) = (world.connect(2, "bob"), world.connect(3, "carol"));
    world.ask(bob, clients::join("Bob")).expect("a seat");
    let late = world.ask(carol, clients::join("Carol"));
    assert_eq!(late.map_err(|err| err.kind), Err(ErrorKind::TooMany));
    assert!(world.rest().contains(&Effect::CloseSession {
        session: carol,
        reason: CloseReason::RoomFull
    }));
    // Who comes again has its seat, though somebody else is at the door.
    world.disconnect(bob);
    let dave = world.connect(4, "dave");
    let alice = world.connect(5, "alice");
    world.ask(dave, clients::join("Dave")).expect("a seat");
    world.ask(alice, clients::join("Alice")).expect("her seat");
    assert_eq!(world.room.joined_count(), 2);
}

#[test]
fn as_many_may_be_at_the_door_as_in_the_room() {
    let (mut world, _) = besieged(|config| config.limits.peers = 2, &["bob", "carol"]);
    let dave = world.connect(4, "dave");
    assert!(world.rest().contains(&Effect::CloseSession {
        session: dave,
        reason: CloseReason::RoomFull
    }));
    // A host who reloads the page does not wait behind them.
    let alice = world.connect(5, "alice");
    world.ask(alice, clients::join("Alice")).expect("her seat");
}

#[test]
fn a_lock_holds_when_the_lobby_is_opened_or_the_host_goes() {
    let (mut world, alice) = besieged(|_| {}, &["bob", "carol"]);
    let lock = PeerRequest::SetLocked(true);
    world.ask(alice, lock).expect("a host");
    for lobby in [false, true] {
        let lobby = PeerRequest::SetLobby(lobby);
        world.ask(alice, lobby).expect("a host");
    }
    assert_eq!(world.room.joined_count(), 1);
    world.disconnect(alice);
    assert_eq!(world.room.joined_count(), 0, "nobody inherits it");
    let unlock = AdminCommand::SetLocked(false);
    world.administer(unlock).expect("from outside");
    assert_eq!(world.room.joined_count(), 1);
    assert_eq!(world.room.standing(SessionId(2)).0, Role::Host);
    world
        .administer(AdminCommand::SetLocked(true))
        .expect("again");
    world
        .administer(AdminCommand::SetLobby(false))
        .expect("and no lobby");
    assert_eq!(world.room.joined_count(), 1);
    world
        .administer(AdminCommand::SetLocked(false))
        .expect("open");
    assert_eq!(world.room.joined_count(), 2);
}
