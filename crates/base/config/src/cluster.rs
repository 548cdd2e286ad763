//! `[cluster]`: how nodes find and know each other.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use toml::Value;

use crate::{Secret, setting::Setting};

/// `[cluster]`. A node belongs to one as soon as it knows a server of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cluster {
    /// The server that all nodes share.
    pub redis: Option<ServerUrl>,
    /// Sentinels that know which server it is, instead.
    pub sentinels: Vec<ServerUrl>,
    /// What they call it.
    pub master: Option<String>,
    /// The user there; before the one in an address.
    pub redis_user: Option<String>,
    /// That user's password.
    pub redis_password: Option<Secret>,
    /// A file with that instead.
    pub redis_password_file: Option<PathBuf>,
    /// Whether the server that Sentinels name speaks TLS.
    pub redis_tls: bool,
    /// Who signs its certificate, in PEM.
    pub redis_authority: Option<PathBuf>,
    /// Our own certificate, where it asks for one.
    pub redis_certificate: Option<PathBuf>,
    /// Its key.
    pub redis_key: Option<PathBuf>,
    /// What all keys of this cluster there begin with.
    pub prefix: String,
    /// Where other nodes reach this one: the address that is bound.
    pub listen: SocketAddr,
    /// The address that they are told; `None`: the bound one.
    pub address: Option<String>,
    /// What all nodes know, and nobody else.
    pub secret: Option<Secret>,
    /// A file with that instead.
    pub secret_file: Option<PathBuf>,
    /// A file with the one before.
    pub previous_secret_file: Option<PathBuf>,
    /// The node's certificate, instead of a secret.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Who signs the certificates of all nodes.
    pub authority: Option<PathBuf>,
    /// Whether a certificate must be for the name of its node.
    pub certificate_names: bool,
    /// Where other nodes send media to; `None`: where clients do.
    pub media_address: Option<IpAddr>,
    /// How the people of a room are spread, where the rules do not say.
    pub policy: PlacementPolicy,
    /// To how many other nodes a node sends one thing at most.
    pub fan_out: u32,
    /// Over how many nodes a thing gets at most to one that takes it, that one included.
    pub depth: u32,
    /// A file with rules of placement.
    pub rules: Option<PathBuf>,
    /// A table of addresses, and where they are.
    pub geo_table: Option<PathBuf>,
    /// Databases that say where addresses are.
    pub geo_databases: Vec<PathBuf>,
}

impl Cluster {
    /// Whether the node belongs to one.
    pub fn is_on(&self) -> bool {
        self.redis.is_some() || !self.sentinels.is_empty()
    }

    /// The address that other nodes are told: as it was set, with the port that is bound where it names none.
    pub fn told_address(&self, bound: SocketAddr) -> String {
        match &self.address {
            Some(address) if port_of(address).is_some() => address.clone(),
            Some(host) => format!("{host}:{}", bound.port()),
            None => bound.to_string(),
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            redis: None,
            sentinels: Vec::new(),
            master: None,
            redis_user: None,
            redis_password: None,
            redis_password_file: None,
            redis_tls: false,
            redis_authority: None,
            redis_certificate: None,
            redis_key: None,
            prefix: "plenum".into(),
            // Below the ports of media, and nobody's in IANA's list. Who connects has to prove that it is a node.
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 7400),
            address: None,
            secret: None,
            secret_file: None,
            previous_secret_file: None,
            certificate: None,
            key: None,
            authority: None,
            certificate_names: true,
            media_address: None,
            policy: PlacementPolicy::default(),
            // As in the tree that placement is measured with.
            fan_out: 8,
            depth: 3,
            rules: None,
            geo_table: None,
            geo_databases: Vec::new(),
        }
    }
}

/// How the people of a room are spread over nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "those of docs/placement.md")]
pub enum PlacementPolicy {
    /// Few send, very many watch.
    Broadcast,
    /// All of them at one node.
    #[default]
    Room,
    /// Receivers of large rooms gather on few nodes.
    Stream,
    /// Each at the best one for it.
    User,
}

impl PlacementPolicy {
    /// As it is written in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Room => "room",
            Self::Stream => "stream",
            Self::User => "user",
        }
    }
}

/// The address of a server, in which there may be a password: that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// All of it, for whom it is meant.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Without the password.
    pub fn masked(&self) -> String {
        // The last one: a password may have more of them.
        let Some((before, host)) = self.0.rsplit_once('@') else {
            return self.0.clone();
        };
        let (scheme, login) = before.split_once("://").unwrap_or(("", before));
        match login.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:{}@{host}", crate::keys::MASK),
            None => self.0.clone(),
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerUrl").field(&self.masked()).finish()
    }
}

impl Setting for ServerUrl {
    const EXPECTED: &'static str = "the address of a server of Redis: redis://127.0.0.1:6379";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.into()))
    }

    fn from_toml(value: &Value) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }

    fn to_toml(&self) -> Option<Value> {
        Some(Value::String(self.masked()))
    }
}

/// The port at the end of an address; the colons of an IPv6 address in brackets are none of it.
pub(crate) fn port_of(address: &str) -> Option<u16> {
    let (host, port) = address.rsplit_once(':')?;
    let whole = !host.contains(':') || host.ends_with(']');
    port.parse().ok().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_masked() {
        for (given, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://u:p@h/1", "redis://u:********@h/1"),
            ("rediss://:p@ss@h:6380", "rediss://:********@h:6380"),
            ("redis://u@h", "redis://u@h"),
            ("u:p@h", "://u:********@h"),
        ] {
            let url = ServerUrl::from_text(given).expect("any text");
            assert_eq!(url.masked(), shown);
            assert_eq!(url.expose(), given);
            assert!(!format!("{url:?}").contains("p@"), "{given}");
        }
    }

    #[test]
    fn others_are_told_an_address_with_a_port() {
        let bound: SocketAddr = "10.0.0.1:7401".parse().expect("an address");
        let told = |address: Option<&str>| {
            let cluster = Cluster {
                address: address.map(Into::into),
                ..Cluster::default()
            };
            cluster.told_address(bound)
        };
        assert_eq!(told(None), "10.0.0.1:7401");
        assert_eq!(told(Some("fra-1.example.org")), "fra-1.example.org:7401");
        assert_eq!(told(Some("fra-1.example.org:9")), "fra-1.example.org:9");
        assert_eq!(told(Some("[2001:db8::1]")), "[2001:db8::1]:7401");
        assert_eq!(told(Some("[2001:db8::1]:9")), "[2001:db8::1]:9");
    }
}
