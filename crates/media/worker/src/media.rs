//! Datagrams between the sockets and the engine, whether they come one by one or framed on a connection.

use std::{io, net::SocketAddr, rc::Rc, time::Instant};

use plenum_engine::{
    Datagram, DirectPacket, Engine, EngineError, NODE_SOCKET, SendBatch, SocketConfig, SocketIndex,
};
use plenum_ipc::{OwnPorts, Packet, PacketKind};
use plenum_params::{
    stats::WorkerStats,
    transport::{PlainTransportOptions, Protocol},
};
use plenum_udp::{
    BindOptions, Interest, Message, Poller, RecvBatch, SendReport, Sender, TcpListener, UdpSocket,
};

use crate::packets::Packets;

mod connection;
mod connections;
mod listeners;
mod port_pool;

use connections::Connections;
use listeners::Pauses;
pub(crate) use port_pool::OwnSocket;
use port_pool::PortPool;

/// Sockets have their indices for tokens, and those are 16 bits wide; connections come behind.
const FIRST_CONNECTION: u64 = 1 << 16;

/// The sockets and the memory that datagrams pass through.
pub(crate) struct Media {
    poller: Rc<Poller>,
    /// By their index; those of closed transports have left holes.
    sockets: Vec<Option<Socket>>,
    pool: PortPool,
    connections: Connections,
    pauses: Pauses,
    received: RecvBatch,
    batch: SendBatch,
    sender: Sender,
    /// Sockets that messages of a batch leave by, each once.
    targets: Vec<SocketIndex>,
    pub(crate) counters: MediaCounters,
}

/// A socket of the worker.
pub(crate) enum Socket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

/// What the kernel took and gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MediaCounters {
    pub(crate) receive_calls: u64,
    pub(crate) receive_errors: u64,
    pub(crate) send_calls: u64,
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) datagrams_dropped: u64,
}

impl Media {
    /// The shared sockets, and how to bind others.
    pub(crate) fn new(poller: Rc<Poller>, shared: Vec<Socket>, ports: OwnPorts) -> Self {
        Self {
            poller,
            sockets: shared.into_iter().map(Some).collect(),
            pool: PortPool::new(ports),
            connections: Connections::new(),
            pauses: Pauses::default(),
            received: RecvBatch::new(),
            batch: SendBatch::new(),
            sender: Sender::new(),
            targets: Vec::with_capacity(SendBatch::MAX_MESSAGES),
            counters: MediaCounters::default(),
        }
    }

    /// Whether every socket sends runs of datagrams as one message.
    pub(crate) fn supports_gso(&self) -> bool {
        let mut sockets = self.sockets.iter().flatten();
        sockets.all(|socket| match socket {
            Socket::Tcp(_) => true,
            Socket::Udp(socket) => socket.supports_gso(),
        })
    }

    /// Takes what is there at the source with this token, as far as one batch goes; true if more may be waiting.
    pub(crate) fn receive(&mut self, now: Instant, engine: &mut Engine, token: u64) -> bool {
        if let Some(key) = token.checked_sub(FIRST_CONNECTION) {
            self.counters.receive_calls += 1;
            let connections = &mut self.connections;
            return connections.receive(now, engine, usize::try_from(key).unwrap_or(usize::MAX));
        }
        let Ok(index) = SocketIndex::try_from(token) else {
            return false;
        };
        match self.sockets.get(usize::from(index)) {
            Some(Some(Socket::Udp(_))) => self.receive_datagrams(now, engine, index),
            Some(Some(Socket::Tcp(_))) => self.accept(now, index),
            _ => false,
        }
    }

    fn receive_datagrams(&mut self, now: Instant, engine: &mut Engine, index: SocketIndex) -> bool {
        let Some(Some(Socket::Udp(socket))) = self.sockets.get(usize::from(index)) else {
            return false;
        };
        self.counters.receive_calls += 1;
        match socket.recv(&mut self.received) {
            Ok(0) => false,
            Ok(_) => {
                let full = self.received.is_full();
                let datagrams = self.received.datagrams_mut().map(|received| Datagram {
                    socket: index,
                    from: received.from,
                    data: received.data,
                });
                engine.handle_datagrams(now, datagrams);
                full
            }
            // An error of an earlier send, reported here (ICMP): it was taken off the socket by reading it.
            Err(_) => {
                self.counters.receive_errors += 1;
                false
            }
        }
    }

    /// A connection has room again.
    pub(crate) fn handle_room(&mut self, now: Instant, engine: &mut Engine, token: u64) {
        let key = token.checked_sub(FIRST_CONNECTION);
        if let Some(key) = key.and_then(|key| usize::try_from(key).ok()) {
            self.connections.handle_room(now, engine, &self.poller, key);
        }
    }

    /// Sends everything that the engine has to send, and closes what it needs no longer.
    pub(crate) fn transmit(&mut self, now: Instant, engine: &mut Engine, packets: &mut Packets) {
        loop {
            self.send(now, engine, packets);
            // What came of connections that failed is to be sent, too.
            if !self.connections.settle(now, engine) {
                break;
            }
        }
        while let Some((socket, remote)) = engine.poll_closed_path() {
            self.connections.close(socket, remote);
        }
        while let Some(index) = engine.poll_released_socket() {
            self.close(index);
        }
    }

    fn send(&mut self, now: Instant, engine: &mut Engine, packets: &mut Packets) {
        loop {
            let more = engine.poll_transmit(now, &mut self.batch);
            self.targets.clear();
            for transmit in self.batch.transmits() {
                // Neighbours leave by the same one, and mostly all of them do.
                if self.targets.last() != Some(&transmit.socket)
                    && !self.targets.contains(&transmit.socket)
                {
                    self.targets.push(transmit.socket);
                }
            }
            for &index in &self.targets {
                if index == NODE_SOCKET {
                    send_to_node(engine, &self.batch, packets);
                    continue;
                }
                let transmits = self.batch.transmits();
                let messages = transmits.filter(|transmit| transmit.socket == index);
                let messages = messages.map(|transmit| Message {
                    to: transmit.to,
                    data: transmit.data,
                    segment_size: transmit.segment_size,
                });
                match self.sockets.get(usize::from(index)) {
                    Some(Some(Socket::Udp(socket))) => {
                        let report = self.sender.send(socket, messages);
                        self.counters.count(&report);
                    }
                    Some(Some(Socket::Tcp(_))) => {
                        let (connections, counters) = (&mut self.connections, &mut self.counters);
                        for message in messages {
                            connections.send(&self.poller, index, &message, counters);
                        }
                    }
                    _ => {}
                }
            }
            let sent_something = !self.batch.is_empty();
            self.batch.clear();
            // An engine that says "more" without giving any would hold the loop for ever.
            if !more || !sent_something {
                return;
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let dues = [self.connections.poll_timeout(), self.pauses.poll_timeout()];
        dues.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, engine: &Engine) {
        self.connections.handle_timeout(now, engine);
        self.resume_listeners(now);
    }

    /// Binds these sockets for a transport that `create` makes with them. If it is refused, they are closed again.
    pub(crate) fn with_own_sockets<T>(
        &mut self,
        engine: &mut Engine,
        wanted: &[OwnSocket],
        create: impl FnOnce(&mut Engine, &[SocketIndex]) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut opened = Vec::with_capacity(wanted.len());
        let all: Result<(), EngineError> = wanted.iter().try_for_each(|wanted| {
            opened.push(self.open(engine, wanted)?);
            Ok(())
        });
        let result = all.and_then(|()| create(engine, &opened));
        if result.is_err() {
            for index in opened {
                engine.remove_socket(index);
                self.close(index);
            }
        }
        result
    }

    /// The sockets that a WebRTC transport gets for itself; none: it uses the shared ones.
    pub(crate) fn wanted_by_webrtc(&self) -> Vec<OwnSocket> {
        self.pool.wanted_by_webrtc()
    }

    /// The sockets that a plain transport gets for itself.
    pub(crate) fn wanted_by_plain(
        &self,
        options: &PlainTransportOptions,
    ) -> Result<Vec<OwnSocket>, EngineError> {
        self.pool.wanted_by_plain(options)
    }

    fn open(
        &mut self,
        engine: &mut Engine,
        wanted: &OwnSocket,
    ) -> Result<SocketIndex, EngineError> {
        let buffer = self.pool.socket_buffer();
        let socket = self.pool.bind(wanted, |address| match wanted.protocol {
            Protocol::Tcp => TcpListener::bind(address).map(Socket::Tcp),
            Protocol::Udp => {
                let options = BindOptions {
                    recv_buffer: buffer,
                    send_buffer: buffer,
                    ..BindOptions::default()
                };
                UdpSocket::bind(address, &options).map(Socket::Udp)
            }
        })?;
        let index = engine.add_socket(SocketConfig {
            announced: wanted.announced.clone(),
            expose_internal: wanted.expose_internal,
            ..socket.config()
        })?;
        if let Err(error) = socket.register(&self.poller, index.into()) {
            engine.remove_socket(index);
            self.pool.release(wanted.protocol, socket.local_addr());
            return Err(EngineError::Limit(format!("no more sockets: {error}")));
        }
        if self.sockets.len() <= index.into() {
            self.sockets.resize_with(usize::from(index) + 1, || None);
        }
        self.sockets[usize::from(index)] = Some(socket);
        Ok(index)
    }

    /// Closes a socket that was opened here, and the connections that it took.
    fn close(&mut self, index: SocketIndex) {
        let socket = self.sockets.get_mut(usize::from(index));
        let Some(socket) = socket.and_then(Option::take) else {
            return;
        };
        if matches!(socket, Socket::Tcp(_)) {
            self.connections.close_all_of(index);
            self.pauses.forget(index);
        }
        // The poller forgets it by itself: there is no other copy.
        self.pool.release(socket.protocol(), socket.local_addr());
    }

    /// Completes the worker's counters.
    pub(crate) fn fill(&self, stats: &mut WorkerStats) {
        let counters = &self.counters;
        stats.datagrams_sent = counters.datagrams_sent;
        stats.bytes_sent = counters.bytes_sent;
        stats.datagrams_dropped = counters.datagrams_dropped;
        stats.gso = self.supports_gso();
        self.connections.fill(stats);
    }
}

impl Socket {
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Tcp(_) => Protocol::Tcp,
            Self::Udp(_) => Protocol::Udp,
        }
    }

    fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }

    /// Puts it into a poller under its index.
    pub(crate) fn register(&self, poller: &Poller, index: usize) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => poller.add(listener, index as u64, Interest::Readable),
            Self::Udp(socket) => poller.add(socket, index as u64, Interest::Readable),
        }
    }

    /// What the engine is told of it, without its announced addresses.
    pub(crate) fn config(&self) -> SocketConfig {
        SocketConfig {
            protocol: self.protocol(),
            gso: match self {
                Self::Tcp(_) => true,
                Self::Udp(socket) => socket.supports_gso(),
            },
            ..SocketConfig::new(self.local_addr())
        }
    }
}

/// Brings to the node what is for it.
fn send_to_node(engine: &Engine, batch: &SendBatch, packets: &mut Packets) {
    let transmits = batch.transmits();
    for transmit in transmits.filter(|transmit| transmit.socket == NODE_SOCKET) {
        for data in transmit.data.chunks(transmit.segment_size.max(1).into()) {
            let (kind, object) = match engine.direct_packet(transmit.to, data) {
                Some(DirectPacket::Rtp(consumer)) => (PacketKind::Rtp, consumer.as_u128()),
                Some(DirectPacket::Rtcp(transport)) => (PacketKind::Rtcp, transport.as_u128()),
                None => continue,
            };
            packets.send(&Packet { kind, object, data });
        }
    }
}

impl MediaCounters {
    fn count(&mut self, report: &SendReport) {
        self.send_calls += report.syscalls;
        self.datagrams_sent += report.datagrams;
        self.bytes_sent += report.bytes;
        self.datagrams_dropped += report.dropped;
    }
}
