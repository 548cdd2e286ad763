//! Who makes an HTTP request to a room, for the doors that are not made of one connection.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderMap, Method, header::FORWARDED, request::Parts},
};
use plenum_room::Door;

use crate::{
    admission::{Knock, bearer},
    edge::Remote,
    far::Forwarded,
};

/// What of a request concerns who makes it.
#[derive(Debug)]
pub(crate) struct Caller {
    method: Method,
    headers: HeaderMap,
    query: Option<String>,
    parameters: Vec<(String, String)>,
    path: String,
    remote: Option<SocketAddr>,
    forwarded: bool,
}

impl Caller {
    /// A parameter of the query; an empty one counts as absent.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The path of the request, as it was written.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The query of the request, as it was written.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The method of the request.
    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    /// All headers of the request.
    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Where it comes from, see [`crate::Edge::remote`].
    pub(crate) const fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Whether another node has passed it on, which has let the client in and wants the answer from this one.
    pub(crate) const fn is_forwarded(&self) -> bool {
        self.forwarded
    }

    /// Where it comes from itself; `None` if another program hands its requests on and is not trusted to say for whom, or if
    /// they came over no socket.
    pub(crate) fn own_address(&self) -> Option<IpAddr> {
        let ip = self.remote?.ip().to_canonical();
        let is_handed_on =
            self.header("x-forwarded-for").is_some() || self.header(FORWARDED).is_some();
        // What is this machine to another node is another machine.
        let is_handed_on = is_handed_on || self.forwarded;
        (!(ip.is_loopback() && is_handed_on)).then_some(ip)
    }

    /// The text of a header.
    pub(crate) fn header(&self, name: impl axum::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The type of the body, without its parameters.
    pub(crate) fn content_type(&self) -> Option<&str> {
        let text = self.header(axum::http::header::CONTENT_TYPE)?;
        Some(text.split(';').next().unwrap_or(text).trim())
    }

    /// What it says at a door.
    pub(crate) fn knock<'a>(
        &'a self,
        room: &'a str,
        peer: Option<&'a str>,
        door: Door,
    ) -> Knock<'a> {
        Knock {
            token: bearer(&self.headers, self.query.as_deref()),
            namespace: self.find("namespace"),
            room,
            peer,
            unnamed: None,
            remote: self.remote,
            headers: &self.headers,
            door,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // A query that cannot be understood has no parameters.
        let parameters =
            Query::try_from_uri(&parts.uri).map_or_else(|_| Vec::new(), |Query(it)| it);
        Ok(Self {
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            query: parts.uri.query().map(str::to_owned),
            parameters,
            path: parts.uri.path().to_owned(),
            remote: parts.extensions.get::<Remote>().map(|remote| remote.0),
            forwarded: parts.extensions.get::<Forwarded>().is_some(),
        })
    }
}
