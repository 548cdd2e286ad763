//! The TCP connections of a worker.
//!
//! Whoever connects is a stranger until one of its datagrams was a valid ICE check. Strangers are few in all and from one
//! address, may send little, and have little time. Those that are known are as many as their transports have paths.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use plenum_engine::{Datagram, Engine, SocketIndex};
use plenum_params::stats::WorkerStats;
use plenum_udp::{Interest, Message, Poller, TcpConnection};
use slab::Slab;

use super::{
    FIRST_CONNECTION, MediaCounters,
    connection::{BLOCKED_AT, Connection, FLOWING_AT},
};

/// Connections in all. Each is an open file, and a transport rarely has more than one.
const MAX_CONNECTIONS: usize = 16_384;

/// Strangers in all; the one that has waited longest makes room. At 100 ms from the connection to the first check, 10 000
/// clients a second get in.
const MAX_STRANGERS: usize = 1_024;

/// Strangers from one address: a network behind NAT where so many people begin within the same 100 ms.
const MAX_STRANGERS_OF_ADDRESS: u32 = 64;

/// How long a stranger may take. Browsers send the first check as soon as the connection stands, and ICE gives pairs up
/// that take longer than some seconds.
const STRANGERS_TIME: Duration = Duration::from_secs(10);

/// Bytes that a stranger may send: a hundred checks.
const STRANGERS_BYTES: usize = 16 * 1024;

/// Bytes read at once: as much as UDP gives in some messages, so that a turn takes about as long.
const READ: usize = 64 * 1024;

/// All connections, and the memory that they share.
pub(super) struct Connections {
    by_key: Slab<Connection>,
    by_path: HashMap<(SocketIndex, SocketAddr), usize>,
    /// Those that came as strangers, oldest first, with when their time is over.
    arrivals: VecDeque<(Instant, usize, u64)>,
    strangers: usize,
    strangers_of: HashMap<IpAddr, u32>,
    /// Takes too much, of which the engine has not heard.
    blocked: Vec<usize>,
    /// Failed while something was sent.
    broken: Vec<usize>,
    buffer: Box<[u8]>,
    framed: Vec<u8>,
    next_serial: u64,
    refused: u64,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            by_key: Slab::new(),
            by_path: HashMap::new(),
            arrivals: VecDeque::new(),
            strangers: 0,
            strangers_of: HashMap::new(),
            blocked: Vec::new(),
            broken: Vec::new(),
            buffer: vec![0; READ].into_boxed_slice(),
            framed: Vec::with_capacity(READ),
            next_serial: 0,
            refused: 0,
        }
    }

    /// Takes a new connection, which `register` puts into the poller, or closes it.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        socket: SocketIndex,
        stream: TcpConnection,
        register: impl FnOnce(&TcpConnection, usize) -> io::Result<()>,
    ) {
        let network = network(stream.remote().ip());
        let of_address = self.strangers_of.get(&network).copied().unwrap_or(0);
        let path = (socket, stream.remote());
        if of_address >= MAX_STRANGERS_OF_ADDRESS
            || self.by_key.len() >= MAX_CONNECTIONS
            || self.by_path.contains_key(&path)
        {
            self.refused += 1;
            return;
        }
        while self.strangers >= MAX_STRANGERS
            && let Some((_, key, serial)) = self.arrivals.pop_front()
        {
            if self.is_stranger(key, serial) {
                self.refused += 1;
                self.remove(key);
            }
        }
        let key = self.by_key.vacant_key();
        if register(&stream, key).is_err() {
            self.refused += 1;
            return;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.by_key.insert(Connection::new(stream, socket, serial));
        self.by_path.insert(path, key);
        if self.arrivals.len() >= 4 * MAX_STRANGERS {
            // Most of them have been welcomed or have hung up.
            let mut arrivals = std::mem::take(&mut self.arrivals);
            arrivals.retain(|&(_, key, serial)| self.is_stranger(key, serial));
            self.arrivals = arrivals;
        }
        self.arrivals.push_back((now + STRANGERS_TIME, key, serial));
        self.strangers += 1;
        *self.strangers_of.entry(network).or_default() += 1;
    }

    /// Reads from a connection and gives the engine what is complete; true if more may be waiting.
    pub(super) fn receive(&mut self, now: Instant, engine: &mut Engine, key: usize) -> bool {
        let Some(connection) = self.by_key.get_mut(key) else {
            return false;
        };
        let read = match connection.stream.read(&mut self.buffer) {
            Ok(None) => return false,
            Ok(Some(read)) if read > 0 => read,
            // The end, or an error.
            _ => {
                self.hang_up(now, engine, key);
                return false;
            }
        };
        let (socket, from) = connection.path();
        let input = self.buffer.get_mut(..read).unwrap_or_default();
        let Ok(frames) = connection.reader.read(input) else {
            self.hang_up(now, engine, key);
            return false;
        };
        let datagrams = frames.map(|data| Datagram { socket, from, data });
        engine.handle_datagrams(now, datagrams);
        if connection.is_stranger {
            connection.received += read;
            if engine.takes_path(socket, from) {
                self.welcome(key);
            } else if connection.received > STRANGERS_BYTES {
                self.refused += 1;
                self.remove(key);
                return false;
            }
        }
        read == READ
    }

    /// Sends a message over the connection that it names; if there is none, it is dropped.
    pub(super) fn send(
        &mut self,
        poller: &Poller,
        socket: SocketIndex,
        message: &Message<'_>,
        counters: &mut MediaCounters,
    ) {
        let key = self.by_path.get(&(socket, message.to)).copied();
        let found = key.and_then(|key| Some((key, self.by_key.get_mut(key)?)));
        let Some((key, connection)) = found else {
            let segment = usize::from(message.segment_size).max(1);
            counters.datagrams_dropped += message.data.len().div_ceil(segment) as u64;
            return;
        };
        let Ok(sent) = connection.send(message, &mut self.framed) else {
            self.broken.push(key);
            return;
        };
        counters.send_calls += sent.calls;
        counters.datagrams_sent += sent.datagrams;
        counters.bytes_sent += sent.bytes;
        counters.datagrams_dropped += sent.dropped;
        if connection.queue.len() > BLOCKED_AT && !connection.is_blocked {
            connection.is_blocked = true;
            self.blocked.push(key);
        }
        self.follow_queue(poller, key);
    }

    /// Writes what waits, now that there is room.
    pub(super) fn handle_room(
        &mut self,
        now: Instant,
        engine: &mut Engine,
        poller: &Poller,
        key: usize,
    ) {
        let Some(connection) = self.by_key.get_mut(key) else {
            return;
        };
        if connection.flush().is_err() {
            return self.hang_up(now, engine, key);
        }
        if connection.is_blocked && connection.queue.len() < FLOWING_AT {
            connection.is_blocked = false;
            let (socket, remote) = connection.path();
            engine.handle_unblocked(now, socket, remote);
        }
        self.follow_queue(poller, key);
    }

    /// Tells the engine what became of what was sent; true if that may have made it send more.
    pub(super) fn settle(&mut self, now: Instant, engine: &mut Engine) -> bool {
        let has_news = !self.blocked.is_empty() || !self.broken.is_empty();
        while let Some(key) = self.blocked.pop() {
            if let Some(connection) = self.by_key.get(key) {
                let (socket, remote) = connection.path();
                engine.handle_blocked(socket, remote);
            }
        }
        while let Some(key) = self.broken.pop() {
            self.hang_up(now, engine, key);
        }
        has_news
    }

    /// Closes a connection that no transport takes any more.
    pub(super) fn close(&mut self, socket: SocketIndex, remote: SocketAddr) {
        if let Some(&key) = self.by_path.get(&(socket, remote)) {
            self.remove(key);
        }
    }

    /// Closes the connections that came by a socket.
    pub(super) fn close_all_of(&mut self, socket: SocketIndex) {
        let connections = self.by_key.iter();
        let of_socket = connections.filter(|(_, connection)| connection.socket == socket);
        let keys: Vec<usize> = of_socket.map(|(key, _)| key).collect();
        for key in keys {
            self.remove(key);
        }
    }

    /// When the next stranger's time is over.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.arrivals.front().map(|(due, ..)| *due)
    }

    /// Closes strangers whose time is over.
    pub(super) fn handle_timeout(&mut self, now: Instant, engine: &Engine) {
        while let Some(&(due, key, serial)) = self.arrivals.front()
            && due <= now
        {
            self.arrivals.pop_front();
            if !self.is_stranger(key, serial) {
                continue;
            }
            let connection = self.by_key.get(key);
            let path = connection.map(Connection::path);
            if path.is_some_and(|(socket, remote)| engine.takes_path(socket, remote)) {
                self.welcome(key);
            } else {
                self.refused += 1;
                self.remove(key);
            }
        }
    }

    /// Completes the worker's counters.
    pub(super) fn fill(&self, stats: &mut WorkerStats) {
        stats.connections = u32::try_from(self.by_key.len()).unwrap_or(u32::MAX);
        stats.connections_refused = self.refused;
    }

    /// Asks the poller for as much as the queue needs.
    fn follow_queue(&mut self, poller: &Poller, key: usize) {
        let Some(connection) = self.by_key.get_mut(key) else {
            return;
        };
        let waits = !connection.queue.is_empty();
        if waits == connection.waits_for_room {
            return;
        }
        let interest = if waits {
            Interest::ReadableOrWritable
        } else {
            Interest::Readable
        };
        let token = FIRST_CONNECTION + key as u64;
        if poller.modify(&connection.stream, token, interest).is_err() {
            // It would never be heard of again.
            self.broken.push(key);
        } else {
            connection.waits_for_room = waits;
        }
    }

    /// A connection has ended.
    fn hang_up(&mut self, now: Instant, engine: &mut Engine, key: usize) {
        if let Some(connection) = self.remove(key) {
            let (socket, remote) = connection.path();
            engine.handle_hang_up(now, socket, remote);
        }
    }

    fn is_stranger(&self, key: usize, serial: u64) -> bool {
        let connection = self.by_key.get(key);
        connection.is_some_and(|it| it.serial == serial && it.is_stranger)
    }

    /// A stranger has shown who it is.
    fn welcome(&mut self, key: usize) {
        if let Some(connection) = self.by_key.get_mut(key)
            && std::mem::take(&mut connection.is_stranger)
        {
            let remote = connection.stream.remote().ip();
            self.forget_stranger(remote);
        }
    }

    fn forget_stranger(&mut self, remote: IpAddr) {
        self.strangers = self.strangers.saturating_sub(1);
        let network = network(remote);
        if let Some(count) = self.strangers_of.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.strangers_of.remove(&network);
            }
        }
    }

    fn remove(&mut self, key: usize) -> Option<Connection> {
        let connection = self.by_key.try_remove(key)?;
        self.by_path.remove(&connection.path());
        self.blocked.retain(|&blocked| blocked != key);
        self.broken.retain(|&broken| broken != key);
        if connection.is_stranger {
            self.forget_stranger(connection.stream.remote().ip());
        }
        Some(connection)
    }
}

/// What counts as one address: with IPv6, the network that one customer has.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests;
