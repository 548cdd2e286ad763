//! Channels: ordered messages in both directions, for what belongs together, such as the session of a relayed client.

use std::{borrow::Cow, fmt, sync::Arc};

use serde_json::Value;
use tokio::sync::{Semaphore, TryAcquireError, mpsc, watch};

use crate::{
    Peer,
    channels::{Channels, Message},
    frame::{Frame, FrameError, LENGTH_BYTES, encode},
    outbox::PushError,
};

/// Bytes of messages that a side may send ahead of what the other has taken. Both sides count by this, so it is part of
/// the protocol: some hundred messages of a session.
pub(crate) const WINDOW: usize = 256 * 1024;

/// An ordered conversation over a link. It is over, for both sides and in both directions, when one of them closes it or
/// drops a half of it, or when the link breaks. Who receives it has got its opening message already.
#[derive(Debug)]
pub struct Channel {
    sender: ChannelSender,
    receiver: ChannelReceiver,
}

/// The half that sends. All clones are one half.
#[derive(Clone, Debug)]
pub struct ChannelSender {
    shared: Arc<Shared>,
    half: Arc<Half>,
}

/// The half that receives.
#[derive(Debug)]
pub struct ChannelReceiver {
    shared: Arc<Shared>,
    half: Half,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// What was taken and not told yet.
    taken: usize,
}

/// Why a channel is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel was closed {by}: {code}: {message}")]
#[expect(clippy::exhaustive_structs, reason = "who, a code and its explanation")]
pub struct ChannelEnd {
    /// Who closed it.
    pub by: EndedBy,
    /// For programs. `dropped`: without a word. `overloaded`: too much of it, or too many. `link`: the link broke.
    pub code: String,
    /// For people.
    pub message: String,
}

/// See [`ChannelEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "two sides and what is between them"
)]
pub enum EndedBy {
    /// This side.
    Here,
    /// The link between them.
    Link,
    /// The other side.
    There,
}

/// A message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The channel is over.
    #[error(transparent)]
    Closed(#[from] ChannelEnd),
    /// The other side has not taken what was sent before.
    #[error("the other side of the channel has not taken what was sent before")]
    Full,
    /// The message does not fit into a frame.
    #[error("{bytes} bytes are more than a frame takes")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
}

/// What the halves and the link know of a channel.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// A permit for each byte that may be sent ahead.
    pub(crate) window: Semaphore,
    pub(crate) end: watch::Sender<Option<ChannelEnd>>,
}

/// Closes the channel with it.
#[derive(Debug)]
struct Half {
    id: u64,
    channels: Arc<Channels>,
}

impl Channel {
    pub(crate) fn new(
        channels: &Arc<Channels>,
        shared: Arc<Shared>,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let half = || Half {
            id: shared.id,
            channels: Arc::clone(channels),
        };
        Self {
            sender: ChannelSender {
                half: Arc::new(half()),
                shared: Arc::clone(&shared),
            },
            receiver: ChannelReceiver {
                half: half(),
                shared,
                inbox,
                taken: 0,
            },
        }
    }

    /// See [`ChannelSender::send`].
    pub async fn send(&self, body: &Value) -> Result<(), ChannelError> {
        self.sender.send(body).await
    }

    /// See [`ChannelSender::try_send`].
    pub fn try_send(&self, body: &Value) -> Result<(), ChannelError> {
        self.sender.try_send(body)
    }

    /// See [`ChannelReceiver::recv`].
    pub async fn recv(&mut self) -> Result<Value, ChannelEnd> {
        self.receiver.recv().await
    }

    /// See [`ChannelSender::close`].
    pub fn close(self, code: &str, message: &str) {
        self.sender.close(code, message);
    }

    /// Its halves, for two tasks.
    pub fn split(self) -> (ChannelSender, ChannelReceiver) {
        (self.sender, self.receiver)
    }

    /// Who is on the other side.
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }

    /// What it was opened as.
    pub fn name(&self) -> &str {
        &self.sender.shared.name
    }
}

impl ChannelSender {
    /// Sends a message behind those before; waits until the other side has taken enough of them.
    pub async fn send(&self, body: &Value) -> Result<(), ChannelError> {
        let (frame, cost) = self.message(body)?;
        let permit = self.shared.window.acquire_many(cost).await;
        let permit = permit.map_err(|_| self.ended())?;
        let outbox = self.half.channels.outbox();
        outbox.push(frame).await.map_err(|_| self.ended())?;
        // It comes back as credit.
        permit.forget();
        Ok(())
    }

    /// Sends a message behind those before, if there is room.
    pub fn try_send(&self, body: &Value) -> Result<(), ChannelError> {
        let (frame, cost) = self.message(body)?;
        let permit = match self.shared.window.try_acquire_many(cost) {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(self.ended().into()),
            Err(TryAcquireError::NoPermits) => return Err(ChannelError::Full),
        };
        match self.half.channels.outbox().try_push(frame) {
            Ok(()) => permit.forget(),
            Err(PushError::Closed) => return Err(self.ended().into()),
            Err(PushError::Full) => return Err(ChannelError::Full),
        }
        Ok(())
    }

    /// Closes the channel, behind what was sent. The other side takes that first.
    pub fn close(&self, code: &str, message: &str) {
        self.half.channels.close(self.shared.id, code, message);
    }

    /// Completes when the channel is over.
    pub async fn closed(&self) -> ChannelEnd {
        let mut end = self.shared.end.subscribe();
        // It cannot fail: the other side of it is borrowed here.
        let _ = end.wait_for(Option::is_some).await;
        self.ended()
    }

    /// Who is on the other side.
    pub fn peer(&self) -> &Peer {
        self.half.channels.peer()
    }

    fn message(&self, body: &Value) -> Result<(Vec<u8>, u32), ChannelError> {
        let frame = Frame::Message {
            channel: self.shared.id,
            body: Cow::Borrowed(body),
        };
        let frame = encode(&frame, self.half.channels.frame_bytes()).map_err(|err| match err {
            FrameError::TooLarge { length } | FrameError::Malformed { length, .. } => {
                ChannelError::TooLarge { bytes: length }
            }
        })?;
        let cost = cost(frame.len() - LENGTH_BYTES);
        Ok((frame, cost as u32))
    }

    fn ended(&self) -> ChannelEnd {
        self.shared.ended()
    }
}

impl ChannelReceiver {
    /// The next message; when all of them are taken and no more can come, why. It may be dropped while it waits.
    pub async fn recv(&mut self) -> Result<Value, ChannelEnd> {
        let Some(mut message) = self.inbox.recv().await else {
            return Err(self.shared.ended());
        };
        self.taken += message.cost;
        // Told in halves: often enough for the other side not to wait, rarely enough to cost nothing.
        if self.taken >= WINDOW / 2 {
            let taken = std::mem::take(&mut self.taken);
            self.half.channels.give_credit(self.shared.id, taken);
        }
        Ok(message.body.take())
    }
}

impl Shared {
    /// The end of a channel that is over.
    fn ended(&self) -> ChannelEnd {
        self.end.borrow().clone().unwrap_or_else(ChannelEnd::link)
    }
}

impl ChannelEnd {
    pub(crate) fn link() -> Self {
        Self {
            by: EndedBy::Link,
            code: "link".to_owned(),
            message: "the link broke".to_owned(),
        }
    }
}

impl fmt::Display for EndedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here => "here",
            Self::Link => "by the link",
            Self::There => "by the other side",
        })
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.channels.close(self.id, "dropped", "");
    }
}

/// What a message takes of the window: half of it at most. As up to a half may have been taken without being told, one
/// that needed more could wait for ever.
pub(crate) fn cost(length: usize) -> usize {
    length.min(WINDOW / 2)
}
