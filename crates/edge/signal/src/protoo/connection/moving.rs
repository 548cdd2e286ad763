//! A connection that outlives its room: a client who understands it joins again over the same WebSocket.

use std::{collections::VecDeque, time::Instant};

use plenum_api::error::ErrorKind;
use plenum_host::{ConnectError, Host, RoomOptions, Session, SessionEnd};
use plenum_ids::{PeerId, ProducerId, RoomId};
use plenum_room::{CloseReason, PeerReply, PeerRequest};
use tracing::{debug, info};

use super::{
    super::{
        classic,
        message::{Incoming, error_response},
        wire::Lost,
    },
    Connection, Ending, MOVE_TIMEOUT,
};

/// The way into a room, which is taken again when the room has moved.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) host: Host,
    pub(crate) room: RoomId,
    pub(crate) peer: PeerId,
    pub(crate) options: RoomOptions,
}

impl Door {
    /// A place for a client who is not here yet.
    pub(crate) fn enter(&self) -> Result<Session, ConnectError> {
        self.host
            .connect(&self.room, self.peer.clone(), self.options)
    }

    async fn enter_again(self) -> Result<Session, ConnectError> {
        let Self {
            host,
            room,
            peer,
            options,
        } = self;
        host.reconnect(&room, &peer, options).await
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
    /// When it must have joined again.
    join_by: Option<Instant>,
}

/// Several times what a client may have at once; who opens and closes cameras all day loses the oldest.
const MAX_REMEMBERED: usize = 64;

impl Moves {
    pub(super) const fn new(door: Door) -> Self {
        Self {
            door,
            says_able: false,
            able: false,
            produced: VecDeque::new(),
            join_by: None,
        }
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
                self.follow("workerLost").await
            }
            _ => Ok(Some(Ending::Session(end))),
        }
    }

    /// Goes where the room is now and asks the client to join there.
    async fn follow(&mut self, reason: &'static str) -> Result<Option<Ending>, Lost> {
        let entering = self.moves.door.clone().enter_again();
        tokio::pin!(entering);
        let entered = loop {
            tokio::select! {
                entered = &mut entering => break entered,
                text = self.wire.receive() => self.put_off(&text?)?,
            }
        };
        match entered {
            Ok(session) => self.session = session,
            Err(err) => {
                info!(%err, "no place to move to");
                return Ok(Some(Ending::NoPlace));
            }
        }
        self.moves.join_by = Some(Instant::now() + MOVE_TIMEOUT);
        self.asks.clear();
        info!(reason, "client is to join again");
        // First this: the client need not make anything of the refusals.
        self.wire
            .send(classic::migrate_notification(reason, false))?;
        for (_, id) in self.requests.drain() {
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

fn moved(id: &serde_json::Number) -> String {
    let code = ErrorKind::Unavailable.classic_code();
    error_response(id, code, "the room moves to another media worker")
}
