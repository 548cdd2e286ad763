//! A room has one home.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use plenum_ids::{NodeEpoch, RoomEpoch};
use plenum_registry::{ClaimRequest, Joins, MAX_CANDIDATES, RegistryError};

use crate::place::{LONG, Place, claim, node, record, register, request, room, seen};

super::contract!(
    the_first_candidate_that_lives_and_does_not_drain_wins,
    a_living_home_stays_whoever_asks,
    a_dead_home_is_followed_under_the_next_epoch,
    a_home_of_an_earlier_start_is_dead,
    a_claim_that_was_lost_is_made_again_above_the_epoch_that_is_known,
    a_room_that_nobody_has_is_made_only_on_demand,
    joins_count_until_the_second_renewal_after_them,
    two_thousand_claims_of_a_hundred_rooms_find_one_home_each,
    only_the_home_gives_its_room_up_and_the_epoch_is_kept,
    endless_claims_are_refused,
);

async fn the_first_candidate_that_lives_and_does_not_drain_wins(place: Place) {
    let registry = place.handle();
    let seen = seen(&*registry).await;
    let nobody = registry.claim(request(&seen, "r", &["a", "b"])).await;
    assert_eq!(nobody, Err(RegistryError::NoCandidate));
    register(&*registry, &["a", "b", "c"]).await;
    let drains = registry.renew(node("a"), NodeEpoch(1), record(true)).await;
    drains.expect("renewed");
    let candidates = ["unknown", "a", "b", "c"];
    let claim = claim(&*registry, &seen, "r", &candidates).await;
    assert_eq!((claim.home, claim.home_epoch), (node("b"), NodeEpoch(1)));
    assert_eq!((claim.epoch, claim.created), (RoomEpoch(1), true));
    let record = registry
        .room(room("r"))
        .await
        .expect("read")
        .expect("a room");
    let home = record.home.expect("a home");
    assert_eq!((home.node, home.node_epoch), (node("b"), NodeEpoch(1)));
    assert_eq!(home.epoch, RoomEpoch(1));
    assert_eq!(registry.rooms_of(node("b")).await, Ok(vec![room("r")]));
}

async fn a_living_home_stays_whoever_asks(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    let first = claim(&*registry, &seen, "r", &["a"]).await;
    // Draining takes no new rooms, and keeps those that are there.
    let drains = registry.renew(node("a"), NodeEpoch(1), record(true)).await;
    drains.expect("renewed");
    let second = place.handle().claim(request(&seen, "r", &["b"])).await;
    let second = second.expect("a home");
    assert_eq!((&second.home, second.epoch), (&node("a"), first.epoch));
    assert!(!second.created);
    let known = ClaimRequest {
        at_least: first.epoch,
        candidates: Vec::new(),
        ..request(&seen, "r", &[])
    };
    let third = registry.claim(known).await.expect("a home");
    assert_eq!((third.home, third.epoch), (node("a"), first.epoch));
}

async fn a_dead_home_is_followed_under_the_next_epoch(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    claim(&*registry, &seen, "r", &["a"]).await;
    let lease = Duration::from_secs(2);
    place.pass(lease + Duration::from_millis(100)).await;
    let lives = registry.renew(node("b"), NodeEpoch(1), record(false)).await;
    lives.expect("renewed");
    let request = ClaimRequest {
        lease,
        ..request(&seen, "r", &["a", "b"])
    };
    let claim = registry.claim(request).await.expect("a home");
    assert_eq!((claim.home, claim.epoch), (node("b"), RoomEpoch(2)));
    assert!(claim.created);
    assert_eq!(registry.rooms_of(node("a")).await, Ok(Vec::new()));
}

async fn a_home_of_an_earlier_start_is_dead(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    claim(&*registry, &seen, "r", &["a"]).await;
    register(&*registry, &["a"]).await;
    let claim = claim(&*registry, &seen, "r", &["b", "a"]).await;
    assert_eq!((claim.home, claim.epoch), (node("b"), RoomEpoch(2)));
}

async fn a_claim_that_was_lost_is_made_again_above_the_epoch_that_is_known(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    claim(&*registry, &seen, "r", &["a"]).await;
    // "b" won epoch 7 from a server whose last writes are gone.
    let again = ClaimRequest {
        at_least: RoomEpoch(7),
        ..request(&seen, "r", &["b"])
    };
    let claim = registry.claim(again.clone()).await.expect("a home");
    assert_eq!((claim.home, claim.epoch), (node("b"), RoomEpoch(8)));
    assert!(claim.created);
    let claim = registry.claim(again).await.expect("a home");
    assert_eq!((claim.epoch, claim.created), (RoomEpoch(8), false));
}

async fn a_room_that_nobody_has_is_made_only_on_demand(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    let looking = ClaimRequest {
        create: false,
        ..request(&seen, "r", &["a"])
    };
    let none = registry.claim(looking.clone()).await;
    assert_eq!(none, Err(RegistryError::NoRoom));
    // Who has a part of it has the room, whether or not it has a home.
    let mark = plenum_registry::PartMark::default();
    let put = registry
        .put_part(room("r"), node("b"), NodeEpoch(1), mark, LONG)
        .await;
    put.expect("put");
    assert!(registry.claim(looking).await.expect("a home").created);
}

async fn joins_count_until_the_second_renewal_after_them(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    let join = async |joins: Joins| {
        let request = ClaimRequest {
            joins,
            ..request(&seen, "r", &["a"])
        };
        registry.claim(request).await.expect("a home").pending
    };
    assert_eq!(join(Joins::Home).await, 1);
    assert_eq!(join(Joins::Home).await, 2);
    assert_eq!(join(Joins::Nowhere).await, 2);
    assert_eq!(join(Joins::At(node("b"))).await, 1);
    assert_eq!(join(Joins::At(node("nobody"))).await, 0);
    let renew = async || {
        let renewed = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
        renewed.expect("renewed");
    };
    renew().await;
    assert_eq!(join(Joins::Home).await, 3);
    let leases = registry.leases().await.expect("leases").leases;
    let pending: Vec<_> = leases.iter().map(|lease| lease.pending).collect();
    assert_eq!(pending, [3, 1]);
    renew().await;
    assert_eq!(join(Joins::Nowhere).await, 1);
    renew().await;
    assert_eq!(join(Joins::Nowhere).await, 0);
}

async fn two_thousand_claims_of_a_hundred_rooms_find_one_home_each(place: Place) {
    const ROOMS: usize = 100;
    const CLAIMS: usize = 2000;
    let nodes = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let handles: Vec<_> = nodes.iter().map(|_| place.handle()).collect();
    register(&*handles[0], &nodes).await;
    let seen = seen(&*handles[0]).await;
    let started = std::time::Instant::now();
    let claims = (0..CLAIMS).map(|number| {
        let (registry, seen) = (handles[number % nodes.len()].clone(), seen.clone());
        tokio::spawn(async move {
            let mut candidates = nodes;
            candidates.rotate_left(number % nodes.len());
            let request = request(&seen, &format!("r{}", number % ROOMS), &candidates);
            (
                number % ROOMS,
                registry.claim(request).await.expect("a home"),
            )
        })
    });
    let mut homes = BTreeMap::new();
    let mut created = 0;
    for claimed in join_all(claims).await {
        let (room, claim) = claimed.expect("no panic");
        created += usize::from(claim.created);
        assert_eq!(claim.epoch, RoomEpoch(1));
        let home = homes.entry(room).or_insert_with(|| claim.home.clone());
        assert_eq!(*home, claim.home, "room {room} has two homes");
    }
    eprintln!("{CLAIMS} claims of {ROOMS} rooms: {:?}", started.elapsed());
    assert_eq!((created, homes.len()), (ROOMS, ROOMS));
    let leases = handles[0].leases().await.expect("leases").leases;
    let pending: usize = leases.iter().map(|lease| lease.pending as usize).sum();
    assert_eq!(pending, CLAIMS);
}

async fn only_the_home_gives_its_room_up_and_the_epoch_is_kept(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let seen = seen(&*registry).await;
    claim(&*registry, &seen, "r", &["a"]).await;
    let release = async |name: &str, node_epoch, epoch| {
        let released = registry.release(
            room("r"),
            node(name),
            NodeEpoch(node_epoch),
            RoomEpoch(epoch),
        );
        released.await.expect("an answer")
    };
    assert!(!release("b", 1, 1).await);
    assert!(!release("a", 2, 1).await);
    assert!(!release("a", 1, 2).await);
    assert!(release("a", 1, 1).await);
    assert!(!release("a", 1, 1).await);
    assert_eq!(registry.room(room("r")).await, Ok(None));
    assert_eq!(registry.rooms_of(node("a")).await, Ok(Vec::new()));
    let claim = claim(&*registry, &seen, "r", &["b"]).await;
    assert_eq!((claim.home, claim.epoch), (node("b"), RoomEpoch(2)));
}

async fn endless_claims_are_refused(place: Place) {
    let registry = place.handle();
    let seen = seen(&*registry).await;
    let candidates = vec!["a"; MAX_CANDIDATES + 1];
    let refused = registry.claim(request(&seen, "r", &candidates)).await;
    assert!(matches!(refused, Err(RegistryError::TooLarge { .. })));
    let mut odd = request(&seen, "r", &["a"]);
    odd.room = plenum_ids::RoomName::new("a/b", "r");
    let refused = registry.claim(odd).await;
    assert!(matches!(refused, Err(RegistryError::Refused { .. })));
}
