//! Broadcasters of both generations: every route, and RTP from and to programs without a browser.

use std::time::Duration;

use plenum_rtp::{HeaderFields, RtpHeader, RtpWriter};
use serde_json::{Value, json};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout},
};

use crate::{
    client::{Client, dtls_parameters, join},
    http::Answer,
    node::{Node, PATIENCE},
};

pub(crate) fn audio() -> Value {
    json!({
        "codecs": [{
            "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2,
            "parameters": { "sprop-stereo": 1 },
        }],
        "encodings": [{ "ssrc": 1111 }],
    })
}

fn video() -> Value {
    json!({
        "codecs": [{ "mimeType": "video/vp8", "payloadType": 101, "clockRate": 90000 }],
        "encodings": [{ "ssrc": 2222 }],
    })
}

/// What `ffmpeg_receiver.sh` of the reference says that it takes.
fn opus_alone() -> Value {
    json!({
        "codecs": [{
            "kind": "audio", "mimeType": "audio/opus", "preferredPayloadType": 100,
            "clockRate": 48000, "channels": 2,
        }],
        "headerExtensions": [],
    })
}

pub(crate) async fn post(node: &Node, path: &str, body: Value) -> Answer {
    node.http_json("POST", path, &body).await
}

pub(crate) async fn ok(node: &Node, path: &str, body: Value) -> Value {
    let answer = post(node, path, body).await;
    assert_eq!(answer.code, 200, "{path} {answer:?}");
    answer.json()
}

async fn made(node: &Node, path: &str, body: Value) -> Value {
    let answer = post(node, path, body).await;
    assert_eq!(answer.code, 201, "{path} {answer:?}");
    assert!(answer.header("location").starts_with("/rooms/"));
    answer.json()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("an identifier")
}

pub(crate) fn port(value: &Value) -> u16 {
    let number = value.as_u64().expect("a port");
    u16::try_from(number).expect("16 bits")
}

pub(crate) fn packet(ssrc: u32, payload_type: u8, number: u16) -> Vec<u8> {
    let mut packet = vec![0; 64];
    let fields = HeaderFields {
        marker: false,
        payload_type,
        sequence_number: number,
        timestamp: u32::from(number) * 960,
        ssrc,
        padding: false,
    };
    let writer = RtpWriter::begin(&mut packet, fields);
    let len = writer.expect("there is room").finish();
    packet.truncate(len);
    packet.extend([7; 40]);
    packet
}

/// Sends sound to a port until some of it comes out at a socket; gives the header of what came.
async fn carried(port: u16, receiver: &UdpSocket) -> RtpHeader {
    let sender = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; 2000];
    let mut number = 0;
    while Instant::now() < deadline {
        let sent = packet(1111, 100, number);
        let sent = sender.send_to(&sent, ("127.0.0.1", port)).await;
        sent.expect("sends");
        number += 1;
        let Ok(came) = timeout(Duration::from_millis(20), receiver.recv(&mut buffer)).await else {
            continue;
        };
        let datagram = &buffer[..came.expect("receives")];
        // RTCP shares the port.
        if (100..128).contains(&(datagram[1] & 0x7f)) {
            return RtpHeader::parse(datagram).expect("RTP");
        }
    }
    panic!("nothing came");
}

#[tokio::test]
async fn a_classic_broadcaster_is_heard_and_hears() {
    let node = Node::start_roomy().await;
    let (code, body) = node.get("/rooms/stage").await;
    let room: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(code, 200);
    assert_eq!(room["codecs"][0]["mimeType"], "audio/opus");
    assert_eq!(room["routerRtpCapabilities"]["codecs"], room["codecs"]);

    let base = "/rooms/stage/broadcasters";
    let registered = ok(
        &node,
        base,
        json!({ "id": "cast", "displayName": "Broadcaster", "device": { "name": "FFmpeg" } }),
    )
    .await;
    assert_eq!(registered, json!({ "peers": [] }));
    let transports = format!("{base}/cast/transports");
    let wish = json!({ "type": "plain", "comedia": true, "rtcpMux": false });
    let source = ok(&node, &transports, wish.clone()).await;
    assert_eq!(source["ip"], "127.0.0.1");
    assert!(source["rtcpPort"].is_number() && source["rtcpPort"] != source["port"]);
    let below = format!("{transports}/{}", text(&source["id"]));
    let producer = ok(
        &node,
        &format!("{below}/producers"),
        json!({ "kind": "audio", "rtpParameters": audio() }),
    )
    .await;
    let video_transport = ok(&node, &transports, wish).await;
    let below = format!("{transports}/{}", text(&video_transport["id"]));
    ok(
        &node,
        &format!("{below}/producers"),
        json!({ "kind": "video", "rtpParameters": video() }),
    )
    .await;

    // Somebody in the room gets both.
    let mut ada = Client::connect(node.port, "stage", "ada").await;
    let session = join(&mut ada, "Ada").await;
    assert_eq!(
        session.joined["peers"][0],
        json!({ "id": "cast", "displayName": "Broadcaster",
            "device": { "flag": "broadcaster", "name": "FFmpeg" } })
    );
    for _ in 0..2 {
        let (id, consumer) = ada.asked("newConsumer").await;
        assert_eq!(consumer["peerId"], "cast");
        ada.accept(id).await;
    }

    // Another program receives it.
    let listener = ok(
        &node,
        base,
        json!({ "id": "listener", "displayName": "L", "device": { "name": "FFmpeg" },
            "rtpCapabilities": opus_alone() }),
    )
    .await;
    let cast = listener["peers"].as_array().expect("a list").iter();
    let cast = cast
        .clone()
        .find(|peer| peer["id"] == "cast")
        .expect("there");
    assert_eq!(
        cast["producers"],
        json!([{ "id": producer["id"], "kind": "audio" }])
    );
    let receiver = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let at = receiver.local_addr().expect("bound").port();
    let transports = format!("{base}/listener/transports");
    let wish = json!({ "type": "plain", "comedia": false, "rtcpMux": true });
    let sink = ok(&node, &transports, wish).await;
    assert!(sink.get("rtcpPort").is_none());
    let below = format!("{transports}/{}", text(&sink["id"]));
    let connected = post(
        &node,
        &format!("{below}/connect"),
        json!({ "ip": "127.0.0.1", "port": at }),
    )
    .await;
    assert_eq!((connected.code, connected.body.as_str()), (200, ""));
    let path = format!("{below}/consume?producerId={}", text(&producer["id"]));
    let consumer = ok(&node, &path, json!({ "paused": true })).await;
    assert_eq!(
        (&consumer["kind"], &consumer["type"]),
        (&json!("audio"), &json!("simple"))
    );
    let resumed = ok(
        &node,
        &format!("{below}/resume"),
        json!({ "consumerId": consumer["id"] }),
    )
    .await;
    assert_eq!(resumed, json!({ "id": consumer["id"] }));
    let header = carried(port(&source["port"]), &receiver).await;
    let ssrc = &consumer["rtpParameters"]["encodings"][0]["ssrc"];
    assert_eq!(json!(header.ssrc), *ssrc);
    assert_eq!(header.payload_type, 100);

    let gone = node.http("DELETE", &format!("{base}/cast"), &[], "").await;
    assert_eq!(
        (gone.code, gone.body.as_str()),
        (200, "broadcaster deleted")
    );
    assert_eq!(ada.notified("peerClosed").await["peerId"], "cast");
}

#[tokio::test]
async fn what_a_classic_broadcaster_may_not_do_is_told_with_its_two_statuses() {
    let node = Node::start().await;
    let base = "/rooms/stage/broadcasters";
    let whole = json!({ "id": "cast", "displayName": "B", "device": { "name": "x" } });
    for wrong in [
        json!({ "displayName": "B", "device": { "name": "x" } }),
        json!({ "id": "cast", "device": { "name": "x" } }),
        json!({ "id": "cast", "displayName": "B" }),
        json!({ "id": "cast", "displayName": "B", "device": {} }),
        json!({ "id": "", "displayName": "B", "device": { "name": "x" } }),
        json!({ "id": "cast", "displayName": "B", "device": { "name": "x" }, "rtpCapabilities": 7 }),
    ] {
        let answer = post(&node, base, wrong.clone()).await;
        assert_eq!(answer.code, 400, "{wrong} {answer:?}");
        assert!(answer.header("content-type").starts_with("text/plain"));
    }
    let headers = [("Content-Type", "application/json")];
    assert_eq!(
        node.http("POST", base, &headers, "{nonsense").await.code,
        400
    );
    ok(&node, base, whole.clone()).await;
    let twice = post(&node, base, whole).await;
    assert_eq!(twice.code, 500);
    assert!(twice.body.contains("already exists"), "{twice:?}");
    let transports = format!("{base}/cast/transports");
    let odd = post(&node, &transports, json!({ "type": "carrier pigeon" })).await;
    assert_eq!(odd.code, 400, "{odd:?}");
    let nowhere = format!("{transports}/{}", "00000000-0000-4000-8000-000000000000");
    let producer = json!({ "kind": "audio", "rtpParameters": audio() });
    let answer = post(&node, &format!("{nowhere}/producers"), producer).await;
    assert_eq!(answer.code, 500, "{answer:?}");
    assert!(answer.body.contains("transport with id"), "{answer:?}");
    let unknown = node
        .http("DELETE", &format!("{base}/nobody"), &[], "")
        .await;
    assert_eq!(unknown.code, 404);
}

/// The C++ demo: transports with data channels, and its own data back.
#[tokio::test]
async fn a_classic_broadcaster_may_use_webrtc_and_data() {
    let node = Node::start().await;
    let base = "/rooms/stage/broadcasters";
    ok(
        &node,
        base,
        json!({ "id": "cpp", "displayName": "C", "device": { "name": "libmediasoupclient", "version": "3" },
            "rtpCapabilities": opus_alone() }),
    )
    .await;
    let transports = format!("{base}/cpp/transports");
    let wish = json!({ "type": "webrtc", "sctpCapabilities": { "numStreams": { "OS": 1024, "MIS": 1024 } } });
    let transport = ok(&node, &transports, wish).await;
    for member in [
        "iceParameters",
        "iceCandidates",
        "dtlsParameters",
        "sctpParameters",
    ] {
        assert!(!transport[member].is_null(), "{member} in {transport}");
    }
    let below = format!("{transports}/{}", text(&transport["id"]));
    let connect = format!("{below}/connect");
    let connected = post(
        &node,
        &connect,
        json!({ "dtlsParameters": dtls_parameters() }),
    )
    .await;
    assert_eq!((connected.code, connected.body.as_str()), (200, ""));
    assert_eq!(
        post(&node, &connect, json!({ "ip": "127.0.0.1", "port": 9 }))
            .await
            .code,
        400
    );
    let stream = json!({ "label": "x", "protocol": "", "sctpStreamParameters": { "streamId": 0, "ordered": true } });
    let source = ok(&node, &format!("{below}/produce/data"), stream).await;
    let read = ok(
        &node,
        &format!("{below}/consume/data"),
        json!({ "dataProducerId": source["id"] }),
    )
    .await;
    assert!(
        read["id"].is_string() && read["streamId"].is_number(),
        "{read}"
    );
}

#[tokio::test]
async fn a_newest_broadcaster_publishes_and_receives() {
    let node = Node::start_roomy().await;
    let base = "/rooms/stage/broadcasters";
    let whole = json!({ "peerId": "cast", "displayName": "FFmpeg",
        "device": { "name": "FFmpeg", "flag": "ffmpeg" } });
    assert_eq!(post(&node, base, whole.clone()).await.code, 404, "no room");
    let mut ada = Client::connect(node.port, "stage", "ada").await;
    join(&mut ada, "Ada").await;
    let answer = post(&node, base, whole.clone()).await;
    assert_eq!(answer.code, 201, "{answer:?}");
    assert_eq!(answer.header("location"), "/rooms/stage/broadcasters/cast");

    let wish = json!({ "direction": "producer", "comedia": true, "rtcpMux": false });
    let transports = format!("{base}/cast/transports");
    let source = made(&node, &transports, wish).await;
    assert!(source["rtcpPort"].is_number());
    let producers = format!("{base}/cast/producers");
    let wish = json!({ "transportId": source["transportId"], "kind": "audio",
        "rtpParameters": audio(), "appData": { "source": "audio" } });
    let early = post(&node, &producers, wish.clone()).await;
    assert_eq!(early.code, 409, "not joined: {early:?}");
    assert_eq!(
        post(&node, &format!("{base}/cast/join"), Value::Null)
            .await
            .code,
        200
    );
    let again = post(&node, &format!("{base}/cast/join"), Value::Null).await;
    assert_eq!(again.code, 409, "{again:?}");
    let peer = ada.notified("newPeer").await;
    assert_eq!(
        peer["device"],
        json!({ "flag": "ffmpeg", "name": "FFmpeg" })
    );
    let producer = made(&node, &producers, wish).await;
    let (id, consumer) = ada.asked("newConsumer").await;
    assert_eq!(consumer["appData"]["source"], "audio");
    ada.accept(id).await;

    let listener = json!({ "peerId": "listener", "displayName": "L", "device": { "name": "x", "flag": "gstreamer" } });
    assert_eq!(post(&node, base, listener).await.code, 201);
    assert_eq!(
        post(&node, &format!("{base}/listener/join"), Value::Null)
            .await
            .code,
        200
    );
    let infos = node
        .get_json(&format!("{base}/listener/peerProducersInfos"))
        .await;
    let infos = infos["peerProducersInfos"]
        .as_array()
        .expect("a list")
        .clone();
    let cast = infos
        .iter()
        .find(|peer| peer["peerId"] == "cast")
        .expect("there");
    assert_eq!(cast["producers"][0]["producerId"], producer["producerId"]);
    assert_eq!(cast["producers"][0]["source"], "audio");
    let codec = &cast["producers"][0]["consumableCodecs"][0];
    assert_eq!(codec["payloadType"], 100);
    assert!(codec.get("rtcpFeedback").is_none());

    // One tool says the direction elsewhere; defaults are mediasoup's.
    let wish = json!({ "appData": { "direction": "consumer" } });
    let sink = made(&node, &format!("{base}/listener/transports"), wish).await;
    assert!(sink.get("rtcpPort").is_none());
    let receiver = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let at = receiver.local_addr().expect("bound").port();
    let id = text(&sink["transportId"]);
    let path = format!("{base}/listener/transports/{id}/connect");
    let connected = post(&node, &path, json!({ "ip": "127.0.0.1", "port": at })).await;
    assert_eq!(connected.code, 200, "{connected:?}");
    let consumers = format!("{base}/listener/consumers");
    let wish = json!({ "transportId": id, "producerId": producer["producerId"], "paused": true,
        "rtpCapabilities": opus_alone() });
    let consumer = made(&node, &consumers, wish.clone()).await;
    let resume = format!("{consumers}/{}/resume", text(&consumer["consumerId"]));
    assert_eq!(post(&node, &resume, Value::Null).await.code, 200);
    let header = carried(port(&source["port"]), &receiver).await;
    assert_eq!(header.payload_type, 100);

    for (path, body, code) in [
        (
            consumers.clone(),
            json!({ "transportId": "x", "producerId": "y", "rtpCapabilities": opus_alone() }),
            404,
        ),
        (consumers, json!({ "producerId": "y" }), 400),
        (producers, json!({ "kind": "smell" }), 400),
        (transports, json!({}), 400),
        (format!("{base}/nobody/join"), Value::Null, 404),
        (
            format!("{base}/listener/consumers/x/resume"),
            Value::Null,
            404,
        ),
    ] {
        let answer = post(&node, &path, body.clone()).await;
        assert_eq!(answer.code, code, "{path} {body} {answer:?}");
    }
    let gone = node.http("DELETE", &format!("{base}/cast"), &[], "").await;
    assert_eq!((gone.code, gone.body.as_str()), (204, ""));
    assert_eq!(ada.notified("peerClosed").await["peerId"], "cast");
}

/// A script that is killed says nothing; one that sends may be silent otherwise.
#[tokio::test]
async fn a_broadcaster_of_which_nothing_is_heard_is_gone() {
    let node = Node::start_with(&["--set", "broadcast.idle_timeout_s=1"]).await;
    let mut ada = Client::connect(node.port, "stage", "ada").await;
    join(&mut ada, "Ada").await;
    let base = "/rooms/stage/broadcasters";
    for id in ["dead", "alive"] {
        let whole = json!({ "id": id, "displayName": id, "device": { "name": "x" } });
        ok(&node, base, whole).await;
    }
    let transports = format!("{base}/alive/transports");
    let source = ok(
        &node,
        &transports,
        json!({ "type": "plain", "rtcpMux": true }),
    )
    .await;
    let below = format!("{transports}/{}", text(&source["id"]));
    let producer = json!({ "kind": "audio", "rtpParameters": audio() });
    ok(&node, &format!("{below}/producers"), producer).await;
    let sender = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let to = ("127.0.0.1", port(&source["port"]));
    let mut number = 0;
    let first = loop {
        number += 1;
        let sent = sender.send_to(&packet(1111, 100, number), to).await;
        sent.expect("sends");
        let gone = ada.notified("peerClosed");
        match timeout(Duration::from_millis(100), gone).await {
            Ok(gone) => break gone,
            Err(_) => assert!(number < 300, "nobody went"),
        }
    };
    assert_eq!(first["peerId"], "dead");
    assert_eq!(
        ada.notified("peerClosed").await["peerId"],
        "alive",
        "it sends no more"
    );
}

/// Else anybody could have the node send to anybody.
#[tokio::test]
async fn media_goes_to_whom_asks_for_it_or_where_the_operator_allows() {
    let node = Node::start_roomy_with(&["--set", "broadcast.allow_networks=192.0.2.0/24"]).await;
    let base = "/rooms/stage/broadcasters";
    let whole = json!({ "id": "ear", "displayName": "E", "device": { "name": "x" } });
    ok(&node, base, whole).await;
    let transports = format!("{base}/ear/transports");
    for (ip, proxied, code) in [
        ("127.0.0.1", false, 200),
        ("127.9.9.9", false, 200),
        ("192.0.2.7", false, 200),
        ("198.51.100.7", false, 403),
        ("10.0.0.1", false, 403),
        // Whoever stands behind a proxy on this machine is not on this machine.
        ("127.0.0.1", true, 403),
        ("192.0.2.7", true, 200),
    ] {
        let wish = json!({ "type": "plain", "comedia": false, "rtcpMux": true });
        let sink = ok(&node, &transports, wish).await;
        let path = format!("{transports}/{}/connect", text(&sink["id"]));
        let forwarded = ("X-Forwarded-For", "203.0.113.9");
        let headers = if proxied { &[forwarded][..] } else { &[] };
        let body = json!({ "ip": ip, "port": 9 }).to_string();
        let answer = node.http("POST", &path, headers, &body).await;
        assert_eq!(answer.code, code, "{ip} {proxied} {answer:?}");
    }
}

#[tokio::test]
async fn the_place_of_a_broadcaster_is_told_as_a_path() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "stage", "ada").await;
    join(&mut ada, "Ada").await;
    let whole = json!({ "peerId": "camera 1/ä", "displayName": "C", "device": { "name": "x" } });
    let answer = post(&node, "/rooms/stage/broadcasters", whole).await;
    assert_eq!(answer.code, 201, "{answer:?}");
    let place = answer.header("location").to_owned();
    assert_eq!(place, "/rooms/stage/broadcasters/camera%201%2F%C3%A4");
    assert_eq!(node.http("DELETE", &place, &[], "").await.code, 204);
}
