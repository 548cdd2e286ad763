//! A WebSocket to a server, of any dialect.

use std::{io, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        http::HeaderValue,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    door::Door,
    frames::{self, Incoming, Numbered},
};
use crate::{ClientError, Dialect, Tls};

/// Longest message of a server: rooms of a thousand peers with all that they send.
const MAX_MESSAGE: usize = 16 << 20;

/// What is read at once. All of it is filled with zeros before each read and stays with the connection; the library's 128 KiB
/// would be a large part of what a client in a crowd costs.
const READ_BYTES: usize = 8 * 1024;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

pub(super) struct Wire {
    dialect: Dialect,
    socket: WebSocketStream<Box<dyn Stream>>,
}

/// Connects, with TLS where the door has it.
pub(super) async fn open(door: &Door, tls: &Tls) -> Result<Box<dyn Stream>, ClientError> {
    let failed = |source| ClientError::Connect {
        url: door.url(""),
        source,
    };
    let tcp = TcpStream::connect((&door.host[..], door.port))
        .await
        .map_err(failed)?;
    // Small messages that wait for each other: Nagle's algorithm would hold them back.
    tcp.set_nodelay(true).map_err(failed)?;
    if !door.is_secure {
        return Ok(Box::new(tcp));
    }
    let name = rustls::pki_types::ServerName::try_from(door.host.clone())
        .map_err(|_| ClientError::Url(door.url("")))?;
    let connector = TlsConnector::from(tls.config()?);
    Ok(Box::new(
        connector.connect(name, tcp).await.map_err(failed)?,
    ))
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// `None`: it broke.
    pub(super) code: Option<u16>,
    pub(super) reason: String,
}

impl Wire {
    /// Connects and upgrades.
    pub(super) async fn connect(
        door: &Door,
        dialect: Dialect,
        tls: &Tls,
        target: &str,
    ) -> Result<Self, ClientError> {
        let url = door.url(target);
        let failed = |source| ClientError::Connect {
            url: door.url(""),
            source,
        };
        let stream = open(door, tls).await?;
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|_| ClientError::Url(url.clone()))?;
        let protocol = match dialect {
            Dialect::Plenum => Some("plenum"),
            Dialect::Protoo => Some("protoo"),
            Dialect::SocketIo => None,
        };
        if let Some(protocol) = protocol {
            let protocol = HeaderValue::from_static(protocol);
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", protocol);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, _)) => Ok(Self { dialect, socket }),
            Err(tungstenite::Error::Http(response)) => {
                let code = response.status().as_u16();
                let location = response.headers().get("location");
                let location = location.filter(|_| (300..400).contains(&code));
                let body = response.body().as_deref().unwrap_or_default();
                let said = location.map_or(body, HeaderValue::as_bytes);
                Err(ClientError::TurnedAway {
                    code,
                    reason: String::from_utf8_lossy(said).chars().take(200).collect(),
                })
            }
            Err(tungstenite::Error::Io(error)) => Err(failed(error)),
            Err(error) => Err(failed(io::Error::other(error))),
        }
    }

    pub(super) async fn send(&mut self, text: String) {
        // A connection that is over is found out by reading.
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// The next message that means something. Loses nothing when cancelled.
    pub(super) async fn next(&mut self) -> Result<Numbered, Gone> {
        loop {
            let frame = self.socket.next().await;
            let text = match frame {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(frame))) => {
                    return Err(Gone {
                        code: frame.as_ref().map(|frame| frame.code.into()),
                        reason: frame.map_or_else(String::new, |it| it.reason.to_string()),
                    });
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => {
                    return Err(Gone {
                        code: None,
                        reason: String::new(),
                    });
                }
            };
            match frames::parse(self.dialect, &text) {
                Some(Numbered {
                    message: Incoming::Ping(pong),
                    ..
                }) => self.send(pong.to_owned()).await,
                Some(numbered) => return Ok(numbered),
                None => {}
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            if self.dialect == Dialect::SocketIo {
                self.send("41".to_owned()).await;
            }
            let frame = CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            };
            if self.socket.close(Some(frame)).await.is_ok() {
                // The other half of the closing.
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        // A server that does not answer has been told.
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}
