//! Peers whose certificates we do not support (docs/adr/0006).

use plenum_dtls::{DtlsError, DtlsEvent};

use crate::interop::{Mixed, ROLES};
use crate::openssl_peer::{KeyType, OpenSslSettings};

#[test]
fn a_peer_with_another_certificate_is_refused_by_name_and_at_once() {
    for role in ROLES {
        for key in [KeyType::Rsa2048, KeyType::Ed25519, KeyType::P521] {
            let theirs = OpenSslSettings {
                key,
                ..OpenSslSettings::default()
            };
            let mut mixed = Mixed::with(role, &theirs);
            // Our clock stands still, so that no timer can be what ends it.
            mixed.exchange();
            let refused = DtlsError::UnsupportedPeerCertificate;
            let told = &mixed.ours;
            assert_eq!(told.error, Some(refused.clone()), "{role:?} {key:?}");
            assert_eq!(told.events, [DtlsEvent::Failed(refused)]);
            assert_eq!(told.endpoint.poll_timeout(), None);
            assert!(!told.endpoint.is_connected());
            assert!(!mixed.theirs.connected);
        }
    }
}
