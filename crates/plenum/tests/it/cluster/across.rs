//! A room over three nodes, and everything that its people do to each other over them.

mod hosts;
mod media;
mod visible;

use super::{CLIENTS, Cluster, USER, until};
use crate::fast::caller::Caller;

/// Clusters are dear to start: one for all that needs only rooms of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_do_to_each_other_crosses_nodes() {
    let cluster = Cluster::three(USER).await;
    visible::what_is_sent_is_seen_at_once(&cluster).await;
    tokio::join!(
        hosts::hosts_decide_about_people_of_other_nodes(&cluster),
        hosts::hosts_decide_who_comes_in_at_other_nodes(&cluster),
        media::sound_pictures_and_messages(&cluster),
    );
    cluster.nothing_is_left().await;
}

/// Somebody at a node, who has joined; what the answer was.
async fn enter(cluster: &Cluster, index: usize, room: &str, name: &str) -> Caller {
    let mut caller = arrive(cluster, index, room, name).await;
    let joined = caller.join(name).await;
    assert_eq!(joined["displayName"], name, "{joined}");
    caller
}

/// Somebody at a node, before joining.
async fn arrive(cluster: &Cluster, index: usize, room: &str, name: &str) -> Caller {
    let query = format!("room={room}&peer={name}");
    Caller::connect_from(cluster.node(index).port, &query, CLIENTS[index]).await
}
