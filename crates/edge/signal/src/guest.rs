//! A peer without a socket: who speaks by HTTP requests, or over a connection that somebody else reads.
//!
//! A task owns the [`Session`], so that requests can be made and awaited from anywhere, several at a time.

use std::collections::HashMap;

use plenum_api::error::ErrorKind;
use plenum_host::{ConnectError, Host, RoomOptions, Session, SessionEnd, SessionEvent, Way, Who};
use plenum_ids::RoomName;
use plenum_params::rtp_parameters::RtpCapabilities;
use plenum_room::{
    Admission, AskId, ClientRequest, CloseReason, PeerEvent, PeerInfo, PeerReply, PeerRequest,
    RequestId, RoomError, Subscription,
};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::debug;

/// A peer without a socket. Cheap to clone; when the last clone is dropped the peer leaves its room.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    orders: mpsc::Sender<Order>,
    end: watch::Receiver<Option<SessionEnd>>,
    is_relayed: bool,
}

/// What a room has for a guest, apart from answers to its requests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GuestEvent {
    /// A question, to be answered with [`Guest::answer`].
    Ask { ask: AskId, body: ClientRequest },
    /// Something that the guest shall know.
    Notify(PeerEvent),
    /// The session is over. Nothing follows.
    End(SessionEnd),
    /// The room goes on elsewhere, see [`SessionEvent::Move`].
    Move,
}

/// What a guest's task is told.
#[derive(Debug)]
enum Order {
    Request {
        body: Box<PeerRequest>,
        reply: oneshot::Sender<Result<PeerReply, RoomError>>,
    },
    Answer {
        ask: AskId,
        accepted: bool,
    },
}

/// Orders on their way to the task. It is never busy for longer than the room is behind, so that this is slack for a
/// burst only.
const ORDERS: usize = 32;

/// Events that wait for a reader. As many as a session may have: joining a room of 100 peers with two producers each
/// brings 200 questions and as many scores at once.
const EVENTS: usize = 1024;

/// Requests of one guest that may be unanswered at a time, as for clients with a socket.
const MAX_OPEN_REQUESTS: usize = 512;

/// A guest in a room, wherever that is.
pub(crate) async fn enter(
    host: &Host,
    room: &RoomName,
    admission: Admission,
) -> Result<(Guest, mpsc::Receiver<GuestEvent>), ConnectError> {
    let way = host.locate(room, &Who::from(&admission)).await?;
    enter_by(host, way, admission).await
}

/// A guest in a room that somebody has found the way to.
pub(crate) async fn enter_by(
    host: &Host,
    way: Way,
    admission: Admission,
) -> Result<(Guest, mpsc::Receiver<GuestEvent>), ConnectError> {
    let entering = host.connect(way, admission, RoomOptions::default());
    Ok(Guest::new(entering.await?))
}

impl Guest {
    /// Takes a session over; its events come out of the receiver. Who does not care drops that: then questions are
    /// answered with no and everything else is forgotten. A receiver that is kept must be read, or the session ends
    /// with [`SessionEnd::Overrun`].
    pub(crate) fn new(session: Session) -> (Self, mpsc::Receiver<GuestEvent>) {
        let (orders, inbox) = mpsc::channel(ORDERS);
        let (events, reader) = mpsc::channel(EVENTS);
        let (end_tx, end) = watch::channel(None);
        let is_relayed = session.is_relayed();
        let task = Task {
            session,
            events,
            open: HashMap::new(),
            next_request: 0,
        };
        tokio::spawn(async move {
            let end = task.run(inbox).await;
            end_tx.send_replace(end);
        });
        let guest = Self {
            orders,
            end,
            is_relayed,
        };
        (guest, reader)
    }

    /// Whether its room is at another node.
    pub(crate) const fn is_relayed(&self) -> bool {
        self.is_relayed
    }

    /// One whose room is a function.
    #[cfg(test)]
    pub(crate) fn of_answers(
        mut answer: impl FnMut(PeerRequest) -> Result<PeerReply, RoomError> + Send + 'static,
    ) -> Self {
        let (orders, mut inbox) = mpsc::channel(ORDERS);
        let (end_tx, end) = watch::channel(None);
        tokio::spawn(async move {
            while let Some(order) = inbox.recv().await {
                if let Order::Request { body, reply } = order {
                    let _ = reply.send(answer(*body));
                }
            }
            drop(end_tx);
        });
        Self {
            orders,
            end,
            is_relayed: false,
        }
    }

    /// Asks the room for something and waits for the answer.
    pub(crate) async fn request(&self, body: PeerRequest) -> Result<PeerReply, RoomError> {
        let (reply, answer) = oneshot::channel();
        let body = Box::new(body);
        if self
            .orders
            .send(Order::Request { body, reply })
            .await
            .is_err()
        {
            return Err(gone(self.ended().await));
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(gone(self.ended().await)),
        }
    }

    /// Joins the room as somebody who asks for what it wants, and gives who is there. Whoever must wait in the lobby waits
    /// here.
    pub(crate) async fn join(
        &self,
        display_name: &str,
        device: Value,
        rtp_capabilities: Option<RtpCapabilities>,
    ) -> Result<Vec<PeerInfo>, RoomError> {
        let body = PeerRequest::Join {
            display_name: display_name.to_owned(),
            device,
            data: rtp_capabilities.is_some(),
            rtp_capabilities,
            volumes: false,
            demand: false,
            migrate: false,
            subscription: Subscription::Manual,
            app_data: Map::new(),
            features: false,
        };
        match self.request(body).await? {
            PeerReply::Joined { peers, .. } => Ok(peers),
            _ => Err(RoomError::new(
                ErrorKind::Internal,
                "the room answered something else",
            )),
        }
    }

    /// Answers a question.
    pub(crate) async fn answer(&self, ask: AskId, accepted: bool) {
        // If the session is over, nobody wants the answer.
        let _ = self.orders.send(Order::Answer { ask, accepted }).await;
    }

    /// Why the session is over, if it is.
    pub(crate) fn has_ended(&self) -> Option<SessionEnd> {
        *self.end.borrow()
    }

    /// Completes when the session is over.
    pub(crate) async fn ended(&self) -> SessionEnd {
        let mut end = self.end.clone();
        let ended = end.wait_for(Option::is_some).await;
        // The task says why before it goes, as long as somebody holds a clone, and `self` is one.
        ended
            .ok()
            .and_then(|end| *end)
            .unwrap_or(SessionEnd::Shutdown)
    }
}

/// What a request gets that comes too late.
fn gone(end: SessionEnd) -> RoomError {
    let (kind, reason) = match end {
        SessionEnd::Room(reason) => {
            let kind = match reason {
                CloseReason::Replaced => ErrorKind::Conflict,
                CloseReason::RoomFull => ErrorKind::Unavailable,
                reason if reason.is_refusal() => ErrorKind::Forbidden,
                _ => ErrorKind::NotFound,
            };
            (kind, reason.as_str())
        }
        _ => (ErrorKind::Unavailable, "the server ended the session"),
    };
    RoomError::new(kind, reason)
}

struct Task {
    session: Session,
    events: mpsc::Sender<GuestEvent>,
    /// Requests that the room works on.
    open: HashMap<RequestId, oneshot::Sender<Result<PeerReply, RoomError>>>,
    next_request: u64,
}

impl Task {
    /// Until the room or the last clone of the guest ends it; `None`: the latter.
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) -> Option<SessionEnd> {
        loop {
            tokio::select! {
                order = inbox.recv() => self.handle_order(order?).await,
                event = self.session.next_event() => {
                    if let Some(end) = self.handle_event(event).await {
                        return Some(end);
                    }
                }
            }
        }
    }

    async fn handle_order(&mut self, order: Order) {
        // If the room has ended, the end of the session is the next event.
        match order {
            Order::Request { body, reply } => {
                // Who does not wait any more (a request that was hung up) needs no place.
                self.open.retain(|_, waiting| !waiting.is_closed());
                if self.open.len() >= MAX_OPEN_REQUESTS {
                    let refusal = RoomError::new(ErrorKind::TooMany, "too many open requests");
                    let _ = reply.send(Err(refusal));
                    return;
                }
                let request = RequestId(self.next_request);
                self.next_request += 1;
                self.open.insert(request, reply);
                let _ = self.session.request(request, *body).await;
            }
            Order::Answer { ask, accepted } => {
                let _ = self.session.answer(ask, accepted).await;
            }
        }
    }

    async fn handle_event(&mut self, event: SessionEvent) -> Option<SessionEnd> {
        let event = match event {
            SessionEvent::Ask { ask, body } => GuestEvent::Ask { ask, body },
            SessionEvent::End(end) => {
                let _ = self.events.try_send(GuestEvent::End(end));
                return Some(end);
            }
            SessionEvent::Move => GuestEvent::Move,
            SessionEvent::Notify(event) => GuestEvent::Notify(event),
            SessionEvent::Reply { request, result } => {
                if let Some(reply) = self.open.remove(&request) {
                    // Who asked may have hung up.
                    let _ = reply.send(result);
                }
                return None;
            }
            other => {
                debug!(?other, "unknown event");
                return None;
            }
        };
        match self.events.try_send(event) {
            Err(mpsc::error::TrySendError::Full(_)) => Some(SessionEnd::Overrun),
            Err(mpsc::error::TrySendError::Closed(GuestEvent::Ask { ask, .. })) => {
                let _ = self.session.answer(ask, false).await;
                None
            }
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
        }
    }
}
