//! A proxy for TCP that can stop passing on, in both directions, without closing anything.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passing {
    All,
    Nothing,
    Closed,
}

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    passing: watch::Sender<Passing>,
    taken: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let passing = watch::Sender::new(Passing::All);
        let taken = Arc::new(AtomicUsize::new(0));
        let (state, count) = (passing.clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let state = state.clone();
                tokio::spawn(async move {
                    let far = TcpStream::connect(target).await?;
                    let (near_read, near_write) = near.into_split();
                    let (far_read, far_write) = far.into_split();
                    tokio::try_join!(
                        pass(near_read, far_write, state.subscribe()),
                        pass(far_read, near_write, state.subscribe()),
                    )
                });
            }
        });
        Self {
            address,
            passing,
            taken,
        }
    }

    /// Nothing goes through any more, and nobody is told.
    pub(crate) fn stop(&self) {
        self.passing.send_replace(Passing::Nothing);
    }

    /// What waits goes through again.
    pub(crate) fn go_on(&self) {
        self.passing.send_replace(Passing::All);
    }

    /// Closes all connections, and those that come.
    pub(crate) fn close(&self) {
        self.passing.send_replace(Passing::Closed);
    }

    /// Connections that came.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut passing: watch::Receiver<Passing>,
) -> io::Result<()> {
    let closed = || io::Error::from(io::ErrorKind::ConnectionAborted);
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let moves = passing
            .wait_for(|passing| *passing != Passing::Nothing)
            .await;
        if *moves.map_err(|_| closed())? == Passing::Closed {
            return Err(closed());
        }
        tokio::select! {
            count = from.read(&mut bytes) => {
                let count = count?;
                let moves = passing.wait_for(|passing| *passing != Passing::Nothing).await;
                drop(moves.map_err(|_| closed())?);
                if count == 0 {
                    return to.shutdown().await;
                }
                to.write_all(&bytes[..count]).await?;
            }
            changed = passing.changed() => changed.map_err(|_| closed())?,
        }
    }
}
