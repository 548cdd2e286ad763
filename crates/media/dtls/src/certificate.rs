//! Our own certificate.

use core::fmt;
use std::sync::Arc;

use crate::fingerprint::FingerprintAlgorithm;
use crate::{DtlsError, Fingerprint};

/// A self-signed ECDSA P-256 certificate with its key. One per worker serves all its transports; clones
/// share it.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    pair: dimpl::DtlsCertificate,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// Makes a new one, valid for a year. Its serial number is random: Firefox refuses two certificates
    /// of one issuer name and serial number.
    pub fn generate() -> Result<Self, DtlsError> {
        let pair = dimpl::certificate::generate_self_signed_certificate()
            .map_err(|_| DtlsError::Certificate)?;
        let fingerprint = Fingerprint::of(FingerprintAlgorithm::Sha256, &pair.certificate);
        Ok(Self {
            inner: Arc::new(Inner { pair, fingerprint }),
        })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.inner.pair.certificate
    }

    /// Its SHA-256 fingerprint, for signalling.
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint.clone()
    }

    pub(crate) fn pair(&self) -> dimpl::DtlsCertificate {
        self.inner.pair.clone()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.inner.fingerprint)
            .finish_non_exhaustive()
    }
}
