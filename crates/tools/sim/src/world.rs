//! The nodes of the synthetic world, and how far they are from people.

use plenum_ids::NodeId;
use plenum_placement::{Coordinates, Location, NodeView};

use crate::{
    crowd::{Crowd, Person},
    regions::{AREAS, shares},
    rng::Rng,
};

/// All nodes.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) area: usize,
    pub(crate) isp: u8,
    pub(crate) coordinates: Coordinates,
    /// Bits a second that it can forward: what is sent, and half of what is received.
    pub(crate) capacity: u64,
}

/// Providers in each country, with their shares of people and nodes.
pub(crate) const ISPS: [f64; 3] = [0.5, 0.3, 0.2];

/// Sizes of machines, and how many are of each.
const SIZES: [(u64, f64); 3] = [(1, 0.50), (2, 0.35), (4, 0.15)];

/// How full the world's nodes would be together at the busiest time, if every peer were at a node that is there anyway.
const FULL_AT_PEAK: f64 = 0.5;

/// No machine forwards less.
const LEAST_CAPACITY: f64 = 100e6;

/// The uplink carries what the machine can forward, and a quarter more.
const UPLINK: f64 = 1.25;

impl World {
    /// Nodes by the regions' shares of people, of such a size that all of them can carry the crowd.
    pub(crate) fn new(count: usize, crowd: &Crowd, seed: u64) -> Self {
        let mut rng = Rng::new(seed, "world");
        let mut sized = Vec::with_capacity(count);
        for (area, nodes) in spread(count).into_iter().enumerate() {
            for _ in 0..nodes {
                let (size, _) = SIZES[rng.weighted(&SIZES.map(|(_, share)| share))];
                sized.push((area, size, rng.weighted(&ISPS)));
            }
        }
        let sizes: u64 = sized.iter().map(|(_, size, _)| size).sum();
        let unit = crowd.peak_bitrate() / FULL_AT_PEAK / precise(sizes.max(1));
        let nodes = sized.into_iter().enumerate().map(|(index, node)| {
            let (area, size, isp) = node;
            Node {
                id: NodeId::from(format!("{}-{index:04}", AREAS[area].name)),
                area,
                isp: u8::try_from(isp).unwrap_or(0),
                coordinates: Coordinates {
                    latitude: AREAS[area].latitude + rng.normal() as f32 * 0.2,
                    longitude: AREAS[area].longitude + rng.normal() as f32 * 0.2,
                },
                capacity: bits(unit.max(LEAST_CAPACITY) * precise(size)),
            }
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// Milliseconds to a node and back.
    pub(crate) fn round_trip(&self, person: &Person, node: usize) -> f32 {
        let node = &self.nodes[node];
        let crossing = if same_network(person, node) {
            0.0
        } else {
            CROSSING
        };
        let far = person.coordinates().distance_to(node.coordinates);
        ACCESS + crossing + 2.0 * one_way(far)
    }

    /// Milliseconds from one node to another.
    pub(crate) fn between(&self, a: usize, b: usize) -> f32 {
        if a == b {
            return 0.0;
        }
        let (a, b) = (&self.nodes[a], &self.nodes[b]);
        let is_one_network = AREAS[a.area].country == AREAS[b.area].country && a.isp == b.isp;
        let crossing = if is_one_network { 0.0 } else { CROSSING / 2.0 };
        crossing + one_way(a.coordinates.distance_to(b.coordinates))
    }
}

/// What the nearest node costs, the last mile left out.
const ACCESS: f32 = 2.0;

/// What changing to another provider costs at busy hours, there and back.
const CROSSING: f32 = 8.0;

/// Kilometres that light goes in fibre in a millisecond.
const FIBRE: f32 = 200.0;

/// How much longer cables are than the way over ground.
const DETOUR: f32 = 1.4;

fn one_way(kilometres: f32) -> f32 {
    kilometres * DETOUR / FIBRE
}

fn same_network(person: &Person, node: &Node) -> bool {
    let same_country = AREAS[usize::from(person.area)].country == AREAS[node.area].country;
    same_country && person.isp == node.isp
}

/// How many nodes each region has: by shares, and at least one as long as there are enough.
fn spread(count: usize) -> [usize; 30] {
    let shares = shares();
    let mut nodes = [0; 30];
    for _ in 0..count {
        // The one that has least of what is its due (Sainte-Laguë).
        let due = |area: &usize| shares[*area] / (2.0 * precise(nodes[*area] as u64) + 1.0);
        let next = (0..30).max_by(|a, b| due(a).total_cmp(&due(b)));
        nodes[next.unwrap_or(0)] += 1;
    }
    nodes
}

impl Node {
    /// As placement sees it before anybody is there.
    pub(crate) fn view(&self) -> NodeView {
        NodeView {
            location: location(self.area, self.isp, Some(self.coordinates)),
            egress_capacity: bits(precise(self.capacity) * UPLINK),
            ..NodeView::new(self.id.clone())
        }
    }
}

/// In placement's words.
pub(crate) fn location(area: usize, isp: u8, coordinates: Option<Coordinates>) -> Location {
    let Some(area) = AREAS.get(area) else {
        return Location::default();
    };
    Location {
        region: Some(area.name.into()),
        country: Some(area.country.into()),
        isp: Some(format!("{}-{isp}", area.country).into()),
        coordinates,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bits a second and counts, far below 2^53"
)]
pub(crate) fn precise(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_sign_loss, reason = "nothing here is negative")]
pub(crate) fn bits(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_has_its_share_of_nodes() {
        let nodes = spread(1000);
        assert_eq!(nodes.iter().sum::<usize>(), 1000);
        assert!((80..=90).contains(&nodes[0]), "{nodes:?}");
        assert!(nodes.iter().all(|count| *count > 0), "{nodes:?}");
        assert_eq!(spread(1)[0], 1);
    }
}
