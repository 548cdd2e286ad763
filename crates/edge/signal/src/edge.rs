//! All doors of a node on one port.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{
        ConnectInfo, DefaultBodyLimit, Request, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::IntoResponse,
    routing::{any, get},
};
use plenum_api::{
    error::ErrorKind,
    status::{Readiness, Stats},
};
use plenum_auth::Verifier;
use plenum_host::Host;
use plenum_ids::RoomName;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    NodeLog, Settings, Tls,
    addresses::Addresses,
    admission::Denied,
    api, broadcasters, dispatch,
    listening::{self, Doorman},
    metrics::{CONTENT_TYPE, Metrics},
    page, plenum, protoo, remote,
    slots::Slots,
    socketio,
    webhooks::Webhooks,
    whip::{self, Sessions},
};

/// Signalling, status and web page. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Edge {
    pub(crate) host: Host,
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Arc<Metrics>,
    /// What tokens are checked with; `None`: nobody needs one.
    pub(crate) keys: Option<Arc<Verifier>>,
    /// Those of our own dialect, which outlive their sockets.
    pub(crate) sessions: plenum::Sessions,
    /// Those of REST.
    pub(crate) broadcasters: broadcasters::Registry,
    /// Sessions of WHIP and WHEP.
    pub(crate) http_sessions: Sessions,
    pub(crate) addresses: Arc<Addresses>,
    /// Who comes when, while many come at once.
    pub(crate) slots: Arc<Slots>,
    pub(crate) webhooks: Webhooks,
    pub(crate) log: Option<NodeLog>,
    open: watch::Sender<usize>,
}

impl Edge {
    /// Doors to the rooms of a host.
    #[must_use]
    pub fn new(host: Host, settings: Settings) -> Self {
        let (version, revision) = (
            settings.announced_version.clone(),
            settings.revision.clone(),
        );
        let figures = {
            let host = host.clone();
            move || host.figures()
        };
        Self {
            host,
            metrics: Arc::new(Metrics::new(version, revision, figures)),
            addresses: Arc::new(Addresses::new(settings.addresses, Instant::now())),
            slots: Arc::new(Slots::new(Instant::now())),
            keys: None,
            sessions: plenum::Sessions::default(),
            broadcasters: broadcasters::Registry::new(settings.broadcast.max_broadcasters),
            http_sessions: Sessions::new(settings.broadcast.max_sessions),
            settings: Arc::new(settings),
            webhooks: Webhooks::default(),
            log: None,
            open: watch::Sender::new(0),
        }
    }

    /// From now on whoever wants into a room has to show a token.
    #[must_use]
    pub fn with_tokens(mut self, keys: Arc<Verifier>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Operators may look after these webhooks.
    #[must_use]
    pub fn with_webhooks(mut self, webhooks: Webhooks) -> Self {
        self.webhooks = webhooks;
        self
    }

    /// Operators may change what the node logs.
    #[must_use]
    pub fn with_log(mut self, log: NodeLog) -> Self {
        self.log = Some(log);
        self
    }

    /// Serves until `shutdown` completes. Signalling connections go on until the host ends them: see
    /// [`Self::drained`]. May be called once for each of several ports.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Option<&Tls>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        self.serve_far_clients();
        let doorman = Doorman {
            addresses: Arc::clone(&self.addresses),
            settings: Arc::clone(&self.settings),
        };
        listening::serve(listener, doorman, tls, self.router(), shutdown).await
    }

    /// Serves `/metrics` and nothing else until `shutdown` completes, for networks that only operators reach.
    pub async fn serve_metrics(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(self.clone());
        axum::serve(listener, router)
            .with_graceful_shutdown(shutdown)
            .await
    }

    /// Completes when no signalling connection is open.
    pub async fn drained(&self) {
        let mut open = self.open.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = open.wait_for(|count| *count == 0).await;
    }

    /// The routes, for serving them in another way. Without `ConnectInfo<SocketAddr>` nobody counts as local.
    pub fn router(&self) -> Router {
        let mut router = Router::new();
        if self.settings.metrics {
            router = router.route("/metrics", get(metrics));
        }
        let router = router
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/stats", get(stats))
            .route("/workers", get(stats))
            .merge(api::router(self));
        let router = if self.settings.clients {
            self.with_doors(router)
        } else {
            router.fallback(no_doors)
        };
        let router = router
            .layer(DefaultBodyLimit::max(self.settings.max_body_size))
            .layer(from_fn_with_state(self.clone(), count_request));
        // Around the count, so that pages can read that they ask too often.
        let router = match self.settings.origins.cors() {
            Some(cors) => router.layer(cors),
            None => router,
        };
        // Around the answers to browsers' questions, which say nothing of this.
        router
            .layer(from_fn(whip::tell_types))
            .with_state(self.clone())
    }

    /// Doors for requests that other nodes pass on.
    pub(crate) fn far_router(&self) -> Router {
        let router = broadcasters::router(self).merge(whip::router());
        let router = router.merge(api::far_router());
        let router = router.layer(DefaultBodyLimit::max(self.settings.max_body_size));
        router.with_state(self.clone())
    }

    /// What is for clients.
    fn with_doors(&self, router: Router<Self>) -> Router<Self> {
        router
            .merge(socketio::router(self))
            .merge(broadcasters::router(self))
            .merge(whip::router())
            .route("/protoo", any(protoo_signalling))
            .route("/plenum", any(plenum_signalling))
            .route("/", any(page_or_signalling))
            .route("/dispatch", get(dispatch::dispatch))
            .fallback(embedded_page)
    }

    /// Whether somebody has made this room, here or at another node.
    pub(crate) async fn has_room(&self, name: &RoomName) -> bool {
        if self.host.room_summary(name).is_some() {
            return true;
        }
        match self.host.cluster() {
            Some(cluster) => cluster.knows_room(name).await,
            None => false,
        }
    }

    /// Counts a signalling connection as long as the result lives.
    pub(crate) fn count_connection(&self) -> OpenConnection {
        self.open.send_modify(|count| *count += 1);
        OpenConnection {
            open: self.open.clone(),
        }
    }
}

/// See [`Edge::count_connection`].
#[derive(Debug)]
pub(crate) struct OpenConnection {
    open: watch::Sender<usize>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.open.send_modify(|count| *count -= 1);
    }
}

/// Where a request comes from, for handlers: an extension of every request that came over a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// The first thing that happens to a request.
async fn count_request(
    State(edge): State<Edge>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(peer) = peer.copied() {
        let remote = edge.remote(peer, request.headers());
        let forwarded = remote::is_forwarded(request.headers());
        let addresses = &edge.addresses;
        if !addresses.take_request(remote.ip(), forwarded, Instant::now()) {
            let reason = "too many requests from this address";
            return Denied::new(ErrorKind::TooMany, reason).response();
        }
        request.extensions_mut().insert(Remote(remote));
    }
    next.run(request).await
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn page_or_signalling(
    State(edge): State<Edge>,
    remote: Option<Extension<Remote>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response<Body> {
    if wants_websocket(&headers) {
        let remote = remote.map(|Extension(Remote(remote))| remote);
        protoo::upgrade(&edge, &uri, &headers, remote, upgrade).await
    } else {
        page::serve(&method, &uri, &headers)
    }
}

async fn protoo_signalling(
    State(edge): State<Edge>,
    remote: Option<Extension<Remote>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response<Body> {
    let remote = remote.map(|Extension(Remote(remote))| remote);
    protoo::upgrade(&edge, &uri, &headers, remote, upgrade).await
}

async fn plenum_signalling(
    State(edge): State<Edge>,
    remote: Option<Extension<Remote>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response<Body> {
    let remote = remote.map(|Extension(Remote(remote))| remote);
    plenum::upgrade(&edge, &uri, &headers, remote, upgrade).await
}

/// Whoever comes here by mistake hears of it.
async fn no_doors() -> Response<Body> {
    let reason = "clients of this node speak to other nodes (node.role = \"media\")";
    Denied::new(ErrorKind::NotFound, reason).response()
}

async fn embedded_page(method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
    page::serve(&method, &uri, &headers)
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(edge): State<Edge>) -> Response<Body> {
    let result = edge.host.readiness();
    let body = Readiness {
        ready: result.is_ok(),
        reason: result.err().map(|err| err.to_string()),
        held_workers: edge.host.held_workers(),
    };
    let status = match result {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(body)).into_response()
}

async fn metrics(State(edge): State<Edge>) -> impl IntoResponse {
    edge.metrics.note_connections(*edge.open.borrow());
    (
        [(header::CONTENT_TYPE, CONTENT_TYPE)],
        edge.metrics.render(),
    )
}

/// Who may look after the node sees all rooms; everybody else those of nobody in particular, and how many there are.
async fn stats(
    State(edge): State<Edge>,
    remote: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Json<Stats> {
    let remote = remote.map(|Extension(ConnectInfo(remote))| remote);
    let everything = api::may_read_node(&edge, remote, &headers);
    Json(if everything {
        edge.host.stats().await
    } else {
        edge.host.public_stats().await
    })
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}
