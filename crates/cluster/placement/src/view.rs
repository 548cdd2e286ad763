//! The nodes of a cluster, arranged so that many rankings cost little.
//!
//! What rankings compare are numbers: every region, country, provider, organisation, label and namespace of a node has one,
//! a client's words are looked up once. Nodes stand together by region, and each region knows the best that any of its
//! nodes could be, so that a ranking leaves out regions that cannot matter.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use plenum_ids::{NamespaceId, NodeId};

use crate::{
    Coordinates, Country, Isp, Label, Measured, NodeView, Organisation, Region, Version, request,
};

/// What is known of all nodes. It is made again when nodes come, go or change, and told of joins in between.
#[derive(Clone, Debug, Default)]
pub struct View {
    nodes: Vec<NodeView>,
    rows: Vec<Row>,
    regions: Vec<RegionGroup>,
    index: HashMap<NodeId, u32, FixedState>,
    symbols: Symbols,
}

/// A word as a number; [`NONE`]: not said.
pub(crate) type Symbol = u32;
pub(crate) const NONE: Symbol = 0;
/// A word that no node has said.
pub(crate) const FOREIGN: Symbol = Symbol::MAX;

/// What a ranking looks at.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its place in the list of regions.
    pub(crate) group: u32,
    pub(crate) region: Symbol,
    pub(crate) country: Symbol,
    pub(crate) isp: Symbol,
    pub(crate) organisation: Symbol,
    pub(crate) labels: Vec<Symbol>,
    pub(crate) namespaces: Vec<Symbol>,
    pub(crate) direction: Option<[f32; 3]>,
    pub(crate) version: Version,
    pub(crate) draining: bool,
    pub(crate) priority: i8,
    pub(crate) cost: f32,
    /// Of what the node can do, joins under way included.
    pub(crate) load: f32,
    pub(crate) pending: u32,
    /// Of the uplink, joins under way included; 0 where it is not known.
    pub(crate) egress: u64,
    pub(crate) egress_capacity: u64,
    /// Different for every node, the same on every node.
    pub(crate) hash: u64,
}

/// Nodes of one region, and the best that any of them has.
#[derive(Clone, Debug)]
pub(crate) struct RegionGroup {
    pub(crate) region: Symbol,
    /// The country of all of them, if it is one.
    pub(crate) country: Option<Symbol>,
    pub(crate) rows: Vec<u32>,
    pub(crate) max_priority: i8,
    pub(crate) min_cost: f32,
    /// The middle of its nodes, and how far the farthest is from it in kilometres; `None` if one does not say where it is.
    pub(crate) circle: Option<([f32; 3], f32)>,
}

/// What a join adds to the load of a node that is too empty to tell: a node of 500 peers is full. A mean of small rooms on
/// a machine of eight cores.
const LOAD_OF_A_JOIN: f32 = 1.0 / 500.0;

/// From so many peers on a node's own mean says what one more adds.
const PEERS_FOR_A_MEAN: u32 = 20;

/// Bounds of that mean, so that a node whose load has other reasons is neither full after a join nor never.
const JOIN_BOUNDS: (f32, f32) = (1.0 / 10_000.0, 1.0 / 50.0);

/// Bits a second that the node sends for a join, where its own mean does not say: a picture and some sound.
const EGRESS_OF_A_JOIN: u64 = 2_000_000;

impl View {
    /// Nodes in any order. Of several with one name the last is taken.
    pub fn new(mut nodes: Vec<NodeView>) -> Self {
        // Equal names keep their order.
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        nodes.reverse();
        nodes.dedup_by(|a, b| a.id == b.id);
        nodes.reverse();
        let mut symbols = Symbols::default();
        let mut rows: Vec<Row> = nodes.iter().map(|node| symbols.row(node)).collect();
        let ids = nodes.iter().map(|node| node.id.clone());
        let index = ids.zip(0..).collect();
        let regions = grouped(&rows);
        for (number, region) in (0..).zip(&regions) {
            for row in &region.rows {
                rows[*row as usize].group = number;
            }
        }
        Self {
            nodes,
            rows,
            regions,
            index,
            symbols,
        }
    }

    /// All nodes, by name.
    pub fn nodes(&self) -> &[NodeView] {
        &self.nodes
    }

    /// One node.
    pub fn node(&self, id: &NodeId) -> Option<&NodeView> {
        let row = *self.index.get(id)?;
        self.nodes.get(row as usize)
    }

    /// A peer was sent to a node, which will send so many bits a second more for it, as far as known: it counts there until
    /// the node measures again. `false`: there is no such node.
    pub fn count_join(&mut self, id: &NodeId, egress: u64) -> bool {
        self.change(id, |node| {
            node.pending = node.pending.saturating_add(1);
            node.pending_egress = node.pending_egress.saturating_add(egress);
        })
    }

    /// A node measured; so many joins are not in it yet.
    pub fn measured(&mut self, id: &NodeId, measured: Measured, pending: u32) -> bool {
        self.change(id, |node| {
            node.measured = measured;
            node.pending = pending;
            node.pending_egress = 0;
        })
    }

    /// A node is to be drained, or not any more.
    pub fn set_draining(&mut self, id: &NodeId, draining: bool) -> bool {
        self.change(id, |node| node.draining = draining)
    }

    /// Changes what does not move a node to another group.
    fn change(&mut self, id: &NodeId, change: impl FnOnce(&mut NodeView)) -> bool {
        let Some(index) = self.index.get(id) else {
            return false;
        };
        let (node, row) = (
            &mut self.nodes[*index as usize],
            &mut self.rows[*index as usize],
        );
        change(node);
        row.refresh(node);
        true
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn regions(&self) -> &[RegionGroup] {
        &self.regions
    }

    pub(crate) fn row_of(&self, id: &NodeId) -> Option<u32> {
        self.index.get(id).copied()
    }

    pub(crate) fn symbols(&self) -> &Symbols {
        &self.symbols
    }
}

impl Row {
    /// Takes over what changes between two announcements.
    fn refresh(&mut self, node: &NodeView) {
        let measured = &node.measured;
        // What is no number says nothing; the node is taken for full.
        let load = if measured.load.is_nan() {
            1.0
        } else {
            measured.load.max(0.0)
        };
        let peers = measured.peers;
        let mut of_a_join = (LOAD_OF_A_JOIN, EGRESS_OF_A_JOIN);
        if peers >= PEERS_FOR_A_MEAN {
            let (low, high) = JOIN_BOUNDS;
            let mean = (f64::from(load) / f64::from(peers)) as f32;
            of_a_join = (mean.clamp(low, high), measured.egress / u64::from(peers));
        }
        // What they announced may be more than the mean, as in a large room that begins.
        let by_mean = u64::from(node.pending).saturating_mul(of_a_join.1);
        let under_way = by_mean.max(node.pending_egress);
        let mut more = f64::from(node.pending) * f64::from(of_a_join.0);
        if node.egress_capacity > 0 {
            more = more.max(share(node.pending_egress, node.egress_capacity).into());
        }
        self.load = load + more as f32;
        self.pending = node.pending;
        self.egress = measured.egress.saturating_add(under_way);
        self.draining = node.draining;
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share; its last digits do not matter"
)]
pub(crate) fn share(used: u64, of: u64) -> f32 {
    (used as f64 / of as f64) as f32
}

fn grouped(rows: &[Row]) -> Vec<RegionGroup> {
    let mut order: Vec<u32> = (0..).take(rows.len()).collect();
    order.sort_by_key(|index| (rows[*index as usize].region, *index));
    let same = |a: &u32, b: &u32| rows[*a as usize].region == rows[*b as usize].region;
    order
        .chunk_by(same)
        .map(|group| of_group(rows, group))
        .collect()
}

fn of_group(rows: &[Row], group: &[u32]) -> RegionGroup {
    let members = || group.iter().map(|index| &rows[*index as usize]);
    let first = &rows[group[0] as usize];
    let one_country = members().all(|row| row.country == first.country);
    RegionGroup {
        region: first.region,
        country: one_country.then_some(first.country),
        rows: group.to_vec(),
        max_priority: members().map(|row| row.priority).max().unwrap_or(0),
        min_cost: members().map(|row| row.cost).fold(f32::MAX, f32::min),
        circle: circle(members().map(|row| row.direction)),
    }
}

/// The middle of some places and how far the farthest is from it.
fn circle(places: impl Iterator<Item = Option<[f32; 3]>> + Clone) -> Option<([f32; 3], f32)> {
    let mut sum = [0.0_f32; 3];
    for place in places.clone() {
        for (sum, part) in sum.iter_mut().zip(place?) {
            *sum += part;
        }
    }
    let length = sum.iter().map(|part| part * part).sum::<f32>().sqrt();
    // Places all around the globe have no middle.
    if length < 1e-3 {
        return None;
    }
    let middle = sum.map(|part| part / length);
    let far = |place| request::distance(middle, place);
    let farthest = places.flatten().map(far).fold(0.0, f32::max);
    Some((middle, farthest))
}

/// Numbers for words, one space of numbers for each kind of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    regions: Table,
    countries: Table,
    isps: Table,
    organisations: Table,
    labels: Table,
    namespaces: Table,
}

impl Symbols {
    fn row(&mut self, node: &NodeView) -> Row {
        let location = &node.location;
        let word =
            |table: &mut Table, word: Option<&str>| word.map_or(NONE, |word| table.number(word));
        let region = location.region.as_ref().map(Region::as_str);
        let country = location.country.as_ref().map(Country::as_str);
        let isp = location.isp.as_ref().map(Isp::as_str);
        let organisation = node.organisation.as_ref().map(Organisation::as_str);
        let labels = node.labels.iter();
        let namespaces = node.namespaces.iter();
        let mut row = Row {
            group: 0,
            region: word(&mut self.regions, region),
            country: word(&mut self.countries, country),
            isp: word(&mut self.isps, isp),
            organisation: word(&mut self.organisations, organisation),
            labels: labels
                .map(|name| self.labels.number(name.as_str()))
                .collect(),
            namespaces: namespaces
                .map(|name| self.namespaces.number(name.as_str()))
                .collect(),
            direction: location.coordinates.map(Coordinates::direction),
            version: node.version,
            draining: node.draining,
            priority: node.priority,
            cost: if node.cost.is_finite() {
                node.cost
            } else {
                0.0
            },
            load: 0.0,
            pending: 0,
            egress: 0,
            egress_capacity: node.egress_capacity,
            hash: hash(node.id.as_str()),
        };
        row.refresh(node);
        row
    }

    pub(crate) fn region(&self, name: &Region) -> Symbol {
        self.regions.find(name.as_str())
    }

    pub(crate) fn country(&self, name: &Country) -> Symbol {
        self.countries.find(name.as_str())
    }

    pub(crate) fn isp(&self, name: &Isp) -> Symbol {
        self.isps.find(name.as_str())
    }

    pub(crate) fn organisation(&self, name: &Organisation) -> Symbol {
        self.organisations.find(name.as_str())
    }

    pub(crate) fn label(&self, name: &Label) -> Symbol {
        self.labels.find(name.as_str())
    }

    pub(crate) fn namespace(&self, name: &NamespaceId) -> Symbol {
        self.namespaces.find(name.as_str())
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    numbers: HashMap<Box<str>, Symbol, FixedState>,
}

impl Table {
    fn number(&mut self, word: &str) -> Symbol {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        // There are never as many words as numbers: each word takes more bytes than a number has values left.
        let number = Symbol::try_from(self.numbers.len() + 1).unwrap_or(FOREIGN - 1);
        self.numbers.insert(word.into(), number);
        number
    }

    fn find(&self, word: &str) -> Symbol {
        self.numbers.get(word).copied().unwrap_or(FOREIGN)
    }
}

/// The same number for the same text on every machine and in every version (FNV-1a), unlike the standard library's.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
