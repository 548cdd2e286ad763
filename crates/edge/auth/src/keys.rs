//! Keys that tokens are checked with, and where they are read from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use thiserror::Error;

use crate::{jwks, stamp::Stamp};

/// What a token may be checked with: bytes, and the one algorithm that they are for.
#[derive(Clone)]
pub(crate) struct Key {
    /// Its name in tokens; keys from PEM files and secrets have none.
    pub(crate) id: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
}

/// Keys are few: the present ones, and those that were before or come next. A token without a name for its key is tried
/// with all of its algorithm.
pub(crate) const MAX_KEYS: usize = 32;

/// Shortest secret in bytes: as many as the hash has (RFC 7518 §3.2).
const MIN_SECRET: usize = 32;

/// Shortest modulus of an RSA key in bytes: 2048 bits (RFC 7518 §3.3).
pub(crate) const MIN_MODULUS: usize = 256;

/// No file with keys is larger.
const MAX_FILE: u64 = 1 << 20;

/// Why keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file, or the folder, cannot be read.
    #[error("cannot read keys from {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in the file is no key that could be used.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// Nothing to check tokens with.
    #[error("there are neither files with keys (auth.keys) nor a URL (auth.jwks_url)")]
    None,
    /// The URL will not do.
    #[error("auth.jwks_url must begin with https:// (http:// will do for this machine)")]
    Url,
}

impl Key {
    pub(crate) const fn new(
        id: Option<String>,
        algorithm: Algorithm,
        decoding: DecodingKey,
    ) -> Self {
        Self {
            id,
            algorithm,
            decoding,
        }
    }

    /// What of a token is checked along with its signature: its algorithm. The claims are ours to check.
    pub(crate) fn validation(&self) -> Validation {
        let mut validation = Validation::new(self.algorithm);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation
    }
}

/// All keys of files and of the files in folders, and how those looked.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<(Vec<Key>, Stamps), KeyError> {
    let mut keys = Vec::new();
    let stamps = stamps(paths)?;
    for (path, _) in &stamps {
        let unusable = |reason| KeyError::Unusable {
            path: path.clone(),
            reason,
        };
        let bytes = read(path)?;
        keys.extend(parse(&bytes).map_err(unusable)?);
        if keys.len() > MAX_KEYS {
            return Err(unusable("these are more keys than anybody needs"));
        }
    }
    Ok((keys, stamps))
}

pub(crate) type Stamps = Vec<(PathBuf, Stamp)>;

/// How all the files look. Those in folders, by their names; hidden ones are not for us.
pub(crate) fn stamps(paths: &[PathBuf]) -> Result<Stamps, KeyError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |source| KeyError::Read {
            path: path.clone(),
            source,
        };
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && entry.path().is_file() {
                inside.push(entry.path());
            }
        }
        inside.sort_unstable();
        files.append(&mut inside);
    }
    let stamped = files.into_iter().map(|path| {
        let stamp = Stamp::of(&path);
        (path, stamp)
    });
    Ok(stamped.collect())
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let unreadable = |source| KeyError::Read {
        path: path.into(),
        source,
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE {
        return Err(KeyError::Unusable {
            path: path.into(),
            reason: "no file with keys is as large",
        });
    }
    fs::read(path).map_err(unreadable)
}

/// A file's keys: public ones in PEM, a JWKS or a JWK, or else one secret.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Key>, &'static str> {
    let text = str::from_utf8(bytes).unwrap_or_default();
    if text.contains("-----BEGIN") {
        return parse_pem(text);
    }
    if text.trim_start().starts_with('{') {
        return jwks::parse(bytes, jwks::Source::File);
    }
    let secret = secret(bytes)?;
    let decoding = DecodingKey::from_secret(secret);
    Ok(vec![Key::new(None, Algorithm::HS256, decoding)])
}

/// A secret as it stands in a file, without the end of the line that editors write.
pub(crate) fn secret(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let secret = bytes.trim_ascii_end();
    if secret.len() < MIN_SECRET {
        return Err("a secret must have 32 bytes at least: openssl rand -base64 48");
    }
    Ok(secret)
}

fn parse_pem(text: &str) -> Result<Vec<Key>, &'static str> {
    let mut keys = Vec::new();
    // What stands before the first one is a comment.
    for (start, _) in text.match_indices("-----BEGIN ") {
        let block = text.get(start..).unwrap_or_default();
        let end = block.get(1..).and_then(|rest| rest.find("-----BEGIN "));
        let block = end.map_or(block, |end| block.get(..=end).unwrap_or_default());
        keys.push(parse_block(block)?);
    }
    Ok(keys)
}

fn parse_block(pem: &str) -> Result<Key, &'static str> {
    const PUBLIC: [&str; 2] = [
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN RSA PUBLIC KEY-----",
    ];
    if !PUBLIC.iter().any(|begin| pem.starts_with(begin)) {
        return Err(
            "tokens are checked with a public key (BEGIN PUBLIC KEY): openssl pkey -in private.pem -pubout",
        );
    }
    let length = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
    if let Ok(decoding) = DecodingKey::from_ed_pem(pem.as_bytes()) {
        if length(&decoding) != ED25519_KEY {
            return Err("of the Edwards curves, Ed25519 alone is known");
        }
        return Ok(Key::new(None, Algorithm::EdDSA, decoding));
    }
    let Ok(decoding) = DecodingKey::from_rsa_pem(pem.as_bytes()) else {
        return Err("neither an RSA nor an Ed25519 key");
    };
    // With its exponent and its lengths, a key is longer than its modulus.
    if length(&decoding) < MIN_MODULUS {
        return Err("an RSA key must have 2048 bits at least");
    }
    Ok(Key::new(None, Algorithm::RS256, decoding))
}

/// RFC 8032 §5.1.5.
pub(crate) const ED25519_KEY: usize = 32;
