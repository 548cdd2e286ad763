//! One TCP connection of a peer: frames in, a bounded queue of frames out.

use std::{collections::VecDeque, io, net::SocketAddr};

use plenum_engine::SocketIndex;
use plenum_rtp::framing::{FRAME_HEADER, FrameReader, frame_header};
use plenum_udp::{Message, TcpConnection};

/// Bytes that wait at most beyond what the kernel took. Above [`BLOCKED_AT`] the engine sends no more media, and what it had
/// in hand at that moment, a batch at most, still has room; only control traffic towards somebody who never reads could
/// exceed it.
pub(super) const MAX_WAITING: usize = 640 * 1024;

/// Bytes that wait from which on media is left out: more than any key frame of 1080p has, as otherwise each would stop the
/// stream that it is to start.
pub(super) const BLOCKED_AT: usize = 256 * 1024;

/// Bytes that wait below which media goes on: 100 ms at 2.5 Mbit/s, so that it does not go on behind a second's delay.
pub(super) const FLOWING_AT: usize = 32 * 1024;

/// Memory that an empty queue may keep.
const KEPT: usize = 64 * 1024;

/// A connection.
pub(super) struct Connection {
    pub(super) stream: TcpConnection,
    /// The listening socket that it came by.
    pub(super) socket: SocketIndex,
    /// Told apart from another one in the same place.
    pub(super) serial: u64,
    /// Nothing valid has come from it yet.
    pub(super) is_stranger: bool,
    /// Bytes that it has sent as a stranger.
    pub(super) received: usize,
    pub(super) reader: FrameReader,
    pub(super) queue: SendQueue,
    /// The poller was asked to tell when there is room.
    pub(super) waits_for_room: bool,
    /// The engine was told that it takes no more.
    pub(super) is_blocked: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    pub(super) dropped: u64,
    pub(super) calls: u64,
}

impl Connection {
    pub(super) fn new(stream: TcpConnection, socket: SocketIndex, serial: u64) -> Self {
        Self {
            stream,
            socket,
            serial,
            is_stranger: true,
            received: 0,
            reader: FrameReader::new(),
            queue: SendQueue::default(),
            waits_for_room: false,
            is_blocked: false,
        }
    }

    pub(super) fn path(&self) -> (SocketIndex, SocketAddr) {
        (self.socket, self.stream.remote())
    }

    /// Sends a message's datagrams, or makes them wait. `framed` is memory to be used.
    pub(super) fn send(&mut self, message: &Message<'_>, framed: &mut Vec<u8>) -> io::Result<Sent> {
        framed.clear();
        let mut sent = Sent::default();
        for datagram in message
            .data
            .chunks(usize::from(message.segment_size).max(1))
        {
            let room = MAX_WAITING.saturating_sub(self.queue.len() + framed.len());
            match frame_header(datagram.len()) {
                Some(header) if FRAME_HEADER + datagram.len() <= room => {
                    framed.extend_from_slice(&header);
                    framed.extend_from_slice(datagram);
                    sent.datagrams += 1;
                    sent.bytes += datagram.len() as u64;
                }
                // Whole or not at all: the receiver could make nothing of a piece.
                _ => sent.dropped += 1,
            }
        }
        let mut written = 0;
        if self.queue.is_empty() && !framed.is_empty() {
            sent.calls = 1;
            written = self.stream.write(framed)?;
        }
        self.queue.push(framed.get(written..).unwrap_or_default());
        Ok(sent)
    }

    /// Writes what waits, as far as there is room.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            let written = self.stream.write(self.queue.next())?;
            if written == 0 {
                break;
            }
            self.queue.advance(written);
        }
        Ok(())
    }
}

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub(super) struct SendQueue(VecDeque<u8>);

impl SendQueue {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn next(&self) -> &[u8] {
        self.0.as_slices().0
    }

    fn advance(&mut self, count: usize) {
        self.0.drain(..count.min(self.0.len()));
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0 = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_keeps_the_order_and_gives_memory_back() {
        let mut queue = SendQueue::default();
        let data: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let mut taken = Vec::new();
        for piece in data.chunks(7_001) {
            queue.push(piece);
            let count = queue.next().len().min(5_003);
            taken.extend_from_slice(&queue.next()[..count]);
            queue.advance(count);
        }
        assert_eq!(queue.len() + taken.len(), data.len());
        while !queue.is_empty() {
            taken.extend_from_slice(queue.next());
            queue.advance(queue.next().len());
        }
        assert_eq!(taken, data);
        assert!(queue.0.capacity() <= KEPT);
    }
}
