//! Who is seen at which node.

use super::*;

#[test]
fn peers_of_other_nodes_are_seen_like_those_of_this_one() {
    let mut cluster = Cluster::new(2, |_| {});
    let (alice, _) = cluster.join("n0", 1, "alice");
    let (bob, _) = cluster.join("n1", 2, "bob");
    let told = cluster.events("n0", alice);
    assert!(
        matches!(&told[..], [PeerEvent::NewPeer(info)] if info.peer == "bob".into()),
        "{told:?}"
    );
    let rename = PeerRequest::ChangeDisplayName {
        display_name: "Robert".to_owned(),
    };
    cluster.ask("n1", bob, rename).expect("its own name");
    cluster
        .ask("n1", bob, PeerRequest::RaiseHand(true))
        .expect("its own hand");
    assert_eq!(
        cluster.events("n0", alice),
        [
            PeerEvent::PeerDisplayNameChanged {
                peer: "bob".into(),
                display_name: "Robert".to_owned(),
                old_display_name: "bob".to_owned(),
            },
            PeerEvent::HandRaised {
                peer: "bob".into(),
                raised: true,
            },
        ]
    );
    let room = cluster.ask("n0", alice, PeerRequest::GetRoom);
    let Ok(PeerReply::Room(room)) = room else {
        panic!("not a room: {room:?}");
    };
    assert_eq!(
        (room.joined, room.peers[0].display_name.as_str()),
        (2, "Robert")
    );
    let view = cluster.world("n0").room.view();
    assert_eq!(view.remote_peers[0].node.as_str(), "n1");
    cluster.at("n1", |world| world.disconnect(bob));
    cluster.deliver_all();
    let peer = "bob".into();
    assert_eq!(
        cluster.events("n0", alice),
        [PeerEvent::PeerClosed { peer }]
    );
}

#[test]
fn who_comes_in_again_elsewhere_is_replaced_where_it_was() {
    let mut cluster = Cluster::new(3, |_| {});
    let (alice, _) = cluster.join("n0", 1, "alice");
    let (carl, _) = cluster.join("n2", 3, "carl");
    cluster.events("n2", carl);
    cluster.world("n0").rest();
    let (again, _) = cluster.join("n1", 7, "alice");
    let closed = Effect::CloseSession {
        session: alice,
        reason: CloseReason::Replaced,
    };
    assert!(cluster.world("n0").rest().contains(&closed));
    let told = cluster.events("n2", carl);
    let [PeerEvent::PeerClosed { peer }, PeerEvent::NewPeer(info), ..] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((peer, &info.peer), (&"alice".into(), &"alice".into()));
    assert_eq!(
        cluster.world("n1").room.standing(again).0,
        Role::Host,
        "as it was"
    );
    cluster.rest();
    cluster.check_rest();
}

#[test]
fn of_two_who_come_at_once_the_later_one_stays() {
    let mut cluster = Cluster::new(2, |_| {});
    // Neither node has heard of the other one's.
    let admission = || Admission::new("alice".into());
    cluster.at("n0", |world| {
        world.join_as(1, admission(), clients::join("A"))
    });
    cluster.at("n1", |world| {
        world.join_as(1, admission(), clients::join("A"))
    });
    cluster.deliver_all();
    // Its clock is ahead.
    assert_eq!(cluster.world("n0").room.joined_count(), 0);
    assert_eq!(cluster.world("n1").room.joined_count(), 1);
    cluster.check_rest();
}

#[test]
fn catching_up_with_what_is_known_is_noticed_by_nobody() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join("n0", 1, "alice");
    cluster.produce("n0", alice);
    let chat = clients::write(alice.1, 0, Audience::Everybody);
    cluster.ask("n0", alice.0, chat).expect("writes");
    cluster.join("n1", 2, "bob");
    let (near, far) = (cluster.key("n0"), cluster.key("n1"));
    for name in ["n0", "n1"] {
        cluster.world(name).rest();
    }
    cluster.cut(&near, &far);
    cluster.heal();
    cluster.deliver_all();
    for name in ["n0", "n1"] {
        assert_eq!(cluster.world(name).rest(), []);
    }
    cluster.check_rest();
}

#[test]
fn what_was_missed_is_all_that_is_told_afterwards() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join("n0", 1, "alice");
    let (bob, _) = cluster.join("n1", 2, "bob");
    cluster.events("n1", bob);
    cluster.at("n0", |world| {
        world.produce(alice);
        world.join(3, "carol");
    });
    cluster.bus.clear();
    cluster.sweep();
    cluster.deliver_all();
    let told = cluster.events("n1", bob);
    assert!(
        matches!(&told[..], [PeerEvent::NewPeer(info)] if info.peer == "carol".into()),
        "{told:?}"
    );
    assert_eq!(cluster.world("n1").questions().len(), 1);
}

#[test]
fn with_a_node_its_peers_go_and_come_back_with_it() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join("n0", 1, "alice");
    cluster.produce("n0", alice);
    let (bob, _) = cluster.join("n1", 2, "bob");
    let (near, far) = (cluster.key("n0"), cluster.key("n1"));
    cluster.events("n1", bob);
    cluster.cut(&near, &far);
    cluster.give_up(&far, &near);
    let told = cluster.events("n1", bob);
    assert!(told.contains(&PeerEvent::PeerClosed {
        peer: "alice".into()
    }));
    let world = cluster.world("n1");
    assert!(world.worker.producers.is_empty() && world.room.dump().inlets.is_empty());
    cluster.heal();
    cluster.deliver_all();
    let told = cluster.events("n1", bob);
    assert!(
        matches!(&told[0], PeerEvent::NewPeer(info) if info.peer == "alice".into()),
        "{told:?}"
    );
    cluster.rest();
    cluster.check_rest();
}

#[test]
fn what_cannot_be_right_changes_nothing() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join("n0", 1, "alice");
    cluster.produce("n0", alice);
    let mut snapshot = cluster.world("n0").room.part_snapshot();
    snapshot.peers[0].outline.display_name = "x".repeat(100_000);
    let node = cluster.key("n0");
    let own = cluster.key("n1");
    let before = format!("{:?}", cluster.world("n1").room.dump());
    for (node, change) in [
        (node, RemoteChange::Replace(Box::new(snapshot))),
        (own, RemoteChange::Replace(Box::default())),
    ] {
        cluster.at("n1", |world| world.handle(Command::Remote { node, change }));
    }
    assert_eq!(format!("{:?}", cluster.world("n1").room.dump()), before);
    cluster.check_rest();
}

#[test]
fn who_speaks_at_another_node_is_heard_until_nothing_is_told_any_more() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join("n0", 1, "alice");
    let voice = cluster.ask("n0", alice.0, clients::speak(alice.1));
    let Ok(PeerReply::Produced { producer }) = voice else {
        panic!("not a producer: {voice:?}");
    };
    let mut join = clients::join("bob");
    if let PeerRequest::Join { volumes, .. } = &mut join {
        *volumes = true;
    }
    let (bob, _) = cluster.at("n1", |world| {
        world.join_as(2, Admission::new("bob".into()), join)
    });
    cluster.deliver_all();
    cluster.events("n1", bob);
    let voices = cluster.world("n0").room.speakers.voices_at(PlaceId::FIRST);
    let [levels, dominance] = voices.expect("a voice").0;
    for event in [
        Event::DominantSpeaker {
            observer: dominance,
            producer,
        },
        Event::Volumes {
            observer: levels,
            volumes: vec![(producer, -30)],
        },
    ] {
        cluster.at("n0", |world| world.event(event));
    }
    cluster.deliver_all();
    let peer = PeerId::from("alice");
    assert_eq!(
        cluster.events("n1", bob),
        [
            PeerEvent::DominantSpeaker {
                peer: Some(peer.clone())
            },
            PeerEvent::Volumes {
                volumes: Arc::new([(peer, -30)])
            },
        ]
    );
    cluster.pass(Duration::from_secs(2));
    let told = cluster.events("n1", bob);
    let silence = PeerEvent::Volumes {
        volumes: Arc::new([]),
    };
    assert!(told.contains(&silence), "{told:?}");
}
