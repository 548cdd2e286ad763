//! Who is what, and who may do what.

use plenum_api::{
    error::ErrorKind,
    grants::{Grants, Role},
};
use plenum_ids::PeerId;

use crate::{
    command::SessionId,
    effect::{Effect, RoomError},
    room::Room,
    state::{MediaSource, Peer},
};

impl Room {
    /// What a session is and may do, or would if it joined now.
    pub(super) fn standing(&self, session: SessionId) -> (Role, Grants) {
        let Some(peer) = self.sessions.get(&session) else {
            return (Role::Listener, Grants::NONE);
        };
        let membership = peer.membership.as_ref();
        let role = membership.map_or_else(|| self.role_for(session), |it| it.role);
        (role, peer.admission.grants.within(role))
    }

    /// What a session is when it joins: what it was made, what it was before, what its door says, or the host whom the
    /// room needs.
    pub(super) fn role_for(&self, session: SessionId) -> Role {
        let Some(peer) = self.sessions.get(&session) else {
            return Role::Listener;
        };
        let before = self.away.role_of(&peer.id).or(peer.role_before);
        let made = self.made.get(&peer.id).and_then(|made| made.role);
        match (made.or(before), peer.admission.role) {
            // Whoever has a token may have chosen this name because of what was made of it.
            (Some(earlier), Some(told)) => earlier.min(told),
            (None, Some(role)) => role,
            (_, None) if made.is_none() && self.needs_host() && may_be_host(peer) => Role::Host,
            (earlier, None) => earlier.unwrap_or(Role::Speaker),
        }
    }

    fn needs_host(&self) -> bool {
        let mut expected = self.returning.values();
        self.config.first_is_host
            && self.hosts.is_empty()
            && !self.away.has_host()
            && !expected.any(|it| it.role == Role::Host)
            && self.may_appoint()
    }

    /// Whether a session may decide about the room and the others.
    pub(super) fn check_decides(&self, session: SessionId) -> Result<(), RoomError> {
        self.joined(session)?;
        let (role, grants) = self.standing(session);
        if decides(role, grants) {
            return Ok(());
        }
        Err(RoomError::new(
            ErrorKind::Forbidden,
            "only hosts may do that",
        ))
    }

    /// Whether a client may let a peer do this much: what that one may already, what its door lets it, and, where no
    /// token speaks for it, what the client may do itself.
    pub(super) fn check_gives(
        &self,
        session: SessionId,
        to: &PeerId,
        grants: Grants,
    ) -> Result<(), RoomError> {
        let giver = self.sessions.get(&session);
        giver.map_or(Ok(()), |giver| {
            self.check_gives_from(giver.admission.grants, to, grants)
        })
    }

    /// The same for somebody who has these grants, wherever that is.
    pub(super) fn check_gives_from(
        &self,
        giver: Grants,
        to: &PeerId,
        grants: Grants,
    ) -> Result<(), RoomError> {
        let receiver = self.session_of(to)?;
        let Some(receiver) = self.sessions.get(&receiver) else {
            return Ok(());
        };
        let mut allowed = receiver.admission.grants.or(receiver.door_grants);
        if receiver.admission.role.is_none() {
            allowed = allowed.or(giver);
        }
        if grants.and(allowed) == grants {
            return Ok(());
        }
        let reason = match receiver.admission.role {
            Some(_) => "the peer's token does not grant that",
            None => "only those who may do that themselves may let others do it",
        };
        Err(RoomError::new(ErrorKind::Forbidden, reason))
    }

    pub(super) fn check_publishes(
        &self,
        session: SessionId,
        source: MediaSource,
    ) -> Result<(), RoomError> {
        let (_, grants) = self.standing(session);
        if publishes(grants, source) {
            return Ok(());
        }
        let reason = format!("the peer may not send {}", source.as_str());
        Err(RoomError::new(ErrorKind::Forbidden, reason))
    }

    pub(super) fn check_writes(&self, session: SessionId) -> Result<(), RoomError> {
        if self.standing(session).1.publish_data {
            return Ok(());
        }
        let reason = "the peer may not write";
        Err(RoomError::new(ErrorKind::Forbidden, reason))
    }

    pub(super) fn check_subscribes(&self, session: SessionId) -> Result<(), RoomError> {
        if self.subscribes(session) {
            return Ok(());
        }
        let reason = "the peer may not receive";
        Err(RoomError::new(ErrorKind::Forbidden, reason))
    }

    /// Whether a session may receive what others send and write.
    pub(super) fn subscribes(&self, session: SessionId) -> bool {
        let peer = self.sessions.get(&session);
        peer.is_some_and(|peer| peer.admission.grants.subscribe)
    }

    /// A session has joined, or is something else from now on: the lists that it is on.
    pub(super) fn note_member(&mut self, session: SessionId, (features, catalog): (bool, bool)) {
        if features {
            self.featured.insert(session);
        }
        if catalog {
            self.catalogs.insert(session);
        }
        self.note_subscription(session);
        self.note_standing(session);
    }

    pub(super) fn note_standing(&mut self, session: SessionId) {
        let (role, grants) = self.standing(session);
        if role == Role::Host {
            self.hosts.insert(session);
        } else if self.hosts.remove(&session) {
            self.host_left = true;
        }
        if decides(role, grants) {
            self.deciders.insert(session);
        } else {
            self.deciders.remove(&session);
        }
    }

    /// A session is gone: it is on no list any more.
    pub(super) fn forget_member(&mut self, session: SessionId) {
        self.featured.remove(&session);
        self.catalogs.remove(&session);
        self.selective.remove(&session);
        self.floor.forget(session);
        self.deciders.remove(&session);
        self.host_left |= self.hosts.remove(&session);
    }

    /// When the last host has gone, whoever has been there longest is host from now on.
    pub(super) fn settle_hosts(&mut self, effects: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.host_left) || !self.needs_host() {
            return;
        }
        let joined = self.joined.iter().copied();
        let eligible = |session: &SessionId| {
            let peer = self.sessions.get(session);
            peer.is_some_and(|peer| may_be_host(peer) && !self.was_made(&peer.id))
        };
        let heir = joined.into_iter().find(eligible);
        if self.appoint_far(heir, effects) {
            return;
        }
        match heir {
            Some(heir) => self.change_role(heir, Role::Host, effects),
            None if self.joined.is_empty() && self.far_count() == 0 => {
                self.admit_heir(may_be_host, effects);
            }
            None => {}
        }
    }

    pub(super) fn was_made(&self, peer: &PeerId) -> bool {
        self.made.get(peer).is_some_and(|made| made.role.is_some())
    }
}

/// Whether nobody has said what a peer is, and somebody who could decide sits there.
pub(super) fn may_be_host(peer: &Peer) -> bool {
    let admission = &peer.admission;
    admission.role.is_none() && admission.door.leads_to_people() && !admission.grants.hidden
}

pub(super) const fn decides(role: Role, grants: Grants) -> bool {
    matches!(role, Role::Host) || grants.admin
}

pub(super) const fn publishes(grants: Grants, source: MediaSource) -> bool {
    match source {
        MediaSource::Microphone => grants.publish_audio,
        MediaSource::Camera => grants.publish_video,
        MediaSource::Screen => grants.publish_screen,
    }
}
