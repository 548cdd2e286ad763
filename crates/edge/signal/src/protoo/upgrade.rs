//! From an HTTP request to a protoo connection, or to a refusal.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{
        Query,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header},
    response::IntoResponse as _,
};
use plenum_host::{ForcedCodec, RoomOptions};
use tracing::{Instrument as _, debug, info_span};

use super::{
    Dialect,
    connection::{Connection, Door},
    wire::{self, Wire},
};
use crate::{
    Edge,
    admission::{Denied, Knock, bearer},
    metrics::Stages,
};

/// Takes a client in, or refuses it before the WebSocket exists.
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
        return reject(StatusCode::FORBIDDEN, "sub-protocol \"protoo\" required");
    }
    let target = match Target::parse(uri) {
        Ok(target) => target,
        Err(reason) => return reject(StatusCode::BAD_REQUEST, reason),
    };
    let Target {
        options, dialect, ..
    } = target;
    let knock = Knock {
        token: bearer(headers, uri.query()),
        namespace: target.namespace.as_deref(),
        room: &target.room,
        peer: Some(&target.peer),
        unnamed: None,
        remote,
        headers,
        door: match dialect {
            Dialect::Newest => plenum_room::Door::Newest,
            _ => plenum_room::Door::Classic,
        },
    };
    let admitted = edge.admit(&knock).and_then(|admitted| {
        edge.await_turn(&admitted.0, &admitted.1.peer)?;
        Ok(admitted)
    });
    let (room, admission) = match admitted {
        Ok(admitted) => admitted,
        Err(denied) => return refuse(&denied),
    };
    let span = info_span!("peer", %room, peer = %admission.peer);
    let stages = Stages::new(Arc::clone(&edge.metrics), Instant::now());
    let door = Door {
        host: edge.host.clone(),
        room,
        admission,
        options,
        dialect,
    };
    let session = match door.enter().await {
        Ok(session) => session,
        Err(err) => {
            debug!(parent: &span, %err, "not let in");
            edge.metrics.note_refusal(err);
            return refuse(&err.into());
        }
    };
    let open = edge.count_connection();
    let edge = edge.clone();
    wire::bounded(websocket, &edge.settings).on_upgrade(move |socket| {
        async move {
            debug!("connected");
            let wire = Wire::new(socket, &edge.settings);
            Connection::new(wire, session, door, edge, stages)
                .run()
                .await;
            drop(open);
        }
        .instrument(span)
    })
}

const SUB_PROTOCOL: &str = "protoo";

const REJECT_REASON: HeaderName = HeaderName::from_static("x-websocket-reject-reason");

/// Where a client wants to go, from the query. Other parameters concern what is internal to other servers.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    namespace: Option<String>,
    room: String,
    peer: String,
    options: RoomOptions,
    dialect: Dialect,
}

impl Target {
    fn parse(uri: &Uri) -> Result<Self, &'static str> {
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| "the query cannot be understood")?;
        let find = |name| {
            query
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())
        };
        let (Some(room), Some(peer)) = (find("roomId"), find("peerId")) else {
            return Err("roomId and peerId are required");
        };
        Ok(Self {
            namespace: find("namespace").map(str::to_owned),
            room: room.to_owned(),
            peer: peer.to_owned(),
            options: options(find),
            dialect: Dialect::of_query(query.iter().map(|(name, _)| name.as_str())),
        })
    }
}

/// What the first one who comes may ask of the room.
fn options<'a>(find: impl Fn(&'static str) -> Option<&'a str>) -> RoomOptions {
    let says = |name| find(name) == Some("true");
    // Applications offer one choice; which of several counts is of no importance.
    let forced = [
        ("forceH264", ForcedCodec::H264),
        ("forceVP9", ForcedCodec::Vp9),
        ("forceVP8", ForcedCodec::Vp8),
        ("forceAV1", ForcedCodec::Av1),
    ];
    let forced = forced.into_iter().find(|(name, _)| says(name));
    // Browsers send `undefined` when nothing was chosen, and anything else that is no number counts as that.
    let replicas = find("consumerReplicas").and_then(|text| text.parse().ok());
    RoomOptions {
        consumer_replicas: replicas.unwrap_or(0),
        codecs: forced.map(|(_, codec)| codec),
        disable_bwe: says("disableBwe"),
        two_routers: says("usePipeTransports"),
    }
}

/// Programs learn from the body why, and whether to come again. Browsers show a page none of it; protoo's clients try
/// again by themselves.
fn refuse(denied: &Denied) -> Response<Body> {
    let mut response = denied.response();
    response
        .headers_mut()
        .extend(reject_headers(&denied.reason));
    response
}

fn reject(status: StatusCode, reason: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(reason.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().extend(reject_headers(reason));
    response
}

fn reject_headers(reason: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Ok(reason) = HeaderValue::from_str(reason) {
        headers.insert(REJECT_REASON, reason);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Target, &'static str> {
        let uri: Uri = format!("/?{query}").parse().expect("a URI");
        Target::parse(&uri)
    }

    #[test]
    fn names_are_decoded_and_other_parameters_do_not_matter() {
        assert_eq!(
            parse("roomId=a%20b&peerId=%C3%A4&usePipeTransports=false"),
            Ok(Target {
                namespace: None,
                room: "a b".into(),
                peer: "ä".into(),
                options: RoomOptions::default(),
                dialect: Dialect::Newest,
            })
        );
    }

    #[test]
    fn replicas_that_are_no_number_are_none() {
        for (text, replicas) in [("undefined", 0), ("NaN", 0), ("-1", 0), ("", 0), ("3", 3)] {
            let target = parse(&format!("roomId=a&peerId=b&consumerReplicas={text}"));
            let options = target.expect("named").options;
            assert_eq!(options.consumer_replicas, replicas, "{text}");
        }
    }

    #[test]
    fn who_comes_first_may_choose_what_the_room_is_like() {
        let options = |query: &str| {
            let target = parse(&format!("roomId=a&peerId=b&{query}"));
            target.expect("named").options
        };
        let forced = |query| options(query).codecs;
        assert_eq!(forced("forceH264=true"), Some(ForcedCodec::H264));
        assert_eq!(forced("forceVP9=true"), Some(ForcedCodec::Vp9));
        assert_eq!(forced("forceH264=false&forceVP9=undefined"), None);
        assert_eq!(
            options("usePipeTransports=true&disableBwe=true"),
            RoomOptions {
                two_routers: true,
                disable_bwe: true,
                ..RoomOptions::default()
            }
        );
        let nothing = options("usePipeTransports=false&disableBwe=1");
        assert_eq!(nothing, RoomOptions::default());
    }

    #[test]
    fn missing_or_empty_names_are_refused() {
        for query in ["", "roomId=a", "peerId=a", "roomId=&peerId=a"] {
            assert!(parse(query).is_err(), "{query}");
        }
    }
}
