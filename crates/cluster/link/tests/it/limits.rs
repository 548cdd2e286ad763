//! What others can make grow.

use std::{sync::atomic::Ordering, time::Duration};

use plenum_link::{DownReason, LinkConfig, LinkError, LinkEvent, RejectionCode};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::support::{Node, PATIENCE, SECRET, Stranger, config, in_time, secret, until};

fn usual(name: &str) -> LinkConfig {
    config(name, 1, secret(SECRET))
}

#[tokio::test]
async fn strangers_of_one_address_are_few_and_their_time_ends() {
    let mut config = usual("one");
    config.limits.strangers_per_address = 3;
    config.timing.handshake = Duration::from_secs(4);
    let node = Node::with(config).await;
    let address = node.links.address();
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(address).await.expect("listens"));
    }
    let mut fourth = TcpStream::connect(address).await.expect("listens");
    assert!(in_time(fourth.read_u8()).await.is_err(), "closed at once");
    assert_eq!(node.links.listener_figures().turned_away, 1);
    until("their time has ended", || {
        node.links.listener_figures().failed == 3
    })
    .await;
    let other = Node::start("two").await;
    assert_eq!(other.ask(&node, "echo", json!(1)).await, Ok(json!(1)));
}

#[tokio::test]
async fn there_are_so_many_links_and_one_more_is_told_so() {
    let mut config = usual("one");
    config.limits.links = 2;
    let node = Node::with(config).await;
    let others = [Node::start("a").await, Node::start("b").await];
    for other in &others {
        other.ask(&node, "echo", json!(1)).await.expect("a link");
    }
    let third = Node::start("c").await;
    let Err(LinkError::Rejected(rejection)) = third.ask(&node, "echo", json!(1)).await else {
        panic!("refused");
    };
    assert_eq!(rejection.code, RejectionCode::Full);
    // Who has one may make another.
    others[0].links.cut(&node.id);
    until("it has none", || {
        !others[0].is_up(&node.id) && !node.is_up(&others[0].id)
    })
    .await;
    assert_eq!(others[0].ask(&node, "echo", json!(2)).await, Ok(json!(2)));
}

#[tokio::test]
async fn so_many_requests_run_others_wait_and_the_rest_is_refused() {
    let mut config = usual("two");
    config.limits.requests = 20;
    config.limits.running_requests = 5;
    let (one, two) = (Node::start("one").await, Node::with(config).await);
    one.ask(&two, "echo", json!(0)).await.expect("a link");
    let asked = (0..30).map(|n| one.ask_at(&two, "", "gated", json!(n)));
    let asked = futures_util::future::join_all(asked);
    let watch = async {
        let answering = || two.status(&one.id).map(|status| status.figures.answering);
        until("as many as may wait", || answering() == Some(20)).await;
        // The first five of those, and the one before.
        until("five run", || two.host.begun.load(Ordering::SeqCst) == 6).await;
        two.host.gate.add_permits(20);
    };
    let (answers, ()) = in_time(async { tokio::join!(asked, watch) }).await;
    for (n, answer) in answers.into_iter().enumerate() {
        if n < 20 {
            assert_eq!(answer, Ok(json!(n)));
        } else {
            assert_eq!(answer, Err(LinkError::Overloaded));
        }
    }
    assert_eq!(one.ask(&two, "echo", json!(1)).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_request_that_waited_too_long_is_not_begun() {
    let mut config = usual("two");
    config.limits.running_requests = 1;
    let (one, two) = (Node::start("one").await, Node::with(config).await);
    let three = Node::start("three").await;
    let address = two.address();
    let first = one.ask(&two, "gated", json!(1));
    let second = async {
        until("the first one runs", || {
            two.host.begun.load(Ordering::SeqCst) == 1
        })
        .await;
        let brief = Duration::from_millis(100);
        let late = one
            .links
            .request(&two.id, &address, "echo", &json!(2), brief)
            .await;
        assert_eq!(late, Err(LinkError::Timeout));
        // By the other side's clock, too, which began a little later.
        let elsewhere = one
            .ask_within(&three.id, &three.address(), "never", brief)
            .await;
        assert_eq!(elsewhere, Err(LinkError::Timeout));
        two.host.gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(first, second);
    assert_eq!(answer, Ok(json!(1)));
    assert_eq!(one.ask(&two, "echo", json!(3)).await, Ok(json!(3)));
    assert_eq!(two.host.begun.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_fits_no_frame_is_refused_and_the_link_goes_on() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let large = json!("x".repeat(1 << 20));
    let refused = one.ask(&two, "echo", large).await;
    let Err(LinkError::TooLarge { answer: false, .. }) = refused else {
        panic!("{refused:?}");
    };
    let refused = one.ask(&two, "large", json!(1)).await;
    let Err(
        err @ LinkError::TooLarge {
            answer: true,
            bytes,
        },
    ) = refused
    else {
        panic!("{refused:?}");
    };
    assert!(bytes > 2 << 20);
    assert!(!err.was_not_done());
    assert_eq!(one.ask(&two, "echo", json!(1)).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_handler_that_fails_is_a_refusal() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let Err(LinkError::Refused(refusal)) = one.ask(&two, "panic", json!(1)).await else {
        panic!("refused");
    };
    assert_eq!(refusal.code, "internal");
    assert_eq!(two.status(&one.id).expect("a link").figures.answering, 0);
    // Where things are handled in order, the link cannot go on, and is made again.
    let two_address = two.address();
    one.event().await;
    let told = one.links.notify(&two.id, "", "panic", &json!(1)).await;
    assert_eq!(told, Ok(()));
    assert!(matches!(one.event().await, LinkEvent::Down { .. }));
    until("both know it", || !two.is_up(&one.id)).await;
    let again = one.ask_at(&two, &two_address, "echo", json!(1)).await;
    assert_eq!(again, Ok(json!(1)));
}

#[tokio::test]
async fn who_does_not_read_is_given_up_and_nobody_else_waits() {
    let mut config = usual("one");
    config.timing.stalled = Duration::from_secs(1);
    config.limits.queue_bytes = 1 << 20;
    let node = Node::with(config).await;
    let friend = Node::start("friend").await;
    friend.ask(&node, "echo", json!(1)).await.expect("a link");
    node.event().await;
    let mut reader = Stranger::known(node.links.address(), SECRET, "two", 1).await;
    node.event().await;
    let large =
        json!({ "kind": "request", "id": 1, "method": "echo", "body": "x".repeat(500_000) });
    let asking = async {
        loop {
            let bytes = crate::support::frame(&large);
            // Closed at some time.
            if tokio::io::AsyncWriteExt::write_all(&mut reader.stream, &bytes)
                .await
                .is_err()
            {
                return;
            }
        }
    };
    let watching = async {
        let LinkEvent::Down { peer, reason } = node.event().await else {
            panic!("down");
        };
        assert_eq!((peer.node.as_str(), reason), ("two", DownReason::Stalled));
        assert_eq!(
            friend.ask_at(&node, "", "echo", json!(2)).await,
            Ok(json!(2))
        );
    };
    in_time(async { tokio::join!(asking, watching) }).await;
}

#[tokio::test]
async fn what_waits_for_who_does_not_read_is_bounded() {
    let mut config = usual("one");
    config.limits.queue_bytes = 1 << 20;
    config.timing.stalled = PATIENCE * 2;
    let node = Node::with(config).await;
    let _reader = Stranger::known(node.links.address(), SECRET, "two", 1).await;
    let body = json!("x".repeat(100_000));
    let two = "two".into();
    let filling = async {
        loop {
            if let Err(err) = node.links.notify(&two, "", "hint", &body).await {
                return err;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(in_time(filling).await, LinkError::Overloaded);
    let figures = node.status(&two).expect("a link").figures;
    assert!(figures.queued_bytes <= 1 << 20, "{figures:?}");
    let refused = node
        .links
        .request(&two, "", "echo", &json!("x".repeat(1 << 19)), PATIENCE)
        .await;
    assert_eq!(refused, Err(LinkError::Overloaded));
}
