//! One client's connection, between an edge and a room.

use plenum_room::{
    AskId, ClientRequest, CloseReason, Command, PeerEvent, PeerReply, PeerRequest, RequestId,
    RoomError, SessionId,
};
use tokio::sync::mpsc;

use crate::{namespaces::Stay, room_task::Input};

/// A place in a room. Dropping it leaves the room.
#[derive(Debug)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) room: mpsc::Sender<Input>,
    pub(crate) events: mpsc::Receiver<SessionEvent>,
    /// Counts it.
    _stay: Stay,
}

/// What a room has for a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A question to the client, to be answered with [`Session::answer`].
    Ask {
        /// Repeated in the answer.
        ask: AskId,
        /// The question.
        body: ClientRequest,
    },
    /// The room has closed the session. Nothing follows.
    End(SessionEnd),
    /// The room goes on elsewhere: enter it again. This session goes on until it is given up ([`Session::release`]) or
    /// the others have gone, but some seconds at most.
    Move,
    /// Something that the client shall know.
    Notify(PeerEvent),
    /// The answer to a request of the client.
    Reply {
        /// Which request.
        request: RequestId,
        /// The answer.
        result: Result<PeerReply, RoomError>,
    },
}

/// Why a session ended without its client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The room goes on elsewhere, and the time for going there is over.
    Moved,
    /// The client did not take its events in time.
    Overrun,
    /// The room said so.
    Room(CloseReason),
    /// The node is shutting down.
    Shutdown,
}

/// The room has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the room has ended")]
pub struct SessionGone;

impl Session {
    pub(crate) const fn new(
        id: SessionId,
        room: mpsc::Sender<Input>,
        events: mpsc::Receiver<SessionEvent>,
        stay: Stay,
    ) -> Self {
        Self {
            id,
            room,
            events,
            _stay: stay,
        }
    }

    /// Passes a request of the client on. Its [`SessionEvent::Reply`] comes later, not necessarily in order.
    pub async fn request(&self, request: RequestId, body: PeerRequest) -> Result<(), SessionGone> {
        self.send(Command::Request {
            session: self.id,
            request,
            body,
        })
        .await
    }

    /// The client answered a question, or did not in time.
    pub async fn answer(&self, ask: AskId, accepted: bool) -> Result<(), SessionGone> {
        self.send(Command::ClientAnswer { ask, accepted }).await
    }

    /// After [`SessionEvent::Move`]: the client has everything from where the room is now. What it sends here may go on
    /// until nobody needs it.
    pub async fn release(&self) -> Result<(), SessionGone> {
        self.room
            .send(Input::Release { session: self.id })
            .await
            .map_err(|_| SessionGone)
    }

    /// What comes next. After [`SessionEvent::End`] that again and again. Loses nothing when cancelled.
    pub async fn next_event(&mut self) -> SessionEvent {
        // A room ends its sessions before it ends; one that was cut off for not keeping up is told nothing.
        self.events
            .recv()
            .await
            .unwrap_or(SessionEvent::End(SessionEnd::Overrun))
    }

    async fn send(&self, command: Command) -> Result<(), SessionGone> {
        self.room
            .send(Input::Command(command))
            .await
            .map_err(|_| SessionGone)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let goodbye = Input::Command(Command::PeerDisconnected { session: self.id });
        if let Err(mpsc::error::TrySendError::Full(goodbye)) = self.room.try_send(goodbye) {
            let room = self.room.clone();
            tokio::spawn(async move {
                let _ = room.send(goodbye).await;
            });
        }
    }
}
