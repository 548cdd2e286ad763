//! Proofs that a side knows the secret, good for one TLS session and one role in it.
//!
//! Certificates made on the spot prove nothing, so somebody in between can have a TLS session with each side. The keying
//! material that TLS exports (RFC 8446 §7.5, RFC 5705) is then another one on each of them: a proof that one side makes
//! over it is worth nothing to the other.

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use crate::Secret;

/// Label of the exporter, of the range for private use (RFC 5705 §4).
pub(crate) const EXPORTER_LABEL: &[u8] = b"EXPERIMENTAL plenum link 1";

/// Bytes of exported keying material: as many as the proofs have.
pub(crate) const EXPORTED_BYTES: usize = 32;

/// Proofs that are looked at: one for each secret that a side knows, and some to spare for other versions.
const MAX_PROOFS: usize = 4;

/// Who proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Dialler,
    Listener,
}

/// What proofs of one side are about: this TLS session, this side's role, and the hellos as they were written, which
/// have names and epochs in them.
#[derive(Clone, Debug)]
pub(crate) struct Subject(Vec<u8>);

/// Proofs as they were shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proofs(Vec<[u8; 32]>);

impl Subject {
    /// The dialler proves what it has said, the listener what both have said.
    pub(crate) fn new(role: Role, exported: &[u8; EXPORTED_BYTES], hellos: &[&[u8]]) -> Self {
        let mut subject = match role {
            Role::Dialler => b"plenum link dialler".to_vec(),
            Role::Listener => b"plenum link listener".to_vec(),
        };
        subject.push(0);
        subject.extend(exported);
        for hello in hellos {
            subject.extend((hello.len() as u64).to_be_bytes());
            subject.extend(*hello);
        }
        Self(subject)
    }

    /// A proof with each of these secrets, as text.
    pub(crate) fn prove(&self, secrets: &[Secret]) -> Vec<String> {
        let proof = |secret| hex(hmac::sign(&key(secret), &self.0).as_ref());
        secrets.iter().map(proof).collect()
    }

    /// Whether one of the proofs was made with one of the secrets. Comparing takes the same time whatever is in them.
    pub(crate) fn is_proved(&self, proofs: &Proofs, secrets: &[Secret]) -> bool {
        secrets.iter().any(|secret| {
            let key = key(secret);
            let good = |proof: &[u8; 32]| hmac::verify(&key, &self.0, proof).is_ok();
            proofs.0.iter().any(good)
        })
    }
}

impl Proofs {
    /// Those that can be proofs, out of text.
    pub(crate) fn parse(macs: &[String]) -> Self {
        Self(
            macs.iter()
                .take(MAX_PROOFS)
                .filter_map(|mac| unhex(mac))
                .collect(),
        )
    }
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(HMAC_SHA256, secret.expose().as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (digits, rest) = text.as_bytes().as_chunks::<2>();
    if digits.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(*high)? * 16 + digit(*low)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        text.into()
    }

    #[test]
    fn any_common_secret_is_enough() {
        let subject = Subject::new(Role::Dialler, &[1; 32], &[b"hello"]);
        let (old, new, other) = (secret("old"), secret("new"), secret("other"));
        let shown = |secrets: &[Secret]| Proofs::parse(&subject.prove(secrets));
        let both = [new.clone(), old.clone()];
        assert!(subject.is_proved(&shown(&both), std::slice::from_ref(&old)));
        assert!(subject.is_proved(&shown(std::slice::from_ref(&new)), &both));
        assert!(!subject.is_proved(&shown(&both), std::slice::from_ref(&other)));
        assert!(!subject.is_proved(&shown(&[]), &both));
        assert!(!subject.is_proved(&shown(&both), &[]));
    }

    #[test]
    fn a_proof_is_good_for_one_session_role_and_pair_only() {
        let secrets = [secret("the same everywhere")];
        let subject = Subject::new(Role::Dialler, &[1; 32], &[b"ab", b"c"]);
        let proofs = Proofs::parse(&subject.prove(&secrets));
        assert!(subject.is_proved(&proofs, &secrets));
        for other in [
            Subject::new(Role::Listener, &[1; 32], &[b"ab", b"c"]),
            Subject::new(Role::Dialler, &[2; 32], &[b"ab", b"c"]),
            Subject::new(Role::Dialler, &[1; 32], &[b"a", b"bc"]),
            Subject::new(Role::Dialler, &[1; 32], &[b"ab"]),
        ] {
            assert!(!other.is_proved(&proofs, &secrets));
        }
    }

    #[test]
    fn proofs_are_those_of_hmac_sha256() {
        // RFC 4231 §4.3 (test case 2), as far as a key of text goes.
        let subject = Subject(b"what do ya want for nothing?".to_vec());
        assert_eq!(
            subject.prove(&[secret("Jefe")]),
            ["5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"]
        );
    }

    proptest! {
        #[test]
        fn bytes_are_text_and_back(bytes: [u8; 32]) {
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_breaks_anything(text in ".{0,70}") {
            prop_assert!(unhex(&text).is_none_or(|bytes| hex(&bytes) == text.to_lowercase()));
        }
    }
}
