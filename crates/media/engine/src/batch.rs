//! What goes in and out of the engine: received datagrams, and the caller-owned batch of datagrams to send.

use std::{net::SocketAddr, time::Instant};

use plenum_dtls::DtlsEndpoint;

use crate::{config::SocketIndex, receive::MAX_CONTROL_DATAGRAM, transport::DirectionCounters};

/// One datagram as it arrived. The engine decrypts it in place.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it for every datagram"
)]
pub struct Datagram<'a> {
    /// Which socket.
    pub socket: SocketIndex,
    /// Who sent it.
    pub from: SocketAddr,
    /// Its bytes.
    pub data: &'a mut [u8],
}

/// A message of a [`SendBatch`]: one datagram, or several of equal size (the last may be shorter) for segmentation
/// offload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain view for callers")]
pub struct Transmit<'a> {
    /// Which socket.
    pub socket: SocketIndex,
    /// Destination.
    pub to: SocketAddr,
    /// All segments, one after another.
    pub data: &'a [u8],
    /// Size of every segment but the last; `data.len()` when there is only one.
    pub segment_size: u16,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    socket: u16,
    to: SocketAddr,
    start: u32,
    end: u32,
    segment_size: u16,
}

/// Datagrams to send, in one contiguous region that the caller owns and reuses.
#[derive(Debug)]
pub struct SendBatch {
    region: Box<[u8]>,
    used: usize,
    entries: Vec<Entry>,
}

impl SendBatch {
    /// Messages in one batch. Measured: `sendmmsg` gains nothing beyond 32 segmented messages a call, while unsegmented
    /// ones gain a little up to 64.
    pub const MAX_MESSAGES: usize = 64;

    /// Bytes of the region: 32 groups of eight 1200-byte packets, which still fits a second-level cache.
    pub const REGION: usize = 320 * 1024;

    /// An empty batch. This is the only place that allocates.
    #[must_use]
    pub fn new() -> Self {
        Self {
            region: vec![0; Self::REGION].into_boxed_slice(),
            used: 0,
            entries: Vec::with_capacity(Self::MAX_MESSAGES),
        }
    }

    /// The messages in the order in which they shall leave.
    pub fn transmits(&self) -> impl ExactSizeIterator<Item = Transmit<'_>> {
        self.entries.iter().map(|entry| Transmit {
            socket: entry.socket,
            to: entry.to,
            data: &self.region[entry.start as usize..entry.end as usize],
            segment_size: entry.segment_size,
        })
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all messages and keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
        self.entries.clear();
    }

    /// Whether another message of at most `len` bytes fits.
    pub(crate) fn fits(&self, len: usize) -> bool {
        self.entries.len() < Self::MAX_MESSAGES && self.region.len() - self.used >= len
    }

    /// The free part of the region, to be written and then confirmed by [`Self::commit`].
    pub(crate) fn free(&mut self) -> &mut [u8] {
        &mut self.region[self.used..]
    }

    /// Makes the first `len` bytes of the free part a message.
    pub(crate) fn commit(&mut self, socket: u16, to: SocketAddr, len: usize, segment_size: u16) {
        let end = (self.used + len).min(self.region.len());
        self.entries.push(Entry {
            socket,
            to,
            start: self.used as u32,
            end: end as u32,
            segment_size,
        });
        self.used = end;
    }
}

impl Default for SendBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// Datagrams that are not part of the fan-out (STUN, DTLS, RTCP), kept until the next drain.
#[derive(Debug, Default)]
pub(crate) struct ControlQueue {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    next: usize,
}

impl ControlQueue {
    /// Above this much waiting control data further datagrams are dropped: their protocols repeat what matters.
    const MAX_BYTES: usize = 4 * 1024 * 1024;

    /// Lets `write` fill up to `max` bytes for one datagram; it returns how many it used, and 0 cancels.
    pub(crate) fn push_with(
        &mut self,
        socket: u16,
        to: SocketAddr,
        max: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> usize {
        let start = self.bytes.len();
        if start + max > Self::MAX_BYTES {
            return 0;
        }
        self.bytes.resize(start + max, 0);
        let len = write(&mut self.bytes[start..]).min(max);
        self.bytes.truncate(start + len);
        if len > 0 {
            let end = (start + len) as u32;
            self.entries.push(Entry {
                socket,
                to,
                start: start as u32,
                end,
                segment_size: len as u16,
            });
        }
        len
    }

    /// Takes everything that a DTLS endpoint has to send.
    pub(crate) fn push_dtls(
        &mut self,
        now: Instant,
        path: Option<(SocketIndex, SocketAddr)>,
        endpoint: &mut DtlsEndpoint,
        sent: &mut DirectionCounters,
    ) {
        let Some((socket, to)) = path else {
            return;
        };
        loop {
            let length = self.push_with(socket, to, MAX_CONTROL_DATAGRAM, |out| {
                endpoint.poll_transmit(out).unwrap_or(0)
            });
            if length == 0 {
                return;
            }
            sent.count_other(now, length);
        }
    }

    /// Bytes that the queue takes, whatever is in it.
    pub(crate) fn footprint(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Datagrams that have not been taken.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.len() - self.next
    }

    /// Moves waiting datagrams into `batch`; `false` when some are left for want of room.
    pub(crate) fn drain(&mut self, batch: &mut SendBatch) -> bool {
        while let Some(entry) = self.entries.get(self.next) {
            let data = &self.bytes[entry.start as usize..entry.end as usize];
            if !batch.fits(data.len()) {
                return false;
            }
            batch.free()[..data.len()].copy_from_slice(data);
            batch.commit(entry.socket, entry.to, data.len(), entry.segment_size);
            self.next += 1;
        }
        self.entries.clear();
        self.bytes.clear();
        self.next = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_that_nobody_takes_is_bounded() {
        let mut queue = ControlQueue::default();
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        for _ in 0..100_000 {
            queue.push_with(0, to, 2048, |out| out.len());
        }
        assert_eq!(queue.waiting(), ControlQueue::MAX_BYTES / 2048);
        // The vector may have grown by doubling, and each datagram has an entry.
        assert!(queue.footprint() < 3 * ControlQueue::MAX_BYTES);
        let mut batch = SendBatch::new();
        while !queue.drain(&mut batch) {
            batch.clear();
        }
        assert!(queue.push_with(0, to, 2048, |out| out.len()) > 0);
    }
}
