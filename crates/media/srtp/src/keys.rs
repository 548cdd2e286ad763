//! Master keys, and the session keys derived from them (RFC 3711 §4.3).

use core::fmt;

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use crate::{SrtpError, SrtpProfile};

/// One direction's master key and master salt. Wiped on drop and never printed.
#[derive(Clone)]
pub struct KeyingMaterial {
    profile: SrtpProfile,
    key: Zeroizing<[u8; MAX_KEY_LEN]>,
    salt: Zeroizing<[u8; MAX_SALT_LEN]>,
}

impl KeyingMaterial {
    /// Takes a master key and salt of exactly the profile's lengths.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let mut material = Self {
            profile,
            key: Zeroizing::new([0; MAX_KEY_LEN]),
            salt: Zeroizing::new([0; MAX_SALT_LEN]),
        };
        copy_exact(&mut material.key[..profile.key_len()], key)?;
        copy_exact(&mut material.salt[..profile.salt_len()], salt)?;
        Ok(material)
    }

    /// Takes key and salt in one piece, as SDES and our pipes carry them (RFC 4568 §6.1).
    pub fn from_key_and_salt(profile: SrtpProfile, bytes: &[u8]) -> Result<Self, SrtpError> {
        let expected = profile.key_len() + profile.salt_len();
        if bytes.len() != expected {
            return Err(SrtpError::KeyLength {
                expected,
                actual: bytes.len(),
            });
        }
        let (key, salt) = bytes.split_at(profile.key_len());
        Self::new(profile, key, salt)
    }

    /// The profile that the material is for.
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// The master key, for handing a live transport over to another process.
    pub fn master_key(&self) -> &[u8] {
        &self.key[..self.profile.key_len()]
    }

    /// The master salt, for handing a live transport over to another process.
    pub fn master_salt(&self) -> &[u8] {
        &self.salt[..self.profile.salt_len()]
    }

    /// Derives the session key with this label into `out` (RFC 3711 §4.3.1 and §4.3.3; derivation rate 0).
    pub(crate) fn derive(&self, label: Label, out: &mut [u8]) -> Result<(), SrtpError> {
        // x = (label || index DIV rate) XOR master_salt. The salt is 112 bits wide here; RFC 7714's
        // 96-bit salts are followed by zeroes. The label lands 7 bytes into it.
        let mut iv = [0_u8; 16];
        iv[..MAX_SALT_LEN].copy_from_slice(&self.salt[..]);
        iv[7] ^= label as u8;
        let prf = aes_ctr(self.master_key())?;
        out.fill(0);
        xor_key_stream(&prf, iv, out)
    }
}

impl fmt::Debug for KeyingMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyingMaterial")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Splits what the DTLS exporter gives into the two directions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SrtpKeys;

impl SrtpKeys {
    /// `(client, server)` write keys from the output of the exporter `EXTRACTOR-dtls_srtp`: client key,
    /// server key, client salt, server salt (RFC 5764 §4.2).
    pub fn from_exporter(
        profile: SrtpProfile,
        bytes: &[u8],
    ) -> Result<(KeyingMaterial, KeyingMaterial), SrtpError> {
        let expected = profile.exporter_len();
        if bytes.len() != expected {
            return Err(SrtpError::KeyLength {
                expected,
                actual: bytes.len(),
            });
        }
        let (keys, salts) = bytes.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Ok((
            KeyingMaterial::new(profile, client_key, client_salt)?,
            KeyingMaterial::new(profile, server_key, server_salt)?,
        ))
    }
}

/// Labels of the key derivation (RFC 3711 §4.3.1, §4.3.2).
#[derive(Clone, Copy)]
pub(crate) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// An AES counter-mode key of 16 or 32 bytes.
pub(crate) fn aes_ctr(key: &[u8]) -> Result<EncryptingKey, SrtpError> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .map_err(|_| SrtpError::Cipher)
}

/// XORs the counter-mode key stream that starts at `iv` into `data`.
pub(crate) fn xor_key_stream(
    key: &EncryptingKey,
    iv: [u8; 16],
    data: &mut [u8],
) -> Result<(), SrtpError> {
    if data.is_empty() {
        return Ok(());
    }
    key.less_safe_encrypt(data, EncryptionContext::Iv128(FixedLength::from(iv)))
        .map(|_| ())
        .map_err(|_| SrtpError::Cipher)
}

fn copy_exact(to: &mut [u8], from: &[u8]) -> Result<(), SrtpError> {
    if to.len() != from.len() {
        return Err(SrtpError::KeyLength {
            expected: to.len(),
            actual: from.len(),
        });
    }
    to.copy_from_slice(from);
    Ok(())
}

/// The longest master key: AES-256.
const MAX_KEY_LEN: usize = 32;

/// The longest master salt: AES-CM (RFC 3711 §8.2, 112 bits).
pub(crate) const MAX_SALT_LEN: usize = 14;
