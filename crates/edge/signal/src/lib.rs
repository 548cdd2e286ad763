//! The doors: protoo over WebSocket, HTTP status endpoints, the web page.
//!
//! An edge translates and nothing more: JSON of a dialect to [`plenum_room::PeerRequest`], and
//! [`plenum_host::SessionEvent`] back. What may be asked and what happens is the room's business.
#![forbid(unsafe_code)]

mod admin;
mod edge;
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod metrics;
mod page;
mod protoo;
mod rate;
mod reply;
mod settings;
mod worker_log;
mod worker_trace;

pub use admin::AdminAccess;
pub use edge::Edge;
pub use settings::Settings;
