//! The node's side of its workers: it opens their sockets, starts them, watches them, starts them again when they die,
//! and gives typed handles to what is in them.
//!
//! * [`Supervisor`] owns the worker processes. The RTC sockets stay open in the node, so that a worker's ports survive it.
//! * [`Worker`] is one process: requests go in, answers come back. A handle never reaches the process that replaced its
//!   own; everything that was in the old one is gone.
//! * Packets of direct transports go past all that ([`Worker::send_packet`], [`Worker::listen_packets`]), and are lost
//!   where they would have to wait.
//! * [`RouterHandle`], [`TransportHandle`], [`TrunkHandle`], [`ProducerHandle`] and [`ConsumerHandle`] close their object
//!   when dropped.
//! * [`WorkerEvent`]s come out of one channel, ordered per worker; after [`WorkerEvent::Died`] nothing comes from that
//!   process any more.
//!
//! Who tells whom when something closes: the node closes objects, by request, and the worker says nothing back but the
//! answer. What was under a closed object is closed with it. A dead worker is announced once, by `Died`; requests to it
//! fail with [`WorkerError::Gone`] from then on.
#![forbid(unsafe_code)]

mod config;
mod error;
mod handles;
mod heartbeat;
mod packets;
mod process;
mod restarts;
mod slot;
mod sockets;
mod supervisor;
mod traces;
mod usage;
mod vitals;
mod worker;

pub use config::{PortMode, SupervisorConfig};
pub use error::{StartError, WorkerError, WorkerFault};
pub use handles::{
    ConsumerHandle, ObserverHandle, ProducerHandle, RouterHandle, TransportHandle, TrunkHandle,
    data::{
        ConsumeData, DataConsumerHandle, DataProducerHandle, DirectTransportHandle, Messages,
        ReceivedMessage,
    },
    direct::DirectPackets,
};
pub use packets::{PacketCounters, ReceivedPacket};
pub use supervisor::{Supervisor, WorkerEvent, WorkerInfo, WorkerState};
pub use traces::Traces;
pub use vitals::{NodeUsage, WorkerRates};
pub use worker::{Backlog, Worker};
