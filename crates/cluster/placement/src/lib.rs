//! Which node a room, peer or stream goes to: a pure ranking with its reasons.
//!
//! * [`rank`] puts the nodes of a [`View`] in order for one [`Request`], under the [`Rules`] of its namespace. Nodes that
//!   are out of the question come back with the [`Refusal`]; of those that are in it, each [`Candidate`] says what its
//!   points are made of. Nothing is claimed here: that is the registry's, in one step.
//! * [`tree`] says which node takes a broadcast from which.
//! * [`geo`] says where an address is.
//!
//! *Invariant: no sockets, tasks, clock or randomness. The same arguments give the same ranking, in whatever order the
//! nodes were given, on every node of a cluster.* Only [`geo::Database`] reads files, when it is told to.
//!
//! Points have one unit: **ten points are about one millisecond of round trip** to the client. What else counts is
//! weighed by how many milliseconds it is worth ([`Weights`]).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod geo;
mod names;
mod node;
mod rank;
mod reason;
mod request;
mod rules;
mod tree;
mod view;

pub use names::{Country, Isp, Label, Organisation, Region};
pub use node::{InvalidVersion, Measured, NodeView, Version};
pub use rank::{Candidate, MAX_CANDIDATES, MAX_REFUSED, Ranking, rank};
pub use reason::{Cause, Reason, Refusal};
pub use request::{Coordinates, Location, Part, Policy, Request, Role, UnknownPolicy};
pub use rules::{
    Isolation, IspPreference, NamespaceRules, NodeSelector, Residency, Rules, Weights,
};
pub use tree::{Branch, MAX_NEARER, Tree, TreeLimits, TreeNode, Unreachable, nearer, tree};
pub use view::View;
