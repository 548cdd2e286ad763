//! What the routes for operators answer alike.

use axum::{
    Json,
    body::Body,
    http::{Response, StatusCode},
    response::IntoResponse as _,
};
use plenum_api::error::{ErrorBody, ErrorKind};
use plenum_ids::WorkerId;

/// The worker that a path names.
pub(crate) fn worker(id: &str) -> Option<WorkerId> {
    id.parse().ok().map(WorkerId)
}

/// It names none.
pub(crate) fn unknown_worker() -> Response<Body> {
    refuse(ErrorKind::NotFound, "there is no such worker")
}

/// An error in the shape that all of them have.
pub(crate) fn refuse(kind: ErrorKind, reason: &str) -> Response<Body> {
    let body = ErrorBody::new(kind, reason);
    let status = StatusCode::from_u16(body.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}
