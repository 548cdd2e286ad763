//! `/api/v1/rooms`: rooms as wholes.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State, http::StatusCode};
use plenum_api::{
    admin::{MuteWish, NewRoom, RoomChange, RoomDetail, RoomList, VideoCodec},
    error::ErrorKind,
};
use plenum_host::{DEFAULT_EMPTY_TIMEOUT, ForcedCodec, Opening, RoomOptions, RoomPicture};
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
use crate::Edge;

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
) -> Json<RoomList> {
    let namespace = query.namespace.map(Into::into);
    let mut rooms = edge.host.rooms(namespace.as_ref());
    rooms.retain(|room| caller.sees(&room.namespace));
    Json(RoomList { rooms })
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

/// Makes a room before anybody comes. It stays for `emptyTimeout` while nobody is there, now and later.
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
) -> Answer<(StatusCode, Json<RoomDetail>)> {
    if !caller.sees(&wish.namespace) {
        let reason = "this key is for another namespace";
        return Err(Refusal::new(ErrorKind::Forbidden, reason));
    }
    check_new(&wish, edge.settings.max_name_length)?;
    detached(async move {
        let room = name(&wish.namespace, &wish.room);
        let (options, opening) = resolve(wish);
        if !edge.host.open(&room, options, opening)? {
            let reason = "this room is there already";
            return Err(Refusal::new(ErrorKind::Conflict, reason));
        }
        info!(%room, by = caller.name, "room ordered");
        let picture = picture(&edge, &room).await?;
        Ok((StatusCode::CREATED, Json(views::room(&picture))))
    })
    .await
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
