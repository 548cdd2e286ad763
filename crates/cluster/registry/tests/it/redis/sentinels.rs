//! A master that changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use plenum_ids::{NodeEpoch, RoomEpoch};
use plenum_registry::{
    Bus, BusEvent, ClaimRequest, RedisConfig, RedisRegistry, Registry, RegistryError,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::place::{
    Sentinel, Server, eventually, next, node, patient, record, register, request, seen,
};

#[tokio::test]
async fn a_replica_takes_nothing_and_is_not_taken() {
    let master = Server::start(&[]).await;
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await;
    let mut config = patient(RedisConfig::new(replica.url()));
    config.deadline = Duration::from_millis(500);
    let registry = RedisRegistry::start(&config).expect("good settings");
    let err = registry.leases().await.expect_err("a replica");
    assert!(matches!(err, RegistryError::Unreachable { .. }), "{err}");
    // The operator makes it the master: it is taken.
    let _: String = replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
    eventually("an answer", async || registry.leases().await.ok()).await;
    // And a replica again.
    let _: String = replica.ask(&["REPLICAOF", "127.0.0.1", &port]).await;
    eventually("no answer", async || registry.leases().await.err()).await;
}

struct Group {
    master: Server,
    replica: Server,
    sentinels: Vec<Sentinel>,
}

impl Group {
    async fn start() -> Self {
        let master = Server::start(&[]).await;
        let port = master.port.to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await;
        eventually("a copy", async || {
            let info: String = replica.ask(&["INFO", "replication"]).await;
            info.contains("master_link_status:up").then_some(())
        })
        .await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Sentinel::start("plenum", master.port, 2).await);
        }
        // They know each other and the replica: without that there is no majority and nobody to choose.
        for sentinel in &sentinels {
            eventually("a group", async || {
                let others: Vec<redis::Value> =
                    sentinel.ask(&["SENTINEL", "SENTINELS", "plenum"]).await;
                let replicas: Vec<redis::Value> =
                    sentinel.ask(&["SENTINEL", "REPLICAS", "plenum"]).await;
                (others.len() == 2 && replicas.len() == 1).then_some(())
            })
            .await;
        }
        Self {
            master,
            replica,
            sentinels,
        }
    }

    fn registry(&self) -> RedisRegistry {
        let urls = self.sentinels.iter().map(Sentinel::url);
        // The first address leads nowhere: one that is away is passed over.
        let urls = ["redis://127.0.0.1:1".to_owned()].into_iter().chain(urls);
        let config = patient(RedisConfig::with_sentinels(urls, "plenum"));
        RedisRegistry::start(&config).expect("good settings")
    }
}

#[tokio::test]
async fn a_failover_is_followed_and_the_new_master_is_another_incarnation() {
    let mut group = Group::start().await;
    let (registry, other) = (group.registry(), group.registry());
    register(&registry, &["a"]).await;
    let before = seen(&registry).await;
    registry
        .claim(request(&before, "r", &["a"]))
        .await
        .expect("a home");
    let mut listener = registry.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    eventually("what was written there too", async || {
        let size: i64 = group
            .replica
            .ask(&["EXISTS", "{plenum}:room:default/r"])
            .await;
        (size == 1).then_some(())
    })
    .await;

    let killed = Instant::now();
    group.master.kill();
    let renewed = eventually("a new master", async || {
        registry
            .renew(node("a"), NodeEpoch(1), record(false))
            .await
            .ok()
    });
    let now = renewed.await.incarnation;
    eprintln!("renewed {:?} after the kill", killed.elapsed());
    assert_ne!(now, before);
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    eventually("a message", async || {
        other.publish("t", "x".into()).await.ok()
    })
    .await;
    assert_eq!(next(&mut listener).await, BusEvent::Message("x".into()));
    assert_eq!(seen(&other).await, now, "everybody is with the same one");
    let claim = registry.claim(request(&before, "r", &["a"])).await;
    assert_eq!(claim, Err(RegistryError::Restarted { now: now.clone() }));
    let again = ClaimRequest {
        at_least: RoomEpoch(1),
        ..request(&now, "r", &["a"])
    };
    let claim = registry.claim(again).await.expect("a home");
    assert_eq!(
        (claim.epoch, claim.created),
        (RoomEpoch(1), false),
        "it was copied"
    );

    // The old one comes back, as a replica: nobody goes back to it.
    group.master.start_again().await;
    eventually("its new place", async || {
        let role: String = group.master.ask(&["INFO", "replication"]).await;
        role.contains("role:slave").then_some(())
    })
    .await;
    assert_eq!(seen(&registry).await, now);
}

#[tokio::test]
async fn a_master_that_is_only_replaced_is_left() {
    let group = Group::start().await;
    let registry = group.registry();
    register(&registry, &["a"]).await;
    let before = seen(&registry).await;
    // By the operator: the old master lives, and takes what is written until it is told.
    let _: String = group.sentinels[0]
        .ask(&["SENTINEL", "FAILOVER", "plenum"])
        .await;
    eventually("the new master", async || {
        let renewed = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
        renewed.ok().filter(|renewed| renewed.incarnation != before)
    })
    .await;
    let role: Vec<redis::Value> = group.replica.ask(&["ROLE"]).await;
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
}

/// Says what it is told to say about the master, to anybody.
struct FakeSentinel {
    port: u16,
    master: Arc<AtomicU16>,
    task: JoinHandle<()>,
}

impl FakeSentinel {
    async fn start(master: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("its own address").port();
        let master = Arc::new(AtomicU16::new(master));
        let says = master.clone();
        let task = tokio::spawn(async move {
            let mut conversations = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let says = says.clone();
                conversations.spawn(async move {
                    let mut question = [0; 1024];
                    while stream
                        .read(&mut question)
                        .await
                        .is_ok_and(|length| length > 0)
                    {
                        let port = says.load(Ordering::SeqCst).to_string();
                        let answer =
                            format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, master, task }
    }
}

/// Where the network is cut, the old master does not hear that it is none, and takes whatever is written there.
#[tokio::test]
async fn a_master_that_does_not_know_of_its_successor_is_left_for_it() {
    let (old, new) = (Server::start(&[]).await, Server::start(&[]).await);
    let sentinel = FakeSentinel::start(old.port).await;
    let url = format!("redis://127.0.0.1:{}", sentinel.port);
    let config = patient(RedisConfig::with_sentinels([url], "plenum"));
    let registry = RedisRegistry::start(&config).expect("good settings");
    register(&registry, &["a"]).await;
    let before = seen(&registry).await;
    let mut listener = registry.subscribe("t").expect("a subscription");
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);

    sentinel.master.store(new.port, Ordering::SeqCst);
    assert_eq!(next(&mut listener).await, BusEvent::Resubscribed);
    let now = seen(&registry).await;
    assert_ne!(now, before);
    assert_eq!(seen(&new.registry()).await, now);

    // Nobody to ask is no reason to leave.
    sentinel.task.abort();
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_millis(2500) {
        let renewed = registry.renew(node("a"), NodeEpoch(1), record(false)).await;
        assert_eq!(renewed.expect("renewed").incarnation, now);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(listener.try_next(), None, "nothing was interrupted");
}
