//! Real worker processes.

mod attacks;
mod bad_node;
mod bad_worker;
mod client;
mod conversation;
mod data;
mod direct;
mod node;
mod packets;
mod paths;
mod programs;
mod soak;
mod supervised;
mod trunk;
mod watching;
