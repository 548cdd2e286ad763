//! A range of addresses, as settings name it: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::{fmt, net::IpAddr, str::FromStr};

/// A range of addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    bits: u128,
    length: u8,
    is_ipv4: bool,
}

impl Network {
    /// Whether an address lies in it. IPv4 addresses in IPv6 clothes count as what they are.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let (bits, width) = bits(ip);
        ip.is_ipv4() == self.is_ipv4 && (bits ^ self.bits) & mask(self.length, width) == 0
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().map_err(|_| InvalidNetwork)?;
        let (bits, width) = bits(ip);
        let length = match length {
            Some(length) => length.parse().map_err(|_| InvalidNetwork)?,
            None => width,
        };
        // Bits behind the prefix are a mistake: who writes 10.1.2.3/8 means something else than it says.
        if length > width || bits & !mask(length, width) & mask(width, width) != 0 {
            return Err(InvalidNetwork);
        }
        Ok(Self {
            bits,
            length,
            is_ipv4: ip.is_ipv4(),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = if self.is_ipv4 {
            // Only the lower half word is set.
            IpAddr::V4(u32::try_from(self.bits).unwrap_or_default().into())
        } else {
            IpAddr::V6(self.bits.into())
        };
        write!(f, "{ip}/{}", self.length)
    }
}

/// The text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidNetwork;

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a range of addresses such as 10.0.0.0/8")
    }
}

impl std::error::Error for InvalidNetwork {}

fn bits(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u32::from(ip).into(), 32),
        IpAddr::V6(ip) => (ip.into(), 128),
    }
}

/// The first `length` of `width` bits.
const fn mask(length: u8, width: u8) -> u128 {
    let all = u128::MAX >> (128 - width as u32);
    match all.checked_shr(length as u32) {
        // A shift by the width leaves what lies beyond it, which is nothing.
        Some(rest) => all & !rest,
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, ip: &str) -> bool {
        let network: Network = network.parse().expect("a network");
        network.contains(ip.parse().expect("an address"))
    }

    #[test]
    fn a_prefix_decides() {
        for (network, ip, inside) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
        ] {
            assert_eq!(contains(network, ip), inside, "{ip} in {network}");
        }
    }

    #[test]
    fn it_reads_as_it_was_written() {
        for text in ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::/0"] {
            let network: Network = text.parse().expect("a network");
            assert_eq!(network.to_string(), text);
        }
        for text in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "a/8",
            "10/8",
            "1.2.3.4/-1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}
