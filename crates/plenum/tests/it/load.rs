//! `plenum load` against real nodes: few peers, short runs, every scenario.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{process::Child, time::timeout};

use crate::{
    cluster::{Cluster, USER},
    node::{Node, command, report, signal},
};

mod clusters;

/// Generous: unoptimised clients, servers and other tests share few cores.
const LIMIT: Duration = Duration::from_mins(3);

/// Starts `plenum load` with these words.
fn start(urls: &[String], words: &str) -> Child {
    let mut process = command();
    process.arg("load").args(words.split_whitespace());
    for url in urls {
        process.args(["--url", url]);
    }
    process
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test")
}

async fn end(process: Child) -> Output {
    timeout(LIMIT, process.wait_with_output())
        .await
        .expect("ends in time")
        .expect("is our child")
}

fn url(node: &Node) -> String {
    format!("http://{}", node.door())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A run that must succeed, and its report.
async fn run(node: &Node, words: &str) -> Value {
    let output = end(start(&[url(node)], &format!("{words} --json"))).await;
    let said = text(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// So many have joined, all has come, and nothing went wrong.
fn went_well(words: &str, load: &Value, joined: u64) {
    report(&format!(
        "{words}: last answer {}, first packet {}, received {} packets",
        load["join"]["last_answer_ms"]["p99"],
        load["join"]["first_packet_ms"]["p99"],
        load["media"]["received"]["packets"],
    ));
    let about = format!("{words}: {:#}", load["errors"]);
    assert_eq!(
        load["errors"],
        serde_json::json!({}),
        "{about}: {}",
        load["error_samples"]
    );
    assert_eq!(load["peers"]["joined"], joined, "{about}");
    assert_eq!(load["peers"]["left"], joined, "{about}");
    assert_eq!(load["complete"], true, "{about}");
    let received = &load["media"]["received"];
    assert!(
        received["packets"].as_u64() > Some(0),
        "{about}: {received}"
    );
    assert_eq!(received["lost"], 0, "{about}: {received}");
    assert!(
        load["media"]["sent"]["packets"].as_u64() > Some(0),
        "{about}"
    );
    for stage in [
        "connect_ms",
        "ice_ms",
        "dtls_ms",
        "last_answer_ms",
        "first_packet_ms",
    ] {
        let stage = &load["join"][stage];
        assert!(stage["p50"].as_f64() > Some(0.0), "{about}: {stage}");
        assert!(stage["p99"].as_f64() >= stage["p50"].as_f64(), "{about}");
    }
    let server = &load["server"][0];
    // Its processes are seen here.
    assert_eq!(server["source"], "proc", "{about}: {server}");
    assert!(server["cpu_s"].as_f64() > Some(0.0), "{about}: {server}");
    let worker = &server["workers"][0];
    assert!(
        worker["memory_bytes_max"].as_f64() > Some(0.0),
        "{about}: {worker}"
    );
    assert!(load["saturated"].is_boolean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meeting_is_measured_from_connecting_to_the_last_packet() {
    let node = Node::start_workers(1, &[]).await;
    let dir = tempfile::tempdir().expect("a directory");
    let page = dir.path().join("report.html");
    let words =
        "meeting --peers 3 --duration 6s --video-bitrate 200k --assert errors==0 --assert loss==0%";
    let load = run(&node, &format!("{words} --html {}", page.display())).await;
    went_well(words, &load, 3);
    let join = &load["join"];
    assert_eq!(join["first_key_frame_ms"]["count"], 3);
    assert!(
        join["messages_ms"]["join"]["p50"].as_f64() > Some(0.0),
        "{join}"
    );
    let media = &load["media"];
    assert!(
        media["forwarding_delay_ms"]["count"].as_u64() > Some(0),
        "{media}"
    );
    // Two streams of each of the others.
    assert_eq!(media["jitter_ms"]["count"], 12, "{media}");
    assert!(
        media["received"]["key_frames"].as_u64() >= Some(6),
        "{media}"
    );
    assert_eq!(load["assertions"].as_array().map(Vec::len), Some(2));
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.contains("<svg") && page.contains("first key frame"));
    node.stats_when(|stats| stats["totalPeers"] == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_is_joined_through_every_protocol() {
    let node = Node::start_workers(1, &[]).await;
    for (dialect, message) in [
        ("socketio", "getRouterRtpCapabilities"),
        ("classic", "createWebRtcTransport"),
        ("fast", "join"),
    ] {
        let words = format!(
            "join-storm --peers 2 --joins 4 --rounds 2 --stay 2s --video-bitrate 200k --dialect {dialect}"
        );
        let load = run(&node, &words).await;
        went_well(&words, &load, 2 + 2 * 4);
        let join = &load["join"];
        // Those who were there before are not measured.
        assert_eq!(join["last_answer_ms"]["count"], 8, "{join}");
        assert_eq!(join["first_packet_ms"]["count"], 8, "{join}");
        assert_eq!(join["first_key_frame_ms"]["count"], 8, "{join}");
        let message = &join["messages_ms"][message];
        assert!(message["count"].as_u64() >= Some(8), "{join}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_send_to_many_and_sound_goes_alone() {
    let node = Node::start_workers(1, &[]).await;
    let words = "webinar --peers 5 --publishers 1 --simulcast --duration 5s --video-bitrate 300k";
    went_well(words, &run(&node, words).await, 5);
    let words = "audio --rooms 2 --peers 3 --duration 5s";
    let load = run(&node, words).await;
    went_well(words, &load, 6);
    assert_eq!(load["join"]["first_key_frame_ms"]["count"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_pictures_are_sent_in_every_codec_and_so_are_traces() {
    let node = Node::start_workers(1, &[]).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools");
    let files = format!("--video {folder}/load/media/vp8-90p.ivf,{folder}/load/media/vp8-180p.ivf");
    let trace = format!("--video trace:{folder}/testkit/traces/vp8-350k.csv --codec h264");
    let sent = [
        "--video clip",
        "--video clip --codec h264",
        "--video clip --codec av1",
        "--video clip --codec vp9",
        "--video clip --simulcast",
        "--video trace",
        "--svc L3T3_KEY --video-bitrate 300k",
        &files,
        &trace,
    ];
    // A few at a time: unoptimised peers need their time.
    for (group, sent) in sent.chunks(3).enumerate() {
        let runs = sent.iter().enumerate().map(async |(index, sent)| {
            let words = format!("meeting --peers 2 --duration 5s --room r{group}{index} {sent}");
            let load = run(&node, &words).await;
            went_well(&words, &load, 2);
            let (join, media) = (&load["join"], &load["media"]);
            assert_eq!(join["first_key_frame_ms"]["count"], 2, "{words}: {join}");
            // Encoded pictures say when they were captured, all others when they were written.
            let delay = &media["forwarding_delay_video_ms"];
            assert!(delay["count"].as_u64() > Some(20), "{words}: {delay}");
            load["run"].clone()
        });
        for (sent, run) in sent.iter().zip(futures_util::future::join_all(runs).await) {
            let is_layered = sent.contains("vp9") || sent.contains("svc");
            assert_eq!(run["svc"].is_string(), is_layered, "{sent}: {run}");
            assert!(
                run["video_bitrate_bps"].as_u64() > Some(50_000),
                "{sent}: {run}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_come_and_go_alone_and_beside_meetings() {
    let node = Node::start_workers(1, &[]).await;
    let words = "churn --peers 2 --rate 4 --stay 1500ms --duration 6s --video-bitrate 200k";
    let load = run(&node, words).await;
    let joined = load["peers"]["joined"].as_u64().expect("a number");
    assert!(joined > 10, "{}", load["peers"]);
    assert_eq!(load["errors"], serde_json::json!({}));
    assert!(load["media"]["received"]["packets"].as_u64() > Some(0));
    assert!(load["server_cpu_ms_per_join"].as_f64() > Some(0.0));

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("evening.toml");
    let scenarios = "duration = \"5s\"\nvideo_bitrate = \"150k\"\n[[scenario]]\nkind = \"meeting\"\nrooms = 2\npeers = 2\n\
                     [[scenario]]\nkind = \"audio\"\npeers = 2\ndialect = \"classic\"\n";
    std::fs::write(&file, scenarios).expect("written");
    let words = format!("run {}", file.display());
    let load = run(&node, &words).await;
    went_well(&words, &load, 6);
    assert_eq!(load["run"]["rooms"], 3);
}

#[tokio::test]
async fn an_assertion_decides_the_exit_status_and_a_wrong_one_is_refused_before_the_run() {
    let node = Node::start_workers(1, &[]).await;
    let words = "audio --peers 2 --duration 2s --assert join.p99<1us --assert failed==0";
    let output = end(start(&[url(&node)], words)).await;
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("FAILED  join.last_answer_ms.p99<1us: it is"),
        "{said}"
    );
    assert!(said.contains("misses it by"), "{said}");
    assert!(said.contains("holds   peers.failed==0"), "{said}");

    let nowhere = ["http://127.0.0.1:9".to_owned()];
    let output = end(start(&nowhere, "audio --assert jion.p99<1s")).await;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("\"jion.p99\" is no figure"), "{said}");
    let said = text(&output.stdout) + &said;
    assert!(!said.contains("joined"), "nothing was run: {said}");
}

#[tokio::test]
async fn where_nobody_answers_the_report_says_so() {
    let nowhere = ["http://127.0.0.1:9".to_owned()];
    let output = end(start(&nowhere, "audio --peers 2 --duration 1s --json")).await;
    assert_eq!(output.status.code(), Some(1));
    let load: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let peers = &load["peers"];
    assert_eq!(peers["joined"], 0, "{peers}");
    assert!(load["server"][0]["error"].is_string());
    assert!(text(&output.stderr).contains("nobody joined"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_show_tokens_where_they_are_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = dir.path().join("token.secret");
    std::fs::write(&key, "a secret that is long enough to be one of those\n").expect("written");
    let keys = format!("auth.keys={}", key.display());
    let settings = [
        &["--set", "auth.mode=token", "--set", &keys][..],
        &["--set", "auth.issuer=us", "--set", "auth.audience=rooms"],
    ];
    let node = Node::start_workers(1, &settings.concat()).await;
    let key = key.display();
    let words = format!("audio --peers 2 --duration 4s --key {key} --issuer us --audience rooms");
    went_well(&words, &run(&node, &words).await, 2);
    let output = end(start(&[url(&node)], "audio --peers 2 --duration 2s --json")).await;
    let load: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(load["peers"]["failed"], 2, "{}", load["errors"]);
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_at_a_node_that_dies_is_counted_when_back_and_ctrl_c_ends_with_a_report() {
    const PEERS: u64 = 4;
    let mut cluster = Cluster::three(USER).await;
    let urls: Vec<_> = (0..2).map(|index| url(cluster.node(index))).collect();
    let words = "audio --peers 4 --duration 10m --json";
    let load = start(&urls, words);
    let pid = i32::try_from(load.id().expect("runs")).expect("process ids are small");
    let everybody = |stats: &Value| stats["totalPeers"].as_u64() == Some(PEERS / 2);
    cluster.node(0).stats_when(everybody).await;
    cluster.node(1).stats_when(everybody).await;
    cluster.member_mut(1).kill().await;
    // Where else they go is for the cluster to say.
    crate::cluster::until("everybody is back", async || {
        let mut there = 0;
        for index in [0, 2] {
            let stats = cluster.node(index).get_json("/stats").await;
            there += stats["totalPeers"].as_u64().unwrap_or_default();
        }
        (there == PEERS).then_some(())
    })
    .await;
    signal(pid, "INT");
    let output = end(load).await;
    let load: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(load["complete"], false);
    assert_eq!(load["peers"]["joined"], PEERS, "{}", load["errors"]);
    assert_eq!(load["peers"]["lost"], 0, "{}", load["errors"]);
    let reconnects = &load["reconnects"];
    report(&format!("reconnects: {reconnects}"));
    assert!(
        reconnects["count"].as_u64() >= Some(PEERS / 2),
        "{reconnects}"
    );
    let rejoined = reconnects["rejoined_ms"]["max"].as_f64();
    assert!(rejoined > Some(0.0), "{reconnects}");
    // Not only when the time was over for which the dead node would have kept their sessions.
    let kept = 10_000.0;
    assert!(rejoined < Some(kept), "{reconnects}");
    let dead = &load["server"][1];
    assert!(dead["misses"].as_u64() > Some(0), "{dead}");
}
