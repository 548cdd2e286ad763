//! `PUT` and `GET /api/v1/workers/{id}/trace`: single packets and messages of one object, to look into.

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::JsonRejection},
    http::Response,
    response::IntoResponse as _,
};
use plenum_api::{
    error::ErrorKind,
    trace::{TraceJson, TraceList, TraceWish},
};
use tracing::info;

use crate::{
    Edge,
    reply::{refuse, unknown_worker, worker},
};

/// What was traced since this was last asked.
pub(crate) async fn get(State(edge): State<Edge>, Path(id): Path<String>) -> Response<Body> {
    let Some(traces) = worker(&id).and_then(|id| edge.host.take_traces(id)) else {
        return unknown_worker();
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
        return unknown_worker();
    };
    // Goes on when the client hangs up.
    let told = tokio::spawn(async move { edge.host.set_trace(worker, object, types).await });
    match told.await.ok().flatten() {
        None => unknown_worker(),
        Some(Err(err)) => refuse(ErrorKind::NotFound, &err.to_string()),
        Some(Ok(())) => {
            info!(%worker, ?object, types = wish.types.join(" "), "trace changed");
            Json(wish).into_response()
        }
    }
}
