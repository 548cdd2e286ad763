//! `/api/v1/rooms/{namespace}/{room}/peers`: who is in a room.

use axum::{Extension, Json, extract::State, http::StatusCode};
use plenum_api::{
    admin::{MuteWish, PeerDetail, PeerList, RoleWish},
    grants::Grants,
};
use plenum_ids::{PeerId, RoomName};
use plenum_room::AdminCommand;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{At, Body, Perhaps},
    keys::Caller,
    refusal::{Answer, Refusal},
    rooms::{RoomPath, administer, name, picture},
    views,
};
use crate::Edge;

/// What is looked at.
pub(super) fn reading() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
}

/// What is changed.
pub(super) fn changing() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(kick))
        .routes(routes!(set_role))
        .routes(routes!(set_grants))
        .routes(routes!(mute))
        .routes(routes!(lower_hand))
        .routes(routes!(admit))
        .routes(routes!(refuse))
}

/// Who.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PeerPath {
    /// The room's namespace; `default` where none is named.
    namespace: String,
    /// The room's name there.
    room: String,
    /// The peer's name in the room.
    peer: String,
}

impl PeerPath {
    pub(super) fn resolve(&self) -> (RoomName, PeerId) {
        let peer = PeerId::from(self.peer.as_str());
        (name(&self.namespace, &self.room), peer)
    }
}

/// Everybody who is connected.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/peers",
    operation_id = "listPeers",
    tag = "peers",
    params(RoomPath),
    responses((status = 200, description = "Joined or not.", body = PeerList))
)]
async fn list(State(edge): State<Edge>, At(path): At<RoomPath>) -> Answer<Json<PeerList>> {
    let picture = picture(&edge, &path.name()).await?;
    let peers = views::room(&picture).peers;
    Ok(Json(PeerList { peers }))
}

/// Somebody, with everything that is theirs.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/peers/{peer}",
    operation_id = "getPeer",
    tag = "peers",
    params(PeerPath),
    responses((status = 200, description = "What is theirs.", body = PeerDetail))
)]
async fn get(State(edge): State<Edge>, At(path): At<PeerPath>) -> Answer<Json<PeerDetail>> {
    let (room, peer) = path.resolve();
    let picture = picture(&edge, &room).await?;
    let mut peers = views::room(&picture).peers.into_iter();
    let found = peers.find(|it| it.peer_id == peer.as_str());
    found.map(Json).ok_or_else(|| Refusal::not_found("peer"))
}

/// Sends somebody away.
#[utoipa::path(
    delete,
    path = "/rooms/{namespace}/{room}/peers/{peer}",
    operation_id = "kickPeer",
    tag = "peers",
    params(PeerPath),
    responses((status = 204, description = "They are gone."))
)]
async fn kick(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<PeerPath>,
) -> Answer<StatusCode> {
    let (room, peer) = path.resolve();
    administer(edge, caller, room, AdminCommand::Kick { peer }).await
}

/// Makes somebody a host, a speaker or a listener, at once.
#[utoipa::path(
    put,
    path = "/rooms/{namespace}/{room}/peers/{peer}/role",
    operation_id = "setRole",
    tag = "peers",
    params(PeerPath),
    request_body = RoleWish,
    responses((status = 204, description = "They are."))
)]
async fn set_role(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<PeerPath>,
    Body(wish): Body<RoleWish>,
) -> Answer<StatusCode> {
    let (room, peer) = path.resolve();
    let role = wish.role;
    administer(edge, caller, room, AdminCommand::SetRole { peer, role }).await
}

/// Changes what somebody may do, at once: what they may no longer send is closed. What is not named has its default.
#[utoipa::path(
    put,
    path = "/rooms/{namespace}/{room}/peers/{peer}/grants",
    operation_id = "setGrants",
    tag = "peers",
    params(PeerPath),
    request_body = Grants,
    responses((status = 204, description = "They may."))
)]
async fn set_grants(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<PeerPath>,
    Body(grants): Body<Grants>,
) -> Answer<StatusCode> {
    let (room, peer) = path.resolve();
    administer(edge, caller, room, AdminCommand::SetGrants { peer, grants }).await
}

/// Pauses what somebody sends. They may go on.
#[utoipa::path(
    post,
    path = "/rooms/{namespace}/{room}/peers/{peer}/mute",
    operation_id = "mutePeer",
    tag = "peers",
    params(PeerPath),
    request_body = MuteWish,
    responses((status = 204, description = "They are quiet."))
)]
async fn mute(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<PeerPath>,
    Perhaps(wish): Perhaps<MuteWish>,
) -> Answer<StatusCode> {
    let (room, peer) = path.resolve();
    let (peer, kind) = (Some(peer), wish.kind);
    administer(edge, caller, room, AdminCommand::Mute { peer, kind }).await
}

/// Takes a raised hand down.
#[utoipa::path(
    post,
    path = "/rooms/{namespace}/{room}/peers/{peer}/lower-hand",
    operation_id = "lowerHand",
    tag = "peers",
    params(PeerPath),
    responses((status = 204, description = "It is down."))
)]
async fn lower_hand(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<PeerPath>,
) -> Answer<StatusCode> {
    let (room, peer) = path.resolve();
    administer(edge, caller, room, AdminCommand::LowerHand { peer }).await
}

/// Lets somebody in who waits in the lobby.
#[utoipa::path(
    post,
    path = "/rooms/{namespace}/{room}/peers/{peer}/admit",
    operation_id = "admitPeer",
    tag = "peers",
    params(PeerPath),
    responses((status = 204, description = "They are in."))
)]
async fn admit(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<PeerPath>,
) -> Answer<StatusCode> {
    let (room, peer) = path.resolve();
    administer(edge, caller, room, AdminCommand::Admit { peer }).await
}

/// Sends somebody away who waits in the lobby.
#[utoipa::path(
    post,
    path = "/rooms/{namespace}/{room}/peers/{peer}/refuse",
    operation_id = "refusePeer",
    tag = "peers",
    params(PeerPath),
    responses((status = 204, description = "They are gone."))
)]
async fn refuse(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    At(path): At<PeerPath>,
) -> Answer<StatusCode> {
    let (room, peer) = path.resolve();
    administer(edge, caller, room, AdminCommand::Refuse { peer }).await
}
