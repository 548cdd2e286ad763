//! A session that goes on at another node, because this one is to be empty.
//!
//! All of it goes there at once: what the client was told and perhaps has not got, what it may wish for, where its numbers are. It
//! has another token there, which the client learns from the `migrate` that follows. What stays here is the membership of before,
//! until the client needs that no longer, and its socket, whose frames are passed on until then. After that the socket is closed
//! without a word: the client resumes through any other node, and its media notices nothing.

use std::{
    future::pending,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use plenum_host::{Session, SessionEvent, Tunnel};
use plenum_ids::{NodeId, ProducerId, RoomName};
use plenum_room::Admission;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, debug, info, info_span};

use super::{
    client::Client,
    link::RESUME_WITHIN,
    moving::Home,
    outbox::Kept,
    outgoing,
    sessions::{Resumption, Ticket},
    upgrade::FOUND_WITHIN,
};
use crate::{
    Edge,
    far::{self, Far, Opening},
    leaving::{self, at},
    metrics::Stages,
    protoo::wire::Wire,
};

/// How long handing over may take: nodes read twice in this time that one of them takes nobody any more. What the client says
/// meanwhile waits.
const ADOPTED_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks at where the room is next.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What another node needs to go on with a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Handed {
    pub(super) room: RoomName,
    pub(super) admission: Admission,
    pub(super) outbox: Kept,
    /// The greatest identifier that a request of the client had.
    pub(super) last_request: u64,
    /// The same of the server's.
    pub(super) last_ask: u64,
    /// Identifiers of producers that the client may wish for.
    pub(super) produced: Vec<ProducerId>,
}

/// What that node says to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Adopted {
    /// The session goes on under this token.
    Welcome { token: String },
    /// It does not.
    Refused,
}

/// The client has what it needs: what that node says later, by saying anything.
const RELEASE: &str = "release";

/// Where a session has gone.
pub(super) struct Elsewhere {
    node: NodeId,
    token: String,
    /// Speaks of the membership of before; it is over when that is.
    control: Tunnel,
}

/// A socket whose frames are passed on.
type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Client {
    /// Hands the session over to the node where its room is next, if that is another one and takes it. If not, it goes on here.
    pub(super) async fn hand_over(&mut self) -> Option<Elsewhere> {
        let is_quiet = !self.is_between_rooms() && self.earlier.is_none();
        if !is_quiet || !self.moves.has_joined() || !self.edge.host.is_drained() {
            return None;
        }
        let handing = timeout(ADOPTED_WITHIN, self.offer()).await;
        handing.ok().flatten()
    }

    async fn offer(&mut self) -> Option<Elsewhere> {
        let node = self.next_node().await?;
        let opening = serde_json::to_value(Opening::Adopt).ok()?;
        let mut control = self.edge.host.tunnel_away(&node, &opening).await.ok()?;
        // As in any move: nobody answers what was asked before.
        self.asks.clear();
        self.connected.clear();
        for id in self.jobs.drain() {
            self.link.answer(id, &outgoing::between_rooms(id));
        }
        let handed = Handed {
            room: self.home.room.clone(),
            admission: self.home.admission.clone(),
            outbox: self.link.kept()?,
            last_request: self.last_request,
            last_ask: self.asks.last_id(),
            produced: self.moves.produced(),
        };
        let handed = serde_json::to_value(handed).ok()?;
        control.send(handed).await.ok()?;
        match serde_json::from_value(control.recv().await?).ok()? {
            Adopted::Welcome { token } => Some(Elsewhere {
                node,
                token,
                control,
            }),
            Adopted::Refused => None,
        }
    }
}

impl Client {
    /// Where the room is next: as soon as it is known that this node takes nobody.
    async fn next_node(&self) -> Option<NodeId> {
        while self.edge.host.is_drained() {
            if let Ok(way) = self.home.locate().await
                && let Some(node) = far::node_of(&way)
            {
                return Some(node.clone());
            }
            sleep(LOOK_AGAIN).await;
        }
        None
    }
}

impl Elsewhere {
    /// What is left to do here. `seen`: the last frame that this node has said.
    pub(super) async fn run(
        self,
        edge: Edge,
        (session, wire, seen): (Session, Option<Wire>, u64),
        (ticket, mut resumptions): (Ticket, tokio::sync::mpsc::Receiver<Resumption>),
    ) {
        let Self {
            node,
            token,
            control,
        } = self;
        info!(%node, "the session goes on at another node");
        let opening = |seen, quiet| Opening::Resume {
            token: token.clone(),
            seen,
            quiet,
        };
        let mut before = Some((session, control));
        let mut passing: Option<Passing> = None;
        if let Some(wire) = wire {
            let pass = pass_on(edge.clone(), node.clone(), opening(seen, true), wire);
            passing = Some(Box::pin(pass));
        }
        let lingering = || Some(Instant::now() + RESUME_WITHIN);
        let mut resume_by = lingering();
        loop {
            let is_passing = passing.is_some();
            tokio::select! {
                over = ended(&mut before) => {
                    (before, resume_by) = (None, lingering());
                    if over == Over::Here {
                        // The client has all it needs there; it finds the way by itself, under the token that it knows now.
                        passing = None;
                    }
                }
                () = passed(&mut passing) => (passing, resume_by) = (None, lingering()),
                Some(Resumption { socket, seen, .. }) = resumptions.recv() => {
                    // It has not heard of the other token.
                    let wire = Wire::new(socket, &edge.settings);
                    let pass = pass_on(edge.clone(), node.clone(), opening(seen, false), wire);
                    let departing = edge.host.departing();
                    passing = Some(Box::pin(async move {
                        tokio::select! {
                            () = pass => {}
                            () = leaving::due(departing) => {}
                        }
                    }));
                }
                () = at(resume_by), if !is_passing && before.is_none() => break,
            }
        }
        drop(ticket);
    }
}

/// What is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The membership of before.
    Here,
    /// The session, where it went; if it says goodbye, that is still to be passed on.
    There,
}

/// When either is over; never if one has been for long.
async fn ended(before: &mut Option<(Session, Tunnel)>) -> Over {
    let Some((session, control)) = before else {
        return pending().await;
    };
    loop {
        tokio::select! {
            event = session.next_event() => if matches!(event, SessionEvent::End(_)) {
                return Over::Here;
            },
            said = control.recv() => match said {
                // A room that has ended says so.
                Some(_) => drop(session.release().await),
                None => return Over::There,
            },
        }
    }
}

async fn passed(passing: &mut Option<Passing>) {
    match passing {
        Some(passing) => passing.await,
        None => pending().await,
    }
}

async fn pass_on(edge: Edge, node: NodeId, opening: Opening, wire: Wire) {
    let opened = timeout(FOUND_WITHIN, far::open_away(&edge.host, &node, &opening)).await;
    if let Ok(Ok(tunnel)) = opened {
        wire.pass_on(Far::new(tunnel)).await;
    } else {
        debug!(%node, "no way to a session that went there");
    }
}

/// Another node hands over a session whose room is here now.
pub(crate) async fn adopt(edge: Edge, mut tunnel: Tunnel) {
    let handed = tunnel.recv().await;
    let handed = handed.and_then(|it| serde_json::from_value::<Handed>(it).ok());
    let Some(handed) = handed.filter(|_| !edge.host.is_drained()) else {
        return refuse(&tunnel).await;
    };
    let span = info_span!("peer", room = %handed.room, peer = %handed.admission.peer);
    let stages = Stages::new(Arc::clone(&edge.metrics), Instant::now());
    let home = Home {
        host: edge.host.clone(),
        room: handed.room.clone(),
        admission: handed.admission.clone(),
    };
    let entered = home.clone().enter_again().await;
    let (Ok(session), Some(ticket)) = (entered, edge.sessions.register(edge.node())) else {
        return refuse(&tunnel).await;
    };
    let token = ticket.0.text().to_owned();
    if !say(&tunnel, &Adopted::Welcome { token }).await {
        return;
    }
    let open = edge.count_connection();
    async move {
        debug!("handed over by another node");
        Client::adopted(edge, (handed, tunnel), ticket, (home, session), stages)
            .run()
            .await;
        drop(open);
    }
    .instrument(span)
    .await;
}

async fn refuse(tunnel: &Tunnel) {
    say(tunnel, &Adopted::Refused).await;
}

async fn say(tunnel: &Tunnel, what: &Adopted) -> bool {
    let what = serde_json::to_value(what).unwrap_or_default();
    tunnel.send(what).await.is_ok()
}

/// Where somebody was before its room was where it is now.
#[derive(Debug)]
pub(super) enum Earlier {
    /// A session of this node's, wherever its room is.
    Here(Session),
    /// At the node that has handed it over.
    There(Tunnel),
}

impl Earlier {
    /// Completes when it is over. Loses nothing when cancelled.
    pub(super) async fn ended(&mut self) {
        match self {
            Self::Here(session) => {
                while !matches!(session.next_event().await, SessionEvent::End(_)) {}
            }
            Self::There(control) => while control.recv().await.is_some() {},
        }
    }

    /// It is not needed any more.
    pub(super) async fn release(&self) {
        // What has ended says so.
        match self {
            Self::Here(session) => drop(session.release().await),
            Self::There(control) => drop(control.send(RELEASE.into()).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_handed_over_is_the_same_on_the_other_side() {
        let mut outbox = super::super::outbox::Outbox::new(16);
        outbox.push(r#"{"a":1}"#);
        let handed = Handed {
            room: RoomName::new("default", "tea"),
            admission: Admission::new("ada".into()),
            outbox: outbox.kept(),
            last_request: 7,
            last_ask: 3,
            produced: vec![ProducerId::random()],
        };
        let written = serde_json::to_value(&handed).expect("plain data");
        let read: Handed = serde_json::from_value(written.clone()).expect("a session");
        assert_eq!(serde_json::to_value(&read).expect("plain data"), written);
        assert_eq!(read.produced, handed.produced);
        for garbage in [json!(null), json!({}), json!([1]), json!({"room": "tea"})] {
            assert!(serde_json::from_value::<Handed>(garbage).is_err());
        }
    }
}
