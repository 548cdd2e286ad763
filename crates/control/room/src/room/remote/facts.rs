//! What this part tells the others. What may have changed in a command is noted, and compared with what they were told when
//! the command has been carried out to its end: so the facts always add up to the snapshot.

use std::sync::Arc;

use plenum_ids::{DataProducerId, PeerId, ProducerId};

use crate::{
    command::{Audience, SessionId},
    effect::Effect,
    remote::{
        HeldPipe, PartChange, PartHint, PartSnapshot, PeerOutline, RemoteDataProducer, RemoteKnock,
        RemoteMade, RemotePeer, RemoteProducer,
    },
    room::{Room, remote::Dirty, rights::may_be_host},
};

impl Room {
    /// Something may have changed of which the other parts are told.
    pub(in crate::room) fn touch(&mut self, what: Dirty) {
        if let Some(remote) = &mut self.remote {
            remote.dirty.insert(what);
        }
    }

    pub(in crate::room) fn touch_producer(&mut self, id: ProducerId) {
        let producer = self.producers.get(&id).filter(|it| !it.is_far());
        if let Some(session) = producer.map(|it| it.session) {
            self.touch(Dirty::Producer(session, id));
        }
    }

    pub(in crate::room) fn touch_data(&mut self, session: Option<SessionId>, id: DataProducerId) {
        if let Some(session) = session {
            self.touch(Dirty::DataProducer(session, id));
        }
    }

    pub(in crate::room) fn touch_made(&mut self, peer: &PeerId) {
        if self.remote.is_some() {
            self.touch(Dirty::Made(peer.clone()));
            // Who was made something is nobody's heir.
            if let Some(session) = self.names.get(peer).copied() {
                self.touch(Dirty::Peer(session));
            }
        }
    }

    /// All that this part has told the others and that holds. Empty for a room that is whole.
    pub fn part_snapshot(&self) -> PartSnapshot {
        let Some(remote) = &self.remote else {
            return PartSnapshot::default();
        };
        let made = remote.made.iter();
        PartSnapshot {
            life: remote.life,
            peers: remote.published.values().cloned().collect(),
            knocks: remote.knocks.values().cloned().collect(),
            made: made.filter_map(|peer| self.made_of(peer)).collect(),
            room: remote.state.clone(),
            pipes: remote.held_pipes(),
            next_pipe: remote.next_pipe,
        }
    }

    fn made_of(&self, peer: &PeerId) -> Option<RemoteMade> {
        let made = self.made.get(peer)?;
        Some(RemoteMade {
            peer: peer.clone(),
            role: made.role,
            grants: made.grants,
        })
    }

    /// Tells the others what has changed, when the command at hand has been carried out to its end.
    pub(in crate::room) fn publish_changes(&mut self, effects: &mut Vec<Effect>) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        let dirty = std::mem::take(&mut remote.dirty);
        let facts = std::mem::take(&mut remote.facts);
        // Who comes again may be there twice in one command.
        for what in &dirty {
            if let Dirty::Peer(session) = what {
                self.publish_leaving(*session, effects);
            }
        }
        for what in dirty {
            match what {
                Dirty::Peer(session) => self.publish_peer(session, effects),
                Dirty::Producer(session, id) => self.publish_producer(session, id, effects),
                Dirty::DataProducer(session, id) => {
                    self.publish_data_producer(session, id, effects);
                }
                Dirty::Knock(session) => self.publish_knock(session, effects),
                Dirty::Made(peer) => self.publish_made(peer, effects),
            }
        }
        effects.extend(facts.into_iter().map(publish));
    }

    fn publish_leaving(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        if self.joined.contains(&session) {
            return;
        }
        remote.since.remove(&session);
        if let Some(told) = remote.published.remove(&session) {
            let peer = told.outline.peer;
            effects.push(publish(PartChange::PeerLeft { peer }));
        }
    }

    fn publish_peer(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let Some(now) = self.own_outline(session) else {
            return;
        };
        let Some(remote) = &mut self.remote else {
            return;
        };
        let Some(told) = remote.published.get_mut(&session) else {
            let told = RemotePeer {
                outline: now.clone(),
                producers: Vec::new(),
                data_producers: Vec::new(),
            };
            remote.published.insert(session, told);
            return effects.push(publish(PartChange::PeerJoined { peer: now }));
        };
        if told.outline != now {
            told.outline = now.clone();
            effects.push(publish(PartChange::PeerChanged { peer: now }));
        }
    }

    /// A peer of this part, once it has joined, as the others are to see it.
    fn own_outline(&self, session: SessionId) -> Option<PeerOutline> {
        let peer = self.sessions.get(&session)?;
        let membership = peer.membership.as_ref()?;
        let since = self.remote.as_ref()?.since.get(&session).copied();
        Some(PeerOutline {
            peer: peer.id.clone(),
            joined_at: since.unwrap_or_default(),
            display_name: membership.display_name.clone(),
            device: Arc::new(membership.device.clone()),
            role: membership.role,
            grants: peer.admission.grants,
            hand_raised: membership.hand_raised,
            remote: peer.admission.remote,
            app_data: Arc::new(membership.app_data.clone()),
            shown: self.announced.contains(&session),
            may_be_host: may_be_host(peer) && !self.was_made(&peer.id),
        })
    }

    fn publish_producer(&mut self, session: SessionId, id: ProducerId, effects: &mut Vec<Effect>) {
        let now = self.producers.get(&id).filter(|it| it.told && !it.is_far());
        let now = now.map(|it| RemoteProducer {
            producer: id,
            kind: it.kind,
            form: it.form,
            consumable: Arc::clone(&it.consumable),
            app_data: Arc::clone(&it.app_data),
            paused: it.paused,
            voice: it.voice,
            scores: it.scores.clone(),
        });
        let remote = self.remote.as_mut();
        let Some(told) = remote.and_then(|it| it.published.get_mut(&session)) else {
            return;
        };
        let peer = told.outline.peer.clone();
        let index = told.producers.iter().position(|it| it.producer == id);
        match (index, now) {
            (None, Some(producer)) => {
                told.producers.push(producer.clone());
                let producer = Box::new(producer);
                effects.push(publish(PartChange::ProducerAdded { peer, producer }));
            }
            (Some(index), None) => {
                told.producers.remove(index);
                let producer = id;
                effects.push(publish(PartChange::ProducerClosed { peer, producer }));
            }
            (Some(index), Some(now)) => {
                let told = &mut told.producers[index];
                if told.paused != now.paused {
                    effects.push(publish(PartChange::ProducerPaused {
                        peer: peer.clone(),
                        producer: id,
                        paused: now.paused,
                    }));
                }
                if told.scores != now.scores {
                    effects.push(publish(PartChange::ProducerScored {
                        peer,
                        producer: id,
                        scores: now.scores.clone(),
                    }));
                }
                *told = now;
            }
            (None, None) => {}
        }
    }

    fn publish_data_producer(
        &mut self,
        session: SessionId,
        id: DataProducerId,
        effects: &mut Vec<Effect>,
    ) {
        let now = self.data_producers.get(&id);
        let now = now.filter(|it| it.told && !it.is_far());
        let now = now.map(|it| RemoteDataProducer {
            data_producer: id,
            stream: it.stream,
            label: it.label.clone(),
            protocol: it.protocol.clone(),
            app_data: Arc::clone(&it.app_data),
            for_everybody: it.audience == Audience::Everybody,
        });
        let remote = self.remote.as_mut();
        let Some(told) = remote.and_then(|it| it.published.get_mut(&session)) else {
            return;
        };
        let peer = told.outline.peer.clone();
        let written = &mut told.data_producers;
        let index = written.iter().position(|it| it.data_producer == id);
        match (index, now) {
            (None, Some(now)) => {
                written.push(now.clone());
                let data_producer = Box::new(now);
                effects.push(publish(PartChange::DataProducerAdded {
                    peer,
                    data_producer,
                }));
            }
            (Some(index), None) => {
                written.remove(index);
                effects.push(publish(PartChange::DataProducerClosed {
                    peer,
                    data_producer: id,
                }));
            }
            // It does not change.
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn publish_knock(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        if let Some(told) = remote.knocks.remove(&session) {
            let peer = told.peer;
            effects.push(publish(PartChange::KnockGone { peer }));
        }
        let peer = self.sessions.get(&session);
        if let Some((peer, knock)) = peer.and_then(|it| Some((it, it.knock.as_ref()?))) {
            let knock = RemoteKnock {
                peer: peer.id.clone(),
                display_name: knock.membership.display_name.clone(),
            };
            remote.knocks.insert(session, knock.clone());
            effects.push(publish(PartChange::Knocked { knock }));
        }
    }

    fn publish_made(&mut self, peer: PeerId, effects: &mut Vec<Effect>) {
        let made = self.made_of(&peer);
        if let (Some(remote), Some(made)) = (&mut self.remote, made) {
            remote.made.insert(peer);
            effects.push(publish(PartChange::Made { made }));
        }
    }

    /// Something that the others need not hear.
    pub(in crate::room) fn hint(&self, hint: PartHint, effects: &mut Vec<Effect>) {
        if self.remote.is_some() {
            effects.push(Effect::PublishHint(hint));
        }
    }
}

impl super::Remote {
    fn held_pipes(&self) -> Vec<HeldPipe> {
        let inlets = self.inlets.values();
        inlets.filter_map(super::Inlet::held).collect()
    }
}

fn publish(change: PartChange) -> Effect {
    Effect::Publish(Box::new(change))
}
