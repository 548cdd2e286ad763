//! The operator's table of addresses, as text.
//!
//! ```text
//! # prefix          region      country  isp     (- or nothing: not said)
//! 10.0.0.0/8        office      DE
//! 10.7.0.0/16       -           -        dtag
//! 2001:db8::/32     eu-west     FR       free
//! country  DE       eu-central
//! asn      3320     dtag
//! ```
//!
//! Of the prefixes that an address is in, the longest decides; what it leaves out, the next shorter one says.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{Country, Isp, Location, Region};

/// The table. A clone shares it.
#[derive(Clone, Debug, Default)]
pub struct GeoTable {
    content: Arc<Content>,
}

#[derive(Debug, Default)]
struct Content {
    /// By length, the longest first; each with what its prefixes say. IPv4 is where IPv6 maps it, so that both are one.
    prefixes: Vec<(u8, HashMap<u128, Location>)>,
    regions: HashMap<Country, Region>,
    isps: HashMap<u32, Isp>,
}

/// A table that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A line that says nothing sensible.
    #[error("line {line} of the table of addresses")]
    #[non_exhaustive]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        #[source]
        error: InvalidLine,
    },
    /// More lines than are taken.
    #[error(
        "the table of addresses has more than {MAX_LINES} lines; larger ones belong into a database"
    )]
    TooLong,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLine {
    /// No number of a provider.
    #[error("'{0}' is no number of an autonomous system")]
    Asn(String),
    /// No country.
    #[error("'{0}' is no country: two letters, as in DE")]
    Country(String),
    /// The address has bits beyond the prefix's length.
    #[error("{0} has bits set behind its length; {1} is the prefix that it is in")]
    HostBits(IpNet, IpNet),
    /// A name that is too long.
    #[error("a name longer than {MAX_NAME} bytes")]
    Name,
    /// Neither a prefix nor a word of the table.
    #[error("'{0}' is no prefix (as in 10.0.0.0/8), and neither 'country' nor 'asn'")]
    Prefix(String),
    /// The same was said before.
    #[error("{0} was said before")]
    Repeated(String),
    /// Too few or too many words.
    #[error("expected {0}")]
    Words(&'static str),
}

/// So many lines are taken, some 20 MB: all prefixes of a large provider's routing table are fewer.
const MAX_LINES: usize = 100_000;

/// So long may a name be: it is the operator's and ends up in reasons.
const MAX_NAME: usize = 64;

impl GeoTable {
    /// Reads a table.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let mut content = Content::default();
        for (index, line) in text.lines().enumerate() {
            if index >= MAX_LINES {
                return Err(TableError::TooLong);
            }
            let line = line.split('#').next().unwrap_or_default();
            content.add(line).map_err(|error| TableError::Line {
                line: index + 1,
                error,
            })?;
        }
        content
            .prefixes
            .sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        Ok(Self {
            content: Arc::new(content),
        })
    }

    /// What the table says of an address.
    pub fn locate(&self, address: IpAddr) -> Location {
        let bits = mapped(address);
        let mut location = Location::default();
        for (length, prefixes) in &self.content.prefixes {
            if let Some(found) = prefixes.get(&masked(bits, *length)) {
                location = location.or(found);
            }
        }
        location
    }

    /// The region of a country, for those of whom only that is known.
    pub fn region_of(&self, country: &Country) -> Option<&Region> {
        self.content.regions.get(country)
    }

    /// The operator's name of a provider.
    pub fn isp_of(&self, asn: u32) -> Option<&Isp> {
        self.content.isps.get(&asn)
    }
}

impl Content {
    fn add(&mut self, line: &str) -> Result<(), InvalidLine> {
        let words: Vec<&str> = line.split_whitespace().take(5).collect();
        if words.iter().any(|word| word.len() > MAX_NAME) {
            return Err(InvalidLine::Name);
        }
        match words[..] {
            [] => Ok(()),
            ["country", country, region] => {
                let country = parse_country(country)?;
                unique(
                    self.regions.insert(country, region.into()).as_ref(),
                    words[1],
                )
            }
            ["country", ..] => Err(InvalidLine::Words("country CODE REGION")),
            ["asn", number, isp] => {
                let digits = number.trim_start_matches(['A', 'S', 'a', 's']);
                let asn = digits.parse();
                let asn = asn.map_err(|_| InvalidLine::Asn(number.to_owned()))?;
                unique(self.isps.insert(asn, isp.into()).as_ref(), number)
            }
            ["asn", ..] => Err(InvalidLine::Words("asn NUMBER ISP")),
            [prefix, ref rest @ ..] if (1..=3).contains(&rest.len()) => {
                self.add_prefix(prefix, rest)
            }
            [prefix, ..] => {
                parse_prefix(prefix)?;
                Err(InvalidLine::Words("PREFIX REGION [COUNTRY [ISP]]"))
            }
        }
    }

    fn add_prefix(&mut self, prefix: &str, words: &[&str]) -> Result<(), InvalidLine> {
        let net = parse_prefix(prefix)?;
        let word = |index: usize| words.get(index).copied().filter(|word| *word != "-");
        let location = Location {
            region: word(0).map(Region::from),
            country: word(1).map(parse_country).transpose()?,
            isp: word(2).map(Isp::from),
            coordinates: None,
        };
        let (bits, length) = match net {
            IpNet::V4(net) => (mapped(net.network().into()), net.prefix_len() + 96),
            IpNet::V6(net) => (mapped(net.network().into()), net.prefix_len()),
        };
        let known = self.prefixes.iter().position(|(other, _)| *other == length);
        let place = known.unwrap_or_else(|| {
            self.prefixes.push((length, HashMap::new()));
            self.prefixes.len() - 1
        });
        unique(
            self.prefixes[place].1.insert(bits, location).as_ref(),
            prefix,
        )
    }
}

fn parse_prefix(text: &str) -> Result<IpNet, InvalidLine> {
    let no_prefix = || InvalidLine::Prefix(text.to_owned());
    let net: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().map_err(|_| no_prefix())?,
    };
    if net.trunc() == net {
        Ok(net)
    } else {
        Err(InvalidLine::HostBits(net, net.trunc()))
    }
}

fn parse_country(text: &str) -> Result<Country, InvalidLine> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_code {
        Ok(text.into())
    } else {
        Err(InvalidLine::Country(text.to_owned()))
    }
}

fn unique<T>(before: Option<&T>, what: &str) -> Result<(), InvalidLine> {
    match before {
        None => Ok(()),
        Some(_) => Err(InvalidLine::Repeated(what.to_owned())),
    }
}

/// All addresses as IPv6 (RFC 4291 §2.5.5.2).
fn mapped(address: IpAddr) -> u128 {
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    Ipv6Addr::to_bits(address)
}

fn masked(bits: u128, length: u8) -> u128 {
    match length {
        0 => 0,
        length => bits & (u128::MAX << (128 - u32::from(length.min(128)))),
    }
}
