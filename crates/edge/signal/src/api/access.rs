//! Who may call the admin API: whoever shows a key ([`super::keys`]) from anywhere, and without one whoever the node's
//! settings say, which is programs on this machine unless they say otherwise.

use std::net::{IpAddr, SocketAddr};

use axum::{
    body::Body,
    extract::{ConnectInfo, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Response, header, uri::Authority},
    middleware::Next,
    response::IntoResponse as _,
};
use plenum_api::error::ErrorKind;
use tracing::warn;

use super::{
    keys::{ApiKeys, Caller, Scope},
    refusal::{Answer, Refusal},
};
use crate::{Edge, remote};

/// Who may ask for what operators may, without an API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminAccess {
    /// Whoever reaches the port.
    Everybody,
    /// Programs on this machine that come without a proxy.
    #[default]
    Loopback,
    /// Nobody.
    Nobody,
}

/// What it takes to pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    pub(super) scope: Scope,
    /// What is behind concerns all namespaces, and is not for keys of one.
    pub(super) of_node: bool,
}

impl Gate {
    pub(super) const READ_ROOMS: Self = Self::new(Scope::Read, false);
    pub(super) const CHANGE_ROOMS: Self = Self::new(Scope::Rooms, false);
    pub(super) const READ_NODE: Self = Self::new(Scope::Read, true);
    pub(super) const CHANGE_NODE: Self = Self::new(Scope::Admin, true);

    const fn new(scope: Scope, of_node: bool) -> Self {
        Self { scope, of_node }
    }
}

/// Stands before every operation. Handlers find the [`Caller`] among the request's extensions.
pub(super) async fn guard(
    State((edge, gate)): State<(Edge, Gate)>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let remote = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let remote = remote.map(|ConnectInfo(remote)| *remote);
    let path = match path {
        Ok(path) => path,
        Err(err) => return Refusal::bad_request(err.body_text()).into_response(),
    };
    let mut path = path.iter();
    let namespace = path.find(|(name, _)| *name == "namespace");
    let namespace = namespace.map(|(_, namespace)| namespace);
    let settings = &edge.settings;
    let caller = identify(
        (&settings.api_keys, settings.admin),
        remote,
        request.headers(),
    );
    match caller.and_then(|caller| allow(caller, gate, namespace)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => {
            let (method, path) = (request.method(), request.uri().path());
            let reason = refusal.reason();
            warn!(?remote, %method, path, reason, "admin request refused");
            refusal.into_response()
        }
    }
}

/// Whether somebody may do what is behind a gate, in a namespace if it is about one.
fn allow(caller: Caller, gate: Gate, namespace: Option<&str>) -> Answer<Caller> {
    let forbidden = |reason: String| Err(Refusal::new(ErrorKind::Forbidden, reason));
    if caller.scope < gate.scope {
        let needed = gate.scope.as_str();
        return forbidden(format!("this takes a key with the scope \"{needed}\""));
    }
    if gate.of_node && caller.namespace.is_some() {
        return forbidden("this is not for keys of one namespace".to_owned());
    }
    if namespace.is_some_and(|namespace| !caller.sees(namespace)) {
        return forbidden("this key is for another namespace".to_owned());
    }
    Ok(caller)
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The key that a request shows, in a header of its own or as RFC 6750 has it.
fn shown_key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    if headers.contains_key(API_KEY) {
        return Some(text(API_KEY).unwrap_or_default());
    }
    let (scheme, key) = text(header::AUTHORIZATION)?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(key.trim_start())
}

fn identify(
    (keys, access): (&ApiKeys, AdminAccess),
    remote: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Answer<Caller> {
    if let Some(key) = shown_key(headers) {
        let unknown = || Refusal::new(ErrorKind::Unauthorized, "nobody has this API key");
        return keys.find(key).ok_or_else(unknown);
    }
    match check(access, remote, headers) {
        Ok(()) => Ok(Caller::local()),
        Err(reason) => Err(Refusal::new(ErrorKind::Forbidden, reason)),
    }
}

/// Where browsers say whether a page sends this (Fetch Metadata §2.4); images and scripts have no `Origin`.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page has this sent. What somebody types into a browser is no page's.
fn is_from_page(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    headers.contains_key(header::ORIGIN) || sites.any(|site| site != "none")
}

/// Whether this machine is called what only itself can mean. A page whose own name has come to lead here has its browser
/// send that name (DNS rebinding).
fn names_this_machine(headers: &HeaderMap) -> bool {
    let is_own = |host: &HeaderValue| {
        let authority = host
            .to_str()
            .ok()
            .and_then(|it| it.parse::<Authority>().ok());
        authority.is_some_and(|authority| {
            let host = authority.host();
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
        })
    };
    headers.get_all(header::HOST).iter().all(is_own)
}

fn check(
    access: AdminAccess,
    remote: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Result<(), &'static str> {
    // Pages of other sites can make an operator's browser send this, from wherever it is.
    if is_from_page(headers) {
        return Err("admin requests are not for pages in browsers");
    }
    match access {
        AdminAccess::Everybody => Ok(()),
        AdminAccess::Nobody => Err("admin requests are switched off (admin.allow)"),
        AdminAccess::Loopback => {
            let is_local = |remote: SocketAddr| remote.ip().to_canonical().is_loopback();
            if !remote.is_some_and(is_local) {
                return Err("admin requests are taken from this machine only (admin.allow)");
            }
            if remote::is_forwarded(headers) {
                return Err("admin requests are not taken through a proxy (admin.allow)");
            }
            if !names_this_machine(headers) {
                return Err("admin requests without a key go to localhost or to an address");
            }
            Ok(())
        }
    }
}

/// Whether somebody may see all that there is on the node, also where everybody may see something.
pub(crate) fn may_read_node(edge: &Edge, remote: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    let settings = &edge.settings;
    identify((&settings.api_keys, settings.admin), remote, headers)
        .and_then(|caller| allow(caller, Gate::READ_NODE, None))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::{super::keys::ApiKey, *};

    fn asked(access: AdminAccess, remote: &str, header: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_static("10.0.0.1"));
        }
        let remote = remote.parse().ok();
        check(access, remote, &headers).is_ok()
    }

    #[test]
    fn only_this_machine_may_ask_unless_it_is_opened() {
        use AdminAccess::{Everybody, Loopback, Nobody};
        for local in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(asked(Loopback, local, None), "{local}");
            assert!(!asked(Nobody, local, None));
        }
        for other in [
            "10.0.0.1:1",
            "[::ffff:10.0.0.1]:1",
            "[2001:db8::1]:1",
            "unknown",
        ] {
            assert!(!asked(Loopback, other, None), "{other}");
            assert!(asked(Everybody, other, None));
        }
    }

    #[test]
    fn a_key_opens_what_its_scope_and_namespace_say() {
        let key = |name: &str, scope, namespace: Option<&str>| {
            ApiKey::new(name.to_owned(), name, scope, namespace.map(Into::into))
        };
        let keys = ApiKeys::from(vec![
            key("reader", Scope::Read, None),
            key("tenant", Scope::Admin, Some("acme")),
        ]);
        let call = |name: &str, gate, namespace| {
            let mut headers = HeaderMap::new();
            let value = format!("bearer {name}").parse().expect("a value");
            headers.insert(header::AUTHORIZATION, value);
            // From far away, through a proxy, out of a page.
            headers.insert(header::ORIGIN, HeaderValue::from_static("https://x"));
            identify((&keys, AdminAccess::Nobody), None, &headers)
                .and_then(|caller| allow(caller, gate, namespace))
                .is_ok()
        };
        assert!(call("reader", Gate::READ_NODE, None));
        assert!(call("reader", Gate::READ_ROOMS, Some("acme")));
        assert!(!call("reader", Gate::CHANGE_ROOMS, Some("acme")));
        assert!(call("tenant", Gate::CHANGE_ROOMS, Some("acme")));
        assert!(!call("tenant", Gate::CHANGE_ROOMS, Some("default")));
        assert!(!call("tenant", Gate::CHANGE_NODE, None));
        assert!(call("tenant", Gate::READ_ROOMS, None));
        assert!(!call("nobody", Gate::READ_ROOMS, None));
    }

    #[test]
    fn a_wrong_key_is_no_better_than_none_on_this_machine() {
        let local = "127.0.0.1:1".parse().ok();
        let mut headers = HeaderMap::new();
        let keys = (&ApiKeys::default(), AdminAccess::Loopback);
        assert!(identify(keys, local, &headers).is_ok());
        headers.insert(API_KEY, HeaderValue::from_static("guess"));
        assert!(identify(keys, local, &headers).is_err());
    }

    #[test]
    fn a_browser_on_this_machine_is_not_its_operator() {
        let asked = |access, name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            check(access, "127.0.0.1:1".parse().ok(), &headers).is_ok()
        };
        let local = AdminAccess::Loopback;
        for own in [
            "localhost",
            "LocalHost:3000",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:3000",
            "192.0.2.1:80",
        ] {
            assert!(asked(local, "host", own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "",
            "a b",
        ] {
            assert!(!asked(local, "host", other), "{other}");
        }
        for site in ["cross-site", "same-site", "same-origin", ""] {
            assert!(!asked(local, "sec-fetch-site", site), "{site}");
            assert!(!asked(AdminAccess::Everybody, "sec-fetch-site", site));
        }
        assert!(asked(local, "sec-fetch-site", "none"));
    }

    #[test]
    fn neither_proxies_nor_pages_borrow_this_machines_rights() {
        for header in ["forwarded", "via", "x-forwarded-for", "x-real-ip", "origin"] {
            assert!(!asked(AdminAccess::Loopback, "127.0.0.1:1", Some(header)));
        }
        assert!(asked(AdminAccess::Everybody, "10.0.0.1:1", Some("via")));
        assert!(!asked(AdminAccess::Everybody, "10.0.0.1:1", Some("origin")));
    }
}
