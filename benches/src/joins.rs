//! Joins as a node and a generator see them: two processes on one machine, with real signalling, ICE, DTLS and SRTP.
#![expect(
    clippy::cast_sign_loss,
    reason = "counts and times of minutes become figures for people"
)]

pub mod crowd;
pub mod far;
pub mod server;
pub mod viewer;
