//! What an engine is told when it is made.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use plenum_dtls::Certificate;
use plenum_params::transport::{Address, Protocol};

/// Number of a socket: first the shared ones in the order of [`EngineConfig::sockets`], then what
/// [`Engine::add_socket`](crate::Engine::add_socket) was told.
pub type SocketIndex = u16;

/// Settings of an [`Engine`](crate::Engine).
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the worker fills in every field, so a new one must be seen there"
)]
pub struct EngineConfig {
    /// Number of the node, part of every ICE user fragment.
    pub node: u16,
    /// Number of the worker inside the node, part of every ICE user fragment.
    pub worker: u16,
    /// Randomness for ICE passwords, SSRCs and sequence numbers, from the operating system.
    pub seed: [u8; 32],
    /// The worker's certificate.
    pub certificate: Certificate,
    /// The shared sockets; datagrams name them by index. What comes over TCP is handed in datagram by datagram, too: a
    /// connection is the listening socket's index and the remote address.
    pub sockets: Vec<SocketConfig>,
    /// ICE consent is lost after this long without a check (RFC 7675 asks for 30 s; mediasoup-demo uses 20 s).
    pub consent_timeout: Duration,
    /// The wall clock at `now` of [`Engine::new`](crate::Engine::new), as time since the Unix epoch.
    pub unix_time: Duration,
    /// Restricts the SRTP profiles that DTLS may choose, in order of preference; empty: the default order.
    pub srtp_profiles: Vec<plenum_dtls::SrtpProfileId>,
}

/// One socket.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the worker fills in every field")]
pub struct SocketConfig {
    /// Where it is bound.
    pub local: SocketAddr,
    /// UDP, or listening for TCP.
    pub protocol: Protocol,
    /// What to tell clients instead of the bound address, a candidate each; empty: the bound one.
    pub announced: Vec<Address>,
    /// Tell clients the bound address beside what is announced, with a lower priority.
    pub expose_internal: bool,
    /// Whether several equal datagrams may leave as one segmented message.
    pub gso: bool,
}

impl SocketConfig {
    /// A UDP socket that clients are told the address of.
    #[must_use]
    pub const fn new(local: SocketAddr) -> Self {
        Self {
            local,
            protocol: Protocol::Udp,
            announced: Vec::new(),
            expose_internal: false,
            gso: true,
        }
    }
}

/// Translates the engine's monotonic time to wall-clock time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    epoch: Instant,
    unix_time: Duration,
}

impl WallClock {
    pub(crate) fn new(now: Instant, unix_time: Duration) -> Self {
        Self {
            epoch: now,
            unix_time,
        }
    }

    /// Time since the Unix epoch.
    pub(crate) fn unix(&self, now: Instant) -> Duration {
        self.unix_time + now.saturating_duration_since(self.epoch)
    }
}
