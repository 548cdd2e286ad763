//! The cluster for operators: nodes, links to them, and why people are where they are.

use std::collections::BTreeSet;

use plenum_api::admin::{NodeDetail, NodeLink, NodeList, NodeSummary, PeerPlacement, PlacedAt};
use plenum_ids::{NodeId, PeerId, RoomName};
use plenum_link::{LinkState, LinkStatus};
use plenum_placement::{Country, Isp, Organisation, Region};
use plenum_registry::PeerPlace;

use super::{Cluster, locate::away, view::NodeFacts};
use crate::host::ConnectError;

/// For somebody of whom no more is known than the room: that is at so many nodes at most, unless it is one that many watch.
const NODES_ASKED: usize = 8;

impl Cluster {
    /// All nodes as they tell of themselves.
    pub fn node_list(&self) -> NodeList {
        self.look_at_nodes();
        NodeList {
            nodes: self.placing.all().iter().map(summary).collect(),
            asked: Some(self.me().node.to_string()),
        }
    }

    /// One node, and the link to it; `None`: nobody knows it.
    pub fn node_detail(&self, node: &NodeId) -> Option<NodeDetail> {
        self.look_at_nodes();
        let facts = self.placing.get(node)?;
        let mut links = self.links().status().into_iter();
        Some(NodeDetail {
            status: summary(&facts),
            link: links.find(|link| link.node == *node).map(|it| link(&it)),
        })
    }

    /// Where a peer of a room is, whichever node has it, and why there.
    pub async fn peer_placement(
        &self,
        room: &RoomName,
        peer: &PeerId,
    ) -> Result<PeerPlacement, ConnectError> {
        let places = self.registry().peers(room.clone(), Some(peer.clone()));
        let places = places.await.map_err(|err| away(&err))?;
        Ok(PeerPlacement {
            peer_id: peer.to_string(),
            places: places.iter().map(placed).collect(),
        })
    }

    /// The other nodes that may have somebody: where the registry has that peer; of one that has not joined yet, where the room is.
    pub async fn other_nodes_of(&self, room: &RoomName, peer: &PeerId) -> Vec<NodeId> {
        let places = self.registry().peers(room.clone(), Some(peer.clone()));
        let places = places.await.unwrap_or_default();
        let mut nodes: Vec<_> = places.into_iter().map(|place| place.node).collect();
        if nodes.is_empty() {
            let record = self.registry().room(room.clone()).await.ok().flatten();
            let (home, parts) = record.map(|it| (it.home, it.parts)).unwrap_or_default();
            nodes.extend(home.map(|home| home.node));
            nodes.extend(parts.into_iter().map(|part| part.node));
        }
        nodes.retain(|node| *node != self.me().node && self.is_alive(node));
        let mut seen = BTreeSet::new();
        nodes.retain(|node| seen.insert(node.clone()));
        nodes.truncate(NODES_ASKED);
        nodes
    }

    /// Whether anybody has such a room. A registry that is away knows of none.
    pub async fn knows_room(&self, room: &RoomName) -> bool {
        let record = self.registry().room(room.clone()).await.ok().flatten();
        record.is_some_and(|record| {
            let parts = record.parts.iter();
            let mut peers = parts.map(|part| part.mark.peers);
            record.home.is_some() || peers.any(|peers| peers > 0)
        })
    }
}

fn placed(place: &PeerPlace) -> PlacedAt {
    PlacedAt {
        node: place.node.to_string(),
        epoch: place.node_epoch.0,
        reasons: place.note.lines().map(str::to_owned).collect(),
    }
}

fn summary(facts: &NodeFacts) -> NodeSummary {
    let (status, about) = (&facts.status, &facts.status.about);
    let location = &about.location;
    let place = location.coordinates;
    let url = &facts.addresses.public_url;
    NodeSummary {
        id: facts.node.to_string(),
        name: about.name.clone(),
        epoch: facts.epoch.0,
        alive: facts.alive,
        lease_age_ms: u64::try_from(facts.since_renewal.as_millis()).unwrap_or(u64::MAX),
        draining: facts.draining,
        role: about.role.as_str().to_owned(),
        version: facts.version.clone(),
        public_url: (!url.is_empty()).then(|| url.clone()),
        link_address: facts.addresses.link.clone(),
        organisation: about.organisation.as_ref().map(Organisation::to_string),
        region: location.region.as_ref().map(Region::to_string),
        country: location.country.as_ref().map(Country::to_string),
        isp: location.isp.as_ref().map(Isp::to_string),
        coordinates: place.map(|place| [place.latitude, place.longitude]),
        labels: about.labels.iter().map(ToString::to_string).collect(),
        namespaces: about.namespaces.iter().map(ToString::to_string).collect(),
        priority: about.priority,
        cost: about.cost,
        load: status.measured.load,
        pending_joins: facts.pending,
        rooms: status.rooms,
        peers: status.measured.peers,
        producers: status.producers,
        consumers: status.consumers,
        workers: status.workers,
        ingress: status.ingress,
        egress: status.measured.egress,
        egress_capacity: about.egress_capacity,
        ingress_per_peer: status.ingress_per_peer,
        egress_per_peer: status.egress_per_peer,
        peer_bitrates: status.peer_bitrates,
        machine: status.machine,
    }
}

fn link(link: &LinkStatus) -> NodeLink {
    let state = match link.state {
        LinkState::Up => "up",
        LinkState::Dialling => "connecting",
        _ => "down",
    };
    let round_trip = link.figures.round_trip;
    NodeLink {
        state: state.to_owned(),
        epoch: link.epoch.map(|epoch| epoch.0),
        round_trip_ms: round_trip.map(|it| (it.as_secs_f64() * 1e5).round() / 100.0),
        trouble: link.last_failure.as_ref().map(ToString::to_string),
    }
}
