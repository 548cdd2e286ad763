//! What travels between the workers of two nodes, looked at closely.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    CLIENTS, Cluster, USER,
    people::{Consumer, Speaker, Viewer, lock},
    until,
};
use crate::{
    client::Client,
    node::{Node, PATIENCE},
};

/// Enough of something to be sure that it flows: half a second of sound.
const SOME: u64 = 25;

/// Routers, transports, producers and consumers of all workers of a node.
async fn objects(node: &Node) -> [u64; 4] {
    let workers = workers(node).await;
    ["routers", "transports", "producers", "consumers"]
        .map(|kind| workers.iter().filter_map(|it| it[kind].as_u64()).sum())
}

async fn workers(node: &Node) -> Vec<Value> {
    let stats = node.get_json("/stats").await;
    stats["workers"].as_array().expect("a list").clone()
}

async fn is(node: &Node, expected: [u64; 4]) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = objects(node).await;
        if found == expected {
            return;
        }
        let what = "routers, transports, producers and consumers";
        assert!(Instant::now() < end, "{found:?} {what}, not {expected:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn sent(node: &Node) -> u64 {
    let workers = workers(node).await;
    workers
        .iter()
        .filter_map(|it| it["bytesSent"].as_u64())
        .sum()
}

/// Bytes that a node sends while so many packets of a consumer arrive.
async fn sent_during(node: &Node, viewer: &Viewer, consumer: &Consumer, packets: u64) -> u64 {
    let (before, first) = (sent(node).await, viewer.packets(consumer));
    flows(viewer, consumer, first + packets).await;
    sent(node).await - before
}

async fn flows(viewer: &Viewer, consumer: &Consumer, packets: u64) {
    until("packets", async || {
        (viewer.packets(consumer) >= packets).then_some(())
    })
    .await;
}

async fn shows(viewer: &Viewer, picture: &Consumer, size: usize) {
    until(&format!("size {size}"), async || {
        (viewer.size(picture) == Some(size)).then_some(())
    })
    .await;
}

async fn prefer(viewer: &mut Viewer, picture: &Consumer, size: usize) {
    let layers = json!({"consumerId": picture.id, "spatialLayer": size, "temporalLayer": 0});
    let done = viewer.client.ask("setConsumerPreferredLayers", layers);
    assert_eq!(done.await, Ok(json!({})));
}

/// Somebody at a node. A registry that has just started says only after some seconds where rooms are.
async fn connect(cluster: &Cluster, index: usize, name: &str) -> Client {
    let target = format!("/?roomId=room&peerId={name}");
    let from = CLIENTS[index].to_string();
    let headers = [("X-Forwarded-For", from.as_str())];
    let port = cluster.node(index).port;
    until("let in", async || {
        let connected = Client::try_connect_with(port, &target, Some("protoo"), &headers);
        connected.await.ok()
    })
    .await
}

struct Stage {
    cluster: Cluster,
    speaker: Speaker,
    viewer: Viewer,
    sound: Consumer,
    picture: Consumer,
}

impl Stage {
    /// A speaker at the first node, a viewer at the second.
    async fn begin(reads: bool) -> Self {
        let cluster = Cluster::three(USER).await;
        let ada = connect(&cluster, 0, "ada").await;
        let speaker = Speaker::join(ada, "Ada").await;
        let (viewer, sound, picture) = arrive(&cluster, "bob", reads).await;
        assert_eq!(sound.producer, speaker.sound);
        assert_eq!(picture.producer, speaker.picture);
        flows(&viewer, &sound, SOME).await;
        shows(&viewer, &picture, 2).await;
        Self {
            cluster,
            speaker,
            viewer,
            sound,
            picture,
        }
    }

    /// What both nodes have while so many viewers are at the second one: the trunk is a transport of each, and a pipe of four
    /// streams leaves the first one.
    async fn is_piped_once(&self, viewers: u64) {
        is(self.cluster.node(0), [1, 2, 2, 4]).await;
        is(self.cluster.node(1), [1, 1 + viewers, 2, 2 * viewers]).await;
    }
}

/// A viewer at the second node.
async fn arrive(cluster: &Cluster, name: &str, reads: bool) -> (Viewer, Consumer, Consumer) {
    let client = connect(cluster, 1, name).await;
    let mut viewer = Viewer::join(client, name, reads).await;
    let (sound, picture) = viewer.take_both().await;
    (viewer, sound, picture)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_somebody_wants_travels_and_only_once() {
    let mut stage = Stage::begin(false).await;
    stage.is_piped_once(1).await;
    let (mut carl, sound, picture) = arrive(&stage.cluster, "carl", false).await;
    flows(&carl, &sound, SOME).await;
    shows(&carl, &picture, 2).await;
    stage.is_piped_once(2).await;

    let (origin, bob) = (stage.cluster.node(0), &mut stage.viewer);
    let all = sent_during(origin, bob, &stage.sound, 2 * SOME).await;
    prefer(bob, &stage.picture, 0).await;
    prefer(&mut carl, &picture, 0).await;
    shows(bob, &stage.picture, 0).await;
    shows(&carl, &picture, 0).await;
    // The node there tells the other one when nobody is left who wants more.
    until("the small picture alone", async || {
        let small = sent_during(origin, bob, &stage.sound, 2 * SOME).await;
        (2 * small < all).then_some(())
    })
    .await;
    let asked = stage.speaker.asked();
    prefer(bob, &stage.picture, 2).await;
    shows(bob, &stage.picture, 2).await;
    assert!(
        stage.speaker.asked()[2] > asked[2],
        "a key frame, over the trunk"
    );
    shows(&carl, &picture, 0).await;
    stage.is_piped_once(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_pauses_and_closes_reach_the_other_node_and_pipes_end_with_their_use() {
    let Stage {
        cluster,
        mut speaker,
        mut viewer,
        sound,
        picture,
    } = Stage::begin(true).await;
    let chat = viewer.take_chat().await;
    assert_eq!(chat["peerId"], "ada");
    let texts: Vec<_> = (0..20).map(|n| format!("message {n}")).collect();
    // The pipe of a channel begins with its reader: the first that arrives tells that it is there.
    until("a message", async || {
        speaker.write("first");
        let seen = lock(&viewer.seen).messages.clone();
        (!seen.is_empty()).then_some(())
    })
    .await;
    for text in &texts {
        speaker.write(text);
    }
    until("all messages in order", async || {
        let seen = lock(&viewer.seen).messages.clone();
        seen.ends_with(&texts).then_some(())
    })
    .await;

    let producer = json!({"producerId": speaker.picture});
    let consumer = json!({"consumerId": picture.id});
    for (request, notice) in [
        ("pauseProducer", "consumerPaused"),
        ("resumeProducer", "consumerResumed"),
    ] {
        let done = speaker.client.ask(request, producer.clone()).await;
        assert_eq!(done, Ok(json!({})));
        assert_eq!(viewer.client.notified(notice).await, consumer);
    }
    flows(&viewer, &picture, viewer.packets(&picture) + 5).await;
    let done = speaker.client.ask("closeProducer", producer).await;
    assert_eq!(done, Ok(json!({})));
    assert_eq!(viewer.client.notified("consumerClosed").await, consumer);
    is(cluster.node(0), [1, 2, 1, 1]).await;
    // The bot has a transport there, as somebody reads it.
    is(cluster.node(1), [1, 3, 1, 1]).await;
    flows(&viewer, &sound, viewer.packets(&sound) + SOME).await;

    // Nobody takes anything from there any more, and the trunk follows its last pipe.
    drop(viewer);
    is(cluster.node(1), [0; 4]).await;
    is(cluster.node(0), [1, 1, 1, 0]).await;
    let (viewer, sound) = {
        let client = connect(&cluster, 1, "dora").await;
        let mut viewer = Viewer::join(client, "dora", false).await;
        let sound = viewer.take_sound().await;
        (viewer, sound)
    };
    flows(&viewer, &sound, SOME).await;
    is(cluster.node(0), [1, 2, 1, 1]).await;
    drop((viewer, speaker));
    cluster.nothing_is_left().await;
}
