use std::fs;

use plenum_api::grants::{Grants, Role};
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::*;
use crate::{Audience, Signer};

const NOW: u64 = 1_700_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn claims() -> Claims {
    Claims {
        ns: "default".into(),
        room: "lobby".to_owned(),
        peer: Some("ada".to_owned()),
        name: Some("Ada".to_owned()),
        region: None,
        isp: None,
        role: Some(Role::Host),
        grants: Grants::default(),
        exp: NOW + 60,
        nbf: None,
        iss: None,
        aud: None,
    }
}

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn signed(secret: &[u8], claims: &Claims) -> String {
    let signer = Signer::from_bytes(secret).expect("a secret");
    signer.sign(claims, None).expect("signs")
}

fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("writes");
    }
    folder
}

fn verifier(files: &[(&str, &[u8])]) -> Result<Arc<Verifier>, KeyError> {
    with_options(files, VerifierOptions::default())
}

fn with_options(
    files: &[(&str, &[u8])],
    options: VerifierOptions,
) -> Result<Arc<Verifier>, KeyError> {
    let folder = folder_with(files);
    Verifier::load(VerifierOptions {
        keys: vec![folder.path().to_owned()],
        ..options
    })
}

/// A token by hand: whatever header, and the signature of some bytes over both.
fn by_hand(header: &Value, payload: &Value, secret: Option<&[u8]>) -> String {
    let message = format!("{}.{}", base64url(header), base64url(payload));
    let signature = match secret {
        None => String::new(),
        Some(secret) => {
            let key = jsonwebtoken::EncodingKey::from_secret(secret);
            let algorithm = jsonwebtoken::Algorithm::HS256;
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).expect("signs")
        }
    };
    format!("{message}.{signature}")
}

fn base64url(value: &Value) -> String {
    // The library encodes claims, so that it does this for us, too.
    let key = jsonwebtoken::EncodingKey::from_secret(b"any");
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), value, &key).expect("JSON");
    token.split('.').nth(1).expect("three parts").to_owned()
}

#[test]
fn each_kind_of_key_opens_with_its_own_tokens() {
    let ed = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
    let verifier = verifier(&[
        ("a.key", SECRET),
        ("b.pem", ed.public_key_pem().as_bytes()),
        ("c.pem", rsa.public_key_pem().as_bytes()),
    ])
    .expect("keys");
    for private in [
        SECRET,
        ed.serialize_pem().as_bytes(),
        rsa.serialize_pem().as_bytes(),
    ] {
        let token = signed(private, &claims());
        assert_eq!(verifier.check(&token, at(NOW)), Ok(claims()));
    }
}

#[test]
fn keys_of_strangers_open_nothing() {
    let verifier = verifier(&[("a.key", SECRET)]).expect("keys");
    let strange = signed(b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", &claims());
    let ed = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    for token in [strange, signed(ed.serialize_pem().as_bytes(), &claims())] {
        assert_eq!(verifier.check(&token, at(NOW)), Err(TokenError::Signature));
    }
    for token in [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b.c.d",
        &"x".repeat(MAX_TOKEN + 1),
    ] {
        assert_eq!(
            verifier.check(token, at(NOW)),
            Err(TokenError::Malformed),
            "{token}"
        );
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret_and_no_token_goes_unsigned() {
    let ed = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
    let payload = serde_json::to_value(claims()).expect("JSON");
    for pair in [&ed, &rsa] {
        let pem = pair.public_key_pem();
        let verifier = verifier(&[("key.pem", pem.as_bytes())]).expect("a key");
        // What anybody knows, as the secret of a token.
        for known in [
            pem.as_bytes(),
            pem.trim_end().as_bytes(),
            pair.public_key_raw(),
        ] {
            let token = by_hand(&json!({"alg": "HS256"}), &payload, Some(known));
            assert!(verifier.check(&token, at(NOW)).is_err());
        }
        for alg in [
            "none", "None", "NONE", "", "HS512", "RS256", "PS256", "ES256", "EdDSA",
        ] {
            let header = json!({"alg": alg, "typ": "JWT"});
            for secret in [None, Some(SECRET)] {
                let token = by_hand(&header, &payload, secret);
                assert!(verifier.check(&token, at(NOW)).is_err(), "{alg}");
            }
        }
    }
}

#[test]
fn a_token_brings_no_keys_and_no_extensions() {
    let verifier = verifier(&[("a.key", SECRET)]).expect("keys");
    let payload = serde_json::to_value(claims()).expect("JSON");
    let own = json!({"kty": "oct", "k": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpBQkNERUY"});
    let header = json!({"alg": "HS256", "jwk": own});
    let token = by_hand(&header, &payload, Some(b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"));
    assert_eq!(verifier.check(&token, at(NOW)), Err(TokenError::Signature));
    let header = json!({"alg": "HS256", "crit": ["exp"], "exp": 1});
    let token = by_hand(&header, &payload, Some(SECRET));
    assert_eq!(verifier.check(&token, at(NOW)), Err(TokenError::Malformed));
}

#[test]
fn a_token_holds_in_its_time_only_and_always_has_an_end() {
    let verifier = verifier(&[("a.key", SECRET)]).expect("keys");
    let token = signed(
        SECRET,
        &Claims {
            nbf: Some(NOW),
            ..claims()
        },
    );
    for (seconds, expected) in [
        (NOW - LEEWAY - 1, Some(TokenError::NotYet)),
        (NOW - LEEWAY, None),
        (NOW + 60 + LEEWAY - 1, None),
        (NOW + 60 + LEEWAY, Some(TokenError::Expired)),
    ] {
        assert_eq!(
            verifier.check(&token, at(seconds)).err(),
            expected,
            "{seconds}"
        );
    }
    let mut payload = serde_json::to_value(claims()).expect("JSON");
    payload["exp"] = json!(1_700_000_000.5);
    let token = by_hand(&json!({"alg": "HS256"}), &payload, Some(SECRET));
    assert_eq!(
        verifier.check(&token, at(NOW)).map(|claims| claims.exp),
        Ok(NOW)
    );
    for wrong in [Value::Null, json!("never"), json!(-1), json!([NOW])] {
        payload["exp"] = wrong;
        let token = by_hand(&json!({"alg": "HS256"}), &payload, Some(SECRET));
        assert!(verifier.check(&token, at(NOW)).is_err(), "{payload}");
    }
    payload.as_object_mut().expect("an object").remove("exp");
    let token = by_hand(&json!({"alg": "HS256"}), &payload, Some(SECRET));
    assert_eq!(verifier.check(&token, at(NOW)), Err(TokenError::Malformed));
}

#[test]
fn issuer_and_audience_count_where_they_are_asked_for() {
    let options = VerifierOptions {
        issuer: Some("school".to_owned()),
        audience: Some("plenum".to_owned()),
        ..VerifierOptions::default()
    };
    let asks = with_options(&[("a.key", SECRET)], options).expect("keys");
    let asks_nothing = verifier(&[("a.key", SECRET)]).expect("keys");
    let several = Audience::Several(vec!["other".to_owned(), "plenum".to_owned()]);
    let one = |text: &str| Some(Audience::One(text.to_owned()));
    for (issuer, audience, asked, unasked) in [
        (
            Some("school"),
            one("plenum"),
            None,
            Some(TokenError::Audience),
        ),
        (
            Some("school"),
            Some(several),
            None,
            Some(TokenError::Audience),
        ),
        (Some("school"), None, Some(TokenError::Audience), None),
        (
            Some("school"),
            one("other"),
            Some(TokenError::Audience),
            Some(TokenError::Audience),
        ),
        (
            Some("pub"),
            one("plenum"),
            Some(TokenError::Issuer),
            Some(TokenError::Audience),
        ),
        (None, None, Some(TokenError::Issuer), None),
    ] {
        let claims = Claims {
            iss: issuer.map(str::to_owned),
            aud: audience,
            ..claims()
        };
        let token = signed(SECRET, &claims);
        assert_eq!(asks.check(&token, at(NOW)).err(), asked, "{claims:?}");
        assert_eq!(
            asks_nothing.check(&token, at(NOW)).err(),
            unasked,
            "{claims:?}"
        );
    }
}

#[test]
fn a_token_opens_its_rooms_for_its_bearer() {
    let claims = Claims {
        ns: "acme".into(),
        room: "class-*".to_owned(),
        ..claims()
    };
    for (namespace, room, peer, expected) in [
        (Some("acme"), "class-7", Some("ada"), Ok(())),
        (None, "class-7", None, Ok(())),
        (
            Some("default"),
            "class-7",
            None,
            Err(TokenError::OtherNamespace),
        ),
        (None, "lobby", None, Err(TokenError::OtherRoom)),
        (None, "class-7", Some("bob"), Err(TokenError::OtherPeer)),
    ] {
        assert_eq!(claims.admit(namespace, room, peer), expected);
    }
    let anybody = Claims {
        peer: None,
        ..claims
    };
    assert_eq!(anybody.admit(None, "class-7", Some("bob")), Ok(()));
    assert_eq!(TokenError::OtherRoom.kind(), ErrorKind::Forbidden);
    assert_eq!(TokenError::Expired.kind(), ErrorKind::Unauthorized);
}

#[test]
fn what_is_left_out_of_a_token_has_its_usual_value() {
    let verifier = verifier(&[("a.key", SECRET)]).expect("keys");
    let payload = json!({"room": "*", "exp": NOW + 1, "sub": "whatever"});
    let token = by_hand(&json!({"alg": "HS256"}), &payload, Some(SECRET));
    let claims = verifier.check(&token, at(NOW)).expect("holds");
    assert_eq!(claims.ns.as_str(), "default");
    assert_eq!((claims.peer, claims.role), (None, None));
    assert_eq!(claims.grants, Grants::default());
    for wrong in [
        json!({"exp": NOW + 1}),
        json!({"room": 7, "exp": NOW + 1}),
        json!({"room": "*", "exp": NOW + 1, "role": "king"}),
        json!({"room": "*", "exp": NOW + 1, "grants": {"publish": ["smell"]}}),
    ] {
        let token = by_hand(&json!({"alg": "HS256"}), &wrong, Some(SECRET));
        assert_eq!(
            verifier.check(&token, at(NOW)),
            Err(TokenError::Malformed),
            "{wrong}"
        );
    }
}

#[test]
fn files_that_will_not_do_say_what_would() {
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
    for (bytes, word) in [
        (&b"short"[..], "32 bytes"),
        (b"", "32 bytes"),
        (rsa.serialize_pem().as_bytes(), "public key"),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "neither",
        ),
        (b"{\"keys\": []}", "no key in it"),
        (b"{\"keys\"", "not JSON"),
    ] {
        let message = verifier(&[("a.key", bytes)])
            .expect_err("will not do")
            .to_string();
        assert!(
            message.contains(word) && message.contains("a.key"),
            "{message}"
        );
    }
    assert!(matches!(verifier(&[]), Err(KeyError::None)));
    let missing = VerifierOptions {
        keys: vec!["/nonexistent/key".into()],
        ..VerifierOptions::default()
    };
    assert!(matches!(
        Verifier::load(missing),
        Err(KeyError::Read { .. })
    ));
    for url in [
        "http://keys.example.org/jwks.json",
        "ftp://localhost/",
        "keys",
    ] {
        let options = VerifierOptions {
            jwks_url: Some(url.to_owned()),
            ..VerifierOptions::default()
        };
        assert!(
            matches!(Verifier::load(options), Err(KeyError::Url)),
            "{url}"
        );
    }
}

#[test]
fn more_keys_than_anybody_needs_are_refused() {
    let names: Vec<_> = (0..=keys::MAX_KEYS).map(|n| format!("{n}.key")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), SECRET)).collect();
    assert!(matches!(verifier(&files), Err(KeyError::Unusable { .. })));
    verifier(&files[1..]).expect("as many as there may be");
}

#[test]
fn several_keys_stand_in_one_file() {
    let pairs = [(); 2].map(|()| KeyPair::generate_for(&PKCS_ED25519).expect("a key"));
    let both = format!(
        "the new one\n{}\nthe old one\n{}",
        pairs[0].public_key_pem(),
        pairs[1].public_key_pem()
    );
    let verifier = verifier(&[("keys.pem", both.as_bytes())]).expect("keys");
    for pair in &pairs {
        let token = signed(pair.serialize_pem().as_bytes(), &claims());
        assert_eq!(verifier.check(&token, at(NOW)), Ok(claims()));
    }
}

#[test]
fn a_key_with_a_name_opens_with_tokens_that_name_it_or_none() {
    let jwks = json!({"keys": [
        {"kty": "oct", "kid": "old", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"},
        {"kty": "EC", "crv": "P-256", "kid": "passed over"},
        {"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"},
        7,
    ]});
    let verifier = verifier(&[("keys.json", jwks.to_string().as_bytes())]).expect("a key");
    let signer = Signer::from_bytes(SECRET).expect("a secret");
    for (id, holds) in [(None, true), (Some("old"), true), (Some("new"), false)] {
        let token = signer
            .sign(&claims(), id.map(str::to_owned))
            .expect("signs");
        assert_eq!(verifier.check(&token, at(NOW)).is_ok(), holds, "{id:?}");
    }
    // A secret that everybody can fetch is none.
    let public = crate::jwks::parse(jwks.to_string().as_bytes(), crate::jwks::Source::Url);
    assert!(public.is_err());
}

proptest! {
    #[test]
    fn no_change_of_a_token_survives(position in 0usize..400, flip in 1u8..=255) {
        let verifier = verifier(&[("a.key", SECRET)]).expect("keys");
        let token = signed(SECRET, &claims());
        let mut bytes = token.clone().into_bytes();
        let position = position % bytes.len();
        bytes[position] ^= flip;
        if let Ok(changed) = String::from_utf8(bytes) {
            // The last character of a part has bits that mean nothing; they must be zero.
            prop_assert!(verifier.check(&changed, at(NOW)).is_err(), "{changed}");
        }
    }

    #[test]
    fn whatever_is_signed_is_read_as_it_was_written(
        room in "\\PC{1,40}",
        peer in proptest::option::of("\\PC{1,40}"),
        name in proptest::option::of("\\PC{0,40}"),
        hidden: bool,
        publish_audio: bool,
        lifetime in 1u64..1_000_000,
    ) {
        let verifier = verifier(&[("a.key", SECRET)]).expect("keys");
        let claims = Claims {
            room,
            peer,
            name,
            grants: Grants { hidden, publish_audio, ..Grants::default() },
            exp: NOW + lifetime,
            ..claims()
        };
        let token = signed(SECRET, &claims);
        prop_assert_eq!(verifier.check(&token, at(NOW)), Ok(claims));
    }

    #[test]
    fn bytes_of_strangers_neither_hold_nor_harm(bytes: Vec<u8>) {
        crate::fuzzing::fuzz_token(&bytes);
        crate::fuzzing::fuzz_claims(&bytes);
        crate::fuzzing::fuzz_keys(&bytes);
    }
}
