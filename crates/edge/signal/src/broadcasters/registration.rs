//! Coming and going.

use std::fmt::Write as _;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse as _,
};
use plenum_api::{
    error::ErrorKind,
    grants::{Grants, Role},
};
use plenum_host::{Way, Who};
use plenum_ids::RoomName;
use plenum_params::{ortc, rtp_parameters::RtpCapabilities};
use plenum_room::{Admission, Door, PeerInfo, PeerReply, PeerRequest};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tracing::{Instrument as _, debug, info_span};

use super::{
    body::{self, Registration, required},
    failure::{Failure, Generation, text},
    media::Named,
    watch::Watch,
};
use crate::{
    Edge,
    admission::made_up,
    caller::Caller,
    dispatch::{answering, elsewhere},
    far,
    guest::{self, Guest, GuestEvent},
};

/// What the room's router can do, in the shapes of both generations at once.
pub(super) async fn room(
    State(edge): State<Edge>,
    Path(room): Path<String>,
    caller: Caller,
) -> Response<Body> {
    match capabilities(&edge, &room, &caller).await {
        Ok(value) => Json(value).into_response(),
        Err(failure) => failure.response(Generation::Newest),
    }
}

async fn capabilities(edge: &Edge, room: &str, caller: &Caller) -> Result<Value, Failure> {
    let knock = caller.knock(room, None, Door::Broadcaster);
    let (room, mut admission) = edge.admit(&knock)?;
    // To ask makes no room: what one would have is known without it.
    let capabilities = if edge.has_room(&room).await {
        // It looks in for a moment, and whoever its token names may be there as well.
        admission.peer = made_up();
        (admission.grants.hidden, admission.keeps_room) = (true, false);
        let way = way(edge, &room, &admission).await?;
        let (guest, _) = enter(edge, way, admission).await?;
        match guest.request(PeerRequest::GetRouterRtpCapabilities).await? {
            PeerReply::RouterRtpCapabilities(capabilities) => capabilities,
            _ => return Err(Failure::unexpected()),
        }
    } else {
        edge.host.capabilities()
    };
    Ok(json!({
        "codecs": capabilities.codecs,
        "headerExtensions": capabilities.header_extensions,
        "routerRtpCapabilities": *capabilities,
    }))
}

/// A broadcaster comes in.
pub(super) async fn create(
    State(edge): State<Edge>,
    Path(room): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Response<Body> {
    // Nothing of strangers is read.
    if let Err(denied) = edge.admit(&caller.knock(&room, None, Door::Broadcaster)) {
        return Failure::from(denied).response(Generation::Classic);
    }
    let registration: Registration = match body::read(&body) {
        Ok(registration) => registration,
        Err(failure) => return failure.response(Generation::Classic),
    };
    let generation = if registration.peer_id.is_some() {
        Generation::Newest
    } else {
        Generation::Classic
    };
    match register(&edge, &room, &caller, registration, generation).await {
        Ok(response) => response,
        Err(Failure {
            node: Some(node), ..
        }) => far::forward(&edge, &node, &caller, &body).await,
        Err(failure) => failure.response(generation),
    }
}

async fn register(
    edge: &Edge,
    room: &str,
    caller: &Caller,
    registration: Registration,
    generation: Generation,
) -> Result<Response<Body>, Failure> {
    let id = match generation {
        Generation::Classic => required(registration.id.as_deref(), "body.id")?,
        Generation::Newest => required(registration.peer_id.as_deref(), "body.peerId")?,
    };
    let name = required(registration.display_name.as_deref(), "body.displayName")?;
    let device = registration.device.unwrap_or_default();
    let device_name = device.get("name").and_then(Value::as_str);
    required(device_name, "body.device.name")?;
    let knock = caller.knock(room, Some(id), Door::Broadcaster);
    let (room, mut admission) = edge.admit(&knock)?;
    edge.await_turn_of(caller, (&room, &admission))?;
    admission.keeps_room = false;
    let key = (room, admission.peer.clone());
    if generation == Generation::Newest && !edge.has_room(&key.0).await {
        return Err(Failure::new(ErrorKind::NotFound, "room not found"));
    }
    if generation == Generation::Classic && edge.broadcasters.find(&key).is_some() {
        let reason = format!("broadcaster with id \"{id}\" already exists");
        return Err(Failure::new(ErrorKind::Conflict, reason));
    }
    let grants = effective(&admission);
    let join = Join::new(&admission, name, device, generation);
    let capabilities = registration.rtp_capabilities;
    let way = way(edge, &key.0, &admission).await?;
    // Programs of mediasoup-demo's day go on with the address that they began with.
    let follows = caller.find("redirects").is_some_and(|left| left != "0");
    if let Some(location) = elsewhere(&way, caller).filter(|_| follows) {
        return Err(Failure::elsewhere(location));
    }
    if let Some(node) = answering(&way, caller) {
        return Err(Failure::at(node));
    }
    let (guest, events) = enter(edge, way, admission).await?;
    let peers = match generation {
        Generation::Classic => Some(join.ask(&guest, capabilities.clone()).await?),
        Generation::Newest => None,
    };
    let location = format!("{}/{}", caller.path(), segment(key.1.as_str()));
    let span = info_span!("broadcaster", room = %key.0, peer = %key.1);
    let said = (join, grants);
    let added = edge
        .broadcasters
        .add(key, guest.clone(), generation, capabilities.clone(), said);
    let (place, ended) = added.ok_or_else(too_many)?;
    debug!(parent: &span, ?generation, "broadcaster registered");
    let watch = Watch {
        guest,
        events,
        place,
        ended,
        idle_timeout: edge.settings.broadcast.idle_timeout,
        open: edge.count_connection(),
    };
    tokio::spawn(watch.run().instrument(span));
    Ok(match peers {
        Some(peers) => {
            let peers = classic_peers(&peers, capabilities.as_ref());
            Json(json!({ "peers": peers })).into_response()
        }
        None => created(&location, text(StatusCode::CREATED, "broadcaster created")),
    })
}

fn too_many() -> Failure {
    let reason = "the server has as many broadcasters as it may have";
    Failure::refused(ErrorKind::Unavailable, reason)
}

/// What somebody may do after all.
pub(super) fn effective(admission: &Admission) -> Grants {
    admission
        .grants
        .within(admission.role.unwrap_or(Role::Speaker))
}

/// A name as a part of a path (RFC 3986 §2.1).
fn segment(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // To write into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

async fn way(edge: &Edge, room: &RoomName, admission: &Admission) -> Result<Way, Failure> {
    let way = edge.host.locate(room, &Who::from(admission)).await;
    Ok(way.inspect_err(|err| edge.metrics.note_refusal(*err))?)
}

async fn enter(
    edge: &Edge,
    way: Way,
    admission: Admission,
) -> Result<(Guest, mpsc::Receiver<GuestEvent>), Failure> {
    let entered = guest::enter_by(&edge.host, way, admission).await;
    Ok(entered.inspect_err(|err| edge.metrics.note_refusal(*err))?)
}

/// 201 and where it is now.
pub(super) fn created(location: &str, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What a broadcaster says of itself when it joins.
#[derive(Clone, Debug)]
pub(super) struct Join {
    display_name: String,
    device: Value,
}

impl Join {
    fn new(
        admission: &Admission,
        name: &str,
        mut device: Map<String, Value>,
        generation: Generation,
    ) -> Self {
        if generation == Generation::Classic {
            device.insert("flag".to_owned(), Value::from("broadcaster"));
        }
        let device = ["flag", "name", "version"]
            .into_iter()
            .filter_map(|member| {
                let value = device.get(member)?;
                Some((member.to_owned(), value.clone()))
            });
        Self {
            display_name: admission.name.clone().unwrap_or_else(|| name.to_owned()),
            device: Value::Object(device.collect()),
        }
    }

    async fn ask(
        &self,
        guest: &Guest,
        rtp_capabilities: Option<RtpCapabilities>,
    ) -> Result<Vec<PeerInfo>, Failure> {
        let device = self.device.clone();
        let joining = guest.join(&self.display_name, device, rtp_capabilities);
        Ok(joining.await?)
    }
}

/// Nobody, unless it can receive; then everybody with what it can.
fn classic_peers(peers: &[PeerInfo], capabilities: Option<&RtpCapabilities>) -> Vec<Value> {
    let Some(capabilities) = capabilities else {
        return Vec::new();
    };
    let peers = peers.iter().map(|peer| {
        let producers = peer.producers.iter();
        let producers = producers.filter(|it| ortc::can_consume(&it.consumable, capabilities));
        let producers: Vec<_> = producers
            .map(|it| json!({ "id": it.producer, "kind": it.kind }))
            .collect();
        json!({
            "id": peer.peer,
            "displayName": peer.display_name,
            "device": peer.device,
            "producers": producers,
        })
    });
    peers.collect()
}

/// Newest: from now on the others see it.
pub(super) async fn join(
    State(edge): State<Edge>,
    Path((room, id)): Path<(String, String)>,
    caller: Caller,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        let broadcaster = &named.broadcaster;
        broadcaster.join.ask(&broadcaster.guest, None).await?;
        broadcaster.note_joined();
        Ok(text(StatusCode::OK, "broadcaster joined"))
    })
    .await
}

/// A broadcaster goes.
pub(super) async fn remove(
    State(edge): State<Edge>,
    Path((room, id)): Path<(String, String)>,
    caller: Caller,
) -> Response<Body> {
    Named::run(&edge, &room, &id, &caller, async |named| {
        edge.broadcasters.remove(&named.key);
        Ok(match named.broadcaster.generation {
            Generation::Classic => text(StatusCode::OK, "broadcaster deleted"),
            Generation::Newest => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(segment("camera-1_a.b~"), "camera-1_a.b~");
        assert_eq!(segment("a b/c?ü"), "a%20b%2Fc%3F%C3%BC");
    }
}
