//! The frames of both directions.

use std::{net::IpAddr, time::Duration};

use plenum_ids::WorkerId;
use plenum_params::log::LogOptions;
use serde::{Deserialize, Serialize};

use crate::message::{Answer, Event, Request, RequestError};

/// A frame from the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "both sides are the same build")]
pub enum NodeToWorker {
    /// The first frame, once.
    Hello(Box<WorkerConfig>),
    /// A request.
    Request {
        /// Repeated in the response. Chosen by the node, unique among its open requests.
        id: u64,
        /// What is asked.
        body: Request,
    },
}

/// A frame from the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "both sides are the same build")]
pub enum WorkerToNode {
    /// The first frame, once: the worker is ready.
    Hello(WorkerHello),
    /// The answer to a request.
    Response {
        /// The request's.
        id: u64,
        /// Answer or refusal.
        result: Result<Answer, RequestError>,
    },
    /// Something happened.
    Event(Event),
}

/// What a worker is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct WorkerConfig {
    /// Number of the node, part of every ICE user fragment.
    pub node: u16,
    /// Number of the worker inside the node.
    pub worker: WorkerId,
    /// One entry for each of the RTC sockets that came with the preamble behind the packet socket, in their order.
    pub sockets: Vec<SocketOptions>,
    /// ICE consent is lost after this long without a check.
    pub consent_timeout: Duration,
    /// SRTP profiles that DTLS may choose, by their IANA names, in order of preference; empty: the default order.
    pub srtp_profiles: Vec<String>,
    /// What it logs, to its standard error.
    pub log: LogOptions,
    /// Whether lines are for machines.
    pub log_json: bool,
}

/// What a worker must know about a socket that it was handed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct SocketOptions {
    /// Address to tell clients instead of the bound one.
    pub announced: Option<IpAddr>,
    /// Send every datagram by itself, even if the kernel could segment.
    pub disable_gso: bool,
}

/// What a worker says when it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct WorkerHello {
    /// Its process.
    pub pid: u32,
    /// Whether all its sockets send runs of datagrams as one message.
    pub gso: bool,
}
