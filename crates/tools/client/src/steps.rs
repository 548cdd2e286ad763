//! How long what takes: the steps of joining and of coming back, told as they happen.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use plenum_params::media::MediaKind;

use crate::peer::Direction;

/// Somebody who wants to know. Called on the task of the client's signalling or on a media thread: it must be quick and
/// must not block.
pub trait Hook: Send + Sync + 'static {
    /// A step is over.
    fn step(&self, step: &Step);
}

impl<F: Fn(&Step) + Send + Sync + 'static> Hook for F {
    fn step(&self, step: &Step) {
        self(step);
    }
}

/// A step that is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// When it began. What is said to be counted from the attempt began when [`Client::join`](crate::Client::join) was
    /// called, or when the client began to come back.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// [`ClientError::kind`](crate::ClientError::kind) of what went wrong.
    pub error: Option<&'static str>,
}

/// What a client does until it is in a room and sees something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The server has asked to come again later; until it is time.
    ComeBack,
    /// Name look-up, TCP, TLS, and the WebSocket's upgrade. For our own dialect also the server's welcome.
    Connect,
    /// The first key frame of one consumer, counted from when signalling told of it.
    ConsumerFirstKeyFrame,
    /// The first packet of one consumer, counted from when signalling told of it.
    ConsumerFirstPacket(MediaKind),
    /// The DTLS handshake of a transport, from the first answer of ICE on, or from when the server had been told of our certificate if that was later.
    Dtls(Direction),
    /// The first key frame of a picture, counted from the attempt.
    FirstKeyFrame,
    /// The first packet of this kind that was received, counted from the attempt.
    FirstPacket(MediaKind),
    /// ICE of a transport, from the first check to the first answer.
    Ice(Direction),
    /// The whole of `join`, from the attempt to the last answer that the dialect's protocol of joining has, whether or not
    /// media flows by then.
    Join,
    /// A request, from its sending to its answer, by its name in the dialect.
    Message(Cow<'static, str>),
    /// The connection was lost, and the client is in the room again as somebody new. From the loss on.
    Reconnect,
    /// Sent to another node; until the first one had said so.
    Redirect,
    /// The connection was lost, and the session goes on. From the loss on.
    Resume,
}

impl Step {
    /// How long it took.
    pub fn took(&self) -> Duration {
        self.ended.saturating_duration_since(self.began)
    }
}
