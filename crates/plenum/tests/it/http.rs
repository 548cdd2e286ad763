//! HTTP requests with a body, and what of the answers matters to tests.

use std::fmt::Write as _;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::node::{Node, PATIENCE};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// All values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers(name);
        found
            .first()
            .copied()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }
}

impl Node {
    /// A request with these headers and this body.
    pub(crate) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        let _ = write!(request, "Content-Length: {}\r\n\r\n{body}", body.len());
        let exchange = async {
            let mut stream = TcpStream::connect(self.door()).await.expect("listens");
            stream.write_all(request.as_bytes()).await.expect("writes");
            let mut response = Vec::new();
            stream.read_to_end(&mut response).await.expect("reads");
            String::from_utf8_lossy(&response).into_owned()
        };
        let response = timeout(PATIENCE, exchange).await.expect("answers in time");
        let (head, body) = response.split_once("\r\n\r\n").expect("a header");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer {
            code: code.expect("a status line"),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A request with JSON.
    pub(crate) async fn http_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("Content-Type", "application/json")];
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.http(method, path, &headers, &text).await
    }
}
