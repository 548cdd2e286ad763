//! Nodes of the cluster: `/api/v1/nodes`, and why somebody is where it is.

use axum::{Json, extract::State};
use plenum_api::{
    admin::{NodeDetail, NodeList, PeerPlacement},
    error::ErrorKind,
};
use plenum_ids::NodeId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::At,
    peers::PeerPath,
    refusal::{Answer, Refusal},
};
use crate::Edge;

/// What is looked at of nodes.
pub(super) fn reading() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
}

/// What is looked at of rooms.
pub(super) fn of_rooms() -> OpenApiRouter<Edge> {
    OpenApiRouter::new().routes(routes!(placement))
}

/// Which node.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct NodePath {
    /// Its identifier.
    node: String,
}

/// Nodes of the cluster, as each told of itself some seconds ago.
#[utoipa::path(
    get,
    path = "/nodes",
    operation_id = "listNodes",
    tag = "nodes",
    responses((status = 200, description = "By name; none where the node is alone.", body = NodeList))
)]
async fn list(State(edge): State<Edge>) -> Json<NodeList> {
    let cluster = edge.host.cluster();
    Json(cluster.map(|it| it.node_list()).unwrap_or_default())
}

/// A node, and the link to it.
#[utoipa::path(
    get,
    path = "/nodes/{node}",
    operation_id = "getNode",
    tag = "nodes",
    params(NodePath),
    responses((status = 200, description = "As it told of itself some seconds ago.", body = NodeDetail))
)]
async fn get(State(edge): State<Edge>, At(path): At<NodePath>) -> Answer<Json<NodeDetail>> {
    let node = NodeId::from(path.node.as_str());
    let found = edge.host.cluster().and_then(|it| it.node_detail(&node));
    found.map(Json).ok_or_else(|| Refusal::not_found("node"))
}

/// Where somebody is in the cluster, and why there.
#[utoipa::path(
    get,
    path = "/rooms/{namespace}/{room}/peers/{peer}/placement",
    operation_id = "getPeerPlacement",
    tag = "nodes",
    params(PeerPath),
    responses((status = 200, description = "At which node, whichever that is, and what decided.", body = PeerPlacement))
)]
async fn placement(
    State(edge): State<Edge>,
    At(path): At<PeerPath>,
) -> Answer<Json<PeerPlacement>> {
    let (room, peer) = path.resolve();
    let Some(cluster) = edge.host.cluster() else {
        let reason = "this node is in no cluster: everybody is here";
        return Err(Refusal::new(ErrorKind::NotFound, reason));
    };
    let placement = cluster.peer_placement(&room, &peer).await?;
    if placement.places.is_empty() {
        return Err(Refusal::not_found("peer"));
    }
    Ok(Json(placement))
}
