//! A Socket.IO client by hand: Engine.IO 4 over a WebSocket from the beginning, one namespace, no binary data.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};

use crate::node::{Node, PATIENCE};

pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    backlog: VecDeque<Packet>,
    next_ack: u64,
    /// As the server calls it.
    pub(crate) id: String,
}

/// What the server sends, apart from what keeps the connection alive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Packet {
    Connected(Value),
    Refused(Value),
    Disconnected,
    Event(Value),
    Ack(u64, Value),
}

impl Socket {
    pub(crate) async fn connect(node: &Node) -> Self {
        Self::connect_with(node, json!({})).await
    }

    /// With something to say for itself (`auth`).
    pub(crate) async fn connect_with(node: &Node, auth: Value) -> Self {
        let target = format!(
            "ws://127.0.0.1:{}/socket.io/?EIO=4&transport=websocket",
            node.port
        );
        let connecting = timeout(PATIENCE, connect_async(target)).await;
        let (stream, _) = connecting.expect("answers in time").expect("accepted");
        let mut socket = Self {
            stream,
            backlog: VecDeque::new(),
            next_ack: 0,
            id: String::new(),
        };
        let open = socket.frame().await.expect("a first frame");
        let open: Value =
            serde_json::from_str(open.strip_prefix('0').expect("open")).expect("JSON");
        assert!(
            open["pingInterval"].is_u64() && open["maxPayload"].is_u64(),
            "{open}"
        );
        socket.send(format!("40{auth}")).await;
        match socket.packet().await {
            Packet::Connected(data) => data["sid"]
                .as_str()
                .expect("text")
                .clone_into(&mut socket.id),
            other => panic!("{other:?}"),
        }
        socket
    }

    /// Says something and waits for the acknowledgement.
    pub(crate) async fn ask(&mut self, event: &str, data: Value) -> Value {
        let id = self.call(event, data).await;
        self.answer_to(id).await
    }

    /// Says something that is to be acknowledged under this number.
    pub(crate) async fn call(&mut self, event: &str, data: Value) -> u64 {
        self.next_ack += 1;
        let id = self.next_ack;
        self.send(format!("42{id}{}", json!([event, data]))).await;
        id
    }

    pub(crate) async fn answer_to(&mut self, id: u64) -> Value {
        let answer = self
            .wait_for(|packet| match packet {
                Packet::Ack(ack, data) if *ack == id => Some(data.clone()),
                _ => None,
            })
            .await;
        answer[0].clone()
    }

    /// Reads to the end of the connection.
    pub(crate) async fn broken(&mut self) {
        let reading = async { while let Some(Ok(_)) = self.stream.next().await {} };
        timeout(PATIENCE, reading).await.expect("ends in time");
    }

    /// Says something that is not acknowledged.
    pub(crate) async fn emit(&mut self, event: &str, data: Value) {
        self.send(format!("42{}", json!([event, data]))).await;
    }

    /// The data of the next event by this name.
    pub(crate) async fn told(&mut self, event: &str) -> Value {
        self.wait_for(|packet| match packet {
            Packet::Event(said) if said[0] == event => Some(said[1].clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn disconnected(&mut self) {
        self.wait_for(|packet| (*packet == Packet::Disconnected).then_some(()))
            .await;
    }

    pub(crate) async fn send(&mut self, text: String) {
        let sent = self.stream.send(Message::text(text)).await;
        sent.expect("still connected");
    }

    async fn wait_for<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> T {
        if let Some(index) = self.backlog.iter().position(|it| wanted(it).is_some()) {
            let packet = self.backlog.remove(index).expect("just found");
            return wanted(&packet).expect("just found");
        }
        timeout(PATIENCE, async {
            loop {
                let packet = self.packet().await;
                if let Some(found) = wanted(&packet) {
                    return found;
                }
                self.backlog.push_back(packet);
            }
        })
        .await
        .unwrap_or_else(|_| panic!("never came; came instead: {:?}", self.backlog))
    }

    async fn packet(&mut self) -> Packet {
        loop {
            let text = self.frame().await.expect("still connected");
            if text == "2" {
                self.send("3".to_owned()).await;
                continue;
            }
            let rest = text.strip_prefix('4').expect("a message");
            let (kind, rest) = rest.split_at(1);
            let digits = rest.chars().take_while(char::is_ascii_digit).count();
            let (ack, data) = rest.split_at(digits);
            let data = match data {
                "" => Value::Null,
                data => serde_json::from_str(data).expect("JSON"),
            };
            return match kind {
                "0" => Packet::Connected(data),
                "1" => Packet::Disconnected,
                "2" => Packet::Event(data),
                "3" => Packet::Ack(ack.parse().expect("a number"), data),
                "4" => Packet::Refused(data),
                other => panic!("a packet of kind {other}"),
            };
        }
    }

    /// `None`: the connection is over.
    async fn frame(&mut self) -> Option<String> {
        loop {
            let frame = timeout(PATIENCE, self.stream.next()).await;
            match frame.expect("something in time")? {
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => return None,
                Ok(_) => {}
                Err(err) => panic!("{err}"),
            }
        }
    }
}
