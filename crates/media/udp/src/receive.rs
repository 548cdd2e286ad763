//! Receiving many datagrams with one system call.
#![expect(
    unsafe_code,
    reason = "recvmmsg and its control messages have no safe interface"
)]

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    ptr,
};

use crate::{address::RawAddress, socket::UdpSocket};

/// Messages that one system call receives; with receive offload each is up to 64 datagrams. More of them gained nothing
/// measurable, and the slab grows with it.
pub const MAX_RECEIVED_MESSAGES: usize = 32;

/// Room for one message: no UDP payload, coalesced or not, is larger.
const MESSAGE_BYTES: usize = 65_536;

/// The memory that datagrams are received into. The pages of its 2 MiB are only taken when datagrams fill them.
pub struct RecvBatch {
    slab: Box<[u8]>,
    headers: Box<[libc::mmsghdr]>,
    iovecs: Box<[libc::iovec]>,
    addresses: Box<[RawAddress]>,
    controls: Box<[Control]>,
    arrived: [Arrived; MAX_RECEIVED_MESSAGES],
    count: usize,
}

/// A datagram in a [`RecvBatch`], to be worked on in place.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// Its payload, never empty.
    pub data: &'a mut [u8],
}

impl UdpSocket {
    /// Receives what is there, up to [`MAX_RECEIVED_MESSAGES`] messages, in place of what the batch held before. Returns
    /// the number of messages (not datagrams: see [`RecvBatch::datagrams_mut`]), 0 if there was none.
    pub fn recv(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.count = 0;
        batch.link();
        let count = loop {
            // SAFETY: `link` has just made every header point to its own slice of the slab, address and control buffer,
            // all owned by `batch`, all initialised and borrowed exclusively until the call returns. The timeout is null.
            let result = unsafe {
                libc::recvmmsg(
                    self.as_fd().as_raw_fd(),
                    batch.headers.as_mut_ptr(),
                    MAX_RECEIVED_MESSAGES as libc::c_uint,
                    // Its type differs between C libraries.
                    libc::MSG_DONTWAIT as _,
                    ptr::null_mut(),
                )
            };
            if let Ok(count) = usize::try_from(result) {
                break count;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => break 0,
                _ => return Err(error),
            }
        };
        batch.count = count.min(MAX_RECEIVED_MESSAGES);
        batch.read_headers();
        Ok(batch.count)
    }
}

impl RecvBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slab: vec![0; MAX_RECEIVED_MESSAGES * MESSAGE_BYTES].into_boxed_slice(),
            headers: (0..MAX_RECEIVED_MESSAGES).map(|_| empty_header()).collect(),
            iovecs: vec![EMPTY_IOVEC; MAX_RECEIVED_MESSAGES].into_boxed_slice(),
            addresses: vec![RawAddress::EMPTY; MAX_RECEIVED_MESSAGES].into_boxed_slice(),
            controls: vec![Control([0; CONTROL_BYTES]); MAX_RECEIVED_MESSAGES].into_boxed_slice(),
            arrived: [Arrived::NOTHING; MAX_RECEIVED_MESSAGES],
            count: 0,
        }
    }

    /// The datagrams of the last receive, in order of arrival per sender. Empty datagrams are left out.
    pub fn datagrams_mut(&mut self) -> impl Iterator<Item = Received<'_>> {
        self.slab
            .chunks_exact_mut(MESSAGE_BYTES)
            .zip(&self.arrived)
            .take(self.count)
            .filter_map(|(slot, arrived)| {
                Some((arrived.from?, slot.get_mut(..arrived.len)?, arrived.segment))
            })
            .flat_map(|(from, message, segment)| {
                message
                    .chunks_mut(segment.max(1))
                    .map(move |data| Received { from, data })
            })
    }

    /// Whether the last receive filled the batch, so that more may be waiting.
    pub fn is_full(&self) -> bool {
        self.count == MAX_RECEIVED_MESSAGES
    }

    /// Makes the headers point to their buffers. Done before each call, because using the slab in between ends the
    /// validity of pointers into it, and because the kernel overwrites the lengths.
    fn link(&mut self) {
        let buffers = self
            .slab
            .chunks_exact_mut(MESSAGE_BYTES)
            .zip(&mut self.iovecs)
            .zip(&mut self.addresses)
            .zip(&mut self.controls);
        for (header, (((slot, iovec), address), control)) in self.headers.iter_mut().zip(buffers) {
            iovec.iov_base = slot.as_mut_ptr().cast();
            iovec.iov_len = slot.len();
            let header = &mut header.msg_hdr;
            header.msg_name = ptr::from_mut(address).cast();
            header.msg_namelen = RawAddress::CAPACITY;
            header.msg_iov = iovec;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            // Its type differs between C libraries.
            header.msg_controllen = CONTROL_BYTES as _;
            header.msg_flags = 0;
        }
    }

    /// Keeps what the kernel said about each message in a form that iterating needs no `unsafe` for.
    fn read_headers(&mut self) {
        let messages = self
            .headers
            .iter()
            .zip(&self.addresses)
            .zip(&mut self.arrived);
        for ((header, address), arrived) in messages.take(self.count) {
            let len = header.msg_len as usize;
            // With truncated control data the segment size may be missing: such a message cannot be told apart.
            let truncated = header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
            *arrived = Arrived {
                from: address.get().filter(|_| !truncated),
                len,
                // SAFETY: the header was linked to a live control buffer in this call of `recv`, and the kernel wrote its
                // length of control data.
                segment: unsafe { segment_size(&header.msg_hdr) }.unwrap_or(len),
            };
        }
    }
}

impl Default for RecvBatch {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: the raw pointers inside point to buffers owned by the same value and are only used during `recv`, which makes
// them anew.
unsafe impl Send for RecvBatch {}

/// One received message.
#[derive(Clone, Copy)]
struct Arrived {
    /// `None`: to be left out.
    from: Option<SocketAddr>,
    len: usize,
    /// Size of every datagram in it but the last, which may be shorter.
    segment: usize,
}

impl Arrived {
    const NOTHING: Self = Self {
        from: None,
        len: 0,
        segment: 0,
    };
}

/// Room for control messages: the segment size takes 24 bytes, and nothing else is asked for.
const CONTROL_BYTES: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

const EMPTY_IOVEC: libc::iovec = libc::iovec {
    iov_base: ptr::null_mut(),
    iov_len: 0,
};

pub(crate) fn empty_header() -> libc::mmsghdr {
    // SAFETY: a header is integers and raw pointers, for which all zeroes is a valid value.
    unsafe { std::mem::zeroed() }
}

/// The size of the datagrams that the kernel joined into this message, if it joined any.
///
/// # Safety
///
/// `header` must describe a control buffer that is alive and filled by the kernel.
unsafe fn segment_size(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the caller vouches for the control buffer.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !control.is_null() {
        // SAFETY: FIRSTHDR and NXTHDR only return pointers to a whole header inside the buffer, which is aligned for it.
        let fields = unsafe { &*control };
        if fields.cmsg_level == libc::SOL_UDP && fields.cmsg_type == libc::UDP_GRO {
            // SAFETY: this kind of control message carries one C int, whose alignment is not promised.
            let size = unsafe {
                libc::CMSG_DATA(control)
                    .cast::<libc::c_int>()
                    .read_unaligned()
            };
            return usize::try_from(size).ok().filter(|&size| size > 0);
        }
        // SAFETY: `control` came from FIRSTHDR or NXTHDR of the same header.
        control = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}
