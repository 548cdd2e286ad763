//! Nodes that everybody is to leave: `/api/v1/nodes/{node}/drain`.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use plenum_api::status::{DrainRequest, NodeDrain};
use plenum_host::DrainOrder;
use plenum_ids::NodeId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{At, Perhaps},
    refusal::{Answer, Refusal},
};
use crate::Edge;

/// What is looked at.
pub(super) fn reading() -> OpenApiRouter<Edge> {
    OpenApiRouter::new().routes(routes!(draining))
}

/// What is changed.
pub(super) fn changing() -> OpenApiRouter<Edge> {
    OpenApiRouter::new().routes(routes!(drain, undrain))
}

/// Which node.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct NodePath {
    /// Its identifier. Any node of the cluster may be asked: it passes the question on.
    node: String,
}

/// A day: longer than any call.
const MAX_WITHIN: Duration = Duration::from_hours(24);

/// Less is an outage.
const MIN_WITHIN: Duration = Duration::from_secs(1);

/// How far a node's drain is.
#[utoipa::path(
    get,
    path = "/nodes/{node}/drain",
    operation_id = "getNodeDrain",
    tag = "nodes",
    params(NodePath),
    responses((status = 200, description = "As it is now.", body = NodeDrain))
)]
async fn draining(State(edge): State<Edge>, At(path): At<NodePath>) -> Answer<Json<NodeDrain>> {
    ask(&edge, &path, DrainOrder::Look).await
}

/// Leads everybody away from a node, spread over the time that it may take, and lets nobody in any more. Asked again it changes that time.
#[utoipa::path(
    post,
    path = "/nodes/{node}/drain",
    operation_id = "drainNode",
    tag = "nodes",
    params(NodePath),
    request_body = Option<DrainRequest>,
    responses((status = 202, description = "It is on its way.", body = NodeDrain))
)]
async fn drain(
    State(edge): State<Edge>,
    At(path): At<NodePath>,
    Perhaps(request): Perhaps<DrainRequest>,
) -> Answer<(StatusCode, Json<NodeDrain>)> {
    let within = Duration::from_millis(request.within_ms);
    if !(MIN_WITHIN..=MAX_WITHIN).contains(&within) {
        let reason = "withinMs is from 1000 to 86400000";
        return Err(Refusal::bad_request(reason));
    }
    let drain = ask(&edge, &path, DrainOrder::Begin { within }).await?;
    Ok((StatusCode::ACCEPTED, drain))
}

/// Lets people in again. Who has gone stays where they are.
#[utoipa::path(
    delete,
    path = "/nodes/{node}/drain",
    operation_id = "undrainNode",
    tag = "nodes",
    params(NodePath),
    responses((status = 200, description = "It takes people.", body = NodeDrain))
)]
async fn undrain(State(edge): State<Edge>, At(path): At<NodePath>) -> Answer<Json<NodeDrain>> {
    ask(&edge, &path, DrainOrder::Cancel).await
}

async fn ask(edge: &Edge, path: &NodePath, order: DrainOrder) -> Answer<Json<NodeDrain>> {
    let node = NodeId::from(path.node.as_str());
    Ok(Json(edge.host.drain_node(&node, order).await?))
}
