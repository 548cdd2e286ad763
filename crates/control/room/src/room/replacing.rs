//! A peer that connects again while an older session of it is in the room. The older one goes on, with all its media, until
//! the newer one joins: clients whose connection broke are heard and seen meanwhile, and one that never joins costs nobody
//! anything.

use plenum_api::grants::{Grants, Role};
use plenum_ids::PeerId;

use crate::{
    close_reason::CloseReason, command::SessionId, effect::Effect, room::Room, state::Peer,
};

impl Room {
    /// The session under which a peer is in the room, and what it is.
    pub(super) fn member(&self, peer: &PeerId) -> Option<(SessionId, Role)> {
        let session = *self.names.get(peer)?;
        let membership = self.sessions.get(&session)?.membership.as_ref()?;
        Some((session, membership.role))
    }

    /// A peer has connected again: of its sessions those end that are not in the room.
    pub(super) fn end_older(&mut self, peer: &PeerId, effects: &mut Vec<Effect>) {
        let outside = match self.member(peer) {
            Some(_) => self.coming.get(peer),
            None => self.names.get(peer),
        };
        if let Some(older) = outside.copied() {
            self.end_replaced(older, effects);
        }
    }

    /// A session joins: the one that has been its peer until now ends.
    pub(super) fn replace_older(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let peer = self.sessions.get(&session);
        let older = peer.and_then(|peer| self.names.get(&peer.id)).copied();
        if let Some(older) = older.filter(|older| *older != session) {
            self.end_replaced(older, effects);
            self.tell_idle_places(effects);
        }
    }

    fn end_replaced(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let reason = CloseReason::Replaced;
        self.remove(session, Some(reason), effects);
        effects.push(Effect::CloseSession { session, reason });
    }

    /// From now on a session is its peer.
    pub(super) fn name(&mut self, peer: PeerId, session: SessionId) {
        let newer = self.sessions.get(&session);
        if newer.and_then(|newer| newer.role_before) == Some(Role::Host) {
            self.hosts.insert(session);
        }
        self.names.insert(peer, session);
    }

    /// A session is no more. The newer one of its peer, if there is one, is what it would be had it come just now.
    pub(super) fn forget_name(&mut self, session: SessionId, gone: &Peer) {
        if self.names.get(&gone.id) != Some(&session) {
            self.coming.remove(&gone.id);
            return;
        }
        self.names.remove(&gone.id);
        let Some(newer) = self.coming.remove(&gone.id) else {
            return;
        };
        if let Some(peer) = self.sessions.get(&newer) {
            let (role, door_grants) = (peer.admission.role, peer.door_grants);
            let grants = self.grants_for(&gone.id, role, door_grants);
            let before = gone.membership.as_ref().map(|it| it.role);
            let before = before.map(|before| role.map_or(before, |it| it.min(before)));
            if let Some(peer) = self.sessions.get_mut(&newer) {
                peer.admission.grants = grants;
                peer.role_before = before.or(peer.role_before);
            }
        }
        self.name(gone.id.clone(), newer);
    }

    /// What somebody may do, by its door and what was made of it.
    pub(super) fn grants_for(&self, peer: &PeerId, role: Option<Role>, door: Grants) -> Grants {
        let made = self.made.get(peer).and_then(|made| made.grants);
        match (made, role) {
            // Whoever has a token may have chosen this name because of what was made of it.
            (Some(made), Some(_)) => door.and(made),
            (Some(made), None) => made,
            (None, _) => door,
        }
    }
}
