//! A registry that forgets everything has lost nothing that its owners cannot write again.

use std::time::Duration;

use plenum_ids::{NodeEpoch, RoomEpoch};
use plenum_registry::{ClaimRequest, RegistryError, Sweep};

use crate::place::{LONG, Place, eventually, node, record, register, request, room, seen};

super::contract!(
    another_incarnation_is_noticed_by_every_answer,
    it_is_told_for_how_long_anything_is_remembered,
    owners_write_everything_again,
);

async fn another_incarnation_is_noticed_by_every_answer(mut place: Place) {
    let registry = place.handle();
    register(&*registry, &["a"]).await;
    let before = seen(&*registry).await;
    assert_eq!(
        seen(&*place.handle()).await,
        before,
        "for everybody the same"
    );
    place.forget().await;
    let renewed = eventually("an answer", async || {
        let renewed = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
        renewed.ok()
    });
    let now = renewed.await.incarnation;
    assert_ne!(now, before);
    assert_eq!(seen(&*place.handle()).await, now);
    let restarted = RegistryError::Restarted { now };
    let claim = registry.claim(request(&before, "r", &["a"])).await;
    assert_eq!(claim, Err(restarted.clone()));
    let swept = registry.sweep(Sweep {
        node: node("a"),
        epoch: NodeEpoch(1),
        lease: LONG,
        seen: before,
    });
    assert_eq!(swept.await, Err(restarted));
    assert_eq!(registry.room(room("r")).await, Ok(None), "nothing was done");
}

async fn owners_write_everything_again(mut place: Place) {
    let registry = place.handle();
    let mut epochs = register(&*registry, &["a", "a", "b"]).await;
    let b = epochs.pop().expect("three");
    let a = epochs.pop().expect("three");
    assert_eq!((a, b), (NodeEpoch(2), NodeEpoch(1)));
    let before = seen(&*registry).await;
    let claim = registry.claim(request(&before, "r", &["a"])).await;
    let epoch = claim.expect("a home").epoch;
    place.forget().await;
    eventually("a lease that was lost", async || {
        registry.renew(node("a"), a, record(false)).await.ok()
    })
    .await;
    registry
        .renew(node("b"), b, record(true))
        .await
        .expect("renewed");
    let view = registry.nodes().await.expect("nodes");
    let leases: Vec<_> = view.nodes.iter().map(|view| view.lease.epoch).collect();
    assert_eq!(leases, [a, b]);
    let mark = plenum_registry::PartMark::default();
    let put = registry.put_part(room("r"), node("a"), a, mark, LONG).await;
    put.expect("put");
    let again = ClaimRequest {
        at_least: epoch,
        ..request(&view.incarnation, "r", &["a"])
    };
    let claim = registry.claim(again).await.expect("a home");
    assert_eq!((claim.home, claim.epoch), (node("a"), RoomEpoch(2)));
    // The node remembers its epoch where the registry did not.
    assert_eq!(register(&*registry, &["a"]).await, [NodeEpoch(3)]);
    let renewed = registry.renew(node("a"), a, record(false)).await;
    assert_eq!(renewed, Err(RegistryError::Fenced { by: NodeEpoch(3) }));
}

async fn it_is_told_for_how_long_anything_is_remembered(mut place: Place) {
    let registry = place.handle();
    register(&*registry, &["a"]).await;
    place.pass(Duration::from_millis(300)).await;
    let leases = registry.leases().await.expect("leases");
    assert!(leases.age >= Duration::from_millis(300), "{:?}", leases.age);
    let nodes = place.handle().nodes().await.expect("nodes");
    assert!(nodes.age >= leases.age, "for everybody the same");
    place.forget().await;
    let again = eventually("an answer", async || registry.leases().await.ok());
    let again = again.await;
    assert_ne!(again.incarnation, leases.incarnation);
    assert!(again.age < leases.age, "{:?}", again.age);
}
