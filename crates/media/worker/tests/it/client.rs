//! A client of a worker that really runs.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Instant,
};

use plenum_ids::TransportId;
use plenum_ipc::{Answer, Request};
use plenum_params::{stats::WorkerStats, transport::WebRtcTransportOptions};
use plenum_rtp::{HeaderFields, RtpHeader, RtpWriter};
use plenum_supervisor::{RouterHandle, TransportHandle, Worker};
use plenum_testkit::peer::TestPeer;

/// A peer of the call with its socket.
pub(crate) struct Client {
    pub(crate) peer: TestPeer,
    socket: UdpSocket,
    pub(crate) transport: TransportHandle,
}

impl Client {
    /// Connects to a transport of its own.
    pub(crate) async fn connect(router: &RouterHandle) -> Self {
        let created = router
            .create_webrtc_transport(TransportId::random(), WebRtcTransportOptions::default())
            .await;
        let (transport, info) = created.expect("the router exists");
        let socket = client_socket();
        let address = socket.local_addr().expect("bound");
        let peer = TestPeer::new(address, &info, Instant::now()).expect("DTLS starts");
        let connected = transport.connect(peer.dtls_parameters()).await;
        connected.expect("the first time");
        Self {
            peer,
            socket,
            transport,
        }
    }

    /// Does what is due, sends and receives.
    pub(crate) fn turn(&mut self) {
        self.turn_with(|| false);
    }

    /// The same on a network that loses what `is_lost` says.
    pub(crate) fn turn_with(&mut self, mut is_lost: impl FnMut() -> bool) {
        let now = Instant::now();
        if self.peer.poll_timeout().is_some_and(|due| due <= now) {
            self.peer.handle_timeout(now);
        }
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
            assert_eq!(from, self.peer.remote, "only the worker talks to it");
            if !is_lost() {
                self.peer.handle_datagram(now, &buffer[..len]);
            }
        }
        while let Some(datagram) = self.peer.poll_transmit() {
            if !is_lost() {
                send(&self.socket, &datagram, self.peer.remote);
            }
        }
    }
}

pub(crate) fn client_socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

/// A full buffer loses datagrams, as networks do.
pub(crate) fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(datagram, to) {
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
    }
}

pub(crate) async fn stats(worker: &Worker) -> WorkerStats {
    match worker.request(Request::WorkerStats).await {
        Ok(Answer::WorkerStats(stats)) => *stats,
        other => panic!("{other:?}"),
    }
}

/// A VP8 frame in one packet, known by its picture id; the first one is a key frame.
pub(crate) fn packet(number: u16) -> Vec<u8> {
    let mut buffer = vec![0; 64];
    let fields = HeaderFields {
        marker: true,
        payload_type: 96,
        sequence_number: number,
        timestamp: u32::from(number) * 900,
        ssrc: 1000,
        padding: false,
    };
    let len = RtpWriter::begin(&mut buffer, fields)
        .expect("room")
        .finish();
    buffer.truncate(len);
    let [high, low] = (0x8000 | number).to_be_bytes();
    buffer.extend([0x90, 0x80, high, low, u8::from(number != 0)]);
    buffer.extend([0x33; 500]);
    buffer
}

/// Picture ids of what has arrived.
pub(crate) fn numbers(client: &mut Client) -> Vec<u16> {
    let packets = std::iter::from_fn(|| client.peer.poll_received());
    let number = |bytes: Vec<u8>| {
        let header = RtpHeader::parse(&bytes).expect("well-formed");
        let payload = &bytes[header.payload(&bytes).expect("well-formed")];
        u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff
    };
    packets.map(number).collect()
}
