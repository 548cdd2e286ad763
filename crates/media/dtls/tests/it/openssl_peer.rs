//! OpenSSL as the other side, over datagrams in memory.
//!
//! Its timers run on the computer's clock and cannot be told another one; all else needs no time.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{
    ErrorCode, ShutdownState, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode,
    SslVersion,
};
use openssl::x509::{X509, X509NameBuilder};
use plenum_dtls::{DtlsRole, SrtpProfileId};

pub(crate) struct OpenSslPeer {
    stream: SslStream<Wire>,
    pub(crate) certificate_der: Vec<u8>,
    pub(crate) connected: bool,
    pub(crate) data: Vec<Vec<u8>>,
    /// Why it gave up.
    pub(crate) error: Option<String>,
}

/// How to make one.
pub(crate) struct OpenSslSettings {
    pub(crate) profiles: Vec<SrtpProfileId>,
    pub(crate) key: KeyType,
    pub(crate) ciphers: Option<&'static str>,
    pub(crate) mtu: u32,
    /// Whether a server begins with a `HelloVerifyRequest`.
    pub(crate) cookie: bool,
}

impl Default for OpenSslSettings {
    fn default() -> Self {
        Self {
            profiles: SrtpProfileId::ALL.to_vec(),
            key: KeyType::P256,
            ciphers: None,
            mtu: 1200,
            cookie: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyType {
    Ed25519,
    P256,
    P384,
    P521,
    Rsa2048,
}

impl OpenSslPeer {
    pub(crate) fn new(role: DtlsRole, settings: &OpenSslSettings) -> Self {
        let key = settings.key.generate();
        let certificate = self_signed(&key, settings.key).unwrap();
        let context = context(settings, &certificate, &key).unwrap();
        let mut ssl = Ssl::new(&context).unwrap();
        ssl.set_mtu(settings.mtu).unwrap();
        match role {
            DtlsRole::Client => ssl.set_connect_state(),
            DtlsRole::Server => ssl.set_accept_state(),
        }
        let mut peer = Self {
            stream: SslStream::new(ssl, Wire::default()).unwrap(),
            certificate_der: certificate.to_der().unwrap(),
            connected: false,
            data: Vec::new(),
            error: None,
        };
        peer.run();
        peer
    }

    pub(crate) fn handle(&mut self, datagram: &[u8]) {
        self.stream.get_mut().inbox.push_back(datagram.to_vec());
        self.run();
    }

    pub(crate) fn outbox(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.stream.get_mut().outbox)
    }

    /// Lets it read everything and look at the clock.
    pub(crate) fn run(&mut self) {
        if self.error.is_some() {
            return;
        }
        if !self.connected {
            match self.stream.do_handshake() {
                Ok(()) => self.connected = true,
                Err(error) if error.code() == ErrorCode::WANT_READ => return,
                Err(error) => {
                    self.error = Some(error.to_string());
                    return;
                }
            }
        }
        let mut buf = [0; 2048];
        loop {
            match self.stream.ssl_read(&mut buf) {
                Ok(len) => self.data.push(buf[..len].to_vec()),
                Err(error) => match error.code() {
                    ErrorCode::WANT_READ | ErrorCode::ZERO_RETURN => break,
                    _ => {
                        self.error = Some(error.to_string());
                        break;
                    }
                },
            }
        }
    }

    pub(crate) fn send(&mut self, data: &[u8]) {
        assert_eq!(self.stream.ssl_write(data).unwrap(), data.len());
    }

    pub(crate) fn close(&mut self) {
        self.stream.shutdown().unwrap();
    }

    pub(crate) fn heard_goodbye(&mut self) -> bool {
        self.stream.get_shutdown().contains(ShutdownState::RECEIVED)
    }

    pub(crate) fn profile(&self) -> Option<SrtpProfileId> {
        let profile = self.stream.ssl().selected_srtp_profile()?;
        SrtpProfileId::from_iana_id(u16::try_from(profile.id().as_raw()).unwrap())
    }

    /// Exporter output (RFC 5764 §4.2).
    pub(crate) fn export(&self, len: usize) -> Vec<u8> {
        let mut keys = vec![0; len];
        self.stream
            .ssl()
            .export_keying_material(&mut keys, "EXTRACTOR-dtls_srtp", None)
            .unwrap();
        keys
    }

    pub(crate) fn remote_certificate_der(&self) -> Vec<u8> {
        let certificate = self.stream.ssl().peer_certificate().unwrap();
        certificate.to_der().unwrap()
    }

    pub(crate) fn cipher(&self) -> &'static str {
        self.stream.ssl().current_cipher().unwrap().name()
    }
}

/// Datagrams as a stream: one read, one datagram.
#[derive(Debug, Default)]
struct Wire {
    inbox: VecDeque<Vec<u8>>,
    outbox: Vec<Vec<u8>>,
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let datagram = self.inbox.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        buf[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outbox.push(buf.to_vec());
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn context(
    settings: &OpenSslSettings,
    certificate: &X509,
    key: &PKey<Private>,
) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_certificate(certificate)?;
    context.set_private_key(key)?;
    // Self-signed: fingerprints decide, not authorities.
    let verify = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    context.set_verify_callback(verify, |_, _| true);
    let names: Vec<_> = settings.profiles.iter().copied().map(name).collect();
    context.set_tlsext_use_srtp(&names.join(":"))?;
    context.set_options(SslOptions::NO_QUERY_MTU);
    if let Some(ciphers) = settings.ciphers {
        context.set_cipher_list(ciphers)?;
    }
    if settings.cookie {
        context.set_options(SslOptions::COOKIE_EXCHANGE);
        context.set_cookie_generate_cb(|_, cookie| {
            cookie[..COOKIE.len()].copy_from_slice(COOKIE);
            Ok(COOKIE.len())
        });
        context.set_cookie_verify_cb(|_, cookie| cookie == COOKIE);
    }
    Ok(context.build())
}

/// OpenSSL's own names.
const fn name(profile: SrtpProfileId) -> &'static str {
    match profile {
        SrtpProfileId::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
        // These are the registry's.
        other => other.name(),
    }
}

impl KeyType {
    fn generate(self) -> PKey<Private> {
        let on_curve = |curve| {
            let group = EcGroup::from_curve_name(curve)?;
            PKey::from_ec_key(EcKey::generate(&group)?)
        };
        let key = match self {
            Self::Ed25519 => PKey::generate_ed25519(),
            Self::P256 => on_curve(Nid::X9_62_PRIME256V1),
            Self::P384 => on_curve(Nid::SECP384R1),
            Self::P521 => on_curve(Nid::SECP521R1),
            Self::Rsa2048 => Rsa::generate(2048).and_then(PKey::from_rsa),
        };
        key.unwrap()
    }
}

fn self_signed(key: &PKey<Private>, key_type: KeyType) -> Result<X509, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "WebRTC")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(key)?;
    certificate.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    certificate.set_not_after(Asn1Time::days_from_now(30)?.as_ref())?;
    let digest = match key_type {
        // Has its own.
        KeyType::Ed25519 => MessageDigest::null(),
        _ => MessageDigest::sha256(),
    };
    certificate.sign(key, digest)?;
    Ok(certificate.build())
}

const COOKIE: &[u8] = b"a cookie for whoever asks";
