//! Checking tokens.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use jsonwebtoken::{decode, decode_header, errors::ErrorKind as JwtError};
use plenum_api::error::ErrorKind;
use thiserror::Error;

use crate::{
    claims::Claims,
    current::Refresh,
    keys::{self, Key, KeyError, Stamps},
    pattern,
};

/// What tokens are checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller")]
pub struct VerifierOptions {
    /// Files with keys, or folders of such files.
    pub keys: Vec<PathBuf>,
    /// Where further keys are fetched from.
    pub jwks_url: Option<String>,
    /// Who must have made a token; `None`: whoever has a key.
    pub issuer: Option<String>,
    /// Whom a token must be for; `None`: those that name nobody.
    pub audience: Option<String>,
}

/// Checks tokens. What it checks them with is kept up to date by [`Verifier::keep_current`].
pub struct Verifier {
    pub(crate) options: VerifierOptions,
    pub(crate) from_files: ArcSwap<Vec<Key>>,
    pub(crate) from_url: ArcSwap<Vec<Key>>,
    pub(crate) refresh: Refresh,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Why a token does not open the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is for others than us.
    #[error("the token is for somebody else (aud)")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Somebody made it whom we do not know.
    #[error("the token is of another issuer (iss)")]
    Issuer,
    /// Its key is not known, and where keys come from is being asked.
    #[error("the token's key is not known yet, try again")]
    KeyMayCome,
    /// It is not a token that could be understood.
    #[error("that is no token that is understood here")]
    Malformed,
    /// Its time has not come.
    #[error("the token does not hold yet (nbf)")]
    NotYet,
    /// It is for another namespace.
    #[error("the token is for another namespace")]
    OtherNamespace,
    /// It is somebody else's.
    #[error("the token is for another peer")]
    OtherPeer,
    /// It is for another room.
    #[error("the token is for another room")]
    OtherRoom,
    /// None of our keys made it.
    #[error("the token's signature does not hold")]
    Signature,
}

impl TokenError {
    /// Its place in the table of errors.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::OtherNamespace | Self::OtherPeer | Self::OtherRoom => ErrorKind::Forbidden,
            Self::KeyMayCome => ErrorKind::Unavailable,
            Self::Audience
            | Self::Expired
            | Self::Issuer
            | Self::Malformed
            | Self::NotYet
            | Self::Signature => ErrorKind::Unauthorized,
        }
    }
}

/// Longest token taken. With all claims and an RSA signature it has a tenth.
const MAX_TOKEN: usize = 8192;

/// How far the clocks of who makes tokens and ours may be apart, in seconds: RFC 7519 §4.1.4 speaks of a few minutes at
/// most, and machines with NTP are within one second.
const LEEWAY: u64 = 30;

impl Verifier {
    /// Reads the keys of the files. Those of the URL come as soon as [`Self::keep_current`] runs.
    pub fn load(options: VerifierOptions) -> Result<Arc<Self>, KeyError> {
        let (verifier, stamps) = Self::read(options)?;
        verifier.refresh.note_stamps(stamps);
        Ok(Arc::new(verifier))
    }

    fn read(options: VerifierOptions) -> Result<(Self, Stamps), KeyError> {
        if options.keys.is_empty() && options.jwks_url.is_none() {
            return Err(KeyError::None);
        }
        let (keys, stamps) = keys::read_all(&options.keys)?;
        if keys.is_empty() && options.jwks_url.is_none() {
            return Err(KeyError::None);
        }
        let refresh = Refresh::new(options.jwks_url.as_deref())?;
        let verifier = Self {
            options,
            from_files: ArcSwap::from_pointee(keys),
            from_url: ArcSwap::from_pointee(Vec::new()),
            refresh,
        };
        Ok((verifier, stamps))
    }

    /// For tests and fuzzing.
    pub(crate) fn with_keys(keys: Vec<Key>, options: VerifierOptions) -> Self {
        Self {
            options,
            from_files: ArcSwap::from_pointee(keys),
            from_url: ArcSwap::from_pointee(Vec::new()),
            refresh: Refresh::none(),
        }
    }

    /// What a token says, if it holds now.
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Claims, TokenError> {
        let claims = self.check_signature(token)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.check_claims(&claims, now.as_secs())?;
        Ok(claims)
    }

    fn check_signature(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // RFC 7515 §4.1.11: what must be understood and is not. An encrypted or packed token is none of ours.
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return Err(TokenError::Malformed);
        }
        let (from_files, from_url) = (self.from_files.load(), self.from_url.load());
        let mut is_known = false;
        for key in from_files.iter().chain(from_url.iter()) {
            let is_meant = match (&key.id, &header.kid) {
                (Some(id), Some(wanted)) => id == wanted,
                _ => true,
            };
            if !is_meant || key.algorithm != header.alg {
                continue;
            }
            is_known = true;
            match decode::<Claims>(token, &key.decoding, &key.validation()) {
                Ok(data) => return Ok(data.claims),
                Err(err) => match err.kind() {
                    // Claims are looked at behind a signature that holds.
                    JwtError::Json(_) | JwtError::InvalidClaimFormat(_) => {
                        return Err(TokenError::Malformed);
                    }
                    _ => {}
                },
            }
        }
        let is_named = header.kid.is_some();
        // Keys of files have no names: a token that names its key may be of one that is still to be fetched.
        if (is_named || !is_known) && self.refresh.ask() {
            return Err(TokenError::KeyMayCome);
        }
        Err(TokenError::Signature)
    }

    fn check_claims(&self, claims: &Claims, now: u64) -> Result<(), TokenError> {
        if now >= claims.exp.saturating_add(LEEWAY) {
            return Err(TokenError::Expired);
        }
        if claims
            .nbf
            .is_some_and(|nbf| now.saturating_add(LEEWAY) < nbf)
        {
            return Err(TokenError::NotYet);
        }
        if let Some(issuer) = &self.options.issuer
            && claims.iss.as_ref() != Some(issuer)
        {
            return Err(TokenError::Issuer);
        }
        // RFC 7519 §4.1.3: who is not named in it must refuse it.
        let is_for_us = match (&self.options.audience, &claims.aud) {
            (Some(wanted), Some(audience)) => audience.contains(wanted),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_for_us {
            Ok(())
        } else {
            Err(TokenError::Audience)
        }
    }
}

impl Claims {
    /// Whether they are for this place and this name: what is not asked for is not compared.
    pub fn admit(
        &self,
        namespace: Option<&str>,
        room: &str,
        peer: Option<&str>,
    ) -> Result<(), TokenError> {
        if namespace.is_some_and(|namespace| namespace != self.ns.as_str()) {
            return Err(TokenError::OtherNamespace);
        }
        if !pattern::matches(&self.room, room) {
            return Err(TokenError::OtherRoom);
        }
        match (peer, &self.peer) {
            (Some(peer), Some(own)) if peer != own => Err(TokenError::OtherPeer),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
