//! Who may do what: tokens, keys that rotate, grants.
//!
//! A token is a JWT (RFC 7519) that whoever runs the meetings signs, and that says into which rooms somebody may, under
//! which name, and what it may do there. A [`Verifier`] checks tokens with keys from files and from a JWKS URL, which may
//! change while it runs; a [`Signer`] makes tokens.
//!
//! A key belongs to one algorithm, which is read from the key and never from a token. So a token cannot have a public
//! key taken for a secret, nor be taken without a signature.
#![forbid(unsafe_code)]

mod claims;
mod current;
#[doc(hidden)]
pub mod fuzzing;
mod jwks;
mod keys;
mod pattern;
mod signer;
mod stamp;
mod verifier;

pub use claims::{Audience, Claims};
pub use keys::KeyError;
pub use signer::Signer;
pub use stamp::Stamp;
pub use verifier::{TokenError, Verifier, VerifierOptions};
