//! Limits and times of the signalling connections.

use std::time::Duration;

use plenum_params::network::Network;

use crate::{AddressLimits, AdminAccess, ApiKeys, BroadcastSettings, IceServers, Origins};

/// Limits and times of the signalling connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who may ask for what operators may.
    pub admin: AdminAccess,
    /// Who may from elsewhere.
    pub api_keys: ApiKeys,
    /// What one address may do.
    pub addresses: AddressLimits,
    /// Largest body of an HTTP request.
    pub max_body_size: usize,
    /// How long somebody may take to say what it wants: a connection that says nothing holds a file open.
    pub header_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long it may take to send the body of a request, from the end of its header on.
    pub body_timeout: Duration,
    /// What clients are told that helps them to find a path.
    pub ice: IceServers,
    /// From which pages browsers may come.
    pub origins: Origins,
    /// Proxies that are believed who their clients are.
    pub trusted_proxies: Vec<Network>,
    /// Who publishes and plays by HTTP.
    pub broadcast: BroadcastSettings,
    /// Largest message taken from a client. The reference server takes 960,000 bytes.
    pub max_message_size: usize,
    /// How often a connection is pinged. The reference server does so every minute.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take before the connection is dropped.
    pub pong_timeout: Duration,
    /// How long a client may take to answer a request of ours; 30 s in the reference server.
    pub request_timeout: Duration,
    /// Messages that may wait for a client that reads slowly; beyond that it is dropped. Joining a room of 100 peers
    /// with two producers each brings 200 requests and as many scores at once.
    pub outgoing_queue: usize,
    /// Messages per second taken from a client on average; a faster one is read more slowly. An open statistics panel
    /// asks for a few values per producer and second.
    pub message_rate: u32,
    /// Messages taken at once before the rate counts.
    pub message_burst: u32,
    /// Longest room or peer name taken, in bytes.
    pub max_name_length: usize,
    /// Version told to clients in the first notification. Clients only show it.
    pub announced_version: String,
    /// The revision that was built, for `/metrics`.
    pub revision: String,
    /// Whether clients come here. If not, there are only the doors for operators.
    pub clients: bool,
    /// Whether `/metrics` is among the doors; see [`Edge::serve_metrics`](crate::Edge::serve_metrics).
    pub metrics: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            admin: AdminAccess::default(),
            api_keys: ApiKeys::default(),
            addresses: AddressLimits::default(),
            // Several times the longest session description, or the parameters of a producer with three layers.
            max_body_size: 256 * 1024,
            // As long as hyper waits where nothing else is said.
            header_timeout: Duration::from_secs(30),
            // A few round trips, over any network.
            handshake_timeout: Duration::from_secs(10),
            // The largest body at 70 kbit/s.
            body_timeout: Duration::from_secs(30),
            ice: IceServers::default(),
            origins: Origins::default(),
            trusted_proxies: Vec::new(),
            broadcast: BroadcastSettings::default(),
            max_message_size: 960_000,
            ping_interval: Duration::from_mins(1),
            pong_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            outgoing_queue: 1024,
            message_rate: 200,
            message_burst: 500,
            max_name_length: 256,
            announced_version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: "unknown".to_owned(),
            clients: true,
            metrics: true,
        }
    }
}
