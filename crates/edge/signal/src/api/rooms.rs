//! `/api/v1/rooms`: rooms as wholes.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use plenum_api::{
    admin::{MuteWish, NewRoom, RoomChange, RoomDetail, RoomList, RoomSummary, VideoCodec},
    error::ErrorKind,
};
use plenum_host::{DEFAULT_EMPTY_TIMEOUT, ForcedCodec, Opening, RoomOptions, RoomPicture, Who};
use plenum_ids::{NamespaceId, RoomName};
use plenum_room::{AdminCommand, RoomProperties};
use serde::Deserialize;
use tracing::info;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Asked, At, Body, Perhaps},
    keys::Caller,
    media, namespaces, peers,
    refusal::{Answer, Refusal, detached},
    views,
};
use crate::{Edge, admission::made_up, far};

/// What is looked at.
pub(super) fn reading() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(namespaces::list))
        .routes(routes!(namespaces::get))
        .routes(routes!(list))
        .routes(routes!(get))
        .merge(peers::reading())
        .merge(media::reading())
}

/// What is changed.
pub(super) fn changing() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(open))
        .routes(routes!(change))
        .routes(routes!(close))
        .routes(routes!(mute))
        .merge(peers::changing())
        .merge(media::changing())
}

/// Which room.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RoomPath {
    /// Its namespace; `default` where none is named.
    namespace: String,
    /// Its name there.
    room: String,
}

impl RoomPath {
    pub(super) fn name(&self) -> RoomName {
        name(&self.namespace, &self.room)
    }
}

pub(super) fn name(namespace: &str, room: &str) -> RoomName {
    RoomName::new(namespace, room)
}

/// Everything in a room.
pub(super) async fn picture(edge: &Edge, room: &RoomName) -> Answer<RoomPicture> {
    let picture = edge.host.picture(room).await;
    picture.ok_or_else(|| Refusal::not_found("room"))
}

/// Does something to a room, also when the caller does not wait for it.
pub(super) async fn administer(
    edge: Edge,
    caller: Caller,
    room: RoomName,
    command: AdminCommand,
) -> Answer<StatusCode> {
    detached(async move {
        let said = format!("{command:?}");
        edge.host.administer(&room, command).await?;
        info!(%room, by = caller.name, command = said, "administered");
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Which rooms.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RoomsQuery {
    /// Only those of this namespace.
    namespace: Option<String>,
    /// No more than so many, at least one; without it all of them.
    #[param(minimum = 1)]
    limit: Option<u32>,
    /// What `next` said of the rooms before.
    cursor: Option<String>,
}

/// Rooms.
#[utoipa::path(
    get,
    path = "/rooms",
    operation_id = "listRooms",
    tag = "rooms",
    params(RoomsQuery),
    responses((status = 200, description = "Those that the key may see.", body = RoomList))
)]
async fn list(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<RoomsQuery>,
) -> Answer<Json<RoomList>> {
    if query.limit == Some(0) {
        return Err(Refusal::bad_request("limit is at least 1"));
    }
    let namespace = query.namespace.map(Into::into);
    let mut rooms = edge.host.rooms(namespace.as_ref());
    rooms.retain(|room| caller.sees(&room.namespace));
    Ok(Json(page(rooms, query.limit, query.cursor.as_deref())))
}

/// A part of what is sorted. A cursor names the last room before it, so that rooms that come and go meanwhile do not move others
/// from one part to another.
fn page(mut rooms: Vec<RoomSummary>, limit: Option<u32>, cursor: Option<&str>) -> RoomList {
    if let Some(cursor) = cursor {
        // No namespace has a slash in its name.
        let (namespace, room) = cursor.split_once('/').unwrap_or((cursor, ""));
        let seen = |it: &RoomSummary| (&*it.namespace, &*it.room) <= (namespace, room);
        rooms.drain(..rooms.partition_point(seen));
    }
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    let more = rooms.len() > limit;
    rooms.truncate(limit);
    let last = rooms.last().filter(|_| more);
    let next = last.map(|it| format!("{}/{}", it.namespace, it.room));
    RoomList { rooms, next }
}

/// A room with everything in it.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}",
    operation_id = "getRoom",
    tag = "rooms",
    params(RoomPath),
    responses((status = 200, description = "What is in it.", body = RoomDetail))
)]
async fn get(State(edge): State<Edge>, At(path): At<RoomPath>) -> Answer<Json<RoomDetail>> {
    let picture = picture(&edge, &path.name()).await?;
    Ok(Json(views::room(&picture)))
}

/// Makes a room before anybody comes, at the node of a cluster where the first one would go. It stays for `emptyTimeout` while nobody is there, now and later.
#[utoipa::path(
    post,
    path = "/rooms",
    operation_id = "openRoom",
    tag = "rooms",
    request_body = NewRoom,
    responses(
        (status = 201, description = "The room.", body = RoomDetail),
        (status = 409, description = "It is there already.", body = plenum_api::error::ErrorBody)
    )
)]
async fn open(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<NewRoom>,
) -> Answer<Response> {
    if !caller.sees(&wish.namespace) {
        let reason = "this key is for another namespace";
        return Err(Refusal::new(ErrorKind::Forbidden, reason));
    }
    check_new(&wish, edge.settings.max_name_length)?;
    detached(async move {
        let room = name(&wish.namespace, &wish.room);
        let by = caller.name;
        if edge.host.cluster().is_some() {
            if edge.has_room(&room).await {
                return Err(is_there());
            }
            let way = edge.host.locate(&room, &first()).await?;
            if let Some(node) = far::node_of(&way) {
                info!(%room, by, %node, "room ordered at another node");
                return Ok(far::order(&edge, node, FAR_PATH, &wish).await?);
            }
        }
        info!(%room, by, "room ordered");
        open_at_once(&edge, wish).await
    })
    .await
}

/// Where other nodes have rooms opened.
pub(super) const FAR_PATH: &str = "/api/v1/rooms";

/// Opens a room that another node has placed here.
pub(super) async fn open_here(
    State(edge): State<Edge>,
    Body(wish): Body<NewRoom>,
) -> Answer<Response> {
    detached(async move { open_at_once(&edge, wish).await }).await
}

async fn open_at_once(edge: &Edge, wish: NewRoom) -> Answer<Response> {
    let room = name(&wish.namespace, &wish.room);
    let (options, opening) = resolve(wish);
    if !edge.host.open(&room, options, opening)? {
        return Err(is_there());
    }
    let picture = picture(edge, &room).await?;
    let detail = Json(views::room(&picture));
    Ok((StatusCode::CREATED, detail).into_response())
}

fn is_there() -> Refusal {
    Refusal::new(ErrorKind::Conflict, "this room is there already")
}

/// The first one who will come, of whom nothing is known yet.
fn first() -> Who {
    Who {
        peer: made_up(),
        remote: None,
        hint: None,
        viewer: false,
    }
}

/// Longest life of an empty room: a day.
const MAX_EMPTY_TIMEOUT: u32 = 86_400;

/// As rooms bound what their hosts say.
const MAX_METADATA: usize = 16 * 1024;

fn check_new(wish: &NewRoom, longest: usize) -> Answer<()> {
    if let Err(err) = NamespaceId::parse(&wish.namespace) {
        return Err(Refusal::bad_request(format!("namespace: {err}")));
    }
    if wish.room.is_empty() || wish.room.len() > longest {
        return Err(Refusal::bad_request("room is empty or too long"));
    }
    if wish.empty_timeout.is_some_and(|it| it > MAX_EMPTY_TIMEOUT) {
        return Err(Refusal::bad_request("emptyTimeout is more than a day"));
    }
    if wish.empty_timeout == Some(0) {
        return Err(Refusal::bad_request("emptyTimeout is at least 1"));
    }
    if wish.metadata.to_string().len() > MAX_METADATA {
        return Err(Refusal::new(ErrorKind::TooLarge, "metadata is too long"));
    }
    Ok(())
}

fn resolve(wish: NewRoom) -> (RoomOptions, Opening) {
    let codec = |codec| match codec {
        VideoCodec::Av1 => ForcedCodec::Av1,
        VideoCodec::H264 => ForcedCodec::H264,
        VideoCodec::Vp8 => ForcedCodec::Vp8,
        VideoCodec::Vp9 => ForcedCodec::Vp9,
    };
    let options = RoomOptions {
        consumer_replicas: wish.consumer_replicas,
        codecs: wish.codec.map(codec),
        disable_bwe: wish.disable_bwe,
        two_routers: wish.use_pipe_transports,
    };
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let opening = Opening {
        properties: RoomProperties {
            locked: wish.locked,
            lobby: wish.lobby,
            max_peers: wish.max_peers,
            metadata: Arc::new(wish.metadata),
        },
        empty_timeout: wish.empty_timeout.map_or(DEFAULT_EMPTY_TIMEOUT, seconds),
    };
    (options, opening)
}

/// Changes what hosts may change, too. What is not named stays.
#[utoipa::path(
    patch,
    path = "/rooms/{namespace}/{room}",
    operation_id = "changeRoom",
    tag = "rooms",
    params(RoomPath),
    request_body = RoomChange,
    responses((status = 200, description = "The room afterwards.", body = RoomDetail))
)]
async fn change(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<RoomPath>,
    Body(change): Body<RoomChange>,
) -> Answer<Json<RoomDetail>> {
    detached(async move {
        let room = path.name();
        for command in commands(change) {
            edge.host.administer(&room, command).await?;
        }
        info!(%room, by = caller.name, "room changed");
        let picture = picture(&edge, &room).await?;
        Ok(Json(views::room(&picture)))
    })
    .await
}

/// What can be refused comes first, so that a refusal leaves nothing changed.
fn commands(change: RoomChange) -> Vec<AdminCommand> {
    let metadata = change.metadata.map(AdminCommand::SetMetadata);
    let max_peers = change.max_peers.map(AdminCommand::SetMaxPeers);
    let locked = change.locked.map(AdminCommand::SetLocked);
    let lobby = change.lobby.map(AdminCommand::SetLobby);
    let all = [metadata, max_peers, locked, lobby];
    all.into_iter().flatten().collect()
}

/// Ends a room: everybody in it is sent away.
#[utoipa::path(
    delete,
    path = "/rooms/{namespace}/{room}",
    operation_id = "closeRoom",
    tag = "rooms",
    params(RoomPath),
    responses((status = 204, description = "It has ended."))
)]
async fn close(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<RoomPath>,
) -> Answer<StatusCode> {
    administer(edge, caller, path.name(), AdminCommand::Close).await
}

/// Pauses what everybody sends but hosts. They may go on.
#[utoipa::path(
    post,
    path = "/rooms/{namespace}/{room}/mute",
    operation_id = "muteRoom",
    tag = "rooms",
    params(RoomPath),
    request_body = MuteWish,
    responses((status = 204, description = "It is quiet."))
)]
async fn mute(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<RoomPath>,
    Perhaps(wish): Perhaps<MuteWish>,
) -> Answer<StatusCode> {
    let (peer, kind) = (None, wish.kind);
    administer(edge, caller, path.name(), AdminCommand::Mute { peer, kind }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rooms_come_in_parts_also_while_some_go() {
        let named = [("a", "x"), ("a", "y/z"), ("b", "x"), ("b", "y")];
        let rooms = |left_out: &str| {
            let rooms = named.iter().filter(|(_, room)| *room != left_out);
            let rooms = rooms.map(|(namespace, room)| RoomSummary {
                namespace: (*namespace).to_owned(),
                room: (*room).to_owned(),
                ..RoomSummary::default()
            });
            rooms.collect::<Vec<_>>()
        };
        let names = |list: &RoomList| {
            let names = list.rooms.iter();
            let names = names.map(|it| format!("{}/{}", it.namespace, it.room));
            names.collect::<Vec<_>>()
        };
        let two = Some(2);
        let first = page(rooms(""), two, None);
        assert_eq!(names(&first), ["a/x", "a/y/z"]);
        assert_eq!(first.next.as_deref(), Some("a/y/z"));
        // Also when the last one is gone.
        let second = page(rooms("y/z"), two, first.next.as_deref());
        assert_eq!(names(&second), ["b/x", "b/y"]);
        assert_eq!(second.next, None);
        assert_eq!(page(rooms(""), None, None).rooms.len(), 4);
        assert_eq!(page(rooms(""), two, Some("b/y")).rooms, []);
    }
}
