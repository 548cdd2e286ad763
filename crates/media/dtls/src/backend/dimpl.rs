//! The `dimpl` backend: DTLS 1.2, ECDHE-ECDSA, AES-GCM or `ChaCha20` records.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dimpl::{CertificateError, Config, CryptoError, Dtls, Error, Output, SecurityError};

use super::restrict::ProfileRestriction;
use super::{BackendError, BackendOutput, DtlsBackend, Keying};
use crate::{Certificate, DtlsRole, ProfileSet, SrtpProfileId};

pub(crate) struct DimplBackend {
    role: DtlsRole,
    dtls: Dtls,
    /// Whether the peer has shown its certificate.
    seen_certificate: bool,
    /// Present when not every profile is allowed.
    restriction: Option<ProfileRestriction>,
}

impl DimplBackend {
    pub(crate) fn new(
        role: DtlsRole,
        certificate: &Certificate,
        profiles: ProfileSet,
        now: Instant,
    ) -> Result<Self, BackendError> {
        let restriction =
            (profiles != ProfileSet::ALL).then(|| ProfileRestriction::new(role, profiles));
        let config = config_of(role, profiles, restriction)?;
        // As a 1.3 server dimpl takes the client's first SRTP profile, AES-CM with browsers; as a 1.2
        // server it prefers AES-GCM, which costs the data plane a third.
        let mut dtls = Dtls::new_12(config, certificate.pair(), now);
        dtls.set_active(role == DtlsRole::Client);
        Ok(Self {
            role,
            dtls,
            seen_certificate: false,
            restriction,
        })
    }
}

impl DtlsBackend for DimplBackend {
    fn handle_datagram(&mut self, datagram: &[u8]) -> Result<(), BackendError> {
        match self
            .restriction
            .and_then(|restriction| restriction.inbound(datagram))
        {
            Some(rewritten) => self.dtls.handle_packet(&rewritten),
            None => self.dtls.handle_packet(datagram),
        }
        .map_err(|error| match error_of(&error) {
            // All that a server can lack for our hello is an ECDSA certificate: the key exchanges and
            // ciphers in it are those that every WebRTC peer has.
            BackendError::Alert(HANDSHAKE_FAILURE) if self.is_client_before_certificate() => {
                BackendError::UnsupportedCertificate
            }
            other => other,
        })
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), BackendError> {
        self.dtls
            .handle_timeout(now)
            .map_err(|error| error_of(&error))
    }

    fn poll<'a>(&mut self, buf: &'a mut [u8]) -> BackendOutput<'a> {
        loop {
            // Output that we do not know is skipped; the loop ends because polling always reaches the
            // timeout. Looking first at the length keeps the borrow of `buf` out of the loop.
            let written = match self.dtls.poll_output(buf) {
                Output::Packet(packet) => Written::Packet(packet.len()),
                Output::BufferTooSmall { needed } => return BackendOutput::BufferTooSmall(needed),
                Output::Timeout(at) => return BackendOutput::Timeout(at),
                Output::Connected => return BackendOutput::Connected,
                Output::PeerCert(der) => Written::PeerCertificate(der.len()),
                Output::KeyingMaterial(keys, profile) => {
                    let Some(profile) = profile_of(profile) else {
                        continue;
                    };
                    return BackendOutput::Keying(Keying::new(&keys), profile);
                }
                Output::ApplicationData(data) => Written::ApplicationData(data.len()),
                Output::CloseNotify => return BackendOutput::CloseNotify,
                _ => continue,
            };
            self.seen_certificate |= matches!(written, Written::PeerCertificate(_));
            return self.written(written, buf);
        }
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<(), BackendError> {
        self.dtls
            .send_application_data(data)
            .map(|_| ())
            .map_err(|error| error_of(&error))
    }

    fn close(&mut self) -> Result<(), BackendError> {
        self.dtls.close().map_err(|error| error_of(&error))
    }
}

impl DimplBackend {
    fn is_client_before_certificate(&self) -> bool {
        self.role == DtlsRole::Client && !self.seen_certificate
    }

    fn written<'a>(&self, written: Written, buf: &'a mut [u8]) -> BackendOutput<'a> {
        match written {
            Written::ApplicationData(len) => BackendOutput::ApplicationData(upto(buf, len)),
            Written::Packet(len) => {
                let packet = upto(buf, len);
                if let Some(restriction) = self.restriction {
                    restriction.outbound(packet);
                }
                BackendOutput::Packet(packet)
            }
            Written::PeerCertificate(len) => BackendOutput::PeerCertificate(upto(buf, len)),
        }
    }
}

/// What dimpl wrote to the front of the buffer, and how long it is.
#[derive(Clone, Copy)]
enum Written {
    ApplicationData(usize),
    Packet(usize),
    PeerCertificate(usize),
}

fn upto(buf: &mut [u8], len: usize) -> &mut [u8] {
    let len = len.min(buf.len());
    &mut buf[..len]
}

/// The configuration for a role and a set of profiles, made once per process: making one runs the
/// self-tests of its cipher suites.
fn config_of(
    role: DtlsRole,
    profiles: ProfileSet,
    restriction: Option<ProfileRestriction>,
) -> Result<Arc<Config>, BackendError> {
    static CONFIGS: [[OnceLock<Arc<Config>>; ProfileSet::COUNT]; 2] =
        [const { [const { OnceLock::new() }; ProfileSet::COUNT] }; 2];
    let slot = &CONFIGS[usize::from(role == DtlsRole::Client)][profiles.number()];
    if let Some(config) = slot.get() {
        return Ok(config.clone());
    }
    let mut builder = Config::builder()
        // ICE has proved the peer's address; a cookie would cost a round trip for nothing.
        .use_server_cookie(false)
        .dtls13_cipher_suites(&[])
        .flight_start_rto(FLIGHT_RTO)
        .flight_retries(FLIGHT_RETRIES)
        .handshake_timeout(HANDSHAKE_TIMEOUT);
    if let Some(restriction) = restriction {
        builder = builder.with_crypto_provider(restriction.provider());
    }
    let config = Arc::new(builder.build().map_err(|error| error_of(&error))?);
    Ok(slot.get_or_init(|| config).clone())
}

fn profile_of(profile: dimpl::SrtpProfile) -> Option<SrtpProfileId> {
    match profile {
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Some(SrtpProfileId::AeadAes256Gcm),
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Some(SrtpProfileId::AeadAes128Gcm),
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Some(SrtpProfileId::Aes128CmSha1_80),
        _ => None,
    }
}

fn error_of(error: &Error) -> BackendError {
    match error {
        Error::ConnectionClosed => BackendError::Closed,
        Error::ReceiveQueueFull
        | Error::TransmitQueueFull
        | Error::TransmitHistoryFull
        | Error::TooManyClientHelloFragments => BackendError::QueueFull,
        Error::SecurityError(SecurityError::FatalAlert { description }) => {
            BackendError::Alert(*description)
        }
        Error::Timeout(_) => BackendError::Timeout,
        // What a client with a certificate of another type sends is none (RFC 5246 §7.4.6); the others
        // come from peers that send it although they were not asked for it.
        Error::CertificateError(CertificateError::NoClientCertificateReceived)
        | Error::CryptoError(
            CryptoError::UnsupportedPublicKeyAlgorithm
            | CryptoError::UnsupportedEcCurve
            | CryptoError::UnsupportedSignatureAlgorithm(_)
            | CryptoError::SignatureAlgorithmNotOfferedByClient
            | CryptoError::SignatureAlgorithmMismatch { .. },
        ) => BackendError::UnsupportedCertificate,
        other => BackendError::Handshake(other.to_string()),
    }
}

/// First retransmission. RFC 6347 §4.2.4.1 asks for a second where nothing is known of the path; an ICE
/// check has just crossed this one. Where the round trip is longer, a flight of a kilobyte or so is sent
/// in vain. libwebrtc starts at 50 ms. Under 30 % loss between two of ours half of the handshakes take under
/// 0.17 s, nine in ten under 1.1 s, and one in 400 fails; starting at 200 ms it is 0.33 s, 1.9 s and one
/// in 170.
const FLIGHT_RTO: Duration = Duration::from_millis(100);

/// Retransmissions of one flight. Doubling from [`FLIGHT_RTO`], 8 of them span 51 s, more than
/// [`HANDSHAKE_TIMEOUT`], so that only the latter ends a handshake.
const FLIGHT_RETRIES: usize = 8;

/// Longest handshake: as long as browsers wait for ICE.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// RFC 5246 §7.2.2.
const HANDSHAKE_FAILURE: u8 = 40;
