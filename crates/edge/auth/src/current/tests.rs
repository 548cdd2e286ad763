use std::{fs, path::Path, time::SystemTime};

use plenum_api::grants::Grants;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
};

use super::*;
use crate::{Claims, Signer, TokenError, VerifierOptions};

/// Generous: many tests share few cores.
const PATIENCE: Duration = Duration::from_secs(30);

fn token(private_pem: &str, key_id: Option<&str>) -> String {
    let claims = Claims {
        ns: "default".into(),
        room: "*".to_owned(),
        peer: None,
        name: None,
        region: None,
        isp: None,
        role: None,
        grants: Grants::default(),
        exp: u64::from(u32::MAX),
        nbf: None,
        iss: None,
        aud: None,
    };
    let signer = Signer::from_bytes(private_pem.as_bytes()).expect("a key");
    signer
        .sign(&claims, key_id.map(str::to_owned))
        .expect("signs")
}

fn opens(verifier: &Verifier, token: &str) -> bool {
    verifier.check(token, SystemTime::now()).is_ok()
}

async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never came true");
        tokio::task::yield_now().await;
    }
}

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key")
}

fn write(folder: &Path, name: &str, pair: &KeyPair) {
    fs::write(folder.join(name), pair.public_key_pem()).expect("writes");
}

#[tokio::test]
async fn a_set_of_keys_without_an_end_is_read_to_a_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let (sent, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("asked");
        let _ = stream.read(&mut [0; 4096]).await;
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        stream.write_all(head).await.expect("listened to");
        let mut written = 0_usize;
        // Until nobody reads any more.
        while stream.write_all(&[b' '; 8192]).await.is_ok() {
            written += 8192;
        }
        let _ = sent.send(written);
    });
    let client = reqwest::Client::new();
    let Err(reason) = fetch(&client, &url).await else {
        panic!("spaces are no keys");
    };
    assert_eq!(reason, "no set of keys is as large");
    // What was on its way in buffers is sent in vain.
    let written = tokio::time::timeout(PATIENCE, told).await;
    assert!(written.expect("it ends").expect("told") >= MAX_SET);
}

#[tokio::test]
async fn old_and_new_keys_hold_side_by_side_until_the_old_one_is_taken_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (pair(), pair());
    write(folder.path(), "1.pem", &old);
    let verifier = Verifier::load(VerifierOptions {
        keys: vec![folder.path().to_owned()],
        ..VerifierOptions::default()
    })
    .expect("a key");
    tokio::spawn(Arc::clone(&verifier).keep_current());
    let (old_token, new_token) = (
        token(&old.serialize_pem(), None),
        token(&new.serialize_pem(), None),
    );
    assert!(opens(&verifier, &old_token) && !opens(&verifier, &new_token));

    write(folder.path(), "2.pem", &new);
    until(|| opens(&verifier, &new_token)).await;
    assert!(opens(&verifier, &old_token));

    // A file that is not finished yet changes nothing.
    fs::write(folder.path().join("3.pem"), "-----BEGIN PUBLIC KEY-----\n").expect("writes");
    fs::remove_file(folder.path().join("1.pem")).expect("removes");
    verifier.look_at_files();
    assert!(opens(&verifier, &old_token) && opens(&verifier, &new_token));

    fs::remove_file(folder.path().join("3.pem")).expect("removes");
    until(|| !opens(&verifier, &old_token)).await;
    assert!(opens(&verifier, &new_token));
}

/// A web server that answers every request with what the channel holds, and counts.
async fn serve(answer: watch::Receiver<String>) -> (String, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/jwks.json", listener.local_addr().expect("bound"));
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = answer.borrow().clone();
            let _ = stream.write_all(answer.as_bytes()).await;
            count.send_modify(|count| *count += 1);
        }
    });
    (url, counted)
}

fn answer(pairs: &[(&str, &KeyPair)]) -> String {
    let keys = pairs.iter().map(|(id, pair)| {
        let x = base64url(pair.der_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "use": "sig", "x": x})
    });
    let body = json!({"keys": keys.collect::<Vec<_>>()}).to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits = bits.collect::<Vec<_>>();
    let sextets = bits.chunks(6).map(|chunk| {
        let value = chunk.iter().fold(0, |value, bit| value << 1 | bit);
        value << (6 - chunk.len())
    });
    sextets
        .map(|sextet| char::from(ALPHABET[usize::from(sextet)]))
        .collect()
}

#[tokio::test]
async fn an_unknown_key_is_fetched_and_failures_leave_what_is_known() {
    let (old, new) = (pair(), pair());
    let (set, answers) = watch::channel(answer(&[("old", &old)]));
    let (url, mut fetched) = serve(answers).await;
    let mut verifier = Verifier::load(VerifierOptions {
        jwks_url: Some(url),
        ..VerifierOptions::default()
    })
    .expect("a URL");
    Arc::get_mut(&mut verifier)
        .expect("not shared yet")
        .refresh
        .floor = Duration::ZERO;
    tokio::spawn(Arc::clone(&verifier).keep_current());
    let (old_token, new_token) = (
        token(&old.serialize_pem(), Some("old")),
        token(&new.serialize_pem(), Some("new")),
    );
    until(|| opens(&verifier, &old_token)).await;

    set.send_replace(answer(&[("old", &old), ("new", &new)]));
    let first = verifier.check(&new_token, SystemTime::now());
    assert_eq!(first, Err(TokenError::KeyMayCome));
    until(|| opens(&verifier, &new_token)).await;

    for failure in [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        "nonsense",
    ] {
        set.send_replace(failure.to_owned());
        fetched.mark_unchanged();
        verifier.refresh.wanted.notify_one();
        fetched.changed().await.expect("the server runs");
        assert!(
            opens(&verifier, &old_token) && opens(&verifier, &new_token),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn strangers_cannot_have_keys_fetched_all_the_time() {
    let known = pair();
    let (_set, answers) = watch::channel(answer(&[("known", &known)]));
    let (url, fetched) = serve(answers).await;
    let verifier = Verifier::load(VerifierOptions {
        jwks_url: Some(url),
        ..VerifierOptions::default()
    })
    .expect("a URL");
    tokio::spawn(Arc::clone(&verifier).keep_current());
    until(|| *fetched.borrow() == 1).await;
    for n in 0..100 {
        let strange = token(&pair().serialize_pem(), Some(&n.to_string()));
        let refused = verifier.check(&strange, SystemTime::now());
        assert_eq!(refused, Err(TokenError::Signature));
        tokio::task::yield_now().await;
    }
    assert_eq!(*fetched.borrow(), 1);
}
