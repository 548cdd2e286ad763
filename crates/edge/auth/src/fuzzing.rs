//! Entry points for fuzzing: whatever the bytes, these return.

use std::time::{Duration, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};

use crate::{
    Claims, Verifier, VerifierOptions, jwks,
    keys::{self, Key},
    pattern,
};

/// A token of a stranger: with no key of ours at hand, none holds.
pub fn fuzz_token(data: &[u8]) {
    let Ok(token) = str::from_utf8(data) else {
        return;
    };
    let keys = vec![
        Key::new(None, Algorithm::HS256, DecodingKey::from_secret(&[7; 32])),
        Key::new(None, Algorithm::EdDSA, DecodingKey::from_ed_der(&[7; 32])),
        Key::new(
            None,
            Algorithm::RS256,
            DecodingKey::from_rsa_raw_components(&[7; 256], &[1, 0, 1]),
        ),
    ];
    let verifier = Verifier::with_keys(keys, VerifierOptions::default());
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    assert!(verifier.check(token, now).is_err(), "nobody signed that");
}

/// What somebody with a key may have put into a token.
pub fn fuzz_claims(data: &[u8]) {
    let Ok(payload) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    let secret = [7; 32];
    let header = Header::new(Algorithm::HS256);
    let Ok(token) = jsonwebtoken::encode(&header, &payload, &EncodingKey::from_secret(&secret))
    else {
        return;
    };
    let key = Key::new(None, Algorithm::HS256, DecodingKey::from_secret(&secret));
    let verifier = Verifier::with_keys(vec![key], VerifierOptions::default());
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    if let Ok(claims) = verifier.check(&token, now) {
        let _ = claims.admit(Some("default"), "room", Some("peer"));
        assert!(
            pattern::matches(&claims.room, &claims.room),
            "a pattern means itself"
        );
        let again = serde_json::to_vec(&claims).unwrap_or_default();
        let again = serde_json::from_slice::<Claims>(&again);
        assert_eq!(again.ok(), Some(claims), "what is written is what was read");
    }
}

/// A set of keys out of the network, and a file of an operator.
pub fn fuzz_keys(data: &[u8]) {
    let _ = jwks::parse(data, jwks::Source::Url);
    let _ = keys::parse(data);
}
