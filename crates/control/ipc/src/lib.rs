//! What node and worker say to each other, and how it is put into bytes. Synchronous and free of I/O: the worker reads
//! and writes its control socket directly, the node has its own asynchronous adapter.
//!
//! # The conversation
//!
//! ```text
//!   node                                        worker
//!    │  Preamble (16 bytes), RTC sockets attached  │
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
#![forbid(unsafe_code)]

mod frame;
mod framing;
#[doc(hidden)]
pub mod fuzzing;
pub mod message;
mod preamble;

pub use frame::{NodeToWorker, SocketOptions, WorkerConfig, WorkerHello, WorkerToNode};
pub use framing::{Decoder, FrameError, MAX_FRAME_BYTES, encode};
pub use message::{Answer, ErrorCode, Event, Request, RequestError};
pub use preamble::{BUILD_HASH, HandshakeError, PREAMBLE_BYTES, PROTOCOL_VERSION, Preamble};
