//! Certificates of nodes.

use std::{fs, path::PathBuf};

use plenum_link::Identity;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority, and the files of the nodes that it has certified.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The files of one node.
pub(crate) struct Files {
    pub(crate) dir: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Self { issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Files of a node with this name, who trusts this authority.
    pub(crate) fn certify(&self, name: &str) -> Files {
        let dir = tempfile::tempdir().expect("a directory");
        let files = Files { dir };
        self.certify_again(name, &files);
        files.trust(&self.pem());
        files
    }

    /// Another certificate for the node that has these files.
    pub(crate) fn certify_again(&self, name: &str, files: &Files) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        fs::write(files.path("key.pem"), key.serialize_pem()).expect("writes");
        fs::write(files.path("node.pem"), certificate.pem()).expect("writes");
    }
}

impl Files {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn trust(&self, authorities: &str) {
        fs::write(self.path("authority.pem"), authorities).expect("writes");
    }

    pub(crate) fn identity(&self, names: bool) -> Identity {
        Identity::Mtls {
            certificate: self.path("node.pem"),
            key: self.path("key.pem"),
            authority: self.path("authority.pem"),
            names,
        }
    }
}
