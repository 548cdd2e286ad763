use std::{fs, net::SocketAddr, time::Instant};

use axum::{Router, routing::get};
use rcgen::CertifiedKey;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::*;
use crate::{AddressLimits, Settings, addresses::Addresses, listening};

/// Generous: many tests share few cores.
const PATIENCE: Duration = Duration::from_secs(30);

fn pair() -> CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

fn write(folder: &Path, pair: &CertifiedKey<rcgen::KeyPair>) {
    fs::write(folder.join("cert.pem"), pair.cert.pem()).expect("writes");
    fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).expect("writes");
}

fn from(folder: &Path) -> Result<Tls, TlsError> {
    Tls::from_files(&folder.join("cert.pem"), &folder.join("key.pem"))
}

/// Somebody who trusts one certificate and no other.
fn client(trusted: &CertifiedKey<rcgen::KeyPair>) -> reqwest::Client {
    let certificate = reqwest::Certificate::from_pem(trusted.cert.pem().as_bytes());
    reqwest::Client::builder()
        .tls_certs_only([certificate.expect("a certificate")])
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .expect("a client")
}

struct Served {
    port: u16,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

async fn serve(tls: Option<Tls>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("bound").port();
    let settings = Arc::new(Settings::default());
    let doorman = listening::Doorman {
        addresses: Arc::new(Addresses::new(AddressLimits::default(), Instant::now())),
        settings,
    };
    let hello = |axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<SocketAddr>| async move {
        format!("hello {}", peer.ip())
    };
    let router = Router::new().route("/", get(hello));
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        listening::serve(listener, doorman, tls.as_ref(), router, stopped).await
    });
    Served { port, stop, ended }
}

impl Served {
    async fn ask(&self, client: &reqwest::Client) -> Result<String, reqwest::Error> {
        let url = format!("https://localhost:{}/", self.port);
        client.get(url).send().await?.text().await
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_newcomers_and_connections_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (pair(), pair());
    write(folder.path(), &old);
    let tls = from(folder.path()).expect("a certificate");
    let served = serve(Some(tls.clone())).await;
    let looking = tokio::spawn(async move { tls.keep_current().await });
    let (guest, newcomer) = (client(&old), client(&new));
    assert_eq!(
        served.ask(&guest).await.expect("trusts it"),
        "hello 127.0.0.1"
    );
    assert!(served.ask(&newcomer).await.is_err());

    // Half of it changes nothing.
    fs::write(folder.path().join("cert.pem"), new.cert.pem()).expect("writes");
    assert!(matches!(from(folder.path()), Err(TlsError::Pair(_))));
    served.ask(&client(&old)).await.expect("still the old one");

    write(folder.path(), &new);
    let deadline = Instant::now() + PATIENCE;
    while served.ask(&newcomer).await.is_err() {
        assert!(Instant::now() < deadline, "never shown");
        tokio::task::yield_now().await;
    }
    // Who trusts the old one only is served as long as its connection lasts.
    assert_eq!(
        served.ask(&guest).await.expect("the same connection"),
        "hello 127.0.0.1"
    );
    assert!(served.ask(&client(&old)).await.is_err());
    looking.abort();
}

#[tokio::test]
async fn one_that_is_made_at_start_serves_and_ends_in_order() {
    let tls = Tls::self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let served = serve(Some(tls.expect("made"))).await;
    let trusting = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .build()
        .expect("a client");
    assert_eq!(
        served.ask(&trusting).await.expect("served"),
        "hello 127.0.0.1"
    );
    served.stop.send(()).expect("still serving");
    let ended = tokio::time::timeout(PATIENCE, served.ended).await;
    ended
        .expect("ends in time")
        .expect("no panic")
        .expect("no error");
}

#[tokio::test]
async fn without_tls_the_same_is_served_as_it_is() {
    let served = serve(None).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("http://127.0.0.1:{}/", served.port);
    let text = client.get(url).send().await.expect("answers").text().await;
    assert_eq!(text.expect("text"), "hello 127.0.0.1");
}

#[test]
fn files_that_will_not_do_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = from(folder.path()).expect_err("nothing there");
    assert!(missing.to_string().contains("cert.pem"), "{missing}");
    write(folder.path(), &pair());
    fs::write(folder.path().join("key.pem"), "nonsense").expect("writes");
    let missing = from(folder.path()).expect_err("no key");
    assert!(missing.to_string().contains("key.pem"), "{missing}");
    write(folder.path(), &pair());
    fs::write(folder.path().join("cert.pem"), "nonsense").expect("writes");
    let missing = from(folder.path()).expect_err("no certificate");
    assert!(missing.to_string().contains("cert.pem"), "{missing}");
}
