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
//! Only ECDSA certificates on P-256 and P-384 are supported; a peer that has none of them is refused as
//! [`DtlsError::UnsupportedPeerCertificate`] (`docs/adr/0006`).
//!
//! # Time
//!
//! A flight that is not answered is sent again after 100 ms, then after twice that, and so on, each wait
//! give or take a quarter, so that many endpoints do not beat together. A handshake that is not over 30 s
//! after its first datagram fails with [`BackendError::Timeout`]. Before a server's first `ClientHello`
//! and once connected no timer runs.
//!
//! # Bytes that are not what they seem
//!
//! The caller admits only datagrams from addresses that passed an ICE check. What is left is somebody who
//! writes with such an address: on the path, or beside it where source addresses can be forged and the
//! peer's port is guessed in the tenth of a second that a handshake takes. Datagrams that are no
//! well-formed DTLS 1.2 records are dropped and counted before the backend sees them ([`RecordFront`]), and
//! the backend drops what it cannot parse, replays, and records that do not decrypt. But until the
//! keys are agreed a well-formed forgery looks like the peer, and DTLS 1.2 has no defence against it:
//!
//! | Forged before [`DtlsEvent::Connected`] | What it does |
//! | --- | --- |
//! | fatal alert | fails the endpoint at once, [`BackendError::Alert`] |
//! | warning alert, `close_notify` among them; change of cipher; protected records | nothing |
//! | `ClientHello` before the peer's | is answered instead of the peer's; the handshake fails |
//! | `ClientHello` after the peer's | nothing, or the flight once more, as often as its timer would allow |
//! | `HelloVerifyRequest` or `ServerHello` before the server's | the client follows it; the handshake fails |
//! | any other message with the number of the one that is awaited, before it | takes its place; the handshake fails, or stands still until it times out |
//! | fragments that never become a message | [`BackendError::QueueFull`] after 30 datagrams |
//!
//! So the attacker can deny the handshake, as anybody on the path could by dropping it, and the caller
//! sees a failure within 30 s. It can not:
//!
//! * make an endpoint connect with other keys than the peer's, or to another certificate: `Finished` covers
//!   every message, and the caller compares the fingerprint;
//! * choose a weaker SRTP profile unseen, for the same reason;
//! * cost much: an endpoint keeps 30 datagrams, a handshake is one key agreement and one signature, and
//!   answers go to the address that passed the check only: the flight of about a kilobyte, at most nine
//!   times;
//! * touch a connected endpoint: nothing unprotected changes its state, alerts and new hellos included.
//!
//! A handshake that failed is not tried again here; a new endpoint, behind new ICE credentials that the
//! attacker has not seen, is the remedy.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

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
