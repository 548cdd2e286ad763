//! Ready-made clusters: the examples of `deploy/examples`, and the script behind `make cluster`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use super::{CLIENTS, Place, TURNS, alive, free_port, redis::Redis, until};
use crate::{
    client::{Client, join},
    node::{
        BINARY, HASTE, Node, PATIENCE, all_gone, away_from_settings, is_alive, raw_get,
        rtc_ports_each, signal,
    },
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A node with the settings of an example, but for what other machines would have.
async fn start(file: &str, settings: &[String]) -> Node {
    let mut process = Command::new(BINARY);
    let file = root().join("deploy/examples").join(file);
    process
        .arg("serve")
        .arg("--config")
        .arg(&file)
        .args(["--insecure", "--workers", "1"])
        // What the example names beside it is found there.
        .current_dir(file.parent().expect("in a folder"))
        .args(rtc_ports_each(1, 4))
        .args(HASTE)
        .kill_on_drop(true);
    let port = free_port();
    let here = [
        "http.listen_ip=127.0.0.1".to_owned(),
        format!("http.port={port}"),
        "tls.mode=off".to_owned(),
        "auth.mode=none".to_owned(),
        "rtc.listen_ip=127.0.0.1".to_owned(),
        "rtc.announced_ip=127.0.0.1".to_owned(),
    ];
    for setting in here.iter().chain(settings) {
        process.args(["--set", setting]);
    }
    Node::launch(away_from_settings(process)).await
}

/// What a node of a cluster has of its own, on one machine.
fn own(dir: &Path, name: &str) -> Vec<String> {
    let link = free_port();
    let data = dir.join(name);
    std::fs::create_dir(&data).expect("made");
    vec![
        format!("node.id={name}"),
        format!("node.data_dir={}", data.display()),
        format!("cluster.listen=127.0.0.1:{link}"),
        format!("cluster.address=127.0.0.1:{link}"),
        "cluster.media_address=127.0.0.1".to_owned(),
    ]
}

#[tokio::test]
async fn a_single_machine() {
    let _turn = TURNS.acquire().await.expect("never closed");
    let node = start("single/node.toml", &[]).await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    join(&mut ada, "Ada").await;
    ada.leave().await;
}

/// What the Redis of an example asks for.
const PASSWORD: &str = "a password of nodes";

async fn guarded_redis() -> Redis {
    Redis::start_with(&Place::HERE, &["--requirepass", PASSWORD]).await
}

/// Two nodes with these settings; somebody at each, who sees the other.
async fn two_meet(files: [&str; 2], doors: [usize; 2], settings: &[String]) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut nodes = Vec::new();
    for (file, name) in files.into_iter().zip(["one", "two"]) {
        let settings = settings.iter().map(|it| it.replace("NAME", name));
        let settings: Vec<_> = settings.chain(own(dir.path(), name)).collect();
        nodes.push(start(file, &settings).await);
    }
    for node in &nodes {
        until("both in the list", async || {
            (alive(node).await.len() == 2).then_some(())
        })
        .await;
    }
    let mut ada = Client::connect_from(&nodes[doors[0]], "room", "ada", CLIENTS[0]).await;
    join(&mut ada, "Ada").await;
    let mut bob = Client::connect_from(&nodes[doors[1]], "room", "bob", CLIENTS[0]).await;
    let session = join(&mut bob, "Bob").await;
    assert_eq!(session.joined["peers"][0]["id"], "ada");
    assert_eq!(ada.notified("newPeer").await["id"], "bob");
}

fn secret(dir: &Path) -> String {
    let secret = dir.join("secret");
    std::fs::write(&secret, "a secret of nodes on one machine\n").expect("written");
    format!("cluster.secret_file={}", secret.display())
}

fn password(dir: &Path) -> String {
    let file = dir.join("password");
    std::fs::write(&file, PASSWORD).expect("written");
    format!("cluster.redis_password_file={}", file.display())
}

/// A certificate for each of the two nodes, in files named after them.
fn certificates(dir: &Path) -> Vec<String> {
    let mut authority = CertificateParams::new([]).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(authority, key).expect("a certificate");
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).expect("written");
    write("authority.pem", issuer.pem());
    for name in ["one", "two"] {
        let key = KeyPair::generate().expect("a key");
        let node = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = node.signed_by(&key, &issuer).expect("signed");
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
    let dir = dir.display();
    vec![
        format!("cluster.authority={dir}/authority.pem"),
        format!("cluster.certificate={dir}/NAME.pem"),
        format!("cluster.key={dir}/NAME.key"),
    ]
}

#[tokio::test]
async fn a_site_of_its_own() {
    let _turn = TURNS.acquire().await.expect("never closed");
    let redis = guarded_redis().await;
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [
        format!("cluster.redis={}", redis.url()),
        secret(dir.path()),
        password(dir.path()),
    ];
    two_meet(["private-site/node.toml"; 2], [0, 1], &settings).await;
}

#[tokio::test]
async fn one_region_with_sentinels() {
    let _turn = TURNS.acquire().await.expect("never closed");
    let redis = guarded_redis().await;
    let guard = format!("sentinel auth-pass plenum {PASSWORD:?}");
    let sentinel = Redis::sentinel(&Place::HERE, "plenum", redis.port, 1, &guard).await;
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [
        format!("cluster.sentinels={}", sentinel.url()),
        secret(dir.path()),
        password(dir.path()),
    ];
    two_meet(["one-region/node.toml"; 2], [0, 1], &settings).await;
}

#[tokio::test]
async fn a_country_with_its_providers() {
    let _turn = TURNS.acquire().await.expect("never closed");
    let redis = guarded_redis().await;
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [
        format!("cluster.redis={}", redis.url()),
        secret(dir.path()),
        password(dir.path()),
        // Which is asked for nothing here, but has to be there.
        certificates(dir.path())
            .swap_remove(0)
            .replace("cluster.authority", "cluster.redis_authority"),
    ];
    two_meet(["country-isp/node.toml"; 2], [0, 1], &settings).await;
}

#[tokio::test]
async fn the_whole_world() {
    let _turn = TURNS.acquire().await.expect("never closed");
    let redis = guarded_redis().await;
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [
        vec![
            format!("cluster.redis={}", redis.url()),
            password(dir.path()),
            // Which do not come with the example.
            "cluster.geo_databases=".to_owned(),
        ],
        certificates(dir.path()),
    ];
    // Those of one node do not do for another: each has its own by its name.
    two_meet(
        ["global/signal.toml", "global/media.toml"],
        [0, 0],
        &settings.concat(),
    )
    .await;
}

/// The settings of the `ConfigMap`, as a file.
fn config_map(dir: &Path) -> PathBuf {
    let manifest = root().join("deploy/kubernetes/plenum.yaml");
    let manifest = std::fs::read_to_string(manifest).expect("in the tree");
    let (_, after) = manifest.split_once("  plenum.toml: |\n").expect("settings");
    let lines = after.lines();
    let settings = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let settings = settings.map(|line| line.strip_prefix("    ").unwrap_or_default());
    let settings: Vec<_> = settings.collect();
    assert!(settings.len() > 20, "{settings:?}");
    let file = dir.join("plenum.toml");
    std::fs::write(&file, settings.join("\n")).expect("written");
    file
}

#[tokio::test]
async fn pods() {
    let _turn = TURNS.acquire().await.expect("never closed");
    let redis = guarded_redis().await;
    let dir = tempfile::tempdir().expect("a directory");
    let settings = [
        format!("cluster.redis={}", redis.url()),
        secret(dir.path()),
        password(dir.path()),
        // One machine for each.
        "metrics.port=0".to_owned(),
    ];
    let file = config_map(dir.path());
    let file = file.to_str().expect("text");
    two_meet([file; 2], [0, 1], &settings).await;
}

#[tokio::test]
async fn one_command_starts_a_cluster_and_takes_it_down_again() {
    let _turn = TURNS.acquire().await.expect("never closed");
    // Ports in a row, which no other test takes.
    let port = 3100 + u16::try_from(std::process::id() % 40).expect("small") * 20;
    let redis = free_port();
    let temporary = tempfile::tempdir().expect("a directory");
    let media = rtc_ports_each(3, 80).into_iter().find_map(|flag| {
        let port = flag.strip_prefix("rtc.min_port=")?;
        Some(port.to_owned())
    });
    let script = Command::new(root().join("scripts/cluster.sh"));
    let mut script = away_from_settings(script)
        .arg(BINARY)
        .env("CLUSTER_PORT", port.to_string())
        .env("CLUSTER_MEDIA_PORT", media.expect("a range"))
        .env("CLUSTER_MEDIA_PORTS", "80")
        .env("CLUSTER_REDIS_PORT", redis.to_string())
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script is in the tree");
    let mut lines = BufReader::new(script.stdout.take().expect("piped")).lines();
    timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("readable") {
            if line.contains("Ctrl-C") {
                return;
            }
        }
        panic!("it ended");
    })
    .await
    .expect("starts in time");
    let nodes = until("three nodes", async || {
        let response = raw_get(port, "/api/v1/nodes").await;
        let (_, body) = response.split_once("\r\n\r\n")?;
        let body: Value = serde_json::from_str(body).ok()?;
        let count = body["nodes"].as_array()?.len();
        (count == 3).then_some(count)
    })
    .await;
    assert_eq!(nodes, 3);
    let pid = i32::try_from(script.id().expect("runs")).expect("small");
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children: Vec<i32> = children
        .expect("Linux tells them")
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect();
    assert!(children.len() >= 4, "{children:?}");
    assert!(children.iter().all(|pid| is_alive(*pid)));
    signal(pid, "INT");
    let ended = timeout(PATIENCE, script.wait())
        .await
        .expect("ends in time");
    assert_eq!(ended.expect("our child").code(), Some(130));
    all_gone(&children).await;
    let left = std::fs::read_dir(temporary.path()).expect("there").count();
    assert_eq!(left, 0, "it cleans up behind it");
}
