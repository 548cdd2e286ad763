//! Our client and our server with OpenSSL. Our clock stands still: nothing may have to be sent twice.

use std::time::Instant;

use plenum_dtls::{
    DtlsEvent, DtlsRole, DtlsSettings, Fingerprint, FingerprintAlgorithm, MAX_APPLICATION_DATA,
    SrtpProfileId, verify,
};

use crate::openssl_peer::{KeyType, OpenSslPeer, OpenSslSettings};
use crate::ours::{Ours, certificate};

/// One of ours and OpenSSL with a perfect path between them.
pub(crate) struct Mixed {
    pub(crate) now: Instant,
    pub(crate) ours: Ours,
    pub(crate) theirs: OpenSslPeer,
}

impl Mixed {
    pub(crate) fn new(role: DtlsRole, settings: DtlsSettings, theirs: &OpenSslSettings) -> Self {
        let now = Instant::now();
        let other = match role {
            DtlsRole::Client => DtlsRole::Server,
            DtlsRole::Server => DtlsRole::Client,
        };
        Self {
            now,
            ours: Ours::new(role, settings, now),
            theirs: OpenSslPeer::new(other, theirs),
        }
    }

    pub(crate) fn with(role: DtlsRole, theirs: &OpenSslSettings) -> Self {
        Self::new(role, DtlsSettings::default(), theirs)
    }

    /// Carries what both sides have to send; false if that was nothing. `arrives` says whether a
    /// datagram of the named sender does.
    pub(crate) fn carry(&mut self, arrives: &mut dyn FnMut(Sender) -> bool) -> bool {
        let (from_us, from_them) = (self.ours.outbox(), self.theirs.outbox());
        for datagram in &from_us {
            if arrives(Sender::Ours) {
                self.theirs.handle(datagram);
            }
        }
        for datagram in &from_them {
            if arrives(Sender::Theirs) {
                self.ours.handle(self.now, datagram);
            }
        }
        !from_us.is_empty() || !from_them.is_empty()
    }

    pub(crate) fn exchange(&mut self) {
        while self.carry(&mut |_| true) {}
    }

    /// Both sides agree on the profile, the keys and on who they are.
    pub(crate) fn assert_connected(&self) -> SrtpProfileId {
        assert!(self.theirs.connected, "{:?}", self.theirs.error);
        let (profile, keying, remote) = self.ours.connected();
        assert_eq!(self.theirs.profile(), Some(profile));
        let keys = keying.as_bytes();
        assert_eq!(keys.len(), keying_len(profile));
        assert!(
            self.theirs.export(keys.len()) == keys,
            "both sides export the same keys"
        );
        assert_eq!(remote, self.theirs.certificate_der);
        let own = certificate(self.ours.endpoint.role()).der();
        assert_eq!(self.theirs.remote_certificate_der(), own);
        let announced = Fingerprint::of(FingerprintAlgorithm::Sha256, &self.theirs.certificate_der);
        assert!(verify(&remote, &[announced]));
        profile
    }

    pub(crate) fn assert_data_passes(&mut self) {
        let (from_us, from_them) = (self.theirs.data.len(), self.ours.data().len());
        for data in [&b"x"[..], b"a message", &[0xa5; MAX_APPLICATION_DATA]] {
            self.ours.endpoint.send_application_data(data).unwrap();
            // OpenSSL counts its record's header and seal into its MTU.
            self.theirs.send(&data[..data.len().min(1000)]);
            self.exchange();
        }
        let lens = |data: &[Vec<u8>]| data.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lens(&self.theirs.data[from_us..]), [1, 9, 1200]);
        assert_eq!(lens(&self.ours.data()[from_them..]), [1, 9, 1000]);
        assert_eq!(self.theirs.data[from_us + 1], b"a message");
        assert_eq!(self.ours.data()[from_them + 1], b"a message");
        assert!(
            self.theirs.data[from_us + 2]
                .iter()
                .all(|byte| *byte == 0xa5)
        );
        assert!(
            self.ours.data()[from_them + 2]
                .iter()
                .all(|byte| *byte == 0xa5)
        );
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Ours,
    Theirs,
}

/// Two keys and two salts (RFC 3711 §8.2, RFC 7714 §12).
const fn keying_len(profile: SrtpProfileId) -> usize {
    match profile {
        SrtpProfileId::AeadAes256Gcm => 2 * (32 + 12),
        SrtpProfileId::AeadAes128Gcm => 2 * (16 + 12),
        SrtpProfileId::Aes128CmSha1_80 => 2 * (16 + 14),
        _ => 0,
    }
}

pub(crate) const ROLES: [DtlsRole; 2] = [DtlsRole::Client, DtlsRole::Server];

#[test]
fn connects_and_passes_data_with_every_profile_that_openssl_offers_alone() {
    for role in ROLES {
        for profile in SrtpProfileId::ALL {
            let theirs = OpenSslSettings {
                profiles: vec![profile],
                ..OpenSslSettings::default()
            };
            let mut mixed = Mixed::with(role, &theirs);
            mixed.exchange();
            assert_eq!(mixed.assert_connected(), profile, "{role:?}");
            mixed.assert_data_passes();
        }
    }
}

#[test]
fn connects_with_every_profile_that_we_allow_alone() {
    for role in ROLES {
        for profile in SrtpProfileId::ALL {
            let settings = DtlsSettings::with_profiles(&[profile]);
            let mut mixed = Mixed::new(role, settings, &OpenSslSettings::default());
            mixed.exchange();
            assert_eq!(mixed.assert_connected(), profile, "{role:?}");
            mixed.assert_data_passes();
        }
    }
}

#[test]
fn our_server_takes_gcm_from_an_offer_in_a_browsers_order() {
    let theirs = OpenSslSettings {
        profiles: vec![
            SrtpProfileId::Aes128CmSha1_80,
            SrtpProfileId::AeadAes256Gcm,
            SrtpProfileId::AeadAes128Gcm,
        ],
        ..OpenSslSettings::default()
    };
    let mut mixed = Mixed::with(DtlsRole::Server, &theirs);
    mixed.exchange();
    assert_eq!(mixed.assert_connected(), SrtpProfileId::AeadAes256Gcm);
}

#[test]
fn every_cipher_in_common_works() {
    for role in ROLES {
        for cipher in [
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
        ] {
            let theirs = OpenSslSettings {
                ciphers: Some(cipher),
                ..OpenSslSettings::default()
            };
            let mut mixed = Mixed::with(role, &theirs);
            mixed.exchange();
            mixed.assert_connected();
            assert_eq!(mixed.theirs.cipher(), cipher);
            mixed.assert_data_passes();
        }
    }
}

#[test]
fn openssl_may_have_a_certificate_on_p384() {
    for role in ROLES {
        let theirs = OpenSslSettings {
            key: KeyType::P384,
            ..OpenSslSettings::default()
        };
        let mut mixed = Mixed::with(role, &theirs);
        mixed.exchange();
        mixed.assert_connected();
        mixed.assert_data_passes();
    }
}

#[test]
fn a_short_mtu_of_openssl_cuts_its_messages_into_fragments() {
    for role in ROLES {
        let theirs = OpenSslSettings {
            mtu: 256,
            ..OpenSslSettings::default()
        };
        let mut mixed = Mixed::with(role, &theirs);
        mixed.exchange();
        mixed.assert_connected();
    }
}

#[test]
fn our_client_answers_a_cookie() {
    let theirs = OpenSslSettings {
        cookie: true,
        ..OpenSslSettings::default()
    };
    let mut mixed = Mixed::with(DtlsRole::Client, &theirs);
    mixed.exchange();
    mixed.assert_connected();
    mixed.assert_data_passes();
}

#[test]
fn either_goodbye_is_heard() {
    for role in ROLES {
        let mut mixed = Mixed::with(role, &OpenSslSettings::default());
        mixed.exchange();
        mixed.assert_connected();
        mixed.ours.endpoint.close();
        mixed.exchange();
        assert!(mixed.theirs.heard_goodbye());
        assert_eq!(mixed.theirs.error, None);

        let mut mixed = Mixed::with(role, &OpenSslSettings::default());
        mixed.exchange();
        mixed.theirs.close();
        mixed.exchange();
        assert_eq!(mixed.ours.events.last(), Some(&DtlsEvent::Closed));
        assert_eq!(mixed.ours.error, None);
        assert!(!mixed.ours.endpoint.is_connected());
    }
}
