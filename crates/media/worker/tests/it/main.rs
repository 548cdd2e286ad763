//! Real worker processes.

mod attacks;
mod bad_node;
mod bad_worker;
mod conversation;
mod node;
mod packets;
mod supervised;
