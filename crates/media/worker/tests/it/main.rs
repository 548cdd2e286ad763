//! Real worker processes.

mod conversation;
mod supervised;
