//! Whole runs of the harness, in virtual time.

mod congestion;
mod world;
