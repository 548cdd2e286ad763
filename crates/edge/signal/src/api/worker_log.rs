//! `GET` and `PUT /api/v1/workers/{id}/log`: what a worker logs, while it runs.

use axum::{Json, extract::State};
use plenum_api::status::WorkerLog;
use plenum_params::log::LogOptions;
use tracing::info;

use super::{
    extract::{At, Body},
    refusal::{Answer, Refusal, detached},
    workers::WorkerPath,
};
use crate::Edge;

/// What a worker logs.
#[utoipa::path(
    get,
    path = "/workers/{id}/log",
    operation_id = "getWorkerLog",
    tag = "workers",
    params(WorkerPath),
    responses((status = 200, description = "What it logs.", body = WorkerLog))
)]
pub(super) async fn get(
    State(edge): State<Edge>,
    At(path): At<WorkerPath>,
) -> Answer<Json<WorkerLog>> {
    let options = edge.host.worker_log(path.id()?);
    let options = options.ok_or_else(|| Refusal::not_found("worker"))?;
    Ok(Json(describe(&options)))
}

/// Changes what a worker logs, also after it is started again.
#[utoipa::path(
    put,
    path = "/workers/{id}/log",
    operation_id = "setWorkerLog",
    tag = "workers",
    params(WorkerPath),
    request_body = WorkerLog,
    responses((status = 200, description = "What it logs now.", body = WorkerLog))
)]
pub(super) async fn put(
    State(edge): State<Edge>,
    At(path): At<WorkerPath>,
    Body(wanted): Body<WorkerLog>,
) -> Answer<Json<WorkerLog>> {
    let tags = wanted.tags.iter().map(String::as_str);
    let options = LogOptions::from_words(&wanted.level, tags)
        .map_err(|err| Refusal::bad_request(err.to_string()))?;
    let worker = path.id()?;
    let body = describe(&options);
    detached(async move {
        if !edge.host.set_worker_log(worker, options).await {
            return Err(Refusal::not_found("worker"));
        }
        info!(%worker, level = body.level, tags = body.tags.join(" "), "log of a worker changed");
        Ok(Json(body))
    })
    .await
}

fn describe(options: &LogOptions) -> WorkerLog {
    let tags = options.tags.iter();
    WorkerLog {
        level: options.level.as_str().to_owned(),
        tags: tags.map(|tag| tag.as_str().to_owned()).collect(),
    }
}
