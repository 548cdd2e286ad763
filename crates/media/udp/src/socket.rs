//! A nonblocking UDP socket with the kernel's offloads switched on where they exist.
#![expect(unsafe_code, reason = "UDP_GRO and UDP_SEGMENT have no safe interface")]

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};

/// A bound, nonblocking UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    inner: Socket,
    local_addr: SocketAddr,
    gso: AtomicBool,
    gro: bool,
}

/// How to bind a socket and which offloads to use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct BindOptions {
    /// `SO_REUSEPORT`: the kernel spreads datagrams over all sockets bound to the port.
    pub reuse_port: bool,
    /// Bytes of the kernel's receive buffer; `None`: the system's default. Capped by `net.core.rmem_max` without
    /// privilege.
    pub recv_buffer: Option<usize>,
    /// Bytes of the kernel's send buffer; `None`: the system's default. Capped by `net.core.wmem_max` without
    /// privilege.
    pub send_buffer: Option<usize>,
    /// Send runs of equal-sized datagrams as one message, if the kernel can.
    pub gso: bool,
    /// Receive runs of equal-sized datagrams as one message, if the kernel can.
    pub gro: bool,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self {
            reuse_port: false,
            recv_buffer: None,
            send_buffer: None,
            gso: true,
            gro: true,
        }
    }
}

impl UdpSocket {
    /// Opens and binds a socket. An IPv6 socket takes IPv6 only, so that both families can share a port.
    pub fn bind(addr: SocketAddr, options: &BindOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        set_buffers(&socket, options)?;
        socket.bind(&addr.into())?;
        Self::set_up(socket, options.gso, options.gro)
    }

    /// Takes over a bound UDP socket, as it comes from another process, and switches on the offloads that the kernel
    /// has.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_type(&fd)? != rustix::net::SocketType::DGRAM {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a datagram socket",
            ));
        }
        Self::set_up(Socket::from(fd), true, true)
    }

    /// Where the socket is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Whether a run of datagrams leaves as one message. Becomes false when an interface on the way refuses.
    pub fn supports_gso(&self) -> bool {
        self.gso.load(Ordering::Relaxed)
    }

    /// Whether runs of datagrams arrive as one message.
    pub fn supports_gro(&self) -> bool {
        self.gro
    }

    /// Sends every datagram by itself from now on.
    pub fn disable_gso(&self) {
        self.gso.store(false, Ordering::Relaxed);
    }

    /// Bytes of the kernel's receive and send buffers, as it counts them (twice what was asked for).
    pub fn buffer_sizes(&self) -> io::Result<(usize, usize)> {
        Ok((
            self.inner.recv_buffer_size()?,
            self.inner.send_buffer_size()?,
        ))
    }

    #[cfg(test)]
    pub(crate) fn disable_checksums(&self) -> io::Result<()> {
        set_option(&self.inner, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1)
    }

    fn set_up(inner: Socket, gso: bool, gro: bool) -> io::Result<Self> {
        inner.set_nonblocking(true)?;
        let local_addr = inner
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an IP socket"))?;
        // A segment size of 0 changes nothing, and is refused by kernels that do not know the option.
        let gso = gso && set_udp_option(&inner, libc::UDP_SEGMENT, 0).is_ok();
        let gro = set_udp_option(&inner, libc::UDP_GRO, gro.into()).is_ok() && gro;
        Ok(Self {
            inner,
            local_addr,
            gso: AtomicBool::new(gso),
            gro,
        })
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl From<UdpSocket> for OwnedFd {
    fn from(socket: UdpSocket) -> Self {
        socket.inner.into()
    }
}

/// Sizes beyond the system's maximum need a privilege: with it they are had, without it the maximum is.
pub(crate) fn set_buffers(socket: &Socket, options: &BindOptions) -> io::Result<()> {
    if let Some(bytes) = options.recv_buffer
        && sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err()
    {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer
        && set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes).is_err()
    {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

fn set_udp_option(socket: &Socket, name: libc::c_int, value: usize) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, name, value)
}

fn set_option(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: usize,
) -> io::Result<()> {
    let value = libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX);
    // SAFETY: the pointer and length describe `value`, which the kernel only reads during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
