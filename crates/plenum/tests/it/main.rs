//! The built binary from outside: signalling sessions by hand, process lifetimes, the command line.

mod client;
mod command_line;
mod lifetime;
mod node;
mod session;
