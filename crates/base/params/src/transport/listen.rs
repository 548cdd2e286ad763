//! Where transports listen, and under which names clients find them.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::Protocol;

/// An address as clients are told it: numbers, or a host name that they look up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8839 §5.1 knows no others")]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// A fully qualified host name.
    Name(String),
}

/// The text is neither an IP address nor a host name that clients could look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an IP address nor a host name")]
pub struct InvalidAddress;

/// RFC 1035 §2.3.4.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

impl Address {
    /// The number, if it is one.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        let is_label = |label: &str| {
            let inner = label.bytes();
            let hyphen_at_an_end = label.starts_with('-') || label.ends_with('-');
            (1..=MAX_LABEL).contains(&label.len())
                && !hyphen_at_an_end
                && inner
                    .into_iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let last = text.rsplit('.').next().unwrap_or_default();
        // What ends in digits is a mistyped IPv4 address to every resolver.
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
        // Names of multicast DNS mean something in one local network only.
        let is_local = last.eq_ignore_ascii_case("local");
        let is_name = text.len() <= MAX_NAME && text.split('.').all(is_label);
        if is_name && !is_number && !is_local {
            Ok(Self::Name(text.to_ascii_lowercase()))
        } else {
            Err(InvalidAddress)
        }
    }
}

/// An address of this machine that transports get sockets on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "callers fill it in")]
pub struct ListenInfo {
    /// The address to bind.
    pub ip: IpAddr,
    /// What clients are told instead, behind NAT or when bound to all interfaces; a candidate each. Empty: `ip`.
    pub announced: Vec<Address>,
    /// Tell clients `ip` beside what is announced, with a lower priority.
    pub expose_internal: bool,
    /// Listen for UDP.
    pub udp: bool,
    /// Listen for TCP.
    pub tcp: bool,
}

impl ListenInfo {
    /// UDP and TCP on an address that clients are told as it is.
    #[must_use]
    pub const fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            announced: Vec::new(),
            expose_internal: false,
            udp: true,
            tcp: true,
        }
    }

    /// Its protocols, in the order of candidates: UDP first.
    pub fn protocols(&self) -> impl Iterator<Item = Protocol> + use<> {
        let udp = self.udp.then_some(Protocol::Udp);
        let tcp = self.tcp.then_some(Protocol::Tcp);
        udp.into_iter().chain(tcp)
    }

    /// Where to bind with this port.
    #[must_use]
    pub const fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, port)
    }
}

/// Which protocols a transport may be reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "mediasoup's enableUdp, enableTcp, preferUdp, preferTcp"
)]
pub struct Protocols {
    /// Tell UDP candidates.
    pub udp: bool,
    /// Tell TCP candidates.
    pub tcp: bool,
    /// Whose candidates rank above all others.
    pub prefer: Option<Protocol>,
}

impl Protocols {
    /// `forceTcp` of mediasoup's demo: no UDP.
    pub const TCP_ONLY: Self = Self {
        udp: false,
        tcp: true,
        prefer: None,
    };

    /// Whether candidates of this protocol are told.
    #[must_use]
    pub const fn includes(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Tcp => self.tcp,
            Protocol::Udp => self.udp,
        }
    }
}

impl Default for Protocols {
    /// Both, ranked by their order alone.
    fn default() -> Self {
        Self {
            udp: true,
            tcp: true,
            prefer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbers_or_names_that_can_be_looked_up() {
        for text in ["192.0.2.1", "::1", "2001:db8::7"] {
            let address: Address = text.parse().expect("an address");
            assert!(address.ip().is_some(), "{text}");
            assert_eq!(address.to_string(), text);
        }
        for text in ["media.example.org", "a", "SFU-1.Example.ORG", "localhost"] {
            let address: Address = text.parse().expect("a name");
            assert_eq!(address.ip(), None, "{text}");
            assert_eq!(address.to_string(), text.to_ascii_lowercase());
        }
        let long = "a".repeat(64);
        for text in [
            "",
            "192.0.2.256",
            "1.2.3",
            "a..b",
            "-a.org",
            "a-.org",
            "a b",
            "ä.org",
            "1f4712db.local",
            "a.org:10",
            "[::1]",
            &long,
        ] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress), "{text}");
        }
    }

    #[test]
    fn udp_comes_before_tcp() {
        let info = ListenInfo::new(IpAddr::from([127, 0, 0, 1]));
        assert!(info.protocols().eq([Protocol::Udp, Protocol::Tcp]));
        let info = ListenInfo { udp: false, ..info };
        assert!(info.protocols().eq([Protocol::Tcp]));
        assert_eq!(info.at(9).to_string(), "127.0.0.1:9");
    }
}
