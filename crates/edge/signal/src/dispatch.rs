//! Where somebody is to go: `GET /dispatch` for those who ask before they connect, and the address of the other node for those who
//! can be sent on.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse as _,
};
use plenum_api::admin::Dispatched;
use plenum_host::{Way, Who};
use plenum_ids::NodeId;
use plenum_room::Door;

use crate::{Edge, admission::Denied, caller::Caller};

/// What is asked for stands in the query, as at `/plenum`: `room`, `peer`, `namespace`, `token`.
pub(crate) async fn dispatch(State(edge): State<Edge>, caller: Caller) -> Response<Body> {
    match find(&edge, &caller).await {
        Ok(found) => {
            let mut response = Json(found).into_response();
            let headers = response.headers_mut();
            // It holds for this moment.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(denied) => denied.response(),
    }
}

async fn find(edge: &Edge, caller: &Caller) -> Result<Dispatched, Denied> {
    let room = caller.find("room").unwrap_or_default();
    let knock = caller.knock(room, caller.find("peer"), Door::Plenum);
    let (room, admission) = edge.admit(&knock)?;
    let way = edge.host.locate(&room, &Who::from(&admission)).await?;
    let here = edge.host.cluster().map(|cluster| &cluster.me().node);
    let node = way.node().map(|node| &node.node);
    let node = node.or(here);
    Ok(Dispatched {
        node: node.map(ToString::to_string),
        url: way.redirect().map(str::to_owned),
        here: way.is_here(),
        reasons: way.reasons().to_vec(),
    })
}

/// Says in a query that its sender has been sent on once: nobody sends him on again, whatever two nodes think of each other.
const PLACED: &str = "placed";

/// The address of the same request at the node that a way leads to, if clients reach that one.
pub(crate) fn elsewhere(way: &Way, caller: &Caller) -> Option<HeaderValue> {
    let url = way.redirect()?;
    if caller.find(PLACED).is_some() || caller.is_forwarded() {
        return None;
    }
    let (query, and) = match caller.query() {
        Some(query) if !query.is_empty() => (query, "&"),
        _ => ("", ""),
    };
    let location = format!("{url}{}?{query}{and}{PLACED}=1", caller.path());
    HeaderValue::from_str(&location).ok()
}

/// The node that is to answer instead of this one, for a client who cannot be sent there itself.
pub(crate) fn answering(way: &Way, caller: &Caller) -> Option<NodeId> {
    let node = way.node().filter(|_| !caller.is_forwarded());
    node.map(|node| node.node.clone())
}

/// 307: the same request again, with its body, at another node.
pub(crate) fn redirect(location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
