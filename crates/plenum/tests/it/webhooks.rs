//! What happens in rooms, posted to a receiver outside.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::{
    client::{Client, join, produce_audio},
    node::{Node, PATIENCE},
};

const SECRET: &str = "a secret that nobody guesses";

/// A receiver that answers with these codes first, and takes everything afterwards.
struct Receiver {
    url: String,
    taken: watch::Receiver<Vec<Value>>,
}

impl Receiver {
    async fn start(codes: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (sender, taken) = watch::channel(Vec::new());
        let mut codes = codes.iter().copied().collect::<VecDeque<_>>();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("listens");
                let code = codes.pop_front().unwrap_or(204);
                let event = answer(&mut stream, code).await;
                if code == 204 {
                    sender.send_modify(|taken: &mut Vec<Value>| taken.push(event));
                }
            }
        });
        Self {
            url: format!("http://{address}/hook"),
            taken,
        }
    }

    /// What was taken, when it satisfies a condition.
    async fn when(&mut self, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let enough = self.taken.wait_for(|taken| condition(taken));
        let taken = timeout(PATIENCE, enough).await.expect("in time");
        taken.expect("it serves").clone()
    }
}

/// Reads one delivery, checks what is on it, and answers.
async fn answer(stream: &mut TcpStream, code: u16) -> Value {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.expect("reads");
        bytes.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let wanted: usize = header(head, "content-length").parse().expect("a number");
        if body.len() == wanted {
            break (head.to_owned(), body.to_owned());
        }
    };
    let answer = format!("HTTP/1.1 {code} x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let answer = if code == 204 {
        "HTTP/1.1 204 x\r\nConnection: close\r\n\r\n".to_owned()
    } else {
        answer
    };
    stream.write_all(answer.as_bytes()).await.expect("writes");
    let event: Value = serde_json::from_str(&body).expect("JSON");
    let signature = header(&head, "plenum-signature");
    let (time, hex) = signature.split_once(",v1=").expect("a signature");
    assert!(time.starts_with("t=") && hex.len() == 64, "{signature}");
    assert_eq!(event["event"], header(&head, "plenum-event"));
    assert_eq!(event["id"], header(&head, "plenum-delivery"));
    event
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines
        .into_iter()
        .find(|(is, _)| is.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

fn names(taken: &[Value]) -> Vec<&str> {
    let names = taken.iter().map(|event| event["event"].as_str());
    names.flatten().collect()
}

fn flags(receiver: &Receiver, attempts: &str) -> Vec<String> {
    let sets = [
        format!("webhooks.url={}", receiver.url),
        format!("webhooks.secret={}", SECRET.replace(' ', "-")),
        format!("webhooks.max_attempts={attempts}"),
    ];
    sets.into_iter()
        .flat_map(|set| ["--set".to_owned(), set])
        .collect()
}

#[tokio::test]
async fn a_receiver_hears_of_a_room_from_its_beginning_to_its_end() {
    let mut receiver = Receiver::start(&[500, 503]).await;
    let flags = flags(&receiver, "10");
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let node = Node::start_with(&flags).await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let session = join(&mut ada, "Ada").await;
    produce_audio(&mut ada, &session).await;
    ada.leave().await;
    let taken = receiver
        .when(|taken| names(taken).contains(&"roomClosed"))
        .await;
    assert_eq!(
        names(&taken),
        [
            "roomOpened",
            "peerJoined",
            "producerAdded",
            "peerLeft",
            "roomClosed"
        ]
    );
    for (index, event) in taken.iter().enumerate() {
        assert_eq!(event["sequence"], index + 1, "{event}");
        assert_eq!(
            (&event["namespace"], &event["room"]),
            (&json!("default"), &json!("room"))
        );
    }
    assert_eq!(taken[1]["data"]["peerId"], "ada");
    let status = node.get_json("/api/v1/webhooks").await;
    assert_eq!(status["targets"][0]["failures"], 2);
}

#[tokio::test]
async fn dead_letters_are_seen_and_sent_again_by_operators() {
    let mut receiver = Receiver::start(&[410]).await;
    let flags = flags(&receiver, "1");
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let node = Node::start_with(&flags).await;
    let _ada = Client::connect(node.port, "room", "ada").await;
    let dead = timeout(PATIENCE, async {
        loop {
            let mut dead = node.get_json("/api/v1/webhooks/dead-letters").await;
            if let Some(first) = dead["deadLetters"].get_mut(0) {
                return first.take();
            }
            tokio::task::yield_now().await;
        }
    });
    let dead = dead.await.expect("it is given up in time");
    assert_eq!(dead["reason"], "HTTP 410");
    assert_eq!(dead["payload"]["event"], "roomOpened");
    let id = dead["id"].as_str().expect("an id");
    let path = format!("/api/v1/webhooks/dead-letters/{id}/retry");
    let (code, answer) = node.admin("POST", &path, "").await;
    assert_eq!((code, answer), (200, json!({"retried": 1, "left": 0})));
    receiver
        .when(|taken| names(taken).contains(&"roomOpened"))
        .await;
    assert_eq!(node.admin("POST", &path, "").await.0, 404);
}

#[tokio::test]
async fn a_node_with_webhooks_that_cannot_work_does_not_start() {
    let output = crate::node::command()
        .args([
            "config",
            "check",
            "--set",
            "webhooks.url=https://example.org",
        ])
        .output()
        .await
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("webhooks.secret"),
        "{text}"
    );
}
