//! The doors: protoo over WebSocket, HTTP status endpoints, the web page.
//!
//! An edge translates and nothing more: JSON of a dialect to [`plenum_room::PeerRequest`], and
//! [`plenum_host::SessionEvent`] back. What may be asked and what happens is the room's business.
#![forbid(unsafe_code)]

mod addresses;
mod admission;
mod api;
mod broadcasters;
mod caller;
mod dispatch;
mod edge;
mod far;
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod ice_servers;
mod leaving;
mod listening;
mod metrics;
mod node_log;
mod origins;
mod page;
mod plenum;
mod protoo;
mod rate;
mod remote;
mod reply;
mod settings;
mod slots;
mod socketio;
mod tls;
mod webhooks;
mod whip;

pub use addresses::AddressLimits;
pub use api::{AdminAccess, ApiKey, ApiKeys, Scope};
pub use broadcasters::BroadcastSettings;
pub use edge::Edge;
pub use ice_servers::IceServers;
pub use node_log::NodeLog;
pub use origins::Origins;
pub use settings::Settings;
pub use tls::{Tls, TlsError, install_crypto_provider};
pub use webhooks::{SecretError, WebhookError, WebhookSettings, WebhookTarget, Webhooks};
