//! Sending many datagrams with one system call.
#![expect(
    unsafe_code,
    reason = "sendmmsg and its control messages have no safe interface"
)]

use std::{
    io,
    marker::PhantomData,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

use crate::{address::RawAddress, receive::empty_header, socket::UdpSocket};

/// Most datagrams in one message (`UDP_MAX_SEGMENTS` of kernels before 6.9; newer ones take 128).
pub const MAX_SEGMENTS: usize = 64;

/// Most bytes in one message: what a UDP datagram over IPv4 may carry.
pub const MAX_MESSAGE_BYTES: usize = 65_507;

/// Messages that one system call sends. Beyond 32 the cost per message no longer falls.
const MAX_MESSAGES: usize = 64;

/// Datagrams for one destination, one after another.
///
/// At most [`MAX_SEGMENTS`] of them and [`MAX_MESSAGE_BYTES`] altogether; what exceeds that is sent as further messages.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "callers make it")]
pub struct Message<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// The datagrams' payloads.
    pub data: &'a [u8],
    /// Size of every datagram but the last, which may be shorter. `data.len()` if it is a single one.
    pub segment_size: u16,
}

/// What became of a sequence of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendReport {
    /// Datagrams that the kernel took.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Datagrams that it refused, for lack of room or of a route.
    pub dropped: u64,
    /// System calls made.
    pub syscalls: u64,
}

/// The memory that messages are prepared in.
pub struct Sender {
    headers: Box<[libc::mmsghdr]>,
    addresses: Box<[RawAddress]>,
    controls: Box<[SegmentControl]>,
    iovecs: Box<[libc::iovec]>,
}

impl Sender {
    /// A sender, usable with any socket.
    #[must_use]
    pub fn new() -> Self {
        Self {
            headers: (0..MAX_MESSAGES).map(|_| empty_header()).collect(),
            addresses: vec![RawAddress::EMPTY; MAX_MESSAGES].into_boxed_slice(),
            controls: (0..MAX_MESSAGES).map(|_| SegmentControl::new()).collect(),
            iovecs: (0..MAX_MESSAGES).map(|_| EMPTY_IOVEC).collect(),
        }
    }

    /// Sends all `messages` in order. Never blocks: what the kernel has no room for is dropped, and a message that it
    /// refuses does not stop those after it.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        messages: impl Iterator<Item = Message<'a>>,
    ) -> SendReport {
        let mut report = SendReport::default();
        let mut queue = Queue {
            sender: self,
            len: 0,
            data: PhantomData,
        };
        for message in messages {
            debug_assert!(message.data.len() <= MAX_MESSAGE_BYTES);
            debug_assert!(
                message.data.len() <= usize::from(message.segment_size) * MAX_SEGMENTS,
                "too many segments"
            );
            queue.push(socket, message, &mut report);
        }
        queue.flush(socket, &mut report);
        report
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: the raw pointers inside are only used by a `Queue`, which lives within one call and makes them anew.
unsafe impl Send for Sender {}

/// Messages that wait for the next system call; ties the pointers in the sender's memory to the lifetime of their data.
struct Queue<'s, 'a> {
    sender: &'s mut Sender,
    len: usize,
    data: PhantomData<&'a [u8]>,
}

impl<'a> Queue<'_, 'a> {
    /// Queues a message in as few pieces as the limits and the socket allow.
    fn push(&mut self, socket: &UdpSocket, message: Message<'a>, report: &mut SendReport) {
        let segment = match usize::from(message.segment_size) {
            0 => message.data.len().max(1),
            segment => segment,
        };
        let segments = if socket.supports_gso() {
            (MAX_MESSAGE_BYTES / segment).clamp(1, MAX_SEGMENTS)
        } else {
            1
        };
        for piece in message.data.chunks(segment * segments) {
            if self.len == MAX_MESSAGES {
                self.flush(socket, report);
            }
            self.put(&message.to, piece, segment);
        }
    }

    fn put(&mut self, to: &SocketAddr, data: &'a [u8], segment: usize) {
        let (index, sender) = (self.len, &mut *self.sender);
        sender.headers[index].msg_hdr.msg_namelen = sender.addresses[index].set(to);
        sender.controls[index].segment = u16::try_from(segment).unwrap_or(u16::MAX);
        sender.iovecs[index] = iovec(data);
        self.len += 1;
    }

    /// Sends what is queued.
    fn flush(&mut self, socket: &UdpSocket, report: &mut SendReport) {
        self.link();
        let mut start = 0;
        while start < self.len {
            if self.is_segmented(start) && !socket.supports_gso() {
                self.send_split(socket, start, report);
                start += 1;
                continue;
            }
            report.syscalls += 1;
            let error = match self.send_from(socket, start) {
                Ok(sent) => {
                    for index in start..start + sent {
                        let (datagrams, bytes) = self.size(index);
                        report.datagrams += datagrams;
                        report.bytes += bytes;
                    }
                    start += sent;
                    continue;
                }
                Err(error) => error.raw_os_error().unwrap_or_default(),
            };
            match Reaction::to(error, self.is_segmented(start)) {
                Reaction::Retry => {}
                Reaction::GiveUpOffload => socket.disable_gso(),
                Reaction::Split => {
                    self.send_split(socket, start, report);
                    start += 1;
                }
                Reaction::Drop => {
                    report.dropped += self.size(start).0;
                    start += 1;
                }
                Reaction::DropRest => {
                    let rest = start..self.len;
                    report.dropped += rest.map(|index| self.size(index).0).sum::<u64>();
                    start = self.len;
                }
            }
        }
        self.len = 0;
    }

    /// Makes the headers point to their buffers.
    fn link(&mut self) {
        let sender = &mut *self.sender;
        let buffers = sender
            .addresses
            .iter_mut()
            .zip(&mut sender.controls)
            .zip(&mut sender.iovecs);
        let headers = sender.headers.iter_mut().take(self.len);
        for (header, ((address, control), iovec)) in headers.zip(buffers) {
            let segmented = iovec.iov_len > usize::from(control.segment);
            let header = &mut header.msg_hdr;
            header.msg_name = ptr::from_mut(address).cast();
            header.msg_iov = iovec;
            header.msg_iovlen = 1;
            if segmented {
                header.msg_control = ptr::from_mut(control).cast();
                // Its type differs between C libraries.
                header.msg_controllen = CONTROL_SPACE as _;
            } else {
                header.msg_control = ptr::null_mut();
                header.msg_controllen = 0;
            }
        }
    }

    /// Sends from message `start` on and returns how many the kernel took: at least one, or the error of the first.
    fn send_from(&mut self, socket: &UdpSocket, start: usize) -> io::Result<usize> {
        let headers = &mut self.sender.headers[start..self.len];
        // SAFETY: `link` made these headers point to the address, control and iovec of the same index, which live in the
        // borrowed sender and are not touched meanwhile; each iovec describes data borrowed for 'a. The kernel writes
        // nothing but the lengths in the headers.
        let result = unsafe {
            libc::sendmmsg(
                socket.as_fd().as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                // Its type differs between C libraries.
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        match usize::try_from(result) {
            Ok(0) => Err(io::ErrorKind::InvalidInput.into()),
            Ok(sent) => Ok(sent),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// Sends the datagrams of one message each by itself: the rare way, when segmentation was refused.
    fn send_split(&self, socket: &UdpSocket, index: usize, report: &mut SendReport) {
        let segment = usize::from(self.sender.controls[index].segment).max(1);
        let whole = self.sender.iovecs[index];
        // SAFETY: `put` made this iovec from a slice that is borrowed for 'a, which outlives `self`.
        let data: &[u8] =
            unsafe { std::slice::from_raw_parts(whole.iov_base.cast(), whole.iov_len) };
        for datagram in data.chunks(segment) {
            let mut iovec = iovec(datagram);
            let mut header = self.sender.headers[index].msg_hdr;
            header.msg_iov = &raw mut iovec;
            header.msg_control = ptr::null_mut();
            header.msg_controllen = 0;
            report.syscalls += 1;
            // SAFETY: the name still points to this index's address (see `link`), and the iovec to `datagram`; both live
            // through the call, which only reads them.
            let result = unsafe {
                libc::sendmsg(
                    socket.as_fd().as_raw_fd(),
                    &raw const header,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            if result >= 0 {
                report.datagrams += 1;
                report.bytes += datagram.len() as u64;
            } else {
                report.dropped += 1;
            }
        }
    }

    fn is_segmented(&self, index: usize) -> bool {
        !self.sender.headers[index].msg_hdr.msg_control.is_null()
    }

    /// Datagrams and bytes of a queued message.
    fn size(&self, index: usize) -> (u64, u64) {
        let bytes = self.sender.iovecs[index].iov_len;
        let segment = usize::from(self.sender.controls[index].segment).max(1);
        (bytes.div_ceil(segment) as u64, bytes as u64)
    }
}

/// What to do about a message that the kernel refused.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Retry,
    GiveUpOffload,
    Split,
    Drop,
    DropRest,
}

impl Reaction {
    fn to(error: libc::c_int, segmented: bool) -> Self {
        match error {
            libc::EINTR => Self::Retry,
            // The buffer is full: nothing behind this message will fit either.
            libc::EAGAIN => Self::DropRest,
            // The interface cannot compute checksums, which segmentation needs. Another one might, but which one a
            // datagram takes is not known here.
            libc::EIO if segmented => Self::GiveUpOffload,
            // A segment exceeds this path's MTU, or the kernel's limits are lower than ours: single datagrams may pass.
            libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP if segmented => Self::Split,
            _ => Self::Drop,
        }
    }
}

/// The control message that tells the kernel where to cut (`UDP_SEGMENT`).
#[repr(C)]
struct SegmentControl {
    header: libc::cmsghdr,
    segment: u16,
    padding: [u8; 6],
}

impl SegmentControl {
    fn new() -> Self {
        // SAFETY: a control header is integers, for which all zeroes is a valid value.
        let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        header.cmsg_len = CONTROL_LEN as _;
        Self {
            header,
            segment: 0,
            padding: [0; 6],
        }
    }
}

const SEGMENT_BYTES: libc::c_uint = size_of::<u16>() as libc::c_uint;
// SAFETY: arithmetic on a length.
const CONTROL_LEN: libc::c_uint = unsafe { libc::CMSG_LEN(SEGMENT_BYTES) };
// SAFETY: arithmetic on a length.
const CONTROL_SPACE: libc::c_uint = unsafe { libc::CMSG_SPACE(SEGMENT_BYTES) };

const _: () = assert!(
    std::mem::offset_of!(SegmentControl, segment) + size_of::<u16>() == CONTROL_LEN as usize
        && size_of::<SegmentControl>() >= CONTROL_SPACE as usize,
    "the struct must be laid out as the kernel expects the control message"
);

const EMPTY_IOVEC: libc::iovec = libc::iovec {
    iov_base: ptr::null_mut(),
    iov_len: 0,
};

/// The kernel only reads through an iovec that is sent.
fn iovec(data: &[u8]) -> libc::iovec {
    libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{BindOptions, RecvBatch};

    fn socket() -> UdpSocket {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), &BindOptions::default())
            .expect("a free loopback port")
    }

    fn received_sizes(socket: &UdpSocket) -> Vec<usize> {
        let mut batch = RecvBatch::new();
        let mut sizes = Vec::new();
        while socket.recv(&mut batch).expect("readable") > 0 {
            sizes.extend(batch.datagrams_mut().map(|received| received.data.len()));
        }
        sizes
    }

    #[test]
    fn errors_lead_to_the_mildest_reaction() {
        assert_eq!(Reaction::to(libc::EINTR, true), Reaction::Retry);
        assert_eq!(Reaction::to(libc::EAGAIN, false), Reaction::DropRest);
        assert_eq!(Reaction::to(libc::EIO, true), Reaction::GiveUpOffload);
        assert_eq!(Reaction::to(libc::EIO, false), Reaction::Drop);
        assert_eq!(Reaction::to(libc::EMSGSIZE, true), Reaction::Split);
        assert_eq!(Reaction::to(libc::EMSGSIZE, false), Reaction::Drop);
        assert_eq!(Reaction::to(libc::ENETUNREACH, true), Reaction::Drop);
    }

    #[test]
    fn a_run_that_the_kernel_refuses_leaves_one_by_one() {
        let (a, b) = (socket(), socket());
        if !a.supports_gso() {
            return;
        }
        // The kernel segments nothing that it must not compute checksums for.
        a.disable_checksums().expect("a socket option");
        let data = [1; 2500];
        let message = Message {
            to: b.local_addr(),
            data: &data,
            segment_size: 1000,
        };
        let report = Sender::new().send(&a, [message; 2].into_iter());
        assert_eq!(
            (report.datagrams, report.bytes, report.dropped),
            (6, 5000, 0)
        );
        assert!(a.supports_gso(), "one path says nothing about the others");
        assert_eq!(received_sizes(&b), [1000, 1000, 500, 1000, 1000, 500]);
    }

    #[test]
    fn what_was_queued_as_runs_is_split_when_offload_ends() {
        let (a, b) = (socket(), socket());
        let (mut sender, mut report) = (Sender::new(), SendReport::default());
        let data = [1; 2500];
        let mut queue = Queue {
            sender: &mut sender,
            len: 0,
            data: PhantomData,
        };
        queue.put(&b.local_addr(), &data, 1000);
        queue.put(&b.local_addr(), &data[..10], 10);
        a.disable_gso();
        queue.flush(&a, &mut report);
        assert_eq!(
            (report.datagrams, report.bytes, report.dropped),
            (4, 2510, 0)
        );
        assert_eq!(received_sizes(&b), [1000, 1000, 500, 10]);
    }
}
