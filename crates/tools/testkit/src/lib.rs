//! Test harness: virtual clock, seeded bad network, two-peer set-ups, foreign peers.

pub mod clock;
pub mod media;
pub mod netem;
pub mod peer;
pub mod rng;
pub mod trace;
