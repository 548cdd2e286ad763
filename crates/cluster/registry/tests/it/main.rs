//! One suite for every registry, and what only Redis can do.
#![expect(clippy::print_stderr, reason = "bounds are printed, not asserted")]

mod contract;
mod memory;
mod place;
mod redis;
