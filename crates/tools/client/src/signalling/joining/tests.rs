//! Where a client goes that is sent from one address to another, by servers that say nothing but that.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{Client, ClientConfig, ClientError, Dialect, Media, MediaOptions, Stage, Step};

/// A server that answers every request with this, and the first lines of requests.
async fn server(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => break,
                }
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let line = text.lines().next().unwrap_or_default().to_owned();
            requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
            // Whoever has asked may have gone.
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (format!("http://{address}"), asked)
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull";

/// Joins at an address; returns what came of it, and how many redirects were followed.
async fn join(url: &str, dialect: Dialect) -> (ClientError, usize) {
    let redirects = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&redirects);
    let hook = move |step: &Step| {
        if step.stage == Stage::Redirect {
            *counted.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    };
    let config = ClientConfig::new(url, "a room")
        .peer("ada")
        .dialect(dialect)
        .hook(hook);
    let media = Media::start(MediaOptions::default()).expect("threads");
    let refused = Client::join(config, &media)
        .await
        .expect_err("nobody lets it in");
    let redirects = *redirects.lock().unwrap_or_else(PoisonError::into_inner);
    (refused, redirects)
}

fn paths(asked: &Mutex<Vec<String>>) -> Vec<String> {
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    let path = |line: &String| line.split(['?', ' ']).nth(1).unwrap_or_default().to_owned();
    asked.iter().map(path).collect()
}

#[tokio::test]
async fn a_redirect_of_http_is_followed_in_every_dialect() {
    for (dialect, path) in [
        (Dialect::Plenum, "/plenum"),
        (Dialect::Protoo, "/protoo"),
        (Dialect::SocketIo, "/socket.io/"),
    ] {
        let (there, asked) = server(FULL.to_owned()).await;
        let (balancer, _) = server(moved(&format!("{there}/x?y=1"))).await;
        let (refused, redirects) = join(&balancer, dialect).await;
        assert!(
            matches!(refused, ClientError::TurnedAway { code: 503, .. }),
            "{refused}"
        );
        assert_eq!((redirects, &paths(&asked)[..]), (1, &[path.to_owned()][..]));
    }
}

#[tokio::test]
async fn a_dispatcher_is_asked_where_to_go_and_may_be_elsewhere_itself() {
    let (there, asked) = server(FULL.to_owned()).await;
    let body = format!("{{\"node\":\"b\",\"url\":\"{there}\",\"here\":false,\"reasons\":[]}}");
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
    let (dispatcher, questions) = server(answer).await;
    let (old, _) = server(moved(&format!("{dispatcher}/dispatch"))).await;
    let (refused, redirects) = join(&format!("{old}/dispatch"), Dialect::Protoo).await;
    assert!(
        matches!(refused, ClientError::TurnedAway { code: 503, .. }),
        "{refused}"
    );
    assert_eq!(redirects, 2);
    assert_eq!(paths(&questions), ["/dispatch"]);
    let question = questions.lock().unwrap_or_else(PoisonError::into_inner)[0].clone();
    assert!(question.contains("room=a%20room&peer=ada"), "{question}");
    assert_eq!(paths(&asked), ["/protoo"]);
}

#[tokio::test]
async fn servers_that_send_each_other_somebody_lose_him() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    // To itself.
    let listener = TcpListener::bind(address).await.expect("binds again");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket
                .write_all(moved(&format!("http://{address}")).as_bytes())
                .await;
        }
    });
    let (refused, redirects) = join(&format!("http://{address}"), Dialect::Plenum).await;
    assert!(
        matches!(refused, ClientError::TurnedAway { code: 307, .. }),
        "{refused}"
    );
    assert_eq!(redirects, 3);
}
