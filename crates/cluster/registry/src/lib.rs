//! Where a cluster's facts are kept, leases and claims: in memory and in Redis.
//!
//! * [`Registry`] holds replicas: which nodes live, which room has its home where, who has parts of it, which peer is
//!   at which node. Every fact belongs to the node that wrote it; a registry that forgets everything has lost nothing
//!   that its owners cannot write again.
//! * What must have exactly one winner is one call: a node's epoch ([`Registry::register`]) and a room's home
//!   ([`Registry::claim`]).
//! * [`Bus`] carries hints. A message may be lost; then, or when that is possible, [`BusEvent::Resubscribed`] says that
//!   everything is to be looked at again.
//! * Ages are measured by the registry's own clock: no two nodes' clocks are ever compared.
//!
//! [`Incarnation`] names one life of a registry's memory. When it changes, facts may be missing: nobody claims or sweeps
//! until owners had the time to write theirs again. Claims and sweeps carry the incarnation that their caller knows and
//! are refused by any other, so that nobody needs to notice in time.
#![forbid(unsafe_code)]

mod bounds;
mod bus;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod memory;
mod node;
mod redis;
mod registry;
mod room;

pub use self::redis::{RedisConfig, RedisConfigError, RedisRegistry, RedisServers, RedisTls};
pub use bounds::{
    MAX_CANDIDATES, MAX_EPOCH, MAX_MESSAGE, MAX_NAME, MAX_PEER_NOTE, MAX_RECORD, MAX_TOPIC,
};
pub use bus::{Bus, BusEvent, Subscription};
pub use error::RegistryError;
pub use memory::Memory;
pub use node::{Incarnation, Lease, Leases, NodeAddresses, NodeRecord, NodeView, NodesView};
pub use registry::{Answer, Registered, Registry, Renewed, Sweep, Swept};
pub use room::{Claim, ClaimRequest, Joins, PartMark, PeerPlace, RoomHome, RoomPart, RoomRecord};
