//! The signalling of a bot, which never panics: servers that die are what it is for.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::node::PATIENCE;

pub(crate) struct Wire {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    backlog: VecDeque<Message>,
    next_id: u64,
}

/// Something from the server.
#[derive(Debug)]
pub(crate) enum Message {
    Notification(String, Value),
    Request(u64, String, Value),
    /// An answer that nobody waits for any more.
    Response(u64),
}

#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection is over; with this code, if with any.
    Closed(Option<u16>),
    /// The server said no.
    Refused(#[expect(dead_code, reason = "for the eye of who debugs a test")] String),
}

impl Wire {
    /// `from` is who a proxy would say that this is.
    pub(crate) async fn connect(
        door: SocketAddr,
        from: Option<Ipv4Addr>,
        room: &str,
        peer: &str,
    ) -> Option<Self> {
        let url = format!("ws://{door}/?roomId={room}&peerId={peer}");
        let mut request = url.into_client_request().ok()?;
        let protocol = HeaderValue::from_static("protoo");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        if let Some(from) = from {
            let from = HeaderValue::from_str(&from.to_string()).ok()?;
            request.headers_mut().insert("X-Forwarded-For", from);
        }
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await.ok()?.ok()?;
        Some(Self {
            socket,
            backlog: VecDeque::new(),
            next_id: 1,
        })
    }

    pub(crate) async fn request(&mut self, method: &str, data: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"request": true, "id": id, "method": method, "data": data}))
            .await;
        id
    }

    /// The answer to a request; what else comes meanwhile is kept.
    pub(crate) async fn ask(&mut self, method: &str, data: Value) -> Result<Value, Trouble> {
        let asked = self.request(method, data).await;
        loop {
            let message = self.read().await?;
            if message["response"] == true && message["id"] == asked {
                return if message["ok"] == true {
                    Ok(message["data"].clone())
                } else {
                    Err(Trouble::Refused(format!("{method}: {message}")))
                };
            }
            self.backlog.extend(sort(&message));
        }
    }

    pub(crate) async fn accept(&mut self, id: u64) {
        self.send(&json!({"response": true, "id": id, "ok": true, "data": {}}))
            .await;
    }

    /// What comes next. Loses nothing when cancelled.
    pub(crate) async fn next(&mut self) -> Result<Message, Trouble> {
        loop {
            if let Some(message) = self.backlog.pop_front() {
                return Ok(message);
            }
            let message = self.read().await?;
            self.backlog.extend(sort(&message));
        }
    }

    async fn send(&mut self, message: &Value) {
        // A connection that is over is found out by reading.
        let text = tungstenite::Message::text(message.to_string());
        let _ = self.socket.send(text).await;
    }

    async fn read(&mut self) -> Result<Value, Trouble> {
        loop {
            match self.socket.next().await {
                Some(Ok(tungstenite::Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    return Err(Trouble::Closed(frame.map(|frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Trouble::Closed(None)),
            }
        }
    }
}

fn sort(message: &Value) -> Option<Message> {
    let method = || message["method"].as_str().unwrap_or_default().to_owned();
    if message["notification"] == true {
        return Some(Message::Notification(method(), message["data"].clone()));
    }
    let id = message["id"].as_u64()?;
    if message["request"] == true {
        Some(Message::Request(id, method(), message["data"].clone()))
    } else {
        Some(Message::Response(id))
    }
}
