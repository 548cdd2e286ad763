//! A request in the numbers of a view.

use plenum_ids::NodeId;

use crate::{
    Isolation, Location, NamespaceRules, NodeSelector, NodeView, Policy, Request, Role, View,
    request,
    view::{self, NONE, RegionGroup, Row, Symbol, Symbols},
};

/// A request, once its words were looked up.
pub(super) struct Query<'a> {
    pub(super) request: &'a Request,
    pub(super) rules: &'a NamespaceRules,
    pub(super) view: &'a View,
    pub(super) policy: Policy,
    pub(super) client: &'a Location,
    pub(super) region: Symbol,
    pub(super) country: Symbol,
    pub(super) direction: Option<[f32; 3]>,
    /// Providers that are good for the client's, best first.
    pub(super) isps: Vec<Symbol>,
    pub(super) namespace: Symbol,
    pub(super) allow: Vec<Selector>,
    pub(super) deny: Vec<Selector>,
    pub(super) residency: Vec<Symbol>,
    /// Peers of the room on all nodes.
    pub(super) peers: u32,
    /// The dead ones first.
    parts: Vec<PartFact<'a>>,
    /// For each row the place of its part in the list, counted from 1; empty without parts. A room may have parts on most nodes,
    /// so that looking one up is one step.
    part_of_row: Vec<u32>,
    key: u64,
}

/// What a node has of the room.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartFact<'a> {
    pub(super) node: &'a NodeId,
    /// `None`: it is not among the living.
    pub(super) row: Option<u32>,
    pub(super) is_home: bool,
    pub(super) peers: u32,
    pub(super) publishers: u32,
}

/// A rule's description of nodes.
pub(super) struct Selector {
    /// In the rules' list.
    pub(super) index: usize,
    node: Option<u32>,
    region: Option<Symbol>,
    country: Option<Symbol>,
    organisation: Option<Symbol>,
    label: Option<Symbol>,
}

/// A region, and the points that none of its nodes exceeds that does not come first.
pub(super) struct Group {
    pub(super) index: usize,
    pub(super) bound: i32,
}

impl<'a> Query<'a> {
    pub(super) fn new(request: &'a Request, view: &'a View, rules: &'a NamespaceRules) -> Self {
        let symbols = view.symbols();
        let client = if request.client.is_unknown() {
            &rules.assume
        } else {
            &request.client
        };
        let region = client.region.as_ref();
        let country = client.country.as_ref();
        let region = region.map_or(NONE, |region| symbols.region(region));
        let country = country.map_or(NONE, |country| symbols.country(country));
        let policy = request.policy.unwrap_or(rules.policy);
        let (parts, part_of_row) = parts(request, view);
        let mut query = Self {
            request,
            rules,
            view,
            policy,
            client,
            region,
            country,
            direction: None,
            isps: isps(client, rules, symbols),
            namespace: symbols.namespace(&request.room.namespace),
            allow: selectors(&rules.allow, view),
            deny: selectors(&rules.deny, view),
            residency: rules
                .residency
                .iter()
                .map(|name| symbols.country(name))
                .collect(),
            peers: parts
                .iter()
                .fold(0, |sum, part| sum.saturating_add(part.peers)),
            parts,
            part_of_row,
            key: key(request, policy),
        };
        query.direction = query.direction_of_client();
        query
    }

    /// Where the client is; where it does not say, the middle of its region's nodes, or of its country's.
    fn direction_of_client(&self) -> Option<[f32; 3]> {
        if let Some(coordinates) = self.client.coordinates {
            return Some(coordinates.direction());
        }
        let middle = |is_it: &dyn Fn(&RegionGroup) -> bool| {
            let mut groups = self.view.regions().iter();
            groups
                .find(|group| is_it(group))?
                .circle
                .map(|(middle, _)| middle)
        };
        let of_region = (self.region != NONE)
            .then(|| middle(&|group| group.region == self.region))
            .flatten();
        of_region.or_else(|| {
            (self.country != NONE)
                .then(|| middle(&|group| group.country == Some(self.country)))
                .flatten()
        })
    }

    /// The nodes that are named in the request, the dead ones first.
    pub(super) fn parts(&self) -> &[PartFact<'a>] {
        &self.parts
    }

    /// What a node has of the room.
    pub(super) fn part(&self, row: u32) -> Option<&PartFact<'a>> {
        let place = *self.part_of_row.get(row as usize)?;
        self.parts.get((place as usize).checked_sub(1)?)
    }

    /// Whether a part is looked at whatever its region promises.
    pub(super) fn comes_first(&self, part: &PartFact<'_>) -> bool {
        part.is_home || self.policy == Policy::Room
    }

    pub(super) fn row(&self, row: u32) -> &'a Row {
        &self.view.rows()[row as usize]
    }

    pub(super) fn node(&self, row: u32) -> &'a NodeView {
        &self.view.nodes()[row as usize]
    }

    /// Regions, best first.
    pub(super) fn groups(&self) -> Vec<Group> {
        let groups = self.view.regions().iter().enumerate();
        let mut groups: Vec<Group> = groups
            .map(|(index, group)| Group {
                index,
                bound: self.bound(group),
            })
            .collect();
        let bonus = self.most_for_a_part();
        let mut has_part = vec![false; groups.len()];
        let behind = self.parts.iter().filter(|part| !self.comes_first(part));
        for row in behind.filter_map(|part| part.row) {
            let group = self.row(row).group as usize;
            if !std::mem::replace(&mut has_part[group], true) {
                groups[group].bound += bonus;
            }
        }
        groups.sort_unstable_by_key(|group| (-group.bound, group.index));
        groups
    }

    /// A number that orders equal nodes: another order for every room or peer, so that they spread, and the same one
    /// whenever it is asked again.
    pub(super) fn turn(&self, row: u32) -> u64 {
        mixed(self.row(row).hash ^ self.key)
    }

    pub(super) fn is_viewer(&self) -> bool {
        self.request.role == Role::Viewer
    }

    pub(super) fn is_isolated(&self, isolation: Isolation) -> bool {
        self.rules.isolation == isolation
    }
}

/// What is placed: a room under `room`, otherwise a peer.
fn key(request: &Request, policy: Policy) -> u64 {
    let room = view::hash(request.room.room.as_str())
        ^ view::hash(request.room.namespace.as_str()).rotate_left(32);
    match &request.peer {
        Some(peer) if policy != Policy::Room => mixed(room) ^ view::hash(peer.as_str()),
        _ => room,
    }
}

/// Every bit of the number depends on every bit of what is given (the finaliser of `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// What each node has of the room, each node once, and where that of each row is.
fn parts<'a>(request: &'a Request, view: &View) -> (Vec<PartFact<'a>>, Vec<u32>) {
    let home = request.home.as_ref();
    if request.parts.is_empty() && home.is_none() {
        return (Vec::new(), Vec::new());
    }
    let named = request.parts.iter().map(|part| PartFact {
        node: &part.node,
        row: view.row_of(&part.node),
        is_home: home == Some(&part.node),
        peers: part.peers,
        publishers: part.publishers,
    });
    let alone = home.map(|home| PartFact {
        node: home,
        row: view.row_of(home),
        is_home: true,
        peers: 0,
        publishers: 0,
    });
    let mut dead: Vec<PartFact<'_>> = Vec::new();
    let mut living: Vec<PartFact<'_>> = Vec::with_capacity(request.parts.len() + 1);
    let mut part_of_row = vec![0; view.nodes().len()];
    for part in named.chain(alone) {
        let Some(row) = part.row else {
            dead.push(part);
            continue;
        };
        let place: &mut u32 = &mut part_of_row[row as usize];
        if let Some(before) = (*place as usize).checked_sub(1) {
            // Of what is said twice, the larger.
            let before = &mut living[before];
            before.peers = before.peers.max(part.peers);
            before.publishers = before.publishers.max(part.publishers);
        } else {
            living.push(part);
            *place = living.len() as u32;
        }
    }
    if !dead.is_empty() {
        dead.sort_by(|a, b| a.node.cmp(b.node));
        dead.dedup_by(|a, b| a.node == b.node);
        for place in part_of_row.iter_mut().filter(|place| **place > 0) {
            *place += dead.len() as u32;
        }
        dead.append(&mut living);
        living = dead;
    }
    (living, part_of_row)
}

fn isps(client: &Location, rules: &NamespaceRules, symbols: &Symbols) -> Vec<Symbol> {
    let Some(isp) = &client.isp else {
        return Vec::new();
    };
    let preference = rules.isp.iter().find(|rule| rule.clients == *isp);
    match preference {
        Some(rule) => rule.nodes.iter().map(|name| symbols.isp(name)).collect(),
        None => vec![symbols.isp(isp)],
    }
}

fn selectors(rules: &[NodeSelector], view: &View) -> Vec<Selector> {
    let compiled = rules.iter().enumerate();
    compiled
        .filter_map(|(index, rule)| Selector::new(index, rule, view))
        .collect()
}

/// A node that does not exist.
const NO_ROW: u32 = u32::MAX;

impl Selector {
    /// `None` if it describes nothing.
    fn new(index: usize, rule: &NodeSelector, view: &View) -> Option<Self> {
        if *rule == NodeSelector::default() {
            return None;
        }
        let symbols = view.symbols();
        let node = rule.node.as_ref();
        Some(Self {
            index,
            node: node.map(|node| view.row_of(node).unwrap_or(NO_ROW)),
            region: rule.region.as_ref().map(|name| symbols.region(name)),
            country: rule.country.as_ref().map(|name| symbols.country(name)),
            organisation: rule
                .organisation
                .as_ref()
                .map(|name| symbols.organisation(name)),
            label: rule.label.as_ref().map(|name| symbols.label(name)),
        })
    }

    pub(super) fn matches(&self, index: u32, row: &Row) -> bool {
        self.node.is_none_or(|node| node == index)
            && self.region.is_none_or(|region| region == row.region)
            && self.country.is_none_or(|country| country == row.country)
            && self
                .organisation
                .is_none_or(|organisation| organisation == row.organisation)
            && self.label.is_none_or(|label| row.labels.contains(&label))
    }
}

impl Query<'_> {
    /// Kilometres from the client to a node that says where it is.
    pub(super) fn kilometres(&self, to: Option<[f32; 3]>) -> Option<f32> {
        Some(request::distance(self.direction?, to?))
    }
}
