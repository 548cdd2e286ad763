//! What a registry knows about nodes.

use std::{fmt, sync::Arc, time::Duration};

use plenum_ids::{NodeEpoch, NodeId};
use serde::{Deserialize, Serialize};

/// One life of a registry's memory: another one means that facts may be missing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(Arc<str>);

impl Incarnation {
    /// Its name, which means nothing else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Incarnation {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a node says about itself with each renewal. Fields that a reader does not know are passed over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "nodes put it together")]
#[serde(default)]
pub struct NodeRecord {
    /// Where it is reached.
    pub addresses: NodeAddresses,
    /// Which build it runs.
    pub version: String,
    /// It takes no new rooms.
    pub draining: bool,
    /// Whatever else it tells: load, region, namespaces. A registry does not look into it.
    pub status: serde_json::Value,
}

/// Where a node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "nodes put it together")]
#[serde(default)]
pub struct NodeAddresses {
    /// By other nodes: host and port of its links. Empty where it has none.
    pub link: String,
    /// By clients: the address they are redirected to. Empty where they cannot reach it.
    pub public_url: String,
}

/// A node's lease as a registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Lease {
    /// Whose.
    pub node: NodeId,
    /// Which start of it.
    pub epoch: NodeEpoch,
    /// How long ago it was renewed, by the registry's clock.
    pub since_renewal: Duration,
    /// It takes no new rooms.
    pub draining: bool,
    /// Joins that claims sent there since the renewal before its last: they may not be in its figures yet.
    pub pending: u32,
}

/// All leases at one moment, also those that nobody renews any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Leases {
    /// Which memory this is from.
    pub incarnation: Incarnation,
    /// For how long it has remembered anything: facts that are older may be missing.
    pub age: Duration,
    /// By node's name.
    pub leases: Vec<Lease>,
}

/// A node: its lease and what it says about itself.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct NodeView {
    /// Its lease.
    pub lease: Lease,
    /// What it says about itself.
    pub record: NodeRecord,
}

/// All nodes at one moment, also those that nobody hears any more.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct NodesView {
    /// Which memory this is from.
    pub incarnation: Incarnation,
    /// For how long it has remembered anything: facts that are older may be missing.
    pub age: Duration,
    /// By node's name.
    pub nodes: Vec<NodeView>,
}
