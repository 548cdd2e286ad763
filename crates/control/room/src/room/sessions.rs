//! Sessions come and go.

use std::{collections::BTreeSet, time::Instant};

use plenum_ids::RouterId;

use crate::{
    admission::Admission,
    close_reason::CloseReason,
    command::{PlaceId, SessionId},
    effect::Effect,
    event::PeerEvent,
    happening::RoomEvent,
    room::{Room, away, remote::Dirty},
    state::{Peer, Timer},
};

impl Room {
    pub(super) fn connect(
        &mut self,
        now: Instant,
        session: SessionId,
        (mut admission, place): (Admission, PlaceId),
        effects: &mut Vec<Effect>,
    ) {
        if self.sessions.contains_key(&session) {
            return;
        }
        let peer = admission.peer.clone();
        let before = self.member(&peer).map(|(_, role)| role);
        let moved = self.returning.remove(&peer);
        let before = before.or_else(|| moved.map(|moved| moved.role));
        // It comes from another node.
        let before = before.or_else(|| self.far_role_of(&peer));
        let role_before = before.map(|before| admission.role.map_or(before, |it| it.min(before)));
        if let Some(grants) = moved.and_then(|moved| moved.grants) {
            self.remember(&peer, |made| made.grants = Some(grants));
        }
        self.end_older(&peer, effects);
        if self.is_full_for(&peer) || (role_before.is_none() && self.is_crowded()) {
            effects.push(Effect::CloseSession {
                session,
                reason: CloseReason::RoomFull,
            });
            if !self.places.contains_key(&place) {
                effects.push(Effect::PlaceClosed { place });
            }
            self.tell_idle_places(effects);
            return;
        }
        if !self.places.contains_key(&place) {
            let router = RouterId::from_u128(self.fresh_id());
            self.open_place(place, router, effects);
        }
        if let Some(place) = self.places.get_mut(&place) {
            place.sessions += 1;
        }
        let join_deadline = now.checked_add(self.config.join_timeout);
        self.timers
            .extend(join_deadline.map(|due| (due, Timer::Join(session))));
        let door_grants = admission.grants;
        admission.grants = self.grants_for(&peer, admission.role, door_grants);
        if self.sessions.is_empty() && !self.returning.is_empty() {
            let due = now.checked_add(away::AWAY_TIME);
            self.timers.extend(due.map(|due| (due, Timer::Returned)));
        }
        self.sessions.insert(
            session,
            Peer {
                id: peer.clone(),
                admission,
                door_grants,
                place,
                membership: None,
                knock: None,
                role_before,
                join_deadline,
                transports: Vec::new(),
                ops: BTreeSet::new(),
            },
        );
        if self.member(&peer).is_some() {
            self.coming.insert(peer, session);
        } else {
            self.name(peer, session);
        }
        self.tell_idle_places(effects);
    }

    /// That of the session that a newer one replaces, or the only place that an empty room had.
    pub(super) fn tell_idle_places(&self, effects: &mut Vec<Effect>) {
        let idle = self.places.keys().filter(|place| self.is_idle(**place));
        effects.extend(idle.map(|place| Effect::PlaceEmpty { place: *place }));
    }

    /// Ends a session; `reason` if it is we who close it.
    pub(super) fn leave(
        &mut self,
        session: SessionId,
        reason: Option<CloseReason>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.sessions.get(&session) else {
            return;
        };
        let (id, place) = (peer.id.clone(), peer.place);
        self.remove(session, reason, effects);
        if reason != Some(CloseReason::RouterLost) {
            self.give_up(&id, effects);
        }
        if let Some(reason) = reason {
            effects.push(Effect::CloseSession { session, reason });
        }
        if self.sessions.is_empty() {
            effects.push(Effect::RoomEmpty);
        } else if self.is_idle(place) {
            effects.push(Effect::PlaceEmpty { place });
        }
    }

    /// Takes a session and everything of it out of the room and tells the others.
    pub(super) fn remove(
        &mut self,
        session: SessionId,
        reason: Option<CloseReason>,
        effects: &mut Vec<Effect>,
    ) {
        self.forget_knock(session, effects);
        self.forget_member(session);
        let Some(peer) = self.sessions.remove(&session) else {
            return;
        };
        if peer.membership.is_some() {
            self.note_departed(&peer.id);
            let peer_id = peer.id.clone();
            effects.push(Effect::Happened(RoomEvent::PeerLeft { peer_id, reason }));
        }
        self.forget_name(session, &peer);
        self.touch(Dirty::Peer(session));
        if let Some(place) = self.places.get_mut(&peer.place) {
            place.sessions = place.sessions.saturating_sub(1);
        }
        if let Some(due) = peer.join_deadline {
            self.timers.remove(&(due, Timer::Join(session)));
        }
        for op in &peer.ops {
            self.ops.remove(op);
        }
        self.joined.remove(&session);
        if self.announced.remove(&session) {
            let event = PeerEvent::PeerClosed { peer: peer.id };
            self.tell_joined(Some(session), &event, effects);
        }
        for transport in peer.transports {
            self.close_transport(transport, effects);
        }
    }
}
