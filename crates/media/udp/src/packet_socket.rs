//! A pair of connected sockets that keep packets apart (`SOCK_SEQPACKET`), between two processes of one machine.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, recv,
        sendmsg, socketpair, sockopt,
    },
};
use socket2::Socket;

use crate::socket::{BindOptions, set_buffers};

/// One end of the pair, nonblocking.
#[derive(Debug)]
pub struct PacketSocket(Socket);

/// What [`PacketSocket::recv`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else to find")]
pub enum PacketReceived {
    /// Nothing more will come: the other end is closed. An empty packet looks the same, so none is ever sent.
    End,
    /// Nothing is there now.
    Nothing,
    /// A packet of this length is in the buffer.
    Packet(usize),
    /// A packet did not fit into the buffer and is lost.
    TooLong,
}

/// What became of a packet that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else to become")]
pub enum PacketSent {
    /// The other end is closed.
    Closed,
    /// The buffer between the ends is full; the packet is lost.
    Full,
    /// It is on its way.
    Sent,
}

impl PacketSocket {
    /// Both ends of a new pair, whose kernel buffer holds about `buffer` bytes in each direction. Without privilege it
    /// is capped by `net.core.wmem_max`.
    pub fn pair(buffer: usize) -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (left, right) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let pair = (Self(left.into()), Self(right.into()));
        let options = BindOptions {
            send_buffer: Some(buffer),
            ..BindOptions::default()
        };
        // What waits to be read counts against the sender's buffer; there is no other.
        set_buffers(&pair.0.0, &options)?;
        set_buffers(&pair.1.0, &options)?;
        Ok(pair)
    }

    /// Takes over an end that came from another process.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_type(&fd)? != SocketType::SEQPACKET
            || sockopt::socket_domain(&fd)? != AddressFamily::UNIX
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a packet socket",
            ));
        }
        let socket = Socket::from(fd);
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Sends one packet, put together from parts that must not all be empty, or loses it.
    pub fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<PacketSent> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let mut nothing = SendAncillaryBuffer::default();
        match retry_on_intr(|| sendmsg(&self.0, parts, &mut nothing, flags)) {
            Ok(_) => Ok(PacketSent::Sent),
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Ok(PacketSent::Full),
            Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Ok(PacketSent::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes one packet, if one is there.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<PacketReceived> {
        let room = buffer.len();
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        match retry_on_intr(|| recv(&self.0, &mut *buffer, flags)) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => Ok(PacketReceived::End),
            Ok((_, length)) if length > room => Ok(PacketReceived::TooLong),
            Ok((_, length)) => Ok(PacketReceived::Packet(length)),
            Err(Errno::AGAIN) => Ok(PacketReceived::Nothing),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<PacketSocket> for OwnedFd {
    fn from(socket: PacketSocket) -> Self {
        socket.0.into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (PacketSocket, PacketSocket) {
        PacketSocket::pair(64 * 1024).expect("a pair")
    }

    #[test]
    fn packets_stay_apart() {
        let (left, right) = pair();
        let parts = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
        assert_eq!(left.send(&parts).ok(), Some(PacketSent::Sent));
        assert_eq!(left.send(&parts[..1]).ok(), Some(PacketSent::Sent));
        let right = PacketSocket::from_fd(right.into()).expect("an end");
        let mut buffer = [0; 10];
        assert_eq!(
            right.recv(&mut buffer).ok(),
            Some(PacketReceived::Packet(5))
        );
        assert_eq!(&buffer[..5], b"hello");
        assert_eq!(
            right.recv(&mut buffer).ok(),
            Some(PacketReceived::Packet(2))
        );
        assert_eq!(right.recv(&mut buffer).ok(), Some(PacketReceived::Nothing));
    }

    #[test]
    fn a_packet_longer_than_the_buffer_is_lost_alone() {
        let (left, right) = pair();
        for packet in [&b"much too long"[..], b"short"] {
            let sent = left.send(&[IoSlice::new(packet)]);
            assert_eq!(sent.ok(), Some(PacketSent::Sent));
        }
        let mut buffer = [0; 5];
        assert_eq!(right.recv(&mut buffer).ok(), Some(PacketReceived::TooLong));
        assert_eq!(
            right.recv(&mut buffer).ok(),
            Some(PacketReceived::Packet(5))
        );
    }

    #[test]
    fn a_full_buffer_loses_packets_and_takes_them_again_once_read() {
        let (left, right) = pair();
        let packet = [7; 1200];
        let mut sent = 0;
        while left.send(&[IoSlice::new(&packet)]).expect("open") == PacketSent::Sent {
            sent += 1;
        }
        assert!(sent > 10, "{sent}");
        let mut buffer = [0; 1500];
        for _ in 0..sent {
            let received = right.recv(&mut buffer).expect("open");
            assert_eq!(received, PacketReceived::Packet(1200));
        }
        assert_eq!(right.recv(&mut buffer).ok(), Some(PacketReceived::Nothing));
        let again = left.send(&[IoSlice::new(&packet)]);
        assert_eq!(again.ok(), Some(PacketSent::Sent));
    }

    #[test]
    fn the_end_is_seen_on_both_sides() {
        let (left, right) = pair();
        left.send(&[IoSlice::new(b"last")]).expect("open");
        drop(left);
        let mut buffer = [0; 10];
        assert_eq!(
            right.recv(&mut buffer).ok(),
            Some(PacketReceived::Packet(4))
        );
        assert_eq!(right.recv(&mut buffer).ok(), Some(PacketReceived::End));
        let sent = right.send(&[IoSlice::new(b"too late")]);
        assert_eq!(sent.ok(), Some(PacketSent::Closed));
    }

    #[test]
    fn other_sockets_are_refused() {
        let (stream, _other) = UnixStream::pair().expect("a pair");
        assert!(PacketSocket::from_fd(stream.into()).is_err());
    }
}
