//! How long it takes until what somebody sends is seen at other nodes.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{arrive, enter};
use crate::{
    client::chromium_audio,
    cluster::Cluster,
    fast::caller::Caller,
    node::{PATIENCE, report},
};

/// How often.
const TIMES: u32 = 50;

/// What is promised; printed, as a machine that does other things measures those.
const PROMISED: Duration = Duration::from_millis(200);

pub(super) async fn what_is_sent_is_seen_at_once(cluster: &Cluster) {
    let mut ada = enter(cluster, 0, "seen", "ada").await;
    let mut bob = look_on(cluster, 1, "bob").await;
    let mut carl = look_on(cluster, 2, "carl").await;
    let mut took = Vec::new();
    for number in 0..TIMES {
        let produce = ada.produce_data("audio", &chromium_audio(1000 + number));
        let began = Instant::now();
        let request = ada.request("produce", produce).await;
        let seen = async |caller: &mut Caller| {
            let added = caller.notified("producerAdded").await;
            (added["producer"]["producerId"].clone(), began.elapsed())
        };
        let (made, seen_by_bob, seen_by_carl) =
            tokio::join!(ada.answer(request), seen(&mut bob), seen(&mut carl));
        let producer = made.expect("produces")["producerId"].clone();
        for (id, after) in [seen_by_bob, seen_by_carl] {
            assert_eq!(id, producer);
            took.push(after);
        }
        let close = json!({"producerId": producer});
        assert_eq!(ada.ask("closeProducer", close).await, Ok(json!({})));
        for caller in [&mut bob, &mut carl] {
            assert_eq!(
                caller.notified("producerRemoved").await["producerId"],
                producer
            );
        }
    }
    took.sort_unstable();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    let most = took[took.len() * 95 / 100];
    let line = format!(
        "{TIMES} producers at two other nodes, from the request on: median {median:?}, 95 % {most:?}, \
         worst {worst:?} (promised: {PROMISED:?})"
    );
    report(&line);
    assert!(worst < PATIENCE / 3, "{worst:?}");
    for caller in [ada, bob, carl] {
        caller.leave().await;
    }
}

/// Somebody who looks on and takes nothing: what is measured is how fast news travel.
async fn look_on(cluster: &Cluster, index: usize, name: &str) -> Caller {
    let mut caller = arrive(cluster, index, "seen", name).await;
    let mut join = caller.join_data(name, &caller.any_certificate());
    join["subscription"] = json!("none");
    caller.ask("join", join).await.expect("joins");
    caller
}
