//! Making links, asking over them, and ending them.

use std::time::Duration;

use plenum_ids::NodeEpoch;
use plenum_link::{DownReason, LinkError, LinkEvent, LinkState, Peer, Refusal};
use serde_json::json;

use crate::support::{Node, PATIENCE, Relay, SECRET, config, in_time, secret, until};

fn up(node: &Node, epoch: u64) -> LinkEvent {
    let peer = Peer {
        node: node.id.clone(),
        epoch: NodeEpoch(epoch),
    };
    LinkEvent::Up { peer }
}

fn down(node: &Node, epoch: u64, reason: DownReason) -> LinkEvent {
    let peer = Peer {
        node: node.id.clone(),
        epoch: NodeEpoch(epoch),
    };
    LinkEvent::Down { peer, reason }
}

#[tokio::test]
async fn one_connection_is_made_on_demand_and_used_both_ways() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    assert!(one.links.status().is_empty());
    let body = json!({ "text": "ä\u{0}", "deep": [1, 2.5, null] });
    assert_eq!(one.ask(&two, "echo", body.clone()).await, Ok(body));
    assert_eq!(one.event().await, up(&two, 1));
    assert_eq!(two.event().await, up(&one, 1));

    // No address is needed for the way back.
    assert_eq!(two.ask_at(&one, "", "echo", json!(2)).await, Ok(json!(2)));
    assert_eq!(
        one.ask(&two, "no", json!(null)).await,
        Err(LinkError::Refused(Refusal::new("no", "never")))
    );
    let unknown = one.ask(&two, "dance", json!(null)).await;
    assert_eq!(
        unknown,
        Err(LinkError::Refused(Refusal::unknown_method("dance")))
    );
    two.links
        .notify(&one.id, "", "hint", &json!({ "seq": 7 }))
        .await
        .expect("a link");
    let (from, method, body) = one.notice().await;
    assert_eq!((from.node, from.epoch), (two.id.clone(), NodeEpoch(1)));
    assert_eq!((method.as_str(), body), ("hint", json!({ "seq": 7 })));
    assert_eq!(one.links.epoch_of(&two.id), Some(NodeEpoch(1)));

    let status = one.status(&two.id).expect("a link");
    assert_eq!(status.state, LinkState::Up);
    assert!(status.dialled);
    assert_eq!(status.version, Some(1));
    assert_eq!(status.build.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert!(status.figures.sent_bytes > 0 && status.figures.received_bytes > 0);
    let measured = || {
        one.status(&two.id)
            .and_then(|status| status.figures.round_trip)
    };
    until("a round trip is measured", || measured().is_some()).await;
    assert!(!two.status(&one.id).expect("a link").dialled);
}

#[tokio::test]
async fn a_node_is_told_where_another_can_be_dialled() {
    let one = {
        let mut config = config("one", 1, secret(SECRET));
        config.advertised = Some("one.example:7000".to_owned());
        Node::with(config).await
    };
    let two = Node::start("two").await;
    one.ask(&two, "echo", json!(1)).await.expect("a link");
    let status = two.status(&one.id).expect("a link");
    assert_eq!(status.advertised.as_deref(), Some("one.example:7000"));
}

#[tokio::test]
async fn many_who_want_the_same_node_share_one_connection() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let relay = Relay::to(two.links.address()).await;
    let address = relay.address.to_string();
    let asked = (0..50).map(|n| one.ask_at(&two, &address, "echo", json!(n)));
    let answers = futures_util::future::join_all(asked).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, Ok(json!(n)));
    }
    assert_eq!(relay.taken(), 1);
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_answered_and_a_slow_one_holds_up_nobody() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let slow = one.ask(&two, "never", json!(null));
    let mut slow = Box::pin(slow);
    let asked = (0..1000).map(|n| one.ask(&two, "echo", json!({ "n": n })));
    let all = futures_util::future::join_all(asked);
    tokio::select! {
        _ = &mut slow => panic!("it has no answer"),
        answers = in_time(all) => {
            for (n, answer) in answers.into_iter().enumerate() {
                assert_eq!(answer, Ok(json!({ "n": n })));
            }
        }
    }
    assert_eq!(one.status(&two.id).expect("a link").figures.asked, 1);
    drop(slow);
    assert_eq!(one.status(&two.id).expect("a link").figures.asked, 0);
}

#[tokio::test]
async fn who_dial_each_other_at_once_end_with_one_connection() {
    let rounds = if std::env::var_os("PLENUM_LONG_TESTS").is_some() {
        200
    } else {
        8
    };
    for round in 0..rounds {
        let (one, two) = (Node::start("one").await, Node::start("two").await);
        let (there, back) = tokio::join!(
            one.ask(&two, "echo", json!(round)),
            two.ask(&one, "echo", json!(-round)),
        );
        assert_eq!((there, back), (Ok(json!(round)), Ok(json!(-round))));
        // Whichever came first, the one that is left is the one that the lower name has dialled, if there were two.
        let agree = || {
            let (here, there) = (one.status(&two.id), two.status(&one.id));
            let (Some(here), Some(there)) = (here, there) else {
                return false;
            };
            here.state == LinkState::Up && here.dialled != there.dialled
        };
        until("both use the same connection", agree).await;
        assert_eq!(one.event().await, up(&two, 1));
        assert_eq!(two.event().await, up(&one, 1));
        let (there, back) = tokio::join!(
            one.ask_at(&two, "", "echo", json!("still")),
            two.ask_at(&one, "", "echo", json!("there")),
        );
        assert_eq!((there, back), (Ok(json!("still")), Ok(json!("there"))));
        // Nobody heard of the other connection's end.
        one.links.shutdown(PATIENCE).await;
        assert_eq!(one.event().await, down(&two, 1, DownReason::Ended));
        assert_eq!(two.event().await, down(&one, 1, DownReason::Ended));
    }
}

#[tokio::test]
async fn what_is_not_used_is_closed_and_made_again() {
    let idle = |name: &str| {
        let mut config = config(name, 1, secret(SECRET));
        config.timing.heartbeat = Duration::from_millis(200);
        config.timing.idle = Duration::from_millis(300);
        config
    };
    let one = Node::with(idle("one")).await;
    let two = Node::with(idle("two")).await;
    for _ in 0..3 {
        one.ask(&two, "echo", json!(1)).await.expect("a link");
        assert_eq!(one.event().await, up(&two, 1));
        assert_eq!(one.event().await, down(&two, 1, DownReason::Idle));
    }
    // What is under way is use.
    let channel = one.open(&two, "kept").await;
    let (_kept, _) = two.channel().await;
    assert_eq!(one.event().await, up(&two, 1));
    let three = Node::with(idle("three")).await;
    one.ask(&three, "echo", json!(1)).await.expect("a link");
    assert_eq!(one.event().await, up(&three, 1));
    assert_eq!(one.event().await, down(&three, 1, DownReason::Idle));
    assert!(one.is_up(&two.id));
    channel.close("done", "");
    assert_eq!(one.event().await, down(&two, 1, DownReason::Idle));
}

#[tokio::test]
async fn a_node_that_ends_answers_what_it_was_asked_and_says_goodbye() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    one.ask(&two, "echo", json!(1)).await.expect("a link");
    one.event().await;
    let (answer, ()) = tokio::join!(
        one.ask(&two, "echo", json!(2)),
        two.links.shutdown(PATIENCE),
    );
    // It was asked before it ended, or not at all.
    match answer {
        Ok(answer) => assert_eq!(answer, json!(2)),
        Err(err) => assert!(err.was_not_done(), "{err}"),
    }
    assert_eq!(one.event().await, down(&two, 1, DownReason::Ended));
    assert!(
        two.links
            .status()
            .iter()
            .all(|status| status.state == LinkState::Down)
    );
    let after = one.ask(&two, "echo", json!(3)).await;
    assert!(
        matches!(after, Err(LinkError::Unreachable { .. })),
        "{after:?}"
    );
}

#[tokio::test]
async fn dropping_the_links_ends_them() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    one.ask(&two, "echo", json!(1)).await.expect("a link");
    assert_eq!(two.event().await, up(&one, 1));
    let id = one.id.clone();
    drop(one);
    let LinkEvent::Down { peer, .. } = two.event().await else {
        panic!("down");
    };
    assert_eq!(peer.node, id);
}

#[tokio::test]
async fn a_later_start_of_a_node_replaces_the_one_before_and_a_stale_one_learns_it() {
    let two = Node::start("two").await;
    let first = Node::with(config("one", 1, secret(SECRET))).await;
    first.ask(&two, "echo", json!(1)).await.expect("a link");
    assert_eq!(two.event().await, up(&first, 1));
    assert_eq!(first.event().await, up(&two, 1));

    let second = Node::with(config("one", 2, secret(SECRET))).await;
    second.ask(&two, "echo", json!(1)).await.expect("a link");
    assert_eq!(two.event().await, down(&first, 1, DownReason::Replaced));
    assert_eq!(two.event().await, up(&second, 2));
    let told_by = Peer {
        node: two.id.clone(),
        epoch: NodeEpoch(1),
    };
    let by = Some(NodeEpoch(2));
    let fenced = LinkEvent::Fenced { told_by, by };
    assert_eq!(first.event().await, fenced);
    assert!(matches!(first.event().await, LinkEvent::Down { .. }));

    let again = first.ask(&two, "echo", json!(1)).await;
    let Err(LinkError::Rejected(rejection)) = &again else {
        panic!("{again:?}");
    };
    assert_eq!(rejection.code, plenum_link::RejectionCode::StaleEpoch);
    assert_eq!(first.event().await, fenced);
    assert!(second.is_up(&two.id));
    assert_eq!(two.links.epoch_of(&second.id), Some(NodeEpoch(2)));
}

#[tokio::test]
async fn another_node_than_the_one_meant_is_refused() {
    let (one, two, three) = (
        Node::start("one").await,
        Node::start("two").await,
        Node::start("three").await,
    );
    let wrong = one.ask_at(&three, &two.address(), "echo", json!(1)).await;
    let Err(LinkError::Rejected(rejection)) = &wrong else {
        panic!("{wrong:?}");
    };
    assert_eq!(rejection.code, plenum_link::RejectionCode::WrongNode);
    assert_eq!(two.host.begun.load(std::sync::atomic::Ordering::SeqCst), 0);

    let itself = one.ask(&one, "echo", json!(1)).await;
    assert!(
        matches!(itself, Err(LinkError::Unreachable { .. })),
        "{itself:?}"
    );
    assert!(matches!(
        one.ask_at(&two, "nowhere.invalid:1", "echo", json!(1))
            .await,
        Err(LinkError::Unreachable { .. })
    ));
}
