//! Refusals in the one shape that all of them have: `{"code", "reason", "retryable"}`.

use std::future::Future;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use plenum_api::error::{ErrorBody, ErrorKind};
use plenum_host::{ConnectError, DrainError, NodeDrainError};
use plenum_room::RoomError;
use tracing::error;

use crate::admission::Denied;

/// Why an operation is not carried out.
#[derive(Debug)]
pub(super) struct Refusal(Denied);

/// What an operation comes to.
pub(super) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub(super) fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self(Denied::new(kind, reason.into()))
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("there is no such {what}"))
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, reason)
    }

    pub(super) fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = self.0.response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl From<ConnectError> for Refusal {
    fn from(err: ConnectError) -> Self {
        Self(err.into())
    }
}

impl From<DrainError> for Refusal {
    fn from(err: DrainError) -> Self {
        Self::new(err.kind(), err.to_string())
    }
}

impl From<NodeDrainError> for Refusal {
    fn from(err: NodeDrainError) -> Self {
        Self::new(err.kind(), err.to_string())
    }
}

impl From<RoomError> for Refusal {
    fn from(err: RoomError) -> Self {
        Self::new(err.kind, err.reason)
    }
}

/// Carries something out whether or not the caller stays to hear of it.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T> {
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(err) => {
            error!(%err, "an operation of the admin API broke off");
            Err(Refusal::new(ErrorKind::Internal, "the operation broke off"))
        }
    }
}

/// Nothing is there.
pub(super) async fn no_such_path() -> Refusal {
    Refusal::new(
        ErrorKind::NotFound,
        "there is no such operation, see /api/v1/openapi.json",
    )
}

/// Something is there, but not with this method.
pub(super) async fn no_such_method() -> (StatusCode, Json<ErrorBody>) {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let body = ErrorBody {
        code: status.as_u16(),
        reason: "there is no such method here, see /api/v1/openapi.json".to_owned(),
        retryable: false,
    };
    (status, Json(body))
}
