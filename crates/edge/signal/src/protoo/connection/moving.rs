//! A connection that outlives its room: a client who understands it joins again over the same WebSocket.

use std::{
    collections::VecDeque,
    future::pending,
    time::{Duration, Instant},
};

use plenum_api::error::ErrorKind;
use plenum_host::{ConnectError, Host, RoomOptions, Session, SessionEnd, SessionEvent, Who};
use plenum_ids::{PeerId, ProducerId, RoomName};
use plenum_room::{Admission, CloseReason, PeerReply, PeerRequest};
use serde_json::Number;
use tokio::sync::watch;
use tracing::{debug, info};

use super::{
    super::{
        Dialect, classic,
        message::{Incoming, error_response},
        wire::Lost,
    },
    Connection, Ending, MOVE_TIMEOUT,
};

/// The way into a room, which is taken again when the room has moved.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) host: Host,
    pub(crate) room: RoomName,
    pub(crate) admission: Admission,
    pub(crate) options: RoomOptions,
    /// What the way there tells of the client's dialect.
    pub(crate) dialect: Dialect,
}

impl Door {
    /// A place for a client who is not here yet.
    pub(crate) async fn enter(&self) -> Result<Session, ConnectError> {
        let who = Who::from(&self.admission);
        let way = self.host.locate(&self.room, &who).await?;
        self.host
            .connect(way, self.admission.clone(), self.options)
            .await
    }

    async fn enter_again(self) -> Result<Session, ConnectError> {
        let Self {
            host,
            room,
            admission,
            options,
            ..
        } = self;
        host.reconnect(&room, &admission, options).await
    }
}

/// What a connection must know to follow its room.
pub(super) struct Moves {
    door: Door,
    /// The client said so in a `join` that has not been answered yet, or never will be.
    says_able: bool,
    /// It said so in one that was.
    able: bool,
    /// What the client has produced, the latest last: identifiers that it may wish for after a move.
    produced: VecDeque<ProducerId>,
    /// The present session has joined.
    joined: bool,
    /// When it must have joined again.
    join_by: Option<Instant>,
    /// Where the room was before, as long as that goes on: its media flows, and nothing of it is passed on.
    earlier: Option<Session>,
    /// The client's requests that are answered when that has ended.
    releases: Vec<Number>,
}

/// A client needs one.
const MAX_RELEASES: usize = 4;

/// Several times what a client may have at once; who opens and closes cameras all day loses the oldest.
const MAX_REMEMBERED: usize = 64;

impl Moves {
    pub(super) const fn new(door: Door) -> Self {
        Self {
            door,
            says_able: false,
            able: false,
            produced: VecDeque::new(),
            joined: false,
            join_by: None,
            earlier: None,
            releases: Vec::new(),
        }
    }

    pub(super) const fn peer(&self) -> &PeerId {
        &self.door.admission.peer
    }

    pub(super) const fn is_able(&self) -> bool {
        self.able
    }

    /// Whether the node is about to end.
    pub(super) fn ending(&self) -> watch::Receiver<Option<Duration>> {
        self.door.host.ending()
    }

    /// When the session before the present one has ended; never if there is none. Loses nothing when cancelled.
    pub(super) async fn earlier_ended(&mut self) {
        let Some(earlier) = &mut self.earlier else {
            return pending().await;
        };
        while !matches!(earlier.next_event().await, SessionEvent::End(_)) {}
        self.earlier = None;
    }

    /// The client is on its way from one place to another.
    pub(super) const fn is_under_way(&self) -> bool {
        self.join_by.is_some() || self.earlier.is_some()
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.join_by
    }

    /// Notes what a request says about moves, and takes out of it what the client may not wish.
    pub(super) fn note_request(&mut self, method: &str, data: &str, body: &mut PeerRequest) {
        match body {
            PeerRequest::Join { .. } => {
                self.says_able = classic::understands_migrate(method, data);
            }
            PeerRequest::Produce { wish, .. } => {
                *wish = wish.filter(|id| self.produced.contains(id));
            }
            _ => {}
        }
    }

    pub(super) fn note_reply(&mut self, reply: &PeerReply) {
        match reply {
            PeerReply::Joined { .. } => {
                self.able = self.says_able;
                self.joined = true;
                self.join_by = None;
            }
            PeerReply::Produced { producer } if !self.produced.contains(producer) => {
                if self.produced.len() >= MAX_REMEMBERED {
                    self.produced.pop_front();
                }
                self.produced.push_back(*producer);
            }
            _ => {}
        }
    }
}

impl Connection {
    /// The session has ended: whether the connection does, too.
    pub(super) async fn handle_end(&mut self, end: SessionEnd) -> Result<Option<Ending>, Lost> {
        match end {
            SessionEnd::Room(CloseReason::RouterLost) if self.moves.able => {
                self.follow("workerLost", false).await
            }
            // The old room was faster than the news of its moving.
            SessionEnd::Moved if self.moves.able => self.follow("maintenance", false).await,
            _ => Ok(Some(Ending::Session(end))),
        }
    }

    /// The room goes on elsewhere while the session here still lives.
    pub(super) async fn handle_move(&mut self) -> Result<Option<Ending>, Lost> {
        if self.moves.able {
            self.follow("maintenance", true).await
        } else {
            Ok(Some(Ending::RoomMoves))
        }
    }

    /// The client has what it needs from the present session: the one before may end as far as it is concerned.
    pub(super) async fn release(&mut self, request: Option<Number>) -> Result<(), Lost> {
        if self.moves.releases.len() < MAX_RELEASES {
            self.moves.releases.extend(request);
        }
        match &self.moves.earlier {
            Some(earlier) => {
                // A room that has ended says so.
                let _ = earlier.release().await;
                Ok(())
            }
            None => self.handle_earlier_end(),
        }
    }

    pub(super) fn handle_earlier_end(&mut self) -> Result<(), Lost> {
        for id in self.moves.releases.drain(..) {
            let reply = classic::encode_reply(&id, &PeerReply::Done);
            self.wire.send(reply)?;
        }
        Ok(())
    }

    /// Goes where the room is now and asks the client to join there. The present session goes on beside the new one if
    /// it is `alive` and the client has anything there; else the one before it does, if there is one.
    async fn follow(&mut self, reason: &'static str, alive: bool) -> Result<Option<Ending>, Lost> {
        let entering = self.moves.door.clone().enter_again();
        tokio::pin!(entering);
        let entered = loop {
            tokio::select! {
                entered = &mut entering => break entered,
                text = self.wire.receive() => self.put_off(&text?)?,
            }
        };
        let left = match entered {
            Ok(session) => std::mem::replace(&mut self.session, session),
            Err(err) => {
                info!(%err, "no place to move to");
                return Ok(Some(Ending::NoPlace));
            }
        };
        if alive && self.moves.joined {
            self.moves.earlier = Some(left);
        }
        self.moves.joined = false;
        let gently = self.moves.earlier.is_some();
        self.moves.join_by = Some(Instant::now() + MOVE_TIMEOUT);
        self.asks.clear();
        info!(reason, gently, "client is to join again");
        // First this: the client need not make anything of the refusals.
        self.wire
            .send(classic::migrate_notification(reason, gently))?;
        for id in self.requests.drain().filter_map(|(_, id)| id) {
            self.wire.send(moved(&id))?;
        }
        Ok(None)
    }

    /// What a client says while it has no room.
    fn put_off(&self, text: &str) -> Result<(), Lost> {
        if let Some(Incoming::Request { id, .. }) = Incoming::parse(text) {
            return self.wire.send(moved(&id));
        }
        debug!("message between two rooms ignored");
        Ok(())
    }
}

fn moved(id: &Number) -> String {
    let code = ErrorKind::Unavailable.classic_code();
    error_response(id, code, "the room moves to another media worker")
}
