//! The node and its workers: `/api/v1/workers`, `/api/v1/stats`.

use axum::{Json, extract::State, http::StatusCode};
use plenum_api::{
    admin::WorkerList,
    status::{RollingRestart, Stats, WorkerDrain, WorkerStatus},
};
use plenum_ids::WorkerId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::At,
    node_log,
    refusal::{Answer, Refusal},
    worker_log, worker_trace,
};
use crate::Edge;

/// What is looked at.
pub(super) fn reading() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(stats))
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(restarting))
        .routes(routes!(worker_log::get))
        .routes(routes!(node_log::get))
}

/// What is changed. Traces are taken away by reading them, and show what peers send.
pub(super) fn changing() -> OpenApiRouter<Edge> {
    OpenApiRouter::new()
        .routes(routes!(drain, undrain))
        .routes(routes!(restart))
        .routes(routes!(worker_log::put))
        .routes(routes!(node_log::put))
        .routes(routes!(worker_trace::get, worker_trace::put))
}

/// Which worker.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct WorkerPath {
    /// Its number, from 0.
    #[param(value_type = u16)]
    id: String,
}

impl WorkerPath {
    /// What is no number names none.
    pub(super) fn id(&self) -> Answer<WorkerId> {
        let id = self.id.parse().map(WorkerId);
        id.map_err(|_| Refusal::not_found("worker: they are named by their numbers"))
    }
}

/// Workers, rooms and peers of the node, as `GET /stats`.
#[utoipa::path(
    get,
    path = "/stats",
    operation_id = "getStats",
    tag = "workers",
    responses((status = 200, description = "As they are now.", body = Stats))
)]
async fn stats(State(edge): State<Edge>) -> Json<Stats> {
    Json(edge.host.stats().await)
}

/// Workers.
#[utoipa::path(
    get,
    path = "/workers",
    operation_id = "listWorkers",
    tag = "workers",
    responses((status = 200, description = "By number.", body = WorkerList))
)]
async fn list(State(edge): State<Edge>) -> Json<WorkerList> {
    let workers = edge.host.stats().await.workers;
    Json(WorkerList { workers })
}

/// A worker.
#[utoipa::path(
    get,
    path = "/workers/{id}",
    operation_id = "getWorker",
    tag = "workers",
    params(WorkerPath),
    responses((status = 200, description = "As it is now.", body = WorkerStatus))
)]
async fn get(State(edge): State<Edge>, At(path): At<WorkerPath>) -> Answer<Json<WorkerStatus>> {
    let id = path.id()?;
    let mut workers = edge.host.stats().await.workers.into_iter();
    let found = workers.find(|it| it.worker_id == id.0);
    found.map(Json).ok_or_else(|| Refusal::not_found("worker"))
}

/// Moves all rooms of a worker to others and gives it no new ones. Asked again it tells how far that is.
#[utoipa::path(
    post,
    path = "/workers/{id}/drain",
    operation_id = "drainWorker",
    tag = "workers",
    params(WorkerPath),
    responses((status = 202, description = "It is on its way.", body = WorkerDrain))
)]
async fn drain(
    State(edge): State<Edge>,
    At(path): At<WorkerPath>,
) -> Answer<(StatusCode, Json<WorkerDrain>)> {
    let drain = edge.host.drain(path.id()?)?;
    Ok((StatusCode::ACCEPTED, Json(drain)))
}

/// Gives a worker rooms again.
#[utoipa::path(
    delete,
    path = "/workers/{id}/drain",
    operation_id = "undrainWorker",
    tag = "workers",
    params(WorkerPath),
    responses((status = 200, description = "It takes rooms.", body = WorkerDrain))
)]
async fn undrain(State(edge): State<Edge>, At(path): At<WorkerPath>) -> Answer<Json<WorkerDrain>> {
    Ok(Json(edge.host.undrain(path.id()?)?))
}

/// Drains the workers and starts them anew, one after another.
#[utoipa::path(
    post,
    path = "/workers/restart",
    operation_id = "restartWorkers",
    tag = "workers",
    responses((status = 202, description = "It is on its way.", body = RollingRestart))
)]
async fn restart(State(edge): State<Edge>) -> Answer<(StatusCode, Json<RollingRestart>)> {
    let restart = edge.host.restart_workers()?;
    Ok((StatusCode::ACCEPTED, Json(restart)))
}

/// How the latest rolling restart goes, or went.
#[utoipa::path(
    get,
    path = "/workers/restart",
    operation_id = "getRestart",
    tag = "workers",
    responses((status = 200, description = "How it goes.", body = RollingRestart))
)]
async fn restarting(State(edge): State<Edge>) -> Json<RollingRestart> {
    Json(edge.host.rolling_restart())
}
