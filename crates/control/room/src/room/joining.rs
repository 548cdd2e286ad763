//! How a session becomes a peer whom the others know.

use std::time::Instant;

use plenum_api::{error::ErrorKind, grants::Role};
use plenum_ids::ProducerId;
use plenum_params::ortc;

use crate::{
    close_reason::CloseReason,
    command::{RequestId, SessionId},
    effect::{Effect, PeerReply, RoomError},
    event::PeerEvent,
    happening::RoomEvent,
    room::{
        Outcome, Room,
        lobby::Gate,
        remote::Dirty,
        requests::{check_size, not_joined},
    },
    state::{Membership, Timer},
};

impl Room {
    pub(super) fn join(
        &mut self,
        now: Instant,
        (session, request): (SessionId, RequestId),
        mut membership: Membership,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.check_display_name(&membership.display_name)?;
        check_size("device", &membership.device, self.config.limits.device)?;
        check_size("appData", &membership.app_data, self.config.limits.app_data)?;
        if let Some(capabilities) = &mut membership.rtp_capabilities {
            ortc::retain_known(capabilities, &self.config.capabilities);
        }
        let Some(peer) = self.sessions.get(&session) else {
            return Ok(None);
        };
        if peer.membership.is_some() || peer.knock.is_some() {
            return Err(RoomError::new(ErrorKind::Conflict, "peer already joined"));
        }
        if let Some(name) = &peer.admission.name {
            membership.display_name.clone_from(name);
        }
        let is_full = self.is_full_for(&peer.id);
        match self.gate(session) {
            Gate::Open if is_full => {
                self.turn_away((session, Some(request)), CloseReason::RoomFull, effects);
            }
            Gate::Open => self.enter(session, membership, Some(request), effects),
            Gate::Lobby => self.knock(now, (session, request), membership, effects),
            Gate::Locked => {
                self.turn_away((session, Some(request)), CloseReason::Locked, effects);
            }
        }
        Ok(None)
    }

    /// Makes a session a member. What it is told of that comes before everything that follows from it: the answer to its
    /// request, or an event if that was answered before.
    pub(super) fn enter(
        &mut self,
        session: SessionId,
        mut membership: Membership,
        request: Option<RequestId>,
        effects: &mut Vec<Effect>,
    ) {
        self.replace_older(session, effects);
        membership.role = self.role_for(session);
        let Some(peer) = self.sessions.get_mut(&session) else {
            return;
        };
        let (id, name) = (peer.id.clone(), membership.display_name.clone());
        let (role, is_hidden) = (membership.role, peer.admission.grants.hidden);
        let grants = peer.admission.grants.within(role);
        effects.push(Effect::Happened(RoomEvent::PeerJoined {
            peer_id: id.clone(),
            display_name: name.clone(),
            role,
            door: peer.admission.door,
            hidden: is_hidden,
        }));
        if let Some(due) = peer.join_deadline.take() {
            self.timers.remove(&(due, Timer::Join(session)));
        }
        let (features, catalog) = (membership.features, peer.admission.catalog);
        peer.membership = Some(membership);
        let mut before = self.take_back(&id);
        // The host who was expected is back as something else.
        let was_host = before.as_ref().is_some_and(|it| it.role == Role::Host);
        self.host_left |= was_host && role != Role::Host;
        if is_hidden && before.take().is_some() {
            // It is not seen to be back.
            let event = PeerEvent::PeerClosed { peer: id.clone() };
            self.tell_joined(None, &event, effects);
        }
        self.take_over(session, &id, effects);
        let peers = self.others(session);
        self.joined.insert(session);
        self.touch(Dirty::Peer(session));
        self.note_member(session, (features, catalog));
        effects.push(match request {
            Some(request) => Effect::Reply {
                session,
                request,
                result: Ok(PeerReply::Joined {
                    peers,
                    display_name: name.clone(),
                    role,
                    grants,
                }),
            },
            None => Effect::Notify {
                session,
                event: PeerEvent::Admitted {
                    peers,
                    display_name: name.clone(),
                    role,
                    grants,
                },
            },
        });
        if let Some(before) = before {
            // The others know it, if not by this name.
            self.announced.insert(session);
            if before.display_name != name {
                self.tell_name(session, before.display_name, effects);
            }
            self.tell_changes(session, (before.role, before.hand_raised), effects);
        } else if self.population() <= self.config.announce_up_to {
            self.announce_peer(session, effects);
        }
        self.consume_all(session, effects);
        self.consume_all_data(session, effects);
        self.tell_dominant_to(session, effects);
        self.tell_knocks_to(session, effects);
    }

    /// Who produces is known to everybody, before anybody is offered what it produces.
    pub(super) fn announce_producing(&mut self, producer: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&producer);
        if let Some(session) = producer.map(|producer| producer.session) {
            self.announce_peer(session, effects);
            self.publish_all_data(session, effects);
        }
    }

    /// Tells the others that a peer is there, once.
    pub(super) fn announce_peer(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let peer = self.sessions.get(&session);
        if peer.is_none_or(|it| it.membership.is_none() || it.admission.grants.hidden) {
            return;
        }
        self.touch(Dirty::Peer(session));
        if self.announced.insert(session)
            && let Some(info) = self.peer_info(session)
        {
            self.tell_joined(Some(session), &PeerEvent::NewPeer(info), effects);
        }
    }

    pub(super) fn change_display_name(
        &mut self,
        (session, request): (SessionId, RequestId),
        display_name: String,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.check_display_name(&display_name)?;
        let peer = self.sessions.get_mut(&session);
        let is_given = peer.as_ref().is_some_and(|it| it.admission.name.is_some());
        let Some(membership) = peer.and_then(|peer| peer.membership.as_mut()) else {
            return Err(not_joined());
        };
        if is_given && membership.display_name != display_name {
            let reason = "the name is what the token says";
            return Err(RoomError::new(ErrorKind::Forbidden, reason));
        }
        let old = std::mem::replace(&mut membership.display_name, display_name);
        effects.push(Effect::Reply {
            session,
            request,
            result: Ok(PeerReply::Done),
        });
        self.touch(Dirty::Peer(session));
        self.tell_name(session, old, effects);
        Ok(None)
    }

    /// Tells those who know a peer how it is called now.
    fn tell_name(&self, session: SessionId, old: String, effects: &mut Vec<Effect>) {
        let info = self.peer_outline(session);
        if let Some(info) = info.filter(|_| self.announced.contains(&session)) {
            let event = PeerEvent::PeerDisplayNameChanged {
                peer: info.peer,
                display_name: info.display_name,
                old_display_name: old,
            };
            self.tell_joined(Some(session), &event, effects);
        }
    }

    fn check_display_name(&self, name: &str) -> Result<(), RoomError> {
        let limit = self.config.limits.display_name;
        if name.chars().nth(limit).is_some() {
            let reason = format!("display name is longer than {limit} characters");
            return Err(RoomError::new(ErrorKind::BadRequest, reason));
        }
        Ok(())
    }
}
