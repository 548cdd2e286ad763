//! What operators decide about placement, for all namespaces and for some.

use std::collections::BTreeMap;

use plenum_ids::{NamespaceId, NodeId};
use serde::{Deserialize, Serialize};

use crate::{Country, Isp, Label, Location, Organisation, Policy, Region, Version};

/// All rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Rules {
    /// For namespaces that have none of their own.
    pub default: NamespaceRules,
    /// For these instead.
    pub namespaces: BTreeMap<NamespaceId, NamespaceRules>,
}

impl Rules {
    /// The rules of a namespace.
    #[must_use]
    pub fn of(&self, namespace: &NamespaceId) -> &NamespaceRules {
        self.namespaces.get(namespace).unwrap_or(&self.default)
    }
}

/// The rules of one namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct NamespaceRules {
    /// How the peers of a room are spread.
    pub policy: Policy,
    /// Only nodes that one of these describes; all, if there is none.
    pub allow: Vec<NodeSelector>,
    /// No node that one of these describes.
    pub deny: Vec<NodeSelector>,
    /// Whether clients are kept within their part of the world.
    pub isolation: Isolation,
    /// In which countries media may be handled.
    pub residency: Residency,
    /// Which nodes' providers are good for clients of a provider. Where none is named, the same one is.
    pub isp: Vec<IspPreference>,
    /// Older nodes take nobody.
    pub min_version: Option<Version>,
    /// Where clients are taken to be of whom nothing is known (private addresses, …).
    pub assume: Location,
    /// From this load on a node takes no rooms that are not there yet.
    pub max_load: f32,
    /// From this load on it takes no peers of rooms that are there either.
    pub full_load: f32,
    /// How much of a node's uplink is not planned with, from 0 to 1.
    pub egress_reserve: f32,
    /// Under `broadcast`, how many peers of one room a node takes.
    pub viewers_per_node: u32,
    /// Under `stream`, from how many peers on receivers gather.
    pub gather_from: u32,
    /// What counts how much.
    pub weights: Weights,
}

impl Default for NamespaceRules {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            allow: Vec::new(),
            deny: Vec::new(),
            isolation: Isolation::default(),
            residency: Residency::default(),
            isp: Vec::new(),
            min_version: None,
            assume: Location::default(),
            // A forwarding core's delay grows steeply above nine tenths; what a room's own growth and a burst of key
            // frames take is left free.
            max_load: 0.85,
            full_load: 0.95,
            // A burst of key frames of all cameras at once is about a tenth above the mean.
            egress_reserve: 0.10,
            // At 2 Mb/s 4 Gb/s: less than half of a 10 Gb/s port, so that two such rooms have room.
            viewers_per_node: 2000,
            // What a grid of pictures shows at once: above it most receivers watch few of the streams.
            gather_from: 25,
            weights: Weights::default(),
        }
    }
}

/// Describes nodes: by all that is set. With nothing set it describes none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct NodeSelector {
    /// This node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Nodes of this region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Nodes of this country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Nodes of this organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Organisation>,
    /// Nodes with this label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
}

/// Whether clients are kept within their part of the world. A client of whom that part is not known is then placed
/// nowhere, unless the rules assume one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "callers choose among these")]
pub enum Isolation {
    /// Only nodes of the client's country.
    Country,
    /// Any node.
    #[default]
    None,
    /// Only nodes of the client's region.
    Region,
}

/// In which countries media may be handled: only those named; in all, if none is.
pub type Residency = Vec<Country>;

/// Which nodes' providers are good for clients of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "one preference")]
pub struct IspPreference {
    /// The clients' provider.
    pub clients: Isp,
    /// The nodes' providers, best first.
    pub nodes: Vec<Isp>,
}

/// How many points something is worth; ten are about a millisecond of round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Weights {
    /// Each 100 km between client and node.
    pub distance: u16,
    /// The client's region.
    pub region: u16,
    /// The client's country.
    pub country: u16,
    /// The best provider for the client.
    pub isp: u16,
    /// Each step of a node's priority.
    pub priority: u16,
    /// A node at full load; half a load weighs a quarter of it.
    pub load: u16,
    /// A full uplink; half full weighs a quarter of it.
    pub egress: u16,
    /// Each unit of a node's cost.
    pub cost: u16,
    /// A node that has peers of the room already, under `user`.
    pub affinity: u16,
    /// A node where receivers of the room gather, under `stream` and `broadcast`.
    pub gather: u16,
    /// A node that publishes to many, for a viewer under `broadcast`.
    pub publisher: u16,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            // Light in fibre goes 200 km in a millisecond, so 100 km are one millisecond of round trip.
            distance: 10,
            // Within a region paths are short and its operator's own: 30 ms is what crossing to a neighbouring one costs
            // where coordinates are not known.
            region: 300,
            // Paths within a country seldom leave it.
            country: 100,
            // What peering between providers costs at busy hours; less than a country.
            isp: 80,
            priority: 1,
            // A node at its limit delays by some 40 ms: pictures queue behind each other.
            load: 400,
            egress: 200,
            cost: 10,
            // A hop and a pipe less. In the simulated world people are 0.8 ms farther from their nodes than with 60, and nodes
            // send each other three tenths less; with 150 the next 0.9 ms buy half as much.
            affinity: 100,
            // As much as 70 % load counts: receivers fill a node to there before they go to the next.
            gather: 200,
            publisher: 150,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_its_own_rules_or_the_default() {
        let text = r#"{
            "default": { "policy": "user" },
            "namespaces": { "acme": {
                "residency": ["de", "FR"], "isolation": "region",
                "allow": [{ "region": "eu", "label": "disk=fast" }],
                "isp": [{ "clients": "cmcc", "nodes": ["cmcc", "bgp"] }],
                "min_version": "1.2", "weights": { "region": 500 }
            } }
        }"#;
        let rules: Rules = serde_json::from_str(text).unwrap();
        let acme = rules.of(&"acme".into());
        assert_eq!(acme.policy, Policy::Room);
        assert_eq!(acme.residency, ["DE".into(), "FR".into()]);
        assert_eq!((acme.weights.region, acme.weights.load), (500, 400));
        assert_eq!(rules.of(&"other".into()).policy, Policy::User);
        let again = serde_json::to_string(&rules).unwrap();
        assert_eq!(serde_json::from_str::<Rules>(&again).unwrap(), rules);
    }

    /// The block of the documentation in a language.
    fn documented(language: &str) -> &'static str {
        let page = include_str!("../../../../docs/placement.md");
        let (_, block) = page.split_once(&format!("```{language}\n")).unwrap();
        block.split("```").next().unwrap()
    }

    #[test]
    fn what_the_documentation_shows_is_understood() {
        let rules: Rules = toml::from_str(documented("toml")).unwrap();
        let acme = rules.of(&"acme".into());
        assert_eq!(acme.policy, Policy::User);
        assert_eq!(acme.isp[0].nodes.len(), 2);
        assert_eq!(
            acme.deny[0].to_string(),
            "region eu-west and label disk=slow"
        );
        let table = crate::geo::GeoTable::parse(documented("text")).unwrap();
        let location = table.locate([10, 7, 0, 1].into());
        assert_eq!(location.isp, Some("dtag".into()));
    }

    #[test]
    fn a_rule_that_nobody_knows_is_an_error() {
        let text = r#"{ "default": { "polcy": "user" } }"#;
        assert!(serde_json::from_str::<Rules>(text).is_err());
    }
}
