use std::future::Future;

use axum::{Router, extract::ws::WebSocketUpgrade, routing::get};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message as ClientMessage, protocol::frame::coding::CloseCode},
};

use super::*;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings under which nothing happens by itself.
fn settings() -> Settings {
    Settings {
        ping_interval: Duration::from_hours(1),
        ..Settings::default()
    }
}

/// A client, and what the server's side of it comes to.
async fn connect<F, R>(
    settings: Settings,
    serve: impl Fn(Wire) -> F + Clone + Send + Sync + 'static,
) -> (Client, mpsc::Receiver<R>)
where
    F: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    let (results, receiver) = mpsc::channel(1);
    let handler = move |websocket: WebSocketUpgrade| {
        let (settings, serve, results) = (settings.clone(), serve.clone(), results.clone());
        async move {
            websocket
                .max_message_size(settings.max_message_size)
                .max_frame_size(settings.max_message_size)
                .on_upgrade(move |socket| async move {
                    let result = serve(Wire::new(socket, &settings)).await;
                    let _ = results.send(result).await;
                })
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("bound").port();
    let router = Router::new().route("/", get(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (client, _) = connect_async(format!("ws://127.0.0.1:{port}/"))
        .await
        .expect("connects");
    (client, receiver)
}

async fn echo(mut wire: Wire) -> Lost {
    loop {
        match wire.receive().await {
            Ok(text) if text.as_str() == "close" => {
                wire.close(4000, "enough").await;
                return Lost::ByClient;
            }
            Ok(text) => {
                if let Err(lost) = wire.send(text.to_string()) {
                    return lost;
                }
            }
            Err(lost) => return lost,
        }
    }
}

async fn result<R>(receiver: &mut mpsc::Receiver<R>) -> R {
    timeout(PATIENCE, receiver.recv())
        .await
        .expect("ends in time")
        .expect("ends with a result")
}

async fn next(client: &mut Client) -> ClientMessage {
    timeout(PATIENCE, client.next())
        .await
        .expect("comes in time")
        .expect("still connected")
        .expect("well-formed")
}

#[tokio::test]
async fn texts_go_both_ways_and_binary_is_ignored() {
    let (mut client, _results) = connect(settings(), echo).await;
    client
        .send(ClientMessage::binary(vec![1, 2, 3]))
        .await
        .expect("sends");
    client
        .send(ClientMessage::text("hello"))
        .await
        .expect("sends");
    assert_eq!(next(&mut client).await, ClientMessage::text("hello"));
}

#[tokio::test]
async fn a_farewell_has_its_code_and_reason() {
    let (mut client, mut results) = connect(settings(), echo).await;
    client
        .send(ClientMessage::text("close"))
        .await
        .expect("sends");
    let ClientMessage::Close(Some(frame)) = next(&mut client).await else {
        panic!("not a close frame");
    };
    assert_eq!(frame.code, CloseCode::Library(4000));
    assert_eq!(frame.reason.as_str(), "enough");
    result(&mut results).await;
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let (mut client, mut results) = connect(settings(), echo).await;
    client.close(None).await.expect("closes");
    assert_eq!(result(&mut results).await, Lost::Left);
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_and_a_silent_one_goes() {
    let settings = Settings {
        ping_interval: Duration::from_millis(20),
        pong_timeout: Duration::from_secs(5),
        ..settings()
    };
    let (mut client, _results) = connect(settings.clone(), echo).await;
    // Reading answers pings.
    for _ in 0..5 {
        assert!(matches!(next(&mut client).await, ClientMessage::Ping(_)));
    }
    client
        .send(ClientMessage::text("here"))
        .await
        .expect("sends");
    while next(&mut client).await != ClientMessage::text("here") {}

    let settings = Settings {
        pong_timeout: Duration::from_millis(20),
        ..settings
    };
    let (client, mut results) = connect(settings, echo).await;
    assert_eq!(result(&mut results).await, Lost::Silent);
    drop(client);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let settings = Settings {
        outgoing_queue: 4,
        ..settings()
    };
    let flood = |wire: Wire| async move {
        let text = "x".repeat(1_000_000);
        loop {
            if let Err(lost) = wire.send(text.clone()) {
                return lost;
            }
            tokio::task::yield_now().await;
        }
    };
    let (client, mut results) = connect(settings, flood).await;
    assert_eq!(result(&mut results).await, Lost::SlowReader);
    drop(client);
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_connection() {
    let settings = Settings {
        max_message_size: 1000,
        ..settings()
    };
    let (mut client, mut results) = connect(settings, echo).await;
    let text = "x".repeat(1000);
    client
        .send(ClientMessage::text(text.clone()))
        .await
        .expect("sends");
    assert_eq!(next(&mut client).await, ClientMessage::text(text));
    let _ = client.send(ClientMessage::text("x".repeat(1001))).await;
    assert_eq!(result(&mut results).await, Lost::Broken);
}

#[tokio::test]
async fn a_client_that_hurries_is_read_at_the_rate_and_loses_nothing() {
    let settings = Settings {
        message_burst: 1,
        message_rate: 200,
        ..settings()
    };
    let (mut client, _results) = connect(settings, echo).await;
    for n in 0..20 {
        client
            .feed(ClientMessage::text(n.to_string()))
            .await
            .expect("sends");
    }
    client.flush().await.expect("sends");
    for n in 0..20 {
        assert_eq!(next(&mut client).await, ClientMessage::text(n.to_string()));
    }
}
