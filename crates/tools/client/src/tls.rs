//! Which certificates of servers hold.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::ClientError;

/// Which certificates of servers hold. By default those that the system trusts.
#[derive(Clone, Default)]
pub struct Tls(Trust);

#[derive(Clone, Default)]
enum Trust {
    Anybody,
    Custom(Arc<ClientConfig>),
    #[default]
    System,
}

impl Tls {
    /// The authorities that the system trusts.
    pub const fn system() -> Self {
        Self(Trust::System)
    }

    /// Any certificate at all: for tests with self-signed ones. Whoever sits on the way can listen.
    pub const fn any_certificate() -> Self {
        Self(Trust::Anybody)
    }

    /// An application's own settings.
    pub fn custom(config: Arc<ClientConfig>) -> Self {
        Self(Trust::Custom(config))
    }

    /// The settings that it stands for.
    pub fn config(&self) -> Result<Arc<ClientConfig>, ClientError> {
        if let Trust::Custom(config) = &self.0 {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ClientError::Tls)?;
        let config = if matches!(self.0, Trust::Anybody) {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_platform_verifier().map_err(ClientError::Tls)?
        };
        Ok(Arc::new(config.with_no_client_auth()))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Trust::Anybody => "Tls(any certificate)",
            Trust::Custom(_) => "Tls(custom)",
            Trust::System => "Tls(system)",
        })
    }
}

/// Believes every certificate whose key its holder has.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
