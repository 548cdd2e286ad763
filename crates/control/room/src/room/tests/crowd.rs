//! Rooms with very many viewers.

use super::*;

fn crowd(announce_up_to: usize) -> World {
    World::with(|config| {
        config.announce_up_to = announce_up_to;
        config.limits.peers = 10_000;
    })
}

fn new_peers(events: &[PeerEvent]) -> Vec<&str> {
    let peers = events.iter().filter_map(|event| match event {
        PeerEvent::NewPeer(info) => Some(info.peer.as_str()),
        _ => None,
    });
    peers.collect()
}

#[test]
fn viewers_of_a_large_room_are_not_announced() {
    let mut world = crowd(2);
    let (alice, _) = world.join(1, "alice");
    world.join(2, "bob");
    assert_eq!(new_peers(&world.events(alice)), ["bob"]);
    let carol = world.connect(3, "carol");
    let Ok(PeerReply::Joined { peers, .. }) = world.ask(carol, clients::join("Carol")) else {
        panic!("joins");
    };
    let names: Vec<_> = peers.iter().map(|info| info.peer.as_str()).collect();
    assert_eq!(names, ["alice", "bob"], "who is announced is seen by all");
    assert_eq!(world.events(alice), []);
    let (dave, _) = world.join(4, "dave");
    let rename = PeerRequest::ChangeDisplayName {
        display_name: "Caroline".to_owned(),
    };
    world.ask(carol, rename).expect("renames");
    world.disconnect(carol);
    assert_eq!(world.events(alice), []);
    assert_eq!(world.events(dave), []);
    assert_eq!(world.room.joined_count(), 3);
}

#[test]
fn a_viewer_who_begins_to_produce_is_announced_before_its_consumers_are_offered() {
    let mut world = crowd(1);
    let (alice, _) = world.join(1, "alice");
    let bob = world.join(2, "bob");
    assert_eq!(world.events(alice), []);
    world.rest();
    world.produce(bob);
    let for_alice = |effect: &Effect| match effect {
        Effect::AskClient { session, .. } | Effect::Notify { session, .. } => *session == alice,
        _ => false,
    };
    let effects = world.rest();
    let told: Vec<_> = effects.iter().filter(|effect| for_alice(effect)).collect();
    assert!(
        matches!(
            told[..],
            [
                Effect::Notify {
                    event: PeerEvent::NewPeer(_),
                    ..
                },
                Effect::AskClient { .. }
            ]
        ),
        "{told:?}"
    );
    world.produce(bob);
    assert_eq!(world.events(alice), [], "once");
    world.disconnect(bob.0);
    let closed = world.events(alice);
    assert_eq!(closed[0], PeerEvent::PeerClosed { peer: "bob".into() });
}

/// Prints what a join and a leave cost, which must not grow with the room. Nothing is asserted of it.
#[expect(clippy::print_stdout, reason = "the figures are for who runs it")]
#[test]
fn three_thousand_viewers_come_and_go() {
    const VIEWERS: u64 = 3000;
    let mut world = crowd(100);
    world.data = true;
    let write = |transport| clients::write(transport, 0, Audience::Everybody);
    let publisher = world.join(0, "publisher");
    world.produce(publisher);
    world.ask(publisher.0, write(publisher.1)).expect("writes");
    let (mut joins, mut leaves) = (Vec::new(), Vec::new());
    for chunk in 0..VIEWERS / 500 {
        world.spent = Duration::ZERO;
        for viewer in 1..=500 {
            let viewer = chunk * 500 + viewer;
            let place = PlaceId((viewer % 4) as u16);
            let (session, transport) = world.join_at(place, viewer, &viewer.to_string());
            world.ask(session, write(transport)).expect("writes");
            for (_, ask, _) in world.questions() {
                world.accept(ask);
            }
            world.rest();
        }
        joins.push(world.spent / 500);
    }
    assert_eq!(world.room.joined_count() as u64, VIEWERS + 1);
    assert_eq!(world.room.dump().pipes.len(), 3);
    // Everybody reads the bot and the publisher, and the first hundred each other.
    let read = world.room.dump().data_consumers.len() as u64;
    assert!(read <= 2 * (VIEWERS + 1) + 100 * 100, "{read}");
    // Answers that are under way must not make it slower either.
    for viewer in 1..=VIEWERS {
        let body = PeerRequest::CreateWebRtcTransport {
            producing: true,
            consuming: false,
            force_tcp: false,
            data: false,
        };
        world.send(SessionId(viewer), body);
    }
    // Replies that nobody gets any more; looking for them would be what is measured.
    world.unanswered.clear();
    for chunk in 0..VIEWERS / 500 {
        world.spent = Duration::ZERO;
        for viewer in 1..=500 {
            world.disconnect(SessionId(chunk * 500 + viewer));
            world.effects.clear();
        }
        leaves.push(world.spent / 500);
    }
    println!("a join with its answers, by 500: {joins:?}; a leave: {leaves:?}");
    assert_eq!(world.room.joined_count(), 1);
    world.run_worker();
    assert_eq!(world.room.dump().consumers, []);
}
