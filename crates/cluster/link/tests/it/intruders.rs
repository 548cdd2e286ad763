//! Those who are no nodes, and nodes that say what nobody understands.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use plenum_ids::NodeEpoch;
use plenum_link::{DownReason, LinkError, LinkEvent, RejectionCode};
use proptest::{prelude::*, test_runner::TestRunner};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::support::{Node, SECRET, Stranger, config, frame, in_time, secret, until};

/// TLS as a node offers it to others, by somebody who is none.
fn impostor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["plenum.invalid".to_owned()]);
    let made = made.expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

/// Somebody who has a TLS session with each of two nodes, and passes on what they say.
async fn middleman(target: SocketAddr) -> SocketAddr {
    let acceptor = impostor();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut near = acceptor.accept(tcp).await.expect("TLS");
            let mut far = Stranger::connect(target).await.stream;
            let _ = copy_bidirectional(&mut near, &mut far).await;
        }
    });
    address
}

/// What somebody who says this and no more hears until he is closed.
async fn heard(address: SocketAddr, said: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("listens");
    // It may be closed already.
    let _ = stream.write_all(said).await;
    let mut answer = Vec::new();
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    answer
}

fn hello(node: &str, epoch: u64) -> Value {
    let versions = json!({ "min": 1, "max": 1 });
    json!({ "kind": "hello", "versions": versions, "node": node, "epoch": epoch })
}

#[tokio::test]
async fn somebody_in_between_gets_nowhere_though_all_know_the_secret() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let middle = middleman(two.links.address()).await;
    let refused = one
        .ask_at(&two, &middle.to_string(), "echo", json!(1))
        .await;
    let Err(LinkError::Rejected(rejection)) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(rejection.code, RejectionCode::WrongSecret);
    until("it failed there", || {
        two.links.listener_figures().failed == 1
    })
    .await;
    assert!(two.links.status().is_empty());
    assert_eq!(
        one.ask(&two, "echo", json!(1)).await,
        Ok(json!(1)),
        "without him"
    );
}

#[tokio::test]
async fn a_listener_that_cannot_prove_is_not_believed_whatever_it_says() {
    let acceptor = impostor();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound").to_string();
    let macs = json!(["00".repeat(32), "11".repeat(32)]);
    let lies = [
        vec![
            json!({ "kind": "rejected", "code": "stale_epoch", "message": "you are old", "by": 99 }),
        ],
        vec![
            hello("two", 1),
            json!({ "kind": "proof", "macs": macs }),
            json!({ "kind": "welcome", "version": 1 }),
        ],
        vec![hello("two", 1), json!({ "kind": "welcome", "version": 1 })],
        vec![json!({ "kind": "welcome", "version": 1 })],
        vec![json!({ "kind": "rejected", "code": "version", "message": "x".repeat(10_000) })],
    ];
    let count = lies.len();
    tokio::spawn(async move {
        for lie in lies {
            let (tcp, _) = listener.accept().await.expect("dialled");
            let mut stream = acceptor.accept(tcp).await.expect("TLS");
            for said in lie {
                stream.write_all(&frame(&said)).await.expect("writes");
            }
            stream.flush().await.expect("writes");
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    for _ in 0..count {
        let refused = one.ask_at(&two, &address, "echo", json!(1)).await;
        let Err(err @ (LinkError::Rejected(_) | LinkError::Unreachable { .. })) = refused else {
            panic!("{refused:?}");
        };
        assert!(err.to_string().len() < 1000, "{err}");
    }
    // The next event is that of a real link: nobody has made this node believe that it is stale.
    one.ask(&two, "echo", json!(1)).await.expect("a link");
    assert!(matches!(one.event().await, LinkEvent::Up { .. }));
}

#[tokio::test]
async fn strangers_learn_nothing_about_a_node() {
    let node = Node::start("one").await;
    let address = node.links.address();
    let mut stranger = Stranger::connect(address).await;
    stranger
        .introduce(&hello("two", 1), "another secret of some bytes")
        .await;
    let said = stranger.hear().await.expect("a reason");
    assert_eq!(said["kind"], "rejected");
    assert_eq!(said["code"], "wrong_secret");
    assert!(!said.to_string().contains("one"), "{said}");
    assert_eq!(stranger.hear().await, None);
}

#[tokio::test]
async fn a_proof_of_another_session_is_worth_nothing() {
    let node = Node::start("one").await;
    let address = node.links.address();
    let first = Stranger::connect(address).await;
    let words = frame(&hello("two", 1));
    let overheard = first.proof(SECRET, b"plenum link dialler", &[&words]);
    let mut second = Stranger::connect(address).await;
    second.write(&words).await;
    second
        .say(&json!({ "kind": "proof", "macs": [overheard] }))
        .await;
    assert_eq!(
        second.hear().await.expect("a reason")["code"],
        "wrong_secret"
    );
    // Nor is one's own for another hello, or in the listener's role.
    for (role, said) in [
        (&b"plenum link dialler"[..], hello("three", 1)),
        (&b"plenum link listener"[..], hello("two", 1)),
    ] {
        let mut stranger = Stranger::connect(address).await;
        let mac = stranger.proof(SECRET, role, &[&words]);
        stranger.say(&said).await;
        stranger
            .say(&json!({ "kind": "proof", "macs": [mac] }))
            .await;
        assert_eq!(
            stranger.hear().await.expect("a reason")["code"],
            "wrong_secret"
        );
    }
}

#[tokio::test]
async fn another_node_of_the_same_name_is_refused_and_a_later_one_is_noticed() {
    let node = Node::with(config("one", 5, secret(SECRET))).await;
    let address = node.links.address();
    for epoch in [4, 9] {
        let mut twin = Stranger::connect(address).await;
        twin.introduce(&hello("one", epoch), SECRET).await;
        let said = twin.hear_of("rejected").await.expect("a reason");
        assert_eq!(said["code"], "own_name");
    }
    let LinkEvent::Fenced { told_by, by } = node.event().await else {
        panic!("fenced");
    };
    assert_eq!((told_by.epoch, by), (NodeEpoch(9), Some(NodeEpoch(9))));
}

#[tokio::test]
async fn garbage_is_closed_and_costs_nothing() {
    let mut config = config("one", 1, secret(SECRET));
    config.timing.handshake = Duration::from_millis(500);
    let node = Node::with(config).await;
    let address = node.links.address();
    let many = vec![0xa5; 100_000];
    let garbage: [&[u8]; 5] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: one\r\n\r\n",
        // The header of a record that never comes (RFC 8446 §5.1).
        &[22, 3, 1, 1, 0],
        &[22, 3, 1, 0xff, 0xff],
        &many,
    ];
    for said in garbage {
        assert!(heard(address, said).await.len() < 100, "at most an alert");
    }
    // The same inside of TLS.
    let long = frame(&json!({ "kind": "hello", "pad": "x".repeat(20_000) }));
    let garbage: [&[u8]; 7] = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0, 0, 0, 0],
        &[0, 0, 1],
        &[0xff; 4],
        &long,
        &frame(&json!({ "kind": "proof", "macs": [] })),
    ];
    for said in garbage {
        let mut stranger = Stranger::connect(address).await;
        let _ = stranger.stream.write_all(said).await;
        let _ = stranger.stream.flush().await;
        assert_eq!(stranger.hear().await, None);
    }
    until("all have failed", || {
        node.links.listener_figures().failed == 12
    })
    .await;
    let two = Node::start("two").await;
    assert_eq!(two.ask(&node, "echo", json!(1)).await, Ok(json!(1)));
}

#[tokio::test]
async fn who_introduces_himself_byte_by_byte_is_not_waited_for() {
    let mut config = config("one", 1, secret(SECRET));
    config.timing.handshake = Duration::from_millis(500);
    let node = Node::with(config).await;
    let mut stranger = Stranger::connect(node.links.address()).await;
    let words = frame(&json!({ "kind": "hello", "pad": "x".repeat(10_000) }));
    let dripping = async {
        for byte in words {
            stranger.stream.write_all(&[byte]).await?;
            stranger.stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stranger.stream.read_u8().await
    };
    in_time(dripping).await.expect_err("closed");
    until("it is counted", || {
        node.links.listener_figures().failed == 1
    })
    .await;
}

#[tokio::test]
async fn a_node_that_cannot_be_understood_is_told_so_and_others_go_on() {
    let node = Node::start("one").await;
    let friend = Node::start("friend").await;
    friend.ask(&node, "echo", json!(1)).await.expect("a link");
    node.event().await;
    let address = node.links.address();
    let malformed: [&[u8]; 7] = [
        &[0, 0, 0, 2, b'{', b'}'],
        &[0, 0, 0, 0],
        &[0, 16, 0, 1],
        &[0xff, 0xff, 0xff, 0xff],
        &frame(&json!({ "kind": "request", "id": "one" })),
        &frame(&json!({ "kind": "open", "channel": 1, "name": "odd numbers are the listener's" })),
        &frame(&json!({ "kind": "open", "channel": 0, "name": "n".repeat(300) })),
    ];
    for (epoch, bytes) in (1..).zip(malformed) {
        let mut stranger = Stranger::known(address, SECRET, "two", epoch).await;
        assert!(matches!(node.event().await, LinkEvent::Up { .. }));
        stranger.write(bytes).await;
        let said = stranger.hear_of("goodbye").await.expect("a reason");
        assert_eq!(said["code"], "malformed");
        let LinkEvent::Down { reason, .. } = node.event().await else {
            panic!("down");
        };
        assert_eq!(reason, DownReason::Malformed);
    }
    assert_eq!(
        friend.ask_at(&node, "", "echo", json!(2)).await,
        Ok(json!(2))
    );
}

/// Frames that are well-formed, in an order that makes no sense.
fn any_frame() -> impl Strategy<Value = Value> {
    let id = || prop_oneof![0..8_u64, any::<u64>()];
    let number = prop_oneof![0..300_000_u64, any::<u64>()];
    prop_oneof![
        id().prop_map(|id| json!({ "kind": "busy", "id": id })),
        id().prop_map(|id| json!({ "kind": "close", "channel": id })),
        (id(), number)
            .prop_map(|(id, bytes)| json!({ "kind": "credit", "channel": id, "bytes": bytes })),
        (id(), 0..200_000_usize).prop_map(|(id, size)| {
            json!({ "kind": "message", "channel": id, "body": "x".repeat(size) })
        }),
        (0..4_u64).prop_map(|n| json!({ "kind": "open", "channel": n * 2, "name": "kept" })),
        id().prop_map(|id| json!({ "kind": "pong", "number": id })),
        id().prop_map(|id| json!({ "kind": "ping", "number": id })),
        id().prop_map(|id| json!({ "kind": "response", "id": id, "body": [] })),
        id().prop_map(|id| json!({ "kind": "refusal", "id": id, "code": "x" })),
        id().prop_map(|id| json!({ "kind": "too_large", "id": id, "bytes": id })),
        id().prop_map(|id| json!({ "kind": "request", "id": id, "method": "panic" })),
        id().prop_map(
            |id| json!({ "kind": "request", "id": id, "method": "echo", "within_ms": id })
        ),
        Just(json!({ "kind": "notice", "method": "m" })),
        Just(json!({ "kind": "proof", "macs": ["x"] })),
        Just(json!({ "kind": "goodbye", "code": "idle" })),
        Just(json!({ "kind": "later" })),
    ]
}

#[test]
fn no_order_of_frames_harms_a_node() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let node = runtime.block_on(Node::start("one"));
    let address = node.links.address();
    let epoch = AtomicU64::new(0);
    let cases = ProptestConfig {
        cases: if std::env::var_os("PLENUM_LONG_TESTS").is_some() {
            1000
        } else {
            50
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let frames = prop::collection::vec(any_frame(), 1..30);
    TestRunner::new(cases)
        .run(&frames, |frames| {
            let epoch = epoch.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(async {
                let mut stranger = Stranger::known(address, SECRET, "two", epoch).await;
                for said in frames {
                    // It may have been closed.
                    if stranger.stream.write_all(&frame(&said)).await.is_err() {
                        break;
                    }
                }
                let _ = stranger.stream.flush().await;
            });
            Ok(())
        })
        .expect("nothing breaks");
    runtime.block_on(async {
        let friend = Node::start("friend").await;
        assert_eq!(friend.ask(&node, "echo", json!(1)).await, Ok(json!(1)));
    });
}
