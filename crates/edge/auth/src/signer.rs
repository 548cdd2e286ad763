//! Making tokens.

use std::path::Path;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use crate::{
    claims::Claims,
    keys::{self, KeyError},
};

/// Makes tokens with one key.
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
}

impl Signer {
    /// With the private key or the secret of a file.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let bytes = keys::read(path)?;
        Self::from_bytes(&bytes).map_err(|reason| KeyError::Unusable {
            path: path.into(),
            reason,
        })
    }

    /// With a private key in PEM, or a secret.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        let is_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
        let (key, algorithm) = if is_pem {
            let is_private = bytes
                .windows(16)
                .any(|window| window == b"PRIVATE KEY-----");
            if !is_private {
                return Err("tokens are made with a private key (BEGIN PRIVATE KEY)");
            }
            match EncodingKey::from_ed_pem(bytes) {
                Ok(key) => (key, Algorithm::EdDSA),
                Err(_) => match EncodingKey::from_rsa_pem(bytes) {
                    Ok(key) => (key, Algorithm::RS256),
                    Err(_) => {
                        return Err("neither an RSA nor an Ed25519 key that is not encrypted");
                    }
                },
            }
        } else {
            let secret = keys::secret(bytes)?;
            (EncodingKey::from_secret(secret), Algorithm::HS256)
        };
        Ok(Self { key, algorithm })
    }

    /// The token. `key_id` is the key's name in a JWKS.
    pub fn sign(&self, claims: &Claims, key_id: Option<String>) -> Result<String, &'static str> {
        let header = Header {
            kid: key_id,
            ..Header::new(self.algorithm)
        };
        encode(&header, claims, &self.key).map_err(|_| "the key does not sign")
    }
}
