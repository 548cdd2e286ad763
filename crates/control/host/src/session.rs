//! One client's connection, between an edge and a room.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use plenum_room::{
    AskId, ClientRequest, CloseReason, Command, PeerEvent, PeerReply, PeerRequest, RequestId,
    RoomError, SessionId,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{cluster::Note, namespaces::Stay, room_task::Input};

/// A place in a room, here or at another node of the cluster. Dropping it leaves the room.
#[derive(Debug)]
pub struct Session {
    pub(crate) room: Inlet,
    pub(crate) events: mpsc::Receiver<SessionEvent>,
    /// Why it is here, as long as it is.
    _note: Option<Note>,
}

/// What leads to a session's room.
#[derive(Debug)]
pub(crate) enum Inlet {
    /// Its task runs here.
    Here {
        id: SessionId,
        room: mpsc::Sender<Input>,
        /// Counts the client.
        _stay: Stay,
    },
    /// Another node has it: to the task that speaks with that one (`cluster/relay/near.rs`). It leaves the room when this is
    /// dropped.
    There {
        orders: mpsc::Sender<Order>,
        /// Its client is gone, but not for good.
        left_behind: Arc<AtomicBool>,
    },
}

/// What a client wants of its room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Order {
    Request {
        request: RequestId,
        body: Box<PeerRequest>,
    },
    Answer {
        ask: AskId,
        accepted: bool,
    },
    Release,
}

/// What a room has for a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
        let room = Inlet::Here {
            id,
            room,
            _stay: stay,
        };
        Self {
            room,
            events,
            _note: None,
        }
    }

    pub(crate) fn relayed(
        (orders, left_behind): (mpsc::Sender<Order>, Arc<AtomicBool>),
        events: mpsc::Receiver<SessionEvent>,
    ) -> Self {
        Self {
            room: Inlet::There {
                orders,
                left_behind,
            },
            events,
            _note: None,
        }
    }

    /// With a note of why it is here, which goes with it.
    pub(crate) fn with_note(self, note: Option<Note>) -> Self {
        Self {
            _note: note,
            ..self
        }
    }

    /// Whether its room is at another node.
    pub const fn is_relayed(&self) -> bool {
        matches!(self.room, Inlet::There { .. })
    }

    /// Gives it up because its client goes to another node and comes again from there. If the room is at another node, it stays
    /// there with its media for as long as when this node had died; else it leaves.
    pub fn leave_behind(self) {
        if let Inlet::There { left_behind, .. } = &self.room {
            left_behind.store(true, Ordering::Release);
        }
    }

    /// Passes a request of the client on. Its [`SessionEvent::Reply`] comes later, not necessarily in order.
    pub async fn request(&self, request: RequestId, body: PeerRequest) -> Result<(), SessionGone> {
        let body = Box::new(body);
        self.room.tell(Order::Request { request, body }).await
    }

    /// The client answered a question, or did not in time.
    pub async fn answer(&self, ask: AskId, accepted: bool) -> Result<(), SessionGone> {
        self.room.tell(Order::Answer { ask, accepted }).await
    }

    /// After [`SessionEvent::Move`]: the client has everything from where the room is now. What it sends here may go on
    /// until nobody needs it.
    pub async fn release(&self) -> Result<(), SessionGone> {
        self.room.tell(Order::Release).await
    }

    /// What comes next. After [`SessionEvent::End`] that again and again. Loses nothing when cancelled.
    pub async fn next_event(&mut self) -> SessionEvent {
        next_event(&mut self.events).await
    }
}

/// See [`Session::next_event`].
pub(crate) async fn next_event(events: &mut mpsc::Receiver<SessionEvent>) -> SessionEvent {
    // A room ends its sessions before it ends; one that was cut off for not keeping up is told nothing.
    let event = events.recv().await;
    event.unwrap_or(SessionEvent::End(SessionEnd::Overrun))
}

impl Inlet {
    /// Waits while there is no place for it. It is told when this completes, and not when this is dropped before.
    pub(crate) async fn tell(&self, order: Order) -> Result<(), SessionGone> {
        match self {
            Self::Here { id, room, .. } => {
                let told = room.send(order.for_session(*id)).await;
                told.map_err(|_| SessionGone)
            }
            Self::There { orders, .. } => orders.send(order).await.map_err(|_| SessionGone),
        }
    }
}

impl Order {
    fn for_session(self, session: SessionId) -> Input {
        Input::Command(match self {
            Self::Request { request, body } => Command::Request {
                session,
                request,
                body: *body,
            },
            Self::Answer { ask, accepted } => Command::ClientAnswer { ask, accepted },
            Self::Release => return Input::Release { session },
        })
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        let Self::Here { id, room, .. } = self else {
            return;
        };
        let goodbye = Input::Command(Command::PeerDisconnected { session: *id });
        if let Err(mpsc::error::TrySendError::Full(goodbye)) = room.try_send(goodbye) {
            let room = room.clone();
            tokio::spawn(async move {
                let _ = room.send(goodbye).await;
            });
        }
    }
}
