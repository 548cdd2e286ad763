//! Joins as a node and a generator see them: two processes on one machine, with real signalling, ICE, DTLS and SRTP.

pub mod crowd;
pub mod far;
pub mod server;
pub mod viewer;
