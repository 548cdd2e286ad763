//! STUN messages (RFC 8489) and the ICE-lite agent (RFC 8445 §2.5) of a WebRTC transport.
//!
//! An ICE-lite agent never sends a check. It answers the checks of its full peer, and from them it learns
//! which addresses of the peer are *valid* and which of them the peer *nominated*. Everything here is a pure
//! function of the bytes and the [`Instant`](std::time::Instant) it is given.
//!
//! * [`stun`]: a borrowed view of a message and a builder into the caller's buffer; neither allocates.
//! * [`agent`]: [`IceLite`], one per WebRTC transport.
//! * [`credentials`]: user fragments that tell node, worker and transport; passwords.
//! * [`candidate`]: priority and foundation of our host candidates.
//! * [`controlling`]: the few lines of the *other* side that tests and load generators need.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod agent;
pub mod candidate;
pub mod controlling;
pub mod credentials;
#[doc(hidden)]
pub mod fuzzing;
pub mod stun;

pub use agent::{
    IceEvent, IceLite, IceLiteConfig, IceOutcome, IceState, IceStats, IgnoreReason, Tuple,
};
pub use credentials::{IceCredentials, UfragCode, password_from_random};
pub use stun::{IntegrityKey, Message, MessageBuilder, StunError, peek_username};
