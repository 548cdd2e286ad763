//! Typed settings and their layering: defaults < file < environment < flags.
//!
//! The crate reads no environment variables and no clock; the binary passes both kinds of input in. [`resolve()`] turns them
//! into one [`Config`], [`Config::validate`] refuses combinations that cannot work or would be dangerous, and the
//! rest of the program receives plain values. A key that nobody knows is an error that names the nearest one.
//!
//! Adding a setting: a field in [`Config`], a row in `keys.rs`, a few lines in `docs/plenum.sample.toml`. The
//! tests fail as long as one of the three is missing.
#![forbid(unsafe_code)]

mod admin_keys;
mod broadcast;
mod cluster;
mod doors;
mod error;
mod keys;
mod listen;
mod namespaces;
mod node;
mod ports;
mod resolve;
mod secret;
mod sections;
mod setting;
mod validate;
mod validate_cluster;
mod webhooks;

#[cfg(test)]
mod tests;

pub use admin_keys::{AdminKey, AdminScope, AdminSecret};
pub use broadcast::Broadcast;
pub use cluster::{Cluster, PlacementPolicy, ServerUrl};
pub use doors::{Auth, AuthMode, DoorLimits, Http, Ice, Tls, TlsMode};
pub use error::{ConfigError, Origin, Problem};
pub use namespaces::{Namespace, NamespaceLimits};
pub use node::{Coordinates, Node, NodeRole};
pub use ports::{DEFAULT_EPHEMERAL, PortPlan};
pub use resolve::{FileSource, Override, resolve};
pub use secret::Secret;
pub use sections::{
    Admin, AdminAllow, Config, Log, LogFormat, Metrics, Room, Rtc, RtcMode, Workers,
};
pub use webhooks::{WebhookTarget, Webhooks};
