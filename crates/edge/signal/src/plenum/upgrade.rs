//! From an HTTP request to a session of our own dialect, or to a refusal.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{
        Query,
        ws::{Utf8Bytes, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, Response, Uri},
    response::IntoResponse as _,
};
use plenum_api::{
    error::ErrorKind,
    plenum::{CloseWord, Redirect},
};
use plenum_host::{ConnectError, Tunnel, Way};
use plenum_ids::NodeId;
use plenum_room::{Admission, Door};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use tracing::{Instrument as _, Span, debug, info_span};

use super::{
    client::Client,
    closing::{SERVICE_RESTART, no_session},
    moving::Home,
    outgoing::come_back,
    sessions::{Resumption, parted},
};
use crate::{
    Edge,
    admission::{Denied, Knock, bearer},
    far::{self, Entering, Opening},
    leaving,
    metrics::Stages,
    protoo::wire::{self, Socket, Wire},
    reply::refuse,
};

/// Takes a client in. Whoever may not come in hears it from the WebSocket, because browsers show a page nothing else.
pub(crate) async fn upgrade(
    edge: &Edge,
    uri: &Uri,
    headers: &HeaderMap,
    remote: Option<SocketAddr>,
    websocket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    let websocket = match websocket {
        Ok(websocket) => websocket.protocols([SUB_PROTOCOL]),
        Err(rejection) => return rejection.into_response(),
    };
    if websocket.selected_protocol().is_none() {
        return refuse(ErrorKind::Forbidden, "sub-protocol \"plenum\" required");
    }
    let websocket = wire::bounded(websocket, &edge.settings);
    let Ok(Query(target)) = Query::<Target>::try_from_uri(uri) else {
        let reason = "the query cannot be understood";
        return deny(edge, websocket, &Denied::new(ErrorKind::BadRequest, reason));
    };
    if let Some(token) = &target.resume {
        return resume(edge, websocket, token, target.seq).await;
    }
    let knock = Knock {
        token: bearer(headers, uri.query()),
        namespace: target.namespace.as_deref(),
        room: target.room.as_deref().unwrap_or_default(),
        peer: target.peer.as_deref(),
        unnamed: None,
        remote,
        headers,
        door: Door::Plenum,
    };
    let admitted = edge.admit(&knock).and_then(|admitted| {
        edge.await_turn(&admitted.0, &admitted.1.peer)?;
        Ok(admitted)
    });
    match admitted {
        Ok((room, admission)) => {
            let home = Home {
                host: edge.host.clone(),
                room,
                admission: Admission {
                    catalog: true,
                    batch: true,
                    ..admission
                },
            };
            match home.locate().await {
                Ok(way) => match way.redirect() {
                    Some(url) if target.redirects > 0 => redirect(edge, websocket, url, &way),
                    _ => match far::node_of(&way) {
                        Some(node) => enter_elsewhere(edge, websocket, home, (node, &way)).await,
                        None => enter(edge, websocket, home, way).await,
                    },
                },
                Err(err) => {
                    debug!(room = %home.room, peer = %home.admission.peer, %err, "not let in");
                    edge.metrics.note_refusal(err);
                    deny(edge, websocket, &err.into())
                }
            }
        }
        Err(denied) => deny(edge, websocket, &denied),
    }
}

const SUB_PROTOCOL: &str = "plenum";

/// A node that lives answers over its link in some round trips. A machine that is gone is not waited for: its client begins anew.
pub(super) const FOUND_WITHIN: Duration = Duration::from_secs(3);

/// Where a client wants to go, from the query.
#[derive(Debug, Deserialize)]
struct Target {
    room: Option<String>,
    peer: Option<String>,
    namespace: Option<String>,
    resume: Option<String>,
    #[serde(default)]
    seq: u64,
    /// To how many further nodes it would go.
    #[serde(default)]
    redirects: u32,
}

async fn enter(edge: &Edge, websocket: WebSocketUpgrade, home: Home, way: Way) -> Response<Body> {
    let span = info_span!("peer", room = %home.room, peer = %home.admission.peer);
    let stages = Stages::new(Arc::clone(&edge.metrics), Instant::now());
    let session = match home.enter(way).await {
        Ok(session) => session,
        Err(err) => {
            debug!(parent: &span, %err, "not let in");
            edge.metrics.note_refusal(err);
            return deny(edge, websocket, &err.into());
        }
    };
    let Some(ticket) = edge.sessions.register(edge.node()) else {
        let reason = "the system has no random numbers";
        return deny(edge, websocket, &Denied::new(ErrorKind::Internal, reason));
    };
    let open = edge.count_connection();
    let edge = edge.clone();
    // The session is not the socket's: it goes on in this task when the socket is gone.
    websocket.on_upgrade(move |socket| {
        async move {
            debug!("connected");
            let wire = Wire::new(socket, &edge.settings);
            Client::new(edge, wire, ticket, (home, session), stages)
                .run()
                .await;
            drop(open);
        }
        .instrument(span)
    })
}

/// The room is at another node, which serves the client; this one has its socket.
async fn enter_elsewhere(
    edge: &Edge,
    websocket: WebSocketUpgrade,
    home: Home,
    (node, way): (&NodeId, &Way),
) -> Response<Body> {
    let span = info_span!("peer", room = %home.room, peer = %home.admission.peer);
    let opening = Opening::Enter(Box::new(Entering {
        room: home.room,
        admission: home.admission,
        because: way.reasons().to_vec(),
    }));
    if edge.host.is_drained() {
        let err = ConnectError::NodeDraining;
        edge.metrics.note_refusal(err);
        return deny(edge, websocket, &err.into());
    }
    match far::open(&edge.host, node, &opening).await {
        Ok(tunnel) => pass_on(edge, websocket, tunnel, span),
        Err(err) => {
            debug!(parent: &span, %err, "not let in");
            edge.metrics.note_refusal(err);
            deny(edge, websocket, &err.into())
        }
    }
}

fn pass_on(edge: &Edge, websocket: WebSocketUpgrade, tunnel: Tunnel, span: Span) -> Response<Body> {
    let open = edge.count_connection();
    let departing = edge.host.departing();
    websocket.on_upgrade(move |socket| {
        async move {
            debug!("served by another node");
            tokio::select! {
                () = far::pass_on(socket, tunnel) => {}
                // Without a word: it goes on through another node.
                () = leaving::due(departing) => {}
            }
            drop(open);
        }
        .instrument(span)
    })
}

/// Tells a client where its room is better reached. A session there is none.
fn redirect(edge: &Edge, websocket: WebSocketUpgrade, url: &str, way: &Way) -> Response<Body> {
    let reason = way.reasons().join("; ");
    debug!(room = %way.room(), url, reason, "sent to another node");
    let data = Redirect {
        url,
        reason: &reason,
    };
    let told = json!({ "notification": true, "method": "redirect", "data": data }).to_string();
    let reason = CloseWord::Moved.with("go to the node that you were told");
    let settings = Arc::clone(&edge.settings);
    websocket.on_upgrade(move |socket| async move {
        let wire = Wire::new(socket, &settings);
        // Who is gone already need not be told.
        if wire.send(told).is_ok() {
            wire.close(SERVICE_RESTART, reason).await;
        }
    })
}

async fn resume(
    edge: &Edge,
    websocket: WebSocketUpgrade,
    token: &str,
    seen: u64,
) -> Response<Body> {
    let (node, _) = parted(token);
    if let Some(node) = node.filter(|node| edge.node() != Some(node)) {
        if edge.host.is_drained() {
            // Another node leads there.
            return Denied::from(ConnectError::NodeDraining).response();
        }
        let opening = Opening::Resume {
            token: token.to_owned(),
            seen,
            quiet: false,
        };
        let opening = timeout(FOUND_WITHIN, far::open(&edge.host, &node, &opening)).await;
        return match opening.unwrap_or(Err(ConnectError::Unreachable)) {
            Ok(tunnel) => pass_on(edge, websocket, tunnel, info_span!("resumed")),
            // Another node leads there.
            Err(err @ ConnectError::ShuttingDown) => Denied::from(err).response(),
            // The node with the session is gone: there is nothing to go on with.
            Err(err) => {
                debug!(%node, %err, "no way to a session");
                let settings = Arc::clone(&edge.settings);
                websocket.on_upgrade(move |socket| async move {
                    close(socket.into(), &settings).await;
                })
            }
        };
    }
    let session = edge.sessions.find(token);
    let settings = Arc::clone(&edge.settings);
    websocket.on_upgrade(move |socket| async move {
        let resumption = Resumption {
            socket: socket.into(),
            seen,
            quiet: false,
        };
        let left = match session {
            Some(session) => session.try_send(resumption).err(),
            None => return close(resumption.socket, &settings).await,
        };
        // It has ended just now, or somebody else comes at the same time.
        if let Some(left) = left {
            close(left.into_inner().socket, &settings).await;
        }
    })
}

pub(super) async fn close(socket: Socket, settings: &crate::Settings) {
    let wire = Wire::new(socket, settings);
    let (code, reason) = no_session();
    wire.close(code, reason).await;
}

fn deny(edge: &Edge, websocket: WebSocketUpgrade, denied: &Denied) -> Response<Body> {
    let code = denied.kind.close_code();
    let reason = CloseWord::from(denied.kind).with(&denied.reason);
    let reason = Utf8Bytes::from(shortened(&reason));
    let settings = Arc::clone(&edge.settings);
    let slot = denied.slot;
    websocket.on_upgrade(move |socket| async move {
        let wire = Wire::new(socket, &settings);
        if let Some(slot) = slot {
            // Whoever does not hear it waits as long as it thinks fit.
            let _ = wire.send(come_back(slot));
        }
        wire.close(code, reason).await;
    })
}

/// What fits into a close frame (RFC 6455 §5.5).
fn shortened(reason: &str) -> &str {
    let end = (0..=MAX_REASON)
        .rev()
        .find(|end| reason.is_char_boundary(*end));
    reason.get(..end.unwrap_or_default()).unwrap_or(reason)
}

/// 125 bytes of a control frame without the code.
const MAX_REASON: usize = 123;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_into_a_close_frame() {
        assert_eq!(shortened("no"), "no");
        assert_eq!(shortened(""), "");
        assert_eq!(shortened(&"x".repeat(200)).len(), 123);
        assert_eq!(shortened(&format!("{}ä", "x".repeat(122))).len(), 122);
    }
}
