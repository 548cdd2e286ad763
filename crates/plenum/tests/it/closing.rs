//! Clients that vanish at every moment: a node keeps nothing of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Client, chromium_audio, chromium_simulcast, dtls_parameters, produce_audio},
    node::{Node, PATIENCE},
};

/// Lives of clients in the ordinary test.
const CYCLES: usize = 300;

/// And in the long one.
const LONG_CYCLES: usize = 10_000;

/// Memory is compared with that after this many lives.
const WARM: usize = 100;

/// A client that stays, so that rooms, routers and others' consumers outlive those who go.
struct Resident {
    client: Client,
    room: String,
}

/// What a client has sent when it vanishes; each step is one message of the join sequence or one answer to it.
const STEPS: usize = 12;

/// The step that joins.
const JOIN: usize = 4;

/// Cuts in the middle of a WebSocket handshake: bytes of the request that are sent.
async fn cut_handshake(port: u16, peer: &str, share: usize) {
    let request = format!(
        "GET /?roomId=room-0&peerId={peer} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: protoo\r\n\r\n"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("listens");
    let bytes = &request.as_bytes()[..request.len() * share.min(4) / 4];
    stream.write_all(bytes).await.expect("writes");
    if share > 4 {
        // The answer has begun: the session exists.
        let read = timeout(PATIENCE, stream.read_u8()).await;
        assert_eq!(read.expect("answers in time").ok(), Some(b'H'));
    }
}

/// A client as far as `step`. It does not wait for the answer to its last message.
async fn live(port: u16, room: &str, peer: &str, step: usize, ssrc: u32) -> Option<Client> {
    let mut client = Client::connect(port, room, peer).await;
    let transport = |producing: bool| json!({"forceTcp": false, "producing": producing, "consuming": !producing});
    let mut messages: Vec<(&str, Value)> = vec![
        ("getRouterRtpCapabilities", json!({})),
        ("createWebRtcTransport", transport(true)),
        ("createWebRtcTransport", transport(false)),
    ];
    let mut capabilities = json!({});
    let mut transports = Vec::new();
    let mut sent = 0;
    while sent < step && !messages.is_empty() {
        let (method, data) = messages.remove(0);
        sent += 1;
        if sent == step {
            client.send_request(method, data).await;
            return Some(client);
        }
        let answer = client.ask(method, data).await.expect(method);
        match sent {
            1 => capabilities = answer,
            2 => transports.push(answer["id"].clone()),
            3 => {
                transports.push(answer["id"].clone());
                messages = rest(&capabilities, &transports, ssrc);
            }
            _ => {}
        }
    }
    if sent < step {
        // Asked about the resident's stream, and gone without an answer or with it.
        let (id, _) = client.asked("newConsumer").await;
        if step == STEPS {
            client.accept(id).await;
        }
    }
    Some(client)
}

/// What follows once both transports exist.
fn rest(capabilities: &Value, transports: &[Value], ssrc: u32) -> Vec<(&'static str, Value)> {
    let [send, receive] = transports else {
        unreachable!("both were made");
    };
    let connect = |id: &Value| json!({"transportId": id, "dtlsParameters": dtls_parameters()});
    let produce = |kind: &str, parameters: Value| json!({"transportId": send, "kind": kind, "rtpParameters": parameters, "appData": {}});
    let capabilities = crate::client::receiver_capabilities(capabilities);
    let join = json!({
        "displayName": "Somebody",
        "device": {"flag": "chrome", "name": "Chrome", "version": "156.0"},
        "rtpCapabilities": capabilities,
    });
    vec![
        ("join", join),
        ("connectWebRtcTransport", connect(send)),
        ("produce", produce("audio", chromium_audio(ssrc))),
        ("produce", produce("video", chromium_simulcast())),
        ("connectWebRtcTransport", connect(receive)),
        ("restartIce", json!({"transportId": receive})),
        ("getTransportStats", json!({"transportId": send})),
    ]
}

async fn settle_in(node: &Node, room: String) -> Resident {
    let mut client = Client::connect(node.port, &room, "resident").await;
    let session = crate::client::join(&mut client, "Resident").await;
    produce_audio(&mut client, &session).await;
    Resident { client, room }
}

/// One life: how far it gets, and how it ends, follow from its number.
async fn cycle(node: &Node, rooms: &[Resident], number: usize) {
    let (port, ssrc) = (node.port, 10_000 + 2 * u32::try_from(number).expect("few"));
    let step = number % (STEPS + 1);
    let room = if number % 3 == 2 {
        // A room of its own, which ends with it.
        format!("own-{number}")
    } else {
        rooms[number % rooms.len()].room.clone()
    };
    // Nobody there whose stream one would be asked about.
    let step = if number % 3 == 2 {
        step.min(STEPS - 2)
    } else {
        step
    };
    let peer = format!("peer-{number}");
    match number % 5 {
        0 => cut_handshake(port, &peer, number / 5 % 6).await,
        1 => {
            // The same peer arrives twice while it joins; the second vanishes half-way.
            let first = live(port, &room, &peer, step, ssrc).await;
            let second = live(port, &room, &peer, step / 2, ssrc + 1).await;
            match first {
                // The first must go.
                Some(mut first) if step < JOIN || step / 2 >= JOIN => {
                    let (code, _) = first.closed().await.expect("closed in good order");
                    assert_eq!(code, 4000);
                }
                // The second has not joined: the first goes on.
                Some(mut first) if step > JOIN => {
                    drop(second);
                    let answer = first.ask("getRouterRtpCapabilities", json!({})).await;
                    answer.expect("it is still there");
                    first.leave().await;
                }
                // Either, by what is faster: the join of the first or the arrival of the second.
                first => drop((first, second)),
            }
        }
        2 => {
            if let Some(client) = live(port, &room, &peer, step, ssrc).await {
                client.leave().await;
            }
        }
        _ => drop(live(port, &room, &peer, step, ssrc).await),
    }
}

/// Sum over all workers of transports, producers and consumers.
fn objects(stats: &Value) -> [u64; 3] {
    let workers = stats["workers"].as_array().expect("a list");
    ["transports", "producers", "consumers"].map(|kind| {
        let counts = workers.iter().map(|worker| &worker[kind]);
        counts.map(|count| count.as_u64().expect("a number")).sum()
    })
}

/// Resident memory of each worker in bytes, from the kernel.
async fn resident_memory(node: &Node) -> BTreeMap<i32, u64> {
    let resident = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("alive");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        (pid, kib.expect("a number of KiB") * 1024)
    };
    node.worker_pids().await.into_iter().map(resident).collect()
}

/// Only the residents are left, with what they had from the start.
async fn quiet(node: &Node, rooms: usize) {
    let count = u64::try_from(rooms).expect("few");
    node.stats_when(|stats| {
        stats["totalRooms"] == rooms
            && stats["totalPeers"] == rooms
            && objects(stats) == [2 * count, count, 0]
    })
    .await;
}

#[tokio::test]
async fn whoever_vanishes_whenever_leaves_nothing() {
    let cycles = if std::env::var("PLENUM_LONG_TESTS").is_ok_and(|value| value == "1") {
        LONG_CYCLES
    } else {
        CYCLES
    };
    let node = Node::start().await;
    let mut residents = Vec::new();
    for n in 0..2 {
        residents.push(settle_in(&node, format!("room-{n}")).await);
    }
    quiet(&node, residents.len()).await;
    let mut early = BTreeMap::new();
    for number in 0..cycles {
        cycle(&node, &residents, number).await;
        // Who neither reads nor answers pings is rightly thrown out after a minute.
        for resident in &mut residents {
            resident.client.drain().await;
        }
        if number == WARM {
            quiet(&node, residents.len()).await;
            early = resident_memory(&node).await;
        }
    }
    quiet(&node, residents.len()).await;
    let late = resident_memory(&node).await;
    assert!(early.keys().eq(late.keys()), "a worker died");
    for (pid, early) in early {
        let limit = early + early / 10 + 2 * 1024 * 1024;
        assert!(late[&pid] <= limit, "{} bytes after {early}", late[&pid]);
    }
    for resident in residents {
        resident.client.leave().await;
    }
    node.stats_when(|stats| stats["totalRooms"] == 0 && objects(stats) == [0; 3])
        .await;
}
