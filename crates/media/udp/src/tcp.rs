//! Nonblocking TCP: listening sockets, and the connections that come in.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted. A worker that comes back from a pause of some 100 ms finds those of a few thousand
/// clients; `net.core.somaxconn` (4096) bounds it, too.
const BACKLOG: i32 = 1024;

/// Bytes that the kernel takes beyond what is on its way to the receiver (`TCP_NOTSENT_LOWAT`). What is on its way it bounds
/// by the congestion window; all else is delay, and belongs into a queue that can be looked at. 64 KiB are half a second at
/// 1 Mbit/s and no limit to anybody, as room is told long before it is used up.
const UNSENT: u32 = 64 * 1024;

/// How long the other side may take to acknowledge anything (`TCP_USER_TIMEOUT`), also with a closed window: RFC 7675's 30
/// seconds, after which nobody would be sent anything over UDP either.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket that listens for connections.
#[derive(Debug)]
pub struct TcpListener {
    inner: Socket,
    local_addr: SocketAddr,
}

/// An accepted connection.
#[derive(Debug)]
pub struct TcpConnection {
    inner: Socket,
    remote: SocketAddr,
}

impl TcpListener {
    /// Opens and binds a socket and listens. An IPv6 socket takes IPv6 only, so that both families can share a port.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // The last node's connections may linger for a minute.
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Self::set_up(socket)
    }

    /// Takes over a listening socket, as it comes from another process.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if !sockopt::socket_acceptconn(&fd)? {
            let what = "not a listening socket";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Self::set_up(Socket::from(fd))
    }

    /// Where the socket is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The next connection, if one waits. One that is broken by the time it is looked at is left out.
    pub fn accept(&self) -> io::Result<Option<TcpConnection>> {
        loop {
            match self.inner.accept() {
                Ok((socket, address)) => {
                    let Some(remote) = address.as_socket() else {
                        continue;
                    };
                    if let Ok(connection) = TcpConnection::set_up(socket, remote) {
                        return Ok(Some(connection));
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn set_up(inner: Socket) -> io::Result<Self> {
        inner.set_nonblocking(true)?;
        let local_addr = inner.local_addr()?.as_socket().ok_or_else(|| {
            let what = "not an IP socket";
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
        Ok(Self { inner, local_addr })
    }
}

impl TcpConnection {
    /// Who is at the other end.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Reads what is there: `Some(0)` is the end, `None` that nothing waits.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        nonblocking(|| rustix::io::read(&self.inner, &mut *buffer))
    }

    /// Writes as much as the kernel has room for, and returns how much that was.
    pub fn write(&self, data: &[u8]) -> io::Result<usize> {
        let flags = rustix::net::SendFlags::NOSIGNAL;
        let written = nonblocking(|| rustix::net::send(&self.inner, data, flags))?;
        Ok(written.unwrap_or(0))
    }

    fn set_up(inner: Socket, remote: SocketAddr) -> io::Result<Self> {
        inner.set_nonblocking(true)?;
        // Packets shall not wait for each other.
        inner.set_tcp_nodelay(true)?;
        inner.set_tcp_notsent_lowat(UNSENT)?;
        inner.set_tcp_user_timeout(Some(PATIENCE))?;
        Ok(Self { inner, remote })
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsFd for TcpConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

fn nonblocking(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket},
        time::Duration,
    };

    use super::*;
    use crate::{Events, Interest, Poller};

    fn wait_for(fd: impl AsFd) {
        let poller = Poller::new().expect("epoll");
        poller.add(fd, 0, Interest::Readable).expect("new");
        let mut events = Events::with_capacity(1);
        let ready = poller.wait(Some(Duration::from_secs(10)), &mut events);
        assert_eq!(ready.ok(), Some(1));
    }

    #[test]
    fn bytes_pass_both_ways_and_nothing_blocks() {
        for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            let listener = TcpListener::bind(SocketAddr::new(ip, 0)).expect("a free port");
            assert!(listener.accept().expect("listens").is_none());
            let mut client = TcpStream::connect(listener.local_addr()).expect("listens");
            wait_for(&listener);
            let connection = listener.accept().expect("listens").expect("connected");
            assert_eq!(connection.remote(), client.local_addr().expect("bound"));
            let mut buffer = [0; 8];
            assert_eq!(connection.read(&mut buffer).ok(), Some(None));
            client.write_all(b"hello").expect("open");
            wait_for(&connection);
            assert_eq!(connection.read(&mut buffer).ok(), Some(Some(5)));
            assert_eq!(connection.write(b"there").ok(), Some(5));
            client.read_exact(&mut buffer[..5]).expect("open");
            assert_eq!(&buffer[..5], b"there");
            drop(client);
            wait_for(&connection);
            assert_eq!(connection.read(&mut buffer).ok(), Some(Some(0)));
        }
    }

    #[test]
    fn a_full_connection_takes_less_and_then_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let client = TcpStream::connect(listener.local_addr()).expect("listens");
        wait_for(&listener);
        let connection = listener.accept().expect("listens").expect("connected");
        let data = vec![0; 1 << 20];
        let mut written = 0;
        loop {
            match connection.write(&data).expect("open") {
                0 => break,
                count => written += count,
            }
        }
        assert!(written > 0 && written < 64 << 20, "{written}");
        drop(client);
    }

    #[test]
    fn only_listening_sockets_are_taken_over() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let address = listener.local_addr();
        let fd = listener.as_fd().try_clone_to_owned().expect("a descriptor");
        let other = TcpListener::from_fd(fd).expect("it listens");
        assert_eq!(other.local_addr(), address);
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        assert!(TcpListener::from_fd(datagrams.into()).is_err());
    }
}
