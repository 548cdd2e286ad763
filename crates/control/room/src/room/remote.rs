//! This room as one part of a room that lives on several nodes: what it tells the others ([`facts`]), what it knows of them
//! ([`replicas`], [`showing`]), what it takes from them ([`inlets`]) and gives them ([`feeds`]), who decides ([`home`]), and
//! who is heard ([`hearing`]).
//!
//! A peer of another part is shown under a session number of ours that no connection has; its producers stand among ours
//! without a transport. So those who consume, subscribe and look at lists need not know where somebody is.

mod facts;
mod feeds;
mod hearing;
mod home;
mod inlets;
mod replicas;
mod showing;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use plenum_api::grants::Role;
use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId};
use rand::{RngExt, rngs::StdRng};

use crate::{
    command::SessionId,
    config::SharedRoom,
    info::PeerInfo,
    remote::{
        Home, NodeKey, PartChange, PipeSource, RemoteKnock, RemoteMade, RemotePeer, RoomState,
    },
    room::Room,
    state::{FeedKey, Producer},
    view::{FromNodeView, RemotePeerView, ToNodeView},
};
use feeds::Feed;
use inlets::Inlet;

pub(super) use home::Responsible;

/// What a part knows that has others beside it.
#[derive(Debug)]
pub(super) struct Remote {
    config: SharedRoom,
    /// What the node's clock shows, as of the command at hand.
    clock: u64,
    /// Tells this part from an earlier one at this node.
    life: u64,
    home: Home,
    /// What was decided about the room as a whole.
    state: Option<RoomState>,
    parts: BTreeMap<NodeKey, Part>,
    /// Those of all parts whom one sees here.
    shown: BTreeMap<SessionId, Shown>,
    names: BTreeMap<PeerId, SessionId>,
    /// Those of the shown who are hosts.
    hosts: BTreeSet<SessionId>,
    /// Whom the home has chosen to be host, and who has not said so yet.
    heir: Option<SessionId>,
    next_session: u64,
    /// When those who are here joined.
    since: BTreeMap<SessionId, u64>,
    /// What the others were told.
    published: BTreeMap<SessionId, RemotePeer>,
    knocks: BTreeMap<SessionId, RemoteKnock>,
    made: BTreeSet<PeerId>,
    /// Those who have left here in the command at hand.
    departed: BTreeSet<PeerId>,
    /// What may have changed in the command at hand.
    dirty: BTreeSet<Dirty>,
    /// The facts of the command at hand that have no object.
    facts: Vec<PartChange>,
    inlets: BTreeMap<PipeSource, Inlet>,
    next_pipe: u64,
    /// What may have lost its last consumer here in the command at hand.
    idle: BTreeSet<PipeSource>,
    feeds: BTreeMap<FeedKey, Feed>,
    /// Who was sent on to one of those who take something, so far.
    turns: usize,
    /// The pipes of what has any.
    fed: BTreeMap<PipeSource, BTreeSet<FeedKey>>,
}

/// What another part has told.
#[derive(Debug, Default)]
struct Part {
    life: Option<u64>,
    peers: BTreeMap<PeerId, RemotePeer>,
    knocks: BTreeMap<PeerId, RemoteKnock>,
    made: BTreeMap<PeerId, RemoteMade>,
}

/// A peer of another part, as it is seen here.
#[derive(Debug)]
struct Shown {
    node: NodeKey,
    peer: PeerId,
}

/// What the others may have to be told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dirty {
    Peer(SessionId),
    Producer(SessionId, ProducerId),
    DataProducer(SessionId, DataProducerId),
    Knock(SessionId),
    Made(PeerId),
}

/// What waits for something that comes from another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Media(ConsumerId),
    Data(DataConsumerId),
}

/// Sessions of peers of other parts are counted from here. Hosts of rooms count theirs from 0.
const FIRST_FAR_SESSION: u64 = 1 << 63;

impl Remote {
    pub(super) fn new(config: SharedRoom, rng: &mut StdRng) -> Self {
        Self {
            clock: config.clock_ms,
            config,
            life: rng.random(),
            home: Home::Unreachable,
            state: None,
            parts: BTreeMap::new(),
            shown: BTreeMap::new(),
            names: BTreeMap::new(),
            hosts: BTreeSet::new(),
            heir: None,
            next_session: FIRST_FAR_SESSION,
            since: BTreeMap::new(),
            published: BTreeMap::new(),
            knocks: BTreeMap::new(),
            made: BTreeSet::new(),
            departed: BTreeSet::new(),
            dirty: BTreeSet::new(),
            facts: Vec::new(),
            inlets: BTreeMap::new(),
            next_pipe: 0,
            idle: BTreeSet::new(),
            feeds: BTreeMap::new(),
            turns: 0,
            fed: BTreeMap::new(),
        }
    }

    fn note_time(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.config.now).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.clock = self.config.clock_ms.saturating_add(passed);
    }

    /// A peer of another part that is seen here.
    fn peer(&self, session: SessionId) -> Option<&RemotePeer> {
        let shown = self.shown.get(&session)?;
        self.parts.get(&shown.node)?.peers.get(&shown.peer)
    }
}

impl Room {
    pub(super) fn note_time(&mut self, now: Instant) {
        if let Some(remote) = &mut self.remote {
            remote.note_time(now);
        }
    }

    /// Whose session it is, wherever that is.
    pub(super) fn name_of(&self, session: SessionId) -> Option<&PeerId> {
        if let Some(peer) = self.sessions.get(&session) {
            return Some(&peer.id);
        }
        let shown = self.remote.as_ref()?.shown.get(&session);
        shown.map(|shown| &shown.peer)
    }

    /// The session of somebody who is connected here, or is seen at another node.
    pub(super) fn session_of_all(&self, peer: &PeerId) -> Option<SessionId> {
        let remote = self.remote.as_ref();
        let far = remote.and_then(|remote| remote.names.get(peer));
        far.or_else(|| self.names.get(peer)).copied()
    }

    /// How many peers of other nodes there are.
    pub(super) fn far_count(&self) -> usize {
        self.remote.as_ref().map_or(0, |remote| remote.shown.len())
    }

    /// The same without somebody.
    pub(super) fn far_others(&self, peer: &PeerId) -> usize {
        let remote = self.remote.as_ref();
        remote.map_or(0, |remote| {
            remote.shown.len() - usize::from(remote.names.contains_key(peer))
        })
    }

    /// How many peers the whole room has, those included who are expected back.
    pub(super) fn population(&self) -> usize {
        self.joined.len() + self.away.len() + self.far_count()
    }

    /// What a peer of another node is.
    pub(super) fn far_role_of(&self, peer: &PeerId) -> Option<Role> {
        let remote = self.remote.as_ref()?;
        let session = remote.names.get(peer)?;
        Some(remote.peer(*session)?.outline.role)
    }

    /// A peer of another node as the others see it, without what it sends and writes.
    pub(super) fn far_outline(&self, session: SessionId) -> Option<PeerInfo> {
        let peer = &self.remote.as_ref()?.peer(session)?.outline;
        Some(PeerInfo {
            peer: peer.peer.clone(),
            display_name: peer.display_name.clone(),
            device: (*peer.device).clone(),
            role: peer.role,
            hand_raised: peer.hand_raised,
            remote: peer.remote,
            app_data: (*peer.app_data).clone(),
            producers: Vec::new(),
            data_producers: Vec::new(),
        })
    }

    /// What is brought here from other nodes.
    pub(super) fn inlets(&self) -> Vec<PipeSource> {
        let remote = self.remote.iter();
        remote.flat_map(|it| it.inlets.keys().copied()).collect()
    }

    /// What is brought from here to other nodes.
    pub(super) fn feeds(&self) -> Vec<(NodeKey, PipeSource)> {
        let feeds = self.remote.iter().flat_map(|it| &it.feeds);
        let feeds = feeds.map(|((node, ..), feed)| (node.clone(), feed.source()));
        feeds.collect()
    }

    /// Peers of other nodes.
    pub(super) fn far_names(&self) -> Vec<PeerId> {
        let remote = self.remote.iter();
        remote.flat_map(|it| it.names.keys().cloned()).collect()
    }

    pub(super) fn view_remote(&self) -> Vec<RemotePeerView> {
        let Some(remote) = &self.remote else {
            return Vec::new();
        };
        let shown = remote.shown.iter().filter_map(|(session, shown)| {
            let RemotePeer {
                outline, producers, ..
            } = remote.peer(*session)?;
            let sent: Vec<_> = producers.iter().map(|it| it.producer).collect();
            let is_piped = |id: &&ProducerId| {
                let producer = self.producers.get(id);
                producer.is_some_and(|it| it.place.is_some())
            };
            Some(RemotePeerView {
                peer_id: outline.peer.clone(),
                node: shown.node.node.clone(),
                joined_at: outline.joined_at,
                remote: outline.remote,
                display_name: outline.display_name.clone(),
                role: outline.role,
                grants: outline.grants,
                hand_raised: outline.hand_raised,
                piped: sent.iter().filter(is_piped).copied().collect(),
                producers: sent,
            })
        });
        shown.collect()
    }

    pub(super) fn view_inlets(&self) -> Vec<FromNodeView> {
        let inlets = self.remote.iter().flat_map(|it| &it.inlets);
        let media = inlets.filter_map(|(source, inlet)| match source {
            PipeSource::Producer(producer) => Some(inlet.view(*producer)),
            PipeSource::DataProducer(_) => None,
        });
        media.collect()
    }

    pub(super) fn view_feeds(&self) -> Vec<ToNodeView> {
        let feeds = self.feeds().into_iter();
        let media = feeds.filter_map(|(to, source)| match source {
            PipeSource::Producer(producer_id) => Some(ToNodeView {
                producer_id,
                node: to.node,
            }),
            PipeSource::DataProducer(_) => None,
        });
        media.collect()
    }

    /// Whether a producer is another node's.
    pub(super) fn is_far(&self, producer: ProducerId) -> bool {
        let producer = self.producers.get(&producer);
        producer.is_some_and(Producer::is_far)
    }
}
