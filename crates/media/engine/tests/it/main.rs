//! The engine against native peers, with a virtual clock and no sockets.

mod attacks;
mod bad_network;
mod call;
mod closing;
mod congestion;
mod demand;
mod foreign;
mod instant_start;
mod layers;
mod observers;
mod pacing;
mod single_stream;
mod traces;
mod trunk;
mod unknown;
mod world;
