//! A room on several nodes, while all goes well.

use std::time::Instant;

use serde_json::json;

use super::{
    CLIENTS, Cluster, ROOM, USER,
    watching::{all_hear_each_other, misses},
};
use crate::client::{Client, join};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_at_one_node_is_seen_at_the_others() {
    for policy in [ROOM, USER] {
        let cluster = Cluster::three(policy).await;
        let mut ada = Client::connect_from(cluster.node(0), "room", "ada", CLIENTS[0]).await;
        join(&mut ada, "Ada").await;
        let mut bob = Client::connect_from(cluster.node(1), "room", "bob", CLIENTS[1]).await;
        let session = join(&mut bob, "Bob").await;
        assert_eq!(session.joined["peers"][0]["id"], "ada", "{policy}");
        assert_eq!(ada.notified("newPeer").await["id"], "bob", "{policy}");
        let renamed = json!({"displayName": "Robert"});
        bob.ask("changeDisplayName", renamed)
            .await
            .expect("renamed");
        let told = ada.notified("peerDisplayNameChanged").await;
        assert_eq!(told["displayName"], "Robert");
        bob.leave().await;
        assert_eq!(ada.notified("peerClosed").await, json!({"peerId": "bob"}));
        ada.leave().await;
        cluster.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_and_pictures_travel_between_nodes_and_leave_nothing_behind() {
    let cluster = Cluster::three(USER).await;
    let began = Instant::now();
    let bots = [0, 1, 2, 0].map({
        let mut number = 0;
        let cluster = &cluster;
        move |index| {
            number += 1;
            cluster.bot(index, "talk", number, true)
        }
    });
    let [a, b, c, d] = &bots;
    all_hear_each_other(&[a, b, c, d], began).await;
    cluster.is_exactly(&[2, 1, 1]).await;
    let places = [
        ("talk-1", "a"),
        ("talk-2", "b"),
        ("talk-3", "c"),
        ("talk-4", "a"),
    ];
    cluster.registry_has("talk", &places).await;
    let [a, b, c, d] = bots;
    drop(c);
    misses(&a, "talk-3").await;
    cluster.is_exactly(&[2, 1, 0]).await;
    drop((a, b, d));
    cluster.nothing_is_left().await;
}
