//! Data channels as classic clients ask for them, without media.

use serde_json::{Value, json};

use crate::{
    client::{Client, receiver_capabilities},
    node::Node,
};

struct Writer {
    client: Client,
    /// The sending transport.
    send: Value,
}

fn sctp() -> Value {
    json!({"numStreams": {"OS": 1024, "MIS": 1024}})
}

/// Joins with data channels, as clients of every age ask for them.
async fn join(node: &Node, name: &str) -> Writer {
    let mut client = Client::connect(node.port, "room", name).await;
    let capabilities = client.ask("getRouterRtpCapabilities", json!({})).await;
    let capabilities = capabilities.expect("capabilities");
    let mut transports = Vec::new();
    for producing in [true, false] {
        let options = json!({
            "forceTcp": false, "producing": producing, "consuming": !producing,
            "sctpCapabilities": sctp(),
        });
        let transport = client.ask("createWebRtcTransport", options).await;
        transports.push(transport.expect("a transport"));
    }
    check_parameters(&transports[0]["sctpParameters"]);
    let joined = client.ask(
        "join",
        json!({
            "displayName": name, "device": {}, "sctpCapabilities": sctp(),
            "rtpCapabilities": receiver_capabilities(&capabilities),
        }),
    );
    joined.await.expect("joins");
    let send = transports[0]["id"].clone();
    Writer { client, send }
}

/// libmediasoupclient wants the first four, newer clients of JavaScript the lengths of both directions.
fn check_parameters(sctp: &Value) {
    assert_eq!(sctp["port"], 5000, "{sctp}");
    for member in [
        "OS",
        "MIS",
        "maxMessageSize",
        "maxSendMessageSize",
        "maxReceiveMessageSize",
    ] {
        assert!(
            sctp[member].as_u64().is_some_and(|it| it > 0),
            "{member}: {sctp}"
        );
    }
}

impl Writer {
    async fn write(&mut self, label: &str, stream: Value) -> Result<Value, (i64, String)> {
        let request = json!({
            "transportId": self.send, "sctpStreamParameters": stream, "label": label,
            "protocol": "", "appData": {"info": "my"},
        });
        self.client.ask("produceData", request).await
    }

    async fn reads(&mut self) -> Value {
        let (id, consumer) = self.client.asked("newDataConsumer").await;
        self.client.accept(id).await;
        consumer
    }
}

#[tokio::test]
async fn peers_are_offered_the_bot_and_each_others_chat() {
    let node = Node::start().await;
    let mut ada = join(&node, "ada").await;
    let bot = ada.reads().await;
    assert_eq!(
        (&bot["peerId"], &bot["label"]),
        (&Value::Null, &json!("bot"))
    );
    assert_eq!(
        bot["sctpStreamParameters"],
        json!({"streamId": 0, "ordered": true})
    );
    let chat = ada
        .write("chat", json!({"streamId": 0, "maxRetransmits": 1}))
        .await;
    let chat = chat.expect("writes");
    ada.write("bot", json!({"streamId": 1, "ordered": true}))
        .await
        .expect("writes to the bot");

    let mut bob = join(&node, "bob").await;
    let consumers = [bob.reads().await, bob.reads().await];
    let [of_ada, of_bot] = match &consumers[0]["peerId"] {
        Value::Null => [&consumers[1], &consumers[0]],
        _ => [&consumers[0], &consumers[1]],
    };
    assert_eq!(of_bot["peerId"], Value::Null);
    assert_eq!(of_ada["peerId"], "ada");
    assert_eq!(of_ada["dataProducerId"], chat["id"]);
    assert_eq!(of_ada["label"], "chat");
    assert_eq!(of_ada["appData"], json!({"info": "my", "peerId": "ada"}));
    let stream = &of_ada["sctpStreamParameters"];
    assert_eq!(stream["ordered"], false);
    assert_eq!(stream["maxRetransmits"], 1);
    check_statistics(
        &mut ada.client,
        &mut bob.client,
        (&chat["id"], &of_ada["id"]),
    )
    .await;

    let notice = json!({"dataConsumerId": of_ada["id"]});
    ada.client.leave().await;
    assert_eq!(bob.client.notified("dataConsumerClosed").await, notice);
    bob.client.leave().await;
    node.stats_when(|stats| stats["totalRooms"] == 0).await;
}

async fn check_statistics(ada: &mut Client, bob: &mut Client, (written, read): (&Value, &Value)) {
    let stats = ada.ask("getDataProducerStats", json!({"dataProducerId": written}));
    let stats = stats.await.expect("statistics");
    assert_eq!(stats[0]["type"], "data-producer");
    assert_eq!(stats[0]["label"], "chat");
    assert_eq!(stats[0]["messagesReceived"], 0);
    let stats = bob.ask("getDataConsumerStats", json!({"dataConsumerId": read}));
    let stats = stats.await.expect("statistics");
    assert_eq!(stats[0]["type"], "data-consumer");
    assert_eq!(stats[0]["messagesSent"], 0);
    let foreign = bob.ask("getDataProducerStats", json!({"dataProducerId": written}));
    let (code, _) = foreign.await.expect_err("not his own");
    assert_eq!(code, 500);
}

#[tokio::test]
async fn what_makes_no_channel_is_refused() {
    let node = Node::start().await;
    let mut ada = join(&node, "ada").await;
    for (stream, word) in [
        (
            json!({"streamId": 1, "maxRetransmits": 1, "ordered": true}),
            "ordered",
        ),
        (json!({"ordered": true}), "streamId"),
        (json!({"streamId": 70000}), "produceData"),
    ] {
        let (code, reason) = ada.write("chat", stream).await.expect_err("contradiction");
        assert_eq!(code, 500);
        assert!(reason.contains(word), "{reason}");
    }
    ada.write("chat", json!({"streamId": 1}))
        .await
        .expect("writes");
    let taken = ada.write("chat", json!({"streamId": 1})).await;
    let (_, reason) = taken.expect_err("the stream is taken");
    assert!(reason.contains("stream"), "{reason}");
}
