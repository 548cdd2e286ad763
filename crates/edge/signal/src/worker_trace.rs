//! `PUT` and `GET /api/v1/workers/{id}/trace`: single packets and messages of one object, to look into.

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::JsonRejection},
    http::{Response, StatusCode},
    response::IntoResponse as _,
};
use plenum_api::{
    error::{ErrorBody, ErrorKind},
    trace::{TraceJson, TraceList, TraceWish},
};
use plenum_ids::WorkerId;
use tracing::info;

use crate::Edge;

/// What was traced since this was last asked.
pub(crate) async fn get(State(edge): State<Edge>, Path(id): Path<String>) -> Response<Body> {
    let Some(traces) = worker(&id).and_then(|id| edge.host.take_traces(id)) else {
        return unknown();
    };
    let list = TraceList {
        events: traces.events.iter().map(TraceJson::from).collect(),
        lost: traces.lost,
    };
    Json(list).into_response()
}

/// What shall be traced.
pub(crate) async fn put(
    State(edge): State<Edge>,
    Path(id): Path<String>,
    body: Result<Json<TraceWish>, JsonRejection>,
) -> Response<Body> {
    let Json(wish) = match body {
        Ok(body) => body,
        Err(err) => return refuse(ErrorKind::BadRequest, &err.body_text()),
    };
    let (object, types) = match wish.resolve() {
        Ok(resolved) => resolved,
        Err(err) => return refuse(ErrorKind::BadRequest, &err.to_string()),
    };
    let Some(worker) = worker(&id) else {
        return unknown();
    };
    match edge.host.set_trace(worker, object, types).await {
        None => unknown(),
        Some(Err(err)) => refuse(ErrorKind::NotFound, &err.to_string()),
        Some(Ok(())) => {
            info!(%worker, ?object, types = wish.types.join(" "), "trace changed");
            Json(wish).into_response()
        }
    }
}

fn worker(id: &str) -> Option<WorkerId> {
    id.parse().ok().map(WorkerId)
}

fn unknown() -> Response<Body> {
    refuse(ErrorKind::NotFound, "there is no such worker")
}

fn refuse(kind: ErrorKind, reason: &str) -> Response<Body> {
    let body = ErrorBody::new(kind, reason);
    let status = StatusCode::from_u16(body.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}
