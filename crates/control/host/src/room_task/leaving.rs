//! A node that is drained: sessions are asked to go where their room is elsewhere, and what others tell of those who have gone
//! waits here until they have let go of this node.
//!
//! Of two sessions of a peer the later one holds. A client who joins at the next node would thereby lose what it has here, before it
//! has the same there. So facts about such a peer are held back, with all that its new node tells after them, until the client
//! says that it needs this node no longer, or has had its time.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use plenum_ids::{NodeId, PeerId};
use plenum_room::{Command, NodeKey, PartChange, RemoteChange, SessionId};

use super::RoomTask;
use crate::session::{SessionEnd, SessionEvent};

/// Clients get 10 s to join again; most are done within one.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);

/// What may wait of one node. When there is more, the client loses what it has here a little early.
const MAX_HELD: usize = 1024;

/// Who was asked to leave.
#[derive(Debug, Default)]
pub(super) struct Leavers {
    asked: HashMap<SessionId, Leaver>,
    held: HashMap<NodeId, VecDeque<(NodeKey, RemoteChange)>>,
}

#[derive(Debug)]
struct Leaver {
    peer: PeerId,
    deadline: Instant,
}

impl Leavers {
    pub(super) fn was_asked(&self, session: SessionId) -> bool {
        self.asked.contains_key(&session)
    }

    pub(super) fn ask(&mut self, session: SessionId, peer: PeerId, now: Instant) {
        let deadline = now + LEAVE_LIMIT;
        self.asked.insert(session, Leaver { peer, deadline });
    }

    /// When the first of them has had its time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asked.values().map(|leaver| leaver.deadline).min()
    }

    /// Those who have had it.
    pub(super) fn overdue(&self, now: Instant) -> Vec<SessionId> {
        let overdue = self.asked.iter().filter(|(_, it)| it.deadline <= now);
        overdue.map(|(session, _)| *session).collect()
    }

    /// A session is no more. What waited for it may be heard now, in order.
    pub(super) fn forget(&mut self, session: SessionId) -> Vec<Command> {
        if self.asked.remove(&session).is_none() {
            return Vec::new();
        }
        self.take_ready()
    }

    /// Something that another part tells: to be heard now, or `None`, as it waits.
    pub(super) fn hear(&mut self, node: NodeKey, change: RemoteChange) -> Vec<Command> {
        if matches!(change, RemoteChange::Dropped) {
            self.held.remove(&node.node);
            return vec![Command::Remote { node, change }];
        }
        let waits = self.held.contains_key(&node.node) || self.concerns_leaver(&change);
        if !waits {
            return vec![Command::Remote { node, change }];
        }
        let held = self.held.entry(node.node.clone()).or_default();
        held.push_back((node.clone(), change));
        if held.len() <= MAX_HELD {
            return Vec::new();
        }
        let all = self.held.remove(&node.node).unwrap_or_default();
        all.into_iter().map(heard).collect()
    }

    fn take_ready(&mut self) -> Vec<Command> {
        let mut ready = Vec::new();
        let nodes: Vec<_> = self.held.keys().cloned().collect();
        for node in nodes {
            let mut held = self.held.remove(&node).unwrap_or_default();
            while let Some((_, change)) = held.front() {
                if self.concerns_leaver(change) {
                    break;
                }
                ready.extend(held.pop_front().map(heard));
            }
            if !held.is_empty() {
                self.held.insert(node, held);
            }
        }
        ready
    }

    /// Whether somebody who was asked to leave would lose what it has here.
    fn concerns_leaver(&self, change: &RemoteChange) -> bool {
        let is_leaver = |peer: &PeerId| self.asked.values().any(|leaver| leaver.peer == *peer);
        match change {
            RemoteChange::Apply(change) => match &**change {
                PartChange::PeerJoined { peer } => is_leaver(&peer.peer),
                _ => false,
            },
            RemoteChange::Replace(snapshot) => {
                let mut peers = snapshot.peers.iter();
                peers.any(|it| is_leaver(&it.outline.peer))
            }
            RemoteChange::Dropped | RemoteChange::Hint(_) => false,
        }
    }
}

fn heard((node, change): (NodeKey, RemoteChange)) -> Command {
    Command::Remote { node, change }
}

impl RoomTask {
    /// Asks so many sessions that were not asked before; how many there were.
    pub(super) fn ask_to_leave(&mut self, most: usize) -> usize {
        let now = Instant::now();
        let sessions = self.sessions.iter();
        let asked: Vec<_> = sessions
            .filter(|(session, _)| !self.leavers.was_asked(**session))
            .map(|(session, client)| (*session, client.peer.clone()))
            .take(most)
            .collect();
        for (session, peer) in &asked {
            self.leavers.ask(*session, peer.clone(), now);
            self.tell(*session, SessionEvent::Move);
        }
        self.handle_todo();
        asked.len()
    }

    /// The client needs this node no longer.
    pub(super) fn let_go(&mut self, session: SessionId) {
        if self.leavers.was_asked(session) {
            self.send_away([session]);
        }
    }

    /// Those who were asked have had their time.
    pub(super) fn end_overdue(&mut self) {
        let overdue = self.leavers.overdue(Instant::now());
        self.send_away(overdue);
    }

    /// The time for leaving is over.
    pub(super) fn send_all_away(&mut self) {
        let all: Vec<_> = self.sessions.keys().copied().collect();
        self.send_away(all);
    }

    fn send_away(&mut self, sessions: impl IntoIterator<Item = SessionId>) {
        for session in sessions {
            self.tell(session, SessionEvent::End(SessionEnd::Moved));
            self.forget(session);
            self.todo.push_back(Command::PeerDisconnected { session });
        }
        self.handle_todo();
    }

    /// What another part tells, as far as it is to be heard now.
    pub(super) fn hear(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Remote { node, change } => {
                    self.todo.extend(self.leavers.hear(node, change));
                }
                other => self.todo.push_back(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::NodeEpoch;

    use super::*;

    fn node(name: &str) -> NodeKey {
        NodeKey {
            node: name.into(),
            epoch: NodeEpoch(1),
        }
    }

    fn left(peer: &str) -> RemoteChange {
        let peer = peer.into();
        RemoteChange::Apply(Box::new(PartChange::PeerLeft { peer }))
    }

    fn joined(peer: &str) -> RemoteChange {
        let change = serde_json::json!({
            "type": "peerJoined",
            "peer": {
                "peer": peer,
                "joinedAt": 1,
                "displayName": "",
                "role": "speaker",
                "grants": {},
                "shown": true,
            },
        });
        let change: PartChange = serde_json::from_value(change).expect("a fact");
        assert!(
            matches!(change, PartChange::PeerJoined { .. }),
            "{change:?}"
        );
        RemoteChange::Apply(Box::new(change))
    }

    fn heard(commands: Vec<Command>) -> Vec<RemoteChange> {
        let changes = commands.into_iter().map(|command| match command {
            Command::Remote { change, .. } => change,
            other => panic!("{other:?}"),
        });
        changes.collect()
    }

    #[test]
    fn who_goes_keeps_what_it_has_until_it_lets_go() {
        let (mut leavers, now) = (Leavers::default(), Instant::now());
        leavers.ask(SessionId(1), "ann".into(), now);
        assert_eq!(heard(leavers.hear(node("c"), left("x"))), [left("x")]);
        assert!(leavers.hear(node("c"), joined("ann")).is_empty());
        // In order, whatever it is about.
        assert!(leavers.hear(node("c"), left("y")).is_empty());
        // Others are not concerned.
        assert_eq!(heard(leavers.hear(node("d"), left("z"))), [left("z")]);
        let all = heard(leavers.forget(SessionId(1)));
        assert_eq!(all, [joined("ann"), left("y")]);
        assert_eq!(heard(leavers.hear(node("c"), left("x"))), [left("x")]);
        assert!(leavers.held.is_empty());
    }

    #[test]
    fn one_who_has_let_go_does_not_wait_for_the_next() {
        let (mut leavers, now) = (Leavers::default(), Instant::now());
        for (session, peer) in [(1, "ann"), (2, "bob")] {
            leavers.ask(SessionId(session), peer.into(), now);
        }
        for change in [joined("ann"), left("x"), joined("bob"), left("y")] {
            assert!(leavers.hear(node("c"), change).is_empty());
        }
        let first = heard(leavers.forget(SessionId(1)));
        assert_eq!(first, [joined("ann"), left("x")]);
        let second = heard(leavers.forget(SessionId(2)));
        assert_eq!(second, [joined("bob"), left("y")]);
    }

    #[test]
    fn a_node_that_is_gone_is_heard_of_at_once_and_what_waits_is_bounded() {
        let (mut leavers, now) = (Leavers::default(), Instant::now());
        leavers.ask(SessionId(1), "ann".into(), now);
        assert!(leavers.hear(node("c"), joined("ann")).is_empty());
        let gone = heard(leavers.hear(node("c"), RemoteChange::Dropped));
        assert_eq!(gone, [RemoteChange::Dropped]);
        assert!(leavers.held.is_empty());
        for _ in 0..MAX_HELD {
            assert!(leavers.hear(node("c"), joined("ann")).is_empty());
        }
        assert_eq!(leavers.hear(node("c"), left("x")).len(), MAX_HELD + 1);
        let snapshot = RemoteChange::Replace(Box::default());
        assert_eq!(leavers.hear(node("c"), snapshot).len(), 1);
        assert_eq!(leavers.deadline(), Some(now + LEAVE_LIMIT));
        assert!(leavers.overdue(now).is_empty());
        assert_eq!(leavers.overdue(now + LEAVE_LIMIT), [SessionId(1)]);
    }
}
