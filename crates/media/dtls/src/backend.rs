//! The seam between an endpoint and the library that does the handshake.

use core::fmt;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::SrtpProfileId;

pub(crate) mod dimpl;
mod restrict;

pub(crate) use restrict::profile_ids;

/// One DTLS association as a library drives it. After every call the endpoint polls until
/// [`BackendOutput::Timeout`].
pub trait DtlsBackend: Send {
    /// Takes a datagram that arrived at the time of the last [`Self::handle_timeout`]. What can be
    /// ignored must be ignored: an error ends the association.
    fn handle_datagram(&mut self, datagram: &[u8]) -> Result<(), BackendError>;

    /// Moves time on; called before every datagram too.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), BackendError>;

    /// The next output, written into `buf` where it has bytes. `buf` holds any certificate that passed
    /// the record checks.
    fn poll<'a>(&mut self, buf: &'a mut [u8]) -> BackendOutput<'a>;

    /// Sends bytes to the peer; called only when connected.
    fn send_application_data(&mut self, data: &[u8]) -> Result<(), BackendError>;

    /// Says goodbye to the peer, if it is connected.
    fn close(&mut self) -> Result<(), BackendError>;
}

/// What a backend has to tell.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the endpoint has to handle every output"
)]
pub enum BackendOutput<'a> {
    /// Decrypted bytes from the peer.
    ApplicationData(&'a [u8]),
    /// The buffer is too short; poll again with one of this length.
    BufferTooSmall(usize),
    /// The peer said goodbye.
    CloseNotify,
    /// The handshake is over.
    Connected,
    /// Exported keys and the profile they are for.
    Keying(Keying, SrtpProfileId),
    /// A datagram to send.
    Packet(&'a [u8]),
    /// The peer's certificate in DER.
    PeerCertificate(&'a [u8]),
    /// Nothing more now; call again at this time.
    Timeout(Instant),
}

/// Output of the exporter `EXTRACTOR-dtls_srtp`: client key, server key, client salt, server salt
/// (RFC 5764 §4.2). Wiped on drop and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Keying(Zeroizing<Vec<u8>>);

impl Keying {
    /// Takes exporter output.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The exporter output.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Keying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keying").finish_non_exhaustive()
    }
}

/// A failure inside a backend, sorted by what a caller may want to count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The peer sent a fatal alert with this description.
    #[error("peer sent fatal alert {0}")]
    Alert(u8),
    /// The association was closed before.
    #[error("association is closed")]
    Closed,
    /// A message that does not belong there or that fails its checks.
    #[error("handshake failed: {0}")]
    Handshake(String),
    /// More handshake fragments than are kept.
    #[error("too many handshake fragments")]
    QueueFull,
    /// The peer did not answer in time.
    #[error("handshake timed out")]
    Timeout,
    /// The peer's certificate is of a type that the backend cannot verify, or the peer has none of a type
    /// that it can.
    #[error("unsupported type of certificate")]
    UnsupportedCertificate,
}
