//! Who decides, wherever that is.

use super::*;

/// Alice is host at the home, Bob is at another node.
fn two() -> (Cluster, (SessionId, TransportId), (SessionId, TransportId)) {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join("n0", 1, "alice");
    let bob = cluster.join("n1", 2, "bob");
    cluster.events("n0", alice.0);
    cluster.events("n1", bob.0);
    (cluster, alice, bob)
}

fn role_of(cluster: &mut Cluster, name: &str, session: SessionId) -> Role {
    cluster.world(name).room.standing(session).0
}

#[test]
fn the_first_of_all_nodes_is_host_and_the_oldest_after_it() {
    let (mut cluster, alice, bob) = two();
    cluster.pass(Duration::from_secs(1));
    let carol = cluster.join("n0", 3, "carol");
    assert_eq!(role_of(&mut cluster, "n0", alice.0), Role::Host);
    assert_eq!(role_of(&mut cluster, "n1", bob.0), Role::Speaker);
    cluster.events("n0", carol.0);
    cluster.at("n0", |world| world.disconnect(alice.0));
    cluster.deliver_all();
    assert_eq!(
        role_of(&mut cluster, "n1", bob.0),
        Role::Host,
        "before Carol"
    );
    assert_eq!(role_of(&mut cluster, "n0", carol.0), Role::Speaker);
    assert!(
        cluster
            .events("n0", carol.0)
            .contains(&PeerEvent::RoleChanged {
                peer: "bob".into(),
                role: Role::Host
            })
    );
}

#[test]
fn the_next_home_finds_a_host_when_the_last_one_went_with_its_node() {
    let (mut cluster, _, bob) = two();
    assert_eq!(role_of(&mut cluster, "n1", bob.0), Role::Speaker);
    let home = cluster.key("n0");
    cluster.kill(&home);
    cluster.deliver_all();
    assert_eq!(role_of(&mut cluster, "n1", bob.0), Role::Host);
    cluster.check_rest();
}

#[test]
fn hosts_decide_about_peers_of_other_nodes() {
    let (mut cluster, alice, bob) = two();
    let producer = cluster.produce("n1", bob);
    let mute = PeerRequest::Mute {
        peer: Some("bob".into()),
        kind: None,
    };
    assert_eq!(cluster.ask("n0", alice.0, mute), Ok(PeerReply::Done));
    assert!(
        cluster
            .events("n1", bob.0)
            .contains(&PeerEvent::Muted { producer })
    );
    assert!(cluster.world("n0").room.producers[&producer].paused);
    let close = PeerRequest::CloseProducerOf { producer };
    assert_eq!(cluster.ask("n0", alice.0, close), Ok(PeerReply::Done));
    assert!(
        cluster
            .events("n1", bob.0)
            .contains(&PeerEvent::ProducerClosed { producer })
    );
    let promote = PeerRequest::SetRole {
        peer: "bob".into(),
        role: Role::Listener,
    };
    assert_eq!(cluster.ask("n0", alice.0, promote), Ok(PeerReply::Done));
    assert_eq!(role_of(&mut cluster, "n1", bob.0), Role::Listener);
    let kick = PeerRequest::Kick { peer: "bob".into() };
    assert_eq!(cluster.ask("n0", alice.0, kick), Ok(PeerReply::Done));
    assert!(cluster.world("n1").rest().contains(&Effect::CloseSession {
        session: bob.0,
        reason: CloseReason::Kicked
    }));
    // What it was made holds wherever it comes in again.
    let again = cluster.join("n0", 9, "bob");
    assert_eq!(role_of(&mut cluster, "n0", again.0), Role::Listener);
    cluster.check_rest();
}

#[test]
fn everybody_but_hosts_is_muted_everywhere() {
    let (mut cluster, alice, bob) = two();
    let [own, other] = [("n0", alice), ("n1", bob)].map(|(name, who)| cluster.produce(name, who));
    let mute = PeerRequest::Mute {
        peer: None,
        kind: None,
    };
    assert_eq!(cluster.ask("n0", alice.0, mute), Ok(PeerReply::Done));
    for name in ["n0", "n1"] {
        let producers = &cluster.world(name).room.producers;
        assert_eq!(
            (producers[&own].paused, producers[&other].paused),
            (false, true)
        );
    }
}

#[test]
fn who_is_asked_looks_again_whether_the_asker_may() {
    let (mut cluster, alice, bob) = two();
    let kick = PeerRequest::Kick {
        peer: "alice".into(),
    };
    let refused = cluster.ask("n1", bob.0, kick);
    assert_eq!(refused, Err(ErrorKind::Forbidden));
    // Its node says otherwise.
    let node = cluster.key("n1");
    for by in ["bob", "alice", "nobody"] {
        let request = NodeRequest::Decide {
            by: Some(by.into()),
            command: Box::new(AdminCommand::Kick {
                peer: "alice".into(),
            }),
        };
        let (ask, node) = (None, node.clone());
        cluster.handle(&key("n0", 1), Command::NodeAsks { ask, node, request });
    }
    // Only the home appoints.
    let appoint = NodeRequest::Appoint {
        peer: "alice".into(),
        role: Role::Listener,
    };
    let (ask, request) = (None, appoint);
    cluster.handle(&key("n0", 1), Command::NodeAsks { ask, node, request });
    assert_eq!(role_of(&mut cluster, "n0", alice.0), Role::Host);
    assert_eq!(cluster.world("n0").room.joined_count(), 1);
}

#[test]
fn the_home_decides_about_the_room_and_everybody_hears_of_it() {
    let (mut cluster, alice, bob) = two();
    let promote = PeerRequest::SetRole {
        peer: "bob".into(),
        role: Role::Host,
    };
    cluster.ask("n0", alice.0, promote).expect("a host");
    cluster.events("n0", alice.0);
    let lock = cluster.ask("n1", bob.0, PeerRequest::SetLocked(true));
    assert_eq!(lock, Ok(PeerReply::Done));
    let told = cluster.events("n0", alice.0);
    assert!(
        matches!(&told[..], [PeerEvent::RoomChanged(now)] if now.locked),
        "{told:?}"
    );
    for name in ["n0", "n1"] {
        let join = cluster.at(name, |world| {
            let carol = world.connect(8, "carol");
            world.ask(carol, clients::join("Carol"))
        });
        assert_eq!(join.map_err(|err| err.kind), Err(ErrorKind::Forbidden));
    }
    // Without a home nothing of that kind is decided.
    let (home, other) = (cluster.key("n0"), cluster.key("n1"));
    cluster.cut(&home, &other);
    let unlock = cluster.ask("n1", bob.0, PeerRequest::SetLocked(false));
    assert_eq!(unlock, Err(ErrorKind::Unavailable));
    let role = PeerRequest::SetRole {
        peer: "bob".into(),
        role: Role::Speaker,
    };
    assert_eq!(cluster.ask("n1", bob.0, role), Err(ErrorKind::Unavailable));
    cluster.heal();
    cluster.deliver_all();
    let unlock = cluster.ask("n1", bob.0, PeerRequest::SetLocked(false));
    assert_eq!(unlock, Ok(PeerReply::Done));
    cluster.check_rest();
}

#[test]
fn what_an_earlier_home_decided_holds_and_what_a_later_one_decided_more() {
    let (mut cluster, alice, bob) = two();
    let lock = PeerRequest::SetLocked(true);
    cluster.ask("n0", alice.0, lock).expect("a host");
    let before = cluster.world("n0").room.part_snapshot().room;
    let home = cluster.key("n0");
    cluster.kill(&home);
    cluster.deliver_all();
    assert!(cluster.world("n1").room.properties.locked);
    let unlock = cluster.ask("n1", bob.0, PeerRequest::SetLocked(false));
    assert_eq!(unlock, Ok(PeerReply::Done));
    // The one that was home is back with what it knew.
    let snapshot = PartSnapshot {
        room: before,
        ..PartSnapshot::default()
    };
    let change = RemoteChange::Replace(Box::new(snapshot));
    cluster.handle(&key("n1", 1), Command::Remote { node: home, change });
    assert!(!cluster.world("n1").room.properties.locked);
}

#[test]
fn seats_are_those_of_all_nodes() {
    let mut cluster = Cluster::new(2, |config| config.limits.peers = 2);
    cluster.join("n0", 1, "alice");
    cluster.join("n1", 2, "bob");
    let carol = cluster.at("n1", |world| world.connect(3, "carol"));
    assert!(cluster.world("n1").rest().contains(&Effect::CloseSession {
        session: carol,
        reason: CloseReason::RoomFull
    }));
    // Who has a seat keeps it at another node.
    cluster.join("n0", 4, "bob");
    assert_eq!(cluster.world("n0").room.joined_count(), 2);
    cluster.check_rest();
}

#[test]
fn who_waits_at_one_node_is_let_in_by_a_host_of_another_one() {
    let (mut cluster, alice, _) = two();
    let lobby = PeerRequest::SetLobby(true);
    cluster.ask("n0", alice.0, lobby).expect("a host");
    cluster.events("n0", alice.0);
    let carol = cluster.at("n1", |world| world.connect(3, "carol"));
    let join = clients::join_featured("Carol", Subscription::All);
    assert_eq!(cluster.ask("n1", carol, join), Ok(PeerReply::Waiting));
    let peer = PeerId::from("carol");
    assert_eq!(
        cluster.events("n0", alice.0),
        [PeerEvent::Knock {
            peer: peer.clone(),
            display_name: "Carol".to_owned()
        }]
    );
    let admit = PeerRequest::Admit { peer: peer.clone() };
    assert_eq!(cluster.ask("n0", alice.0, admit), Ok(PeerReply::Done));
    let told = cluster.events("n1", carol);
    assert!(matches!(told[0], PeerEvent::Admitted { .. }), "{told:?}");
    let told = cluster.events("n0", alice.0);
    assert!(told.contains(&PeerEvent::KnockGone { peer }), "{told:?}");
    cluster.check_rest();
}

#[test]
fn a_room_ends_everywhere() {
    let (mut cluster, alice, bob) = two();
    let promote = PeerRequest::SetRole {
        peer: "bob".into(),
        role: Role::Host,
    };
    cluster.ask("n0", alice.0, promote).expect("a host");
    cluster.at("n1", |world| world.send(bob.0, PeerRequest::CloseRoom));
    cluster.deliver_all();
    for (name, session) in [("n0", alice.0), ("n1", bob.0)] {
        let done = cluster.world(name).rest();
        assert!(done.contains(&Effect::RoomClosed), "{done:?}");
        let reason = CloseReason::RoomClosed;
        assert!(done.contains(&Effect::CloseSession { session, reason }));
    }
}

#[test]
fn operators_decide_at_any_node() {
    let (mut cluster, _, bob) = two();
    cluster.at("n0", |world| {
        let kick = AdminCommand::Kick { peer: "bob".into() };
        world.administer(kick).expect("passed on");
    });
    cluster.at("n1", |world| {
        let lock = AdminCommand::SetLocked(true);
        world.administer(lock).expect("passed on");
    });
    cluster.deliver_all();
    assert!(!cluster.world("n1").live.contains(&bob.0));
    assert!(cluster.world("n0").room.properties.locked);
}
