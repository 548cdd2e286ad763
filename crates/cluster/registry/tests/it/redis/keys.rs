//! What stands in Redis, and what happens when somebody else has written there.

use plenum_ids::{NodeEpoch, PeerId};
use plenum_registry::{PartMark, RedisConfig, RedisRegistry, Registry, RegistryError};

use crate::place::{LONG, Server, exercise, node, patient, record, register, request, room, seen};

#[tokio::test]
async fn every_key_is_in_one_slot_and_an_empty_room_goes_by_itself() {
    let server = Server::start(&[]).await;
    let registry = server.registry();
    exercise(&registry).await;
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
    assert!(keys.len() > 5, "{keys:?}");
    assert!(
        keys.iter().all(|key| key.starts_with("{plenum}:")),
        "{keys:?}"
    );

    let seen = seen(&registry).await;
    registry
        .claim(request(&seen, "x", &["a"]))
        .await
        .expect("a home");
    let ttl: i64 = server.ask(&["PTTL", "{plenum}:room:default/x"]).await;
    assert_eq!(ttl, -1, "as long as it has a home");
    let (a, epoch) = (NodeEpoch(1), plenum_ids::RoomEpoch(1));
    let released = registry.release(room("x"), node("a"), a, epoch).await;
    assert_eq!(released, Ok(true));
    let ttl: i64 = server.ask(&["PTTL", "{plenum}:room:default/x"]).await;
    assert!(ttl > 0, "{ttl}");
    registry
        .claim(request(&seen, "x", &["a"]))
        .await
        .expect("a home");
    let ttl: i64 = server.ask(&["PTTL", "{plenum}:room:default/x"]).await;
    assert_eq!(ttl, -1, "it is somebody's again");
}

#[tokio::test]
async fn two_clusters_share_a_server_and_nothing_else() {
    let server = Server::start(&[]).await;
    let mut config = patient(RedisConfig::new(server.url()));
    let first = RedisRegistry::start(&config).expect("good settings");
    config.prefix = "second".to_owned();
    let second = RedisRegistry::start(&config).expect("good settings");
    exercise(&first).await;
    assert!(second.leases().await.expect("leases").leases.is_empty());
    assert_ne!(seen(&first).await, seen(&second).await);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_an_owner_mends_it() {
    let server = Server::start(&[]).await;
    let registry = server.registry();
    register(&registry, &["a", "b"]).await;
    let seen = seen(&registry).await;
    registry
        .claim(request(&seen, "r", &["a"]))
        .await
        .expect("a home");

    let unreadable = |err: &RegistryError| matches!(err, RegistryError::Unreadable { .. });
    let spoil = async |key: &str, field: &str, value: &str| {
        let key = format!("{{plenum}}:{key}");
        let _: i64 = server.ask(&["HSET", &key, field, value]).await;
    };
    for lease in [
        "",
        "1 2 3",
        "1 2 2 4 x",
        "99999999999999999999 1 0 0 0",
        "-1 1 0 0 0",
    ] {
        spoil("leases", "a", lease).await;
        let err = registry.leases().await.expect_err(lease);
        assert!(unreadable(&err), "{lease}: {err}");
        let err = registry.claim(request(&seen, "new", &["a"])).await;
        assert!(unreadable(&err.expect_err(lease)), "{lease}");
    }
    let err = registry.claim(request(&seen, "r", &["b"])).await;
    assert!(unreadable(&err.expect_err("no lease")));
    spoil("records", "a", "{\"version\": 7").await;
    registry
        .renew(node("a"), NodeEpoch(1), record(false))
        .await
        .expect("mended");
    assert_eq!(
        registry.nodes().await.expect("nodes").nodes[0].record,
        record(false)
    );

    for home in ["", "1 1", "x 1 a", "1 1 ", "1 99999999999999999999 a"] {
        spoil("room:default/r", "home", home).await;
        let err = registry.room(room("r")).await.expect_err(home);
        assert!(unreadable(&err), "{home}: {err}");
        let err = registry.claim(request(&seen, "r", &["b"])).await;
        assert!(unreadable(&err.expect_err(home)), "{home}");
    }
    spoil("room:default/r", "home", "1 1 a").await;
    for part in ["", "1 1", "1 1 7", "1 x {}"] {
        spoil("room:default/r", "p:b", part).await;
        let err = registry.room(room("r")).await.expect_err(part);
        assert!(unreadable(&err), "{part}: {err}");
    }
    spoil("epochs", "a", "99999999999999999999").await;
    let err = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
    assert!(unreadable(&err.expect_err("no epoch")));
    spoil("epochs", "a", "1").await;
    let _: i64 = server.ask(&["DEL", "{plenum}:leases"]).await;
    let _: String = server.ask(&["SET", "{plenum}:leases", "a text"]).await;
    let err = registry.leases().await.expect_err("no hash");
    assert!(unreadable(&err), "{err}");
    let err = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
    assert!(unreadable(&err.expect_err("no hash")));
}

#[tokio::test]
async fn what_later_versions_add_is_passed_over() {
    let server = Server::start(&[]).await;
    let registry = server.registry();
    register(&registry, &["a"]).await;
    let put = registry.put_part(
        room("r"),
        node("a"),
        NodeEpoch(1),
        PartMark::default(),
        LONG,
    );
    put.await.expect("put");
    let peer = PeerId::from("p");
    let put = registry.put_peer(
        room("r"),
        node("a"),
        NodeEpoch(1),
        peer,
        String::new(),
        LONG,
    );
    put.await.expect("put");
    let record = r#"{"version":"9","shoe_size":44,"addresses":{"link":"l","pigeon":"p"}}"#;
    let _: i64 = server.ask(&["HSET", "{plenum}:records", "a", record]).await;
    let part = r#"1 3 {"peers":2,"colour":"red"}"#;
    let key = "{plenum}:room:default/r";
    let _: i64 = server
        .ask(&["HSET", key, "p:a", part, "mood", "good"])
        .await;
    let nodes = registry.nodes().await.expect("nodes").nodes;
    assert_eq!(
        (&*nodes[0].record.version, &*nodes[0].record.addresses.link),
        ("9", "l")
    );
    let parts = registry
        .room(room("r"))
        .await
        .expect("read")
        .expect("a room")
        .parts;
    assert_eq!((parts[0].mark.seq, parts[0].mark.peers), (3, 2));
}
