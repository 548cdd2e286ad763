//! RTP capabilities and parameters, ORTC matching, and the words that node and worker share about media.
//!
//! Two families of types live here. The *JSON family* (`rtp_parameters`, `sctp_parameters`, `ortc`) is what clients send and receive:
//! lenient, camel-cased, with optional members left out. The *resolved family* (`media`, `data`, `transport`, `stats`, `event`)
//! is what the node tells a worker after everything has been checked: plain enums and numbers, no strings to compare, and
//! safe for a binary encoding without field tags. The engine knows only the second family.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod data;
pub mod data_message;
pub mod event;
#[cfg(test)]
mod fixtures;
#[doc(hidden)]
pub mod fuzzing;
mod h264_profile;
pub mod log;
pub mod media;
pub mod network;
pub mod observer;
pub mod ortc;
pub mod resolve;
pub mod rtp_parameters;
pub mod scalability_mode;
pub mod sctp_parameters;
pub mod stats;
pub mod trace;
pub mod transport;
