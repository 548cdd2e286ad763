//! The frames of both directions.

use std::time::Duration;

use plenum_ids::WorkerId;
use plenum_params::{
    log::LogOptions,
    transport::{Address, ListenInfo, Protocol},
};
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
    /// Ports that it may bind by itself.
    pub own_ports: OwnPorts,
    /// ICE consent is lost after this long without a check.
    pub consent_timeout: Duration,
    /// How long it may wait for more packets under load before it forwards; 0: not at all.
    pub max_hold: Duration,
    /// SRTP profiles that DTLS may choose, by their IANA names, in order of preference; empty: the default order.
    pub srtp_profiles: Vec<String>,
    /// What it logs, to its standard error.
    pub log: LogOptions,
    /// Whether lines are for machines.
    pub log_json: bool,
}

/// Ports that a worker binds for single transports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct OwnPorts {
    /// The first one. With 0 the system chooses every port.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// Addresses to bind them on.
    pub listen: Vec<ListenInfo>,
    /// Every WebRTC transport gets ports of its own, on all of these addresses.
    pub for_webrtc: bool,
    /// Bytes of each socket's kernel buffers, as far as the system allows; 0: the system's default.
    pub socket_buffer: u32,
}

/// What a worker must know about a socket that it was handed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct SocketOptions {
    /// UDP, or listening for TCP.
    pub protocol: Protocol,
    /// What to tell clients instead of the bound address, a candidate each; empty: the bound one.
    pub announced: Vec<Address>,
    /// Tell clients the bound address beside what is announced, with a lower priority.
    pub expose_internal: bool,
    /// Send every datagram by itself, even if the kernel could segment.
    pub disable_gso: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            protocol: Protocol::Udp,
            announced: Vec::new(),
            expose_internal: false,
            disable_gso: false,
        }
    }
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
