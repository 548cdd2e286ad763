//! Peers of other parts as they are seen here. Of several sessions of one peer, at whatever nodes, the one that joined last is
//! seen; whoever has an earlier one of them closes it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use plenum_api::grants::Role;
use plenum_ids::{DataProducerId, PeerId, ProducerId};

use crate::{
    close_reason::CloseReason,
    command::{Audience, SessionId},
    effect::Effect,
    event::PeerEvent,
    remote::{NodeKey, PeerOutline, RemoteDataProducer, RemoteProducer, not_later},
    room::{
        Room,
        remote::{Remote, Shown},
    },
    state::{DataProducer, MediaSource, Presence, Producer},
};

impl Room {
    /// A session of this part joins: it is later than all that are known of its peer.
    pub(in crate::room) fn take_over(
        &mut self,
        session: SessionId,
        peer: &PeerId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        let latest = remote.claims(peer).map(|(joined_at, _)| joined_at).max();
        let since = latest.map_or(remote.clock, |latest| remote.clock.max(latest + 1));
        let since = not_later(since);
        remote.since.insert(session, since);
        if let Some(shown) = remote.names.get(peer).copied() {
            self.hide(shown, effects);
        }
    }

    /// Finds out which session of a peer holds, after something was told of it.
    pub(super) fn settle_claims(&mut self, peer: &PeerId, effects: &mut Vec<Effect>) {
        let Some(remote) = &self.remote else {
            return;
        };
        let best = remote.claims(peer).max();
        let best = best.map(|(joined_at, node)| (joined_at, node.clone()));
        let own = self.names.get(peer).copied();
        let own = own.filter(|session| self.joined.contains(session));
        let since = own.and_then(|session| remote.since.get(&session));
        let shown = remote.names.get(peer).copied();
        let is_own = match (since, &best) {
            (Some(since), Some((joined_at, node))) => {
                (*since, &remote.config.node) > (*joined_at, node)
            }
            (since, _) => since.is_some(),
        };
        let winner = best.filter(|_| !is_own).map(|(_, node)| node);
        if let Some(session) = shown {
            let node = remote.shown.get(&session).map(|it| &it.node);
            if node == winner.as_ref() && self.still_claims(session) {
                return;
            }
            self.hide(session, effects);
        }
        if let Some(node) = winner {
            if let Some(own) = own {
                self.leave(own, Some(CloseReason::Replaced), effects);
            }
            self.show(&node, peer, effects);
        }
    }

    /// Somebody who had joined here has left.
    pub(in crate::room) fn note_departed(&mut self, peer: &PeerId) {
        if let Some(remote) = &mut self.remote {
            remote.departed.insert(peer.clone());
        }
    }

    /// Whoever has left here may still be at another node that has never heard that it was here.
    pub(in crate::room) fn settle_departed(&mut self, effects: &mut Vec<Effect>) {
        let departed = self
            .remote
            .as_mut()
            .map(|it| std::mem::take(&mut it.departed));
        for peer in departed.into_iter().flatten() {
            self.settle_claims(&peer, effects);
        }
    }

    fn still_claims(&self, session: SessionId) -> bool {
        let remote = self.remote.as_ref();
        remote.is_some_and(|remote| remote.peer(session).is_some())
    }

    fn show(&mut self, node: &NodeKey, peer: &PeerId, effects: &mut Vec<Effect>) {
        self.give_up(peer, effects);
        let Some(remote) = &mut self.remote else {
            return;
        };
        let session = SessionId(remote.next_session);
        remote.next_session += 1;
        let shown = Shown {
            node: node.clone(),
            peer: peer.clone(),
        };
        remote.shown.insert(session, shown);
        remote.names.insert(peer.clone(), session);
        let Some(known) = remote.peer(session) else {
            return;
        };
        let sent: Vec<_> = known.producers.iter().map(|it| it.producer).collect();
        let written = known.data_producers.iter();
        let written: Vec<_> = written.map(|it| it.data_producer).collect();
        let is_shown = known.outline.shown;
        self.note_far_role(session);
        if is_shown {
            self.announce_far(session, effects);
        }
        for id in sent {
            self.show_producer((node, peer), id, effects);
        }
        for id in written {
            self.show_data_producer((node, peer), id, effects);
        }
    }

    fn announce_far(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        if self.announced.insert(session)
            && let Some(info) = self.peer_info(session)
        {
            self.tell_joined(None, &PeerEvent::NewPeer(info), effects);
        }
    }

    /// A peer of another part is seen no more, nor what it sends and writes.
    fn hide(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        let Some(shown) = remote.shown.remove(&session) else {
            return;
        };
        remote.names.remove(&shown.peer);
        self.host_left |= remote.hosts.remove(&session) || remote.heir == Some(session);
        if remote.heir == Some(session) {
            remote.heir = None;
        }
        if self.announced.remove(&session) {
            let event = PeerEvent::PeerClosed { peer: shown.peer };
            self.tell_joined(None, &event, effects);
        }
        for id in self.producing.get(&session).cloned().unwrap_or_default() {
            self.forget_producer(id, effects);
        }
        let written = self.producing_data.get(&session).cloned();
        for id in written.unwrap_or_default() {
            self.forget_data_producer(id, effects);
        }
        self.floor.forget(session);
    }

    fn note_far_role(&mut self, session: SessionId) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        let Some(outline) = remote.peer(session).map(|it| &it.outline) else {
            return;
        };
        let (role, may_be_host) = (outline.role, outline.may_be_host);
        if role == Role::Host {
            remote.hosts.insert(session);
            if remote.heir == Some(session) {
                remote.heir = None;
            }
        } else {
            // It was the last one, or is the one whom the room needs.
            self.host_left |= remote.hosts.remove(&session) || may_be_host;
        }
    }

    /// A peer of another part is something else than before.
    pub(super) fn tell_far_changes(
        &mut self,
        node: &NodeKey,
        peer: &PeerId,
        before: &PeerOutline,
        effects: &mut Vec<Effect>,
    ) {
        let Some((session, now)) = self.shown_outline(node, peer) else {
            return;
        };
        self.note_far_role(session);
        if now.display_name != before.display_name && self.announced.contains(&session) {
            let event = PeerEvent::PeerDisplayNameChanged {
                peer: peer.clone(),
                display_name: now.display_name.clone(),
                old_display_name: before.display_name.clone(),
            };
            self.tell_joined(None, &event, effects);
        }
        if now.role != before.role {
            let (peer, role) = (peer.clone(), now.role);
            let event = PeerEvent::RoleChanged { peer, role };
            self.tell_featured(session, &event, effects);
        }
        if now.hand_raised != before.hand_raised {
            let (peer, raised) = (peer.clone(), now.hand_raised);
            let event = PeerEvent::HandRaised { peer, raised };
            self.tell_featured(session, &event, effects);
        }
        if now.shown {
            self.announce_far(session, effects);
        } else if self.announced.remove(&session) {
            let event = PeerEvent::PeerClosed { peer: peer.clone() };
            self.tell_joined(None, &event, effects);
        }
    }

    fn shown_outline(&self, node: &NodeKey, peer: &PeerId) -> Option<(SessionId, PeerOutline)> {
        let session = self.shown_at(node, peer)?;
        let outline = &self.remote.as_ref()?.peer(session)?.outline;
        Some((session, outline.clone()))
    }

    /// The session under which a peer of a node is seen, if it is this one that is seen.
    fn shown_at(&self, node: &NodeKey, peer: &PeerId) -> Option<SessionId> {
        let remote = self.remote.as_ref()?;
        let session = *remote.names.get(peer)?;
        let shown = remote.shown.get(&session)?;
        (shown.node == *node).then_some(session)
    }

    pub(super) fn shows_producer(&self, (node, peer): (&NodeKey, &PeerId), id: ProducerId) -> bool {
        let producer = self.producers.get(&id).filter(|it| it.is_far());
        let session = producer.map(|it| it.session);
        session.is_some() && session == self.shown_at(node, peer)
    }

    /// Something that a peer of another part sends can be consumed.
    pub(super) fn show_producer(
        &mut self,
        (node, peer): (&NodeKey, &PeerId),
        id: ProducerId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(session) = self.shown_at(node, peer) else {
            return;
        };
        let known = self.remote.as_ref().and_then(|it| it.peer(session));
        let mut sent = known.into_iter().flat_map(|it| &it.producers);
        let Some(producer) = sent.find(|it| it.producer == id) else {
            return;
        };
        if self.producers.contains_key(&id) {
            return;
        }
        let producer = far_producer(session, producer);
        let is_camera = producer.source == MediaSource::Camera;
        self.producers.insert(id, producer);
        self.producing.entry(session).or_default().push(id);
        self.publish_all_data(session, effects);
        self.tell_producer(id, effects);
        if is_camera {
            self.floor.enter(session);
        }
        self.offer(id, effects);
    }

    pub(super) fn hide_producer(
        &mut self,
        whose: (&NodeKey, &PeerId),
        id: ProducerId,
        effects: &mut Vec<Effect>,
    ) {
        if self.shows_producer(whose, id) {
            self.forget_producer(id, effects);
        }
    }

    /// Something that a peer of another part writes can be read.
    pub(super) fn show_data_producer(
        &mut self,
        (node, peer): (&NodeKey, &PeerId),
        id: DataProducerId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(session) = self.shown_at(node, peer) else {
            return;
        };
        let known = self.remote.as_ref().and_then(|it| it.peer(session));
        let mut written = known.into_iter().flat_map(|it| &it.data_producers);
        let Some(producer) = written.find(|it| it.data_producer == id) else {
            return;
        };
        if self.data_producers.contains_key(&id) {
            return;
        }
        let producer = far_data_producer(session, producer);
        let audience = producer.audience;
        self.data_producers.insert(id, producer);
        self.producing_data.entry(session).or_default().push(id);
        self.tell_data_producer(id, effects);
        if audience == Audience::Everybody && self.is_read(session) {
            self.offer_data(id, session, effects);
        }
    }

    pub(super) fn hide_data_producer(
        &mut self,
        (node, peer): (&NodeKey, &PeerId),
        id: DataProducerId,
        effects: &mut Vec<Effect>,
    ) {
        let producer = self.data_producers.get(&id).filter(|it| it.is_far());
        let session = producer.and_then(|it| it.session);
        if session.is_some() && session == self.shown_at(node, peer) {
            self.forget_data_producer(id, effects);
        }
    }
}

impl Remote {
    /// When and where sessions of a peer have joined, this part's not considered.
    fn claims(&self, peer: &PeerId) -> impl Iterator<Item = (u64, &NodeKey)> {
        let parts = self.parts.iter();
        parts.filter_map(|(node, part)| Some((part.peers.get(peer)?.outline.joined_at, node)))
    }

    /// Those of other parts who could be host, who joined first comes first.
    pub(super) fn heirs(&self) -> impl Iterator<Item = (Reverse<u64>, SessionId)> {
        let shown = self.shown.keys();
        shown.filter_map(|session| {
            let outline = &self.peer(*session)?.outline;
            let is_able = outline.may_be_host && outline.role != Role::Host;
            is_able.then_some((Reverse(outline.joined_at), *session))
        })
    }
}

fn far_producer(session: SessionId, it: &RemoteProducer) -> Producer {
    Producer {
        session,
        place: None,
        transport: None,
        presence: Presence::Confirmed,
        kind: it.kind,
        form: it.form,
        consumable: it.consumable.clone(),
        source: MediaSource::of(it.kind, &it.app_data),
        app_data: it.app_data.clone(),
        paused: it.paused,
        mute_wished: false,
        told: false,
        voice: it.voice,
        scores: it.scores.clone(),
        demand: vec![true; it.consumable.encodings.len()],
        consumers: BTreeSet::new(),
        pipes: BTreeMap::new(),
    }
}

fn far_data_producer(session: SessionId, it: &RemoteDataProducer) -> DataProducer {
    DataProducer {
        session: Some(session),
        place: None,
        transport: None,
        presence: Presence::Confirmed,
        stream: it.stream,
        label: it.label.clone(),
        protocol: it.protocol.clone(),
        app_data: it.app_data.clone(),
        told: false,
        audience: it.audience(),
        consumers: BTreeSet::new(),
        ear: None,
        pipes: BTreeMap::new(),
    }
}
