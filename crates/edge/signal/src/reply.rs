//! How every door refuses an HTTP request.

use axum::{
    Json,
    body::Body,
    http::{Response, StatusCode},
    response::IntoResponse as _,
};
use plenum_api::error::{ErrorBody, ErrorKind};

/// An error in the shape that all of them have.
pub(crate) fn refuse(kind: ErrorKind, reason: &str) -> Response<Body> {
    let body = ErrorBody::new(kind, reason);
    let status = StatusCode::from_u16(body.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}
