//! A client of a worker that really runs.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::Instant,
};

use plenum_harness::data::peer_settings;
use plenum_ids::TransportId;
use plenum_ipc::{Answer, Request};
use plenum_params::{
    data::SctpOptions,
    stats::WorkerStats,
    transport::{Protocol, WebRtcTransportOptions},
};
use plenum_rtp::{
    HeaderFields, RtpHeader, RtpWriter,
    framing::{FrameReader, frame_header},
};
use plenum_supervisor::{RouterHandle, TransportHandle, Worker};
use plenum_testkit::peer::TestPeer;

/// A peer of the call with its socket.
pub(crate) struct Client {
    pub(crate) peer: TestPeer,
    pub(crate) line: Line,
    pub(crate) transport: TransportHandle,
}

/// How a client reaches its worker.
pub(crate) enum Line {
    Tcp(Framed),
    Udp(UdpSocket),
}

impl Client {
    /// Connects to a transport of its own.
    pub(crate) async fn connect(router: &RouterHandle) -> Self {
        Self::connect_by(router, Protocol::Udp).await
    }

    /// Connects to a transport of its own that has data channels.
    pub(crate) async fn connect_for_data(router: &RouterHandle) -> Self {
        let options = WebRtcTransportOptions {
            sctp: Some(SctpOptions::default()),
            ..WebRtcTransportOptions::default()
        };
        let mut client = Self::connect_with(router, Protocol::Udp, options).await;
        client.peer.want_data(peer_settings());
        client
    }

    /// Connects by the first candidate of this protocol.
    pub(crate) async fn connect_by(router: &RouterHandle, protocol: Protocol) -> Self {
        let options = WebRtcTransportOptions::default();
        Self::connect_with(router, protocol, options).await
    }

    async fn connect_with(
        router: &RouterHandle,
        protocol: Protocol,
        mut options: WebRtcTransportOptions,
    ) -> Self {
        options.protocols.udp = protocol == Protocol::Udp;
        options.protocols.tcp = protocol == Protocol::Tcp;
        if protocol == Protocol::Tcp {
            // Loopback is wide; what estimates do is for other tests.
            options.initial_outgoing_bitrate = Some(100_000_000);
        }
        let created = router
            .create_webrtc_transport(TransportId::random(), options)
            .await;
        let (transport, info) = created.expect("the router exists");
        let candidate = info.ice_candidates.first().expect("a candidate");
        assert_eq!(candidate.protocol, protocol);
        let ip = candidate.address.ip().expect("a number");
        let (line, address) = Line::open(SocketAddr::new(ip, candidate.port), protocol);
        let peer = TestPeer::new(address, &info, Instant::now()).expect("DTLS starts");
        let connected = transport.connect(peer.dtls_parameters()).await;
        connected.expect("the first time");
        Self {
            peer,
            line,
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
        match &mut self.line {
            Line::Udp(socket) => {
                let mut buffer = [0; 2048];
                while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    assert_eq!(from, self.peer.remote, "only the worker talks to it");
                    if !is_lost() {
                        self.peer.handle_datagram(now, &buffer[..len]);
                    }
                }
                while let Some(datagram) = self.peer.poll_transmit() {
                    if !is_lost() {
                        send(socket, &datagram, self.peer.remote);
                    }
                }
            }
            Line::Tcp(framed) => {
                framed.receive(|datagram| self.peer.handle_datagram(now, datagram));
                while let Some(datagram) = self.peer.poll_transmit() {
                    framed.send(&datagram);
                }
            }
        }
    }

    /// The connection of a client over TCP.
    pub(crate) fn framed(&mut self) -> &mut Framed {
        match &mut self.line {
            Line::Tcp(framed) => framed,
            Line::Udp(_) => panic!("this one is on UDP"),
        }
    }
}

impl Line {
    /// Opens one, and says where it begins.
    pub(crate) fn open(to: SocketAddr, protocol: Protocol) -> (Self, SocketAddr) {
        match protocol {
            Protocol::Tcp => {
                let framed = Framed::open(to);
                let address = framed.stream.local_addr().expect("connected");
                (Self::Tcp(framed), address)
            }
            Protocol::Udp => {
                let socket = client_socket_on(to.ip());
                let address = socket.local_addr().expect("bound");
                (Self::Udp(socket), address)
            }
        }
    }
}

/// Datagrams on a connection.
pub(crate) struct Framed {
    pub(crate) stream: TcpStream,
    reader: FrameReader,
    unsent: Vec<u8>,
    /// Nothing is read while this is false.
    pub(crate) is_reading: bool,
    /// The other side has closed it.
    pub(crate) is_over: bool,
}

impl Framed {
    pub(crate) fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).expect("it listens");
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            reader: FrameReader::new(),
            unsent: Vec::new(),
            is_reading: true,
            is_over: false,
        }
    }

    pub(crate) fn send(&mut self, datagram: &[u8]) {
        let header = frame_header(datagram.len()).expect("short");
        self.unsent.extend(header);
        self.unsent.extend(datagram);
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.is_over = true;
                    return self.unsent.clear();
                }
            }
        }
    }

    pub(crate) fn receive(&mut self, mut each: impl FnMut(&[u8])) {
        let mut buffer = [0; 16 * 1024];
        while self.is_reading && !self.is_over {
            match self.stream.read(&mut buffer) {
                Ok(read) if read > 0 => {
                    let frames = self.reader.read(&mut buffer[..read]);
                    frames.expect("well-formed").for_each(|frame| each(frame));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => self.is_over = true,
            }
        }
    }
}

pub(crate) fn client_socket() -> UdpSocket {
    client_socket_on(Ipv4Addr::LOCALHOST.into())
}

fn client_socket_on(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a free port");
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
