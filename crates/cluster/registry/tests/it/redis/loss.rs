//! Servers that forget, sleep, go and come back.

use std::time::Duration;

use plenum_ids::{NodeEpoch, RoomEpoch};
use plenum_registry::{
    Bus, BusEvent, ClaimRequest, RedisConfig, RedisRegistry, Registry, RegistryError,
};

use crate::place::{
    Server, eventually, next, node, patient, record, register, request, room, seen,
};

#[tokio::test]
async fn a_server_that_is_emptied_is_another_incarnation() {
    let server = Server::start(&[]).await;
    let registry = server.registry();
    register(&registry, &["a"]).await;
    let before = seen(&registry).await;
    let _: String = server.ask(&["FLUSHALL"]).await;
    let now = seen(&registry).await;
    assert_ne!(now, before);
    let claim = registry.claim(request(&before, "r", &["a"])).await;
    assert_eq!(claim, Err(RegistryError::Restarted { now }));
    assert!(registry.leases().await.expect("leases").leases.is_empty());
}

#[tokio::test]
async fn a_server_that_kept_everything_is_another_incarnation_too() {
    let mut server = Server::start(&[]).await;
    let registry = server.registry();
    register(&registry, &["a"]).await;
    let before = seen(&registry).await;
    registry
        .claim(request(&before, "r", &["a"]))
        .await
        .expect("a home");
    let _: u32 = server.ask(&["HSET", "{plenum}:memory", "since", "0"]).await;
    let age = registry.leases().await.expect("leases").age;
    assert!(age > Duration::from_hours(24), "since 1970: {age:?}");
    let _: String = server.ask(&["SAVE"]).await;
    server.kill();
    server.start_again().await;
    let leases = eventually("an answer", async || registry.leases().await.ok()).await;
    let now = leases.incarnation;
    assert_ne!(now, before, "what came after the copy on the disk is lost");
    assert!(leases.age < Duration::from_hours(24), "{:?}", leases.age);
    let claim = registry.claim(request(&before, "r", &["a"])).await;
    assert_eq!(claim, Err(RegistryError::Restarted { now }));
    let record = registry
        .room(room("r"))
        .await
        .expect("read")
        .expect("a room");
    assert_eq!(record.epoch, RoomEpoch(1));
}

#[tokio::test]
async fn a_server_that_slept_judges_nobody_by_that_time() {
    let server = Server::start(&[]).await;
    let registry = RedisRegistry::start(&RedisConfig::new(server.url())).expect("good settings");
    let lease = Duration::from_secs(3);
    let jump = async |back: i64| {
        register(&registry, &["a"]).await;
        let before = seen(&registry).await;
        let time: Vec<i64> = server.ask(&["TIME"]).await;
        let at = time[0] * 1000 - back;
        // As if its clock had gone by that much since the last call.
        let (at, lease_text) = (at.to_string(), format!("1 {at} 0 0 0"));
        let _: i64 = server.ask(&["HSET", "{plenum}:memory", "at", &at]).await;
        let _: i64 = server
            .ask(&["HSET", "{plenum}:leases", "a", &lease_text])
            .await;
        let leases = registry.leases().await.expect("leases");
        assert_ne!(leases.incarnation, before);
        assert!(leases.leases[0].since_renewal < lease, "{leases:?}");
        let claim = ClaimRequest {
            lease,
            ..request(&leases.incarnation, "r", &["a"])
        };
        registry.claim(claim).await.expect("a lives");
    };
    jump(60_000).await;
    jump(-3_600_000).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_unreachable_within_the_deadline_and_found_again() {
    let mut server = Server::start(&[]).await;
    let mut config = patient(RedisConfig::new(server.url()));
    config.deadline = Duration::from_millis(300);
    let registry = RedisRegistry::start(&config).expect("good settings");
    register(&registry, &["a"]).await;
    let mut listener = registry.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    server.kill();
    let err = eventually("an error", async || registry.leases().await.err()).await;
    assert!(matches!(err, RegistryError::Unreachable { .. }), "{err}");
    let err = registry.publish("t", "x".into()).await.expect_err("nobody");
    assert!(err.is_temporary());
    // Who begins to listen meanwhile hears it when it begins.
    let mut late = registry.subscribe("late").expect("a subscription");
    assert_eq!(late.try_next(), None);
    server.start_again().await;
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    assert_eq!(next(&mut late).await, BusEvent::Resubscribed);
    let renewed = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
    renewed.expect("renewed");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_taken_again() {
    let server = Server::start(&[]).await;
    let mut config = patient(RedisConfig::new(server.url()));
    config.deadline = Duration::from_millis(300);
    let registry = RedisRegistry::start(&config).expect("good settings");
    register(&registry, &["a"]).await;
    let mut listener = registry.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    server.signal("STOP");
    let err = registry.leases().await.expect_err("it hangs");
    assert!(matches!(err, RegistryError::Unreachable { .. }), "{err}");
    // Only a new connection tells for certain that no message was lost on the way.
    eventually("a lost connection", async || {
        let err = registry.leases().await.expect_err("it hangs").to_string();
        (!err.contains("no answer in time")).then_some(())
    })
    .await;
    server.signal("CONT");
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    eventually("an answer", async || registry.leases().await.ok()).await;
}
