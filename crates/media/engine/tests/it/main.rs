//! The engine against native peers, with a virtual clock and no sockets.

mod call;
mod foreign;
mod unknown;
mod world;
