//! `GET` and `PUT /api/v1/workers/{id}/log`: what a worker logs, while it runs.

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::JsonRejection},
    http::Response,
    response::IntoResponse as _,
};
use plenum_api::{error::ErrorKind, status::WorkerLog};
use plenum_params::log::LogOptions;
use tracing::info;

use crate::{
    Edge,
    reply::{refuse, unknown_worker, worker},
};

/// What it logs.
pub(crate) async fn get(State(edge): State<Edge>, Path(id): Path<String>) -> Response<Body> {
    let options = worker(&id).and_then(|id| edge.host.worker_log(id));
    match options {
        Some(options) => Json(describe(&options)).into_response(),
        None => unknown_worker(),
    }
}

/// What it shall log.
pub(crate) async fn put(
    State(edge): State<Edge>,
    Path(id): Path<String>,
    body: Result<Json<WorkerLog>, JsonRejection>,
) -> Response<Body> {
    let Json(wanted) = match body {
        Ok(body) => body,
        Err(err) => return refuse(ErrorKind::BadRequest, &err.body_text()),
    };
    let tags = wanted.tags.iter().map(String::as_str);
    let options = match LogOptions::from_words(&wanted.level, tags) {
        Ok(options) => options,
        Err(err) => return refuse(ErrorKind::BadRequest, &err.to_string()),
    };
    let Some(worker) = worker(&id) else {
        return unknown_worker();
    };
    let body = describe(&options);
    // Goes on when the client hangs up.
    let told = tokio::spawn(async move { edge.host.set_worker_log(worker, options).await });
    if !told.await.unwrap_or(false) {
        return unknown_worker();
    }
    info!(%worker, level = body.level, tags = body.tags.join(" "), "log of a worker changed");
    Json(body).into_response()
}

fn describe(options: &LogOptions) -> WorkerLog {
    let tags = options.tags.iter();
    WorkerLog {
        level: options.level.as_str().to_owned(),
        tags: tags.map(|tag| tag.as_str().to_owned()).collect(),
    }
}
