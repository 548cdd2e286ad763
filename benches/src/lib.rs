//! Benchmarks that cross crates. Each is a program in `src/bin`; what they share is here.
#![forbid(unsafe_code)]

pub mod bare;
pub mod bwe;
pub mod forward;
pub mod instructions;
pub mod joins;
pub mod live;
pub mod meeting;
pub mod native;
pub mod node;
pub mod receivers;
pub mod report;
pub mod score;
pub mod sink;
mod stream;
pub mod wire;
