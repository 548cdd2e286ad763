//! Errors in the manner of either generation: a status, and the reason as text.

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

/// Which server's manners a broadcaster expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    Classic,
    Newest,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    kind: ErrorKind,
    reason: Cow<'static, str>,
    source: Source,
    /// It may be done after so long.
    slot: Option<Duration>,
    /// Where it is done instead.
    location: Option<HeaderValue>,
    /// Who answers instead.
    pub(super) node: Option<NodeId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// What was written cannot be understood: both generations say so.
    Body,
    /// The door: whoever may not come in learns why, in any dialect.
    Door,
    /// What was asked for cannot be done.
    Room,
}

impl Failure {
    /// The body is not what it should be.
    pub(super) fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: ErrorKind::BadRequest,
            reason: reason.into(),
            source: Source::Body,
            slot: None,
            location: None,
            node: None,
        }
    }

    /// Another node answers, and the client does not notice.
    pub(super) fn at(node: NodeId) -> Self {
        Self {
            node: Some(node),
            ..Self::new(ErrorKind::Unavailable, "another node answers")
        }
    }

    /// Another node does it.
    pub(super) fn elsewhere(location: HeaderValue) -> Self {
        Self {
            location: Some(location),
            ..Self::new(ErrorKind::Unavailable, "another node takes it")
        }
    }

    pub(super) fn new(kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            source: Source::Room,
            slot: None,
            location: None,
            node: None,
        }
    }

    pub(super) fn not_found(object: &str, id: &str) -> Self {
        RoomError::not_found(object, id).into()
    }

    /// Refused at the door, with the same status in both generations.
    pub(super) fn refused(kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Denied::new(kind, reason).into()
    }

    /// The room's answer to a request has another form than that request has.
    pub(super) fn unexpected() -> Self {
        Self::new(ErrorKind::Internal, "the room answered something else")
    }

    const fn status(&self, generation: Generation) -> u16 {
        match (self.source, generation, self.kind) {
            // Whoever is to come again has to understand so.
            (_, _, ErrorKind::Unavailable) => 503,
            (Source::Room, Generation::Classic, _)
            | (Source::Room, Generation::Newest, ErrorKind::NotImplemented) => 500,
            (_, _, kind) => kind.code(),
        }
    }

    pub(super) fn response(self, generation: Generation) -> Response<Body> {
        if let Some(location) = self.location {
            return redirect(location);
        }
        let status = StatusCode::from_u16(self.status(generation));
        let mut response = text(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            self.reason.into_owned(),
        );
        let headers = response.headers_mut();
        if self.kind == ErrorKind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let comes_again = self.source == Source::Door && self.kind.is_retryable();
        if comes_again || self.kind == ErrorKind::Unavailable {
            let after = self.slot.map_or(RETRY_AFTER, whole_seconds);
            headers.insert(header::RETRY_AFTER, after.into());
        }
        response
    }
}

/// Seconds. Load is measured each second and smoothed over a few, and broadcasters stay for minutes.
const RETRY_AFTER: u32 = 5;

/// A text as answer.
pub(super) fn text(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let form = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, form);
    response
}

impl From<RoomError> for Failure {
    fn from(err: RoomError) -> Self {
        Self::new(err.kind, err.reason)
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self {
            kind: denied.kind,
            reason: denied.reason,
            source: Source::Door,
            slot: denied.slot,
            location: None,
            node: None,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(err: ConnectError) -> Self {
        Self {
            kind: err.kind(),
            reason: err.to_string().into(),
            source: Source::Door,
            slot: None,
            location: None,
            node: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_have_statuses_of_their_own() {
        let body = Failure::invalid("missing id");
        let unknown = Failure::not_found("transport", "x");
        let joined = Failure::new(ErrorKind::Conflict, "already joined");
        let door = Failure::from(Denied::new(ErrorKind::Unauthorized, "a token is required"));
        let full = Failure::from(RoomError::new(ErrorKind::Unavailable, "no port is left"));
        for (failure, classic, newest) in [
            (body, 400, 400),
            (unknown, 500, 404),
            (joined, 500, 409),
            (door, 401, 401),
            (full.clone(), 503, 503),
        ] {
            assert_eq!(failure.status(Generation::Classic), classic, "{failure:?}");
            assert_eq!(failure.status(Generation::Newest), newest, "{failure:?}");
        }
        for generation in [Generation::Classic, Generation::Newest] {
            let response = full.clone().response(generation);
            assert!(response.headers().contains_key(header::RETRY_AFTER));
        }
    }
}
