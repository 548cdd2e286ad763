//! What is answered instead of a session.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use plenum_api::error::ErrorKind;
use plenum_host::ConnectError;
use plenum_ids::NodeId;
use plenum_room::RoomError;

use crate::{
    admission::{Denied, whole_seconds},
    dispatch::redirect,
};

/// Why there is no session, or why it does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: Cow<'static, str>,
    /// The same request may succeed after some seconds.
    retry: bool,
    /// After so many.
    slot: Option<Duration>,
    /// Where it succeeds instead.
    location: Option<HeaderValue>,
    /// Who answers instead.
    pub(crate) node: Option<NodeId>,
}

/// Seconds. Players ask again for what is not published yet; encoders come back when the server is less busy.
const RETRY_AFTER: u32 = 2;

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            reason: reason.into(),
            retry: status == StatusCode::SERVICE_UNAVAILABLE,
            slot: None,
            location: None,
            node: None,
        }
    }

    /// Another node takes the client (RFC 9725 §4.5).
    pub(crate) fn elsewhere(location: HeaderValue) -> Self {
        Self {
            location: Some(location),
            ..Self::new(StatusCode::TEMPORARY_REDIRECT, "another node takes it")
        }
    }

    /// Another node answers, and the client does not notice.
    pub(crate) fn at(node: NodeId) -> Self {
        Self {
            node: Some(node),
            ..Self::new(StatusCode::BAD_GATEWAY, "another node answers")
        }
    }

    /// There is nothing to play yet.
    pub(crate) fn not_yet(reason: &'static str) -> Self {
        Self {
            retry: true,
            ..Self::new(StatusCode::CONFLICT, reason)
        }
    }

    pub(crate) fn unacceptable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, reason)
    }

    fn of(kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        let status = StatusCode::from_u16(kind.code());
        Self {
            retry: kind.is_retryable(),
            ..Self::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), reason)
        }
    }

    pub(crate) fn response(self) -> Response<Body> {
        if let Some(location) = self.location {
            return redirect(location);
        }
        let mut response = Response::new(Body::from(self.reason.into_owned()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, text);
        if self.retry {
            let after = self.slot.map_or(RETRY_AFTER, whole_seconds);
            headers.insert(header::RETRY_AFTER, after.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self {
            slot: denied.slot,
            ..Self::of(denied.kind, denied.reason)
        }
    }
}

impl From<ConnectError> for Refusal {
    fn from(err: ConnectError) -> Self {
        Self::of(err.kind(), err.to_string())
    }
}

impl From<RoomError> for Refusal {
    fn from(err: RoomError) -> Self {
        Self::of(err.kind, err.reason)
    }
}

impl From<plenum_sdp::Error> for Refusal {
    fn from(err: plenum_sdp::Error) -> Self {
        let status = match err {
            plenum_sdp::Error::Unacceptable(_) => StatusCode::NOT_ACCEPTABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, err.to_string())
    }
}
