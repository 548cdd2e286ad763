//! Many who come at once: by one message each, and by the messages of the classic dialect.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::sleep_until,
};

use super::caller::Caller;
use crate::{
    client::{Client, chromium_audio, chromium_simulcast, dtls_parameters, join},
    node::{Node, report},
};

/// Few, for whom the way there counts, and many, for whom the server's work does.
const CROWDS: [usize; 2] = [5, 50];

/// For figures each crowd comes so many times by each dialect, in turn: others use these cores, too.
const ROUNDS: usize = 3;

/// One way, of a path across a continent.
const DELAY: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_joins_at_once_by_either_dialect() {
    let node = Node::start().await;
    let far = distance(node.port, DELAY).await;
    let is_long = std::env::var("PLENUM_LONG_TESTS").is_ok_and(|value| value == "1");
    let rounds = if is_long { ROUNDS } else { 1 };
    for (port, path) in [(node.port, "on this machine"), (far, "100 ms away")] {
        for crowd in CROWDS {
            let mut times = [Vec::new(), Vec::new()];
            for round in 0..rounds {
                for (is_fast, times) in [false, true].into_iter().zip(&mut times) {
                    let room = format!("{port}-{crowd}-{round}-{is_fast}");
                    times.extend(arrive(&node, port, &room, crowd, is_fast).await);
                }
            }
            let [classic, fast] = times;
            describe("classic", crowd, path, classic);
            describe("plenum", crowd, path, fast);
        }
    }
}

/// How long each of them took.
async fn arrive(node: &Node, port: u16, room: &str, crowd: usize, is_fast: bool) -> Vec<Duration> {
    let mut ada = Caller::connect(node.port, room, "ada").await;
    ada.join("Ada").await;
    for (kind, parameters) in [
        ("audio", chromium_audio(1111)),
        ("video", chromium_simulcast()),
    ] {
        let produce = ada.produce_data(kind, &parameters);
        ada.ask("produce", produce).await.expect("produces");
    }
    let viewers = (0..crowd).map(|n| {
        let (room, name) = (room.to_owned(), format!("viewer{n}"));
        tokio::spawn(async move {
            let started = Instant::now();
            if is_fast {
                let viewer = fast(port, &room, &name).await;
                let time = started.elapsed();
                (time, Some(viewer), None)
            } else {
                let viewer = classic(port, &room, &name).await;
                let time = started.elapsed();
                (time, None, Some(viewer))
            }
        })
    });
    // Nobody leaves before all have come.
    let viewers = join_all(viewers).await.into_iter();
    let viewers: Vec<_> = viewers.map(|viewer| viewer.expect("joins")).collect();
    viewers.iter().map(|(time, ..)| *time).collect()
}

/// Until everything that is to be received is known and accepted.
async fn fast(port: u16, room: &str, name: &str) -> Caller {
    let mut viewer = Caller::connect(port, room, name).await;
    let data = viewer.join_data(name, &viewer.any_certificate());
    viewer.request("join", data).await;
    let (question, batch) = viewer.asked_for_media().await;
    assert_eq!(
        batch["consumers"].as_array().map(Vec::len),
        Some(2),
        "{batch}"
    );
    viewer.accept(question).await;
    assert_eq!(viewer.turns, 2);
    viewer
}

async fn classic(port: u16, room: &str, name: &str) -> Client {
    let mut viewer = Client::connect(port, room, name).await;
    let session = join(&mut viewer, name).await;
    let transport = &session.receive["id"];
    let connect = json!({"transportId": transport, "dtlsParameters": dtls_parameters()});
    viewer
        .ask("connectWebRtcTransport", connect)
        .await
        .expect("connects");
    let mut kinds: Vec<Value> = Vec::new();
    while kinds.len() < 2 {
        let (question, consumer) = viewer.asked("newConsumer").await;
        viewer.accept(question).await;
        kinds.push(consumer["kind"].clone());
    }
    viewer
}

fn describe(dialect: &str, crowd: usize, path: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
    report(&format!(
        "{crowd} viewers at once, {path}, {dialect}: median {} ms, the last {} ms",
        median.as_millis(),
        last.as_millis()
    ));
}

/// A port behind which this one is, as far away as this one way.
async fn distance(port: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let far = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(there) = TcpStream::connect(("127.0.0.1", port)).await else {
                continue;
            };
            for stream in [&near, &there] {
                stream.set_nodelay(true).expect("a socket");
            }
            let ((from_near, to_near), (from_there, to_there)) =
                (near.into_split(), there.into_split());
            carry(from_near, to_there, delay);
            carry(from_there, to_near, delay);
        }
    });
    far
}

/// Everything takes so long, and nothing waits for anything else.
fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut under_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let arrival = Instant::now() + delay;
            if sender.send((arrival, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((arrival, bytes)) = under_way.recv().await {
            sleep_until(arrival.into()).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
}
