//! The engine against native peers, with a virtual clock and no sockets.

mod attacks;
mod bad_network;
mod call;
mod closing;
mod congestion;
mod connections;
mod data;
mod demand;
mod direct;
mod foreign;
mod instant_start;
mod layers;
mod limits;
mod narrow;
mod observers;
mod pacing;
mod plain;
mod silence;
mod single_stream;
mod statistics;
mod traces;
mod trunk;
mod unknown;
mod world;
