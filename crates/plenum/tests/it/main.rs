//! The built binary from outside: signalling sessions by hand, process lifetimes, the command line.

mod auth;
mod bot;
mod broadcasters;
mod chaos;
mod client;
mod closing;
mod command_line;
mod data;
mod doors;
mod drain;
mod fast;
mod http;
mod layers;
mod lifetime;
mod logs;
mod metrics;
mod moving;
mod native;
mod newest;
mod node;
mod session;
mod socketio;
mod traces;
mod webinar;
mod whip;
mod workers;
