//! The engine against native peers, with a virtual clock and no sockets.

mod attacks;
mod bad_network;
mod call;
mod closing;
mod congestion;
mod foreign;
mod layers;
mod pacing;
mod unknown;
mod world;
