//! Parts of rooms, peers in them, and what is swept.

use std::time::Duration;

use plenum_ids::{NodeEpoch, PeerId};
use plenum_registry::{
    Incarnation, MAX_EPOCH, MAX_NAME, MAX_PEER_NOTE, PartMark, Registry, RegistryError, Sweep,
    Swept,
};

use crate::place::{LONG, Place, claim, node, record, register, room, seen};

super::contract!(
    parts_say_how_far_they_have_come,
    a_part_of_an_earlier_start_changes_nothing,
    peers_are_found_at_the_nodes_that_have_them,
    a_living_node_is_not_swept,
    a_dead_node_is_swept_and_the_others_keep_theirs,
    an_earlier_start_is_swept_beside_the_living_one,
    hundreds_of_rooms_are_swept,
    what_is_said_of_peers_has_bounds,
    who_has_no_lease_writes_nothing,
);

fn mark(seq: u64) -> PartMark {
    PartMark {
        seq,
        peers: 2,
        producers: 3,
        digest: u64::MAX,
    }
}

async fn put(registry: &dyn Registry, name: &str, at: &str, epoch: u64, seq: u64) {
    let put = registry.put_part(room(name), node(at), NodeEpoch(epoch), mark(seq), LONG);
    put.await.expect("put");
}

async fn parts(registry: &dyn Registry, name: &str) -> Vec<(String, u64, u64)> {
    let record = registry.room(room(name)).await.expect("read");
    let parts = record.into_iter().flat_map(|record| record.parts);
    let part = |part: plenum_registry::RoomPart| {
        assert_eq!(part.mark, mark(part.mark.seq));
        (part.node.to_string(), part.node_epoch.0, part.mark.seq)
    };
    parts.map(part).collect()
}

async fn put_peer(registry: &dyn Registry, name: &str, at: &str, epoch: u64, peer: &str) {
    let note = format!("{peer}'s");
    let peer = PeerId::from(peer);
    let put = registry.put_peer(room(name), node(at), NodeEpoch(epoch), peer, note, LONG);
    put.await.expect("put");
}

async fn peers(registry: &dyn Registry, name: &str, only: Option<&str>) -> Vec<(String, String)> {
    let peers = registry.peers(room(name), only.map(PeerId::from)).await;
    let places = peers.expect("read").into_iter();
    let place = |place: plenum_registry::PeerPlace| {
        assert_eq!(place.note, format!("{}'s", place.peer));
        (place.node.to_string(), place.peer.to_string())
    };
    places.map(place).collect()
}

fn sweep(name: &str, epoch: u64, lease: Duration, seen: &Incarnation) -> Sweep {
    Sweep {
        node: node(name),
        epoch: NodeEpoch(epoch),
        lease,
        seen: seen.clone(),
    }
}

async fn parts_say_how_far_they_have_come(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    assert_eq!(registry.room(room("r")).await, Ok(None));
    put(&*registry, "r", "b", 1, 4).await;
    put(&*registry, "r", "a", 1, 1).await;
    put(&*registry, "r", "a", 1, 7).await;
    put(&*registry, "other", "a", 1, 1).await;
    let both = [("a".to_owned(), 1, 7), ("b".to_owned(), 1, 4)];
    assert_eq!(parts(&*registry, "r").await, both);
    // What was under way for long does not undo what came after it.
    put(&*registry, "r", "a", 1, 6).await;
    assert_eq!(parts(&*registry, "r").await, both);
    let rooms = registry.rooms_of(node("a")).await;
    assert_eq!(rooms, Ok(vec![room("other"), room("r")]));

    let remove = registry
        .remove_part(room("r"), node("a"), NodeEpoch(1))
        .await;
    remove.expect("removed");
    assert_eq!(parts(&*registry, "r").await, [("b".to_owned(), 1, 4)]);
    assert_eq!(registry.rooms_of(node("a")).await, Ok(vec![room("other")]));
    let remove = registry
        .remove_part(room("r"), node("b"), NodeEpoch(1))
        .await;
    remove.expect("removed");
    assert_eq!(registry.room(room("r")).await, Ok(None));
}

async fn a_part_of_an_earlier_start_changes_nothing(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a"]).await;
    put(&*registry, "r", "a", 1, 9).await;
    register(&*registry, &["a"]).await;
    put(&*registry, "r", "a", 2, 1).await;
    let old = registry
        .put_part(room("r"), node("a"), NodeEpoch(1), mark(10), LONG)
        .await;
    assert_eq!(old, Err(RegistryError::Fenced { by: NodeEpoch(2) }));
    let old = registry
        .remove_part(room("r"), node("a"), NodeEpoch(1))
        .await;
    old.expect("nothing to do");
    assert_eq!(parts(&*registry, "r").await, [("a".to_owned(), 2, 1)]);
    let peer = PeerId::from("p");
    let old = registry.put_peer(
        room("r"),
        node("a"),
        NodeEpoch(1),
        peer,
        String::new(),
        LONG,
    );
    assert_eq!(old.await, Err(RegistryError::Fenced { by: NodeEpoch(2) }));
}

async fn peers_are_found_at_the_nodes_that_have_them(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    put_peer(&*registry, "r", "a", 1, "ann").await;
    assert!(peers(&*registry, "r", None).await.is_empty(), "no part yet");
    put(&*registry, "r", "a", 1, 1).await;
    put(&*registry, "r", "b", 1, 1).await;
    put_peer(&*registry, "r", "b", 1, "bob").await;
    put_peer(&*registry, "r", "a", 1, "cid").await;
    let at = |node: &str, peer: &str| (node.to_owned(), peer.to_owned());
    let all = [at("a", "ann"), at("a", "cid"), at("b", "bob")];
    assert_eq!(peers(&*registry, "r", None).await, all);
    assert_eq!(peers(&*registry, "r", Some("bob")).await, [at("b", "bob")]);
    assert!(peers(&*registry, "r", Some("dan")).await.is_empty());
    // One who has just moved.
    put_peer(&*registry, "r", "b", 1, "ann").await;
    let both = [at("a", "ann"), at("b", "ann")];
    assert_eq!(peers(&*registry, "r", Some("ann")).await, both);
    let peer = PeerId::from("ann");
    let remove = registry.remove_peer(room("r"), node("a"), NodeEpoch(1), peer.clone());
    remove.await.expect("removed");
    assert_eq!(peers(&*registry, "r", Some("ann")).await, [at("b", "ann")]);
    let remove = registry
        .remove_part(room("r"), node("b"), NodeEpoch(1))
        .await;
    remove.expect("removed");
    assert_eq!(peers(&*registry, "r", None).await, [at("a", "cid")]);

    // A new start begins with nobody.
    register(&*registry, &["a"]).await;
    put(&*registry, "r", "a", 2, 1).await;
    assert!(peers(&*registry, "r", None).await.is_empty());
    put_peer(&*registry, "r", "a", 2, "eve").await;
    assert_eq!(peers(&*registry, "r", None).await, [at("a", "eve")]);
    let remove = registry.remove_peer(room("r"), node("a"), NodeEpoch(2), PeerId::from("eve"));
    remove.await.expect("removed");
    let remove = registry
        .remove_part(room("r"), node("a"), NodeEpoch(2))
        .await;
    remove.expect("removed");
    assert_eq!(registry.rooms_of(node("a")).await, Ok(Vec::new()));
}

async fn a_living_node_is_not_swept(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a"]).await;
    put(&*registry, "r", "a", 1, 1).await;
    let seen = seen(&*registry).await;
    let swept = registry.sweep(sweep("a", 1, LONG, &seen)).await;
    assert!(
        matches!(swept, Err(RegistryError::Alive { .. })),
        "{swept:?}"
    );
    let unheard = Incarnation::from("another one".to_owned());
    let swept = registry
        .sweep(sweep("a", 1, Duration::ZERO, &unheard))
        .await;
    assert_eq!(swept, Err(RegistryError::Restarted { now: seen }));
    assert_eq!(parts(&*registry, "r").await.len(), 1);
}

async fn a_dead_node_is_swept_and_the_others_keep_theirs(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    claim(&*registry, &seen, "r", &["a"]).await;
    claim(&*registry, &seen, "home only", &["a"]).await;
    put(&*registry, "r", "a", 1, 1).await;
    put(&*registry, "r", "b", 1, 1).await;
    put_peer(&*registry, "r", "a", 1, "ann").await;
    put_peer(&*registry, "peers only", "a", 1, "ann").await;
    put_peer(&*registry, "r", "b", 1, "bob").await;
    let lease = Duration::from_millis(50);
    place.pass(lease * 2).await;
    let swept = registry.sweep(sweep("a", 1, lease, &seen)).await;
    let rooms = vec![room("home only"), room("r")];
    assert_eq!(swept, Ok(Swept { rooms }));
    let left = registry.room(room("r")).await.expect("read").expect("b's");
    assert_eq!(left.home, None);
    assert_eq!(parts(&*registry, "r").await, [("b".to_owned(), 1, 1)]);
    let bob = [("b".to_owned(), "bob".to_owned())];
    assert_eq!(peers(&*registry, "r", None).await, bob);
    assert_eq!(registry.room(room("home only")).await, Ok(None));
    assert_eq!(registry.rooms_of(node("a")).await, Ok(Vec::new()));
    assert_eq!(registry.leases().await.expect("leases").leases.len(), 1);
    let again = registry.sweep(sweep("a", 1, lease, &seen)).await;
    assert_eq!(again, Ok(Swept::default()));

    // It was only cut off: it goes on where it was.
    let renewed = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
    renewed.expect("renewed");
    put(&*registry, "r", "a", 1, 5).await;
    assert_eq!(parts(&*registry, "r").await.len(), 2);
    let claim = claim(&*registry, &seen, "home only", &["a"]).await;
    assert_eq!(claim.epoch.0, 2);
}

async fn an_earlier_start_is_swept_beside_the_living_one(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a"]).await;
    let seen = seen(&*registry).await;
    claim(&*registry, &seen, "old", &["a"]).await;
    put(&*registry, "old", "a", 1, 1).await;
    put_peer(&*registry, "old", "a", 1, "ann").await;
    register(&*registry, &["a"]).await;
    claim(&*registry, &seen, "new", &["a"]).await;
    put(&*registry, "new", "a", 2, 1).await;
    let swept = registry.sweep(sweep("a", 1, LONG, &seen)).await;
    assert_eq!(
        swept,
        Ok(Swept {
            rooms: vec![room("old")]
        })
    );
    assert_eq!(registry.room(room("old")).await, Ok(None));
    assert_eq!(registry.rooms_of(node("a")).await, Ok(vec![room("new")]));
    assert_eq!(registry.leases().await.expect("leases").leases.len(), 1);
}

async fn hundreds_of_rooms_are_swept(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a"]).await;
    let seen = seen(&*registry).await;
    for number in 0..700 {
        put(&*registry, &format!("r{number}"), "a", 1, 1).await;
    }
    let rooms = registry.rooms_of(node("a")).await.expect("read");
    assert_eq!(rooms.len(), 700);
    let lease = Duration::from_millis(20);
    place.pass(lease * 2).await;
    let swept = registry.sweep(sweep("a", 1, lease, &seen)).await;
    assert_eq!(swept, Ok(Swept { rooms }));
    assert_eq!(registry.rooms_of(node("a")).await, Ok(Vec::new()));
    assert!(registry.leases().await.expect("leases").leases.is_empty());
}

async fn what_is_said_of_peers_has_bounds(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a"]).await;
    let put = async |peer: &str, note: usize| {
        let (peer, note) = (PeerId::from(peer), "x".repeat(note));
        registry
            .put_peer(room("r"), node("a"), NodeEpoch(1), peer, note, LONG)
            .await
    };
    assert_eq!(put(&"p".repeat(MAX_NAME), MAX_PEER_NOTE).await, Ok(()));
    let too_large = |put: &_| matches!(put, Err(RegistryError::TooLarge { .. }));
    assert!(too_large(&put("p", MAX_PEER_NOTE + 1).await));
    assert!(too_large(&put(&"p".repeat(MAX_NAME + 1), 0).await));
    assert!(matches!(
        put("", 0).await,
        Err(RegistryError::Refused { .. })
    ));
    let put = registry.put_part(
        room("r"),
        node("a"),
        NodeEpoch(1),
        mark(MAX_EPOCH + 1),
        LONG,
    );
    assert!(matches!(put.await, Err(RegistryError::Refused { .. })));
}

/// It would be there when he is dead, and nobody would sweep it.
async fn who_has_no_lease_writes_nothing(place: Place) {
    let registry = place.handle();
    let lease = Duration::from_millis(50);
    let write = async || {
        let (epoch, peer) = (NodeEpoch(1), PeerId::from("ann"));
        let put = registry.put_part(room("r"), node("a"), epoch, mark(1), lease);
        let part = put.await;
        let put = registry.put_peer(room("r"), node("a"), epoch, peer, String::new(), lease);
        (part, put.await)
    };
    let refused = (Err(RegistryError::Unleased), Err(RegistryError::Unleased));
    assert_eq!(write().await, refused, "nobody knows it");
    register(&*registry, &["a"]).await;
    place.pass(lease * 2).await;
    assert_eq!(write().await, refused, "its lease has run out");
    let seen = seen(&*registry).await;
    let swept = registry.sweep(sweep("a", 1, lease, &seen)).await;
    assert_eq!(swept, Ok(Swept::default()));
    assert_eq!(write().await, refused, "it was swept");
    assert_eq!(registry.room(room("r")).await, Ok(None));
    assert_eq!(registry.rooms_of(node("a")).await, Ok(Vec::new()));
    let renewed = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
    renewed.expect("renewed");
    put(&*registry, "r", "a", 1, 1).await;
    assert_eq!(parts(&*registry, "r").await.len(), 1);
}
