//! Who is at the other end: the connection's address, or what a proxy that is trusted says about it.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use plenum_params::network::Network;

/// The client's address. Each proxy appends whom it heard from, so that the list is read from its end for as long as the
/// names in it are proxies that are trusted: what stands before those, anybody may have made up.
pub(crate) fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> SocketAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    if trusted.is_empty() || !is_trusted(peer.ip()) {
        return peer;
    }
    let first = |name: &HeaderName, parse: fn(&str) -> Option<SocketAddr>| {
        furthest(headers, name, parse, is_trusted)
    };
    match (
        first(&X_FORWARDED_FOR, address),
        first(&header::FORWARDED, forwarded_for),
    ) {
        (Some(address), None) | (None, Some(address)) => address,
        // A proxy writes one of both and hands on what it gets of the other, which a client may have made up.
        (Some(one), Some(other)) if one.ip() == other.ip() => one,
        _ => peer,
    }
}

/// Headers of those who come in somebody else's name: a proxy on this machine makes the whole world local.
const FORWARDED: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    X_FORWARDED_FOR,
    HeaderName::from_static("x-real-ip"),
];

/// Whether a request says that it came through a proxy.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(name))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The first from the end that is no trusted proxy; `None` if there is no list, or the last that can be read of one that
/// ends in what cannot.
fn furthest(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: fn(&str) -> Option<SocketAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<SocketAddr> {
    let mut found = None;
    for element in elements(headers, name) {
        let Some(address) = parse(element) else {
            break;
        };
        found = Some(address);
        if !is_trusted(address.ip()) {
            break;
        }
    }
    found
}

/// The elements of all headers of this name, the last first.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().collect::<Vec<_>>();
    values
        .into_iter()
        .rev()
        .flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
        .map(str::trim)
}

/// RFC 7239 §4: `for=192.0.2.60;proto=http`, `for="[2001:db8::1]:4711"`.
fn forwarded_for(element: &str) -> Option<SocketAddr> {
    address(parameter(element, "for")?)
}

fn parameter<'a>(element: &'a str, wanted: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
        is_wanted.then(|| value.trim().trim_matches('"'))
    })
}

/// With a port or without; IPv6 addresses with brackets or without.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip: IpAddr = bare.unwrap_or(text).parse().ok()?;
    Some(SocketAddr::new(ip, 0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(peer: &str, lines: &[(&'static str, &'static str)]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|text| text.parse().expect("a network"));
        let peer = SocketAddr::new(peer.parse().expect("an address"), 1);
        client(peer, &headers(lines), &trusted).ip().to_string()
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let list = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(seen("10.0.0.1", &list), "203.0.113.9");
        assert_eq!(seen("::ffff:10.0.0.1", &list), "203.0.113.9");
        assert_eq!(seen("192.0.2.1", &list), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_before_the_proxies_counts_for_nothing() {
        for (line, client) in [
            ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("203.0.113.9, 10.1.1.1", "203.0.113.9"),
            (
                "198.51.100.1, 203.0.113.9, 10.1.1.1,10.2.2.2",
                "203.0.113.9",
            ),
            ("10.3.3.3, 10.1.1.1", "10.3.3.3"),
            ("nonsense, 203.0.113.9:4711", "203.0.113.9"),
            ("203.0.113.9, nonsense, 10.1.1.1", "10.1.1.1"),
            ("203.0.113.9, nonsense", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("[2001:db8::7]:80", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
        ] {
            assert_eq!(
                seen("10.0.0.1", &[("x-forwarded-for", line)]),
                client,
                "{line}"
            );
        }
        let two = [
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(seen("10.0.0.1", &two), "203.0.113.9");
    }

    #[test]
    fn the_standard_header_says_the_same_and_a_contradiction_nothing() {
        for (line, client) in [
            ("for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=198.51.100.1, for=203.0.113.9", "203.0.113.9"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=10.9.9.9", "10.9.9.9"),
        ] {
            assert_eq!(seen("10.0.0.1", &[("forwarded", line)]), client, "{line}");
        }
        let agree = [
            ("forwarded", "for=203.0.113.9"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(seen("10.0.0.1", &agree), "203.0.113.9");
        let differ = [
            ("forwarded", "for=198.51.100.1"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        assert_eq!(seen("10.0.0.1", &differ), "10.0.0.1");
    }
}
