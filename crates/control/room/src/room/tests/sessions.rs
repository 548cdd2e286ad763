//! Coming, going, names, refusals.

use plenum_params::{
    event::Event,
    transport::{DtlsState, IceState},
};

use super::*;

#[test]
fn a_joining_peer_learns_who_is_there_and_the_others_learn_of_it() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    let bob = world.connect(2, "bob");
    let reply = world.ask(bob, clients::join("Bob"));
    let info = |peer: &str, display_name: &str, role| PeerInfo {
        role,
        ..PeerInfo::new(peer.into(), display_name.to_owned(), device())
    };
    assert_eq!(
        reply,
        Ok(PeerReply::Joined {
            peers: vec![info("alice", "alice", Role::Host)],
            display_name: "Bob".to_owned(),
            role: Role::Speaker,
            grants: Grants::default(),
        })
    );
    assert_eq!(
        world.events(alice),
        [PeerEvent::NewPeer(info("bob", "Bob", Role::Speaker))]
    );
    assert_eq!(
        (world.room.session_count(), world.room.joined_count()),
        (2, 2)
    );

    world.disconnect(bob);
    assert_eq!(
        world.events(alice),
        [PeerEvent::PeerClosed { peer: "bob".into() }]
    );
    assert_eq!(world.rest(), []);
}

#[test]
fn a_session_that_has_not_joined_comes_and_goes_unnoticed() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    let bob = world.connect(2, "bob");
    world.transport(bob, true);
    world.disconnect(bob);
    assert_eq!(world.events(alice), []);
    assert_eq!(world.worker.transports.len(), 2);
}

#[test]
fn joining_twice_is_an_error_and_other_requests_need_it() {
    let mut world = World::new();
    let alice = world.connect(1, "alice");
    let transport = world.transport(alice, false);
    let error = world
        .ask(alice, clients::produce(transport))
        .expect_err("not joined");
    assert_eq!(error.reason, "peer has not joined");
    world.ask(alice, clients::join("Alice")).expect("joins");
    let error = world
        .ask(alice, clients::join("Alice"))
        .expect_err("joined already");
    assert_eq!(error.reason, "peer already joined");
    assert_eq!(error.kind, ErrorKind::Conflict);
}

#[test]
fn a_newer_session_of_the_same_peer_takes_over_and_the_room_lives_on() {
    let mut world = World::new();
    let old = world.join(1, "alice");
    world.produce(old);
    let (bob, _) = world.join(2, "bob");
    world.rest();

    let newer = world.connect(3, "alice");
    world.transport(newer, true);
    assert_eq!(world.rest(), [], "its media goes on");
    assert_eq!(world.worker.producers.len(), 1);
    world.ask(newer, clients::join("Alice")).expect("joins");
    let events = world.events(bob);
    assert!(
        matches!(
            &events[..],
            [
                PeerEvent::PeerClosed { .. },
                PeerEvent::ConsumerClosed { .. },
                PeerEvent::NewPeer(_)
            ]
        ),
        "{events:?}"
    );
    let closed = Effect::CloseSession {
        session: old.0,
        reason: CloseReason::Replaced,
    };
    assert_eq!(world.rest().first(), Some(&closed));
    assert_eq!(world.worker.producers.len(), 0);
    world.disconnect(old.0);
    assert_eq!(world.room.joined_count(), 2);
    assert_eq!(world.events(bob), []);
}

#[test]
fn a_newer_session_that_never_joins_costs_the_older_one_nothing() {
    let mut world = World::with(|config| config.join_timeout = Duration::from_secs(10));
    let old = world.join(1, "alice");
    world.produce(old);
    let (bob, _) = world.join(2, "bob");
    world.rest();
    // Of two that have not joined the later one is waited for.
    let vain = world.connect(3, "alice");
    let last = world.connect(4, "alice");
    let closed = |session, reason| Effect::CloseSession { session, reason };
    assert_eq!(world.rest(), [closed(vain, CloseReason::Replaced)]);
    assert_eq!(world.room.view().peers.len(), 2, "nobody is there twice");
    world.now += Duration::from_secs(10);
    world.handle(Command::Tick);
    assert_eq!(world.rest(), [closed(last, CloseReason::JoinTimeout)]);
    assert_eq!(
        (world.events(bob), world.worker.producers.len()),
        (vec![], 1)
    );
    assert_eq!(world.room.session_count(), 2);
}

#[test]
fn who_connects_again_is_what_it_was_when_its_older_session_ended() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    let (bob, _) = world.join(2, "bob");
    let newer = world.connect(3, "bob");
    let grants = Grants {
        publish_video: false,
        ..Grants::default()
    };
    let (peer, role) = (PeerId::from("bob"), Role::Listener);
    let given = PeerRequest::SetRole { peer, role };
    assert_eq!(world.ask(alice, given), Ok(PeerReply::Done));
    let peer = PeerId::from("bob");
    let given = PeerRequest::SetGrants { peer, grants };
    assert_eq!(world.ask(alice, given), Ok(PeerReply::Done));
    // Whichever ends first.
    let newest = world.connect(4, "alice");
    world.disconnect(alice);
    world.disconnect(bob);
    let reply = world.ask(newer, clients::join("Bob")).expect("joins");
    let (as_listener, expected) = (grants.within(role), (role, grants.within(role)));
    assert!(!as_listener.publish_video);
    assert!(
        matches!(&reply, PeerReply::Joined { role, grants, .. } if (*role, *grants) == expected),
        "{reply:?}"
    );
    let reply = world.ask(newest, clients::join("Alice")).expect("joins");
    assert!(
        matches!(
            &reply,
            PeerReply::Joined {
                role: Role::Host,
                ..
            }
        ),
        "{reply:?}"
    );
}

#[test]
fn who_is_sent_away_goes_with_all_its_sessions() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    world.join(2, "bob");
    world.connect(3, "bob");
    world.rest();
    let kick = PeerRequest::Kick { peer: "bob".into() };
    assert_eq!(world.ask(alice, kick), Ok(PeerReply::Done));
    assert_eq!(world.room.session_count(), 1);
    assert!(world.live.iter().eq([&alice]));
}

#[test]
fn the_only_peer_can_be_replaced_without_the_room_becoming_empty() {
    let mut world = World::new();
    let (old, _) = world.join(1, "alice");
    let newer = world.connect(2, "alice");
    world.disconnect(old);
    assert!(!world.rest().contains(&Effect::RoomEmpty));
    world.disconnect(newer);
    assert_eq!(world.rest(), [Effect::RoomEmpty]);
}

#[test]
fn a_new_name_is_told_to_the_others_with_the_old_one() {
    let mut world = World::new();
    let (alice, _) = world.join(1, "alice");
    let (bob, _) = world.join(2, "bob");
    world.rest();
    let rename = |name: &str| PeerRequest::ChangeDisplayName {
        display_name: name.to_owned(),
    };
    assert_eq!(world.ask(bob, rename("Robert")), Ok(PeerReply::Done));
    assert_eq!(
        world.events(alice),
        [PeerEvent::PeerDisplayNameChanged {
            peer: "bob".into(),
            display_name: "Robert".to_owned(),
            old_display_name: "bob".to_owned(),
        }]
    );
    let error = world
        .ask(bob, rename(&"ö".repeat(129)))
        .expect_err("too long");
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(
        world.ask(bob, rename(&"ö".repeat(128))),
        Ok(PeerReply::Done)
    );
}

#[test]
fn a_peer_whose_media_path_breaks_is_closed() {
    let states = |transport| {
        [
            Event::IceState {
                transport,
                state: IceState::Disconnected,
                tuple: None,
            },
            Event::DtlsState {
                transport,
                state: DtlsState::Failed,
            },
            Event::DtlsState {
                transport,
                state: DtlsState::Closed,
            },
        ]
    };
    for index in 0..3 {
        let mut world = World::new();
        let (alice, transport) = world.join(1, "alice");
        let (bob, _) = world.join(2, "bob");
        world.rest();
        world.event(Event::IceState {
            transport,
            state: IceState::Connected,
            tuple: None,
        });
        assert_eq!(world.rest(), []);
        let event = states(transport)[index].clone();
        world.event(event.clone());
        assert_eq!(
            world.events(bob),
            [PeerEvent::PeerClosed {
                peer: "alice".into()
            }]
        );
        assert_eq!(
            world.rest(),
            [Effect::CloseSession {
                session: alice,
                reason: CloseReason::TransportLost
            }]
        );
        world.event(event);
        assert_eq!(world.rest(), [], "the transport is unknown by now");
    }
}

#[test]
fn a_session_that_never_joins_is_closed_in_time() {
    let mut world = World::with(|config| config.join_timeout = Duration::from_secs(10));
    let (_joined, _) = world.join(1, "alice");
    assert_eq!(world.room.poll_timeout(), None);
    let lingering = world.connect(2, "bob");
    let deadline = world.room.poll_timeout().expect("a deadline");
    assert_eq!(deadline, world.now + Duration::from_secs(10));
    world.rest();
    world.now = deadline
        .checked_sub(Duration::from_millis(1))
        .expect("later");
    world.handle(Command::Tick);
    assert_eq!(world.rest(), []);
    world.now = deadline;
    world.handle(Command::Tick);
    assert_eq!(
        world.rest(),
        [Effect::CloseSession {
            session: lingering,
            reason: CloseReason::JoinTimeout
        }]
    );
}

#[test]
fn a_full_room_takes_nobody_but_a_peer_who_reconnects() {
    let mut world = World::with(|config| config.limits.peers = 1);
    world.join(1, "alice");
    world.rest();
    let bob = world.connect(2, "bob");
    let full = Effect::CloseSession {
        session: bob,
        reason: CloseReason::RoomFull,
    };
    assert_eq!(world.rest(), [full]);
    let newer = world.connect(3, "alice");
    assert_eq!(world.room.session_count(), 2);
    // It has one seat, with however many sessions.
    let bob = world.connect(4, "bob");
    let full = Effect::CloseSession {
        session: bob,
        reason: CloseReason::RoomFull,
    };
    assert_eq!(world.rest(), [full]);
    world.ask(newer, clients::join("Alice")).expect("joins");
    assert_eq!(world.room.session_count(), 1);
}

#[test]
fn two_sessions_of_a_peer_take_one_seat() {
    let mut world = World::with(|config| config.limits.peers = 3);
    world.join(1, "alice");
    world.connect(2, "alice");
    world.join(3, "bob");
    world.join(4, "carol");
    assert_eq!(world.room.joined_count(), 3);
}

#[test]
fn a_closed_room_closes_its_sessions_and_its_router() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    world.rest();
    let request = world.send(alice.0, PeerRequest::RestartIce { transport: alice.1 });
    world.handle(Command::Close);
    let effects = world.rest();
    assert!(
        matches!(&effects[0], Effect::Reply { request: of, result: Err(error), .. }
            if *of == request && error.kind == ErrorKind::Unavailable)
    );
    let closed = Effect::CloseSession {
        session: alice.0,
        reason: CloseReason::RoomClosed,
    };
    assert_eq!(effects[1..], [closed, Effect::RoomClosed]);
    assert!(world.worker.routers.is_empty() && world.worker.holds_no_media());
    assert_eq!(world.room.dump(), RoomDump::default());

    world.run_worker();
    let late = world.connect(2, "bob");
    let refused = Effect::CloseSession {
        session: late,
        reason: CloseReason::RoomClosed,
    };
    assert_eq!(world.rest(), [refused]);
}

#[test]
fn the_same_seed_and_commands_give_the_same_identifiers() {
    let run = || {
        let mut world = World::new();
        let alice = world.join(1, "alice");
        (alice.1, world.produce(alice))
    };
    assert_eq!(run(), run());
    let text = run().1.to_string();
    assert_eq!(
        text.chars().nth(14),
        Some('4'),
        "{text} should be a UUID of version 4"
    );
}
