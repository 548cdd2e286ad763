//! `PUT` and `GET /api/v1/workers/{id}/trace`: single packets and messages of one object, to look into.

use axum::{Json, extract::State};
use plenum_api::{
    error::ErrorKind,
    trace::{TraceJson, TraceList, TraceWish},
};
use tracing::info;

use super::{
    extract::{At, Body},
    refusal::{Answer, Refusal, detached},
    workers::WorkerPath,
};
use crate::Edge;

/// What was traced since this was last asked.
#[utoipa::path(
    get,
    path = "/workers/{id}/trace",
    operation_id = "takeTraces",
    tag = "workers",
    params(WorkerPath),
    responses((status = 200, description = "Oldest first.", body = TraceList))
)]
pub(super) async fn get(
    State(edge): State<Edge>,
    At(path): At<WorkerPath>,
) -> Answer<Json<TraceList>> {
    let traces = edge.host.take_traces(path.id()?);
    let traces = traces.ok_or_else(|| Refusal::not_found("worker"))?;
    Ok(Json(TraceList {
        events: traces.events.iter().map(TraceJson::from).collect(),
        lost: traces.lost,
    }))
}

/// Changes what is traced of an object.
#[utoipa::path(
    put,
    path = "/workers/{id}/trace",
    operation_id = "setTrace",
    tag = "workers",
    params(WorkerPath),
    request_body = TraceWish,
    responses((status = 200, description = "What is traced now.", body = TraceWish))
)]
pub(super) async fn put(
    State(edge): State<Edge>,
    At(path): At<WorkerPath>,
    Body(wish): Body<TraceWish>,
) -> Answer<Json<TraceWish>> {
    let (object, types) = wish
        .resolve()
        .map_err(|err| Refusal::bad_request(err.to_string()))?;
    let worker = path.id()?;
    detached(async move {
        let told = edge.host.set_trace(worker, object, types).await;
        told.ok_or_else(|| Refusal::not_found("worker"))?
            .map_err(|err| Refusal::new(ErrorKind::NotFound, err.to_string()))?;
        info!(%worker, ?object, types = wish.types.join(" "), "trace changed");
        Ok(Json(wish))
    })
    .await
}
