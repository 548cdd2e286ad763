//! Connections between nodes: one for each pair, authenticated, encrypted, made on demand and used in both directions.
//!
//! * [`Links`] listens and dials. [`Links::request`] asks another node and waits for its answer, [`Links::notify`] tells it
//!   something, [`Links::open`] begins a [`Channel`]: ordered messages both ways, for what belongs together.
//! * A [`Handler`] answers what others ask. Requests run side by side; what is told comes in order.
//! * [`LinkEvent`]s say who is connected, by node and epoch; [`Links::status`] says how those connections are.
//!
//! What is on the wire is told in `docs/cluster/links.md`. In short: TCP, TLS 1.3, then frames of JSON behind their length.
//! Both sides prove who they are before either hears anything of the other's: by certificates of one authority, or by
//! a secret that all nodes share and that is bound to this very TLS session, so that nobody in between can pass it on.
//!
//! A request that fails says whether it can have been carried out ([`LinkError::was_not_done`]). Nothing is ever sent
//! twice by itself.
#![forbid(unsafe_code)]

mod channel;
mod channels;
mod config;
mod connection;
mod error;
mod frame;
pub mod fuzzing;
mod handler;
mod handshake;
mod hello;
mod identity;
mod links;
mod outbox;
mod proof;
mod requests;
mod status;
mod strangers;
mod table;

pub use channel::{Channel, ChannelEnd, ChannelError, ChannelReceiver, ChannelSender, EndedBy};
pub use config::{Identity, Limits, LinkConfig, Secret, SecretSource, Timing};
pub use error::{LinkError, Refusal, Rejection, RejectionCode, StartError};
pub use handler::{Answer, Handler, Peer};
pub use links::{Links, ListenerFigures};
pub use status::{DownReason, LinkEvent, LinkEvents, LinkFigures, LinkState, LinkStatus};
