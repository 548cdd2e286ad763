//! What hosts decide about others, and what follows from it.

use plenum_api::grants::{Grants, Role};
use plenum_ids::{PeerId, ProducerId};
use plenum_ipc::message::Request;
use plenum_params::media::MediaKind;

use crate::{
    close_reason::CloseReason,
    command::SessionId,
    effect::{Effect, RoomError},
    event::PeerEvent,
    happening::RoomEvent,
    room::{Room, remote::Dirty, rights::publishes},
    state::{Made, Op, Presence},
};

impl Room {
    pub(super) fn kick(
        &mut self,
        peer: &PeerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        if let Some(session) = self.names.get(peer).copied() {
            let newer = self.coming.get(peer).copied();
            for session in newer.into_iter().chain([session]) {
                self.leave(session, Some(CloseReason::Kicked), effects);
            }
            return Ok(());
        }
        if self.away.role_of(peer).is_none() {
            return Err(no_peer(peer));
        }
        self.give_up(peer, effects);
        Ok(())
    }

    /// Asks the worker to pause producers, as soon as it has made them; their owners hear of it when it has.
    pub(super) fn mute(
        &mut self,
        peer: Option<&PeerId>,
        kind: Option<MediaKind>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let owner = peer.map(|peer| self.session_of(peer)).transpose()?;
        let own = self.producing.iter();
        let meant = own.filter(|(session, _)| match owner {
            Some(owner) => **session == owner,
            None => !self.hosts.contains(session) && self.is_here(**session),
        });
        let producers: Vec<_> = meant.flat_map(|(_, own)| own.iter().copied()).collect();
        for id in producers {
            let producer = self.producers.get_mut(&id);
            let producer =
                producer.filter(|it| kind.is_none_or(|kind| it.kind == kind) && !it.paused);
            if let Some(producer) = producer {
                producer.mute_wished = true;
                self.mute_if_wished(id, effects);
            }
        }
        Ok(())
    }

    /// Has the worker pause a producer that a host wished muted, once the worker has made it.
    pub(super) fn mute_if_wished(&mut self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get_mut(&id);
        let producer = producer.filter(|it| it.presence == Presence::Confirmed && !it.is_far());
        let Some((place, producer)) = producer.and_then(|it| Some((it.place?, it))) else {
            return;
        };
        if std::mem::take(&mut producer.mute_wished) {
            let request = Request::PauseProducer { producer: id };
            self.ask_worker(place, Op::Mute(id), request, effects);
        }
    }

    /// The worker has paused a producer because a host wished so.
    pub(super) fn handle_muted(&mut self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&id).filter(|it| !it.paused);
        let Some(session) = producer.map(|it| it.session) else {
            return;
        };
        self.set_producer_paused(id, true, effects);
        effects.push(Effect::Notify {
            session,
            event: PeerEvent::Muted { producer: id },
        });
    }

    /// Closes somebody's producer and tells its owner.
    pub(super) fn take_producer(
        &mut self,
        id: ProducerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let confirmed = |id| {
            let producer = self.producers.get(&id);
            producer.is_some_and(|it| it.presence == Presence::Confirmed && !it.is_far())
        };
        let gone = confirmed(id).then(|| self.forget_producer(id, effects));
        let Some(producer) = gone.flatten() else {
            return Err(RoomError::not_found("producer", &id.to_string()));
        };
        if let Some(place) = producer.place {
            self.tell_worker(place, Request::CloseProducer { producer: id }, effects);
        }
        effects.push(Effect::Notify {
            session: producer.session,
            event: PeerEvent::ProducerClosed { producer: id },
        });
        Ok(())
    }

    pub(super) fn set_role(
        &mut self,
        peer: &PeerId,
        role: Role,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let session = self.session_of(peer)?;
        self.remember(peer, |made| made.role = Some(role));
        self.change_role(session, role, effects);
        Ok(())
    }

    /// A member is something else from now on.
    pub(super) fn change_role(
        &mut self,
        session: SessionId,
        role: Role,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(membership) = &mut peer.membership else {
            return;
        };
        let before = std::mem::replace(&mut membership.role, role);
        if before == role {
            return;
        }
        let before = peer.admission.grants.within(before);
        let peer = peer.id.clone();
        effects.push(Effect::Happened(RoomEvent::RoleChanged {
            peer_id: peer.clone(),
            role,
        }));
        self.note_standing(session);
        self.touch(Dirty::Peer(session));
        let event = PeerEvent::RoleChanged { peer, role };
        self.tell_featured(session, &event, effects);
        self.apply_grants(session, before, effects);
        self.tell_knocks_to(session, effects);
    }

    pub(super) fn set_grants(
        &mut self,
        id: &PeerId,
        grants: Grants,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let session = self.session_of(id)?;
        self.remember(id, |made| made.grants = Some(grants));
        let Some(peer) = self.sessions.get_mut(&session) else {
            return Ok(());
        };
        let before = std::mem::replace(&mut peer.admission.grants, grants);
        let Some(membership) = peer.membership.as_ref().filter(|_| before != grants) else {
            return Ok(());
        };
        let could = before.within(membership.role);
        effects.push(Effect::Happened(RoomEvent::GrantsChanged {
            peer_id: id.clone(),
            grants,
        }));
        self.note_standing(session);
        self.touch(Dirty::Peer(session));
        if grants.hidden && self.announced.remove(&session) {
            let event = PeerEvent::PeerClosed { peer: id.clone() };
            self.tell_joined(Some(session), &event, effects);
        }
        self.apply_grants(session, could, effects);
        // Who is seen from now on may be the host whom the room needs.
        self.host_left |= before.hidden && !grants.hidden;
        let is_small = self.population() <= self.config.announce_up_to;
        if before.hidden && !grants.hidden && is_small {
            self.announce_peer(session, effects);
            self.publish_all_data(session, effects);
        }
        Ok(())
    }

    /// What a member may do has changed: it is told, what it may not have any more is closed, and what it may have again
    /// is opened.
    fn apply_grants(&mut self, session: SessionId, before: Grants, effects: &mut Vec<Effect>) {
        let (_, grants) = self.standing(session);
        if grants == before {
            return;
        }
        if self.featured.contains(&session) {
            let event = PeerEvent::GrantsChanged { grants };
            effects.push(Effect::Notify { session, event });
        }
        let sent = self.producing.get(&session).cloned().unwrap_or_default();
        for id in sent {
            let producer = self.producers.get(&id);
            if producer.is_some_and(|it| !publishes(grants, it.source)) {
                // What the worker has not made yet is looked at again when it has.
                let _ = self.take_producer(id, effects);
            }
        }
        if !grants.publish_data {
            self.take_all_data(session, effects);
        }
        if grants.subscribe {
            self.consume_all(session, effects);
            self.consume_all_data(session, effects);
        } else {
            self.take_all_consumers(session, effects);
        }
    }

    /// Lets a peer have nothing of the others any more.
    fn take_all_consumers(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let peer = self.sessions.get(&session);
        let transports = peer.into_iter().flat_map(|peer| &peer.transports);
        let transports = transports.filter_map(|id| self.transports.get(id));
        let (mut received, mut read) = (Vec::new(), Vec::new());
        for transport in transports {
            received.extend(transport.consumers.iter().copied());
            read.extend(transport.data_consumers.iter().copied());
        }
        for consumer in received {
            let _ = self.take_consumer(consumer, effects);
        }
        for data_consumer in read {
            self.take_data_consumer(data_consumer, effects);
        }
    }

    pub(super) fn raise_hand(
        &mut self,
        session: SessionId,
        raised: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.sessions.get_mut(&session) else {
            return;
        };
        let id = peer.id.clone();
        let Some(membership) = &mut peer.membership else {
            return;
        };
        if std::mem::replace(&mut membership.hand_raised, raised) == raised {
            return;
        }
        if raised {
            // In a large room nobody may know it yet who is to decide.
            self.announce_peer(session, effects);
        }
        let peer_id = id.clone();
        effects.push(Effect::Happened(RoomEvent::HandRaised { peer_id, raised }));
        self.touch(Dirty::Peer(session));
        let event = PeerEvent::HandRaised { peer: id, raised };
        self.tell_featured(session, &event, effects);
    }

    /// Who is back is something else than the others remember, perhaps.
    pub(super) fn tell_changes(
        &self,
        session: SessionId,
        (role_before, hand_before): (Role, bool),
        effects: &mut Vec<Effect>,
    ) {
        let peer = self.sessions.get(&session);
        let Some((id, membership)) = peer.and_then(|it| Some((&it.id, it.membership.as_ref()?)))
        else {
            return;
        };
        if membership.role != role_before {
            let (peer, role) = (id.clone(), membership.role);
            let event = PeerEvent::RoleChanged { peer, role };
            self.tell_featured(session, &event, effects);
        }
        if membership.hand_raised != hand_before {
            let (peer, raised) = (id.clone(), membership.hand_raised);
            let event = PeerEvent::HandRaised { peer, raised };
            self.tell_featured(session, &event, effects);
        }
    }

    /// Tells those who understand it something of a peer, if they know the peer; the peer itself, too.
    pub(super) fn tell_featured(
        &self,
        of: SessionId,
        event: &PeerEvent,
        effects: &mut Vec<Effect>,
    ) {
        let is_known = self.announced.contains(&of);
        let featured = self.featured.iter().copied();
        for session in featured.filter(|to| is_known || *to == of) {
            effects.push(Effect::Notify {
                session,
                event: event.clone(),
            });
        }
    }

    /// The session of somebody who is connected.
    pub(super) fn session_of(&self, peer: &PeerId) -> Result<SessionId, RoomError> {
        self.names.get(peer).copied().ok_or_else(|| no_peer(peer))
    }

    /// What somebody is made holds when it comes again.
    pub(super) fn remember(&mut self, peer: &PeerId, change: impl FnOnce(&mut Made)) {
        if self.made.len() >= self.config.limits.remembered && !self.made.contains_key(peer) {
            return;
        }
        change(self.made.entry(peer.clone()).or_default());
        self.touch_made(peer);
    }
}

pub(super) fn no_peer(peer: &PeerId) -> RoomError {
    RoomError::not_found("peer", peer.as_str())
}
