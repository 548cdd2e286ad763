//! HTTP requests at one node that another one answers.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header},
};
use plenum_api::error::ErrorKind;
use plenum_host::{ConnectError, Tunnel};
use plenum_ids::NodeId;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tokio::time::{Duration, timeout};
use tower_service::Service as _;
use tracing::debug;

use super::{Opening, to_json};
use crate::{Edge, admission::Denied, caller::Caller, edge::Remote};

/// Of a request that another node has passed on: it is answered here, whoever else could.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarded;

/// A WHEP request waits for the room's answers, and a lobby for a host; longer than clients wait is of no use.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// Concern the connection that a message came over (RFC 9110 §7.6.1), or are made anew.
const OF_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::DATE,
];

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: String,
    /// Path and query.
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    /// Where the client is.
    remote: Option<SocketAddr>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Has another node answer a request.
pub(crate) async fn forward(
    edge: &Edge,
    node: &NodeId,
    caller: &Caller,
    body: &Bytes,
) -> Response<Body> {
    let query = caller.query().map(|query| format!("?{query}"));
    let asked = Asked {
        method: caller.method().to_string(),
        target: format!("{}{}", caller.path(), query.unwrap_or_default()),
        headers: written(caller.headers()),
        body: String::from_utf8_lossy(body).into_owned(),
        remote: caller.remote(),
    };
    let answering = timeout(ANSWER_WITHIN, ask(edge, node, asked));
    let answered = answering.await.unwrap_or(Err(ConnectError::Unreachable));
    match answered.map(response) {
        Ok(Some(response)) => response,
        Ok(None) => Denied::new(ErrorKind::Internal, "the other node's answer is none").response(),
        Err(err) => {
            debug!(%node, %err, "another node does not answer for it");
            Denied::from(err).response()
        }
    }
}

/// Has another node do what somebody may order of whom nobody else knows.
pub(crate) async fn order(
    edge: &Edge,
    node: &NodeId,
    path: &str,
    body: &impl Serialize,
) -> Result<Response<Body>, ConnectError> {
    let headers = [("content-type", "application/json")];
    let asked = Asked {
        method: Method::POST.to_string(),
        target: path.to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        body: to_json(body).to_string(),
        remote: None,
    };
    let answering = timeout(ANSWER_WITHIN, ask(edge, node, asked));
    let answered = answering.await.unwrap_or(Err(ConnectError::Unreachable))?;
    response(answered).ok_or(ConnectError::Refused)
}

async fn ask(edge: &Edge, node: &NodeId, asked: Asked) -> Result<Answered, ConnectError> {
    let opening = to_json(&Opening::Request);
    let mut tunnel = edge.host.tunnel(node, &opening).await?;
    let sent = tunnel.send(to_json(&asked)).await;
    sent.map_err(|_| ConnectError::Unreachable)?;
    let answer = tunnel.recv().await.ok_or(ConnectError::Unreachable)?;
    serde_json::from_value(answer).map_err(|_| ConnectError::Refused)
}

/// The far side.
pub(super) async fn answer(edge: Edge, mut tunnel: Tunnel) {
    let Some(asked) = tunnel.recv().await else {
        return;
    };
    let answered = match serde_json::from_value(asked).ok().and_then(request) {
        Some(request) => {
            // It never fails.
            let Ok(response) = edge.far_router().call(request).await;
            response
        }
        None => Denied::new(ErrorKind::BadRequest, "that is no request").response(),
    };
    let (parts, body) = answered.into_parts();
    let body = to_bytes(body, MAX_ANSWER).await.unwrap_or_default();
    let answered = Answered {
        status: parts.status.as_u16(),
        headers: written(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    // Who has gone meanwhile need not know.
    let _ = tunnel.send(to_json(&answered)).await;
}

/// Answers of the doors are descriptions and lists of a room's streams.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

fn request(asked: Asked) -> Option<Request> {
    let method = Method::from_bytes(asked.method.as_bytes()).ok()?;
    let request = Request::builder().method(method).uri(asked.target);
    let mut request = request.body(Body::from(asked.body)).ok()?;
    *request.headers_mut() = read(asked.headers);
    request.extensions_mut().insert(Forwarded);
    if let Some(remote) = asked.remote {
        request.extensions_mut().insert(Remote(remote));
    }
    Some(request)
}

fn response(answered: Answered) -> Option<Response<Body>> {
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).ok()?;
    *response.headers_mut() = read(answered.headers);
    Some(response)
}

/// Headers as text; what is none is of no use to any door.
fn written(headers: &HeaderMap) -> Vec<(String, String)> {
    let headers = headers
        .iter()
        .filter(|(name, _)| !OF_CONNECTION.contains(name));
    let headers = headers.filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    headers.collect()
}

fn read(headers: Vec<(String, String)>) -> HeaderMap {
    let headers = headers.into_iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name).ok()?;
        Some((name, HeaderValue::try_from(value).ok()?))
    });
    // Several of one name stay several.
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_cross_nodes_as_they_are() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("a/b"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("3"));
        headers.append(header::LINK, HeaderValue::from_static("<a>"));
        headers.append(header::LINK, HeaderValue::from_static("<b>"));
        let asked = Asked {
            method: "PATCH".to_owned(),
            target: "/sessions/a.b?c=d".to_owned(),
            headers: written(&headers),
            body: "v=0".to_owned(),
            remote: None,
        };
        let asked = serde_json::from_value(to_json(&asked)).expect("a request");
        let request = request(asked).expect("a request");
        assert_eq!(request.method(), Method::PATCH);
        assert_eq!(request.uri().query(), Some("c=d"));
        assert!(!request.headers().contains_key(header::CONTENT_LENGTH));
        assert_eq!(request.headers().get_all(header::LINK).iter().count(), 2);
        assert!(request.extensions().get::<Forwarded>().is_some());
        let strange = Answered {
            status: 7,
            headers: Vec::new(),
            body: String::new(),
        };
        assert!(response(strange).is_none());
    }
}
