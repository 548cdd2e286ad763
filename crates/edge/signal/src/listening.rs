//! Taking connections: how many of one address, with TLS or without, and how they end.

use std::{
    future::{Future, ready},
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::Request,
    middleware::map_request,
};
use axum_server::{Handle, Server, accept::Accept, tls_rustls::RustlsAcceptor};
use futures_util::{StreamExt as _, stream::unfold};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{timeout, timeout_at},
};
use tracing::debug;

use crate::{
    Settings, Tls,
    addresses::{Addresses, Connected},
};

/// Serves until `shutdown` completes, and then what has begun.
pub(crate) async fn serve(
    listener: TcpListener,
    doorman: Doorman,
    tls: Option<&Tls>,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let limit = doorman.settings.body_timeout;
    let router = router.layer(map_request(move |request| ready(bounded(request, limit))));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    let mut server = Server::<SocketAddr>::from_listener(listener).handle(handle.clone());
    // WebSockets are a matter of HTTP/1.1 (RFC 6455).
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(doorman.settings.header_timeout);
    *server.http_builder() = http;
    let serving = async {
        match tls {
            None => server.acceptor(doorman).serve(service).await,
            Some(tls) => {
                let limit = doorman.settings.handshake_timeout;
                let acceptor = RustlsAcceptor::new(tls.config()).handshake_timeout(limit);
                let acceptor = acceptor.acceptor(doorman);
                server.acceptor(acceptor).serve(service).await
            }
        }
    };
    let mut serving = pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = shutdown => {}
    }
    handle.graceful_shutdown(None);
    serving.await
}

/// A request whose body fails when it is not there in time, so that nobody takes half of it for all of it.
fn bounded(request: Request, limit: Duration) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let deadline = Instant::now() + limit;
    request.map(|body| {
        let chunks = unfold(body.into_data_stream(), move |mut rest| async move {
            let chunk = match timeout_at(deadline.into(), rest.next()).await {
                Ok(chunk) => chunk?,
                Err(late) => Err(axum::Error::new(late)),
            };
            Some((chunk, rest))
        });
        Body::from_stream(chunks)
    })
}

/// Looks at connections before anything is read from them.
#[derive(Clone, Debug)]
pub(crate) struct Doorman {
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) settings: Arc<Settings>,
}

impl Doorman {
    fn take(&self, stream: TcpStream) -> io::Result<Counted> {
        // Signalling is small messages that somebody waits for.
        if let Err(err) = stream.set_nodelay(true) {
            debug!(%err, "no TCP_NODELAY");
        }
        let ip = stream.peer_addr()?.ip();
        self.count(stream, ip)
    }

    fn count(&self, stream: TcpStream, ip: IpAddr) -> io::Result<Counted> {
        let proxies = &self.settings.trusted_proxies;
        // A proxy has the connections of all its clients.
        let place = if proxies.iter().any(|network| network.contains(ip)) {
            None
        } else {
            let place = self.addresses.take_connection(ip, Instant::now());
            Some(place.ok_or_else(|| {
                debug!(%ip, "too many connections of one address, closed");
                io::Error::other("too many connections of one address")
            })?)
        };
        Ok(Counted {
            stream,
            _place: place,
        })
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Doorman {
    type Stream = Counted;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Counted, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let taken = self.take(stream);
        let limit = self.settings.header_timeout;
        Box::pin(async move {
            let counted = taken?;
            // The server measures from the first byte on.
            timeout(limit, counted.stream.peek(&mut [0])).await??;
            Ok((counted, service))
        })
    }
}

/// A connection that counts as long as it is there, also when it has become a `WebSocket`.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: TcpStream,
    _place: Option<Connected>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::{body::Bytes, routing::get};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::AddressLimits;

    /// Generous: many tests share few cores.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// What somebody who says this and no more hears until it is closed.
    async fn heard(address: SocketAddr, said: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).await.expect("listens");
        stream.write_all(said).await.expect("writes");
        let mut answer = Vec::new();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        // How it is closed does not matter.
        let _ = closed.expect("closed in time");
        answer
    }

    fn doorman(settings: Settings) -> Doorman {
        Doorman {
            addresses: Arc::new(Addresses::new(AddressLimits::default(), Instant::now())),
            settings: Arc::new(settings),
        }
    }

    #[tokio::test]
    async fn who_does_not_shake_hands_is_closed() {
        crate::install_crypto_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let doorman = doorman(Settings {
            handshake_timeout: Duration::from_millis(100),
            ..Settings::default()
        });
        let tls = Tls::self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let router = Router::new();
        tokio::spawn(async move { serve(listener, doorman, Some(&tls), router, pending()).await });
        // The header of a record that never comes (RFC 8446 §5.1).
        assert!(heard(address, &[22, 3, 1, 1, 0]).await.is_empty());
    }

    #[tokio::test]
    async fn an_address_has_so_many_connections_and_one_that_ends_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let limits = AddressLimits {
            connections: 2,
            ..AddressLimits::default()
        };
        let doorman = Doorman {
            addresses: Arc::new(Addresses::new(limits, Instant::now())),
            settings: Arc::new(Settings::default()),
        };
        // Connections of this machine are not counted, so that these are said to be another one's.
        let stranger = IpAddr::from([192, 0, 2, 1]);
        let come = async |ip| {
            let _client = TcpStream::connect(address).await.expect("listens");
            let (stream, _) = listener.accept().await.expect("accepts");
            doorman.count(stream, ip)
        };
        let first = come(stranger).await.expect("taken");
        let _second = come(stranger).await.expect("taken");
        come(stranger).await.expect_err("one too many");
        come(IpAddr::from([192, 0, 2, 2])).await.expect("another");
        drop(first);
        come(stranger).await.expect("taken again");
    }

    #[tokio::test]
    async fn who_does_not_say_what_it_wants_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let doorman = doorman(Settings {
            header_timeout: Duration::from_millis(100),
            body_timeout: Duration::from_millis(100),
            ..Settings::default()
        });
        let hello = get(|| async { "hello" }).post(|_: Bytes| async { "hello" });
        let router = Router::new().route("/", hello);
        tokio::spawn(serve(listener, doorman, None, router, pending()));
        for said in [
            "",
            "GET / HTTP/1.1\r\nHost: localhost\r\n",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ] {
            let answer = heard(address, said.as_bytes()).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.contains("hello"), "{said}");
        }
    }
}
