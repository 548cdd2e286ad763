//! The worker process: one thread that moves datagrams between sockets and one engine, and carries out what the node
//! asks over the control socket.
//!
//! The worker opens nothing by itself but ports of single transports: its packet socket and the shared RTC sockets come from the node together with the first bytes on the control
//! socket, which is its standard input. When that reaches its end the worker ends too, at once. It does not touch what
//! lies outside: no environment, no files but its own figures in `/proc`. Its log goes to standard error, which is the node's.
//!
//! One turn of the loop, in `event_loop`: wait for sockets, the control socket or the engine's next deadline; give what
//! arrived to the engine, a batch at a time, and send what comes out after each; do what is due; carry out some requests;
//! write answers and events; take some packets of direct transports.
#![forbid(unsafe_code)]

mod bootstrap;
mod control;
mod event_loop;
mod hold;
mod log;
mod media;
mod packets;
mod requests;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use plenum_ipc::{FrameError, HandshakeError};

pub use event_loop::LoopCounters;

/// Runs a worker until its control socket is closed. Makes this process ignore the terminal's signals: the node decides
/// when its workers end.
pub fn run(control: OwnedFd) -> Result<LoopCounters, WorkerError> {
    plenum_udp::ignore_terminal_signals().map_err(WorkerError::System)?;
    event_loop::EventLoop::new(bootstrap::open(control)?)?.run()
}

/// The control socket of a process that a node started: its standard input.
pub fn standard_input() -> Result<OwnedFd, WorkerError> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    input.map_err(WorkerError::System)
}

/// Why a worker ended before it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// No certificate could be made.
    #[error("no certificate could be made")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The control socket failed, or is none: workers are started by a node.
    #[error("the control socket failed: is this process started by a Plenum node?")]
    Control(#[source] io::Error),
    /// The node said something that cannot be understood.
    #[error("the node cannot be understood")]
    Frame(#[from] FrameError),
    /// The node is another build.
    #[error("the node cannot be talked to")]
    Handshake(#[from] HandshakeError),
    /// The node did not read what it was told for so long that the bound was reached.
    #[error("the node does not read: {waiting} bytes are waiting")]
    NodeStuck {
        /// Bytes that wait to be written.
        waiting: usize,
    },
    /// The packet socket failed, or is none.
    #[error("the packet socket cannot be used")]
    PacketSocket(#[source] io::Error),
    /// The node said something else than it should have.
    #[error("the node did not keep to the protocol: {0}")]
    Protocol(&'static str),
    /// A socket that came from the node cannot be used.
    #[error("socket {index} cannot be used")]
    Socket {
        /// Which one.
        index: usize,
        /// Why.
        source: io::Error,
    },
    /// A setting names an SRTP profile that does not exist here.
    #[error("there is no SRTP profile {0}")]
    SrtpProfile(String),
    /// The operating system refused something.
    #[error("the operating system refused")]
    System(#[source] io::Error),
}
