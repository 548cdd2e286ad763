//! DTLS handshake, key export and fingerprints behind one small interface.
//!
//! A [`DtlsEndpoint`] is one DTLS association as a state machine without sockets and clocks:
//!
//! * in: [`DtlsEndpoint::handle_datagram`], [`DtlsEndpoint::handle_timeout`];
//! * out, after every input: [`DtlsEndpoint::poll_transmit`] and [`DtlsEndpoint::poll_event`] until they
//!   give nothing, then [`DtlsEndpoint::poll_timeout`];
//! * commands: [`DtlsEndpoint::send_application_data`], [`DtlsEndpoint::close`].
//!
//! The handshake itself is done by a [`DtlsBackend`]; today that is `dimpl`, speaking DTLS 1.2 with ECDSA
//! certificates. RFC 5764 profiles and exporter bytes come out in [`DtlsEvent::Connected`]; what they are
//! used for is not known here.
//!
//! **The peer is not authenticated by a finished handshake.** Its certificate is whatever it sent; the
//! caller has to [`verify`] it against the fingerprints from signalling before using the keys.
//!
//! # Bytes that are not what they seem
//!
//! Until the handshake is over its records are not protected, so who can write into the path can break
//! it; DTLS does not defend against that, and the caller admits only datagrams from addresses that passed
//! an ICE check. What can be defended is: datagrams that are no well-formed DTLS 1.2 records are dropped
//! and counted before the backend sees them ([`RecordFront`]), the backend drops what it cannot parse,
//! replays and records that do not decrypt, and once connected nothing unprotected changes the state.

#![forbid(unsafe_code)]

mod backend;
mod certificate;
mod endpoint;
mod error;
mod fingerprint;
#[doc(hidden)]
pub mod fuzzing;
mod profile;
mod record;
mod transmit;

pub use backend::{BackendError, BackendOutput, DtlsBackend, Keying};
pub use certificate::Certificate;
pub use endpoint::{DtlsEndpoint, DtlsEvent, DtlsRole, DtlsSettings, MAX_APPLICATION_DATA};
pub use error::DtlsError;
pub use fingerprint::{Fingerprint, FingerprintAlgorithm, FingerprintError, verify};
pub use profile::{ProfileSet, SrtpProfileId};
pub use record::{MAX_DATAGRAM, MalformedDatagram, RecordFront};

#[cfg(test)]
mod tests;
