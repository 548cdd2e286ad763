//! A node as placement sees it: what its operator said of it, and what it measured.

use std::{fmt, str::FromStr};

use plenum_ids::{NamespaceId, NodeId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Label, Location, Organisation};

/// One node. It comes from the node itself, over the registry, so that fields that are missing have defaults and those
/// that nobody knows here are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct NodeView {
    /// Which one.
    pub id: NodeId,
    /// Where it is, and by whom it is connected.
    #[serde(default)]
    pub location: Location,
    /// Whose it is.
    #[serde(default)]
    pub organisation: Option<Organisation>,
    /// What else its operator says of it.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Namespaces that it serves; all, if none is named.
    #[serde(default)]
    pub namespaces: Vec<NamespaceId>,
    /// The operator's preference, from -100 to 100.
    #[serde(default)]
    pub priority: i8,
    /// What a gigabyte sent costs there, in the operator's unit.
    #[serde(default)]
    pub cost: f32,
    /// What it runs.
    #[serde(default)]
    pub version: Version,
    /// It is to have no more peers.
    #[serde(default)]
    pub draining: bool,
    /// Bits a second that its uplink carries; 0: not known.
    #[serde(default)]
    pub egress_capacity: u64,
    /// What it measured last.
    #[serde(default)]
    pub measured: Measured,
    /// Joins that were sent to it and are not in `measured` yet.
    #[serde(default)]
    pub pending: u32,
    /// Bits a second that the node will send for these, as far as they say.
    #[serde(default)]
    pub pending_egress: u64,
}

impl NodeView {
    /// A node of which only the name is known.
    pub fn new(id: impl Into<NodeId>) -> Self {
        Self {
            id: id.into(),
            location: Location::default(),
            organisation: None,
            labels: Vec::new(),
            namespaces: Vec::new(),
            priority: 0,
            cost: 0.0,
            version: Version::default(),
            draining: false,
            egress_capacity: 0,
            measured: Measured::default(),
            pending: 0,
            pending_egress: 0,
        }
    }
}

/// What a node measured of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "one figure per field")]
pub struct Measured {
    /// The fullest of its resources (processor, memory, workers' limits), from 0 to 1.
    pub load: f32,
    /// Peers.
    pub peers: u32,
    /// Bits sent a second.
    pub egress: u64,
}

/// What a node runs, by the first three numbers of its version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "three numbers, for ever")]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

/// The text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no version: expected three numbers, as in 1.4.0")]
pub struct InvalidVersion;

impl FromStr for Version {
    type Err = InvalidVersion;

    /// Numbers that are left out are 0; what follows the numbers (`-rc1`, a revision) does not count.
    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let text = text.trim().trim_start_matches('v');
        let is_suffix = |c: char| !(c.is_ascii_digit() || c == '.');
        let numbers = text.split(is_suffix).next().unwrap_or_default();
        let mut parts = numbers.split('.').map(str::parse::<u32>);
        let mut next = |or| parts.next().unwrap_or(Ok(or)).map_err(|_| InvalidVersion);
        Ok(Self {
            major: next(0)?,
            minor: next(0)?,
            patch: next(0)?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            major,
            minor,
            patch,
        } = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers_and_whatever_follows() {
        let version: Version = "0.1.12 (1c2ad3f)".parse().unwrap();
        assert_eq!(version.to_string(), "0.1.12");
        assert!("v1.2-rc1".parse::<Version>().unwrap() > version);
        for nonsense in ["", "x", "1..2", "99999999999.0.0"] {
            assert_eq!(
                nonsense.parse::<Version>(),
                Err(InvalidVersion),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn a_node_of_another_version_is_read() {
        let text = r#"{"id":"a","location":{"region":"EU","altitude":3},"measured":{"load":0.5},"mood":"good"}"#;
        let node: NodeView = serde_json::from_str(text).unwrap();
        assert_eq!(node.measured.load.to_bits(), 0.5_f32.to_bits());
        assert_eq!(node.location.region.unwrap().as_str(), "eu");
        let all = NodeView::new("b");
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<NodeView>(&text).unwrap(), all);
    }
}
