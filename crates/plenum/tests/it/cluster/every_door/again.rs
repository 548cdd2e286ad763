//! Clients who know no resuming, when the node between them and their room dies.

use serde_json::json;

use super::{Client, Cluster, NO_URLS, ROOM, hall, newest, page, report};
use crate::client::join;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_look_for_another_door_keep_their_media_until_they_have_joined_there() {
    let mut cluster = Cluster::three_with(&[ROOM, NO_URLS]).await;
    let talker = hall(&cluster).await;
    let (first, listener) = newest(cluster.node(1)).await;
    let (socket, page_listener) = page(cluster.node(1)).await;
    talker
        .wait_for("both", |ledger| ledger.roster.len() == 2)
        .await;
    let roster = talker.ledger().roster.clone();
    cluster.member_mut(1).kill().await;
    drop((first, socket));
    // It is the same peer, and has not joined.
    let mut second = Client::connect(cluster.node(2).port, "hall", "newest").await;
    let capabilities = second.ask("getRouterRtpCapabilities", json!({})).await;
    capabilities.expect("let in");
    // Some seconds of sound and pictures.
    let (gap, page_gap) = tokio::join!(listener.longest_gap(), page_listener.longest_gap());
    let gap = gap.max(page_gap);
    report(&format!("door killed: {gap:?} without anything at most"));
    assert_eq!(talker.ledger().roster, roster, "nobody is missed");
    let there = [("hall-1", "a"), ("newest", "a")];
    let ids: Vec<_> = roster.iter().filter(|it| *it != "newest").collect();
    let all: Vec<_> = there.into_iter().chain([(ids[0].as_str(), "a")]).collect();
    cluster.registry_has("hall", &all).await;
    join(&mut second, "Second").await;
    // Who does not come back goes when its time is over.
    talker
        .wait_for("only the one who is back", |ledger| {
            ledger.roster.len() == 1 && ledger.roster.contains("newest")
        })
        .await;
    cluster.registry_has("hall", &there).await;
    second.leave().await;
    drop(talker);
    cluster.nothing_is_left().await;
}
