//! The order in which the native applications (Android, C++) say what they say, and what libmediasoupclient insists on.

use serde_json::{Value, json};

use crate::{
    client::{
        Client, chromium_audio, chromium_simulcast, dtls_parameters, join, produce_audio,
        receiver_capabilities,
    },
    node::Node,
};

/// With what the older applications put into the address.
async fn arrive(node: &Node) -> (Client, Value) {
    let target = "/?roomId=room&peerId=android&forceH264=false&forceVP9=false";
    let client = Client::try_connect(node.port, target, Some("protoo")).await;
    let mut client = client.expect("accepted");
    let capabilities = client.ask("getRouterRtpCapabilities", json!({})).await;
    (client, capabilities.expect("capabilities"))
}

async fn create_transport(client: &mut Client, producing: bool) -> Value {
    let data = json!({
        "forceTcp": false, "producing": producing, "consuming": !producing,
        "sctpCapabilities": {"numStreams": {"OS": 1024, "MIS": 1024}},
    });
    let transport = client.ask("createWebRtcTransport", data).await;
    let transport = transport.expect("a transport");
    check_transport(&transport);
    transport
}

/// The library throws at whatever it does not find.
fn check_transport(transport: &Value) {
    assert!(transport["id"].is_string(), "{transport}");
    let ice = &transport["iceParameters"];
    assert!(
        ice["usernameFragment"].is_string() && ice["password"].is_string(),
        "{ice}"
    );
    let candidates = transport["iceCandidates"].as_array().expect("a list");
    assert!(!candidates.is_empty());
    for candidate in candidates {
        for member in ["foundation", "ip", "protocol", "type"] {
            assert!(candidate[member].is_string(), "{member}: {candidate}");
        }
        for member in ["priority", "port"] {
            assert!(candidate[member].is_u64(), "{member}: {candidate}");
        }
        assert!(["udp", "tcp"].contains(&candidate["protocol"].as_str().expect("text")));
    }
    let dtls = &transport["dtlsParameters"];
    assert!(["auto", "client", "server"].contains(&dtls["role"].as_str().expect("text")));
    let fingerprints = dtls["fingerprints"].as_array().expect("a list");
    assert!(!fingerprints.is_empty());
    for fingerprint in fingerprints {
        assert!(fingerprint["algorithm"].is_string() && fingerprint["value"].is_string());
    }
    for member in ["port", "OS", "MIS", "maxMessageSize"] {
        assert!(transport["sctpParameters"][member].is_u64(), "{transport}");
    }
}

#[tokio::test]
async fn an_android_client_has_a_whole_session() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let session = join(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;

    let (mut android, capabilities) = arrive(&node).await;
    let send = create_transport(&mut android, true).await;
    let receive = create_transport(&mut android, false).await;
    let join = json!({
        "displayName": "Android", "device": {"flag": "android", "name": "Android Pixel", "version": "10"},
        "rtpCapabilities": receiver_capabilities(&capabilities),
        "sctpCapabilities": {"numStreams": {"OS": 1024, "MIS": 1024}},
    });
    let joined = android.ask("join", join).await.expect("joins");
    assert_eq!(joined["peers"][0]["id"], "ada");
    assert_eq!(ada.notified("newPeer").await["id"], "android");

    // It produces first, and looks at what it was asked only afterwards; nothing may wait for that.
    let connect = json!({"transportId": send["id"], "dtlsParameters": dtls_parameters()});
    let connected = android.ask("connectWebRtcTransport", connect).await;
    assert_eq!(connected, Ok(json!({})));
    let mut own = Vec::new();
    for (kind, rtp_parameters) in [
        ("audio", chromium_audio(77)),
        ("video", chromium_simulcast()),
    ] {
        let data = json!({
            "transportId": send["id"], "kind": kind, "rtpParameters": rtp_parameters,
            "appData": {},
        });
        let producer = android.ask("produce", data).await.expect("produces");
        own.push(producer["id"].clone());
    }
    let chat = json!({
        "transportId": send["id"], "label": "chat", "protocol": "",
        "sctpStreamParameters": {"streamId": 1, "ordered": false, "maxRetransmits": 1},
        "appData": {"info": "my-chat-DataProducer"},
    });
    let chat = android.ask("produceData", chat).await;
    assert!(chat.expect("produces data")["id"].is_string());
    for _ in &own {
        let (id, consumer) = ada.asked("newConsumer").await;
        assert_eq!(consumer["peerId"], "android");
        ada.accept(id).await;
    }

    let (id, consumer) = android.asked("newConsumer").await;
    let connect = json!({"transportId": receive["id"], "dtlsParameters": dtls_parameters()});
    let connected = android.ask("connectWebRtcTransport", connect).await;
    assert_eq!(connected, Ok(json!({})));
    android.accept(id).await;
    let (bot, channel) = android.asked("newDataConsumer").await;
    let stream = &channel["sctpStreamParameters"]["streamId"];
    assert!(stream.is_u64(), "{channel}");
    // It refuses what it does not know, and this it may not.
    android.refuse(bot).await;

    control(&mut android, &mut ada, &own, &consumer).await;
    android.leave().await;
    assert_eq!(
        ada.notified("peerClosed").await,
        json!({"peerId": "android"})
    );
}

async fn control(android: &mut Client, ada: &mut Client, own: &[Value], consumer: &Value) {
    let consumer = json!({"consumerId": consumer["id"]});
    for method in ["pauseConsumer", "resumeConsumer", "requestConsumerKeyFrame"] {
        assert_eq!(android.ask(method, consumer.clone()).await, Ok(json!({})));
    }
    // The application sends the name of the member instead of its value.
    let wrong = json!({"consumerId": "consumerId"});
    let refused = android.ask("requestConsumerKeyFrame", wrong).await;
    let (code, reason) = refused.expect_err("there is none");
    assert_eq!(code, 500);
    assert!(reason.contains("consumerId"), "{reason}");
    for (method, notification) in [
        ("pauseProducer", "consumerPaused"),
        ("resumeProducer", "consumerResumed"),
        ("closeProducer", "consumerClosed"),
    ] {
        let producer = json!({"producerId": own[1]});
        assert_eq!(android.ask(method, producer).await, Ok(json!({})));
        assert!(ada.notified(notification).await["consumerId"].is_string());
    }
    let name = json!({"displayName": "Phone"});
    assert_eq!(android.ask("changeDisplayName", name).await, Ok(json!({})));
    assert_eq!(
        ada.notified("peerDisplayNameChanged").await,
        json!({"peerId": "android", "displayName": "Phone", "oldDisplayName": "Android"})
    );
}

#[tokio::test]
async fn who_never_answers_about_a_consumer_goes_on_all_the_same() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let session = join(&mut ada, "Ada").await;
    let (mut android, capabilities) = arrive(&node).await;
    let receive = create_transport(&mut android, false).await;
    let join = json!({
        "displayName": "Android", "device": {},
        "rtpCapabilities": receiver_capabilities(&capabilities),
    });
    android.ask("join", join).await.expect("joins");
    produce_audio(&mut ada, &session).await;
    let (_, consumer) = android.asked("newConsumer").await;
    let stats = json!({"transportId": receive["id"]});
    assert!(android.ask("getTransportStats", stats).await.is_ok());
    let stats = json!({"consumerId": consumer["id"]});
    assert!(android.ask("getConsumerStats", stats).await.is_ok());
}
