//! Datagrams between the sockets and the engine.

use std::time::Instant;

use plenum_engine::{Datagram, Engine, SendBatch};
use plenum_udp::{Message, RecvBatch, SendReport, Sender, UdpSocket};

/// The sockets and the memory that datagrams pass through.
pub(crate) struct Media {
    sockets: Vec<UdpSocket>,
    received: RecvBatch,
    batch: SendBatch,
    sender: Sender,
    pub(crate) counters: MediaCounters,
}

/// What the kernel took and gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MediaCounters {
    pub(crate) receive_calls: u64,
    pub(crate) receive_errors: u64,
    pub(crate) send_calls: u64,
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) datagrams_dropped: u64,
}

impl Media {
    pub(crate) fn new(sockets: Vec<UdpSocket>) -> Self {
        Self {
            sockets,
            received: RecvBatch::new(),
            batch: SendBatch::new(),
            sender: Sender::new(),
            counters: MediaCounters::default(),
        }
    }

    pub(crate) fn sockets(&self) -> &[UdpSocket] {
        &self.sockets
    }

    /// Whether every socket sends runs of datagrams as one message.
    pub(crate) fn supports_gso(&self) -> bool {
        self.sockets.iter().all(UdpSocket::supports_gso)
    }

    /// Gives one batch of datagrams from a socket to the engine; true if more may be waiting.
    pub(crate) fn receive(&mut self, now: Instant, engine: &mut Engine, index: usize) -> bool {
        let Some(socket) = self.sockets.get(index) else {
            return false;
        };
        self.counters.receive_calls += 1;
        match socket.recv(&mut self.received) {
            Ok(0) => false,
            Ok(_) => {
                let full = self.received.is_full();
                let datagrams = self.received.datagrams_mut().map(|received| Datagram {
                    socket: index as u8,
                    from: received.from,
                    data: received.data,
                });
                engine.handle_datagrams(now, datagrams);
                full
            }
            // An error of an earlier send, reported here (ICMP): it was taken off the socket by reading it.
            Err(_) => {
                self.counters.receive_errors += 1;
                false
            }
        }
    }

    /// Sends everything that the engine has to send.
    pub(crate) fn transmit(&mut self, now: Instant, engine: &mut Engine) {
        loop {
            let more = engine.poll_transmit(now, &mut self.batch);
            for (index, socket) in self.sockets.iter().enumerate() {
                let transmits = self.batch.transmits();
                let messages = transmits
                    .filter(|transmit| usize::from(transmit.socket) == index)
                    .map(|transmit| Message {
                        to: transmit.to,
                        data: transmit.data,
                        segment_size: transmit.segment_size,
                    });
                let report = self.sender.send(socket, messages);
                self.counters.count(&report);
            }
            let sent_something = !self.batch.is_empty();
            self.batch.clear();
            // An engine that says "more" without giving any would hold the loop for ever.
            if !more || !sent_something {
                return;
            }
        }
    }
}

impl MediaCounters {
    fn count(&mut self, report: &SendReport) {
        self.send_calls += report.syscalls;
        self.datagrams_sent += report.datagrams;
        self.bytes_sent += report.bytes;
        self.datagrams_dropped += report.dropped;
    }
}
