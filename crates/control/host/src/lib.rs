//! Runs rooms: one task per room, commands in, effects carried out on workers and sessions.
//!
//! * [`Host`] knows the rooms of this node. [`Host::connect`] finds or makes a room and gives a [`Session`] in it.
//! * A [`Session`] is one client's connection as the room sees it: requests go in, [`SessionEvent`]s come out. Dropping
//!   it tells the room that the client is gone.
//! * A room's task owns its [`plenum_room::Room`]. It never waits for anything but its next input: workers' answers and
//!   clients' answers come back as inputs, and a session whose queue is full is cut off.
//!
//! * A room that outgrows a worker goes to further ones. `spread` says where a peer goes, `trunks` has the connections
//!   between workers over which the room's pipes run.
//!
//! ```text
//!   edge ──Session──▶ ┌───────────┐ ──Worker::request──▶ worker
//!        ◀─SessionEvent │ room task │ ◀──answer───────────
//!                     └───────────┘ ◀──WorkerEvent── dispatcher (object → room)
//! ```
//!
//! Closing: a room ends when its last session left and no other is on its way, when its worker died, or with the node.
//! It is off the list of rooms before its task ends, so that whoever comes later gets a new one.
#![forbid(unsafe_code)]

mod asking;
mod cluster;
mod config;
mod counters;
mod dispatch;
mod figures;
mod happenings;
mod host;
mod lifetime;
mod members;
mod messages;
mod moving;
mod namespaces;
mod objects;
mod options;
mod overview;
mod placement;
mod room_task;
mod rooms;
mod seats;
mod session;
mod spread;
mod status;
mod tally;
mod trunks;

pub use cluster::{
    About, Alive, Cluster, ClusterConfig, ClusterError, DrainOrder, FarDoors, NodeDrainError,
    NodeFacts, NodeRole, NodeStatus, PlacementSettings, RelayedSessions, Remember, Serving,
    Standing, Tunnel, TunnelGone, TunnelReceiver, TunnelSender, Way, Who,
};
pub use config::HostConfig;
pub use figures::{NodeFigures, WORKER_STATES, WorkerFigures};
pub use happenings::{Happening, RoomEvent};
pub use host::{ConnectError, Host};
pub use moving::DrainError;
pub use namespaces::NamespaceLimits;
pub use options::{DEFAULT_EMPTY_TIMEOUT, ForcedCodec, Opening, RoomOptions};
pub use overview::RoomPicture;
pub use placement::{Capacity, Load, Obstacle, Placement, Reason, Resource};
pub use plenum_placement::{
    Coordinates, Location, Policy, Rules, TreeLimits,
    geo::{GeoTable, Locator},
};
pub use plenum_room::Limits;
pub use session::{Session, SessionEnd, SessionEvent, SessionGone};
