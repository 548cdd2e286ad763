//! The other side of a conversation with a node, written after `docs/cluster/links.md` and nothing else.

use std::{net::SocketAddr, sync::Arc};

use aws_lc_rs::hmac;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::in_time;

/// Somebody with a TLS session, who says what a test wants.
pub(crate) struct Stranger {
    pub(crate) stream: TlsStream<TcpStream>,
}

#[derive(Debug)]
struct Anybody;

impl Stranger {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.expect("listens");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let name = ServerName::try_from("anything").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        let stream = in_time(connector.connect(name, tcp)).await.expect("TLS");
        Self { stream }
    }

    /// Somebody who has proved that he is this node.
    pub(crate) async fn known(address: SocketAddr, secret: &str, node: &str, epoch: u64) -> Self {
        let mut stranger = Self::connect(address).await;
        let hello = json!({
            "kind": "hello", "versions": { "min": 1, "max": 1 }, "node": node, "epoch": epoch,
        });
        stranger.introduce(&hello, secret).await;
        for kind in ["hello", "proof", "welcome"] {
            assert_eq!(stranger.hear().await.expect("said")["kind"], kind);
        }
        stranger
    }

    /// Says hello and proves it.
    pub(crate) async fn introduce(&mut self, hello: &Value, secret: &str) {
        let words = frame(hello);
        self.write(&words).await;
        let mac = self.proof(secret, b"plenum link dialler", &[&words]);
        self.say(&json!({ "kind": "proof", "macs": [mac] })).await;
    }

    pub(crate) fn proof(&self, secret: &str, role: &[u8], hellos: &[&[u8]]) -> String {
        let (_, session) = self.stream.get_ref();
        let exported = session
            .export_keying_material([0; 32], b"EXPERIMENTAL plenum link 1", None)
            .expect("a session");
        let mut subject = [role, &[0], &exported].concat();
        for hello in hellos {
            subject.extend((hello.len() as u64).to_be_bytes());
            subject.extend(*hello);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, &subject);
        let number = tag.as_ref().iter();
        number.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    pub(crate) async fn say(&mut self, value: &Value) {
        self.write(&frame(value)).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("writes");
        self.stream.flush().await.expect("writes");
    }

    /// What is said next, if anything is.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        in_time(async {
            let length = self.stream.read_u32().await.ok()?;
            let mut json = vec![0; length as usize];
            self.stream.read_exact(&mut json).await.ok()?;
            Some(serde_json::from_slice(&json).expect("JSON"))
        })
        .await
    }

    /// What is said next of this kind.
    pub(crate) async fn hear_of(&mut self, kind: &str) -> Option<Value> {
        loop {
            let said = self.hear().await?;
            if said["kind"] == kind {
                return Some(said);
            }
        }
    }
}

pub(crate) fn frame(value: &Value) -> Vec<u8> {
    let json = serde_json::to_vec(value).expect("JSON");
    let mut bytes = (json.len() as u32).to_be_bytes().to_vec();
    bytes.extend(json);
    bytes
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
