//! The estimator against a simulated path: what a call over it would see.
//!
//! Everything is seeded and the clock is virtual, so that a figure that is asserted here is the same in every run.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "rates and times of a simulation are small"
)]

mod link;
mod outcome;
mod random;
mod robustness;
mod scenarios;
mod simulation;
