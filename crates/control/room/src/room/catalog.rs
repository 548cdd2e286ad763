//! What there is to receive, for those who choose themselves, and what everybody is shown of the others.

use std::sync::Arc;

use plenum_ids::{DataProducerId, PeerId, ProducerId};

use crate::{
    admission::Door,
    command::{Audience, SessionId},
    effect::Effect,
    event::PeerEvent,
    happening::RoomEvent,
    info::{DataProducerInfo, PeerInfo, ProducerInfo, RoomSnapshot},
    room::{Room, remote::Dirty},
    state::{DataProducer, MediaSource, Presence, Producer},
};

impl Room {
    /// A peer as the others see it, once it has joined, without what it sends and writes.
    pub(super) fn peer_outline(&self, session: SessionId) -> Option<PeerInfo> {
        let Some(peer) = self.sessions.get(&session) else {
            return self.far_outline(session);
        };
        let membership = peer.membership.as_ref()?;
        Some(PeerInfo {
            peer: peer.id.clone(),
            display_name: membership.display_name.clone(),
            device: membership.device.clone(),
            role: membership.role,
            hand_raised: membership.hand_raised,
            remote: peer.admission.remote,
            app_data: membership.app_data.clone(),
            producers: Vec::new(),
            data_producers: Vec::new(),
        })
    }

    /// A peer as the others see it, once it has joined.
    pub(super) fn peer_info(&self, session: SessionId) -> Option<PeerInfo> {
        let sent = self.producing.get(&session).into_iter().flatten();
        let sent = sent.filter_map(|id| self.producer_info(*id));
        let written = self.producing_data.get(&session).into_iter().flatten();
        let written = written.filter_map(|id| self.data_producer_info(*id));
        Some(PeerInfo {
            producers: sent.collect(),
            data_producers: written.collect(),
            ..self.peer_outline(session)?
        })
    }

    /// What those with a catalog know of a producer.
    fn producer_info(&self, id: ProducerId) -> Option<ProducerInfo> {
        let producer = self.producers.get(&id).filter(|it| it.told)?;
        Some(ProducerInfo {
            peer: self.name_of(producer.session)?.clone(),
            producer: id,
            kind: producer.kind,
            producer_type: producer.form,
            app_data: Arc::clone(&producer.app_data),
            paused: producer.paused,
            consumable: Arc::clone(&producer.consumable),
        })
    }

    fn data_producer_info(&self, id: DataProducerId) -> Option<DataProducerInfo> {
        let producer = self.data_producers.get(&id).filter(|it| it.told)?;
        Some(DataProducerInfo {
            peer: self.name_of(producer.session?)?.clone(),
            data_producer: id,
            label: producer.label.clone(),
            protocol: producer.protocol.clone(),
            app_data: Arc::clone(&producer.app_data),
        })
    }

    /// Those whom a session sees, and who is on the way back.
    pub(super) fn others(&self, session: SessionId) -> Vec<PeerInfo> {
        let door = self.sessions.get(&session).map(|it| it.admission.door);
        // Browsers of mediasoup-demo have no use for it, and they are the ones who come by the hundred.
        let in_outline = matches!(door, Some(Door::Classic | Door::Newest));
        let others = self.announced.iter().filter(|other| **other != session);
        let others = others.filter_map(|other| {
            if in_outline {
                self.peer_outline(*other)
            } else {
                self.peer_info(*other)
            }
        });
        let mut peers: Vec<_> = others.collect();
        peers.extend(self.away.infos().cloned());
        peers
    }

    /// The room as a session sees it.
    pub(super) fn snapshot(&self, session: SessionId) -> RoomSnapshot {
        let (role, grants) = self.standing(session);
        RoomSnapshot {
            properties: self.properties.clone(),
            peers: self.others(session),
            joined: self.joined.len() + self.far_count(),
            role,
            grants,
        }
    }

    /// The worker has made a producer.
    pub(super) fn tell_producer(&mut self, id: ProducerId, effects: &mut Vec<Effect>) {
        let Some(producer) = self.producers.get_mut(&id) else {
            return;
        };
        producer.told = true;
        let is_far = producer.is_far();
        let (session, screen) = (producer.session, producer.source == MediaSource::Screen);
        let Some(info) = self.producer_info(id) else {
            return;
        };
        if !is_far {
            self.touch(Dirty::Producer(session, id));
            effects.push(Effect::Happened(RoomEvent::ProducerAdded {
                peer_id: info.peer.clone(),
                producer_id: id,
                kind: info.kind,
                screen,
            }));
        }
        self.tell_catalogs(session, &PeerEvent::ProducerAdded(info), effects);
    }

    /// A producer is out of the books. Who has seen its owner leave knows it.
    pub(super) fn tell_producer_gone(
        &self,
        id: ProducerId,
        producer: &Producer,
        effects: &mut Vec<Effect>,
    ) {
        if !producer.told {
            return;
        }
        let Some(peer) = self.owner(producer.session) else {
            return;
        };
        let is_member = self.away.name_of(producer.session).is_none();
        if is_member && !producer.is_far() {
            effects.push(Effect::Happened(RoomEvent::ProducerRemoved {
                peer_id: peer.clone(),
                producer_id: id,
            }));
        }
        let producer_gone = PeerEvent::ProducerRemoved { peer, producer: id };
        self.tell_catalogs(producer.session, &producer_gone, effects);
    }

    /// A producer was paused or resumed.
    pub(super) fn tell_catalogs_paused(&self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&id).filter(|it| it.told);
        let Some((producer, peer)) = producer.and_then(|it| Some((it, self.owner(it.session)?)))
        else {
            return;
        };
        let event = if producer.paused {
            PeerEvent::ProducerPaused { peer, producer: id }
        } else {
            PeerEvent::ProducerResumed { peer, producer: id }
        };
        self.tell_catalogs(producer.session, &event, effects);
    }

    /// The worker has made a data producer, and its owner may be known.
    pub(super) fn tell_data_producer(&mut self, id: DataProducerId, effects: &mut Vec<Effect>) {
        let Some(producer) = self.data_producers.get_mut(&id) else {
            return;
        };
        let is_listed =
            producer.presence == Presence::Confirmed && producer.audience != Audience::Bot;
        let Some(session) = producer.session.filter(|_| is_listed) else {
            return;
        };
        producer.told = true;
        if !producer.is_far() {
            self.touch_data(Some(session), id);
        }
        if let Some(info) = self.data_producer_info(id) {
            self.tell_catalogs(session, &PeerEvent::DataProducerAdded(info), effects);
        }
    }

    /// A data producer is out of the books.
    pub(super) fn tell_data_producer_gone(
        &self,
        data_producer: DataProducerId,
        producer: &DataProducer,
        effects: &mut Vec<Effect>,
    ) {
        let session = producer.session.filter(|_| producer.told);
        if let Some((session, peer)) = session.and_then(|it| Some((it, self.owner(it)?))) {
            let event = PeerEvent::DataProducerRemoved {
                peer,
                data_producer,
            };
            self.tell_catalogs(session, &event, effects);
        }
    }

    /// Whose the session is, or was, if the others still see the peer.
    fn owner(&self, session: SessionId) -> Option<PeerId> {
        let away = || self.away.name_of(session);
        self.name_of(session).or_else(away).cloned()
    }

    /// Tells those with a catalog something of a peer that they see, also if it is on the way back.
    fn tell_catalogs(&self, of: SessionId, event: &PeerEvent, effects: &mut Vec<Effect>) {
        if !self.announced.contains(&of) && self.away.name_of(of).is_none() {
            return;
        }
        for session in self.catalogs.iter().copied().filter(|to| *to != of) {
            effects.push(Effect::Notify {
                session,
                event: event.clone(),
            });
        }
    }
}
