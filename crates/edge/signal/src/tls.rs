//! Certificates, and exchanging them while connections go on.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum_server::tls_rustls::RustlsConfig;
use plenum_auth::Stamp;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use thiserror::Error;
use tracing::{info, warn};

/// What the doors show to clients who want TLS.
#[derive(Clone)]
pub struct Tls {
    config: RustlsConfig,
    files: Option<Arc<Files>>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    stamps: Mutex<[Stamp; 2]>,
}

/// Why there can be no TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// There is no certificate in the file, or it cannot be read.
    #[error("cannot read a certificate from {}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// There is no private key in the file, or it cannot be read.
    #[error("cannot read a private key from {}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// They do not go together.
    #[error("certificate and key cannot be used")]
    Pair(#[source] rustls::Error),
    /// Nothing could be made at start.
    #[error("cannot make a certificate")]
    SelfSigned(#[source] rcgen::Error),
}

/// How often files are looked at. Certificates are exchanged days before they end.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.as_ref();
        let certificate = files.map(|files| &files.certificate);
        f.debug_struct("Tls")
            .field("certificate", &certificate)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// With the certificate and the private key of two files, in PEM.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files {
            certificate: certificate.into(),
            key: key.into(),
            stamps: Mutex::default(),
        };
        let config = files.read()?;
        Ok(Self {
            config: RustlsConfig::from_config(config),
            files: Some(Arc::new(files)),
        })
    }

    /// With a certificate for these names and addresses that is made now, and that nobody trusts.
    pub fn self_signed(names: Vec<String>) -> Result<Self, TlsError> {
        let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::SelfSigned)?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = server_config(vec![made.cert.der().clone()], key)?;
        Ok(Self {
            config: RustlsConfig::from_config(config),
            files: None,
        })
    }

    /// Shows new connections what is in the files, whenever that changes. Those that are open go on. What cannot be used
    /// changes nothing.
    pub async fn keep_current(&self) {
        let Some(files) = &self.files else {
            return;
        };
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if !files.have_changed() {
                continue;
            }
            match files.read() {
                Ok(config) => {
                    self.config.reload_from_config(config);
                    info!(path = %files.certificate.display(), "certificate read again");
                }
                Err(err) => {
                    let source = std::error::Error::source(&err);
                    let source = source.map(ToString::to_string);
                    warn!(%err, source, "the certificate from before goes on");
                }
            }
        }
    }

    pub(crate) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }
}

impl Files {
    fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        // Looked at before they are read: what changes meanwhile is read once more.
        *self.known() = self.look();
        let unreadable = |source| TlsError::Certificate {
            path: self.certificate.clone(),
            source,
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate).map_err(unreadable)?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        if chain.is_empty() {
            return Err(unreadable(rustls::pki_types::pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|source| TlsError::Key {
            path: self.key.clone(),
            source,
        })?;
        server_config(chain, key)
    }

    fn have_changed(&self) -> bool {
        *self.known() != self.look()
    }

    fn look(&self) -> [Stamp; 2] {
        [Stamp::of(&self.certificate), Stamp::of(&self.key)]
    }

    fn known(&self) -> std::sync::MutexGuard<'_, [Stamp; 2]> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes ours the cryptographic library of all TLS in the process, that of clients, too. Without effect the second time.
pub fn install_crypto_provider() {
    // Whoever was first has installed the same one: there is no other in the program.
    let _ = aws_lc_rs::default_provider().install_default();
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    // RFC 7301. WebSockets are a matter of HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
