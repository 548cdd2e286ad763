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
