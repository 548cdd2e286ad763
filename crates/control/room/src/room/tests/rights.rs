//! Who is what, who may do what, and what hosts decide.

use super::*;

fn featured(world: &mut World, session: u64, peer: &str) -> (SessionId, TransportId) {
    let join = clients::join_featured(peer, Subscription::All);
    world.join_as(session, Admission::new(peer.into()), join)
}

fn kind(result: Result<PeerReply, RoomError>) -> Result<PeerReply, ErrorKind> {
    result.map_err(|err| err.kind)
}

fn role_of(world: &World, session: SessionId) -> Role {
    world.room.standing(session).0
}

#[test]
fn the_first_is_host_and_the_oldest_after_it() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    let carol = featured(&mut world, 3, "carol");
    assert_eq!(role_of(&world, alice.0), Role::Host);
    assert_eq!(role_of(&world, bob.0), Role::Speaker);
    world.events(carol.0);
    world.disconnect(alice.0);
    assert_eq!(role_of(&world, bob.0), Role::Host);
    let told = world.events(carol.0);
    assert!(told.contains(&PeerEvent::RoleChanged {
        peer: "bob".into(),
        role: Role::Host
    }));
}

#[test]
fn a_host_who_reloads_the_page_is_host() {
    let mut world = World::new();
    featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    let again = featured(&mut world, 3, "alice");
    assert_eq!(role_of(&world, again.0), Role::Host);
    assert_eq!(role_of(&world, bob.0), Role::Speaker);
}

#[test]
fn where_doors_say_who_is_host_nobody_becomes_it() {
    let mut world = World::new();
    let told = |peer: &str, role| Admission {
        role: Some(role),
        ..Admission::new(peer.into())
    };
    let (ada, _) = world.join_as(1, told("ada", Role::Speaker), clients::join("Ada"));
    let (max, _) = world.join_as(2, told("max", Role::Host), clients::join("Max"));
    assert_eq!(role_of(&world, ada), Role::Speaker);
    world.disconnect(max);
    assert_eq!(role_of(&world, ada), Role::Speaker);
    // What was made of a name does not help another token under that name.
    let promote = AdminCommand::SetRole {
        peer: "ada".into(),
        role: Role::Host,
    };
    world.administer(promote).expect("there");
    assert_eq!(role_of(&world, ada), Role::Host);
    let (again, _) = world.join_as(3, told("ada", Role::Speaker), clients::join("Ada"));
    assert_eq!(role_of(&world, again), Role::Speaker);
}

#[test]
fn programs_are_no_hosts() {
    let mut world = World::new();
    let robot = Admission {
        door: Door::Whip,
        ..Admission::new("robot".into())
    };
    let (robot, _) = world.join_as(1, robot, clients::join("Robot"));
    let (alice, _) = world.join(2, "alice");
    assert_eq!(role_of(&world, robot), Role::Speaker);
    assert_eq!(role_of(&world, alice), Role::Host);
}

#[test]
fn only_hosts_and_administrators_decide() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    let admin = Admission {
        grants: Grants {
            admin: true,
            ..Grants::default()
        },
        ..Admission::new("carol".into())
    };
    let (carol, _) = world.join_as(3, admin, clients::join("Carol"));
    let lock = PeerRequest::SetLocked(true);
    let refused = kind(world.ask(bob.0, lock.clone()));
    assert_eq!(refused, Err(ErrorKind::Forbidden));
    assert_eq!(world.ask(carol, lock), Ok(PeerReply::Done));
    assert!(world.room.properties().locked);
    let told = world.events(alice.0);
    assert!(
        matches!(told.last(), Some(PeerEvent::RoomChanged(now)) if now.locked),
        "{told:?}"
    );
}

#[test]
fn what_a_token_does_not_grant_cannot_be_published_or_received() {
    let mut world = World::with_data(|_| {});
    let alice = world.join(1, "alice");
    world.produce(alice);
    let bob = Admission {
        grants: Grants {
            publish_screen: false,
            publish_data: false,
            subscribe: false,
            ..Grants::default()
        },
        ..Admission::new("bob".into())
    };
    let bob = world.join_as(2, bob, clients::join("Bob"));
    assert_eq!(world.questions().len(), 0);
    assert!(world.data_questions().iter().all(|it| it.0 != bob.0));
    let screen = kind(world.ask(bob.0, clients::produce(bob.1)));
    assert_eq!(screen, Err(ErrorKind::Forbidden));
    let chat = clients::write(bob.1, 0, Audience::Everybody);
    assert_eq!(kind(world.ask(bob.0, chat)), Err(ErrorKind::Forbidden));
    let camera = world.ask(bob.0, clients::film(bob.1));
    assert!(matches!(camera, Ok(PeerReply::Produced { .. })));
}

#[test]
fn a_speaker_who_becomes_a_listener_is_silent_at_once() {
    let mut world = World::with_data(|_| {});
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    let producer = world.produce(bob);
    let chat = clients::write(bob.1, 0, Audience::Everybody);
    world.ask(bob.0, chat).expect("writes");
    world.events(bob.0);
    let demote = PeerRequest::SetRole {
        peer: "bob".into(),
        role: Role::Listener,
    };
    world.ask(alice.0, demote).expect("a host");
    let told = world.events(bob.0);
    let has = |event: &dyn Fn(&PeerEvent) -> bool| told.iter().filter(|it| event(it)).count() == 1;
    assert!(has(&|it| matches!(it, PeerEvent::RoleChanged { .. })));
    assert!(has(
        &|it| matches!(it, PeerEvent::GrantsChanged { grants } if !grants.publish_audio)
    ));
    assert!(has(&|it| *it == PeerEvent::ProducerClosed { producer }));
    assert!(has(&|it| matches!(
        it,
        PeerEvent::DataProducerClosed { .. }
    )));
    assert_eq!(world.worker.producers.len(), 0);
    let again = kind(world.ask(bob.0, clients::speak(bob.1)));
    assert_eq!(again, Err(ErrorKind::Forbidden));
    // And still when it comes again.
    let bob = featured(&mut world, 3, "bob");
    assert_eq!(role_of(&world, bob.0), Role::Listener);
}

#[test]
fn a_right_to_receive_is_taken_and_given_at_once() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    world.produce(alice);
    let (_, ask, consumer) = world.questions().remove(0);
    world.accept(ask);
    let set = |subscribe| AdminCommand::SetGrants {
        peer: "bob".into(),
        grants: Grants {
            subscribe,
            ..Grants::default()
        },
    };
    world.events(bob.0);
    world.administer(set(false)).expect("there");
    let told = world.events(bob.0);
    let consumer = consumer.consumer;
    assert!(
        told.contains(&PeerEvent::ConsumerClosed { consumer }),
        "{told:?}"
    );
    assert_eq!(world.worker.consumers.len(), 0);
    world.administer(set(true)).expect("there");
    world.run_worker();
    assert_eq!(world.questions().len(), 1);
}

#[test]
fn a_room_remembers_so_many_whom_it_made_something() {
    let mut world = World::with(|config| config.limits.remembered = 1);
    for (number, peer) in [(1, "alice"), (2, "bob")] {
        featured(&mut world, number, peer);
        let demote = AdminCommand::SetRole {
            peer: peer.into(),
            role: Role::Listener,
        };
        world.administer(demote).expect("there");
    }
    assert_eq!(world.room.made.len(), 1);
}

#[test]
fn the_hidden_are_not_seen_and_see() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    world.produce(alice);
    let spy = Admission {
        grants: Grants {
            hidden: true,
            ..Grants::default()
        },
        ..Admission::new("spy".into())
    };
    let spy = world.join_as(2, spy, clients::join("Spy"));
    assert_eq!(world.events(alice.0), []);
    assert_eq!(world.questions().len(), 1);
    let publish = kind(world.ask(spy.0, clients::speak(spy.1)));
    assert_eq!(publish, Err(ErrorKind::Forbidden));
    let bob = world.connect(3, "bob");
    let Ok(PeerReply::Joined { peers, .. }) = world.ask(bob, clients::join("Bob")) else {
        panic!("joins");
    };
    assert_eq!(peers.len(), 1);
    world.disconnect(spy.0);
    assert!(
        !world
            .events(alice.0)
            .iter()
            .any(|it| matches!(it, PeerEvent::PeerClosed { .. }))
    );
}

#[test]
fn hosts_mute_and_owners_unmute() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    let own = world.produce(alice);
    let producer = world.produce(bob);
    world.events(bob.0);
    let mute = PeerRequest::Mute {
        peer: None,
        kind: None,
    };
    world.ask(alice.0, mute).expect("a host");
    world.run_worker();
    assert!(world.worker.producers[&producer].paused);
    assert!(!world.worker.producers[&own].paused, "hosts are not muted");
    assert!(world.events(bob.0).contains(&PeerEvent::Muted { producer }));
    let resume = PeerRequest::ResumeProducer { producer };
    assert_eq!(world.ask(bob.0, resume), Ok(PeerReply::Done));
    assert!(!world.worker.producers[&producer].paused);
    let mute = PeerRequest::Mute {
        peer: Some("nobody".into()),
        kind: None,
    };
    assert_eq!(kind(world.ask(alice.0, mute)), Err(ErrorKind::NotFound));
}

#[test]
fn who_is_muted_while_its_producer_is_made_is_muted_then() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    world.send(bob.0, clients::produce(bob.1));
    let mute = PeerRequest::Mute {
        peer: None,
        kind: None,
    };
    world.send(alice.0, mute);
    world.run_worker();
    let (id, producer) = world.worker.producers.iter().next().expect("made");
    assert!(producer.paused);
    let producer = *id;
    assert!(world.events(bob.0).contains(&PeerEvent::Muted { producer }));
    let resume = PeerRequest::ResumeProducer { producer };
    assert_eq!(world.ask(bob.0, resume), Ok(PeerReply::Done));
    assert!(!world.worker.producers[&producer].paused);
}

#[test]
fn a_client_gives_nobody_more_than_a_token_or_itself_has() {
    let mut world = World::new();
    let audio = Grants {
        publish_audio: true,
        subscribe: true,
        ..Grants::NONE
    };
    let token = |peer: &str, role| Admission {
        role: Some(role),
        grants: audio,
        ..Admission::new(peer.into())
    };
    let (ada, _) = world.join_as(1, token("ada", Role::Host), clients::join("Ada"));
    let (max, _) = world.join_as(2, token("max", Role::Speaker), clients::join("Max"));
    let (guest, _) = world.join(3, "guest");
    let may = |world: &World, session| world.room.standing(session).1;
    let set = |world: &mut World, peer: &str, grants| {
        let peer = peer.into();
        kind(world.ask(ada, PeerRequest::SetGrants { peer, grants }))
    };
    let all = Grants {
        admin: true,
        record: true,
        ..Grants::default()
    };
    for peer in ["ada", "max", "guest"] {
        assert_eq!(set(&mut world, peer, all), Err(ErrorKind::Forbidden));
    }
    let recorded = Grants {
        record: true,
        ..Grants::default()
    };
    let refused = set(&mut world, "guest", recorded);
    assert_eq!(refused, Err(ErrorKind::Forbidden));
    // What the door allows is taken and given back.
    for grants in [Grants::NONE, Grants::default()] {
        assert_eq!(set(&mut world, "guest", grants), Ok(PeerReply::Done));
        assert_eq!(may(&world, guest), grants);
    }
    for grants in [Grants::NONE, audio] {
        assert_eq!(set(&mut world, "max", grants), Ok(PeerReply::Done));
        assert_eq!(may(&world, max), grants);
    }
    let peer = "max".into();
    let free = AdminCommand::SetGrants { peer, grants: all };
    world.administer(free).expect("there");
    assert_eq!(may(&world, max), all);
}

#[test]
fn hosts_send_away_and_close() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    let carol = featured(&mut world, 3, "carol");
    let producer = world.produce(carol);
    let close = PeerRequest::CloseProducerOf { producer };
    assert_eq!(world.ask(alice.0, close), Ok(PeerReply::Done));
    assert!(
        world
            .events(carol.0)
            .contains(&PeerEvent::ProducerClosed { producer })
    );
    let kick = PeerRequest::Kick { peer: "bob".into() };
    assert_eq!(world.ask(alice.0, kick), Ok(PeerReply::Done));
    let closed = |session, reason| Effect::CloseSession { session, reason };
    assert!(world.rest().contains(&closed(bob.0, CloseReason::Kicked)));
    assert_eq!(
        world.ask(alice.0, PeerRequest::CloseRoom),
        Ok(PeerReply::Done)
    );
    let rest = world.rest();
    assert!(rest.contains(&closed(carol.0, CloseReason::RoomClosed)));
    assert!(rest.contains(&Effect::RoomClosed));
    let late = world.administer(AdminCommand::SetLocked(true));
    assert_eq!(late.map_err(|err| err.kind), Err(ErrorKind::NotFound));
}

#[test]
fn hands_are_raised_by_oneself_and_lowered_by_hosts_too() {
    let mut world = World::with(|config| config.announce_up_to = 1);
    let alice = featured(&mut world, 1, "alice");
    let bob = featured(&mut world, 2, "bob");
    world.events(alice.0);
    let raise = PeerRequest::RaiseHand(true);
    assert_eq!(world.ask(bob.0, raise), Ok(PeerReply::Done));
    let told = world.events(alice.0);
    let raised = |raised| PeerEvent::HandRaised {
        peer: "bob".into(),
        raised,
    };
    assert!(matches!(told[0], PeerEvent::NewPeer(_)), "{told:?}");
    assert_eq!(told[1], raised(true));
    let lower = PeerRequest::LowerHand { peer: "bob".into() };
    let refused = kind(world.ask(bob.0, lower.clone()));
    assert_eq!(refused, Err(ErrorKind::Forbidden));
    assert_eq!(world.ask(alice.0, lower), Ok(PeerReply::Done));
    assert_eq!(world.events(bob.0).last(), Some(&raised(false)));
}

#[test]
fn a_room_has_as_many_seats_as_its_host_says_and_metadata_of_bounded_size() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let seats = PeerRequest::SetMaxPeers(Some(1));
    assert_eq!(world.ask(alice.0, seats), Ok(PeerReply::Done));
    let bob = world.connect(2, "bob");
    assert!(world.rest().contains(&Effect::CloseSession {
        session: bob,
        reason: CloseReason::RoomFull
    }));
    let large = PeerRequest::SetMetadata(Value::String("x".repeat(20_000)));
    assert_eq!(kind(world.ask(alice.0, large)), Err(ErrorKind::BadRequest));
    let small = PeerRequest::SetMetadata(json!({ "topic": "tea" }));
    assert_eq!(world.ask(alice.0, small), Ok(PeerReply::Done));
    assert_eq!(world.room.properties().metadata["topic"], "tea");
}

#[test]
fn a_name_from_a_token_stays() {
    let mut world = World::new();
    let named = Admission {
        name: Some("Ada Lovelace".to_owned()),
        ..Admission::new("ada".into())
    };
    let (ada, _) = world.join_as(1, named, clients::join("somebody else"));
    assert_eq!(world.room.view().peers[0].display_name, "Ada Lovelace");
    let rename = PeerRequest::ChangeDisplayName {
        display_name: "Bob".to_owned(),
    };
    assert_eq!(kind(world.ask(ada, rename)), Err(ErrorKind::Forbidden));
}

#[test]
fn in_a_room_that_has_moved_everybody_is_what_it_was() {
    let returning = |role| Returning { role, grants: None };
    let members = [("alice", Role::Host), ("bob", Role::Speaker)];
    let mut world = World::with(|config| {
        config.properties.locked = true;
        let members = members.map(|(peer, role)| (peer.into(), returning(role)));
        config.returning = members.into_iter().collect();
    });
    let bob = featured(&mut world, 1, "bob");
    assert_eq!(
        role_of(&world, bob.0),
        Role::Speaker,
        "the host is expected"
    );
    let stranger = world.connect(2, "stranger");
    let join = kind(world.ask(stranger, clients::join("Stranger")));
    assert_eq!(join, Err(ErrorKind::Forbidden));
    let alice = featured(&mut world, 3, "alice");
    assert_eq!(role_of(&world, alice.0), Role::Host);
}

#[test]
fn a_host_who_does_not_come_back_after_a_move_is_replaced() {
    let mut world = World::with(|config| {
        let host = Returning {
            role: Role::Host,
            grants: None,
        };
        config.returning = BTreeMap::from([("alice".into(), host)]);
    });
    let bob = featured(&mut world, 1, "bob");
    world.now += super::super::away::AWAY_TIME;
    world.handle(Command::Tick);
    assert_eq!(role_of(&world, bob.0), Role::Host);
}

#[test]
fn what_happens_is_told_outside() {
    let mut world = World::new();
    let alice = featured(&mut world, 1, "alice");
    let producer = world.produce(alice);
    world.disconnect(alice.0);
    let told: Vec<_> = world
        .happened
        .iter()
        .map(|it| serde_json::to_value(it).expect("JSON"))
        .collect();
    assert_eq!(told[0]["type"], "peerJoined");
    assert_eq!(told[0]["role"], "host");
    assert_eq!(told[1]["type"], "producerAdded");
    assert_eq!(told[1]["producerId"], producer.to_string());
    assert_eq!(told[2]["type"], "peerLeft");

    // Who comes again has left before.
    world.happened.clear();
    featured(&mut world, 2, "bob");
    featured(&mut world, 3, "bob");
    let left = RoomEvent::PeerLeft {
        peer_id: "bob".into(),
        reason: Some(CloseReason::Replaced),
    };
    assert_eq!(world.happened[1], left);
    assert_eq!(world.happened.len(), 3);
}
