//! What workers log, and how that is changed while they run.

use std::{process::Stdio, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::Mutex,
    time::timeout,
};

use crate::{
    client::{Client, join},
    node::{Node, PATIENCE, command, rtc_ports, signal},
};

/// A request with a JSON body; status code and answer.
pub(crate) async fn put(port: u16, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("listens");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut response = String::new();
    let reading = timeout(PATIENCE, stream.read_to_string(&mut response)).await;
    reading.expect("answers in time").expect("reads");
    let (head, body) = response.split_once("\r\n\r\n").expect("a header");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (
        code.expect("a status"),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

#[tokio::test]
async fn what_a_worker_logs_can_be_read_and_changed() {
    let node = Node::start().await;
    let path = "/api/v1/workers/1/log";
    let before = node.get_json(path).await;
    assert_eq!(before["level"], "info");
    assert_eq!(before["tags"].as_array().map(Vec::len), Some(12));
    let wanted = json!({"level": "debug", "tags": ["ice", "dtls"]});
    assert_eq!(put(node.port, path, &wanted).await, (200, wanted.clone()));
    assert_eq!(node.get_json(path).await, wanted);
    // The other one goes on as before.
    assert_eq!(node.get_json("/api/v1/workers/0/log").await, before);

    for (path, body, code) in [
        (path, json!({"level": "loud", "tags": []}), 400),
        (path, json!({"level": "info", "tags": ["icy"]}), 400),
        (path, json!({"level": "info"}), 400),
        ("/api/v1/workers/7/log", wanted.clone(), 404),
        ("/api/v1/workers/x/log", wanted.clone(), 404),
    ] {
        let (is, answer) = put(node.port, path, &body).await;
        assert_eq!(
            (is, &answer["code"]),
            (code, &json!(code)),
            "{path} {body}: {answer}"
        );
    }
    assert_eq!(node.get("/api/v1/workers/7/log").await.0, 404);
    assert_eq!(node.get_json(path).await, wanted, "nothing was half done");
}

#[tokio::test]
async fn a_worker_that_is_started_again_logs_as_it_was_told() {
    let mut child = command()
        .args(["serve", "--port", "0", "--workers", "1"])
        .args(rtc_ports(1))
        .args(["--set", "log.format=json", "--set", "log.level=warn"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = timeout(PATIENCE, lines.next_line()).await.expect("in time");
    let ready = ready
        .expect("readable")
        .expect("the node says that it is ready");
    let port = ready
        .split("localhost:")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let port: u16 = port.expect("a port").parse().expect("a number");
    let log = Arc::new(Mutex::new(
        BufReader::new(child.stderr.take().expect("piped")).lines(),
    ));
    // A line of the worker's, as JSON with its number.
    let changed = || {
        let log = Arc::clone(&log);
        async move {
            loop {
                let line = timeout(PATIENCE, log.lock().await.next_line()).await;
                let line = line.expect("in time").expect("readable").expect("it runs");
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if line["message"] == "log changed" {
                    return line;
                }
            }
        }
    };
    let wanted = json!({"level": "info", "tags": ["info", "bwe"]});
    let path = "/api/v1/workers/0/log";
    assert_eq!(put(port, path, &wanted).await.0, 200);
    let line = changed().await;
    assert_eq!(
        (&line["tags"], &line["span"]["worker"]),
        (&json!("info bwe"), &json!("0"))
    );
    let workers = crate::node::raw_get(port, "/workers").await;
    let (_, body) = workers.split_once("\r\n\r\n").expect("a body");
    let workers: Value = serde_json::from_str(body).expect("JSON");
    let pid = workers["workers"][0]["pid"].as_i64().expect("runs");
    signal(i32::try_from(pid).expect("small"), "KILL");
    assert_eq!(changed().await["tags"], "info bwe");
}

#[tokio::test]
async fn rooms_are_looked_at_now_and_then() {
    let mut child = command()
        .args(["serve", "--port", "0", "--workers", "1"])
        .args(rtc_ports(1))
        .args(["--set", "log.format=json", "--set", "log.room_status_s=1"])
        .args(["--set", "log.level=info,plenum::room_status=debug"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built for this test");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = timeout(PATIENCE, lines.next_line()).await.expect("in time");
    let ready = ready.expect("readable").expect("it is ready");
    let port = ready.split("localhost:").nth(1);
    let port = port.and_then(|rest| rest.split(' ').next());
    let port: u16 = port.expect("a port").parse().expect("a number");
    let mut ada = Client::connect(port, "standup", "ada").await;
    join(&mut ada, "Ada").await;
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut all = Value::Null;
    let each = timeout(PATIENCE, async {
        loop {
            let line = log.next_line().await.expect("readable").expect("it runs");
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            match line["message"].as_str() {
                Some("status of all rooms") => all = line,
                Some("status of a room") if line["peers"] == 1 => return line,
                _ => {}
            }
        }
    });
    let each = each.await.expect("within some looks");
    assert_eq!(
        (&each["namespace"], &each["room"]),
        (&json!("default"), &json!("standup"))
    );
    assert_eq!((&all["rooms"], &all["peers"]), (&json!(1), &json!(1)));
}
