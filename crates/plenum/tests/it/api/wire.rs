//! HTTP by hand: what a careful client would not send, too.

use std::fmt::Write as _;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::node::PATIENCE;

/// Somebody with a key, or without one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    port: u16,
    key: Option<&'static str>,
}

/// What the node said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: String,
}

impl Caller {
    pub(super) const fn new(port: u16, key: Option<&'static str>) -> Self {
        Self { port, key }
    }

    /// `null` is no body.
    pub(super) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = match body {
            Value::Null => None,
            body => Some(body.to_string().into_bytes()),
        };
        self.send(method, path, body.as_deref()).await
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        let answered = timeout(PATIENCE, self.exchange(method, path, body));
        let answer = answered.await.expect("answers in time");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer {
            code: code.unwrap_or_else(|| panic!("{method} {path}: no status in {answer:?}")),
            body: body.to_owned(),
        }
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&[u8]>) -> String {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if let Some(key) = self.key {
            let _ = write!(head, "X-Api-Key: {key}\r\n");
        }
        if let Some(body) = body {
            let length = body.len();
            let _ = write!(
                head,
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            );
        }
        head += "\r\n";
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .expect("listens");
        stream.write_all(head.as_bytes()).await.expect("writes");
        // Who sends too much is answered before it has sent everything.
        let _ = stream.write_all(body.unwrap_or_default()).await;
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response).await;
        String::from_utf8_lossy(&response).into_owned()
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        assert!(self.code < 300, "{} {}", self.code, self.body);
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// It has the shape of all refusals.
    pub(super) fn check_refusal(&self) {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let is_whole = body["code"] == self.code
            && body["reason"].as_str().is_some_and(|it| !it.is_empty())
            && body["retryable"].is_boolean();
        assert!(is_whole, "{}: {:?}", self.code, self.body);
    }
}
