//! Why workers cannot be started, and why requests fail.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitStatus, time::Duration};

use plenum_ids::WorkerId;
use plenum_ipc::{FrameError, HandshakeError, PacketError, RequestError};
use plenum_params::transport::Protocol;

/// A worker could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A socket could not be opened.
    #[error(
        "worker {worker} cannot listen on {protocol} {address}: where another program has the port (`ss -tulpn` names it), choose others with rtc.min_port or rtc.ports_per_worker; where this machine does not have the address, change rtc.listen_ip"
    )]
    Bind {
        /// Which worker.
        worker: WorkerId,
        /// Which protocol.
        protocol: Protocol,
        /// The address that was refused.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The worker ended before it was ready.
    #[error("worker {worker} ended before it was ready ({status})")]
    Ended {
        /// Which worker.
        worker: WorkerId,
        /// How it ended.
        status: ExitStatus,
    },
    /// It says things that cannot be understood.
    #[error("worker {worker} cannot be understood")]
    Frame {
        /// Which worker.
        worker: WorkerId,
        /// Why.
        source: FrameError,
    },
    /// It is another build.
    #[error("worker {worker} cannot be talked to")]
    Handshake {
        /// Which worker.
        worker: WorkerId,
        /// Why.
        source: HandshakeError,
    },
    /// Its control socket failed.
    #[error("the control socket of worker {worker} failed")]
    Io {
        /// Which worker.
        worker: WorkerId,
        /// Why.
        source: io::Error,
    },
    /// There are not enough port numbers.
    #[error(
        "worker {worker} would begin at port {port}: lower rtc.min_port, rtc.ports_per_worker or the number of workers"
    )]
    PortRange {
        /// Which worker.
        worker: WorkerId,
        /// The port it would have.
        port: u32,
    },
    /// It says something else than it should.
    #[error("worker {worker} did not keep to the protocol: {what}")]
    Protocol {
        /// Which worker.
        worker: WorkerId,
        /// What it did.
        what: &'static str,
    },
    /// The process could not be made.
    #[error("worker {worker} cannot be started from {}", executable.display())]
    Spawn {
        /// Which worker.
        worker: WorkerId,
        /// The program.
        executable: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was not ready in time.
    #[error("worker {worker} was not ready after {after:?}")]
    Timeout {
        /// Which worker.
        worker: WorkerId,
        /// How long it was waited for.
        after: Duration,
    },
}

/// Why the supervisor gave up a worker that was running.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerFault {
    /// Its control socket failed.
    #[error("its control socket failed ({0})")]
    Control(io::ErrorKind),
    /// It said something that cannot be understood.
    #[error("it cannot be understood")]
    Frame(#[from] FrameError),
    /// It answered nothing for too long.
    #[error("it answered nothing within {after:?}")]
    NotAnswering {
        /// How long it was waited for.
        after: Duration,
    },
    /// It said something else than it should have.
    #[error("it did not keep to the protocol: {0}")]
    Protocol(&'static str),
}

/// A request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The worker's process ended, and with it everything inside. Another worker can take the job.
    #[error("the worker is gone")]
    Gone,
    /// The request cannot be written.
    #[error("the request cannot be sent")]
    NotSendable(#[source] FrameError),
    /// Too much is waiting to be sent to the worker.
    #[error("the worker is overloaded with requests")]
    Overloaded,
    /// The packet cannot be written.
    #[error("the packet cannot be sent")]
    PacketNotSendable(#[source] PacketError),
    /// The worker said no.
    #[error(transparent)]
    Refused(#[from] RequestError),
    /// No answer came in time. Whether the request was carried out is not known.
    #[error("the worker did not answer within {after:?}")]
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The answer belongs to another kind of request.
    #[error("the worker gave an answer of another kind")]
    UnexpectedAnswer,
}
