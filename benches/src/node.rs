//! An engine behind a real socket, in the time that a benchmark gives it.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use plenum_dtls::SrtpProfileId;
use plenum_engine::{Datagram, Engine, SendBatch, SocketConfig};
use plenum_harness::{World, WorldConfig};
use plenum_params::transport::WebRtcTransportOptions;
use plenum_srtp::{Opener, Sealer};
use plenum_testkit::peer::TestPeer;
use plenum_udp::{BindOptions, Message, RecvBatch, Sender, UdpSocket, thread_cpu_time};

/// Large enough for what a turn sends and receives.
const SOCKET_BUFFER: usize = 4 << 20;

/// What something cost.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "two plain figures")]
pub struct Cost {
    /// Datagrams sent.
    pub datagrams: u64,
    /// CPU time of the thread that has the engine, reception included.
    pub cpu: Duration,
}

/// Does what a worker's loop does, when it is told to.
pub struct Node {
    /// Forwards.
    pub engine: Engine,
    /// The present, as the engine is told.
    pub now: Instant,
    /// Where datagrams come in and go out.
    pub socket: UdpSocket,
    receive: RecvBatch,
    batch: SendBatch,
    sender: Sender,
}

impl Node {
    /// An engine that knows of this socket alone.
    pub fn new(engine: Engine, now: Instant, socket: UdpSocket) -> Self {
        Self {
            engine,
            now,
            socket,
            receive: RecvBatch::new(),
            batch: SendBatch::new(),
            sender: Sender::new(),
        }
    }

    /// Receives so many datagrams, which were sent before, and does what the engine wants done.
    pub fn take(&mut self, expected: usize) -> Result<Cost> {
        let start = thread_cpu_time();
        let mut datagrams = 0;
        let mut arrived = 0;
        let deadline = Instant::now() + Duration::from_secs(1);
        while arrived < expected {
            self.socket.recv(&mut self.receive)?;
            ensure!(Instant::now() < deadline, "a datagram was lost on loopback");
            let received = self.receive.datagrams_mut().map(|received| {
                arrived += 1;
                Datagram {
                    socket: 0,
                    from: received.from,
                    data: received.data,
                }
            });
            self.engine.handle_datagrams(self.now, received);
            datagrams += self.send();
        }
        Ok(Cost {
            datagrams,
            cpu: thread_cpu_time().saturating_sub(start),
        })
    }

    /// Lets time pass, every deadline on its own.
    pub fn pass(&mut self, until: Instant) -> Cost {
        let start = thread_cpu_time();
        let mut datagrams = 0;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            datagrams += self.send();
        }
        self.now = self.now.max(until);
        Cost {
            datagrams,
            cpu: thread_cpu_time().saturating_sub(start),
        }
    }

    /// Sends what the engine has to send; returns how many datagrams.
    pub fn send(&mut self) -> u64 {
        let mut datagrams = 0;
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            let messages = self.batch.transmits().map(|transmit| Message {
                to: transmit.to,
                data: transmit.data,
                segment_size: transmit.segment_size,
            });
            datagrams += self.sender.send(&self.socket, messages).datagrams;
            self.batch.clear();
            if !more {
                return datagrams;
            }
        }
    }
}

/// A socket on loopback with large buffers.
pub(crate) fn bind() -> Result<UdpSocket> {
    bind_at(Ipv4Addr::LOCALHOST.into())
}

/// A socket at this address with large buffers.
pub(crate) fn bind_at(ip: IpAddr) -> Result<UdpSocket> {
    let options = BindOptions {
        recv_buffer: Some(SOCKET_BUFFER),
        send_buffer: Some(SOCKET_BUFFER),
        ..BindOptions::default()
    };
    Ok(UdpSocket::bind((ip, 0).into(), &options)?)
}

/// An engine for this socket, without anybody yet, and with nobody lost however long nothing is heard of him.
pub(crate) fn world(profile: SrtpProfileId, socket: &UdpSocket) -> World {
    World::with_config(WorldConfig {
        srtp_profiles: vec![profile],
        socket: SocketConfig {
            gso: socket.supports_gso(),
            ..SocketConfig::new(socket.local_addr())
        },
        consent_timeout: Duration::from_hours(1),
    })
}

/// A path of this bitrate, whatever is measured: nothing but the cost of congestion control is seen.
pub(crate) fn path(bitrate: u32) -> WebRtcTransportOptions {
    WebRtcTransportOptions {
        initial_outgoing_bitrate: Some(bitrate),
        min_outgoing_bitrate: Some(bitrate),
        ..WebRtcTransportOptions::default()
    }
}

/// What connected peers encrypt and decrypt with.
pub(crate) fn keys(peers: Vec<TestPeer>) -> Result<(Vec<Sealer>, Vec<Opener>)> {
    let keys = peers.into_iter().map(TestPeer::into_keys);
    keys.collect::<Option<_>>()
        .context("a peer is not connected")
}

impl Cost {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.cpu += other.cpu;
    }
}
