//! Ports, certificates, proxies, origins and what one address may do.

use std::net::TcpListener;

use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, join},
    node::{Node, PATIENCE, raw_call},
};

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("bound").port()
}

/// A client that takes every certificate.
pub(crate) fn trusting() -> reqwest::Client {
    reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .expect("a client")
}

#[tokio::test]
async fn all_ports_speak_tls_and_let_websockets_in() {
    let further = free_port();
    let setting = format!("http.further_ports={further}");
    let mut node = Node::start_with(&["--tls", "self-signed", "--set", &setting]).await;
    assert!(
        node.ready_line.contains("https://localhost:"),
        "{}",
        node.ready_line
    );
    for port in [node.port, further] {
        let client = trusting();
        let url = format!("https://localhost:{port}");
        let healthz = client.get(format!("{url}/healthz")).send().await;
        assert_eq!(healthz.expect("answers").status(), 200);
        let upgrade = client
            .get(format!("{url}/?roomId=room&peerId=ada"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "protoo")
            .send()
            .await
            .expect("answers");
        assert_eq!(upgrade.status(), 101);
        // Whoever speaks plainly is not understood, and nobody else minds.
        assert!(
            !raw_call(port, "GET", "/healthz", "")
                .await
                .contains("200 OK")
        );
        let again = client.get(format!("{url}/healthz")).send().await;
        assert_eq!(again.expect("answers").status(), 200);
    }
    node.signal("TERM");
    assert!(node.ended().await.success());
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_so_and_others_are_served() {
    let node = Node::start_with(&[
        "--set",
        "http.trusted_proxies=127.0.0.1",
        "--set",
        "limits.requests_per_address=1",
        "--set",
        "limits.request_burst=3",
    ])
    .await;
    let ask = async |client: &str| {
        let header = format!("X-Forwarded-For: {client}\r\n");
        node.call("GET", "/healthz", &header).await.0
    };
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(ask("203.0.113.9").await);
    }
    assert_eq!(answers[..3], [200, 200, 200]);
    assert!(answers.contains(&429), "{answers:?}");
    assert_eq!(ask("203.0.113.10").await, 200);
    // What a client writes into the list itself is nobody's address.
    let mut forged = Vec::new();
    for n in 0..20 {
        forged.push(ask(&format!("198.51.100.{n}, 203.0.113.11")).await);
    }
    assert!(forged.contains(&429), "{forged:?}");
    // Nor do lists that contradict each other make it this machine's.
    let contradiction = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=198.51.100.1\r\n";
    let mut contradicted = Vec::new();
    for _ in 0..20 {
        contradicted.push(node.call("GET", "/healthz", contradiction).await.0);
    }
    assert!(contradicted.contains(&429), "{contradicted:?}");
    for _ in 0..20 {
        assert_eq!(
            node.get("/healthz").await.0,
            200,
            "programs on this machine"
        );
    }
}

#[tokio::test]
async fn pages_of_other_sites_stay_outside_where_there_is_a_list() {
    let own = "https://meet.example.org";
    let setting = format!("http.origins={own}");
    let node = Node::start_with(&["--set", &setting]).await;
    let connect = async |origin: &str| {
        let headers = [("origin", origin)];
        Client::try_connect_with(node.port, "/?roomId=a&peerId=b", Some("protoo"), &headers).await
    };
    connect(own).await.expect("let in").leave().await;
    match connect("https://evil.example").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        _ => panic!("let in"),
    }
    let preflight = async |origin: &str| {
        let headers = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
        );
        let answer = raw_call(node.port, "OPTIONS", "/stats", &headers).await;
        answer.to_lowercase()
    };
    let allowed = format!("access-control-allow-origin: {own}");
    assert!(preflight(own).await.contains(&allowed));
    let told = async |path: &str, headers: &str| {
        let answer = raw_call(node.port, "OPTIONS", path, headers).await;
        answer.to_lowercase()
    };
    let asks = format!("Origin: {own}\r\nAccess-Control-Request-Method: POST\r\n");
    for headers in ["", &asks] {
        let answer = told("/whip/a", headers).await;
        assert!(answer.contains("accept-post: application/sdp"), "{answer}");
        let answer = told("/sessions/a", headers).await;
        assert!(
            answer.contains("accept-patch: application/trickle"),
            "{answer}"
        );
    }
    let page = format!("Origin: {own}\r\n");
    let answer = raw_call(node.port, "GET", "/whip/a", &page)
        .await
        .to_lowercase();
    let exposed = answer
        .lines()
        .find(|it| it.starts_with("access-control-expose-headers"));
    for name in [
        "location",
        "link",
        "etag",
        "retry-after",
        "accept-post",
        "accept-patch",
    ] {
        assert!(exposed.is_some_and(|line| line.contains(name)), "{answer}");
    }
    assert!(
        !preflight("https://evil.example")
            .await
            .contains("allow-origin")
    );
}

#[tokio::test]
async fn a_page_that_asks_too_often_can_read_that() {
    let node = Node::start_with(&[
        "--set",
        "http.trusted_proxies=127.0.0.1",
        "--set",
        "limits.requests_per_address=1",
        "--set",
        "limits.request_burst=1",
        "--set",
        "http.origins=https://meet.example.org",
    ])
    .await;
    let headers = "X-Forwarded-For: 203.0.113.9\r\nOrigin: https://meet.example.org\r\n";
    let mut answer = String::new();
    for _ in 0..20 {
        answer = raw_call(node.port, "GET", "/healthz", headers).await;
        if answer.contains(" 429 ") {
            break;
        }
    }
    assert!(answer.contains(" 429 "), "{answer}");
    assert!(
        answer
            .to_lowercase()
            .contains("access-control-allow-origin"),
        "{answer}"
    );
}

#[tokio::test]
async fn clients_are_told_of_servers_that_help_them() {
    let node = Node::start_with(&[
        "--set",
        "ice.stun=stun:stun.example.org",
        "--set",
        "ice.turn=turn:turn.example.org:3478?transport=udp",
        "--set",
        "ice.turn_secret=north",
    ])
    .await;
    let mut ada = Client::connect(node.port, "room", "ada").await;
    let session = join(&mut ada, "Ada").await;
    let servers = &session.send["iceServers"];
    assert_eq!(servers[0], json!({"urls": ["stun:stun.example.org"]}));
    assert_eq!(
        servers[1]["urls"],
        json!(["turn:turn.example.org:3478?transport=udp"])
    );
    let name = servers[1]["username"].as_str().expect("a name");
    assert!(name.ends_with(":ada"), "{name}");
    assert!(servers[1]["credential"].is_string());
    let plain = Node::start().await;
    let mut bob = Client::connect(plain.port, "room", "bob").await;
    assert!(join(&mut bob, "Bob").await.send.get("iceServers").is_none());
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let node = Node::start_with(&["--set", "limits.body_bytes=65536"]).await;
    let put = async |padding: usize| {
        let body = format!("{{\"level\":\"info\",\"tags\":[]{}}}", " ".repeat(padding));
        let url = format!("http://127.0.0.1:{}/api/v1/workers/0/log", node.port);
        let request = trusting()
            .put(url)
            .header("content-type", "application/json");
        request.body(body).send().await.expect("answers").status()
    };
    assert_eq!(put(0).await, 200);
    assert_eq!(put(1 << 16).await, 413);
}
