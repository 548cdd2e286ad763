//! The media engine: routers, WebRTC transports, trunks to other workers, producers and consumers of one worker as one
//! sans-IO state machine.
//!
//! # Contract
//!
//! The engine has no sockets, no clock, no threads and no randomness of its own. Its methods are of five kinds:
//!
//! * **Commands** (`create_router`, `produce`, `consume` …) change the object tree. They either succeed or change nothing.
//! * **Inputs**: [`Engine::handle_datagrams`] takes what arrived since the last call, as one batch; [`Engine::handle_message`]
//!   takes messages of the node;
//!   [`Engine::handle_timeout`] takes the time. Both may fill the outputs.
//! * **Outputs**: [`Engine::poll_transmit`] fills a caller-owned [`SendBatch`]; it is called, and the batch sent and
//!   cleared, until it returns `false`. [`Engine::poll_event`] and [`Engine::poll_message`] are called until they return
//!   `None`.
//! * [`Engine::poll_timeout`] names the next deadline.
//! * **Getters** read counters.
//!
//! After any command or input all outputs are drained before the next input. A worker's loop therefore is:
//! wait for sockets or deadline → `handle_datagrams` → `handle_timeout` when due → drain `poll_transmit` → drain
//! `poll_event` → commands → drain again → `poll_timeout`.
//!
//! # How a packet travels
//!
//! `receive` finds the transport by address and the stream by SSRC, decrypts in place, and keeps one plaintext copy in
//! the producer stream's `packet_ring`. At the end of the batch `fan_out` goes consumer by consumer: all its packets of
//! this batch are written and sealed one after another into one contiguous region, so that equal neighbours leave as one
//! segmented message. Nothing on this path allocates, locks, logs or hashes a string.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod batch;
mod commands;
mod config;
mod congestion;
mod connections;
mod consumer;
mod counters;
mod data;
mod demand;
mod direct;
mod engine;
mod error;
mod fan_out;
mod feedback;
mod footprint;
mod group_plan;
mod history;
mod instant_start;
mod key_frame_requests;
mod layer_reader;
#[doc(hidden)]
pub mod measuring;
mod nack_generator;
mod observers;
mod pacer;
mod packet;
mod packet_ring;
mod plain;
mod prefetching;
mod producer;
mod rate;
mod receive;
mod reception;
mod sequence_map;
mod sockets;
mod timers;
mod trace;
mod transport;
mod trunk;
mod twcc_receiver;

pub use batch::{Datagram, SendBatch, Transmit};
pub use config::{EngineConfig, SocketConfig, SocketIndex};
pub use data::NodeMessage;
pub use direct::{DirectPacket, NODE_SOCKET};
pub use engine::{Engine, EngineDump};
pub use error::EngineError;
#[doc(hidden)]
pub use footprint::Footprint;
