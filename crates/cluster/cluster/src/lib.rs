//! The cluster's protocol without I/O: who lives, whose facts hold, what is missing.
//!
//! Whoever runs these state machines asks the registry, listens to the bus, keeps links to other nodes, and passes what
//! came of it here with the present time; they say what to do next. There is no socket, task, clock or randomness inside, so
//! that a cluster of many nodes runs in one test, under one seed.
//!
//! * [`Membership`]: this node's lease and the other nodes' lives. *Nobody is judged by somebody who cannot see*: without the
//!   registry nobody is declared dead, a link that lives overrides a lease that was missed, and a registry that has forgotten
//!   gets time to be told again before anybody draws conclusions from what is not in it.
//! * [`Log`] and [`Replicas`]: a room's part at each node numbers what happens to it; the others hold copies and ask its owner for all of
//!   it whenever a number is missing.
//! * [`Home`]: which node decides about what belongs to a whole room, under which epoch; [`Deciding`]: what a part is told of that.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod deciding;
mod fault;
mod home;
mod log;
mod membership;
mod replicas;

pub use deciding::{Decides, Deciding, Sight};
pub use fault::Fault;
#[cfg(feature = "faults")]
pub use fault::plant;
pub use home::{Home, HomeAction};
pub use log::{Log, Numbered, Stamp};
pub use membership::{
    Judgement, LeaseAnswer, Membership, MembershipAction, MembershipConfig, MembershipEvent, Seen,
};
pub use replicas::{Replicas, ReplicasAction};
