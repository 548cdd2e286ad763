//! Addresses of servers.

use std::fmt::Write as _;

use crate::{ClientError, Dialect};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) is_secure: bool,
    /// Host name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Door {
    /// Reads `http`, `https`, `ws` and `wss` addresses; what follows the host does not matter.
    pub(super) fn parse(url: &str) -> Result<Self, ClientError> {
        Self::read(url).ok_or_else(|| ClientError::Url(url.to_owned()))
    }

    fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_secure = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':'))
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None if is_secure => 443,
            None => 80,
        };
        (!host.is_empty() && !host.contains('@')).then(|| Self {
            is_secure,
            host: host.to_owned(),
            port,
        })
    }

    /// For the WebSocket's request.
    pub(super) fn url(&self, target: &str) -> String {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        format!("{scheme}://{}{target}", self.authority())
    }

    /// For people and programs: without a path.
    pub(super) fn base(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Host and port.
    pub(super) fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

/// The path of a dialect's door.
pub(super) const fn path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Plenum => "/plenum?",
        Dialect::Protoo => "/protoo?",
        Dialect::SocketIo => "/socket.io/?EIO=4&transport=websocket&",
    }
}

/// Adds parameters to a query.
pub(super) fn query(mut target: String, parameters: &[(&str, Option<&str>)]) -> String {
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        if !target.ends_with(['?', '&']) {
            target.push('&');
        }
        target.push_str(name);
        target.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                target.push(byte.into());
            } else {
                // Writing to a string does not fail.
                let _ = write!(target, "%{byte:02X}");
            }
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (url, expected) in [
            ("http://localhost:3000", Some((false, "localhost", 3000))),
            (
                "https://fra-2.example.org/",
                Some((true, "fra-2.example.org", 443)),
            ),
            ("ws://127.0.0.1/plenum?x=1", Some((false, "127.0.0.1", 80))),
            ("wss://[::1]:4443", Some((true, "::1", 4443))),
            ("ftp://x", None),
            ("localhost:3000", None),
            ("http://", None),
            ("http://host:99999", None),
            ("http://user@host", None),
        ] {
            let read = Door::parse(url).ok();
            let read = read
                .as_ref()
                .map(|door| (door.is_secure, &door.host[..], door.port));
            assert_eq!(read, expected, "{url}");
        }
        let door = Door::parse("wss://[::1]:4443").expect("an address");
        assert_eq!(door.url("/x"), "wss://[::1]:4443/x");
    }

    #[test]
    fn parameters_are_escaped() {
        let target = query(
            path(Dialect::Plenum).to_owned(),
            &[
                ("room", Some("a b/ü")),
                ("peer", None),
                ("redirects", Some("3")),
            ],
        );
        assert_eq!(target, "/plenum?room=a%20b%2F%C3%BC&redirects=3");
    }
}
