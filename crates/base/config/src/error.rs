//! What can be wrong with settings, said so that the reader knows which line to change.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use thiserror::Error;

/// Why settings are refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Values are fine one by one, but not together, or out of range.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
    /// The file cannot be read.
    #[error("cannot read settings from {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Nobody knows the key.
    #[error("unknown setting `{key}` in {origin}; did you mean `{nearest}`?")]
    UnknownKey {
        /// As it was written.
        key: String,
        /// Where.
        origin: Origin,
        /// The known key that looks most like it.
        nearest: String,
    },
    /// The value is not of the key's type.
    #[error("`{key}` in {origin} must be {expected}, not `{given}`")]
    Value {
        /// Which setting.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        given: String,
    },
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// An environment variable.
    Env(String),
    /// The settings file.
    File(PathBuf),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A combination that cannot work or would be dangerous.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nodes could not know each other.
    #[error(
        "cluster.redis makes this node one of several, and nothing says how they know each other: give all of them one secret (openssl rand -hex 32) in a file and name it in cluster.secret_file, or name certificates in cluster.certificate, cluster.key and cluster.authority"
    )]
    NoClusterIdentity,
    /// A way of knowing nodes that is not complete, or two.
    #[error(
        "other nodes are known either by cluster.secret_file (or cluster.secret) or by cluster.certificate with cluster.key and cluster.authority: name one of the two ways, and all of it"
    )]
    MixedClusterIdentity,
    /// Whoever is shown a proof could try out secrets.
    #[error(
        "cluster.secret has {0} bytes, and must have at least 16 that nobody can guess: openssl rand -hex 32"
    )]
    ShortClusterSecret(usize),
    /// Settings of a cluster without the server that makes it one.
    #[error(
        "{key} is for a cluster: name the server of Redis that its nodes share in cluster.redis (--redis redis://127.0.0.1:6379), or leave it out"
    )]
    NoRegistry {
        /// What was set.
        key: &'static str,
    },
    /// One server, or Sentinels that know it, and they know it by a name.
    #[error(
        "Redis is named either by cluster.redis, or by cluster.sentinels together with cluster.master, which is what the Sentinels call it"
    )]
    MixedRegistry,
    /// Two places for one password.
    #[error("cluster.redis_password and cluster.redis_password_file are set: keep one")]
    TwoRedisPasswords,
    /// A certificate without its key.
    #[error("{one} is set without {other}: a certificate and its key belong together")]
    HalfCertificate {
        /// What was set.
        one: &'static str,
        /// What was not.
        other: &'static str,
    },
    /// Other nodes would not know where this one is.
    #[error(
        "cluster.listen is {0}, which no other node can connect to: set cluster.address to what they reach this one by (fra-1.example.org:7400), or cluster.listen to an address of this machine"
    )]
    NoClusterAddress(IpAddr),
    /// Other nodes' workers would not know where to send media.
    #[error(
        "media has no address that other nodes could send to: set cluster.media_address to the one of this machine that they reach"
    )]
    NoMediaAddress,
    /// A text is not what it has to be.
    #[error("{key} must be {expected}, not `{given}`")]
    Malformed {
        /// Which setting.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        given: String,
    },
    /// Two ways of saying the same thing.
    #[error(
        "rtc.listen is set, and so is rtc.listen_ip or rtc.announced_ip (WEBRTC_LISTEN_IP, ANNOUNCED_IP): keep one of both ways"
    )]
    ListenTwice,
    /// An address that nothing listens on.
    #[error("rtc.listen has {0} with neither UDP nor TCP: leave the entry out, or allow one")]
    NoProtocol(IpAddr),
    /// Workers could not reach each other.
    #[error(
        "rtc.listen has no address with UDP, which media takes between workers: add one, if only 127.0.0.1"
    )]
    NoUdp,
    /// Clients cannot send media to an unspecified address.
    #[error(
        "media would listen on {0}, which no client can send to: set rtc.announced_ip (or `announced` in rtc.listen) to the address that clients reach, or rtc.listen_ip to one of this machine's"
    )]
    NothingToAnnounce(IpAddr),
    /// Nobody could be let in.
    #[error(
        "auth.mode is \"token\" and there is nothing to check tokens with: name files with keys in auth.keys, or a set of keys in auth.jwks_url"
    )]
    NoKeys,
    /// TLS without what it needs.
    #[error(
        "tls.mode is \"files\", which needs tls.certificate and tls.key (or mode \"self-signed\" for a try)"
    )]
    NoCertificate,
    /// Passwords for TURN servers without what they are made of.
    #[error(
        "ice.turn needs ice.turn_secret or ice.turn_secret_file, and one of them: what the TURN server has as static-auth-secret"
    )]
    NoTurnSecret,
    /// Browsers refuse all servers because of one that is wrong.
    #[error(
        "{key} has `{given}`, which is no address of such a server: turn:turn.example.org:3478"
    )]
    IceUrl {
        /// Which setting.
        key: &'static str,
        /// The address.
        given: String,
    },
    /// A number is outside its range.
    #[error("{key} must be {range}, not {given}")]
    OutOfRange {
        /// Which setting.
        key: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it is.
        given: String,
    },
    /// A port of the node's own lies among those of the workers.
    #[error(
        "{key} {port} belongs to worker {worker}, as media has the ports {}–{}: choose another {key}, or move media with rtc.min_port",
        .range.start(), .range.end()
    )]
    PortTaken {
        /// The setting.
        key: &'static str,
        /// Its port.
        port: u16,
        /// Whose port it is.
        worker: u16,
        /// All media ports.
        range: RangeInclusive<u16>,
    },
    /// The port range ends above 65535.
    #[error(
        "rtc.min_port + rtc.ports_per_worker is {0}, above the last port 65535: lower one of them"
    )]
    PortsBeyondLast(u32),
    /// Everyone who reaches the port could join every room.
    #[error(
        "signalling would listen on the public address {0} and let everybody in: keep http.listen_ip on a loopback address (a reverse proxy can add TLS and a login), let clients show tokens (auth.mode = \"token\"), or say --insecure (http.insecure = true) if this is meant"
    )]
    PublicWithoutAuth(IpAddr),
    /// There is no port for each worker.
    #[error(
        "{workers} workers cannot share the ports {first}–{}: lower rtc.min_port or workers.count",
        .end - 1
    )]
    TooFewPorts {
        /// The first port.
        first: u16,
        /// The first one that is not to be used.
        end: u32,
        /// How many workers.
        workers: u16,
    },
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
