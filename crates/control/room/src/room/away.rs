//! Peers who are between two sessions because the worker under the first one is gone. The others do not see them leave.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use plenum_api::grants::Role;
use plenum_ids::PeerId;

use crate::{
    command::SessionId,
    effect::Effect,
    event::PeerEvent,
    info::PeerInfo,
    room::Room,
    state::{Peer, Timer},
};

/// As long as a client has to join again before its connection is closed, most of which do within one second. Who finds no
/// worker, or hangs up, is known to be gone before.
pub(super) const AWAY_TIME: Duration = Duration::from_secs(10);

/// Whom the others still see. Each of them was in the room and keeps its seat, so that there are never more than seats.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// By the session that was lost.
    peers: BTreeMap<SessionId, Absence>,
    names: BTreeMap<PeerId, SessionId>,
}

#[derive(Debug)]
struct Absence {
    info: PeerInfo,
    until: Instant,
}

impl Away {
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Who is expected back of this session.
    pub(super) fn name_of(&self, session: SessionId) -> Option<&PeerId> {
        Some(&self.peers.get(&session)?.info.peer)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &PeerId> {
        self.names.keys()
    }

    /// As the others saw them last.
    pub(super) fn infos(&self) -> impl Iterator<Item = &PeerInfo> {
        self.peers.values().map(|absence| &absence.info)
    }

    /// What somebody was who is expected back.
    pub(super) fn role_of(&self, peer: &PeerId) -> Option<Role> {
        let session = self.names.get(peer)?;
        self.peers.get(session).map(|absence| absence.info.role)
    }

    /// Whether a host is expected back.
    pub(super) fn has_host(&self) -> bool {
        let mut infos = self.infos();
        infos.any(|info| info.role == Role::Host)
    }

    pub(super) fn clear(&mut self) {
        self.peers.clear();
        self.names.clear();
    }
}

impl Room {
    /// A session is lost: its peer is seen to stay if it was seen at all and knows how to come back.
    pub(super) fn keep_away(&mut self, now: Instant, session: SessionId) {
        let peer = self.sessions.get(&session);
        let able = |peer: &&Peer| peer.membership.as_ref().is_some_and(|it| it.migrate);
        let able = peer.is_some_and(|peer| able(&peer));
        // What it sent is gone with its session.
        let info = self.peer_outline(session).filter(|_| able);
        if let (Some(info), Some(until)) = (info, now.checked_add(AWAY_TIME))
            && self.announced.remove(&session)
        {
            self.timers.insert((until, Timer::Away(session)));
            self.away.names.insert(info.peer.clone(), session);
            self.away.peers.insert(session, Absence { info, until });
        }
    }

    /// A peer joins: what the others know of it, if it was away.
    pub(super) fn take_back(&mut self, peer: &PeerId) -> Option<PeerInfo> {
        let session = *self.away.names.get(peer)?;
        self.forget_away(session)
    }

    /// Whose session was lost does not come back: the client has let go of it without having another one.
    pub(super) fn handle_late_goodbye(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let absence = self.away.peers.get(&session);
        if absence.is_some_and(|absence| !self.names.contains_key(&absence.info.peer)) {
            self.end_absence(session, effects);
        }
    }

    /// A peer who was on the way back has gone again.
    pub(super) fn give_up(&mut self, peer: &PeerId, effects: &mut Vec<Effect>) {
        if let Some(session) = self.away.names.get(peer).copied() {
            self.end_absence(session, effects);
        }
    }

    /// A peer has not come back, which the others hear now.
    pub(super) fn end_absence(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        if let Some(info) = self.forget_away(session) {
            self.host_left |= info.role == Role::Host;
            let event = PeerEvent::PeerClosed { peer: info.peer };
            self.tell_joined(None, &event, effects);
        }
    }

    /// Seats that a newcomer cannot have: members have theirs, who is away keeps its own, and so does who was in the room
    /// and connects again. Who waits at the door has none.
    pub(super) fn is_full_for(&self, peer: &PeerId) -> bool {
        let limit = self.seats();
        if self.sessions.len() + self.away.len() + self.far_count() < limit {
            return false;
        }
        let sits = |(session, it): &(&SessionId, &Peer)| {
            let is_member = it.membership.is_some() || it.role_before.is_some();
            // Who has connected again counts once, whether it is away or still here.
            let is_counted =
                self.away.names.contains_key(&it.id) || self.names.get(&it.id) != Some(*session);
            is_member && it.id != *peer && !is_counted
        };
        let away = self.away.names().filter(|name| *name != peer);
        let seated = self.sessions.iter().filter(sits).count() + away.count();
        seated + self.far_others(peer) >= limit
    }

    /// Whether as many are at the door as may be there.
    pub(super) fn is_crowded(&self) -> bool {
        let outside = self.sessions.len().saturating_sub(self.joined.len());
        outside >= self.config.limits.peers
    }

    /// How many may be there.
    fn seats(&self) -> usize {
        let own = self.properties.max_peers;
        let own = own.map_or(usize::MAX, |own| usize::try_from(own).unwrap_or(usize::MAX));
        own.min(self.config.limits.peers)
    }

    fn forget_away(&mut self, session: SessionId) -> Option<PeerInfo> {
        let Absence { info, until } = self.away.peers.remove(&session)?;
        self.away.names.remove(&info.peer);
        self.timers.remove(&(until, Timer::Away(session)));
        Some(info)
    }
}
