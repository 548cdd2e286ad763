//! What can go wrong for a client.

use std::io;

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client has been told to leave, or its session is over.
    #[error("the session is over")]
    Closed,
    /// Nothing answered at the address, or the connection broke.
    #[error("{url} cannot be reached")]
    Connect {
        /// Where to.
        url: String,
        /// What the network said.
        #[source]
        source: io::Error,
    },
    /// The DTLS handshake failed, or the other side is not who signalling said.
    #[error("DTLS failed")]
    Dtls(#[source] plenum_dtls::DtlsError),
    /// A media file that cannot be sent.
    #[error("the file cannot be sent")]
    File(#[source] crate::file::FileError),
    /// A step of joining took longer than it may.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// A file or a socket of the system.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The server speaks another language than was expected of it.
    #[error("the server's {what} is not understood")]
    Protocol {
        /// Which message.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// The server said no.
    #[error("{method} was refused")]
    Refused {
        /// To what.
        method: String,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// Certificates and keys of TLS.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The server ended the session or did not let the client in.
    #[error("the server closed the connection with {code}: {reason}")]
    TurnedAway {
        /// Code of the WebSocket, or the status of the upgrade.
        code: u16,
        /// What it said.
        reason: String,
    },
    /// The dialect in use, or the server's codecs, have no way to do that.
    #[error("{0} is not possible here")]
    Unsupported(&'static str),
    /// The address is none.
    #[error("{0:?} is no address of a server")]
    Url(String),
}

/// A request that was answered with an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
#[non_exhaustive]
pub struct Refusal {
    /// As in HTTP; 0 where the dialect has no codes.
    pub code: u16,
    /// For people.
    pub reason: String,
}

impl ClientError {
    /// A short word for the kind, to count errors by.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Connect { .. } => "connect",
            Self::Dtls(_) => "dtls",
            Self::File(_) => "file",
            Self::Timeout(_) => "timeout",
            Self::Io { .. } => "io",
            Self::Protocol { .. } => "protocol",
            Self::Refused { .. } => "refused",
            Self::Tls(_) => "tls",
            Self::TurnedAway { .. } => "turned_away",
            Self::Unsupported(_) => "unsupported",
            Self::Url(_) => "url",
        }
    }
}
