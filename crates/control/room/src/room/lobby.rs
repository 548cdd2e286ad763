//! A locked room, and those who wait to be let in.

use std::time::{Duration, Instant};

use plenum_api::error::ErrorKind;
use plenum_ids::PeerId;

use crate::{
    close_reason::CloseReason,
    command::{RequestId, SessionId},
    effect::{Effect, PeerReply, RoomError},
    event::PeerEvent,
    happening::RoomEvent,
    room::{Room, moderation::no_peer, remote::Dirty, rights::decides},
    state::{Knock, Membership, Peer, Timer},
};

/// Clients of mediasoup's world, who know of no lobby, give up a request after 20 s at the earliest (protoo-client); they
/// are to hear why.
const PATIENCE: Duration = Duration::from_secs(18);

/// Whoever knows what it waits for may wait for a meeting to begin, but not for ever.
const LONG_PATIENCE: Duration = Duration::from_hours(1);

impl Room {
    /// Whether a session that wants to join may; if not, it is refused or waits.
    pub(super) fn gate(&self, session: SessionId) -> Gate {
        let Some(peer) = self.sessions.get(&session) else {
            return Gate::Locked;
        };
        let role = self.role_for(session);
        let was_in = peer.role_before.is_some() || self.away.role_of(&peer.id).is_some();
        if was_in || decides(role, peer.admission.grants) {
            return Gate::Open;
        }
        match (self.properties.locked, self.properties.lobby) {
            (true, _) => Gate::Locked,
            (false, true) => Gate::Lobby,
            (false, false) => Gate::Open,
        }
    }

    /// Nobody is let in: the client hears why and is sent away.
    pub(super) fn turn_away(
        &mut self,
        (session, request): (SessionId, Option<RequestId>),
        reason: CloseReason,
        effects: &mut Vec<Effect>,
    ) {
        let kind = match reason {
            CloseReason::RoomFull => ErrorKind::TooMany,
            _ => ErrorKind::Forbidden,
        };
        if let Some(request) = request {
            effects.push(Effect::Reply {
                session,
                request,
                result: Err(RoomError::ending(kind, reason)),
            });
        }
        self.leave(session, Some(reason), effects);
    }

    /// A session waits until somebody who may decide lets it in.
    pub(super) fn knock(
        &mut self,
        now: Instant,
        (session, request): (SessionId, RequestId),
        membership: Membership,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.sessions.get_mut(&session) else {
            return;
        };
        if let Some(due) = peer.join_deadline.take() {
            self.timers.remove(&(due, Timer::Join(session)));
        }
        let features = membership.features;
        let patience = if features { LONG_PATIENCE } else { PATIENCE };
        let until = now.checked_add(patience);
        let (id, display_name) = (peer.id.clone(), membership.display_name.clone());
        peer.knock = Some(Box::new(Knock {
            membership,
            request: (!features).then_some(request),
            until,
        }));
        self.knocks.insert(session);
        self.touch(Dirty::Knock(session));
        self.timers
            .extend(until.map(|due| (due, Timer::Knock(session))));
        if features {
            effects.push(Effect::Reply {
                session,
                request,
                result: Ok(PeerReply::Waiting),
            });
        }
        effects.push(Effect::Happened(RoomEvent::PeerKnocked {
            peer_id: id.clone(),
            display_name: display_name.clone(),
        }));
        let peer = id;
        let event = PeerEvent::Knock { peer, display_name };
        self.tell_deciders(&event, effects);
    }

    /// Who may decide from now on hears of those who wait.
    pub(super) fn tell_knocks_to(&self, session: SessionId, effects: &mut Vec<Effect>) {
        if !self.featured.contains(&session) || !self.deciders.contains(&session) {
            return;
        }
        for peer in self.knocks.iter().filter_map(|it| self.sessions.get(it)) {
            if let Some(knock) = &peer.knock {
                let event = PeerEvent::Knock {
                    peer: peer.id.clone(),
                    display_name: knock.membership.display_name.clone(),
                };
                effects.push(Effect::Notify { session, event });
            }
        }
        self.tell_far_knocks_to(session, effects);
    }

    pub(super) fn admit(
        &mut self,
        peer: &PeerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let session = self.session_of(peer)?;
        if self.knocks.contains(&session) && self.is_full_for(peer) {
            return Err(RoomError::new(ErrorKind::TooMany, "the room is full"));
        }
        let (session, knock) = self.answer_knock(peer, effects)?;
        self.enter(session, knock.membership, knock.request, effects);
        Ok(())
    }

    pub(super) fn refuse(
        &mut self,
        peer: &PeerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        let (session, knock) = self.answer_knock(peer, effects)?;
        self.turn_away((session, knock.request), CloseReason::Refused, effects);
        Ok(())
    }

    /// The door of the room is another one: those who waited only because of the lobby come in, as far as there are seats.
    pub(super) fn settle_door(&mut self, effects: &mut Vec<Effect>) {
        if self.properties.locked {
            return;
        }
        if !self.properties.lobby {
            self.admit_all(effects);
        }
        // Behind a lock nobody was made host.
        self.host_left |= self.joined.is_empty() && self.far_count() == 0;
    }

    fn admit_all(&mut self, effects: &mut Vec<Effect>) {
        while let Some(peer) = self.first_knock(|_| true) {
            if self.admit(&peer, effects).is_err() {
                return;
            }
        }
    }

    /// Nobody is in the room who could let anybody in, and nobody else is to be host: the first of those who wait goes in,
    /// unless the room is locked.
    pub(super) fn admit_heir(&mut self, may_be: impl Fn(&Peer) -> bool, effects: &mut Vec<Effect>) {
        if self.properties.locked {
            return;
        }
        if let Some(peer) = self.first_knock(may_be) {
            let _ = self.admit(&peer, effects);
        }
    }

    fn first_knock(&self, filter: impl Fn(&Peer) -> bool) -> Option<PeerId> {
        let mut waiting = self.knocks.iter().filter_map(|it| self.sessions.get(it));
        waiting
            .find(|peer| filter(peer))
            .map(|peer| peer.id.clone())
    }

    pub(super) fn handle_knock_timer(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let peer = self.sessions.get(&session).map(|peer| peer.id.clone());
        if let Some(peer) = peer {
            let _ = self.refuse(&peer, effects);
        }
    }

    fn answer_knock(
        &mut self,
        peer: &PeerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(SessionId, Knock), RoomError> {
        let session = self.session_of(peer)?;
        let knock = self.forget_knock(session, effects);
        knock
            .map(|knock| (session, *knock))
            .ok_or_else(|| no_peer(peer))
    }

    /// Somebody waits no more, whatever comes of it.
    pub(super) fn forget_knock(
        &mut self,
        session: SessionId,
        effects: &mut Vec<Effect>,
    ) -> Option<Box<Knock>> {
        let peer = self.sessions.get_mut(&session)?;
        let knock = peer.knock.take()?;
        let event = PeerEvent::KnockGone {
            peer: peer.id.clone(),
        };
        self.knocks.remove(&session);
        self.touch(Dirty::Knock(session));
        if let Some(due) = knock.until {
            self.timers.remove(&(due, Timer::Knock(session)));
        }
        self.tell_deciders(&event, effects);
        Some(knock)
    }

    pub(super) fn tell_deciders(&self, event: &PeerEvent, effects: &mut Vec<Effect>) {
        for session in self.deciders.intersection(&self.featured).copied() {
            effects.push(Effect::Notify {
                session,
                event: event.clone(),
            });
        }
    }
}

/// What somebody who wants to join finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Lobby,
    Locked,
}
