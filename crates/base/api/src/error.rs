//! One table of what can go wrong from a client's point of view.

use serde::Serialize;
use utoipa::ToSchema;

/// Kinds of refusal, each with its HTTP-like code and whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The message cannot be understood or its parameters cannot work.
    BadRequest,
    /// The caller has to say who it is: no token, or one that does not hold (any more).
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// The object named does not exist (any more).
    NotFound,
    /// It was already done, or does not fit the present state.
    Conflict,
    /// The message is longer than it may be.
    TooLarge,
    /// A limit of the caller was reached.
    TooMany,
    /// Our own fault.
    Internal,
    /// Known, but not offered by this server.
    NotImplemented,
    /// Not possible now: shutting down, no worker, server full.
    Unavailable,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 10] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::TooMany,
        Self::Internal,
        Self::NotImplemented,
        Self::Unavailable,
    ];

    /// The code, as in HTTP.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::NotImplemented => 501,
            Self::Unavailable => 503,
        }
    }

    /// The code in the classic protoo dialect, whose servers know 403 and, for everything else, 500.
    #[must_use]
    pub const fn classic_code(self) -> u16 {
        match self {
            Self::Unauthorized | Self::Forbidden => 403,
            _ => 500,
        }
    }

    /// The code that closes a WebSocket for this reason. A page sees nothing of a refusal before its WebSocket exists; a door
    /// whose clients are pages therefore opens it and closes it at once.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            // RFC 6455 registry: "Try Again Later".
            Self::TooMany | Self::Internal | Self::Unavailable => 1013,
            // protoo's "do not come back".
            Self::BadRequest
            | Self::NotFound
            | Self::Conflict
            | Self::TooLarge
            | Self::NotImplemented => 4000,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::TooMany | Self::Unavailable)
    }
}

/// An error as REST bodies carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// [`ErrorKind::code`].
    pub code: u16,
    /// For people.
    pub reason: String,
    /// [`ErrorKind::is_retryable`].
    pub retryable: bool,
}

impl ErrorBody {
    /// The body for a refusal.
    #[must_use]
    pub fn new(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self {
            code: kind.code(),
            reason: reason.into(),
            retryable: kind.is_retryable(),
        }
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_what_lies_behind_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("no way in")]
        struct Outer(#[source] std::io::Error);

        let inner = std::io::Error::other("the door is shut");
        assert_eq!(chain(&inner), "the door is shut");
        assert_eq!(chain(&Outer(inner)), "no way in: the door is shut");
    }

    #[test]
    fn codes_are_distinct_and_classic_knows_only_two() {
        let mut codes: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        codes.dedup();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            assert!([403, 500].contains(&kind.classic_code()), "{kind:?}");
        }
        for kind in ErrorKind::ALL {
            // Who may try again is not told to stay away; clients come back by themselves after 1013.
            assert!(
                !kind.is_retryable() || kind.close_code() == 1013,
                "{kind:?}"
            );
        }
        assert!(ErrorKind::Unavailable.is_retryable());
        assert!(!ErrorKind::BadRequest.is_retryable());
    }
}
