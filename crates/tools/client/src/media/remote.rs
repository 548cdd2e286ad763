//! A transport on a media thread, seen from the task of its client.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
};

use plenum_ids::ConsumerId;
use plenum_udp::{BindOptions, UdpSocket};
use tokio::sync::oneshot;

use super::{
    Media, MediaOptions,
    line::{LineSetup, LineStats, SourceSetup, StreamSetup},
    thread::{Command, LineCommand, Thread},
};

/// A transport on a media thread. Closed when dropped.
#[derive(Debug)]
pub(crate) struct Line {
    id: u64,
    thread: Thread,
    /// The threads go on as long as something runs on them.
    _media: Media,
}

/// Which one, on all threads.
static NEXT_LINE: AtomicU64 = AtomicU64::new(1);

impl Line {
    pub(super) fn open(
        media: Media,
        thread: Thread,
        options: &MediaOptions,
        setup: LineSetup,
    ) -> io::Result<Self> {
        let address = local_address(&setup);
        let options = BindOptions {
            recv_buffer: options.receive_buffer,
            ..BindOptions::default()
        };
        let socket = UdpSocket::bind(address, &options)?;
        let id = NEXT_LINE.fetch_add(1, Ordering::Relaxed);
        thread.send(Command::Open(id, Box::new((socket, setup))));
        Ok(Self {
            id,
            thread,
            _media: media,
        })
    }

    /// The server knows our certificate.
    pub(crate) fn release(&self) {
        self.send(LineCommand::Release);
    }

    /// Expects a stream.
    pub(crate) fn add_stream(&self, stream: StreamSetup) {
        self.send(LineCommand::AddStream(Box::new(stream)));
    }

    /// Expects it no more.
    pub(crate) fn remove_stream(&self, consumer: ConsumerId) {
        self.send(LineCommand::RemoveStream(consumer));
    }

    /// Asks the server for a key frame.
    pub(crate) fn request_key_frame(&self, consumer: ConsumerId) {
        self.send(LineCommand::RequestKeyFrame(consumer));
    }

    /// Sends what a source makes.
    pub(crate) fn add_source(&self, source: SourceSetup) {
        self.send(LineCommand::AddSource(Box::new(source)));
    }

    /// Sends it no more, and gives its source back.
    pub(crate) async fn take_source(&self, publication: u64) -> Option<SourceSetup> {
        let (answer, answered) = oneshot::channel();
        self.send(LineCommand::TakeSource(publication, answer));
        answered.await.ok().flatten().map(|source| *source)
    }

    /// Pauses it or lets it go on.
    pub(crate) fn set_paused(&self, publication: u64, paused: bool) {
        self.send(LineCommand::SetPaused(publication, paused));
    }

    /// Which of its encodings are watched.
    pub(crate) fn set_demand(&self, publication: u64, encodings: Vec<bool>) {
        self.send(LineCommand::SetDemand(publication, encodings));
    }

    pub(crate) async fn stats(&self) -> LineStats {
        let (answer, answered) = oneshot::channel();
        self.send(LineCommand::Stats(answer));
        answered.await.unwrap_or_default()
    }

    fn send(&self, command: LineCommand) {
        self.thread.send(Command::Line(self.id, command));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.send(LineCommand::Close);
    }
}

/// Where to send from: of the family of the server's first address.
fn local_address(setup: &LineSetup) -> SocketAddr {
    let is_ipv6 = setup
        .transport
        .addresses
        .first()
        .is_some_and(SocketAddr::is_ipv6);
    let any = if is_ipv6 {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    };
    let wished = setup.local_ip.filter(|ip| ip.is_ipv6() == is_ipv6);
    SocketAddr::new(wished.unwrap_or(any), 0)
}
