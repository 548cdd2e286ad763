//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one description in, one out, and a session under a URL of its own.
//!
//! ```text
//! POST /whip/{room}            offer → 201, Location: /sessions/{id}, answer      the client publishes
//! POST /whep/{room}[/{peer}]   offer → 201, Location: /sessions/{id}, answer      the client plays
//! PATCH /sessions/{id}         candidates → 204; new credentials → 200, ours
//! DELETE /sessions/{id}        → 200
//! ```
//!
//! Each session is a [`Guest`](crate::guest::Guest) of a room with one transport, and a task that sees to it (`publish`,
//! `play`) until the client deletes it, its media connection is lost, or the room sends it away. Who knows a session's URL
//! may end it: the identifier in it is random, and the answer to its making is the only place that tells it.

mod play;
mod publish;
mod refusal;
mod resource;
mod sessions;
mod setup;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderValue, Method, Response, StatusCode, header},
    middleware::Next,
    routing::{get, patch, post},
};
use plenum_api::ice::IceServer;

use crate::{
    Edge,
    caller::Caller,
    far,
    origins::{ACCEPT_PATCH, ACCEPT_POST},
};
use refusal::Refusal;
pub(crate) use sessions::Sessions;

/// The routes of both protocols.
pub(crate) fn router() -> Router<Edge> {
    // RFC 9725 §4.1: who asks with GET gets no content, and other methods are not allowed.
    let endpoint = || get(nothing).options(nothing);
    Router::new()
        .route("/whip/{room}", endpoint().merge(post(publish)))
        .route("/whep/{room}", endpoint().merge(post(play)))
        .route("/whep/{room}/{peer}", endpoint().merge(post(play_peer)))
        .route(
            "/sessions/{id}",
            patch(resource::change)
                .delete(resource::end)
                .get(nothing)
                .options(nothing),
        )
}

/// A session that was made.
struct Created {
    id: String,
    etag: String,
    answer: String,
    ice_servers: Vec<IceServer>,
}

async fn publish(
    State(edge): State<Edge>,
    Path(room): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    let result = publish::start(&edge, &room, &caller, &body).await;
    respond(&edge, result, &caller, &body).await
}

async fn play(
    State(edge): State<Edge>,
    Path(room): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    let result = play::start(&edge, &room, None, &caller, &body).await;
    respond(&edge, result, &caller, &body).await
}

async fn play_peer(
    State(edge): State<Edge>,
    Path((room, peer)): Path<(String, String)>,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    let result = play::start(&edge, &room, Some(peer), &caller, &body).await;
    respond(&edge, result, &caller, &body).await
}

async fn nothing() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Whoever asks with OPTIONS is told what is taken, whoever else answers that, too.
pub(crate) async fn tell_types(request: Request, next: Next) -> Response<Body> {
    let path = request.uri().path();
    let told = if request.method() != Method::OPTIONS {
        None
    } else if path.starts_with("/whip/") || path.starts_with("/whep/") {
        Some((ACCEPT_POST, SDP))
    } else if path.starts_with("/sessions/") {
        Some((ACCEPT_PATCH, FRAGMENT))
    } else {
        None
    };
    let mut response = next.run(request).await;
    if let Some((name, kind)) = told {
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(name, kind);
    }
    response
}

/// Type of a description.
const SDP: &str = "application/sdp";

/// Type of a fragment (RFC 8840 §9).
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// The answer of this node, or of the one that has the room.
async fn respond(
    edge: &Edge,
    result: Result<Created, Refusal>,
    caller: &Caller,
    body: &Bytes,
) -> Response<Body> {
    match result {
        Ok(created) => created.response(),
        Err(Refusal {
            node: Some(node), ..
        }) => far::forward(edge, &node, caller, body).await,
        Err(refusal) => refusal.response(),
    }
}

impl Created {
    fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.answer));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
        let location = format!("/sessions/{}", self.id);
        for (name, text) in [(header::LOCATION, location), (header::ETAG, self.etag)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
        for link in self.ice_servers.iter().flat_map(links) {
            if let Ok(value) = HeaderValue::from_str(&link) {
                headers.append(header::LINK, value);
            }
        }
        response
    }
}

/// One link for each address of a server (RFC 9725 §4.6).
fn links(server: &IceServer) -> impl Iterator<Item = String> {
    let proof = match (&server.username, &server.credential) {
        (Some(name), Some(secret)) => format!(
            "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
            quoted(name),
            quoted(secret)
        ),
        _ => String::new(),
    };
    server
        .urls
        .iter()
        .map(move |url| format!("<{url}>; rel=\"ice-server\"{proof}"))
}

/// RFC 9110 §5.6.4.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_of_a_server_is_a_link() {
        let server = IceServer {
            urls: vec![
                "turn:turn.example.org?transport=udp".to_owned(),
                "turns:turn.example.org".to_owned(),
            ],
            username: Some("1700000000:a\"b".to_owned()),
            credential: Some("c2VjcmV0".to_owned()),
        };
        let links: Vec<_> = links(&server).collect();
        assert_eq!(
            links[0],
            "<turn:turn.example.org?transport=udp>; rel=\"ice-server\"; username=\"1700000000:a\\\"b\"; \
             credential=\"c2VjcmV0\"; credential-type=\"password\""
        );
        assert_eq!(links.len(), 2);
    }
}
