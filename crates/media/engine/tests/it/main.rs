//! The engine against native peers, with a virtual clock and no sockets.

mod attacks;
mod call;
mod foreign;
mod unknown;
mod world;
