//! What must hold.

use super::*;
use crate::remote::RemotePeer;

/// What facts add up to.
pub(super) fn add(sum: &mut BTreeMap<PeerId, RemotePeer>, change: &PartChange) {
    match change {
        PartChange::PeerJoined { peer } => {
            let id = peer.peer.clone();
            let joined = RemotePeer {
                outline: peer.clone(),
                producers: Vec::new(),
                data_producers: Vec::new(),
            };
            assert!(sum.insert(id, joined).is_none(), "{change:?}");
        }
        PartChange::PeerChanged { peer } => {
            sum.get_mut(&peer.peer).expect("it is there").outline = peer.clone();
        }
        PartChange::PeerLeft { peer } => {
            sum.remove(peer).expect("it was there");
        }
        PartChange::ProducerAdded { peer, producer } => {
            let peer = sum.get_mut(peer).expect("it is there");
            peer.producers.push((**producer).clone());
        }
        PartChange::ProducerPaused {
            peer,
            producer,
            paused,
        } => {
            let peer = sum.get_mut(peer).expect("it is there");
            let mut sent = peer.producers.iter_mut();
            let producer = sent.find(|it| it.producer == *producer);
            producer.expect("it is sent").paused = *paused;
        }
        PartChange::ProducerScored {
            peer,
            producer,
            scores,
        } => {
            let peer = sum.get_mut(peer).expect("it is there");
            let mut sent = peer.producers.iter_mut();
            let producer = sent.find(|it| it.producer == *producer);
            producer.expect("it is sent").scores.clone_from(scores);
        }
        PartChange::ProducerClosed { peer, producer } => {
            let peer = sum.get_mut(peer).expect("it is there");
            peer.producers.retain(|it| it.producer != *producer);
        }
        PartChange::DataProducerAdded {
            peer,
            data_producer,
        } => {
            let peer = sum.get_mut(peer).expect("it is there");
            peer.data_producers.push((**data_producer).clone());
        }
        PartChange::DataProducerClosed {
            peer,
            data_producer,
        } => {
            let peer = sum.get_mut(peer).expect("it is there");
            let written = &mut peer.data_producers;
            written.retain(|it| it.data_producer != *data_producer);
        }
        _ => {}
    }
}

/// What the facts of a part add up to.
pub(super) type Sum = BTreeMap<PeerId, RemotePeer>;

/// Parts of one room, and whose home it is.
pub(super) struct Parts<'a> {
    pub(super) parts: BTreeMap<&'a NodeKey, (&'a World, &'a Sum)>,
    pub(super) home: Option<&'a NodeKey>,
}

impl Cluster {
    fn parts(&self) -> Parts<'_> {
        let parts = self.nodes.iter();
        Parts {
            parts: parts
                .map(|(key, node)| (key, (&node.world, &node.sum)))
                .collect(),
            home: self.home.as_ref(),
        }
    }

    pub(super) fn check(&self) {
        for node in self.nodes.values() {
            check(&node.world, &node.sum);
        }
    }

    pub(super) fn check_rest(&self) {
        self.parts().check_rest();
    }
}

/// At any time: the facts of a part add up to its snapshot, and its books are in order.
pub(super) fn check(world: &World, sum: &Sum) {
    let snapshot = world.room.part_snapshot().peers;
    let by_name = snapshot.into_iter().map(|it| (it.outline.peer.clone(), it));
    assert_eq!(&by_name.collect::<BTreeMap<_, _>>(), sum);
    property::compare_sight(world);
    property::deciding::compare_standing(world);
    if world.answers.is_empty() && world.offers.is_empty() {
        property::compare(world);
    }
}

/// A peer of another part is seen, with everything that it sends.
pub(super) fn check_sight(room: &Room, told: &RemotePeer) -> Result<(), String> {
    let session = room.session_of_all(&told.outline.peer);
    let session = session.ok_or("anything")?;
    for producer in &told.producers {
        let seen = room.producers.get(&producer.producer);
        seen.filter(|seen| seen.session == session)
            .ok_or_else(|| format!("{:?}", producer.producer))?;
    }
    for producer in &told.data_producers {
        let seen = room.data_producers.get(&producer.data_producer);
        seen.filter(|seen| seen.session == Some(session))
            .ok_or_else(|| format!("{:?}", producer.data_producer))?;
    }
    Ok(())
}

impl Parts<'_> {
    /// After a while without anything happening: all parts see the same.
    pub(super) fn check_rest(&self) {
        for (at, (world, sum)) in &self.parts {
            check(world, sum);
            let room = &world.room;
            let mut expected = BTreeSet::new();
            for (_, (_, other)) in self.parts.iter().filter(|(key, _)| *key != at) {
                for (peer, told) in *other {
                    assert!(expected.insert(peer.clone()), "{peer} is there twice");
                    assert!(!sum.contains_key(peer), "{peer} is there twice");
                    Self::check_seen(room, told);
                }
            }
            let seen: BTreeSet<_> = room.dump().far_peers.into_iter().collect();
            assert_eq!(seen, expected, "what {at:?} sees");
            Self::check_far(at, room);
            assert_eq!(room.properties, self.home_room().properties);
            assert!(room.ops.is_empty(), "{:?}", room.ops);
        }
        self.check_pipes();
        self.check_hosts();
    }

    /// Somebody decides, or is expected to when it has joined again, if anybody could.
    fn check_hosts(&self) {
        let all = self.parts.values().flat_map(|(_, sum)| sum.values());
        let outlines = all.map(|it| &it.outline);
        let mut rooms = self.parts.values().map(|(world, _)| &world.room);
        let has_host = rooms.any(|room| !room.hosts.is_empty() || room.away.has_host());
        let mut heirs = outlines.filter(|it| it.may_be_host);
        assert_eq!(heirs.next().filter(|_| !has_host), None, "nobody decides");
    }

    fn home_room(&self) -> &Room {
        let home = self.home.expect("somebody lives");
        &self.parts[home].0.room
    }

    /// A peer of another part is seen as it is.
    fn check_seen(room: &Room, told: &RemotePeer) {
        let session = room.session_of_all(&told.outline.peer).expect("it is seen");
        let is_shown = room.announced.contains(&session);
        assert_eq!(is_shown, told.outline.shown, "{session:?} {told:?}");
        for producer in &told.producers {
            let seen = &room.producers[&producer.producer];
            assert_eq!(seen.session, session);
            assert_eq!(
                (seen.paused, &seen.scores),
                (producer.paused, &producer.scores)
            );
        }
        for producer in &told.data_producers {
            let seen = &room.data_producers[&producer.data_producer];
            assert_eq!(seen.session, Some(session));
        }
        let sent = room.producing.get(&session).map_or(0, Vec::len);
        assert_eq!(sent, told.producers.len());
        let written = room.producing_data.get(&session).map_or(0, Vec::len);
        assert_eq!(written, told.data_producers.len());
    }

    /// Nothing is brought here that nobody here needs, and everything that somebody needs.
    fn check_far(at: &NodeKey, room: &Room) {
        let inlets: BTreeSet<_> = room.dump().inlets.into_iter().collect();
        let sent = room.producers.iter().filter(|(_, it)| it.is_far());
        let needed = sent.filter(|(_, it)| !it.consumers.is_empty() || !it.pipes.is_empty());
        let written = room.data_producers.iter().filter(|(_, it)| it.is_far());
        let read = written.filter(|(_, it)| !it.consumers.is_empty());
        let needed: BTreeSet<_> = needed
            .map(|(id, it)| (PipeSource::Producer(*id), it.place.is_some()))
            .chain(read.map(|(id, it)| (PipeSource::DataProducer(*id), it.place.is_some())))
            .collect();
        assert!(needed.iter().all(|(_, is_here)| *is_here), "{at:?} waits");
        let needed = needed.into_iter().map(|(source, _)| source);
        // Or somebody elsewhere who takes it from here.
        let fed = room.dump().feeds.into_iter().map(|(_, source)| source);
        let fed = fed.filter(|source| match source {
            PipeSource::Producer(id) => room.producers[id].is_far(),
            PipeSource::DataProducer(id) => room.data_producers[id].is_far(),
        });
        let needed: BTreeSet<_> = needed.chain(fed).collect();
        assert_eq!(inlets, needed, "what is brought to {at:?}");
        assert!(room.waiting_sinks().is_empty());
    }

    /// Each pipe has two ends.
    fn check_pipes(&self) {
        let mut taken = Vec::new();
        let mut given = Vec::new();
        for (key, (world, _)) in &self.parts {
            let held = world.room.part_snapshot().pipes;
            let held = held.into_iter();
            taken.extend(held.map(|it| (it.node, NodeKey::clone(key), it.wanted)));
            let feeds = world.room.dump().feeds.into_iter();
            given.extend(feeds.map(|(to, _)| (NodeKey::clone(key), to)));
        }
        let mut ends: Vec<_> = taken.into_iter().map(|(from, to, _)| (from, to)).collect();
        ends.sort();
        given.sort();
        assert_eq!(ends, given);
    }
}
