//! A WebSocket at one node whose client is served by another one: frame by frame, with the pings and the farewells, so that the node
//! that serves the client sees the socket as if it had it.

use std::pin::pin;

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, WebSocket},
};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use plenum_host::{Tunnel, TunnelReceiver, TunnelSender};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::to_json;

/// A frame on its way between two nodes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Frame {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// Its code and reason, if it has any.
    Close(Option<(u16, String)>),
    /// Nobody here says anything in it, and a client that does must be seen to talk.
    Binary,
}

impl From<Message> for Frame {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.as_str().to_owned()),
            Message::Ping(data) => Self::Ping(data.to_vec()),
            Message::Pong(data) => Self::Pong(data.to_vec()),
            Message::Close(frame) => {
                Self::Close(frame.map(|frame| (frame.code, frame.reason.as_str().to_owned())))
            }
            Message::Binary(_) => Self::Binary,
        }
    }
}

impl From<Frame> for Message {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text.into()),
            Frame::Ping(data) => Self::Ping(data.into()),
            Frame::Pong(data) => Self::Pong(data.into()),
            Frame::Close(frame) => Self::Close(frame.map(|(code, reason)| CloseFrame {
                code,
                reason: reason.into(),
            })),
            Frame::Binary => Self::Binary(Bytes::new()),
        }
    }
}

/// A socket that another node has.
#[derive(Debug)]
pub(crate) struct Far(Tunnel);

/// What comes from it.
#[derive(Debug)]
pub(crate) struct Incoming(TunnelReceiver);

/// What goes to it.
#[derive(Debug)]
pub(crate) struct Outgoing(TunnelSender);

impl Far {
    pub(crate) const fn new(tunnel: Tunnel) -> Self {
        Self(tunnel)
    }

    pub(crate) fn split(self) -> (Incoming, Outgoing) {
        let (sender, receiver) = self.0.split();
        (Incoming(receiver), Outgoing(sender))
    }
}

impl Incoming {
    /// The next frame; `None`: the socket is gone, or its node. Loses nothing when cancelled.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let said = self.0.recv().await?;
        let frame: Frame = serde_json::from_value(said).ok()?;
        Some(frame.into())
    }
}

impl Outgoing {
    /// Says one thing; false: nobody listens any more.
    pub(crate) async fn send(&self, message: Message) -> bool {
        let sent = self.0.send(to_json(&Frame::from(message))).await;
        sent.is_ok()
    }

    /// Writes what comes out of a queue, to its end or to the farewell.
    pub(crate) async fn write(self, mut queue: mpsc::Receiver<Message>) {
        while let Some(message) = queue.recv().await {
            let last = matches!(message, Message::Close(_));
            if !self.send(message).await || last {
                return;
            }
        }
    }
}

/// The near side: passes on what a client and the node that serves it say, until either has gone. The socket is then closed without
/// a word unless one was said: whoever can resume does.
pub(crate) async fn pass_on(socket: WebSocket, tunnel: Tunnel) {
    let (sink, stream) = socket.split();
    relay(Far::new(tunnel), stream, sink).await;
}

/// Passes on between a socket that is read and written here and one that another node has, until either has gone. A farewell of the far
/// side is not the end: the client's may still come.
pub(crate) async fn relay(
    far: Far,
    from_client: impl Stream<Item = Result<Message, axum::Error>>,
    to_client: impl Sink<Message>,
) {
    let (mut incoming, outgoing) = far.split();
    let (mut from_client, mut to_client) = (pin!(from_client), pin!(to_client));
    let there = async {
        while let Some(Ok(message)) = from_client.next().await
            && outgoing.send(message).await
        {}
    };
    let back = async {
        while let Some(message) = incoming.next().await
            && to_client.send(message).await.is_ok()
        {}
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_cross_nodes_as_they_are() {
        let close = CloseFrame {
            code: 4403,
            reason: "kicked: by a host".into(),
        };
        for message in [
            Message::Text("{\"ö\":1}".into()),
            Message::Ping(Bytes::from_static(&[0, 255])),
            Message::Pong(Bytes::new()),
            Message::Close(None),
            Message::Close(Some(close)),
        ] {
            let written = to_json(&Frame::from(message.clone()));
            let read: Frame = serde_json::from_value(written).expect("a frame");
            assert_eq!(Message::from(read), message);
        }
    }
}
