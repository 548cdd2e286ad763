//! What node and worker say to each other, and how it is put into bytes. Synchronous and free of I/O: the worker reads
//! and writes its control socket directly, the node has its own asynchronous adapter.
//!
//! # The conversation
//!
//! ```text
//!   node                                        worker
//!    │  Preamble (16 bytes), sockets attached      │
//!    │ ───────────────────────────────────────────▶│
//!    │  Preamble                                   │   either side ends it here
//!    │ ◀───────────────────────────────────────────│   if the other is a different build
//!    │  frame NodeToWorker::Hello(WorkerConfig)    │
//!    │ ───────────────────────────────────────────▶│
//!    │  frame WorkerToNode::Hello(WorkerHello)     │
//!    │ ◀───────────────────────────────────────────│
//!    │  Request, Request …                         │
//!    │ ───────────────────────────────────────────▶│
//!    │  Response, Event …                          │   one response for each request, in their order
//!    │ ◀───────────────────────────────────────────│
//!    │  end of stream: the worker ends             │
//! ```
//!
//! The first of the attached sockets is for [`Packet`]s, the others are the RTC sockets in the order of
//! [`WorkerConfig::sockets`]. Who sends what, and every limit: `docs/protocol/ipc.md`.
#![forbid(unsafe_code)]

mod frame;
mod framing;
#[doc(hidden)]
pub mod fuzzing;
pub mod message;
mod packet;
mod preamble;

pub use frame::{NodeToWorker, OwnPorts, SocketOptions, WorkerConfig, WorkerHello, WorkerToNode};
pub use framing::{Decoder, FrameError, MAX_FRAME_BYTES, encode};
pub use message::{Answer, ErrorCode, Event, Request, RequestError};
pub use packet::{
    MAX_PACKET_BYTES, MAX_PACKET_FRAME_BYTES, PACKET_HEADER_BYTES, Packet, PacketError, PacketKind,
};
pub use plenum_params::data_message::{
    DataMessage, MAX_MESSAGE_HEADER_BYTES, MAX_MESSAGE_PACKET_BYTES, MessageError, Subchannels,
};
pub use preamble::{BUILD_HASH, HandshakeError, PREAMBLE_BYTES, PROTOCOL_VERSION, Preamble};
