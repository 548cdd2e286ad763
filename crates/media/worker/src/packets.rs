//! The packet socket: packets of direct transports from and to the node. It may lose packets at any time, and has its
//! turn only after control.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
};

use plenum_engine::Engine;
use plenum_ipc::{DataMessage, MAX_PACKET_FRAME_BYTES, PACKET_HEADER_BYTES, Packet, PacketKind};
use plenum_params::stats::WorkerStats;
use plenum_udp::{PacketReceived, PacketSent, PacketSocket};

use crate::control::Peer;

/// Packets taken in one turn of the loop: well below a millisecond of work even if all are of the largest size.
const PACKETS_A_TURN: usize = 64;

/// The worker's end of the packet socket.
pub(crate) struct Packets {
    socket: PacketSocket,
    buffer: Box<[u8]>,
    /// A message with what goes in front of it.
    scratch: Vec<u8>,
    counters: PacketCounters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PacketCounters {
    received: u64,
    unknown: u64,
    malformed: u64,
    sent: u64,
    dropped: u64,
}

impl Packets {
    pub(crate) fn new(socket: PacketSocket) -> Self {
        Self {
            socket,
            buffer: vec![0; MAX_PACKET_FRAME_BYTES].into_boxed_slice(),
            scratch: Vec::new(),
            counters: PacketCounters::default(),
        }
    }

    /// Takes some of the packets that have arrived. [`Peer::Gone`] means that no more will come, ever.
    /// What is more than a probe is for `handle`, which says whether it was of use.
    pub(crate) fn receive(
        &mut self,
        mut handle: impl FnMut(PacketKind, u128, &mut [u8]) -> bool,
    ) -> io::Result<Peer> {
        for _ in 0..PACKETS_A_TURN {
            match self.socket.recv(&mut self.buffer)? {
                PacketReceived::End => return Ok(Peer::Gone),
                PacketReceived::Nothing => break,
                PacketReceived::Packet(length) => self.handle_frame(length, &mut handle)?,
                PacketReceived::TooLong => self.counters.malformed += 1,
            }
        }
        Ok(Peer::Alive)
    }

    /// Completes the worker's counters.
    pub(crate) fn fill(&self, stats: &mut WorkerStats) {
        stats.packets_received = self.counters.received;
        stats.packets_unknown = self.counters.unknown;
        stats.packets_malformed = self.counters.malformed;
        stats.packets_sent = self.counters.sent;
        stats.packets_dropped = self.counters.dropped;
    }

    /// Sends a packet of a direct transport to the node, or loses it.
    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        let sent = send(&self.socket, packet);
        self.counters.note(sent);
    }

    /// Sends the messages that the engine has for the node, or loses them.
    pub(crate) fn transmit(&mut self, engine: &mut Engine) {
        while let Some(message) = engine.poll_message() {
            self.scratch.clear();
            DataMessage::write_header(message.ppid, None, [], &mut self.scratch);
            self.scratch.extend_from_slice(&message.data);
            let sent = Packet {
                kind: PacketKind::Message,
                object: message.data_consumer.as_u128(),
                data: &self.scratch,
            };
            let sent = send(&self.socket, &sent);
            self.counters.note(sent);
        }
    }

    fn handle_frame(
        &mut self,
        length: usize,
        handle: &mut impl FnMut(PacketKind, u128, &mut [u8]) -> bool,
    ) -> io::Result<()> {
        let frame = self.buffer.get(..length).unwrap_or_default();
        let Ok(packet) = Packet::parse(frame) else {
            self.counters.malformed += 1;
            return Ok(());
        };
        self.counters.received += 1;
        if packet.kind == PacketKind::Probe {
            match self.socket.send(&[IoSlice::new(frame)])? {
                PacketSent::Sent => self.counters.sent += 1,
                PacketSent::Full | PacketSent::Closed => self.counters.dropped += 1,
            }
        } else {
            let (kind, object) = (packet.kind, packet.object);
            let data = self.buffer.get_mut(PACKET_HEADER_BYTES..length);
            if !handle(kind, object, data.unwrap_or_default()) {
                self.counters.unknown += 1;
            }
        }
        Ok(())
    }
}

impl PacketCounters {
    fn note(&mut self, sent: bool) {
        if sent {
            self.sent += 1;
        } else {
            self.dropped += 1;
        }
    }
}

/// Whether the socket took a packet. Whether the node is gone is for the control socket to say.
fn send(socket: &PacketSocket, packet: &Packet<'_>) -> bool {
    packet.header().is_ok_and(|header| {
        let parts = [IoSlice::new(&header), IoSlice::new(packet.data)];
        matches!(socket.send(&parts), Ok(PacketSent::Sent))
    })
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: PacketKind, data: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        let object = 5;
        let packet = Packet { kind, object, data };
        packet.write(&mut frame).expect("short");
        frame
    }

    fn pair() -> (Packets, PacketSocket) {
        let (ours, node) = PacketSocket::pair(256 * 1024).expect("a pair");
        (Packets::new(ours), node)
    }

    fn send(node: &PacketSocket, frame: &[u8]) -> PacketSent {
        node.send(&[IoSlice::new(frame)]).expect("open")
    }

    #[test]
    fn every_packet_is_counted_as_what_it_is() {
        let (mut packets, node) = pair();
        send(&node, &frame(PacketKind::Probe, b"hello"));
        send(&node, &frame(PacketKind::Rtp, b"to nobody"));
        send(&node, &frame(PacketKind::Rtcp, b"to nobody"));
        send(&node, b"short");
        send(&node, &[0xff; 40]);
        let mut long = frame(PacketKind::Rtp, b"");
        long.resize(MAX_PACKET_FRAME_BYTES + 1, 0);
        assert_eq!(send(&node, &long), PacketSent::Sent);
        assert_eq!(packets.receive(|_, _, _| false).ok(), Some(Peer::Alive));
        let expected = PacketCounters {
            received: 3,
            unknown: 2,
            malformed: 3,
            sent: 1,
            dropped: 0,
        };
        assert_eq!(packets.counters, expected);
        let mut buffer = [0; 100];
        let length = PACKET_HEADER_BYTES + 5;
        let received = node.recv(&mut buffer).expect("open");
        assert_eq!(received, PacketReceived::Packet(length));
        assert_eq!(buffer[..length], frame(PacketKind::Probe, b"hello"));
    }

    #[test]
    fn a_turn_is_bounded_and_a_full_socket_loses_answers() {
        let (mut packets, node) = pair();
        let probe = frame(PacketKind::Probe, &[7; 1000]);
        let mut sent = 0;
        // Nobody reads the answers: their socket is full long before this ends.
        while packets.counters.dropped == 0 {
            while send(&node, &probe) == PacketSent::Sent {
                sent += 1;
            }
            let before = packets.counters.received;
            packets.receive(|_, _, _| false).expect("open");
            assert!(packets.counters.received - before <= PACKETS_A_TURN as u64);
        }
        while packets.counters.received < sent {
            packets.receive(|_, _, _| false).expect("open");
        }
        let counters = packets.counters;
        assert_eq!(counters.sent + counters.dropped, counters.received);
    }

    #[test]
    fn the_end_is_told() {
        let (mut packets, node) = pair();
        send(&node, &frame(PacketKind::Rtp, b"last"));
        drop(node);
        assert_eq!(packets.receive(|_, _, _| false).ok(), Some(Peer::Gone));
        assert_eq!(packets.counters.received, 1);
    }
}
