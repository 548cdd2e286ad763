//! What people are placed by: the nodes as they tell of themselves, the operator's rules, and where addresses are.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plenum_ids::{NodeEpoch, NodeId};
use plenum_placement::{
    Location, Ranking, Request, Rules, TreeLimits, View, geo::Locator, nearer, rank,
};
use plenum_registry::{NodeAddresses, NodesView};
use serde::Deserialize as _;
use tokio::sync::watch;
use tracing::debug;

use super::status::{About, NodeRole, NodeStatus};

/// What an operator says about placement. It may change while the node runs.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "settings put it together")]
pub struct PlacementSettings {
    /// This node.
    pub about: About,
    /// Who may go where, and what counts how much.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// Where addresses are.
    pub locator: watch::Receiver<Arc<Locator>>,
    /// How nodes feed each other.
    pub tree: TreeLimits,
}

impl Default for PlacementSettings {
    /// Rules that exclude nobody, and nothing known of addresses.
    fn default() -> Self {
        Self {
            about: About::default(),
            rules: watch::Sender::new(Arc::default()).subscribe(),
            locator: watch::Sender::new(Arc::default()).subscribe(),
            tree: TreeLimits::default(),
        }
    }
}

/// A node as the others know it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeFacts {
    /// Which one.
    pub node: NodeId,
    /// Which start of it.
    pub epoch: NodeEpoch,
    /// How long its lease had not been renewed, when that was read.
    pub since_renewal: Duration,
    /// Whether that is short enough to be alive.
    pub alive: bool,
    /// It takes nobody any more.
    pub draining: bool,
    /// Joins that were sent there and may not be in its figures yet.
    pub pending: u32,
    /// Which build it runs.
    pub version: String,
    /// Where it is reached.
    pub addresses: NodeAddresses,
    /// What it tells of itself.
    pub status: NodeStatus,
}

/// Settings and nodes.
#[derive(Debug)]
pub(crate) struct Placing {
    settings: PlacementSettings,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    view: View,
    facts: BTreeMap<NodeId, NodeFacts>,
    /// What both were made of.
    of: Option<Arc<NodesView>>,
}

impl Placing {
    pub(super) fn new(settings: PlacementSettings) -> Self {
        Self {
            settings,
            known: Mutex::default(),
        }
    }

    /// What this node's operator says of it.
    pub(super) const fn about(&self) -> &About {
        &self.settings.about
    }

    /// What this node does.
    pub(super) const fn role(&self) -> NodeRole {
        self.settings.about.role
    }

    /// The rules as they are now.
    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.settings.rules.borrow())
    }

    /// Where an address is.
    pub(super) fn locate(&self, address: IpAddr) -> Location {
        self.settings.locator.borrow().locate(address)
    }

    /// Takes what the registry knows, if that is not what is known already. Joins that were counted are in it, or will be.
    pub(super) fn update(&self, nodes: &Arc<NodesView>, lease: Duration) {
        let mut known = self.lock();
        if known.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, nodes)) {
            return;
        }
        let facts = nodes.nodes.iter().map(|node| facts_of(node, lease));
        let facts: BTreeMap<_, _> = facts.map(|facts| (facts.node.clone(), facts)).collect();
        let placed = facts
            .values()
            .filter(|facts| facts.alive && facts.status.about.role.takes_rooms());
        known.view = View::new(placed.map(NodeFacts::view).collect());
        known.facts = facts;
        known.of = Some(Arc::clone(nodes));
    }

    /// All nodes, by name.
    pub(super) fn all(&self) -> Vec<NodeFacts> {
        self.lock().facts.values().cloned().collect()
    }

    /// One node.
    pub(super) fn get(&self, node: &NodeId) -> Option<NodeFacts> {
        self.lock().facts.get(node).cloned()
    }

    /// Where clients reach a node, if they do.
    pub(super) fn public_url(&self, node: &NodeId) -> Option<String> {
        let known = self.lock();
        let url = &known.facts.get(node)?.addresses.public_url;
        (!url.is_empty()).then(|| url.clone())
    }

    /// How full a node was when it measured last.
    pub(super) fn load(&self, node: &NodeId) -> Option<f32> {
        let known = self.lock();
        known.view.node(node).map(|node| node.measured.load)
    }

    /// The nodes in order for somebody.
    pub(super) fn rank(&self, request: &Request, rules: &Rules) -> Ranking {
        rank(request, &self.lock().view, rules)
    }

    /// How nodes feed each other.
    pub(super) const fn tree(&self) -> TreeLimits {
        self.settings.tree
    }

    /// Nodes that this one had rather take something from than from that one.
    pub(super) fn nearer(&self, from: &NodeId) -> Vec<NodeId> {
        let known = self.lock();
        let Some(from) = known.facts.get(from) else {
            return Vec::new();
        };
        let others = known.facts.iter().filter(|(_, facts)| facts.alive);
        let others = others.map(|(node, facts)| (node, &facts.status.about.location));
        nearer(&self.about().location, &from.status.about.location, others)
    }

    /// Somebody was sent to a node, which counts until that node tells more.
    pub(super) fn count_join(&self, node: &NodeId) {
        self.lock().view.count_join(node, 0);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked in between left what can be asked, and it is made anew in seconds.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeFacts {
    fn view(&self) -> plenum_placement::NodeView {
        plenum_placement::NodeView {
            version: self.version.parse().unwrap_or_default(),
            draining: self.draining,
            pending: self.pending,
            ..self.status.view(&self.node)
        }
    }
}

fn facts_of(node: &plenum_registry::NodeView, lease: Duration) -> NodeFacts {
    let plenum_registry::NodeView { lease: it, record } = node;
    let status = NodeStatus::deserialize(&record.status).unwrap_or_else(|err| {
        // It goes on without: its operator will see that nothing is said of it.
        debug!(node = %it.node, %err, "the node's status cannot be understood");
        NodeStatus::default()
    });
    NodeFacts {
        alive: it.since_renewal < lease,
        node: it.node.clone(),
        epoch: it.epoch,
        since_renewal: it.since_renewal,
        draining: it.draining || record.draining,
        pending: it.pending,
        version: record.version.clone(),
        addresses: record.addresses.clone(),
        status,
    }
}

#[cfg(test)]
mod tests {
    use plenum_registry::{Incarnation, Lease, NodeRecord, NodeView};
    use serde_json::json;

    use super::*;

    const LEASE: Duration = Duration::from_secs(3);

    fn node(name: &str, age: Duration, status: serde_json::Value) -> NodeView {
        NodeView {
            lease: Lease {
                node: name.into(),
                epoch: NodeEpoch(1),
                since_renewal: age,
                draining: false,
                pending: 2,
            },
            record: NodeRecord {
                addresses: NodeAddresses {
                    link: "h:1".to_owned(),
                    public_url: format!("https://{name}"),
                },
                version: "0.1.0 (abc)".to_owned(),
                draining: false,
                status,
            },
        }
    }

    fn nodes(nodes: Vec<NodeView>) -> Placing {
        let all = Placing::new(PlacementSettings::default());
        let view = NodesView {
            incarnation: Incarnation::from("one".to_owned()),
            age: LEASE,
            nodes,
        };
        all.update(&Arc::new(view), LEASE);
        all
    }

    #[test]
    fn the_dead_and_those_without_workers_take_nobody() {
        let young = Duration::from_millis(100);
        let all = nodes(vec![
            node("a", young, json!({ "location": { "region": "eu" } })),
            node("b", LEASE, json!({})),
            node("c", young, json!({ "role": "signal" })),
            node("d", young, json!({ "role": "oracle", "mood": 7 })),
            node("e", young, json!("nonsense")),
            node("f", young, json!({ "role": "media" })),
        ]);
        assert_eq!(all.all().len(), 6);
        let ranking = all.rank(
            &Request::new(plenum_ids::RoomName::new("default", "tea")),
            &Rules::default(),
        );
        let mut names: Vec<_> = ranking
            .candidates
            .iter()
            .map(|it| it.node.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "e", "f"]);
        assert_eq!(all.public_url(&"c".into()).as_deref(), Some("https://c"));
        let a = all.get(&"a".into()).unwrap();
        assert_eq!((a.pending, a.alive), (2, true));
        assert_eq!(a.view().version.to_string(), "0.1.0");
    }

    #[test]
    fn what_a_node_says_of_itself_comes_back() {
        let mut status = NodeStatus::default();
        status.about.labels = vec!["gpu".into()];
        status.about.namespaces = vec!["acme".into()];
        status.measured.peers = 7;
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<NodeStatus>(&text).unwrap(), status);
    }
}
