//! What other parts have told. Facts change one thing; a snapshot is compared with what is known, and what differs is
//! treated as facts. So whoever catches up notices no more than what has changed.

use std::{collections::BTreeSet, time::Instant};

use plenum_ids::{PeerId, ProducerId};
use plenum_params::event::EncodingScore;

use crate::{
    close_reason::CloseReason,
    effect::Effect,
    event::PeerEvent,
    remote::{
        NodeKey, PartChange, PartSnapshot, PeerOutline, RemoteChange, RemoteDataProducer,
        RemoteKnock, RemoteMade, RemotePeer, RemoteProducer, check_change, check_hint,
        check_snapshot, differences, may_grow, may_have_more,
    },
    room::{
        Room,
        remote::{Dirty, Part, Remote},
    },
};

impl Room {
    /// Another part has told something. What does not fit is passed over.
    pub(in crate::room) fn handle_remote(
        &mut self,
        now: Instant,
        node: &NodeKey,
        change: RemoteChange,
        effects: &mut Vec<Effect>,
    ) {
        let own = self.remote.as_ref().map(|remote| &remote.config.node);
        if own.is_none_or(|own| own == node) {
            return;
        }
        match change {
            RemoteChange::Apply(change) if check_change(&change).is_ok() => {
                self.apply(node, *change, effects);
            }
            RemoteChange::Replace(snapshot) if check_snapshot(&snapshot).is_ok() => {
                self.replace(node, *snapshot, effects);
            }
            RemoteChange::Hint(hint) if check_hint(&hint).is_ok() => {
                self.handle_hint(now, node, hint, effects);
            }
            RemoteChange::Dropped => self.drop_part(node, effects),
            RemoteChange::Apply(_) | RemoteChange::Replace(_) | RemoteChange::Hint(_) => {}
        }
    }

    fn apply(&mut self, node: &NodeKey, change: PartChange, effects: &mut Vec<Effect>) {
        match change {
            PartChange::PeerJoined { peer } => self.apply_joined(node, peer, effects),
            PartChange::PeerChanged { peer } => self.apply_changed(node, peer, effects),
            PartChange::PeerLeft { peer } => self.apply_left(node, &peer, effects),
            PartChange::ProducerAdded { peer, producer } => {
                self.apply_producer(node, &peer, *producer, effects);
            }
            PartChange::ProducerPaused {
                peer,
                producer,
                paused,
            } => self.apply_paused(node, &peer, (producer, paused), effects),
            PartChange::ProducerScored {
                peer,
                producer,
                scores,
            } => self.apply_scores(node, &peer, (producer, scores), effects),
            PartChange::ProducerClosed { peer, producer } => {
                if let Some(known) = self.replica(node, &peer) {
                    known.producers.retain(|it| it.producer != producer);
                }
                self.hide_producer((node, &peer), producer, effects);
            }
            PartChange::DataProducerAdded {
                peer,
                data_producer,
            } => self.apply_data_producer(node, &peer, *data_producer, effects),
            PartChange::DataProducerClosed {
                peer,
                data_producer,
            } => {
                if let Some(known) = self.replica(node, &peer) {
                    let written = &mut known.data_producers;
                    written.retain(|it| it.data_producer != data_producer);
                }
                self.hide_data_producer((node, &peer), data_producer, effects);
            }
            PartChange::Knocked { knock } => self.apply_knock(node, knock, effects),
            PartChange::KnockGone { peer } => self.apply_knock_gone(node, &peer, effects),
            PartChange::Made { made } => self.apply_made(node, made),
            PartChange::Room { state } => self.apply_room_state(state, effects),
            PartChange::Closed if self.may_be_home(node) => {
                self.end(CloseReason::RoomClosed, effects);
            }
            PartChange::Closed | PartChange::Unknown => {}
        }
    }

    /// Everything that a part has, instead of what is known of it.
    fn replace(&mut self, node: &NodeKey, snapshot: PartSnapshot, effects: &mut Vec<Effect>) {
        let PartSnapshot {
            life,
            peers,
            knocks,
            made,
            room,
            pipes,
            next_pipe,
        } = snapshot;
        if self.part(node).life.is_some_and(|known| known != life) {
            // An earlier part at that node is gone with everything.
            self.drop_part(node, effects);
        }
        self.part(node).life = Some(life);
        self.reconcile_feeds(node, (life, next_pipe), &pipes, effects);
        if let Some(state) = room {
            self.apply_room_state(state, effects);
        }
        for made in made {
            if self.part(node).made.get(&made.peer) != Some(&made) {
                self.apply_made(node, made);
            }
        }
        let there: BTreeSet<_> = peers.iter().map(|it| it.outline.peer.clone()).collect();
        let known = self.part(node).peers.keys();
        let gone: Vec<_> = known.filter(|it| !there.contains(*it)).cloned().collect();
        for peer in gone {
            self.apply_left(node, &peer, effects);
        }
        for peer in peers {
            let known = self.part(node).peers.get(&peer.outline.peer);
            for change in differences(known, Some(&peer)) {
                self.apply(node, change, effects);
            }
        }
        self.replace_knocks(node, knocks, effects);
        // Whether there is a host may look different now.
        self.host_left = true;
    }

    fn replace_knocks(
        &mut self,
        node: &NodeKey,
        knocks: Vec<RemoteKnock>,
        effects: &mut Vec<Effect>,
    ) {
        let there: BTreeSet<_> = knocks.iter().map(|it| it.peer.clone()).collect();
        let known = self.part(node).knocks.keys();
        let gone: Vec<_> = known.filter(|it| !there.contains(*it)).cloned().collect();
        for peer in gone {
            self.apply_knock_gone(node, &peer, effects);
        }
        for knock in knocks {
            self.apply_knock(node, knock, effects);
        }
    }

    /// A part is gone, with everything that it had and took.
    fn drop_part(&mut self, node: &NodeKey, effects: &mut Vec<Effect>) {
        self.forget_hearing(node, effects);
        let Some(remote) = &mut self.remote else {
            return;
        };
        let Some(part) = remote.parts.remove(node) else {
            return;
        };
        for peer in part.knocks.keys() {
            self.tell_knock_gone(peer, effects);
        }
        for peer in part.peers.keys() {
            self.settle_claims(peer, effects);
        }
        self.close_feeds_of(node, effects);
        self.fail_asked_of(node, effects);
    }

    fn apply_joined(&mut self, node: &NodeKey, outline: PeerOutline, effects: &mut Vec<Effect>) {
        let id = outline.peer.clone();
        if !may_grow(self.part(node).peers.len()) {
            return;
        }
        if self.part(node).peers.contains_key(&id) {
            self.apply_left(node, &id, effects);
        }
        let peer = RemotePeer {
            outline,
            producers: Vec::new(),
            data_producers: Vec::new(),
        };
        self.part(node).peers.insert(id.clone(), peer);
        self.settle_claims(&id, effects);
    }

    fn apply_changed(&mut self, node: &NodeKey, outline: PeerOutline, effects: &mut Vec<Effect>) {
        let id = outline.peer.clone();
        let Some(known) = self.replica(node, &id) else {
            return;
        };
        let before = std::mem::replace(&mut known.outline, outline);
        self.tell_far_changes(node, &id, &before, effects);
        self.settle_claims(&id, effects);
    }

    fn apply_left(&mut self, node: &NodeKey, peer: &PeerId, effects: &mut Vec<Effect>) {
        if self.part(node).peers.remove(peer).is_some() {
            self.settle_claims(peer, effects);
        }
    }

    fn apply_producer(
        &mut self,
        node: &NodeKey,
        peer: &PeerId,
        producer: RemoteProducer,
        effects: &mut Vec<Effect>,
    ) {
        let Some(known) = self.replica(node, peer) else {
            return;
        };
        let id = producer.producer;
        let is_new = known.producers.iter().all(|it| it.producer != id);
        if is_new && may_have_more(known.producers.len()) {
            known.producers.push(producer);
            self.show_producer((node, peer), id, effects);
        }
    }

    fn apply_paused(
        &mut self,
        node: &NodeKey,
        peer: &PeerId,
        (id, paused): (ProducerId, bool),
        effects: &mut Vec<Effect>,
    ) {
        let known = self.replica(node, peer);
        let mut sent = known.into_iter().flat_map(|it| &mut it.producers);
        if let Some(producer) = sent.find(|it| it.producer == id) {
            producer.paused = paused;
            if self.shows_producer((node, peer), id) {
                self.set_producer_paused(id, paused, effects);
            }
        }
    }

    fn apply_scores(
        &mut self,
        node: &NodeKey,
        peer: &PeerId,
        (id, scores): (ProducerId, Vec<EncodingScore>),
        effects: &mut Vec<Effect>,
    ) {
        let known = self.replica(node, peer);
        let mut sent = known.into_iter().flat_map(|it| &mut it.producers);
        if let Some(producer) = sent.find(|it| it.producer == id) {
            producer.scores.clone_from(&scores);
            if self.shows_producer((node, peer), id) {
                self.score_producer(id, scores, effects);
            }
        }
    }

    fn apply_data_producer(
        &mut self,
        node: &NodeKey,
        peer: &PeerId,
        producer: RemoteDataProducer,
        effects: &mut Vec<Effect>,
    ) {
        let Some(known) = self.replica(node, peer) else {
            return;
        };
        let id = producer.data_producer;
        let mut written = known.data_producers.iter();
        if written.all(|it| it.data_producer != id) && may_have_more(known.data_producers.len()) {
            known.data_producers.push(producer);
            self.show_data_producer((node, peer), id, effects);
        }
    }

    fn apply_knock(&mut self, node: &NodeKey, knock: RemoteKnock, effects: &mut Vec<Effect>) {
        let knocks = &mut self.part(node).knocks;
        if knocks.get(&knock.peer) == Some(&knock) || !may_grow(knocks.len()) {
            return;
        }
        let event = PeerEvent::Knock {
            peer: knock.peer.clone(),
            display_name: knock.display_name.clone(),
        };
        knocks.insert(knock.peer.clone(), knock);
        self.tell_deciders(&event, effects);
    }

    fn apply_knock_gone(&mut self, node: &NodeKey, peer: &PeerId, effects: &mut Vec<Effect>) {
        if self.part(node).knocks.remove(peer).is_some() {
            self.tell_knock_gone(peer, effects);
        }
    }

    fn tell_knock_gone(&self, peer: &PeerId, effects: &mut Vec<Effect>) {
        let event = PeerEvent::KnockGone { peer: peer.clone() };
        self.tell_deciders(&event, effects);
    }

    /// It holds here, too, should the peer come in here.
    fn apply_made(&mut self, node: &NodeKey, made: RemoteMade) {
        if self.made.len() < self.config.limits.remembered || self.made.contains_key(&made.peer) {
            let own = self.made.entry(made.peer.clone()).or_default();
            own.role = made.role.or(own.role);
            own.grants = made.grants.or(own.grants);
            if let Some(remote) = &mut self.remote {
                // It is told by who decided last.
                remote.made.remove(&made.peer);
            }
            if let Some(session) = self.names.get(&made.peer).copied() {
                self.touch(Dirty::Peer(session));
            }
            self.part(node).made.insert(made.peer.clone(), made);
        }
    }

    /// What is known of a part. Only for rooms that have others.
    fn part(&mut self, node: &NodeKey) -> &mut Part {
        let remote = self.remote.as_mut();
        remote
            .expect("only rooms with other parts get here, see handle_remote")
            .part_mut(node)
    }

    fn replica(&mut self, node: &NodeKey, peer: &PeerId) -> Option<&mut RemotePeer> {
        let part = self.remote.as_mut()?.parts.get_mut(node)?;
        part.peers.get_mut(peer)
    }
}

impl Remote {
    pub(super) fn part_mut(&mut self, node: &NodeKey) -> &mut Part {
        if !self.parts.contains_key(node) {
            self.parts.insert(node.clone(), Part::default());
        }
        self.parts.get_mut(node).expect("inserted above")
    }
}
