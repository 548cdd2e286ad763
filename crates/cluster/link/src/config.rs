//! What links are told when they start.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use plenum_ids::{NodeEpoch, NodeId};

/// Settings of a node's links.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinkConfig {
    /// Who this is.
    pub node: NodeId,
    /// Which start of it.
    pub epoch: NodeEpoch,
    /// Which build, for people to read.
    pub build: String,
    /// Where to listen. With port 0 the system chooses.
    pub listen: SocketAddr,
    /// Where others can dial this node, as `host:port`; `None`: they must know from elsewhere.
    pub advertised: Option<String>,
    /// How nodes know each other.
    pub identity: Identity,
    /// How much of everything.
    pub limits: Limits,
    /// How long everything may take.
    pub timing: Timing,
}

impl LinkConfig {
    /// Settings of a node that others know by `identity`, with what is usual for everything else.
    pub fn new(node: NodeId, epoch: NodeEpoch, listen: SocketAddr, identity: Identity) -> Self {
        Self {
            node,
            epoch,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            listen,
            advertised: None,
            identity,
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}

/// How nodes know that they belong together. Files are looked at every second, and what is new in them holds from the
/// next connection on.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a decision for all nodes alike")]
pub enum Identity {
    /// By certificates of one authority, all in PEM. They must be good for both sides of TLS.
    Mtls {
        /// The certificate, with those between it and the authority behind it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
        /// Certificates of the authority, or of two while one takes over from the other.
        authority: PathBuf,
        /// Whether a node's certificate must be for its name (a DNS name among its subject's alternative names). If not,
        /// each node can pass for any other.
        names: bool,
    },
    /// By a secret that all of them know.
    Secret {
        /// The one to go by.
        current: SecretSource,
        /// The one before, as long as some node may not know the current one. Its file may be missing or empty.
        previous: Option<SecretSource>,
    },
}

/// Where a secret comes from.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "settings or files")]
pub enum SecretSource {
    /// A file that has nothing else in it. White space around the secret does not count.
    File(PathBuf),
    /// Here it is. It cannot change while the node runs.
    Value(Secret),
}

/// A secret. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Fewest bytes of a secret. Whoever gets a node to dial him can try secrets at home against the proof that he was
    /// shown, so it must not be one that somebody thought of: 16 random bytes are out of reach, and 32 are usual.
    pub const MIN_BYTES: usize = 16;

    /// The secret itself, for whom it is meant.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How much of everything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Most bytes of a frame. The largest real ones are snapshots of rooms with thousands of producers.
    pub frame_bytes: usize,
    /// Connections from nodes. More than the largest installation has nodes.
    pub links: usize,
    /// Connections of which it is not yet known who they are, and how many of them one address may have, so that a
    /// single machine cannot keep others out. 256 handshakes hold some 25 MB.
    pub strangers: usize,
    /// See `strangers`.
    pub strangers_per_address: usize,
    /// Requests of one link without an answer, in each direction.
    pub requests: usize,
    /// Requests of one link that handlers work on at the same time. The others wait.
    pub running_requests: usize,
    /// Bytes of requests of one link that wait or are worked on.
    pub request_bytes: usize,
    /// Bytes that wait to be written to one link: as much as to a worker's control socket.
    pub queue_bytes: usize,
    /// Channels of one link.
    pub channels: usize,
    /// Bytes of messages on all channels of one link that nobody has taken.
    pub channel_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 1024 * 1024,
            links: 4096,
            strangers: 256,
            strangers_per_address: 32,
            requests: 4096,
            // Handlers wait for rooms and workers, and hardly compute.
            running_requests: 256,
            request_bytes: 16 * 1024 * 1024,
            queue_bytes: 8 * 1024 * 1024,
            // One for each client that is relayed.
            channels: 16_384,
            channel_bytes: 64 * 1024 * 1024,
        }
    }
}

/// How long everything may take.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timing {
    /// From the connection to knowing each other. Over the longest path that is 4 round trips of 0.3 s.
    pub handshake: Duration,
    /// Between two heartbeats. After three of them without a byte the other side is taken for dead: the same as
    /// without three renewals of its lease.
    pub heartbeat: Duration,
    /// A side that takes nothing of what is written to it for so long is given up.
    pub stalled: Duration,
    /// A link over which only heartbeats went for so long is closed.
    pub idle: Duration,
    /// What a link that is being closed still waits for: answers that are under way.
    pub linger: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            heartbeat: Duration::from_secs(1),
            stalled: Duration::from_secs(5),
            idle: Duration::from_mins(1),
            linger: Duration::from_secs(10),
        }
    }
}
