//! Fingerprints of certificates and of text.

use super::*;
use crate::DtlsRole;
use crate::tests::certificate;

#[test]
fn fingerprints_tell_certificates_apart() {
    let (ours, other) = (certificate(DtlsRole::Client), certificate(DtlsRole::Server));
    assert!(verify(ours.der(), &[ours.fingerprint()]));
    assert!(verify(
        ours.der(),
        &[other.fingerprint(), ours.fingerprint()]
    ));
    assert!(!verify(ours.der(), &[other.fingerprint()]));
    assert!(!verify(ours.der(), &[]));
    for algorithm in FingerprintAlgorithm::ALL {
        let fingerprint = Fingerprint::of(algorithm, ours.der());
        assert!(verify(ours.der(), std::slice::from_ref(&fingerprint)));
        let read = Fingerprint::parse(algorithm.name(), &fingerprint.to_string()).unwrap();
        assert_eq!(read, fingerprint);
    }
    // A weak hash that fits does not help beside a strong one that does not.
    let weak = Fingerprint::of(FingerprintAlgorithm::Sha1, ours.der());
    assert!(!verify(ours.der(), &[weak, other.fingerprint()]));
    let cut = Fingerprint {
        value: Vec::new(),
        ..ours.fingerprint()
    };
    assert!(!verify(ours.der(), &[cut]));
}

#[test]
fn fingerprints_are_read_strictly() {
    let fingerprint = Fingerprint::of(FingerprintAlgorithm::Sha1, b"abc");
    let text = "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D";
    assert_eq!(fingerprint.to_string(), text);
    assert_eq!(
        Fingerprint::parse("SHA-1", &text.to_lowercase()),
        Ok(fingerprint)
    );
    for (algorithm, value, error) in [
        ("md5", text, FingerprintError::Algorithm),
        ("sha-256", text, FingerprintError::Length),
        ("sha-1", &text[3..], FingerprintError::Length),
        ("sha-1", &text.replace(':', ""), FingerprintError::Value),
        ("sha-1", "", FingerprintError::Value),
        ("sha-1", &text.replace("A9", "+9"), FingerprintError::Value),
        ("sha-1", &format!("{text}:00"), FingerprintError::Length),
    ] {
        assert_eq!(Fingerprint::parse(algorithm, value), Err(error), "{value}");
    }
}
