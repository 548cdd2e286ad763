//! The node's end of a worker's packet socket. Packets are lost rather than waited for, in both directions, and counted.

use std::{
    collections::HashMap,
    future::pending,
    io::{self, IoSlice},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use plenum_ipc::{MAX_PACKET_FRAME_BYTES, Packet, PacketKind};
use plenum_udp::{PacketReceived, PacketSent, PacketSocket};
use tokio::{
    io::Interest,
    net::UnixDatagram,
    sync::mpsc::{Receiver, Sender, channel},
    task::yield_now,
};

use crate::error::WorkerError;

/// Bytes of the kernel's buffer in each direction, as far as the system allows: some tens of milliseconds of the video
/// that a direct transport carries.
pub(crate) const SOCKET_BUFFER: usize = 1024 * 1024;

/// Packets taken before the rest of the process's conversation has its turn.
const PACKETS_A_TURN: usize = 64;

/// A packet that a worker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedPacket {
    /// What it is.
    pub kind: PacketKind,
    /// Identifier of the object that it comes from, which the kind tells.
    pub object: u128,
    /// The packet itself.
    pub data: Box<[u8]>,
}

/// What became of the packets of one worker process, on the node's side. The worker's own counters are in its
/// statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketCounters {
    /// Sent to the worker.
    pub sent: u64,
    /// Lost because the worker did not take them fast enough.
    pub dropped: u64,
    /// Received from the worker.
    pub received: u64,
    /// Received, and lost because nobody listened or who did was behind.
    pub undelivered: u64,
    /// What came and was no packet, or too long.
    pub malformed: u64,
}

/// What the handles of a worker and the task that owns its sockets share.
#[derive(Debug)]
pub(crate) struct PacketLink {
    socket: PacketSocket,
    listener: Mutex<Option<Sender<ReceivedPacket>>>,
    listeners: Listeners,
    sent: AtomicU64,
    dropped: AtomicU64,
    received: AtomicU64,
    undelivered: AtomicU64,
    malformed: AtomicU64,
}

/// Who listens to the packets of one object.
type Listeners = Arc<Mutex<HashMap<u128, Sender<ReceivedPacket>>>>;

/// The packets of one object, until this is dropped.
#[derive(Debug)]
pub(crate) struct ObjectPackets {
    object: u128,
    packets: Receiver<ReceivedPacket>,
    listeners: Listeners,
}

impl ObjectPackets {
    /// The next one; `None` when the worker is gone.
    pub(crate) async fn next(&mut self) -> Option<ReceivedPacket> {
        self.packets.recv().await
    }
}

impl Drop for ObjectPackets {
    fn drop(&mut self) {
        // One that came after this one for the same object has closed this one's channel, and stays.
        let mut listeners = lock(&self.listeners);
        self.packets.close();
        if listeners.get(&self.object).is_some_and(Sender::is_closed) {
            listeners.remove(&self.object);
        }
    }
}

/// What [`PacketLink::take_some`] left.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    End,
    Nothing,
    Something,
}

impl PacketLink {
    pub(crate) fn new(socket: PacketSocket) -> Self {
        Self {
            socket,
            listener: Mutex::new(None),
            listeners: Listeners::default(),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            received: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
        }
    }

    /// Sends a packet or loses it; whether it was sent.
    pub(crate) fn send(&self, packet: &Packet<'_>) -> Result<bool, WorkerError> {
        let header = packet.header().map_err(WorkerError::PacketNotSendable)?;
        let parts = [IoSlice::new(&header), IoSlice::new(packet.data)];
        match self.socket.send(&parts) {
            Ok(PacketSent::Sent) => {
                count(&self.sent);
                Ok(true)
            }
            Ok(PacketSent::Closed) => Err(WorkerError::Gone),
            // The system refuses a packet larger than its whole buffer: it will never get through, like one for which
            // there is no room.
            Ok(PacketSent::Full) | Err(_) => {
                count(&self.dropped);
                Ok(false)
            }
        }
    }

    /// Gives the packets that come from now on to the receiver, and no longer to an earlier one.
    pub(crate) fn listen(&self, capacity: usize) -> Receiver<ReceivedPacket> {
        let (sender, receiver) = channel(capacity.max(1));
        *self.listener() = Some(sender);
        receiver
    }

    /// Gives the packets of this object to the receiver, and no longer to anybody else.
    pub(crate) fn listen_to(&self, object: u128, capacity: usize) -> ObjectPackets {
        let (sender, packets) = channel(capacity.max(1));
        lock(&self.listeners).insert(object, sender);
        ObjectPackets {
            object,
            packets,
            listeners: Arc::clone(&self.listeners),
        }
    }

    /// No more packets will come.
    pub(crate) fn close(&self) {
        *self.listener() = None;
        lock(&self.listeners).clear();
    }

    pub(crate) fn counters(&self) -> PacketCounters {
        PacketCounters {
            sent: self.sent.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            undelivered: self.undelivered.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
        }
    }

    /// Hands out what the worker sends. Never comes back: that the worker has ended is for the control socket to say.
    pub(crate) async fn read(&self) {
        // Without a descriptor to spare for waiting, packets are lost and control goes on.
        let _ = self.read_until_end().await;
        pending::<()>().await;
    }

    async fn read_until_end(&self) -> io::Result<()> {
        // The runtime has no type for packet sockets; this copy of the descriptor is only waited on, which is the same for
        // all kinds.
        let copy = self.socket.as_fd().try_clone_to_owned()?;
        let socket = UnixDatagram::from_std(copy.into())?;
        let mut buffer = vec![0; MAX_PACKET_FRAME_BYTES].into_boxed_slice();
        loop {
            socket.readable().await?;
            let take = || match self.take_some(&mut buffer)? {
                // Makes the runtime wait for the kernel again.
                Left::Nothing => Err(io::ErrorKind::WouldBlock.into()),
                left => Ok(left),
            };
            match socket.try_io(Interest::READABLE, take) {
                Ok(Left::End) => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
            // The reader and writer of the control socket run in the same task.
            yield_now().await;
        }
    }

    fn take_some(&self, buffer: &mut [u8]) -> io::Result<Left> {
        let listener = self.listener().clone();
        for _ in 0..PACKETS_A_TURN {
            match self.socket.recv(buffer)? {
                PacketReceived::End => return Ok(Left::End),
                PacketReceived::Nothing => return Ok(Left::Nothing),
                PacketReceived::Packet(length) => {
                    let frame = buffer.get(..length).unwrap_or_default();
                    self.handle_frame(frame, listener.as_ref());
                }
                PacketReceived::TooLong => count(&self.malformed),
            }
        }
        Ok(Left::Something)
    }

    fn handle_frame(&self, frame: &[u8], listener: Option<&Sender<ReceivedPacket>>) {
        let Ok(packet) = Packet::parse(frame) else {
            count(&self.malformed);
            return;
        };
        count(&self.received);
        let own = lock(&self.listeners).get(&packet.object).cloned();
        let listener = own.as_ref().or(listener);
        let Some(place) = listener.and_then(|listener| listener.try_reserve().ok()) else {
            count(&self.undelivered);
            return;
        };
        place.send(ReceivedPacket {
            kind: packet.kind,
            object: packet.object,
            data: packet.data.into(),
        });
    }

    fn listener(&self) -> MutexGuard<'_, Option<Sender<ReceivedPacket>>> {
        lock(&self.listener)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is ever left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use plenum_ipc::{MAX_PACKET_BYTES, PacketError};

    use super::*;

    fn pair() -> (PacketLink, PacketSocket) {
        let (ours, worker) = PacketSocket::pair(64 * 1024).expect("a pair");
        (PacketLink::new(ours), worker)
    }

    fn packet(data: &[u8]) -> Packet<'_> {
        Packet {
            kind: PacketKind::Rtp,
            object: 77,
            data,
        }
    }

    #[test]
    fn packets_are_sent_or_counted_as_lost() {
        let (link, worker) = pair();
        while link.send(&packet(&[1; 1000])).expect("open") {}
        assert!(!link.send(&packet(&[1; 1000])).expect("open"));
        let counters = link.counters();
        assert!(counters.sent > 10);
        assert_eq!(counters.dropped, 2);
        let long = vec![0; MAX_PACKET_BYTES + 1];
        let length = long.len();
        assert_eq!(
            link.send(&packet(&long)),
            Err(WorkerError::PacketNotSendable(PacketError::TooLong {
                length
            }))
        );
        drop(worker);
        assert_eq!(link.send(&packet(b"late")), Err(WorkerError::Gone));
    }

    #[test]
    fn an_objects_packets_go_to_who_listens_to_it() {
        let (link, worker) = pair();
        let mut buffer = vec![0; MAX_PACKET_FRAME_BYTES];
        let mut frame = Vec::new();
        packet(b"hello").write(&mut frame).expect("short");
        let mut all = link.listen(10);
        let first = link.listen_to(77, 10);
        let mut second = link.listen_to(77, 10);
        drop(first);
        worker.send(&[IoSlice::new(&frame)]).expect("open");
        link.take_some(&mut buffer).expect("open");
        let received = second.packets.try_recv().expect("it listens");
        assert_eq!(&*received.data, b"hello");
        drop(second);
        worker.send(&[IoSlice::new(&frame)]).expect("open");
        link.take_some(&mut buffer).expect("open");
        assert!(all.try_recv().is_ok(), "nobody else is left");
        assert!(lock(&link.listeners).is_empty());
    }

    #[test]
    fn packets_that_nobody_takes_are_lost_and_counted() {
        let (link, worker) = pair();
        let mut buffer = vec![0; MAX_PACKET_FRAME_BYTES];
        let mut frame = Vec::new();
        packet(b"hello").write(&mut frame).expect("short");
        let send = |frame: &[u8]| worker.send(&[IoSlice::new(frame)]).expect("open");

        send(&frame);
        send(b"noise");
        assert_eq!(link.take_some(&mut buffer).ok(), Some(Left::Nothing));
        let mut packets = link.listen(2);
        for _ in 0..3 {
            send(&frame);
        }
        assert_eq!(link.take_some(&mut buffer).ok(), Some(Left::Nothing));
        let expected = PacketCounters {
            received: 4,
            undelivered: 2,
            malformed: 1,
            ..PacketCounters::default()
        };
        assert_eq!(link.counters(), expected);
        let received = packets.try_recv().expect("two were taken");
        assert_eq!((received.object, &*received.data), (77, &b"hello"[..]));

        drop(worker);
        assert_eq!(link.take_some(&mut buffer).ok(), Some(Left::End));
    }
}
