use futures_util::FutureExt as _;
use plenum_ids::NodeEpoch;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    ChannelError,
    frame::{LENGTH_BYTES, parse},
    outbox::Batch,
};

const LIMITS: ChannelLimits = ChannelLimits {
    channels: 3,
    frame_bytes: 1 << 20,
    untaken: 1 << 20,
};

/// The channels of two nodes, between which frames are carried by hand.
struct Pair {
    near: Arc<Channels>,
    far: Arc<Channels>,
    /// What the far side was told of.
    opened: Vec<Channel>,
}

fn side(dialled: bool, limits: ChannelLimits) -> Arc<Channels> {
    let peer = Peer {
        node: "other".into(),
        epoch: NodeEpoch(1),
    };
    let outbox = Arc::new(Outbox::new(8 << 20));
    Arc::new(Channels::new(outbox, peer, dialled, limits))
}

impl Pair {
    fn new() -> Self {
        Self {
            near: side(true, LIMITS),
            far: side(false, LIMITS),
            opened: Vec::new(),
        }
    }

    fn open(&mut self) -> (Channel, Channel) {
        let near = self.near.open("n", &json!(null)).expect("room");
        self.carry();
        (near, self.opened.pop().expect("it was told"))
    }

    /// Brings everything that was said to the other side.
    fn carry(&mut self) {
        for (from, to) in [(&self.near, &self.far), (&self.far, &self.near)] {
            for frame in said(from) {
                let opened = hear(to, frame).expect("well-behaved");
                self.opened.extend(opened);
            }
        }
    }
}

/// Frames that wait, with their lengths.
fn said(channels: &Channels) -> Vec<(Frame<'static>, usize)> {
    let mut frames = Vec::new();
    let mut batch = Batch::default();
    while channels.outbox.next(&mut batch).now_or_never() == Some(true) {
        let mut rest = batch.bytes.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<LENGTH_BYTES>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (json, behind) = behind.split_at(length);
            frames.push((parse(json).expect("a frame"), length));
            rest = behind;
        }
        batch.clear();
    }
    frames
}

fn hear(
    channels: &Arc<Channels>,
    (frame, length): (Frame<'static>, usize),
) -> Result<Option<Channel>, Violation> {
    match frame {
        Frame::Close {
            channel,
            code,
            message,
        } => channels.handle_close(channel, code, message),
        Frame::Credit { channel, bytes } => channels.handle_credit(channel, bytes),
        Frame::Message { channel, body } => {
            channels.handle_message(channel, body.into_owned(), length);
        }
        Frame::Open { channel, name, .. } => return channels.handle_open(channel, &name),
        frame => panic!("{frame:?}"),
    }
    Ok(None)
}

fn message(channel: u64, bytes: usize) -> (Frame<'static>, usize) {
    let body = Cow::Owned("x".repeat(bytes).into());
    (Frame::Message { channel, body }, bytes)
}

#[test]
fn there_are_so_many_channels_and_the_next_one_is_closed() {
    let mut pair = Pair::new();
    let kept: Vec<_> = (0..LIMITS.channels).map(|_| pair.open()).collect();
    let refused = pair.near.open("n", &json!(null));
    assert_eq!(refused.expect_err("full"), LinkError::Overloaded);
    // Another side might not count.
    let open = Frame::Open {
        channel: 100,
        name: "n".into(),
        body: Cow::Owned(Value::Null),
    };
    assert!(hear(&pair.far, (open, 10)).expect("in turn").is_none());
    let told = said(&pair.far);
    assert!(
        matches!(&told[..], [(Frame::Close { channel: 100, code, .. }, _)] if code == "overloaded")
    );
    drop(kept);
    pair.carry();
    assert_eq!((pair.near.len(), pair.far.len()), (0, 0));
}

#[test]
fn numbers_are_the_other_sides_and_used_once() {
    for (number, fine) in [
        (0, true),
        (1, false),
        (7, false),
        (8, true),
        (u64::MAX, false),
        (u64::MAX - 1, true),
    ] {
        let far = side(false, LIMITS);
        assert_eq!(far.handle_open(number, "n").is_ok(), fine, "{number}");
        assert!(far.handle_open(number, "n").is_err(), "{number} again");
    }
    let far = side(false, LIMITS);
    assert!(far.handle_open(8, "n").is_ok());
    assert!(far.handle_open(6, "n").is_err());
    assert!(
        far.handle_open(10, &"n".repeat(MAX_TEXT_BYTES + 1))
            .is_err()
    );
}

#[test]
fn who_sends_more_than_he_may_loses_the_channel_alone() {
    let mut pair = Pair::new();
    let (_near, mut far) = pair.open();
    let (_other_near, mut other) = pair.open();
    for _ in 0..4 {
        hear(&pair.far, message(0, WINDOW / 4)).expect("no violation");
    }
    hear(&pair.far, message(0, 1)).expect("no violation of the link");
    hear(&pair.far, message(2, 1)).expect("no violation");
    for _ in 0..4 {
        assert!(far.recv().now_or_never().expect("it is there").is_ok());
    }
    let end = far
        .recv()
        .now_or_never()
        .expect("it is over")
        .expect_err("over");
    assert_eq!((end.by, end.code.as_str()), (EndedBy::Here, "overloaded"));
    assert!(other.recv().now_or_never().expect("it is there").is_ok());
    assert_eq!(pair.far.untaken.load(Ordering::Relaxed), 0);
}

#[test]
fn all_channels_together_keep_so_much_also_when_they_are_closed() {
    let limits = ChannelLimits {
        channels: 100,
        untaken: WINDOW,
        ..LIMITS
    };
    let far = side(false, limits);
    let mut kept = Vec::new();
    for id in (0..20).step_by(2) {
        kept.extend(far.handle_open(id, "n").expect("in turn"));
        hear(&far, message(id, WINDOW / 2)).expect("no violation");
        far.handle_close(id, String::new(), String::new());
    }
    let untaken = || far.untaken.load(Ordering::Relaxed);
    assert_eq!(untaken(), WINDOW);
    for channel in &mut kept {
        // Some have their message, the others were closed for it.
        let _ = channel.recv().now_or_never();
    }
    assert_eq!(untaken(), 0);
    drop(kept);
}

#[test]
fn credit_that_was_never_owed_adds_nothing() {
    let mut pair = Pair::new();
    let (near, _far) = pair.open();
    for _ in 0..3 {
        pair.near.handle_credit(0, u64::MAX);
        pair.near.handle_credit(4, u64::MAX);
    }
    let body = json!("x".repeat(WINDOW / 8));
    let sent = (0..100)
        .take_while(|_| near.try_send(&body).is_ok())
        .count();
    assert!(sent < 8, "{sent}");
}

#[test]
fn words_at_the_end_are_kept_short() {
    let mut pair = Pair::new();
    let (mut near, far) = pair.open();
    far.close(&"ä".repeat(10_000), &"m".repeat(10_000));
    pair.carry();
    let end = near
        .recv()
        .now_or_never()
        .expect("it is over")
        .expect_err("over");
    assert!(end.code.len() <= MAX_TEXT_BYTES && end.message.len() <= MAX_TEXT_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_sent_arrives_in_order_and_never_more_than_the_window_waits(
        steps in prop::collection::vec((any::<bool>(), 0..WINDOW), 1..60),
    ) {
        let mut pair = Pair::new();
        let (near, mut far) = pair.open();
        let (mut sent, mut taken) = (0_u64, 0_u64);
        for (sends, size) in steps {
            if sends {
                match near.try_send(&json!([sent, "x".repeat(size)])) {
                    Ok(()) => sent += 1,
                    Err(err) => prop_assert_eq!(err, ChannelError::Full),
                }
            } else if let Some(body) = far.recv().now_or_never() {
                prop_assert_eq!(&body.expect("open")[0], taken);
                taken += 1;
            }
            pair.carry();
            prop_assert!(pair.far.untaken.load(Ordering::Relaxed) <= WINDOW);
        }
        while let Some(body) = far.recv().now_or_never() {
            prop_assert_eq!(&body.expect("open")[0], taken);
            taken += 1;
        }
        prop_assert_eq!(sent, taken);
        pair.carry();
        // When everything was taken, at least half of the window is free again.
        near.try_send(&json!("x".repeat(WINDOW / 3))).expect("room");
    }
}
