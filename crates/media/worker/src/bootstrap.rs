//! The opening of the conversation with the node, described in `plenum-ipc`.

use std::{
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use plenum_ipc::{PREAMBLE_BYTES, Preamble};
use plenum_udp::{PacketSocket, recv_fds};

use crate::{WorkerError, control::Control, packets::Packets};

/// What the node handed over.
pub(crate) struct Bootstrap {
    pub(crate) control: Control,
    pub(crate) packets: Packets,
    /// The shared RTC sockets, of which only the hello says what they are.
    pub(crate) sockets: Vec<OwnedFd>,
}

/// Receives the sockets and agrees on the build. Blocks, as there is nothing else to do yet.
pub(crate) fn open(control: OwnedFd) -> Result<Bootstrap, WorkerError> {
    let mut stream = UnixStream::from(control);
    stream
        .set_nonblocking(false)
        .map_err(WorkerError::Control)?;

    let mut preamble = [0; PREAMBLE_BYTES];
    let (length, descriptors) = recv_fds(&stream, &mut preamble).map_err(WorkerError::Control)?;
    let rest = preamble.get_mut(length..).unwrap_or_default();
    stream.read_exact(rest).map_err(WorkerError::Control)?;
    // The answer goes out before the judgement, so that the node can say which build it met.
    stream
        .write_all(&Preamble::OURS.to_bytes())
        .map_err(WorkerError::Control)?;
    Preamble::check(&preamble)?;

    let mut descriptors = descriptors.into_iter();
    let packets = descriptors.next().ok_or(WorkerError::Protocol(
        "no packet socket came with its preamble",
    ))?;
    let packets = PacketSocket::from_fd(packets).map_err(WorkerError::PacketSocket)?;
    Ok(Bootstrap {
        control: Control::new(stream),
        packets: Packets::new(packets),
        sockets: descriptors.collect(),
    })
}
