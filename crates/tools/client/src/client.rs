//! A participant of a room.
#![expect(clippy::unused_async, reason = "the shape comes before what fills it")]

use plenum_ids::{ConsumerId, ProducerId};
use serde_json::Value;

use crate::{
    ClientConfig, ClientError, ClientStats, Consumer, Layers, Media, Producer, Publication,
    Subscription, peer::Direction, stats::TransportState,
};

/// A participant of a room. Cheap to clone; the session ends when the last clone has gone, or with [`Self::leave`].
#[derive(Clone, Debug)]
pub struct Client {
    _config: ClientConfig,
}

/// What happens to a client. Dropping it hurts nobody: what nobody reads is not kept.
#[derive(Debug)]
pub struct Events(());

/// Something that has happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Something comes from somebody, and its sink has been made.
    Consumer(Box<Consumer>),
    /// It comes no more.
    ConsumerClosed(ConsumerId),
    /// Other layers of it come; `None`: none.
    ConsumerLayers(ConsumerId, Option<Layers>),
    /// Its sender has paused it, or lets it go on.
    ConsumerPaused(ConsumerId, bool),
    /// The session is over. Nothing follows.
    Ended(Ended),
    /// Events came faster than they were read; so many are missing here.
    Missed(u64),
    /// The room is elsewhere now, and the client with it.
    Moved,
    /// Any other message of the server, as it is in the dialect.
    Notification {
        /// Its name.
        method: String,
        /// What it says.
        data: Value,
    },
    /// Somebody has come. Socket.IO's rooms do not tell.
    PeerJoined(String),
    /// Somebody has gone. Socket.IO's rooms do not tell.
    PeerLeft(String),
    /// The server has closed what the client sends.
    ProducerClosed(ProducerId),
    /// Which encodings of something that the client sends are watched by anybody.
    ProducerDemand(ProducerId, Vec<bool>),
    /// The connection was lost, and the client is back.
    Reconnected {
        /// The session has gone on. Otherwise the client is somebody new under the same name, and consumers begin anew.
        resumed: bool,
    },
    /// A transport is as far as this.
    Transport(Direction, TransportState),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The client has left.
    Left,
    /// The server ended it, and says that the client is not to come back.
    SentAway {
        /// Code of the WebSocket.
        code: u16,
        /// What the server said.
        reason: String,
    },
    /// The connection was lost, and the client did not come back.
    Lost {
        /// [`ClientError::kind`] of the last attempt's failure; `None`: there was no attempt.
        error: Option<&'static str>,
    },
}

impl Client {
    /// Goes into a room. Returns when the server has answered; media may take a little longer.
    pub async fn join(config: ClientConfig, media: &Media) -> Result<(Self, Events), ClientError> {
        let _ = (config, media);
        Err(ClientError::Unsupported("joining"))
    }

    /// What the room calls the client.
    pub fn peer_id(&self) -> String {
        String::new()
    }

    /// Sends something. Returns when the server has answered; the source begins when media can flow.
    pub async fn publish(&self, publication: Publication) -> Result<Producer, ClientError> {
        drop(publication);
        Err(ClientError::Closed)
    }

    /// Sends something no more.
    pub async fn unpublish(&self, producer: ProducerId) -> Result<(), ClientError> {
        let _ = producer;
        Err(ClientError::Closed)
    }

    /// Pauses what the client sends, or lets it go on.
    pub async fn set_paused(&self, producer: ProducerId, paused: bool) -> Result<(), ClientError> {
        let _ = (producer, paused);
        Err(ClientError::Closed)
    }

    /// Asks for what these producers send. Needed with [`Subscription::Manual`] only.
    pub async fn consume(&self, producers: &[ProducerId]) -> Result<Vec<Consumer>, ClientError> {
        let _ = producers;
        Err(ClientError::Closed)
    }

    /// Wants something no more.
    pub async fn stop_consuming(&self, consumer: ConsumerId) -> Result<(), ClientError> {
        let _ = consumer;
        Err(ClientError::Closed)
    }

    /// Changes what comes without asking for it.
    pub async fn subscribe(&self, subscription: Subscription) -> Result<(), ClientError> {
        let _ = subscription;
        Err(ClientError::Closed)
    }

    /// The highest layers that are wanted.
    pub async fn set_layers(
        &self,
        consumer: ConsumerId,
        layers: Layers,
    ) -> Result<(), ClientError> {
        let _ = (consumer, layers);
        Err(ClientError::Closed)
    }

    /// Asks for a key frame.
    pub async fn request_key_frame(&self, consumer: ConsumerId) -> Result<(), ClientError> {
        let _ = consumer;
        Err(ClientError::Closed)
    }

    /// Any other request of the dialect, and its answer.
    pub async fn request(&self, method: &str, data: Value) -> Result<Value, ClientError> {
        let _ = (method, data);
        Err(ClientError::Closed)
    }

    /// What came and went so far.
    pub async fn stats(&self) -> ClientStats {
        ClientStats::default()
    }

    /// Breaks the connection of signalling without a word, as a network that goes away does. Media goes on. For tests and
    /// load generators.
    pub fn cut(&self) {}

    /// Says goodbye and waits until that has been sent.
    pub async fn leave(self) {}
}

impl Events {
    /// The next one; `None` after [`Event::Ended`].
    pub async fn next(&mut self) -> Option<Event> {
        None
    }
}
