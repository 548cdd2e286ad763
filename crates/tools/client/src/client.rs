//! A participant of a room.

use std::sync::{Arc, Mutex, PoisonError};

use plenum_ids::{ConsumerId, ProducerId};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::{
    ClientConfig, ClientError, ClientStats, Consumer, Layers, Media, Producer, Publication,
    Subscription,
    peer::Direction,
    signalling::{Answer, Command, Known, Session},
    stats::TransportState,
};

/// A participant of a room. Cheap to clone; the session ends when the last clone has gone, or with [`Self::leave`].
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    known: Arc<Mutex<Known>>,
}

/// What happens to a client. Dropping it hurts nobody: what nobody reads is not kept.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

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
    /// Somebody has come, or was there already. Socket.IO's rooms do not tell.
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
    /// The connection was lost, and the client did not come back.
    Lost {
        /// [`ClientError::kind`] of the last attempt's failure; `None`: there was no attempt.
        error: Option<&'static str>,
    },
    /// The server ended it, and says that the client is not to come back.
    SentAway {
        /// Code of the WebSocket.
        code: u16,
        /// What the server said.
        reason: String,
    },
}

/// Commands that wait while one is carried out.
const COMMANDS: usize = 64;

/// Events that wait to be read: a room of some hundred people told at once.
const EVENTS: usize = 1024;

impl Client {
    /// Goes into a room. Returns when the server has answered; media may take a little longer.
    pub async fn join(config: ClientConfig, media: &Media) -> Result<(Self, Events), ClientError> {
        let (commands, received) = mpsc::channel(COMMANDS);
        let (told, events) = mpsc::channel(EVENTS);
        let known = Arc::new(Mutex::new(Known {
            peer_id: config.peer.clone().unwrap_or_default(),
            server: String::new(),
        }));
        let mut session = Session::new(config, media.clone(), received, told, Arc::clone(&known))?;
        session.begin().await?;
        tokio::spawn(session.run());
        Ok((Self { commands, known }, Events(events)))
    }

    /// What the room calls the client.
    pub fn peer_id(&self) -> String {
        let known = self.known.lock();
        known
            .unwrap_or_else(PoisonError::into_inner)
            .peer_id
            .clone()
    }

    /// Address of the node that its signalling is connected to, or was last: where redirects have led it.
    pub fn server(&self) -> String {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).server.clone()
    }

    /// Sends something. Returns when the server has answered; the source begins when media can flow.
    pub async fn publish(&self, publication: Publication) -> Result<Producer, ClientError> {
        self.ask(|answer| Command::Publish(Box::new(publication), answer))
            .await
    }

    /// Sends something no more.
    pub async fn unpublish(&self, producer: ProducerId) -> Result<(), ClientError> {
        self.ask(|answer| Command::Unpublish(producer, answer))
            .await
    }

    /// Pauses what the client sends, or lets it go on.
    pub async fn set_paused(&self, producer: ProducerId, paused: bool) -> Result<(), ClientError> {
        self.ask(|answer| Command::SetPaused(producer, paused, answer))
            .await
    }

    /// Asks for what these producers send. Needed with [`Subscription::Manual`] only.
    pub async fn consume(&self, producers: &[ProducerId]) -> Result<Vec<Consumer>, ClientError> {
        self.ask(|answer| Command::Consume(producers.to_vec(), answer))
            .await
    }

    /// Wants something no more.
    pub async fn stop_consuming(&self, consumer: ConsumerId) -> Result<(), ClientError> {
        self.ask(|answer| Command::StopConsuming(consumer, answer))
            .await
    }

    /// Changes what comes without asking for it.
    pub async fn subscribe(&self, subscription: Subscription) -> Result<(), ClientError> {
        self.ask(|answer| Command::Subscribe(subscription, answer))
            .await
    }

    /// The highest layers that are wanted.
    pub async fn set_layers(
        &self,
        consumer: ConsumerId,
        layers: Layers,
    ) -> Result<(), ClientError> {
        self.ask(|answer| Command::SetLayers(consumer, layers, answer))
            .await
    }

    /// Asks for a key frame.
    pub async fn request_key_frame(&self, consumer: ConsumerId) -> Result<(), ClientError> {
        self.ask(|answer| Command::KeyFrame(consumer, answer)).await
    }

    /// Any other request of the dialect, and its answer.
    pub async fn request(&self, method: &str, data: Value) -> Result<Value, ClientError> {
        self.ask(|answer| Command::Request(method.to_owned(), data, answer))
            .await
    }

    /// What came and went so far. All zeroes when the session is over.
    pub async fn stats(&self) -> ClientStats {
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Stats(answer)).await.is_err() {
            return ClientStats::default();
        }
        answered.await.unwrap_or_default()
    }

    /// Breaks the connection of signalling without a word, as a network that goes away does. Media goes on. For tests and
    /// load generators.
    pub async fn cut(&self) {
        // One that has ended has no connection.
        let _ = self.commands.send(Command::Cut).await;
    }

    /// Says goodbye and waits until that has been sent. Other clones are of no use any more.
    pub async fn leave(self) {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).await.is_ok() {
            // An error: it had ended already.
            let _ = is_done.await;
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, ClientError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| ClientError::Closed)?;
        answered.await.map_err(|_| ClientError::Closed)?
    }
}

impl Events {
    /// The next one; `None` after [`Event::Ended`].
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}
