//! A port behind which a server is, as far away as somebody says.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// What one read takes; messages of signalling are smaller.
const CHUNK: usize = 16 << 10;

/// Opens it; what is written arrives so much later, each way. Returns its number.
pub async fn distance(port: u16, delay: Duration) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let far = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            // Who finds nobody behind it is told by the closing.
            let _ = connect(near, port, delay).await;
        }
    });
    Ok(far)
}

async fn connect(near: TcpStream, port: u16, delay: Duration) -> io::Result<()> {
    let there = TcpStream::connect(("127.0.0.1", port)).await?;
    for stream in [&near, &there] {
        stream.set_nodelay(true)?;
    }
    let ((from_near, to_near), (from_there, to_there)) = (near.into_split(), there.into_split());
    carry(from_near, to_there, delay);
    carry(from_there, to_near, delay);
    Ok(())
}

fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (on_the_way, mut arriving) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let data = buffer.get(..count).unwrap_or_default().to_vec();
            if on_the_way.send((Instant::now() + delay, data)).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((at, data)) = arriving.recv().await {
            sleep_until(at).await;
            if to.write_all(&data).await.is_err() {
                return;
            }
        }
    });
}
