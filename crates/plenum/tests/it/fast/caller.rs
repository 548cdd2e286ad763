//! A client of our own dialect by hand, whose socket breaks when the test wants it.

use std::{collections::VecDeque, net::Ipv4Addr};

use futures_util::{SinkExt as _, StreamExt as _};
use plenum_params::transport::DtlsParameters;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::{
    client::{dtls_parameters, receiver_capabilities},
    node::PATIENCE,
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A client, which checks the numbers of what it is told.
pub(crate) struct Caller {
    port: u16,
    socket: Option<Socket>,
    pub(crate) welcome: Value,
    /// The last frame that has been seen.
    pub(crate) seen: u64,
    next_id: u64,
    backlog: VecDeque<Value>,
    /// How often it had to hear something before it went on.
    pub(crate) turns: u32,
    has_heard: bool,
}

/// Code and reason.
pub(crate) type Closed = (u16, String);

impl Caller {
    pub(crate) async fn connect(port: u16, room: &str, peer: &str) -> Self {
        Self::connect_to(port, &format!("room={room}&peer={peer}")).await
    }

    /// Returns when it is welcome.
    pub(crate) async fn connect_to(port: u16, query: &str) -> Self {
        Self::welcomed(port, open(port, query).await).await
    }

    /// Seems to be at that address, to a node that believes its proxies.
    pub(crate) async fn connect_from(port: u16, query: &str, from: Ipv4Addr) -> Self {
        Self::welcomed(port, open_from(port, query, Some(from)).await).await
    }

    async fn welcomed(port: u16, socket: Socket) -> Self {
        let mut caller = Self {
            port,
            socket: Some(socket),
            welcome: Value::Null,
            seen: 0,
            next_id: 1,
            backlog: VecDeque::new(),
            turns: 0,
            has_heard: false,
        };
        caller.welcome = caller.notified("welcome").await;
        assert_eq!(caller.seen, 1);
        caller
    }

    /// How somebody is turned away.
    pub(crate) async fn refused(port: u16, query: &str) -> Closed {
        end(&mut open(port, query).await).await
    }

    /// The same of who seems to be at that address.
    pub(crate) async fn refused_from(port: u16, query: &str, from: Ipv4Addr) -> Closed {
        end(&mut open_from(port, query, Some(from)).await).await
    }

    /// What connects a transport of this name by any certificate.
    pub(crate) fn any_certificate(&self) -> Value {
        let transports = self.welcome["transports"].as_object().expect("some");
        let connect = transports.values().map(|transport| {
            json!({"transportId": transport["transportId"], "dtlsParameters": dtls_parameters()})
        });
        connect.collect()
    }

    /// What connects these transports.
    pub(crate) fn certificates<const N: usize>(
        &self,
        transports: [(&str, DtlsParameters); N],
    ) -> Value {
        let connect = transports.into_iter().map(|(direction, dtls)| {
            let transport = &self.welcome["transports"][direction];
            json!({"transportId": transport["transportId"], "dtlsParameters": dtls})
        });
        connect.collect()
    }

    /// The data of a `join`.
    pub(crate) fn join_data(&self, name: &str, transports: &Value) -> Value {
        json!({
            "displayName": name, "device": {"flag": "test"}, "transports": transports,
            "rtpCapabilities": receiver_capabilities(&self.welcome["routerRtpCapabilities"]),
        })
    }

    pub(crate) async fn join(&mut self, name: &str) -> Value {
        let data = self.join_data(name, &self.any_certificate());
        self.ask("join", data).await.expect("joins")
    }

    /// The data of a `produce`.
    pub(crate) fn produce_data(&self, kind: &str, rtp_parameters: &Value) -> Value {
        let transport = &self.welcome["transports"]["send"]["transportId"];
        json!({"transportId": transport, "kind": kind, "rtpParameters": rtp_parameters, "appData": {}})
    }

    pub(crate) async fn ask(&mut self, method: &str, data: Value) -> Result<Value, (i64, String)> {
        let id = self.request(method, data).await;
        self.answer(id).await
    }

    /// Returns at once, with the identifier.
    pub(crate) async fn request(&mut self, method: &str, data: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.request_as(id, method, data).await;
        id
    }

    pub(crate) async fn request_as(&mut self, id: u64, method: &str, data: Value) {
        let request = json!({"request": true, "id": id, "method": method, "data": data});
        self.send(&request).await;
    }

    pub(crate) async fn answer(&mut self, id: u64) -> Result<Value, (i64, String)> {
        let answer = self
            .wait_for(|message| message["response"] == true && message["id"] == id)
            .await;
        if answer["ok"] == true {
            return Ok(answer["data"].clone());
        }
        let reason = answer["errorReason"].as_str().expect("text");
        Err((
            answer["errorCode"].as_i64().expect("a code"),
            reason.to_owned(),
        ))
    }

    pub(crate) async fn notified(&mut self, method: &str) -> Value {
        let message = self
            .wait_for(|message| message["notification"] == true && message["method"] == method)
            .await;
        message["data"].clone()
    }

    /// The next question.
    pub(crate) async fn asked(&mut self) -> (u64, Value) {
        let message = self.wait_for(|message| message["request"] == true).await;
        assert_eq!(message["method"], "newConsumers");
        (
            message["id"].as_u64().expect("a number"),
            message["data"].clone(),
        )
    }

    /// The next question that is about media; those that are only about messages are accepted.
    pub(crate) async fn asked_for_media(&mut self) -> (u64, Value) {
        loop {
            let (id, data) = self.asked().await;
            if data["consumers"] != json!([]) {
                return (id, data);
            }
            self.accept(id).await;
        }
    }

    pub(crate) async fn accept(&mut self, id: u64) {
        let answer = json!({"response": true, "id": id, "ok": true, "data": {}});
        self.send(&answer).await;
    }

    async fn send(&mut self, message: &Value) {
        if std::mem::take(&mut self.has_heard) {
            self.turns += 1;
        }
        let socket = self.socket.as_mut().expect("connected");
        let sent = socket.send(Message::text(message.to_string())).await;
        sent.expect("connected");
    }

    /// The socket is gone, without a word.
    pub(crate) fn cut(&mut self) {
        self.socket = None;
    }

    /// Reads until the socket is gone, without a word.
    pub(crate) async fn lost(&mut self) {
        let losing = async {
            let socket = self.socket.as_mut().expect("connected");
            while let Some(Ok(frame)) = socket.next().await {
                assert!(!frame.is_close(), "closed: {frame:?}");
                if let Message::Text(text) = frame {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    self.seen = message["seq"].as_u64().unwrap_or(self.seen);
                }
            }
        };
        timeout(PATIENCE, losing).await.expect("lost in time");
        self.socket = None;
    }

    /// Comes back on another socket, also while there is one; what that one still brings is not read.
    pub(crate) async fn resume(&mut self) -> Value {
        let before = self
            .socket
            .replace(open(self.port, &self.ticket(self.seen)).await);
        let resumed = self.notified("resumed").await;
        drop(before);
        resumed
    }

    /// From now on it connects to another node.
    pub(crate) const fn turn_to(&mut self, port: u16) {
        self.port = port;
    }

    /// Another socket for the session of `before`, which stays as it is.
    pub(crate) async fn resumed(before: &Self) -> Self {
        let mut caller = Self {
            port: before.port,
            socket: Some(open(before.port, &before.ticket(before.seen)).await),
            welcome: before.welcome.clone(),
            seen: before.seen,
            next_id: before.next_id,
            backlog: VecDeque::new(),
            turns: 0,
            has_heard: false,
        };
        caller.notified("resumed").await;
        caller
    }

    /// The query of who has seen so much.
    pub(crate) fn ticket(&self, seen: u64) -> String {
        let token = self.welcome["session"]["token"].as_str().expect("text");
        format!("resume={token}&seq={seen}")
    }

    pub(crate) async fn closed(&mut self) -> Closed {
        end(self.socket.as_mut().expect("connected")).await
    }

    /// Says goodbye.
    pub(crate) async fn leave(mut self) {
        let mut socket = self.socket.take().expect("connected");
        let _ = socket.close(None).await;
    }

    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let socket = self.socket.as_mut().expect("connected");
            let frame = socket.next().await.expect("connected").expect("connected");
            let Message::Text(text) = frame else {
                assert!(!frame.is_close(), "closed: {frame:?}");
                continue;
            };
            self.has_heard = true;
            let message: Value = serde_json::from_str(&text).expect("JSON");
            match message["seq"].as_u64() {
                None => assert_eq!(message["method"], "resumed", "{message}"),
                // An answer that was asked for again.
                Some(number) if number <= self.seen => {}
                Some(number) => {
                    assert_eq!(number, self.seen + 1, "{message}");
                    self.seen = number;
                }
            }
            return message;
        }
    }

    async fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.backlog.iter().position(&wanted) {
            return self.backlog.remove(index).expect("just found");
        }
        let waiting = async {
            loop {
                let message = self.next().await;
                if wanted(&message) {
                    return message;
                }
                self.backlog.push_back(message);
            }
        };
        let found = timeout(PATIENCE, waiting).await.ok();
        found.unwrap_or_else(|| panic!("never came; came instead: {:?}", self.backlog))
    }
}

async fn open(port: u16, query: &str) -> Socket {
    open_from(port, query, None).await
}

async fn open_from(port: u16, query: &str, from: Option<Ipv4Addr>) -> Socket {
    let mut request = format!("ws://127.0.0.1:{port}/plenum?{query}")
        .into_client_request()
        .expect("a target");
    let protocol = HeaderValue::from_static("plenum");
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    if let Some(from) = from {
        let from = HeaderValue::from_str(&from.to_string()).expect("visible characters");
        request.headers_mut().insert("X-Forwarded-For", from);
    }
    // As browsers do: nothing waits until what was said before is acknowledged.
    let connecting = connect_async_with_config(request, None, true);
    let opened = timeout(PATIENCE, connecting).await;
    opened.expect("in time").expect("accepted").0
}

async fn end(socket: &mut Socket) -> Closed {
    let waiting = async {
        while let Some(frame) = socket.next().await {
            if let Ok(Message::Close(Some(frame))) = frame {
                return (frame.code.into(), frame.reason.to_string());
            }
        }
        panic!("ended without a word");
    };
    timeout(PATIENCE, waiting).await.expect("closed in time")
}
