//! One client: its WebSocket on one side, its session in a room on the other.

mod moving;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use plenum_api::error::ErrorKind;
use plenum_host::{Session, SessionEnd, SessionEvent};
use plenum_room::{
    AskId, ClientRequest, CloseReason, PeerEvent, PeerReply, PeerRequest, RequestId, RoomError,
};
use serde_json::Number;
use tracing::debug;

use super::{
    Dialect, classic,
    message::{Incoming, error_response},
    pending::Pending,
    wire::{Lost, Wire},
};
use crate::{
    Edge,
    leaving::{Departure, at},
    metrics::{Stage, Stages},
};
pub(crate) use moving::Door;
use moving::Moves;

/// Serves a client until either side ends. Nothing here waits for a client's answer: while a question is open, the
/// client's own requests go on, because some clients answer only after one of those was answered.
pub(crate) struct Connection {
    wire: Wire,
    session: Session,
    edge: Edge,
    dialect: Dialect,
    /// Questions to the client.
    asks: Pending<AskId>,
    /// Requests of the client that the room is working on, with the ids that the client gave them; `None`: it wants no answer.
    requests: HashMap<RequestId, Option<Number>>,
    next_request: u64,
    moves: Moves,
    /// How far its join has come.
    stages: Stages,
}

/// Why a connection is closed by us.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// There is no place where its room could go on.
    NoPlace,
    /// The node is to be empty, and its room is at another one.
    NodeLeaves,
    /// Its session has ended.
    Session(SessionEnd),
    /// Its room moves, and it does not know how to follow.
    RoomMoves,
    /// It was asked to join again and did not.
    Stayed,
}

/// How long a client may take to join again when its room has moved: a few round trips, on a link that is crowded
/// because everybody else does the same.
const MOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests of one client that may be unanswered at a time. Clients have a handful; a room answers all of them in the
/// end, so that the table can only grow by hurry.
const MAX_OPEN_REQUESTS: usize = 512;

impl Connection {
    /// `session` is what `door` led to.
    pub(crate) fn new(
        wire: Wire,
        session: Session,
        door: Door,
        edge: Edge,
        stages: Stages,
    ) -> Self {
        let asks = Pending::new(edge.settings.request_timeout);
        Self {
            wire,
            session,
            edge,
            dialect: door.dialect,
            asks,
            requests: HashMap::new(),
            next_request: 0,
            moves: Moves::new(door),
            stages,
        }
    }

    pub(crate) async fn run(mut self) {
        match self.serve().await {
            Ok(end) => {
                let (code, reason) = close_frame(end);
                debug!(?end, code, "session ended");
                // The room is done with this session; only the farewell is left.
                match end {
                    Ending::NodeLeaves => self.session.leave_behind(),
                    _ => drop(self.session),
                }
                self.wire.close(code, reason).await;
            }
            Err(lost) => debug!(?lost, "connection lost"),
        }
    }

    async fn serve(&mut self) -> Result<Ending, Lost> {
        let version = &self.edge.settings.announced_version;
        for greeting in self.dialect.greetings(version) {
            self.wire.send(greeting)?;
        }
        let mut ending = self.moves.ending();
        let mut end_told = false;
        let (mut departing, mut departure) = (self.edge.host.departing(), Departure::default());
        loop {
            let end = *ending.borrow();
            let departs_by = *departing.borrow_and_update();
            departure.look(departs_by, self.session.is_relayed(), Instant::now());
            if let (Some(after), true, false) = (end, self.moves.is_able(), end_told) {
                self.wire.send(classic::draining_notification(after))?;
                end_told = true;
            }
            let deadline = self.asks.deadline();
            let move_deadline = self.moves.deadline();
            tokio::select! {
                text = self.wire.receive() => self.handle_text(&text?).await?,
                event = self.session.next_event() => {
                    if let Some(end) = self.handle_event(event).await? {
                        return Ok(end);
                    }
                }
                () = self.moves.earlier_ended() => self.handle_earlier_end()?,
                () = at(deadline) => {
                    while let Some(ask) = self.asks.expire(Instant::now()) {
                        self.answer(ask, false).await;
                    }
                }
                () = at(move_deadline) => return Ok(Ending::Stayed),
                () = at(departure.at()), if !self.moves.is_under_way() => return Ok(Ending::NodeLeaves),
                Ok(()) = ending.changed() => {}
                Ok(()) = departing.changed() => {}
            }
        }
    }

    async fn handle_text(&mut self, text: &str) -> Result<(), Lost> {
        match Incoming::parse(text) {
            Some(Incoming::Request { id, method, data }) => {
                self.handle_request(id, &method, data).await
            }
            Some(Incoming::Response { id, result }) => {
                if let Err(refusal) = &result {
                    debug!(id, ?refusal, "client refused");
                }
                if let Some(ask) = self.asks.take(id) {
                    self.answer(ask, result.is_ok()).await;
                } else {
                    debug!(id, "answer to nothing ignored");
                }
                Ok(())
            }
            Some(Incoming::Notification { method, .. }) if method == "migrated" => {
                self.release(None).await
            }
            Some(Incoming::Notification { method, data }) => {
                self.handle_notification(&method, data).await;
                Ok(())
            }
            None => {
                debug!(bytes = text.len(), "not a protoo message, ignored");
                Ok(())
            }
        }
    }

    async fn handle_request(&mut self, id: Number, method: &str, data: &str) -> Result<(), Lost> {
        if self.requests.len() >= MAX_OPEN_REQUESTS {
            let code = ErrorKind::TooMany.classic_code();
            return self
                .wire
                .send(error_response(&id, code, "too many open requests"));
        }
        if method == "migrated" && self.moves.is_able() {
            return self.release(Some(id)).await;
        }
        self.dialect.note_request(method, data);
        if let Some(answer) = Dialect::answer_directly(&id, method) {
            return self.wire.send(answer);
        }
        let mut body = match self.dialect.decode_request(method, data) {
            Ok(body) => body,
            Err(err) => {
                debug!(method, %err, "request refused");
                return self
                    .wire
                    .send(error_response(&id, err.kind.classic_code(), &err.reason));
            }
        };
        self.moves.note_request(method, data, &mut body);
        if matches!(body, PeerRequest::Join { .. }) {
            self.stages.reach(Stage::JoinRequest);
        }
        self.pass_on(Some(id), body).await;
        Ok(())
    }

    /// What goes wrong with it is told to nobody.
    async fn handle_notification(&mut self, method: &str, data: &str) {
        match self.dialect.decode_notification(method, data) {
            Some(Ok(body)) if self.requests.len() < MAX_OPEN_REQUESTS => {
                self.pass_on(None, body).await;
            }
            Some(Ok(_)) => debug!(method, "too many open requests"),
            Some(Err(err)) => debug!(method, %err, "notification refused"),
            None => debug!(method, "notification ignored"),
        }
    }

    /// Hands something to the room that the client wants, to be answered under this id.
    async fn pass_on(&mut self, id: Option<Number>, body: PeerRequest) {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(request, id);
        // If the room has ended, the end of the session is the next event.
        let _ = self.session.request(request, body).await;
    }

    async fn handle_event(&mut self, event: SessionEvent) -> Result<Option<Ending>, Lost> {
        match event {
            SessionEvent::Ask { ask, body } => self.ask(ask, &body).await?,
            SessionEvent::End(end) => return self.handle_end(end).await,
            SessionEvent::Move => return self.handle_move().await,
            SessionEvent::Notify(event) => {
                match &event {
                    PeerEvent::TransportConnected { .. } => self.stages.reach(Stage::Connected),
                    PeerEvent::MediaStarted { .. } => self.stages.reach(Stage::FirstMedia),
                    _ => {}
                }
                if let Some(text) = self.dialect.encode_event(&event) {
                    self.wire.send(text)?;
                } else {
                    debug!(?event, "no words for it");
                }
            }
            SessionEvent::Reply { request, result } => self.reply(request, &result)?,
            other => debug!(?other, "unknown event"),
        }
        Ok(None)
    }

    fn reply(
        &mut self,
        request: RequestId,
        result: &Result<PeerReply, RoomError>,
    ) -> Result<(), Lost> {
        let Some(id) = self.requests.remove(&request) else {
            debug!(?request, "reply to nothing");
            return Ok(());
        };
        match result {
            Ok(PeerReply::Joined { .. }) => self.stages.reach(Stage::Joined),
            Ok(PeerReply::WebRtcTransport { .. }) => self.stages.reach(Stage::Transport),
            Ok(_) => {}
            Err(err) => debug!(%err, "request refused"),
        }
        let Some(id) = id else {
            return Ok(());
        };
        let text = match result {
            Ok(PeerReply::WebRtcTransport { transport, info }) => {
                let ice_servers = self.edge.ice_servers(self.moves.peer());
                self.dialect
                    .encode_transport(&id, *transport, info, ice_servers)
            }
            Ok(reply) => {
                self.moves.note_reply(reply);
                self.dialect.encode_reply(&id, reply)
            }
            Err(err) => error_response(&id, err.kind.classic_code(), &err.reason),
        };
        self.wire.send(text)
    }

    async fn ask(&mut self, ask: AskId, body: &ClientRequest) -> Result<(), Lost> {
        let id = self.asks.insert(Instant::now(), ask);
        if let Some(text) = self.dialect.encode_ask(id, body) {
            self.wire.send(text)
        } else {
            debug!(?body, "no words for it");
            self.asks.take(id);
            self.answer(ask, false).await;
            Ok(())
        }
    }

    async fn answer(&self, ask: AskId, accepted: bool) {
        // If the room has ended, nobody wants the answer.
        let _ = self.session.answer(ask, accepted).await;
    }
}

/// How a connection is closed. protoo clients come back by themselves after every code but 4000, so that one is for
/// those who must not: they were replaced, sent away, or the room is over.
fn close_frame(ending: Ending) -> (u16, &'static str) {
    let end = match ending {
        Ending::NoPlace => {
            return (
                TRY_AGAIN_LATER,
                "no media worker takes the room, try again later",
            );
        }
        Ending::Session(end) => end,
        Ending::NodeLeaves => {
            return (
                SERVICE_RESTART,
                "the room is better reached through another node",
            );
        }
        Ending::RoomMoves => return (SERVICE_RESTART, "the room moves to another media worker"),
        Ending::Stayed => return (SERVICE_RESTART, "did not join again after the room moved"),
    };
    match end {
        SessionEnd::Room(reason @ (CloseReason::RouterLost | CloseReason::TransportLost)) => {
            (SERVICE_RESTART, reason.as_str())
        }
        SessionEnd::Room(reason) => (DO_NOT_RETURN, reason.as_str()),
        SessionEnd::Moved => (
            SERVICE_RESTART,
            "the room has moved to another media worker",
        ),
        SessionEnd::Shutdown => (SERVICE_RESTART, "server is shutting down"),
        _ => (TRY_AGAIN_LATER, "messages were not taken in time"),
    }
}

/// protoo's own code.
const DO_NOT_RETURN: u16 = 4000;

/// RFC 6455 registry: "Service Restart".
const SERVICE_RESTART: u16 = 1012;

/// RFC 6455 registry: "Try Again Later".
const TRY_AGAIN_LATER: u16 = 1013;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_must_stay_away_are_told_so() {
        let room = |reason| Ending::Session(SessionEnd::Room(reason));
        for (ending, code) in [
            (room(CloseReason::Replaced), 4000),
            (room(CloseReason::RoomClosed), 4000),
            (room(CloseReason::RoomFull), 4000),
            (room(CloseReason::JoinTimeout), 4000),
            (room(CloseReason::RouterLost), 1012),
            (room(CloseReason::TransportLost), 1012),
            (Ending::Session(SessionEnd::Shutdown), 1012),
            (Ending::Session(SessionEnd::Overrun), 1013),
            (Ending::NoPlace, 1013),
            (Ending::NodeLeaves, 1012),
            (Ending::RoomMoves, 1012),
            (Ending::Session(SessionEnd::Moved), 1012),
            (Ending::Stayed, 1012),
        ] {
            let (given, reason) = close_frame(ending);
            assert_eq!(given, code, "{ending:?}");
            // A close frame carries at most 123 bytes of reason (RFC 6455 §5.5).
            assert!(reason.len() <= 123);
        }
    }
}
