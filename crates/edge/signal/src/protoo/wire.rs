//! One WebSocket: keep-alive, a bound on what waits to be sent, a bound on how fast is read.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
};
use futures_util::{
    SinkExt as _, StreamExt as _, sink,
    stream::{self, SplitSink, SplitStream},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tracing::debug;

use crate::{
    Settings,
    far::{self, Far},
    rate::TokenBucket,
};

/// What a WebSocket reads at once. All of it is filled with zeros before each read and stays with the connection: with the
/// library's 128 KiB, that was a sixth of what a join cost (docs/perf/2026-11-22-joins.md). The longest of the usual messages, what a client
/// can receive, comes in one read; a longer one takes several.
const READ_BYTES: usize = 8 * 1024;

/// With the bounds that every client's connection has.
pub(crate) fn bounded(websocket: WebSocketUpgrade, settings: &Settings) -> WebSocketUpgrade {
    websocket
        .max_message_size(settings.max_message_size)
        .max_frame_size(settings.max_message_size)
        .read_buffer_size(READ_BYTES)
}

/// Where a client's WebSocket is.
#[derive(Debug)]
pub(crate) enum Socket {
    /// At this node.
    Here(Box<WebSocket>),
    /// At another one, which passes on all that is said.
    There(Far),
}

impl From<WebSocket> for Socket {
    fn from(socket: WebSocket) -> Self {
        Self::Here(Box::new(socket))
    }
}

/// What comes from a socket.
#[derive(Debug)]
enum Incoming {
    Here(SplitStream<WebSocket>),
    There(far::Incoming),
}

impl Incoming {
    /// Loses nothing when cancelled.
    async fn next(&mut self) -> Option<Result<Message, axum::Error>> {
        match self {
            Self::Here(stream) => stream.next().await,
            Self::There(incoming) => incoming.next().await.map(Ok),
        }
    }
}

/// Writing is a task of its own, so that a client that does not read never stops us from reading, noticing its death,
/// or serving the room.
pub(crate) struct Wire {
    stream: Incoming,
    queue: mpsc::Sender<Message>,
    writer: JoinHandle<()>,
    bucket: TokenBucket,
    /// Nothing is read before this time: the client talked too fast.
    readable_at: Instant,
    /// When to ping; while `ping_pending`, when to give up instead.
    timer: Instant,
    ping_pending: bool,
    ping_interval: Duration,
    pong_timeout: Duration,
    /// The latest mark that has come back.
    marked: u64,
}

/// The connection is over and needs no closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The client closed it, or the network did.
    ByClient,
    /// The client closed it because it has no more to say.
    Left,
    /// It broke, or the client sent something that is not a WebSocket message or is too large.
    Broken,
    /// The client did not answer a ping.
    Silent,
    /// The client does not read what it is sent.
    SlowReader,
}

impl Wire {
    pub(crate) fn new(socket: impl Into<Socket>, settings: &Settings) -> Self {
        let (queue, waiting) = mpsc::channel(settings.outgoing_queue.max(1));
        let (stream, writer) = match socket.into() {
            Socket::Here(socket) => {
                let (sink, stream) = (*socket).split();
                (Incoming::Here(stream), tokio::spawn(write(sink, waiting)))
            }
            Socket::There(far) => {
                let (incoming, outgoing) = far.split();
                let writer = tokio::spawn(outgoing.write(waiting));
                (Incoming::There(incoming), writer)
            }
        };
        let now = Instant::now();
        Self {
            stream,
            queue,
            writer,
            bucket: TokenBucket::new(
                settings.message_rate,
                settings.message_burst,
                now.into_std(),
            ),
            readable_at: now,
            timer: now + settings.ping_interval,
            ping_pending: false,
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
            marked: 0,
        }
    }

    /// The next text of the client. Pings meanwhile. Loses nothing when cancelled.
    pub(crate) async fn receive(&mut self) -> Result<Utf8Bytes, Lost> {
        loop {
            tokio::select! {
                frame = next_frame(&mut self.stream, self.readable_at) => {
                    if let Some(text) = self.handle_frame(frame)? {
                        return Ok(text);
                    }
                }
                () = sleep_until(self.timer) => self.handle_timer()?,
            }
        }
    }

    /// Never waits.
    pub(crate) fn send(&self, text: String) -> Result<(), Lost> {
        self.send_text(text.into())
    }

    /// Never waits.
    pub(crate) fn send_text(&self, text: Utf8Bytes) -> Result<(), Lost> {
        self.enqueue(Message::Text(text))
    }

    /// Asks the client to say when everything that was sent before has arrived: whatever speaks WebSocket answers a ping in
    /// its turn.
    pub(crate) fn mark(&self, mark: u64) -> Result<(), Lost> {
        let mark = mark.to_be_bytes();
        self.enqueue(Message::Ping(Bytes::copy_from_slice(&mark)))
    }

    /// The latest mark that has come back, or something that the client has invented.
    pub(crate) const fn marked(&self) -> u64 {
        self.marked
    }

    /// Says goodbye and gives the client a moment to say it too. Whether it did: one that did not may not have heard.
    pub(crate) async fn close(mut self, code: u16, reason: impl Into<Utf8Bytes>) -> bool {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if self.enqueue(Message::Close(Some(frame))).is_err() {
            return false;
        }
        let mut answered = false;
        let _ = timeout(CLOSE_GRACE, async {
            while let Some(Ok(message)) = self.stream.next().await {
                answered |= matches!(message, Message::Close(_));
            }
            let _ = (&mut self.writer).await;
        })
        .await;
        answered
    }

    /// Has another node serve the client from now on, until either has gone. The socket is then closed without a word unless one was
    /// said.
    pub(crate) async fn pass_on(mut self, far: Far) {
        let from_client = stream::unfold(&mut self.stream, async |stream| {
            let message = stream.next().await?;
            Some((message, stream))
        });
        let to_client = sink::unfold(&self.queue, async |queue, message| {
            queue.send(message).await.map(|()| queue)
        });
        far::relay(far, from_client, to_client).await;
    }

    fn handle_frame(
        &mut self,
        frame: Option<Result<Message, axum::Error>>,
    ) -> Result<Option<Utf8Bytes>, Lost> {
        let message = match frame {
            Some(Ok(message)) => message,
            Some(Err(err)) => {
                debug!(%err, "connection failed");
                return Err(Lost::Broken);
            }
            None => return Err(Lost::ByClient),
        };
        let now = Instant::now();
        self.readable_at = now + self.bucket.take(now.into_std());
        // Whatever arrives proves that the client lives; it need not be the pong.
        if self.ping_pending {
            self.ping_pending = false;
            self.timer = now + self.ping_interval;
        }
        match message {
            Message::Text(text) => Ok(Some(text)),
            Message::Close(frame) => Err(match frame {
                None => Lost::Left,
                Some(frame) if LEAVING.contains(&frame.code) => Lost::Left,
                Some(_) => Lost::ByClient,
            }),
            Message::Binary(_) => {
                debug!("binary message ignored");
                Ok(None)
            }
            Message::Pong(mark) => {
                if let Ok(mark) = mark.as_ref().try_into() {
                    self.marked = self.marked.max(u64::from_be_bytes(mark));
                }
                Ok(None)
            }
            Message::Ping(_) => Ok(None),
        }
    }

    fn handle_timer(&mut self) -> Result<(), Lost> {
        if self.ping_pending {
            return Err(Lost::Silent);
        }
        self.enqueue(Message::Ping(Bytes::new()))?;
        self.ping_pending = true;
        self.timer = Instant::now() + self.pong_timeout;
        Ok(())
    }

    fn enqueue(&self, message: Message) -> Result<(), Lost> {
        self.queue.try_send(message).map_err(|err| match err {
            mpsc::error::TrySendError::Full(_) => Lost::SlowReader,
            mpsc::error::TrySendError::Closed(_) => Lost::ByClient,
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// RFC 6455 §7.4.1: the purpose is fulfilled, the page is left, or no reason was given.
const LEAVING: [u16; 3] = [1000, 1001, 1005];

/// How long a client may take to answer our close frame. The whole node has two seconds to end.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

async fn next_frame(
    stream: &mut Incoming,
    readable_at: Instant,
) -> Option<Result<Message, axum::Error>> {
    if readable_at > Instant::now() {
        sleep_until(readable_at).await;
    }
    stream.next().await
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        let last = matches!(message, Message::Close(_));
        // One flush for everything that waits.
        let sent = if queue.is_empty() || last {
            sink.send(message).await
        } else {
            sink.feed(message).await
        };
        if sent.is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
