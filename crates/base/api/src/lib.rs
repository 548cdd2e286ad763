//! The words spoken to the outside: signalling messages, REST bodies, error codes.
//!
//! Shapes only, no behaviour: what a client may say is decoded here leniently (unknown members are ignored, missing
//! ones defaulted), what we say is encoded here exactly as the clients of each dialect expect it.
#![forbid(unsafe_code)]

pub mod admin;
pub mod classic;
pub mod data;
pub mod error;
pub mod grants;
pub mod ice;
pub mod media_stats;
pub mod newest;
pub mod plenum;
pub mod socketio;
pub mod status;
pub mod trace;
pub mod transport;
pub mod webhook;
