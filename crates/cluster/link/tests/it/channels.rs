//! Channels.

use plenum_link::{Channel, ChannelError, EndedBy, LinkError};
use serde_json::{Value, json};

use crate::support::{Node, in_time};

/// Fills what the other side has not taken, with messages of so many bytes; how many went.
fn fill(channel: &Channel, bytes: usize) -> usize {
    let body = json!("x".repeat(bytes));
    for sent in 0..1_000_000 {
        match channel.try_send(&body) {
            Ok(()) => {}
            Err(ChannelError::Full) => return sent,
            Err(err) => panic!("{err}"),
        }
    }
    panic!("there is no end");
}

#[tokio::test]
async fn messages_keep_their_order_in_both_directions() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let (sender, mut receiver) = one.open(&two, "echo").await.split();
    let sending = async {
        for n in 0..5000 {
            sender.send(&json!({ "n": n })).await.expect("open");
        }
    };
    let receiving = async {
        for n in 0..5000 {
            assert_eq!(receiver.recv().await, Ok(json!({ "n": n })));
        }
    };
    in_time(async { tokio::join!(sending, receiving) }).await;
    sender.close("done", "all said");
    let end = in_time(receiver.recv()).await.expect_err("over");
    assert_eq!((end.by, end.code.as_str()), (EndedBy::Here, "done"));
}

#[tokio::test]
async fn both_sides_open_channels_and_say_things_at_once() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    for round in 0..10 {
        let here = one.open(&two, "kept").await;
        here.send(&json!({ "round": round })).await.expect("open");
        let (mut there, opening) = two.channel().await;
        assert_eq!(opening, json!({ "for": "kept" }));
        assert_eq!(in_time(there.recv()).await, Ok(json!({ "round": round })));
        let here = two.open(&one, "kept").await;
        let (mut there, _) = one.channel().await;
        here.try_send(&json!(round)).expect("room");
        assert_eq!(in_time(there.recv()).await, Ok(json!(round)));
    }
}

#[tokio::test]
async fn who_closes_is_heard_behind_what_was_said_and_why_is_known() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let here = one.open(&two, "kept").await;
    let (there, _) = two.channel().await;
    let (sender, mut receiver) = there.split();
    for n in 0..3 {
        here.send(&json!(n)).await.expect("open");
    }
    here.close("kicked", "by a host");
    let end = in_time(sender.closed()).await;
    assert_eq!(end.by, EndedBy::There);
    assert!(matches!(
        sender.send(&json!(1)).await,
        Err(ChannelError::Closed(_))
    ));
    for n in 0..3 {
        assert_eq!(receiver.recv().await, Ok(json!(n)));
    }
    let end = receiver.recv().await.expect_err("over");
    assert_eq!(
        (end.code.as_str(), end.message.as_str()),
        ("kicked", "by a host")
    );
}

#[tokio::test]
async fn a_channel_that_is_dropped_or_not_wanted_is_over_for_both() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let mut refused = one.open(&two, "refused").await;
    let end = in_time(refused.recv()).await.expect_err("over");
    assert_eq!((end.by, end.code.as_str()), (EndedBy::There, "no"));
    for half in ["sender", "receiver"] {
        let (sender, receiver) = one.open(&two, "kept").await.split();
        let (mut there, _) = two.channel().await;
        let end = if half == "sender" {
            drop(sender);
            let end = in_time(there.recv()).await.expect_err("over");
            drop(receiver);
            end
        } else {
            drop(receiver);
            in_time(there.recv()).await.expect_err("over")
        };
        assert_eq!(
            (end.by, end.code.as_str()),
            (EndedBy::There, "dropped"),
            "{half}"
        );
    }
    assert_eq!(one.status(&two.id).expect("a link").figures.channels, 0);
}

#[tokio::test]
async fn who_does_not_take_messages_holds_up_the_channel_and_nobody_else() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    for bytes in [10, 1000, 100_000, 300_000] {
        let here = one.open(&two, "kept").await;
        let (mut there, _) = two.channel().await;
        let sent = fill(&here, bytes);
        assert!(sent > 0);
        assert!(sent * bytes < 2 << 20, "{sent} of {bytes}");
        // Others go on.
        assert_eq!(one.ask(&two, "echo", json!(1)).await, Ok(json!(1)));
        let mut other = one.open(&two, "echo").await;
        other.send(&json!(2)).await.expect("open");
        assert_eq!(in_time(other.recv()).await, Ok(json!(2)));
        // And this one when messages are taken.
        let more = async {
            for n in 0..20 {
                here.send(&json!({ "n": n, "pad": "x".repeat(bytes) }))
                    .await
                    .expect("open");
            }
        };
        let take = async {
            for _ in 0..sent {
                let taken = there.recv().await.expect("open");
                assert_eq!(taken.as_str().map(str::len), Some(bytes));
            }
            for n in 0..20 {
                assert_eq!(there.recv().await.expect("open")["n"], n);
            }
        };
        in_time(async { tokio::join!(more, take) }).await;
    }
}

#[tokio::test]
async fn a_message_that_fits_no_frame_is_refused_and_the_channel_goes_on() {
    let (one, two) = (Node::start("one").await, Node::start("two").await);
    let mut channel = one.open(&two, "echo").await;
    let large = Value::from("x".repeat(1 << 20));
    let refused = channel.send(&large).await;
    assert!(
        matches!(refused, Err(ChannelError::TooLarge { .. })),
        "{refused:?}"
    );
    let nearly = Value::from("x".repeat((1 << 20) - 100));
    channel.send(&nearly).await.expect("it fits");
    assert_eq!(in_time(channel.recv()).await, Ok(nearly));
    let address = two.address();
    let name = "n".repeat(300);
    let refused = one.links.open(&two.id, &address, &name, &json!(1)).await;
    assert!(
        matches!(refused, Err(LinkError::TooLarge { .. })),
        "{refused:?}"
    );
}
