//! The scripts in `examples`, run as they are: what they publish reaches somebody else, and they clean up behind them.

use std::{path::Path, process::Stdio, time::Duration};

use plenum_rtp::RtpHeader;
use serde_json::{Value, json};
use tokio::{
    net::UdpSocket,
    process::{Child, Command},
    time::{Instant, timeout},
};

use crate::{
    client::{Client, join},
    node::{Node, PATIENCE, signal},
};

fn script(name: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(root.join("examples").join(name));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn publish(name: &str, node: &Node) -> Child {
    let server = format!("http://127.0.0.1:{}", node.port);
    let started = script(name)
        .args(["--room", "stage", "--name", "Film", "--server", &server])
        .args(["--id", "film"])
        .stdout(Stdio::null())
        .spawn();
    started.expect("the script is in the tree")
}

/// Takes what a producer sends to a port of ours.
async fn consume(node: &Node, producer: &Value, codec: Value, receiver: &UdpSocket) {
    let base = "/rooms/stage/broadcasters";
    let name = format!("listener-{}", receiver.local_addr().expect("bound").port());
    let whole = json!({ "id": name, "displayName": "L", "device": { "name": "x" } });
    let made = node.http_json("POST", base, &whole).await;
    assert_eq!(made.code, 200, "{made:?}");
    let transports = format!("{base}/{name}/transports");
    let wish = json!({ "type": "plain", "comedia": false, "rtcpMux": true });
    let made = node.http_json("POST", &transports, &wish).await.json();
    let below = format!("{transports}/{}", made["id"].as_str().expect("made"));
    let port = receiver.local_addr().expect("bound").port();
    let wish = json!({ "ip": "127.0.0.1", "port": port });
    let connected = node
        .http_json("POST", &format!("{below}/connect"), &wish)
        .await;
    assert_eq!(connected.code, 200, "{connected:?}");
    let wish = json!({ "producerId": producer,
        "rtpCapabilities": { "codecs": [codec], "headerExtensions": [] } });
    let consumed = node
        .http_json("POST", &format!("{below}/consume"), &wish)
        .await;
    assert_eq!(consumed.code, 200, "{consumed:?}");
}

/// Waits for so many packets of a payload type.
async fn receive(receiver: &UdpSocket, payload_type: u8, count: usize) {
    let (mut buffer, mut got) = ([0; 2000], 0);
    let deadline = Instant::now() + PATIENCE;
    while got < count {
        let left = deadline.saturating_duration_since(Instant::now());
        let came = timeout(left, receiver.recv(&mut buffer)).await;
        let len = came.expect("packets come in time").expect("receives");
        let header = RtpHeader::parse(&buffer[..len]);
        got += usize::from(header.is_ok_and(|header| header.payload_type == payload_type));
    }
}

async fn is_published_and_taken_back(name: &str) {
    let node = Node::start_roomy().await;
    let mut ada = Client::connect(node.port, "stage", "ada").await;
    join(&mut ada, "Ada").await;
    let child = publish(name, &node);
    let opus = json!({ "kind": "audio", "mimeType": "audio/opus", "preferredPayloadType": 100,
        "clockRate": 48000, "channels": 2 });
    let vp8 = json!({ "kind": "video", "mimeType": "video/VP8", "preferredPayloadType": 101,
        "clockRate": 90000 });
    for _ in 0..2 {
        let (id, consumer) = ada.asked("newConsumer").await;
        ada.accept(id).await;
        assert_eq!(consumer["peerId"], "film");
        let receiver = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let (codec, payload_type) = match consumer["kind"].as_str() {
            Some("audio") => (opus.clone(), 100),
            _ => (vp8.clone(), 101),
        };
        consume(&node, &consumer["producerId"], codec, &receiver).await;
        receive(&receiver, payload_type, 50).await;
    }
    let pid = child.id().expect("running");
    signal(i32::try_from(pid).expect("small"), "TERM");
    let mut child = child;
    let ended = timeout(PATIENCE, child.wait()).await.expect("ends in time");
    assert_eq!(ended.expect("our child").code(), Some(143));
    // Long before anybody would take it for dead.
    let gone = timeout(Duration::from_secs(20), ada.notified("peerClosed")).await;
    assert!(gone.is_ok(), "it took itself out of the room");
}

#[tokio::test]
async fn ffmpeg_publishes() {
    is_published_and_taken_back("broadcast-ffmpeg.sh").await;
}

#[tokio::test]
async fn gstreamer_publishes() {
    is_published_and_taken_back("broadcast-gstreamer.sh").await;
}

#[tokio::test]
async fn what_a_peer_sends_is_recorded() {
    let node = Node::start_roomy().await;
    let mut ada = Client::connect(node.port, "stage", "ada").await;
    join(&mut ada, "Ada").await;
    let publisher = publish("broadcast-ffmpeg.sh", &node);
    let (_, consumer) = ada.asked("newConsumer").await;
    ada.asked("newConsumer").await;
    let folder = tempfile::tempdir().expect("a place for temporary files");
    let file = folder.path().join("out.mkv");
    let free = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let port = free.local_addr().expect("bound").port() & !3;
    drop(free);
    let server = format!("http://127.0.0.1:{}", node.port);
    let peer = consumer["peerId"].as_str().expect("named");
    let recorded = script("receive-ffmpeg.sh")
        .args(["--room", "stage", "--peer", peer, "--server", &server])
        .args(["--port", &port.to_string(), "--seconds", "2"])
        .arg(&file)
        .output();
    let recorded = timeout(PATIENCE, recorded).await.expect("ends in time");
    let recorded = recorded.expect("the script is in the tree");
    assert!(recorded.status.success(), "{recorded:?}");
    let bytes = std::fs::metadata(&file).expect("recorded").len();
    assert!(bytes > 10_000, "{bytes} bytes");

    // Killed without a chance to clean up, it leaves no encoder behind.
    let script = publisher.id().expect("running");
    let children = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children"));
    let children = children.expect("Linux tells them");
    let encoder = children.split_whitespace().next().expect("one child");
    let command = format!("/proc/{encoder}/cmdline");
    let runs = || std::fs::read(&command).is_ok_and(|line| line.starts_with(b"ffmpeg"));
    assert!(runs());
    drop(publisher);
    let deadline = Instant::now() + PATIENCE;
    while runs() {
        assert!(Instant::now() < deadline, "the encoder goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn scripts_say_how_they_are_used() {
    for name in [
        "broadcast-ffmpeg.sh",
        "broadcast-gstreamer.sh",
        "receive-ffmpeg.sh",
    ] {
        let help = script(name)
            .arg("--help")
            .output()
            .await
            .expect("in the tree");
        assert!(help.status.success(), "{name}");
        assert!(
            String::from_utf8_lossy(&help.stdout).contains("--room"),
            "{name}"
        );
        let bare = script(name).output().await.expect("in the tree");
        assert_eq!(bare.status.code(), Some(2), "{name}");
    }
}
