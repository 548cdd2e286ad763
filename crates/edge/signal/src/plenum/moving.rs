//! A session that outlives its room: the client joins again where the room is now.

use std::{
    collections::VecDeque,
    future::pending,
    time::{Duration, Instant},
};

use plenum_api::error::ErrorKind;
use plenum_host::{ConnectError, Host, RoomOptions, Session, Way, Who};
use plenum_ids::{ProducerId, RoomName};
use plenum_room::{Admission, PeerRequest, RoomError};
use tokio::task::JoinSet;
use tracing::info;

use super::{
    client::{Client, Step},
    closing::Ending,
    handing::Earlier,
    outgoing,
};

/// The way into a room, which is taken again when the room has moved. What hosts have made of the client the room knows
/// wherever it goes.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) host: Host,
    pub(super) room: RoomName,
    pub(super) admission: Admission,
}

impl Home {
    /// Where a client who is not here yet is to go.
    pub(super) async fn locate(&self) -> Result<Way, ConnectError> {
        let who = Who::from(&self.admission);
        self.host.locate(&self.room, &who).await
    }

    /// A place for him, here or at another node.
    pub(super) async fn enter(&self, way: Way) -> Result<Session, ConnectError> {
        let admission = self.admission.clone();
        self.host
            .connect(way, admission, RoomOptions::default())
            .await
    }

    pub(super) async fn enter_again(self) -> Result<Session, ConnectError> {
        let options = RoomOptions::default();
        self.host
            .reconnect(&self.room, &self.admission, options)
            .await
    }
}

/// What a client must know to follow its room.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// What it has produced, the latest last: identifiers that it may wish for after a move.
    produced: VecDeque<ProducerId>,
    /// It has joined where it is now.
    joined: bool,
    /// It has been welcomed somewhere.
    welcomed: bool,
    /// Why it is somewhere else now, and whether it still has what it had before.
    reason: Option<(&'static str, bool)>,
    /// When it must have joined again.
    join_by: Option<Instant>,
    /// Its requests that are answered when the session before has ended.
    releases: Vec<u64>,
}

/// A way that is being gone.
pub(super) struct Following {
    /// One task, which ends with this.
    entering: JoinSet<Result<Session, ConnectError>>,
    reason: &'static str,
    /// The session before goes on meanwhile, and the client has something there.
    alive: bool,
}

/// How long a client may take to join again when its room has moved: a few round trips, on a link that is crowded
/// because everybody else does the same.
const MOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client needs one.
const MAX_RELEASES: usize = 4;

/// Several times what a client may have at once; who opens and closes cameras all day loses the oldest.
const MAX_REMEMBERED: usize = 64;

impl Moves {
    /// Of a client that is to join again, where it has what it had before for a while.
    pub(super) fn moved(produced: Vec<ProducerId>) -> Self {
        let superfluous = produced.len().saturating_sub(MAX_REMEMBERED);
        Self {
            produced: produced.into_iter().skip(superfluous).collect(),
            welcomed: true,
            reason: Some(("maintenance", true)),
            ..Self::default()
        }
    }

    pub(super) const fn has_joined(&self) -> bool {
        self.joined
    }

    /// Identifiers that the client may wish for.
    pub(super) fn produced(&self) -> Vec<ProducerId> {
        self.produced.iter().copied().collect()
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.join_by
    }

    /// Whether this request is answered when the session before has ended.
    pub(super) fn is_waiting(&self, id: u64) -> bool {
        self.releases.contains(&id)
    }

    /// Takes out of requests what the client may not wish.
    pub(super) fn note_requests(&self, requests: &mut [PeerRequest]) {
        for request in requests {
            if let PeerRequest::Produce { wish, .. } = request {
                *wish = wish.filter(|id| self.produced.contains(id));
            }
        }
    }

    pub(super) fn note_produced(&mut self, producer: ProducerId) {
        if self.produced.contains(&producer) {
            return;
        }
        if self.produced.len() >= MAX_REMEMBERED {
            self.produced.pop_front();
        }
        self.produced.push_back(producer);
    }

    pub(super) const fn note_joined(&mut self) {
        self.joined = true;
        self.join_by = None;
    }

    /// In the lobby nobody is in a hurry.
    pub(super) const fn note_waiting(&mut self) {
        self.join_by = None;
    }

    /// The client gets a welcome now. `Some`: its room has moved, for this reason, and whether what it had goes on.
    pub(super) fn begin(&mut self) -> Option<(&'static str, bool)> {
        let reason = self.reason.take();
        if !std::mem::replace(&mut self.welcomed, true) {
            return None;
        }
        self.join_by = Some(Instant::now() + MOVE_TIMEOUT);
        reason
    }
}

/// When the client is where it is going to. Loses nothing when cancelled.
pub(super) async fn entered(following: &mut Option<Following>) -> Result<Session, ConnectError> {
    match following {
        Some(following) => match following.entering.join_next().await {
            Some(Ok(entered)) => entered,
            // It has failed for a reason that nobody has thought of.
            Some(Err(_)) => Err(ConnectError::Overloaded),
            None => pending().await,
        },
        None => pending().await,
    }
}

/// When the session before the present one has ended; never if there is none. Loses nothing when cancelled.
pub(super) async fn earlier_ended(earlier: &mut Option<Earlier>) {
    let Some(before) = earlier else {
        return pending().await;
    };
    before.ended().await;
    *earlier = None;
}

impl Client {
    /// There is nobody who could do what the client asks for.
    pub(super) const fn is_between_rooms(&self) -> bool {
        self.following.is_some() || self.entrance.is_some()
    }

    /// Goes where the room is now. The present session goes on beside the new one if it is `alive` and the client has
    /// anything there; else the one before it does, if there is one.
    pub(super) fn follow(&mut self, reason: &'static str, alive: bool) {
        self.entrance = None;
        let mut entering = JoinSet::new();
        entering.spawn(self.home.clone().enter_again());
        self.following = Some(Following {
            entering,
            reason,
            alive: alive && self.moves.joined,
        });
    }

    /// The room is found; the client is asked to join there as soon as it can.
    pub(super) async fn arrive(&mut self, entered: Result<Session, ConnectError>) -> Step {
        let session = match entered {
            Ok(session) => session,
            Err(err) => {
                info!(%err, "no place to move to");
                return Err(Ending::NoPlace);
            }
        };
        let Some(following) = self.following.take() else {
            return Ok(());
        };
        let left = std::mem::replace(&mut self.session, session);
        if following.alive {
            self.earlier = Some(Earlier::Here(left));
        }
        let gently = self.earlier.is_some();
        info!(reason = following.reason, gently, "client is to join again");
        self.moves.joined = false;
        self.moves.join_by = None;
        self.moves.reason = Some((following.reason, gently));
        self.asks.clear();
        self.connected.clear();
        for id in self.jobs.drain() {
            self.link.answer(id, &outgoing::between_rooms(id));
        }
        self.enter().await;
        Ok(())
    }

    /// The client has what it needs from the present session: the one before may end as far as it is concerned.
    pub(super) async fn release(&mut self, id: u64) {
        match &self.earlier {
            Some(_) if self.moves.releases.len() >= MAX_RELEASES => {
                let error = RoomError::new(ErrorKind::TooMany, "this was said already");
                self.link.answer(id, &outgoing::refusal(id, &error));
            }
            Some(earlier) => {
                self.moves.releases.push(id);
                earlier.release().await;
            }
            None => self.link.answer(id, &outgoing::done(id)),
        }
    }

    pub(super) fn handle_earlier_end(&mut self) {
        for id in std::mem::take(&mut self.moves.releases) {
            self.link.answer(id, &outgoing::done(id));
        }
    }
}
