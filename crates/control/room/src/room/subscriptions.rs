//! What peers receive without asking for it piece by piece.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use plenum_ids::{ConsumerId, PeerId};
use plenum_params::media::MediaKind;

use crate::{
    command::{RequestId, SessionId},
    effect::{Effect, PeerReply},
    room::{Outcome, Room, requests::not_joined},
    state::{MediaSource, Producer},
    subscription::Subscription,
};

/// Whose pictures come first for those who want only some of them.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// Those with a camera, who spoke last first, then who has been there longest.
    order: BTreeSet<(Reverse<u64>, SessionId)>,
    /// When those spoke last who have.
    spoke: BTreeMap<SessionId, u64>,
    turns: u64,
    /// Something has changed in the command at hand.
    changed: bool,
}

impl Floor {
    fn key(&self, session: SessionId) -> (Reverse<u64>, SessionId) {
        let last = self.spoke.get(&session).copied();
        (Reverse(last.unwrap_or_default()), session)
    }

    /// Those whom somebody sees who wants so many.
    fn first(&self, count: u16, except: SessionId) -> impl Iterator<Item = SessionId> {
        let others = self.order.iter().map(|(_, session)| *session);
        let others = others.filter(move |session| *session != except);
        others.take(usize::from(count))
    }

    #[cfg(test)]
    pub(super) fn sessions(&self) -> BTreeSet<SessionId> {
        self.order.iter().map(|(_, session)| *session).collect()
    }

    pub(super) fn enter(&mut self, session: SessionId) {
        self.changed |= self.order.insert(self.key(session));
    }

    pub(super) fn leave(&mut self, session: SessionId) {
        self.changed |= self.order.remove(&self.key(session));
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        self.leave(session);
        self.spoke.remove(&session);
    }

    fn speak(&mut self, session: SessionId) {
        let had = self.order.remove(&self.key(session));
        self.turns += 1;
        self.spoke.insert(session, self.turns);
        if had {
            self.enter(session);
        }
    }
}

impl Room {
    /// Whether a peer is to have a consumer of a producer without asking for it.
    pub(super) fn wants(&self, session: SessionId, producer: &Producer) -> bool {
        let peer = self.sessions.get(&session);
        let Some(membership) = peer.and_then(|peer| peer.membership.as_ref()) else {
            return false;
        };
        match membership.subscription {
            Subscription::All => true,
            Subscription::Audio => producer.kind == MediaKind::Audio,
            Subscription::None | Subscription::Manual => false,
            Subscription::Speakers(count) => {
                producer.source != MediaSource::Camera
                    || self
                        .floor
                        .first(count, session)
                        .any(|owner| owner == producer.session)
            }
        }
    }

    pub(super) fn subscribe(
        &mut self,
        (session, request): (SessionId, RequestId),
        subscription: Subscription,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let peer = self.sessions.get_mut(&session);
        let Some(membership) = peer.and_then(|peer| peer.membership.as_mut()) else {
            return Err(not_joined());
        };
        membership.subscription = subscription;
        effects.push(Effect::Reply {
            session,
            request,
            result: Ok(PeerReply::Done),
        });
        self.note_subscription(session);
        self.close_unwanted(session, effects);
        self.consume_all(session, effects);
        Ok(None)
    }

    /// Who sees only some of the others has to be looked after when somebody else speaks.
    pub(super) fn note_subscription(&mut self, session: SessionId) {
        let peer = self.sessions.get(&session);
        let membership = peer.and_then(|peer| peer.membership.as_ref());
        if membership.is_some_and(|it| matches!(it.subscription, Subscription::Speakers(_))) {
            self.selective.insert(session);
        } else {
            self.selective.remove(&session);
        }
    }

    /// Somebody has the floor.
    pub(super) fn note_spoke(&mut self, peer: &PeerId) {
        if let Some(session) = self.session_of_all(peer) {
            self.floor.speak(session);
        }
    }

    /// Gives those who see only some of the others those who come first now, when the command at hand has been carried
    /// out to its end.
    pub(super) fn settle_floor(&mut self, effects: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.floor.changed) {
            return;
        }
        let selective: Vec<_> = self.selective.iter().copied().collect();
        for session in selective {
            self.close_unwanted(session, effects);
            self.open_wanted(session, effects);
        }
    }

    fn open_wanted(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let peer = self.sessions.get(&session);
        let membership = peer.and_then(|peer| peer.membership.as_ref());
        let Some(Subscription::Speakers(count)) = membership.map(|it| it.subscription) else {
            return;
        };
        let first = self.floor.first(count, session);
        let sent = first.filter_map(|owner| self.producing.get(&owner));
        let sent: Vec<_> = sent.flatten().copied().collect();
        for producer in sent {
            self.consume(session, producer, effects);
        }
    }

    /// Closes what a peer has without having chosen it and does not want any more.
    fn close_unwanted(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let peer = self.sessions.get(&session);
        let transports = peer.into_iter().flat_map(|peer| &peer.transports);
        let transports = transports.filter_map(|id| self.transports.get(id));
        let had = transports.flat_map(|it| it.consumers.iter().copied());
        let unwanted: Vec<_> = had.filter(|id| self.is_unwanted(session, *id)).collect();
        for consumer in unwanted {
            let _ = self.take_consumer(consumer, effects);
        }
    }

    fn is_unwanted(&self, session: SessionId, id: ConsumerId) -> bool {
        let consumer = self.consumers.get(&id).filter(|it| it.choice.is_none());
        let producer = consumer.and_then(|it| self.producers.get(&it.producer));
        producer.is_some_and(|producer| !self.wants(session, producer))
    }
}
