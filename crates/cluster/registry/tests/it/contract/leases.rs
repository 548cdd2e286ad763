//! Starts of nodes, and their lives.

use std::time::Duration;

use plenum_ids::NodeEpoch;
use plenum_registry::{MAX_EPOCH, MAX_NAME, MAX_RECORD, RegistryError};

use crate::place::{Place, node, record, register, seen};

super::contract!(
    each_start_has_a_higher_epoch,
    what_an_earlier_start_writes_is_refused,
    leases_tell_who_lives_and_records_what_he_says,
    a_renewal_makes_a_lease_young_again,
    who_resigns_is_gone_and_his_epoch_is_not,
    what_is_too_large_is_refused,
);

async fn each_start_has_a_higher_epoch(place: Place) {
    let registry = place.handle();
    let start = async |name: &str, at_least| {
        let registered = registry.register(node(name), NodeEpoch(at_least), record(false));
        registered.await.expect("registered").epoch
    };
    assert_eq!(start("a", 0).await, NodeEpoch(1));
    assert_eq!(start("a", 0).await, NodeEpoch(2));
    assert_eq!(
        start("a", 10).await,
        NodeEpoch(11),
        "the node remembers more"
    );
    assert_eq!(
        start("a", 5).await,
        NodeEpoch(12),
        "the registry remembers more"
    );
    assert_eq!(start("b", 0).await, NodeEpoch(1), "of another node");
    // Where doubles begin to lie, a script would give the same one twice.
    let high = MAX_EPOCH - 2;
    assert_eq!(start("c", high).await, NodeEpoch(high + 1));
    assert_eq!(start("c", 0).await, NodeEpoch(high + 2));
}

async fn what_an_earlier_start_writes_is_refused(place: Place) {
    let (old, new) = (place.handle(), place.handle());
    register(&*old, &["a"]).await;
    register(&*new, &["a"]).await;
    let fenced = RegistryError::Fenced { by: NodeEpoch(2) };
    let renewed = old.renew(node("a"), NodeEpoch(1), record(true)).await;
    assert_eq!(renewed, Err(fenced.clone()));
    assert_eq!(old.resign(node("a"), NodeEpoch(1)).await, Err(fenced));
    let nodes = new.nodes().await.expect("nodes").nodes;
    assert_eq!(nodes[0].lease.epoch, NodeEpoch(2));
    assert!(!nodes[0].record.draining, "nothing of it was taken");
    let renewed = new.renew(node("a"), NodeEpoch(2), record(false)).await;
    assert_eq!(renewed.expect("renewed").incarnation, seen(&*new).await);
}

async fn leases_tell_who_lives_and_records_what_he_says(place: Place) {
    let registry = place.handle();
    assert!(registry.nodes().await.expect("nodes").nodes.is_empty());
    register(&*registry, &["b", "a"]).await;
    let renewed = registry.renew(node("b"), NodeEpoch(1), record(true)).await;
    renewed.expect("renewed");

    let view = place.handle().nodes().await.expect("nodes");
    let names: Vec<_> = view
        .nodes
        .iter()
        .map(|view| view.lease.node.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(view.nodes[0].record, record(false));
    assert_eq!(view.nodes[1].record, record(true));
    let draining: Vec<_> = view.nodes.iter().map(|view| view.lease.draining).collect();
    assert_eq!(draining, [false, true]);

    let leases = registry.leases().await.expect("leases");
    assert_eq!(leases.incarnation, view.incarnation);
    let of = |lease: &plenum_registry::Lease| (lease.node.clone(), lease.epoch, lease.draining);
    let in_leases: Vec<_> = leases.leases.iter().map(of).collect();
    let in_view: Vec<_> = view.nodes.iter().map(|view| of(&view.lease)).collect();
    assert_eq!(in_leases, in_view);
}

async fn a_renewal_makes_a_lease_young_again(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    let time = Duration::from_millis(300);
    place.pass(time).await;
    let renewed = registry.renew(node("b"), NodeEpoch(1), record(false)).await;
    renewed.expect("renewed");
    let leases = registry.leases().await.expect("leases").leases;
    assert!(leases[0].since_renewal >= time, "{leases:?}");
    assert!(
        leases[1].since_renewal < leases[0].since_renewal,
        "{leases:?}"
    );
}

async fn who_resigns_is_gone_and_his_epoch_is_not(place: Place) {
    let registry = place.handle();
    register(&*registry, &["a", "b"]).await;
    registry
        .resign(node("a"), NodeEpoch(1))
        .await
        .expect("resigned");
    registry
        .resign(node("a"), NodeEpoch(1))
        .await
        .expect("twice is no harm");
    let leases = registry.leases().await.expect("leases").leases;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].node, node("b"));
    assert_eq!(register(&*registry, &["a"]).await, [NodeEpoch(2)]);
}

async fn what_is_too_large_is_refused(place: Place) {
    let registry = place.handle();
    let long = "n".repeat(MAX_NAME + 1);
    let registered = registry
        .register(node(&long), NodeEpoch(0), record(false))
        .await;
    assert!(matches!(registered, Err(RegistryError::TooLarge { .. })));
    let registered = registry
        .register(node(""), NodeEpoch(0), record(false))
        .await;
    assert!(matches!(registered, Err(RegistryError::Refused { .. })));
    let most = NodeEpoch(MAX_EPOCH + 1);
    let registered = registry.register(node("a"), most, record(false)).await;
    assert!(matches!(registered, Err(RegistryError::Refused { .. })));
    let mut large = record(false);
    large.status = serde_json::Value::String("x".repeat(MAX_RECORD));
    let renewed = registry.renew(node("a"), NodeEpoch(1), large).await;
    assert!(matches!(renewed, Err(RegistryError::TooLarge { .. })));
    assert!(registry.leases().await.expect("leases").leases.is_empty());
}
