//! Batched UDP sockets, TCP, poller, descriptor passing and process helpers: every piece that needs `unsafe`, so that no
//! other crate does. Linux only.
//!
//! * [`UdpSocket`] receives many datagrams a system call into a [`RecvBatch`] (`recvmmsg`, `UDP_GRO`) and a [`Sender`]
//!   sends many [`Message`]s a system call (`sendmmsg`, `UDP_SEGMENT`). Neither allocates after it was made.
//! * A [`TcpListener`] takes [`TcpConnection`]s, which are read and written as far as that needs no waiting.
//! * [`Poller`] waits for descriptors with deadlines finer than a millisecond.
//! * A [`PacketSocket`] pair carries packets between processes of one machine, and loses them when full.
//! * [`send_fds`] and [`recv_fds`] hand open sockets to another process.
//!
//! Nothing here ever blocks except [`Poller::wait`] and the descriptor passing.
#![warn(clippy::undocumented_unsafe_blocks)]

mod address;
mod clock;
mod descriptors;
mod packet_socket;
mod poller;
mod process;
mod receive;
mod send;
mod socket;
mod tcp;

pub use clock::{process_cpu_time, thread_cpu_time};
pub use descriptors::{MAX_PASSED_FDS, recv_fds, send_fds};
pub use packet_socket::{PacketReceived, PacketSent, PacketSocket};
pub use poller::{Event, Events, Interest, Poller};
pub use process::{
    ProcessUsage, descriptors_limit, ignore_terminal_signals, open_descriptors, pin_process,
    process_usage,
};
pub use receive::{MAX_RECEIVED_MESSAGES, Received, RecvBatch};
pub use send::{MAX_MESSAGE_BYTES, MAX_SEGMENTS, Message, SendReport, Sender};
pub use socket::{BindOptions, UdpSocket};
pub use tcp::{TcpConnection, TcpListener};
