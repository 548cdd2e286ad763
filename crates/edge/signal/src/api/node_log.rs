//! `GET` and `PUT /api/v1/log`: what the node itself logs, while it runs.

use axum::{Extension, Json, extract::State};
use plenum_api::{error::ErrorKind, status::NodeLevel};
use tracing::info;

use super::{
    extract::Body,
    keys::Caller,
    refusal::{Answer, Refusal},
};
use crate::{Edge, NodeLog};

/// What the node itself logs.
#[utoipa::path(
    get,
    path = "/log",
    operation_id = "getLog",
    tag = "workers",
    responses((status = 200, description = "A level, or a filter by module.", body = NodeLevel))
)]
pub(super) async fn get(State(edge): State<Edge>) -> Answer<Json<NodeLevel>> {
    let level = log(&edge)?.level();
    Ok(Json(NodeLevel { level }))
}

/// Changes what the node itself logs, until it ends.
#[utoipa::path(
    put,
    path = "/log",
    operation_id = "setLog",
    tag = "workers",
    request_body = NodeLevel,
    responses((status = 200, description = "What it logs now.", body = NodeLevel))
)]
pub(super) async fn put(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<NodeLevel>,
) -> Answer<Json<NodeLevel>> {
    log(&edge)?
        .set(&wanted.level)
        .map_err(Refusal::bad_request)?;
    info!(
        by = caller.name,
        level = wanted.level,
        "log of the node changed"
    );
    Ok(Json(wanted))
}

fn log(edge: &Edge) -> Answer<&NodeLog> {
    let refusal = || {
        Refusal::new(
            ErrorKind::NotImplemented,
            "this node's log has a fixed level",
        )
    };
    edge.log.as_ref().ok_or_else(refusal)
}
