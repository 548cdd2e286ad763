//! Requests about layers and bandwidth over a real node, without media.

use serde_json::{Value, json};

use crate::{
    client::{Client, Session, chromium_audio, chromium_simulcast, join},
    node::Node,
};

/// Ada produces audio and three encodings of video; Bob has been asked about both consumers.
struct Call {
    _node: Node,
    ada: Client,
    ada_session: Session,
    bob: Client,
    bob_session: Session,
    audio: Value,
    video: Value,
}

impl Call {
    async fn start(settings: &[&str]) -> Self {
        let node = Node::start_with(settings).await;
        let mut ada = Client::connect(node.port, "room", "ada").await;
        let ada_session = join(&mut ada, "Ada").await;
        for (kind, parameters) in [
            ("audio", chromium_audio(1111)),
            ("video", chromium_simulcast()),
        ] {
            let data = json!({
                "transportId": ada_session.send["id"], "kind": kind, "rtpParameters": parameters,
            });
            ada.ask("produce", data).await.expect("produces");
        }
        let mut bob = Client::connect(node.port, "room", "bob").await;
        let bob_session = join(&mut bob, "Bob").await;
        let (mut audio, mut video) = (Value::Null, Value::Null);
        for _ in 0..2 {
            let (id, consumer) = bob.asked("newConsumer").await;
            bob.accept(id).await;
            let of_kind = if consumer["kind"] == "audio" {
                &mut audio
            } else {
                &mut video
            };
            *of_kind = consumer["id"].clone();
        }
        Self {
            _node: node,
            ada,
            ada_session,
            bob,
            bob_session,
            audio,
            video,
        }
    }
}

#[tokio::test]
async fn a_client_chooses_layers_and_weights_of_its_own_consumers() {
    let mut call = Call::start(&[]).await;
    let video = &call.video;
    for (method, data) in [
        (
            "setConsumerPreferredLayers",
            json!({"consumerId": video, "spatialLayer": 1, "temporalLayer": 0}),
        ),
        (
            "setConsumerPreferredLayers",
            json!({"consumerId": video, "spatialLayer": 1}),
        ),
        (
            "setConsumerPreferedLayers",
            json!({"consumerId": video, "spatialLayer": 1000, "temporalLayer": 1000}),
        ),
        // There is nothing to choose, which is no error.
        (
            "setConsumerPreferredLayers",
            json!({"consumerId": call.audio, "spatialLayer": 1, "temporalLayer": 1}),
        ),
        (
            "setConsumerPriority",
            json!({"consumerId": video, "priority": 255}),
        ),
    ] {
        let done = call.bob.ask(method, data.clone()).await;
        assert_eq!(done, Ok(json!({})), "{method} {data}");
    }
}

#[tokio::test]
async fn the_chosen_layers_are_shown_no_higher_than_there_are() {
    let mut call = Call::start(&[]).await;
    let consumer = json!({"consumerId": call.video});
    let mut choose = json!({"consumerId": call.video, "spatialLayer": 9, "temporalLayer": 0});
    for (wanted, counted) in [(9, 2), (1, 1), (0, 0)] {
        choose["spatialLayer"] = json!(wanted);
        let done = call
            .bob
            .ask("setConsumerPreferredLayers", choose.clone())
            .await;
        assert_eq!(done, Ok(json!({})));
        let stats = call.bob.ask("getConsumerStats", consumer.clone()).await;
        let stats = stats.expect("statistics");
        assert_eq!(
            stats[0]["preferredLayers"],
            json!({"spatialLayer": counted, "temporalLayer": 0}),
            "{stats}"
        );
    }
    let priority = json!({"consumerId": call.video, "priority": 7});
    let done = call.bob.ask("setConsumerPriority", priority).await;
    assert_eq!(done, Ok(json!({})));
    let stats = call.bob.ask("getConsumerStats", consumer).await;
    assert_eq!(stats.expect("statistics")[0]["priority"], 7);
}

#[tokio::test]
async fn what_cannot_be_chosen_is_refused_and_harms_nobody() {
    let mut call = Call::start(&[]).await;
    let video = &call.video;
    for (method, data, word) in [
        (
            "setConsumerPriority",
            json!({"consumerId": video, "priority": 0}),
            "priority",
        ),
        (
            "setConsumerPriority",
            json!({"consumerId": video, "priority": 256}),
            "256",
        ),
        (
            "setConsumerPreferredLayers",
            json!({"consumerId": video, "temporalLayer": 1}),
            "spatialLayer",
        ),
        (
            "setConsumerPreferredLayers",
            json!({"consumerId": video, "spatialLayer": -1}),
            "-1",
        ),
        (
            "setConsumerPreferredLayers",
            json!({"consumerId": "none", "spatialLayer": 1}),
            "none",
        ),
    ] {
        let (code, reason) = call.bob.ask(method, data).await.expect_err(method);
        assert_eq!(code, 500, "{reason}");
        assert!(reason.contains(word), "{method}: {reason}");
    }
    // Ada is not Bob.
    let data = json!({"consumerId": video, "spatialLayer": 0});
    let refused = call.ada.ask("setConsumerPreferredLayers", data).await;
    assert!(refused.is_err());
    call.bob
        .ask("getConsumerStats", json!({"consumerId": video}))
        .await
        .expect("still there");
}

#[tokio::test]
async fn bounds_of_bitrates_hold_for_every_transport() {
    let settings = [
        "--set",
        "rtc.min_outgoing_bitrate=50000",
        "--set",
        "rtc.max_outgoing_bitrate=2000000",
        "--set",
        "rtc.max_incoming_bitrate=1500000",
    ];
    let mut call = Call::start(&settings).await;
    for (client, transport) in [
        (&mut call.ada, &call.ada_session.send["id"]),
        (&mut call.bob, &call.bob_session.receive["id"]),
    ] {
        let data = json!({"transportId": transport});
        let stats = client.ask("getTransportStats", data).await;
        let stats = stats.expect("statistics");
        assert_eq!(stats[0]["minOutgoingBitrate"], 50_000, "{stats}");
        assert_eq!(stats[0]["maxOutgoingBitrate"], 2_000_000);
        assert_eq!(stats[0]["maxIncomingBitrate"], 1_500_000);
    }
}
