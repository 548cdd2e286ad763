//! Who comes in, and as whom: the same for every door.

use std::{
    borrow::Cow,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, HeaderValue, Response, header},
};
use plenum_api::{error::ErrorKind, grants::Role, ice::IceServer};
use plenum_auth::{Claims, TokenError};
use plenum_host::ConnectError;
use plenum_ids::{NamespaceId, PeerId, RoomName, TransportId};
use plenum_room::{Admission, Door};
use tracing::debug;

use crate::{Edge, caller::Caller, remote, reply::refuse};

/// What somebody at a door says.
pub(crate) struct Knock<'a> {
    /// What proves who it is, see [`bearer`].
    pub(crate) token: Option<&'a str>,
    /// As it was asked for; what a token says counts.
    pub(crate) namespace: Option<&'a str>,
    /// Where it wants to.
    pub(crate) room: &'a str,
    /// Who it says it is; without a name it gets one.
    pub(crate) peer: Option<&'a str>,
    /// Who it is if neither it nor its token says so; `None`: it gets a name.
    pub(crate) unnamed: Option<&'a str>,
    /// Where it comes from, see [`Edge::remote`].
    pub(crate) remote: Option<SocketAddr>,
    /// Those of its request.
    pub(crate) headers: &'a HeaderMap,
    /// Which door it is at.
    pub(crate) door: Door,
}

impl Knock<'_> {
    /// Who it is, by its own word, by its token's or by its door's.
    fn name(&self, claimed: Option<&str>) -> PeerId {
        let name = self.peer.or(claimed).or(self.unnamed);
        name.map_or_else(made_up, PeerId::from)
    }
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    /// Its row in the table of errors, which has HTTP's status and the code that closes a WebSocket.
    pub(crate) kind: ErrorKind,
    /// For people.
    pub(crate) reason: Cow<'static, str>,
    /// It is let in after so long.
    pub(crate) slot: Option<Duration>,
}

impl Denied {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            slot: None,
        }
    }

    /// Somebody who has a time to come again.
    fn until(slot: Duration) -> Self {
        let reason = "too many come at once, try again in a moment";
        Self {
            slot: Some(slot),
            ..Self::new(ErrorKind::Unavailable, reason)
        }
    }

    /// As the answer to an HTTP request.
    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = refuse(self.kind, &self.reason);
        let headers = response.headers_mut();
        if self.kind == ErrorKind::Unauthorized {
            // RFC 6750 §3.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.kind.is_retryable() {
            let after = self.slot.map_or(RETRY_AFTER, whole_seconds);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        response
    }
}

/// As RFC 9110 §10.2.3 wants them; who comes a little late is let in, too.
pub(crate) fn whole_seconds(slot: Duration) -> u32 {
    u32::try_from(slot.as_millis().div_ceil(1000)).unwrap_or(RETRY_AFTER)
}

impl From<TokenError> for Denied {
    fn from(err: TokenError) -> Self {
        Self::new(err.kind(), err.to_string())
    }
}

impl From<ConnectError> for Denied {
    fn from(err: ConnectError) -> Self {
        Self::new(err.kind(), err.to_string())
    }
}

/// Seconds. Load is measured each second and smoothed over a few, and a worker that died is back in less.
const RETRY_AFTER: u32 = 5;

impl Edge {
    /// Lets somebody in, or says why not. The door fills in what its dialect can do.
    pub(crate) fn admit(&self, knock: &Knock<'_>) -> Result<(RoomName, Admission), Denied> {
        let result = self.examine(knock);
        if let Err(denied) = &result {
            let (door, remote) = (knock.door.as_str(), knock.remote);
            debug!(door, ?remote, kind = ?denied.kind, reason = %denied.reason, "not admitted");
        }
        result
    }

    /// Whether somebody who was admitted may come in now, see [`crate::slots`].
    pub(crate) fn await_turn(&self, room: &RoomName, peer: &PeerId) -> Result<(), Denied> {
        let Some(cluster) = self.host.cluster() else {
            return Ok(());
        };
        if cluster.is_anybody_leaving() {
            self.slots.note_rush(Instant::now());
        }
        let turn = self
            .slots
            .ask(room, peer, cluster.reachable(), Instant::now());
        turn.map_err(Denied::until)
    }

    /// The same for who comes by HTTP requests. Whose name changes with each of them is known by its address.
    pub(crate) fn await_turn_of(
        &self,
        caller: &Caller,
        (room, admission): (&RoomName, &Admission),
    ) -> Result<(), Denied> {
        if caller.is_forwarded() {
            // It has waited at the other node.
            return Ok(());
        }
        let is_unnamed = match admission.door {
            Door::Whep => true,
            Door::Whip => caller.find("peer").is_none(),
            _ => false,
        };
        match admission.remote.filter(|_| is_unnamed) {
            Some(remote) => self.await_turn(room, &remote.to_string().into()),
            None => self.await_turn(room, &admission.peer),
        }
    }

    fn examine(&self, knock: &Knock<'_>) -> Result<(RoomName, Admission), Denied> {
        if !self.settings.origins.admit(knock.headers) {
            let reason = "this page's origin is not among http.origins";
            return Err(Denied::new(ErrorKind::Forbidden, reason));
        }
        check_names(knock, self.settings.max_name_length)?;
        let remote = knock.remote.map(|remote| remote.ip());
        let Some(keys) = &self.keys else {
            let namespace = knock.namespace.unwrap_or(NamespaceId::DEFAULT_NAME);
            let admission = Admission {
                remote,
                door: knock.door,
                ..Admission::new(knock.name(None))
            };
            return Ok((RoomName::new(namespace, knock.room), admission));
        };
        let Some(token) = knock.token else {
            let reason = "a token is required";
            return Err(Denied::new(ErrorKind::Unauthorized, reason));
        };
        let claims = keys.check(token, SystemTime::now())?;
        claims.admit(knock.namespace, knock.room, knock.peer)?;
        check_claims(&claims, self.settings.max_name_length)?;
        let peer = knock.name(claims.peer.as_deref());
        let admission = Admission {
            name: claims.name,
            region: claims.region,
            isp: claims.isp,
            grants: claims.grants,
            // Who has a token is host if that says so, and not because nobody else is there.
            role: Some(claims.role.unwrap_or(Role::Speaker)),
            remote,
            door: knock.door,
            ..Admission::new(peer)
        };
        Ok((RoomName::new(claims.ns, knock.room), admission))
    }

    /// The client's address: the connection's, or what a trusted proxy says.
    pub(crate) fn remote(
        &self,
        ConnectInfo(peer): ConnectInfo<SocketAddr>,
        headers: &HeaderMap,
    ) -> SocketAddr {
        remote::client(peer, headers, &self.settings.trusted_proxies)
    }

    /// What helps this peer's transports to find a path; empty if nothing is configured.
    pub(crate) fn ice_servers(&self, peer: &PeerId) -> Vec<IceServer> {
        self.settings.ice.for_peer(peer, SystemTime::now())
    }
}

fn check_names(knock: &Knock<'_>, longest: usize) -> Result<(), Denied> {
    let fits = |name: &str| !name.is_empty() && name.len() <= longest;
    let reason = if !fits(knock.room) {
        "the room's name is missing or too long"
    } else if !knock.peer.is_none_or(fits) {
        "the peer's name is missing or too long"
    } else if knock
        .namespace
        .is_some_and(|name| NamespaceId::parse(name).is_err())
    {
        "that is no name of a namespace"
    } else {
        return Ok(());
    };
    Err(Denied::new(ErrorKind::BadRequest, reason))
}

/// Names out of tokens are bounded as those that clients choose: whoever signs them may pass on what a stranger typed.
fn check_claims(claims: &Claims, longest: usize) -> Result<(), Denied> {
    let fits = |name: &Option<String>| name.as_ref().is_none_or(|name| name.len() <= longest);
    let reason = if NamespaceId::parse(claims.ns.as_str()).is_err() {
        "the token is for what is no name of a namespace"
    } else if !fits(&claims.peer) || claims.peer.as_deref() == Some("") {
        "the peer's name in the token is empty or too long"
    } else if !fits(&claims.name) {
        "the name in the token is too long"
    } else if !fits(&claims.region) || !fits(&claims.isp) {
        "the region or the provider in the token is too long"
    } else {
        return Ok(());
    };
    Err(Denied::new(ErrorKind::BadRequest, reason))
}

/// The token of a request: `Authorization: Bearer …`, or `token=…` in the query of those who cannot set headers.
pub(crate) fn bearer<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
    let header = headers.get(header::AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok());
    let in_header = header.and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    // Tokens consist of characters that stand in a query as they are.
    let pairs = query.unwrap_or_default().split('&');
    let mut in_query = pairs.filter_map(|pair| pair.strip_prefix("token="));
    let found = in_header.or_else(|| in_query.next());
    found.filter(|token| !token.is_empty())
}

/// A name for who gave none: one that nobody else has.
pub(crate) fn made_up() -> PeerId {
    TransportId::random().to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_empty_or_endless_names_are_refused() {
        let check = |namespace, room, peer| {
            let knock = Knock {
                token: None,
                namespace,
                room,
                peer,
                unnamed: None,
                remote: None,
                headers: &HeaderMap::new(),
                door: Door::Classic,
            };
            check_names(&knock, 16).is_ok()
        };
        let (longest, endless) = ("a".repeat(16), "a".repeat(17));
        assert!(check(None, &longest, Some(&longest)));
        assert!(check(Some("acme"), "room", None));
        assert!(!check(None, "", Some("ada")));
        assert!(!check(None, &endless, Some("ada")));
        assert!(!check(None, "room", Some("")));
        assert!(!check(None, "room", Some(&endless)));
        assert!(!check(Some("a/b"), "room", Some("ada")));
    }

    #[test]
    fn a_token_is_found_in_the_header_or_in_the_query() {
        let none = HeaderMap::new();
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static("bearer a.b.c"),
        );
        assert_eq!(bearer(&headers, Some("token=x")), Some("a.b.c"));
        assert_eq!(bearer(&none, Some("roomId=1&token=x.y.z")), Some("x.y.z"));
        for query in [
            None,
            Some(""),
            Some("token="),
            Some("mytoken=x"),
            Some("tokens=x"),
        ] {
            assert_eq!(bearer(&none, query), None, "{query:?}");
        }
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static("Basic eDp5"),
        );
        assert_eq!(bearer(&headers, None), None);
    }

    #[test]
    fn names_in_tokens_are_bounded_as_others_are() {
        let check = |ns: &str, peer: Option<&str>, name: Option<&str>| {
            let claims = Claims {
                ns: ns.into(),
                room: "room".to_owned(),
                peer: peer.map(Into::into),
                name: name.map(Into::into),
                region: None,
                isp: None,
                role: None,
                grants: plenum_api::grants::Grants::default(),
                exp: 0,
                nbf: None,
                iss: None,
                aud: None,
            };
            check_claims(&claims, 16).is_ok()
        };
        let (longest, endless) = ("a".repeat(16), "a".repeat(17));
        assert!(check("acme", None, None));
        assert!(check("acme", Some(&longest), Some(&longest)));
        assert!(!check("acme", Some(&endless), None));
        assert!(!check("acme", Some(""), None));
        assert!(!check("acme", None, Some(&endless)));
        assert!(!check("a/b", None, None));
        assert!(!check("", None, None));
    }

    #[test]
    fn who_names_none_gets_a_name_of_its_own() {
        assert_ne!(made_up(), made_up());
    }
}
