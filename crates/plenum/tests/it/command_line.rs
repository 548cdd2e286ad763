//! Flags, files and refusals of the command line.

use std::{net::UdpSocket, process::Output};

use tokio::{net::TcpListener, time::timeout};

use crate::node::{Node, PATIENCE, command, rtc_ports};

async fn run(arguments: &[&str]) -> Output {
    timeout(PATIENCE, command().args(arguments).output())
        .await
        .expect("ends in time")
        .expect("runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_node_says_when_and_where_it_is_ready() {
    let node = Node::start().await;
    assert!(
        node.ready_line
            .starts_with("Plenum is ready: http://localhost:")
    );
    assert!(node.ready_line.contains(" ms"), "{}", node.ready_line);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = taken.local_addr().expect("bound").port().to_string();
    let mut arguments = vec!["serve", "--port", &port, "--workers", "1"];
    let ports = rtc_ports(2);
    arguments.extend(ports.iter().map(String::as_str));
    let output = run(&arguments).await;
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.contains(&port) && message.contains("in use"),
        "{message}"
    );
}

#[tokio::test]
async fn a_media_port_of_another_program_is_named_with_its_setting() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let port = taken.local_addr().expect("bound").port();
    let setting = format!("rtc.min_port={port}");
    let arguments = ["serve", "--port", "0", "--workers", "1", "--set", &setting];
    let output = run(&[&arguments[..], &["--set", "rtc.ports_per_worker=1"]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    for word in [
        &format!("127.0.0.1:{port}"),
        "worker 0",
        "rtc.min_port",
        "in use",
    ] {
        assert!(message.contains(word), "{word} in {message}");
    }
}

#[tokio::test]
async fn signalling_in_the_midst_of_media_ports_is_refused() {
    let output = run(&["serve", "--port", "11500", "--workers", "2"]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    for word in ["http.port 11500", "worker 1", "rtc.min_port"] {
        assert!(message.contains(word), "{word} in {message}");
    }
}

#[tokio::test]
async fn firewall_rules_follow_the_settings() {
    let arguments = ["config", "ports", "--workers", "3", "--format", "ufw"];
    let settings = [
        "--set",
        "rtc.listen_ip=192.0.2.1",
        "--set",
        "rtc.min_port=20000",
    ];
    let output = run(&[&arguments[..], &settings].concat()).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rules = text(&output.stdout);
    assert!(rules.contains("ufw allow 20000:22999/udp"), "{rules}");
    assert!(rules.contains("ufw allow 20000:22999/tcp"), "{rules}");
    assert!(
        !rules.contains("3000/"),
        "signalling is on loopback: {rules}"
    );

    let many = run(&["config", "ports", "--workers", "100", "--format", "table"]).await;
    let table = text(&many.stdout);
    assert!(table.contains("media of worker 99"), "{table}");
    assert!(table.contains("would not fit"), "{table}");
}

#[tokio::test]
async fn a_public_address_needs_a_word_of_consent() {
    let output = run(&["serve", "--listen", "0.0.0.0", "--port", "0"]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("--insecure"), "{message}");

    let node = Node::start_with(&[
        "--listen",
        "0.0.0.0",
        "--announced-ip",
        "127.0.0.1",
        "--insecure",
    ])
    .await;
    assert_eq!(node.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn an_unknown_setting_is_an_error_that_names_its_neighbour() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "[rtc]\nmin_prot = 20000\n").expect("writes");
    let path = file.path().to_str().expect("text");
    let output = run(&["config", "--config", path]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.contains("min_prot") && message.contains("min_port"),
        "{message}"
    );
    assert_eq!(
        message.matches("min_prot").count(),
        1,
        "said once: {message}"
    );
}

#[tokio::test]
async fn the_sample_is_a_valid_file_and_flags_win() {
    let sample = run(&["config", "--sample"]).await;
    assert!(sample.status.success());
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &sample.stdout).expect("writes");
    let path = file.path().to_str().expect("text");
    let output = run(&["config", "--config", path, "--set", "rtc.min_port=23456"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("min_port = 23456"));
}

#[tokio::test]
async fn help_has_examples_and_version_names_the_revision() {
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["config", "--help"],
        &["config", "ports", "--help"],
        &["sim", "--help"],
    ] {
        let help = text(&run(arguments).await.stdout);
        assert!(help.contains("Examples:"), "{help}");
    }
    let help = text(&run(&["--help"]).await.stdout);
    assert!(help.contains("\n  serve "), "{help}");
    assert!(!help.contains("\n  worker "), "{help}");
    let version = text(&run(&["--version"]).await.stdout);
    assert!(
        version.starts_with("plenum ") && version.contains('('),
        "{version}"
    );
}

#[tokio::test]
async fn placement_can_be_tried_in_a_world_of_its_own() {
    let world = ["--nodes", "20", "--users", "300", "--hours", "1"];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a plain name");
    let wishes = ["sim", "--policy", "room,random", "--json", "--write", path];
    let output = run(&[&wishes[..], &world].concat()).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["results"][1]["choice"], "random");
    assert!(folder.path().join("README.md").exists());

    let output = run(&["sim", "--policy", "nearest"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("expected room, user, stream, broadcast or random"));
}

#[tokio::test]
async fn settings_and_machine_can_be_checked() {
    let output = command().args(["config", "check"]).output().await;
    let output = output.expect("runs");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("The settings are sound."), "{text}");
    let arguments = ["config", "check", "--set", "rtc.min_port=0"];
    let output = command().args(arguments).output().await.expect("runs");
    assert!(!output.status.success());
}
