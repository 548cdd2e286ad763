//! Users, passwords and certificates.

use std::{fs, path::Path};

use plenum_registry::{Bus, RedisConfig, RedisConfigError, RedisRegistry, Registry, RegistryError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::place::{Server, exercise, free_port, patient};

/// As `docs/cluster/registry.md` tells operators.
const RIGHTS: &str = "~{plenum}:* &{plenum}:* -@all +eval +evalsha +script|load +info +time \
    +select +publish +subscribe +unsubscribe +hget +hset +hdel +hmget +hgetall +hkeys +hlen +hexists \
    +exists +pexpire +persist +unlink +sadd +srem +sscan +zadd +zrem +zrangebyscore";

#[tokio::test]
async fn a_user_with_the_rights_that_the_documentation_names_can_do_everything() {
    let server = Server::start(&[]).await;
    let mut rights = vec!["ACL", "SETUSER", "node", "reset", "on", ">secret"];
    rights.extend(RIGHTS.split(' '));
    let _: String = server.ask(&rights).await;
    let documented = include_str!("../../../../../../docs/cluster/registry.md");
    let documented: Vec<_> = documented.split_whitespace().collect();
    assert!(documented.join(" ").contains(RIGHTS), "{RIGHTS}");
    // Nobody else may do anything.
    let _: String = server
        .ask(&["ACL", "SETUSER", "default", "-@all", "+acl"])
        .await;

    let mut config = patient(RedisConfig::new(server.url()));
    config.user = Some("node".to_owned());
    config.password = Some("secret".to_owned());
    let registry = RedisRegistry::start(&config).expect("good settings");
    exercise(&registry).await;
    let url = format!("redis://node:secret@127.0.0.1:{}", server.port);
    let registry = RedisRegistry::start(&patient(RedisConfig::new(url))).expect("good settings");
    exercise(&registry).await;
    let log: Vec<redis::Value> = server.ask(&["ACL", "LOG"]).await;
    assert!(log.is_empty(), "nothing was tried in vain: {log:?}");

    config.prefix = "other".to_owned();
    let registry = RedisRegistry::start(&config).expect("good settings");
    assert!(registry.leases().await.is_err(), "not that user's keys");
    config.password = Some("guess".to_owned());
    let registry = RedisRegistry::start(&config).expect("good settings");
    let err = registry
        .publish("t", "x".into())
        .await
        .expect_err("refused");
    assert!(matches!(err, RegistryError::Unreachable { .. }), "{err}");
    assert!(!err.to_string().contains("guess"), "{err}");
}

/// An authority, and a server's certificate that it has signed, as files.
struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        Self { authority }
    }

    fn pem(&self) -> Vec<u8> {
        self.authority.pem().into_bytes()
    }

    /// A certificate and its key.
    fn issue(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        // With the authority's name it would pass for its own issuer.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.authority).expect("signed");
        (
            certificate.pem().into_bytes(),
            key.serialize_pem().into_bytes(),
        )
    }

    fn write(&self, dir: &Path, name: &str) -> [String; 3] {
        let (certificate, key) = self.issue(name);
        let files = [("ca", self.pem()), ("crt", certificate), ("key", key)];
        files.map(|(file, pem)| {
            let path = dir.join(file);
            fs::write(&path, pem).expect("written");
            path.to_str().expect("plain names").to_owned()
        })
    }
}

async fn tls_server(
    certificates: &Certificates,
    clients: &str,
) -> (Server, tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let [ca, certificate, key] = certificates.write(dir.path(), "localhost");
    let port = free_port();
    let server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        clients,
    ])
    .await;
    (server, dir, format!("rediss://localhost:{port}"))
}

#[tokio::test]
async fn a_server_with_a_certificate_is_believed_if_the_right_authority_signed_it() {
    let certificates = Certificates::new();
    let (_server, _dir, url) = tls_server(&certificates, "no").await;
    let mut config = patient(RedisConfig::new(url.clone()));
    config.tls.ca = Some(certificates.pem());
    let registry = RedisRegistry::start(&config).expect("good settings");
    exercise(&registry).await;

    config.tls.ca = Some(Certificates::new().pem());
    let registry = RedisRegistry::start(&config).expect("good settings");
    let err = registry.leases().await.expect_err("somebody else");
    assert!(err.to_string().contains("certificate"), "{err}");
    config.servers = patient(RedisConfig::new(url.replace("localhost", "127.0.0.1"))).servers;
    config.tls.ca = Some(certificates.pem());
    let registry = RedisRegistry::start(&config).expect("good settings");
    let err = registry.leases().await.expect_err("another name");
    assert!(err.to_string().contains("certificate"), "{err}");
    config.tls.ca = Some(b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----".to_vec());
    let refused = RedisRegistry::start(&config).expect_err("no certificate");
    assert!(matches!(refused, RedisConfigError::Certificates { .. }));
}

#[tokio::test]
async fn a_node_shows_its_certificate_where_one_is_asked_for() {
    let certificates = Certificates::new();
    let (_server, _dir, url) = tls_server(&certificates, "yes").await;
    let mut config = patient(RedisConfig::new(url));
    config.tls.ca = Some(certificates.pem());
    let registry = RedisRegistry::start(&config).expect("good settings");
    assert!(registry.leases().await.is_err(), "without one");
    config.tls.client = Some(certificates.issue("node"));
    let registry = RedisRegistry::start(&config).expect("good settings");
    exercise(&registry).await;
}
