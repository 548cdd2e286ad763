//! `[http]`, `[tls]`, `[auth]`, `[ice]`, `[limits]`: the doors, and who comes in.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use plenum_params::network::Network;
use toml::Value;

use crate::{Secret, ServerUrl, setting::Setting};

/// `[auth]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Auth {
    /// How a client proves that it may join.
    pub mode: AuthMode,
    /// Files with keys of tokens, or folders of such files.
    pub keys: Vec<PathBuf>,
    /// Where further keys are fetched from.
    pub jwks_url: Option<String>,
    /// Who must have made a token.
    pub issuer: Option<String>,
    /// Whom a token must be for.
    pub audience: Option<String>,
}

/// How a client proves that it may join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMode {
    /// Not at all: whoever reaches the port may join every room.
    #[default]
    None,
    /// By a token that is signed with one of our keys.
    Token,
}

/// `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http {
    /// Address that signalling and the web page listen on.
    pub listen_ip: IpAddr,
    /// Its port; 0 takes a free one.
    pub port: u16,
    /// Ports that serve the same beside that one.
    pub further_ports: Vec<u16>,
    /// Allows a public `listen_ip` although nobody has to authenticate.
    pub insecure: bool,
    /// Pages whose browsers may come in; empty: see `docs/auth.md`.
    pub origins: Vec<String>,
    /// Proxies that are believed who their clients are.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 3000,
            further_ports: Vec::new(),
            insecure: false,
            origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Whether the ports of `[http]` speak TLS.
    pub mode: TlsMode,
    /// The certificate and those above it.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// Whether the ports of `[http]` speak TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// With a certificate out of files.
    Files,
    /// They do not.
    #[default]
    Off,
    /// With one that is made at start, and that nobody trusts.
    SelfSigned,
}

/// `[ice]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ice {
    /// `stun:` addresses.
    pub stun: Vec<String>,
    /// `turn:` and `turns:` addresses.
    pub turn: Vec<String>,
    /// What we share with the TURN servers.
    pub turn_secret: Option<Secret>,
    /// A file with that instead.
    pub turn_secret_file: Option<PathBuf>,
    /// Seconds for which a client's password holds.
    pub turn_ttl_s: u32,
}

impl Ice {
    /// `turn_ttl_s` as a duration.
    pub fn turn_ttl(&self) -> Duration {
        Duration::from_secs(self.turn_ttl_s.into())
    }
}

impl Default for Ice {
    fn default() -> Self {
        Self {
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret: None,
            turn_secret_file: None,
            // A client refreshes an allocation under the name that it was made with (RFC 8656 §7.2), and a meeting may last
            // a day.
            turn_ttl_s: 86_400,
        }
    }
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoorLimits {
    /// HTTP requests a second of one address, connections of `WebSocket` among them; 0: no limit.
    pub requests_per_address: u32,
    /// Requests of one address at once before that counts.
    pub request_burst: u32,
    /// Connections of one address at a time; 0: no limit.
    pub connections_per_address: u32,
    /// Messages a second of one peer.
    pub messages_per_peer: u32,
    /// Messages of one peer at once before that counts.
    pub message_burst: u32,
    /// Longest message of a peer.
    pub message_bytes: u32,
    /// Longest body of an HTTP request.
    pub body_bytes: u32,
    /// Messages that may wait for a client.
    pub waiting_messages: u32,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            // A school or an office is one address, and everybody there takes five requests and a connection.
            requests_per_address: 200,
            request_burst: 2000,
            connections_per_address: 2000,
            // An open statistics panel asks for a few values per producer and second.
            messages_per_peer: 200,
            message_burst: 500,
            // As mediasoup-demo's server.
            message_bytes: 960_000,
            // Several times the longest session description.
            body_bytes: 256 * 1024,
            // Joining a room of 100 peers with two producers each brings 200 requests and as many scores at once.
            waiting_messages: 1024,
        }
    }
}

/// Lists: words apart by white space or commas, or an array.
macro_rules! list {
    ($type:ty, $expected:literal) => {
        impl Setting for Vec<$type> {
            const EXPECTED: &'static str = $expected;

            fn from_text(text: &str) -> Option<Self> {
                let words = text.split(|c: char| c == ',' || c.is_whitespace());
                let words = words.filter(|word| !word.is_empty());
                words.map(<$type>::from_text).collect()
            }

            fn from_toml(value: &Value) -> Option<Self> {
                match value {
                    Value::Array(list) => list.iter().map(<$type>::from_toml).collect(),
                    one => <$type>::from_toml(one).map(|one| vec![one]),
                }
            }

            fn to_toml(&self) -> Option<Value> {
                let list = self.iter().filter_map(<$type>::to_toml).collect();
                (!self.is_empty()).then(|| Value::Array(list))
            }
        }
    };
}

list!(u16, "a list of integers from 0 to 65535");
list!(String, "a list of texts");
list!(PathBuf, "a list of paths");
list!(
    ServerUrl,
    "a list of addresses of servers of Redis: redis://10.0.0.1:26379"
);
list!(Network, "a list of ranges of addresses, such as 10.0.0.0/8");
