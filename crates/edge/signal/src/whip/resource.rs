//! Requests to a session that there is.

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderValue, Response, StatusCode, header},
};
use plenum_ids::NodeId;
use plenum_room::{PeerReply, PeerRequest};
use plenum_sdp::Fragment;

use super::{FRAGMENT, refusal::Refusal, sessions::Held};
use crate::{Edge, caller::Caller, far};

/// Candidates, or new credentials.
pub(super) async fn change(
    State(edge): State<Edge>,
    Path(id): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    if let Some(node) = elsewhere(&edge, &id, &caller) {
        return far::forward(&edge, &node, &caller, &body).await;
    }
    match patch(&edge, &id, &caller, &body).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(),
    }
}

/// The client goes.
pub(super) async fn end(
    State(edge): State<Edge>,
    Path(id): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    if let Some(node) = elsewhere(&edge, &id, &caller) {
        return far::forward(&edge, &node, &caller, &body).await;
    }
    match edge.http_sessions.remove(&id) {
        Some(_) => Response::new(Body::empty()),
        None => unknown().response(),
    }
}

/// The node that has a session, if that is another one which lives.
fn elsewhere(edge: &Edge, id: &str, caller: &Caller) -> Option<NodeId> {
    let cluster = edge.host.cluster().filter(|_| !caller.is_forwarded())?;
    let (node, _) = id.rsplit_once('.')?;
    let node = NodeId::from(node);
    let is_other = node != cluster.me().node && cluster.is_alive(&node);
    is_other.then_some(node)
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such session")
}

async fn patch(
    edge: &Edge,
    id: &str,
    caller: &Caller,
    body: &[u8],
) -> Result<Response<Body>, Refusal> {
    let held = edge.http_sessions.find(id).ok_or_else(unknown)?;
    if caller.content_type() != Some(FRAGMENT) {
        let reason = "only application/trickle-ice-sdpfrag is taken";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let Some(tags) = caller.header(header::IF_MATCH) else {
        let reason = "If-Match is required";
        return Err(Refusal::new(StatusCode::PRECONDITION_REQUIRED, reason));
    };
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the fragment is no text"))?;
    let fragment = Fragment::parse(text)?;
    let mut ice = held.ice.lock().await;
    let tag = ice.etag();
    let matches = tags.trim() == "*" || tags.split(',').any(|one| one.trim() == tag);
    if !matches {
        let reason = "ICE has restarted since";
        return Err(Refusal::new(StatusCode::PRECONDITION_FAILED, reason));
    }
    match fragment.credentials {
        Some(theirs) if theirs != ice.credentials => {
            let answer = restart(&held).await?;
            ice.generation += 1;
            ice.credentials = theirs;
            let mut response = Response::new(Body::from(answer));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
            if let Ok(tag) = HeaderValue::from_str(&ice.etag()) {
                headers.insert(header::ETAG, tag);
            }
            Ok(response)
        }
        // Checks bring the addresses; nothing has to be done about candidates.
        _ => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
    }
}

async fn restart(held: &Held) -> Result<String, Refusal> {
    let transport = held.transport;
    let body = PeerRequest::RestartIce { transport };
    match held.guest.request(body).await? {
        PeerReply::IceParameters(ours) => {
            let (kind, mid) = &held.section;
            let candidates = &held.info.ice_candidates;
            Ok(Fragment::write(&ours, candidates, kind, mid))
        }
        _ => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the room answered something else",
        )),
    }
}
