//! Handing open file descriptors to another process over a Unix stream socket (`SCM_RIGHTS`).

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

/// Most descriptors that the kernel takes with one message (`SCM_MAX_FD`).
pub const MAX_PASSED_FDS: usize = 253;

/// Writes all of `data` to a blocking stream; `fds` travel with its first byte.
///
/// `data` must not be empty: descriptors cannot travel alone on a stream.
pub fn send_fds(stream: impl AsFd, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if data.is_empty() || fds.len() > MAX_PASSED_FDS {
        return Err(Errno::INVAL.into());
    }
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(MAX_PASSED_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::INVAL.into());
    }
    let mut rest = data;
    while !rest.is_empty() {
        let sent = retry_on_intr(|| {
            sendmsg(
                &stream,
                &[IoSlice::new(rest)],
                &mut control,
                SendFlags::NOSIGNAL,
            )
        })?;
        control.clear();
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// Reads once from a stream: the number of bytes (0 at its end) and the descriptors that came with them, which are
/// closed on exec.
pub fn recv_fds(stream: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(MAX_PASSED_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = retry_on_intr(|| {
        recvmsg(
            &stream,
            &mut [IoSliceMut::new(buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok((received.bytes, fds))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

    #[test]
    fn descriptors_arrive_with_the_data() {
        let (left, right) = UnixStream::pair().expect("a socket pair");
        let (mut passed, mut peer) = UnixStream::pair().expect("a socket pair");
        send_fds(&left, b"hello", &[passed.as_fd(), left.as_fd()]).expect("room in the buffer");
        let mut buffer = [0; 64];
        let (len, fds) = recv_fds(&right, &mut buffer).expect("readable");
        assert_eq!(&buffer[..len], b"hello");
        assert_eq!(fds.len(), 2);

        let mut copy = UnixStream::from(fds.into_iter().next().expect("two"));
        copy.write_all(b"through the copy").expect("open");
        passed.write_all(b"!").expect("open");
        let mut text = [0; 17];
        peer.read_exact(&mut text).expect("both wrote");
        assert_eq!(&text, b"through the copy!");
    }

    #[test]
    fn end_of_stream_is_zero_bytes() {
        let (left, right) = UnixStream::pair().expect("a socket pair");
        drop(left);
        let (len, fds) = recv_fds(&right, &mut [0; 8]).expect("readable");
        assert_eq!((len, fds.len()), (0, 0));
    }

    #[test]
    fn descriptors_need_data_and_a_bound() {
        let (left, _right) = UnixStream::pair().expect("a socket pair");
        assert!(send_fds(&left, b"", &[left.as_fd()]).is_err());
        let many = vec![left.as_fd(); MAX_PASSED_FDS + 1];
        assert!(send_fds(&left, b"x", &many).is_err());
    }
}
