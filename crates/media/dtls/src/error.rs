//! Why a DTLS association ended.

use crate::backend::BackendError;
use crate::profile::SrtpProfileId;

/// A failure of one endpoint. Every one of them is final for that endpoint, except
/// [`DtlsError::NotConnected`] and [`DtlsError::TooLong`], which only refuse a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsError {
    /// The certificate or its key could not be made.
    #[error("certificate generation failed")]
    Certificate,
    /// The handshake or a record failed.
    #[error("DTLS backend failed")]
    Backend(#[source] BackendError),
    /// The handshake ended without a certificate of the peer.
    #[error("peer sent no certificate")]
    NoPeerCertificate,
    /// The handshake ended without an SRTP profile.
    #[error("no SRTP profile in common")]
    NoSrtpProfile,
    /// There is no association to send on: the handshake is not over, or everything is.
    #[error("not connected")]
    NotConnected,
    /// The peers agreed on a profile that the settings exclude.
    #[error("SRTP profile {0} is not allowed")]
    ProfileNotAllowed(SrtpProfileId),
    /// More bytes than one record may carry.
    #[error("application data too long")]
    TooLong,
    /// The peer has no certificate of a type that is supported, or the certificate it sent is none: RSA,
    /// mostly. A client learns it from the server's refusal of its hello (`docs/adr/0006`).
    #[error("peer's certificate type is not supported, only ECDSA on P-256 and P-384 is")]
    UnsupportedPeerCertificate,
}

impl DtlsError {
    pub(crate) fn of_backend(error: BackendError) -> Self {
        match error {
            BackendError::UnsupportedCertificate => Self::UnsupportedPeerCertificate,
            other => Self::Backend(other),
        }
    }
}
