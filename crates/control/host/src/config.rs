//! What a host is told when it starts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use plenum_ids::NamespaceId;
use plenum_params::{rtp_parameters::RtpCapabilities, transport::WebRtcTransportOptions};
use plenum_room::{DEFAULT_ANNOUNCE_UP_TO, DEFAULT_JOIN_TIMEOUT, DEFAULT_VOLUME_INTERVAL, Limits};

use crate::{cluster::Cluster, namespaces::NamespaceLimits, placement::Capacity};

/// Settings of a [`Host`](crate::Host).
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct HostConfig {
    /// Most rooms at a time.
    pub max_rooms: usize,
    /// What a worker carries; at a limit it takes no more rooms.
    pub worker_capacity: Capacity,
    /// What all workers together carry; at a limit none takes more rooms.
    pub node_capacity: Capacity,
    /// What routers offer.
    pub capabilities: Arc<RtpCapabilities>,
    /// Options of every transport.
    pub transport: WebRtcTransportOptions,
    /// Consumers of one room at one worker from which on its further peers go to another one. `None`: no limit.
    pub max_room_consumers: Option<u64>,
    /// In a room of more peers than this, those who come to watch are not announced to the others.
    pub announce_up_to: usize,
    /// How often it is told who can be heard.
    pub volume_interval: Duration,
    /// Who joins first becomes host, unless its door says what it is.
    pub first_is_host: bool,
    /// What peers may use of a room.
    pub limits: Limits,
    /// What namespaces may have; those that are not named may have everything.
    pub namespaces: HashMap<NamespaceId, NamespaceLimits>,
    /// A session that does not join for so long is closed.
    pub join_timeout: Duration,
    /// Inputs that may wait for a room's task. Clients are made to wait when it is full.
    pub room_queue: usize,
    /// Events that may wait for a session; a client further behind is cut off. Joining a room of 500 peers with two
    /// producers each brings a thousand at once.
    pub session_queue: usize,
    /// The cluster that the node belongs to; `None`: it is alone, and no room has parts elsewhere.
    pub cluster: Option<Arc<Cluster>>,
}

impl HostConfig {
    /// Default settings for rooms whose routers offer these capabilities.
    #[must_use]
    pub fn new(capabilities: Arc<RtpCapabilities>) -> Self {
        Self {
            max_rooms: 10_000,
            worker_capacity: Capacity::default(),
            node_capacity: Capacity::default(),
            capabilities,
            transport: WebRtcTransportOptions::default(),
            max_room_consumers: None,
            announce_up_to: DEFAULT_ANNOUNCE_UP_TO,
            volume_interval: DEFAULT_VOLUME_INTERVAL,
            first_is_host: true,
            limits: Limits::default(),
            namespaces: HashMap::new(),
            join_timeout: DEFAULT_JOIN_TIMEOUT,
            room_queue: 4096,
            session_queue: 4096,
            cluster: None,
        }
    }

    pub(crate) fn namespace_limits(&self, id: &NamespaceId) -> NamespaceLimits {
        self.namespaces.get(id).copied().unwrap_or_default()
    }
}
