//! Certificate fingerprints (RFC 8122 §5).

use core::fmt;
use core::str::FromStr;

use aws_lc_rs::digest;

/// Hash of a certificate, as exchanged in signalling.
///
/// `Display` writes the value as signalling wants it: upper-case hexadecimal bytes between colons.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain pair, made from parsed messages"
)]
pub struct Fingerprint {
    /// The hash function.
    pub algorithm: FingerprintAlgorithm,
    /// The hash.
    pub value: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(algorithm: FingerprintAlgorithm, certificate_der: &[u8]) -> Self {
        let value = digest::digest(algorithm.digest(), certificate_der)
            .as_ref()
            .to_vec();
        Self { algorithm, value }
    }

    /// Reads the two parts of a fingerprint in signalling: `sha-256` and `AB:CD:…`.
    pub fn parse(algorithm: &str, value: &str) -> Result<Self, FingerprintError> {
        let algorithm: FingerprintAlgorithm = algorithm.parse()?;
        let len = algorithm.digest().output_len();
        let mut bytes = Vec::with_capacity(len);
        for byte in value.split(':') {
            if byte.len() != 2 || !byte.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(FingerprintError::Value);
            }
            if bytes.len() == len {
                return Err(FingerprintError::Length);
            }
            bytes.push(u8::from_str_radix(byte, 16).map_err(|_| FingerprintError::Value)?);
        }
        if bytes.len() != len {
            return Err(FingerprintError::Length);
        }
        Ok(Self {
            algorithm,
            value: bytes,
        })
    }

    /// Whether the certificate in DER has this fingerprint.
    pub fn matches(&self, certificate_der: &[u8]) -> bool {
        digest::digest(self.algorithm.digest(), certificate_der).as_ref() == self.value
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.value.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Whether the peer's certificate is the one that signalling announced. Of several hash functions only
/// the strongest announced one counts (RFC 8122 §5); no fingerprint at all matches nothing.
pub fn verify(remote_certificate_der: &[u8], fingerprints: &[Fingerprint]) -> bool {
    let strongest = fingerprints
        .iter()
        .map(|fingerprint| fingerprint.algorithm)
        .max();
    fingerprints
        .iter()
        .filter(|fingerprint| Some(fingerprint.algorithm) == strongest)
        .any(|fingerprint| fingerprint.matches(remote_certificate_der))
}

/// Hash functions for fingerprints, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "callers map every one to their own words"
)]
pub enum FingerprintAlgorithm {
    /// `sha-1`.
    Sha1,
    /// `sha-224`.
    Sha224,
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl FingerprintAlgorithm {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// Its name in signalling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl fmt::Display for FingerprintAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FingerprintAlgorithm {
    type Err = FingerprintError;

    fn from_str(name: &str) -> Result<Self, FingerprintError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(FingerprintError::Algorithm)
    }
}

/// Why a fingerprint from signalling was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// A hash function that is not known.
    #[error("unknown fingerprint algorithm")]
    Algorithm,
    /// The value's length is not that of the hash.
    #[error("fingerprint of the wrong length")]
    Length,
    /// The value is not hexadecimal bytes between colons.
    #[error("malformed fingerprint value")]
    Value,
}

#[cfg(test)]
mod tests;
