//! Messages between node and worker, synchronous framing, version handshake.
#![forbid(unsafe_code)]

pub mod message;
