//! What operators ask of a running node: emptying workers and starting them anew.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderMap, HeaderName, Response, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::IntoResponse as _,
    routing::{get, post},
};
use plenum_api::error::ErrorKind;
use plenum_host::DrainError;
use tracing::warn;

use crate::{
    Edge,
    reply::{refuse, worker},
    worker_log, worker_trace,
};

/// Who may ask for what operators may, as long as nobody has to show a token.
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

/// The routes, behind their guard.
pub(crate) fn router(edge: &Edge) -> Router<Edge> {
    Router::new()
        .route("/api/v1/workers/restart", get(restarting).post(restart))
        .route("/api/v1/workers/{id}/drain", post(drain).delete(undrain))
        .route(
            "/api/v1/workers/{id}/log",
            get(worker_log::get).put(worker_log::put),
        )
        .route(
            "/api/v1/workers/{id}/trace",
            get(worker_trace::get).put(worker_trace::put),
        )
        .route_layer(from_fn_with_state(edge.settings.admin, guard))
}

async fn guard(State(access): State<AdminAccess>, request: Request, next: Next) -> Response<Body> {
    let remote = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let remote = remote.map(|ConnectInfo(remote)| *remote);
    if let Err(reason) = check(access, remote, request.headers()) {
        let (method, path) = (request.method(), request.uri().path());
        warn!(?remote, %method, path, reason, "admin request refused");
        return refuse(ErrorKind::Forbidden, reason);
    }
    next.run(request).await
}

/// Headers of those who come in somebody else's name: a proxy on this machine makes the whole world local.
const FORWARDED: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

fn check(
    access: AdminAccess,
    remote: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Result<(), &'static str> {
    // Pages of other sites can make an operator's browser send this, from wherever it is.
    if headers.contains_key(header::ORIGIN) {
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
            if FORWARDED.iter().any(|name| headers.contains_key(name)) {
                return Err("admin requests are not taken through a proxy (admin.allow)");
            }
            Ok(())
        }
    }
}

async fn drain(State(edge): State<Edge>, Path(id): Path<String>) -> Response<Body> {
    answer(
        StatusCode::ACCEPTED,
        worker(&id).map(|id| edge.host.drain(id)),
    )
}

async fn undrain(State(edge): State<Edge>, Path(id): Path<String>) -> Response<Body> {
    answer(StatusCode::OK, worker(&id).map(|id| edge.host.undrain(id)))
}

async fn restart(State(edge): State<Edge>) -> Response<Body> {
    answer(StatusCode::ACCEPTED, Some(edge.host.restart_workers()))
}

async fn restarting(State(edge): State<Edge>) -> Response<Body> {
    Json(edge.host.rolling_restart()).into_response()
}

/// `None`: there is no such worker, as its number is none.
fn answer<T: serde::Serialize>(
    status: StatusCode,
    result: Option<Result<T, DrainError>>,
) -> Response<Body> {
    match result {
        Some(Ok(body)) => (status, Json(body)).into_response(),
        Some(Err(err)) => refuse(err.kind(), &err.to_string()),
        None => refuse(ErrorKind::NotFound, "workers are named by their numbers"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

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
    fn neither_proxies_nor_pages_borrow_this_machines_rights() {
        for header in ["forwarded", "via", "x-forwarded-for", "x-real-ip", "origin"] {
            assert!(!asked(AdminAccess::Loopback, "127.0.0.1:1", Some(header)));
        }
        assert!(asked(AdminAccess::Everybody, "10.0.0.1:1", Some("via")));
        assert!(!asked(AdminAccess::Everybody, "10.0.0.1:1", Some("origin")));
    }
}
