//! What is between two nodes breaks.

use std::time::Duration;

use plenum_link::{DownReason, EndedBy, LinkConfig, LinkError, LinkEvent, LinkState};
use serde_json::json;

use crate::support::{Node, PATIENCE, Relay, SECRET, config, secret, until};

/// Heartbeats fast enough for a test, and slow enough for a busy machine.
fn fast(name: &str) -> LinkConfig {
    let mut config = config(name, 1, secret(SECRET));
    config.timing.heartbeat = Duration::from_millis(300);
    config
}

/// One that notices nothing by itself while a test runs.
fn patient(name: &str) -> LinkConfig {
    let mut config = config(name, 1, secret(SECRET));
    config.timing.heartbeat = Duration::from_mins(10);
    config
}

async fn down(node: &Node) -> DownReason {
    loop {
        if let LinkEvent::Down { reason, .. } = node.event().await {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_noticed_on_both_sides() {
    let (one, two) = (Node::with(fast("one")).await, Node::with(fast("two")).await);
    let relay = Relay::to(two.links.address()).await;
    let address = relay.address.to_string();
    one.ask_at(&two, &address, "echo", json!(1))
        .await
        .expect("a link");
    let mut channel = one.open(&two, "kept").await;
    let (mut far, _) = two.channel().await;
    let begun = one.ask_at(&two, &address, "gated", json!(1));
    let cut = async {
        let asked = || {
            two.status(&one.id)
                .is_some_and(|status| status.figures.answering == 1)
        };
        until("the request is there", asked).await;
        relay.stop();
        (down(&one).await, down(&two).await)
    };
    let (answer, reasons) = tokio::join!(begun, cut);
    assert_eq!(reasons, (DownReason::Silent, DownReason::Silent));
    assert_eq!(answer, Err(LinkError::Lost));
    for end in [channel.recv().await, far.recv().await] {
        assert_eq!(end.expect_err("over").by, EndedBy::Link);
    }
    let refused = one.ask_at(&two, &address, "echo", json!(2));
    relay.go_on();
    // The first one may have been dialled into the silence; that is for its caller to try again.
    if let Err(err) = refused.await {
        assert!(err.was_not_done(), "{err}");
    }
    assert_eq!(
        one.ask_at(&two, &address, "echo", json!(3)).await,
        Ok(json!(3))
    );
}

#[tokio::test]
async fn a_connection_that_is_closed_is_noticed_at_once_and_made_again() {
    // Heartbeats could not tell before the test ends.
    let (one, two) = (
        Node::with(patient("one")).await,
        Node::with(patient("two")).await,
    );
    let relay = Relay::to(two.links.address()).await;
    let address = relay.address.to_string();
    let begun = one.ask_at(&two, &address, "never", json!(1));
    let cut = async {
        let asked = || {
            two.status(&one.id)
                .is_some_and(|status| status.figures.answering == 1)
        };
        until("the request is there", asked).await;
        relay.close();
    };
    let (answer, ()) = tokio::join!(begun, cut);
    assert_eq!(answer, Err(LinkError::Lost));
    assert_eq!(
        (down(&one).await, down(&two).await),
        (DownReason::Broken, DownReason::Broken)
    );
    let status = one.status(&two.id).expect("remembered");
    assert_eq!(
        (status.state, status.last_down),
        (LinkState::Down, Some(DownReason::Broken))
    );
    assert_eq!(one.ask(&two, "echo", json!(2)).await, Ok(json!(2)));
}

/// Only one side knows that the old connection is dead, and dials.
async fn half_open(finder: Node, other: Node, other_dialled: bool) {
    let relay = if other_dialled {
        let relay = Relay::to(finder.links.address()).await;
        let address = relay.address.to_string();
        other
            .ask_at(&finder, &address, "echo", json!(1))
            .await
            .expect("a link");
        relay
    } else {
        let relay = Relay::to(other.links.address()).await;
        let address = relay.address.to_string();
        finder
            .ask_at(&other, &address, "echo", json!(1))
            .await
            .expect("a link");
        relay
    };
    relay.stop();
    assert_eq!(down(&finder).await, DownReason::Silent);
    assert!(other.is_up(&finder.id), "it does not know");
    assert_eq!(finder.ask(&other, "echo", json!(2)).await, Ok(json!(2)));
    let back = other.ask_at(&finder, "", "echo", json!(3)).await;
    assert_eq!(back, Ok(json!(3)), "over the new one");
}

#[tokio::test]
async fn who_has_lost_a_connection_that_he_made_is_taken_again() {
    half_open(
        Node::with(fast("a")).await,
        Node::with(patient("b")).await,
        false,
    )
    .await;
    half_open(
        Node::with(fast("b")).await,
        Node::with(patient("a")).await,
        false,
    )
    .await;
}

#[tokio::test]
async fn who_has_lost_a_connection_that_the_other_made_is_taken_again() {
    half_open(
        Node::with(fast("a")).await,
        Node::with(patient("b")).await,
        true,
    )
    .await;
    half_open(
        Node::with(fast("b")).await,
        Node::with(patient("a")).await,
        true,
    )
    .await;
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_not_waited_for() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let (address, brief) = (two.address(), Duration::from_millis(50));
    one.ask(&two, "echo", json!(1)).await.expect("a link");
    let late = one.ask_within(&two.id, &address, "never", brief);
    assert_eq!(late.await, Err(LinkError::Timeout));
    let figures = one.status(&two.id).expect("a link").figures;
    assert_eq!(figures.asked, 0);
    // Neither is who cannot be dialled.
    let silent = Relay::to(two.links.address()).await;
    silent.stop();
    let address = silent.address.to_string();
    let three = Node::start("three").await;
    let late = three.ask_within(&two.id, &address, "echo", brief).await;
    assert!(
        matches!(late, Err(LinkError::Unreachable { .. })),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_link_can_be_cut_on_purpose() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let address = two.address();
    let begun = one.ask_within(&two.id, &address, "never", PATIENCE);
    let cut = async {
        let asked = || {
            two.status(&one.id)
                .is_some_and(|status| status.figures.answering == 1)
        };
        until("the request is there", asked).await;
        one.links.cut(&two.id);
    };
    let (answer, ()) = tokio::join!(begun, cut);
    assert_eq!(answer, Err(LinkError::Lost));
    assert_eq!(
        (down(&one).await, down(&two).await),
        (DownReason::Ended, DownReason::Ended)
    );
}
