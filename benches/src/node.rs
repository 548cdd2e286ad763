//! An engine behind a real socket, in the time that a benchmark gives it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plenum_engine::{Datagram, Engine, SendBatch};
use plenum_udp::{Message, RecvBatch, Sender, UdpSocket, thread_cpu_time};

/// What something cost.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "two plain figures")]
pub struct Cost {
    /// Datagrams sent.
    pub datagrams: u64,
    /// CPU time of the thread that has the engine, reception included.
    pub cpu: Duration,
}

/// Does what a worker's loop does, when it is told to.
pub struct Node {
    /// Forwards.
    pub engine: Engine,
    /// The present, as the engine is told.
    pub now: Instant,
    /// Where datagrams come in and go out.
    pub socket: UdpSocket,
    receive: RecvBatch,
    batch: SendBatch,
    sender: Sender,
}

impl Node {
    /// An engine that knows of this socket alone.
    pub fn new(engine: Engine, now: Instant, socket: UdpSocket) -> Self {
        Self {
            engine,
            now,
            socket,
            receive: RecvBatch::new(),
            batch: SendBatch::new(),
            sender: Sender::new(),
        }
    }

    /// Receives so many datagrams, which were sent before, and does what the engine wants done.
    pub fn take(&mut self, expected: usize) -> Result<Cost> {
        let start = thread_cpu_time();
        let mut datagrams = 0;
        let mut arrived = 0;
        let deadline = Instant::now() + Duration::from_secs(1);
        while arrived < expected {
            self.socket.recv(&mut self.receive)?;
            ensure!(Instant::now() < deadline, "a datagram was lost on loopback");
            let received = self.receive.datagrams_mut().map(|received| {
                arrived += 1;
                Datagram {
                    socket: 0,
                    from: received.from,
                    data: received.data,
                }
            });
            self.engine.handle_datagrams(self.now, received);
            datagrams += self.send();
        }
        Ok(Cost {
            datagrams,
            cpu: thread_cpu_time().saturating_sub(start),
        })
    }

    /// Lets time pass, every deadline on its own.
    pub fn pass(&mut self, until: Instant) -> Cost {
        let start = thread_cpu_time();
        let mut datagrams = 0;
        while let Some(due) = self.engine.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            datagrams += self.send();
        }
        self.now = self.now.max(until);
        Cost {
            datagrams,
            cpu: thread_cpu_time().saturating_sub(start),
        }
    }

    /// Sends what the engine has to send; returns how many datagrams.
    pub fn send(&mut self) -> u64 {
        let mut datagrams = 0;
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            let messages = self.batch.transmits().map(|transmit| Message {
                to: transmit.to,
                data: transmit.data,
                segment_size: transmit.segment_size,
            });
            datagrams += self.sender.send(&self.socket, messages).datagrams;
            self.batch.clear();
            if !more {
                return datagrams;
            }
        }
    }
}

impl Cost {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.cpu += other.cpu;
    }
}
