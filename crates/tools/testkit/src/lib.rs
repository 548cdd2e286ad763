//! Test harness: virtual clock, seeded bad network, two-peer set-ups, foreign peers.
pub mod peer;
