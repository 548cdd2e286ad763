//! The bare loops: what forwarding would cost if nothing had to be decided. Copy, rewrite the header, seal, send.

use std::{net::SocketAddr, time::Duration};

use plenum_srtp::{KeyingMaterial, Opener, Sealer, SrtpError, SrtpProfile};
use plenum_udp::{Message, Sender, UdpSocket, thread_cpu_time};

use crate::forward::{PACKET_BYTES, PACKETS};

/// Fixed RTP header.
const HEADER: usize = 12;

/// Messages handed over in one call, as many as the engine's send batch holds at its usual group sizes.
const MESSAGES_PER_CALL: usize = 32;

/// How a bare loop sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three ways of the benchmark")]
pub enum Mode {
    /// One segmented message per destination and frame, `sendmmsg` of 32 of them.
    Gso,
    /// One message per packet, `sendmmsg` of 64.
    SendMmsg,
    /// One system call per packet.
    SendTo,
}

/// Sealed packets for many destinations without an engine.
pub struct BareLoop {
    destinations: Vec<(SocketAddr, Sealer)>,
    profile: SrtpProfile,
    next_index: u64,
    region: Vec<u8>,
    payload: Vec<u8>,
    sender: Sender,
}

impl BareLoop {
    /// A loop with a key of its own per destination.
    pub fn new(profile: SrtpProfile, addresses: &[SocketAddr]) -> Result<Self, SrtpError> {
        let seal = |(index, &address): (usize, &SocketAddr)| {
            Ok((address, Sealer::new(profile, &key(profile, index)?)?))
        };
        Ok(Self {
            destinations: addresses
                .iter()
                .enumerate()
                .map(seal)
                .collect::<Result<_, SrtpError>>()?,
            profile,
            next_index: 1000,
            region: vec![0; 512 * 1024],
            payload: payload(),
            sender: Sender::new(),
        })
    }

    /// What destination `index` decrypts with.
    pub fn opener(&self, index: usize) -> Result<Opener, SrtpError> {
        Opener::new(self.profile, &key(self.profile, index)?)
    }

    /// Sends one frame of `packets` (plain, RTP header first) to every destination; returns datagrams sent and CPU used.
    pub fn send_frame(
        &mut self,
        socket: &UdpSocket,
        mode: Mode,
        packets: &[Vec<u8>],
    ) -> (u64, Duration) {
        let start = thread_cpu_time();
        let overhead = self.profile.rtp_overhead();
        let size = packets[0].len() + overhead;
        let frame = size * packets.len();
        let mut sent = 0;
        for chunk in self.destinations.chunks_mut(MESSAGES_PER_CALL) {
            let mut at = 0;
            for (_, sealer) in chunk.iter_mut() {
                for (index, packet) in (self.next_index..).zip(packets) {
                    let buffer = &mut self.region[at..at + size];
                    buffer[..packet.len()].copy_from_slice(packet);
                    buffer[2..4].copy_from_slice(&(index as u16).to_be_bytes());
                    buffer[8..12].copy_from_slice(&0x1234_5678_u32.to_be_bytes());
                    at += sealer
                        .seal_rtp(index, buffer, HEADER, packet.len())
                        .unwrap_or(size);
                }
            }
            let region = &self.region[..at];
            let frames = chunk.iter().zip(region.chunks(frame));
            sent += match mode {
                Mode::Gso => {
                    let messages = frames.map(|((to, _), data)| Message {
                        to: *to,
                        data,
                        segment_size: size as u16,
                    });
                    self.sender.send(socket, messages).datagrams
                }
                Mode::SendMmsg => {
                    let messages = frames.flat_map(|((to, _), data)| {
                        data.chunks(size).map(|data| Message {
                            to: *to,
                            data,
                            segment_size: size as u16,
                        })
                    });
                    self.sender.send(socket, messages).datagrams
                }
                Mode::SendTo => {
                    let mut sent = 0;
                    for ((to, _), data) in frames {
                        for data in data.chunks(size) {
                            let message = Message {
                                to: *to,
                                data,
                                segment_size: size as u16,
                            };
                            sent += self.sender.send(socket, std::iter::once(message)).datagrams;
                        }
                    }
                    sent
                }
            };
        }
        self.next_index += packets.len() as u64;
        (sent, thread_cpu_time().saturating_sub(start))
    }

    /// Sends packets of these lengths, each to everybody but the one whose it is, a message for each; returns datagrams sent
    /// and CPU used.
    pub fn send_turn(&mut self, socket: &UdpSocket, turn: &[(usize, usize)]) -> (u64, Duration) {
        let start = thread_cpu_time();
        let overhead = self.profile.rtp_overhead();
        let mut sent = 0;
        for &(whose, len) in turn {
            let size = len + overhead;
            let mut at = 0;
            for (index, (_, sealer)) in self.destinations.iter_mut().enumerate() {
                if index == whose {
                    continue;
                }
                let buffer = &mut self.region[at..at + size];
                buffer[..len].copy_from_slice(&self.payload[..len]);
                buffer[2..4].copy_from_slice(&(self.next_index as u16).to_be_bytes());
                at += sealer
                    .seal_rtp(self.next_index, buffer, HEADER, len)
                    .unwrap_or(size);
            }
            self.next_index += 1;
            let others = self.destinations.iter().enumerate();
            let others = others.filter(|(index, _)| *index != whose);
            let messages =
                others
                    .zip(self.region[..at].chunks(size))
                    .map(|((_, (to, _)), data)| Message {
                        to: *to,
                        data,
                        segment_size: size as u16,
                    });
            sent += self.sender.send(socket, messages).datagrams;
        }
        (sent, thread_cpu_time().saturating_sub(start))
    }
}

/// A frame of equal plain packets.
pub fn frame() -> Vec<Vec<u8>> {
    (0..PACKETS)
        .map(|index| {
            let mut packet = vec![0x5a; PACKET_BYTES];
            packet[..HEADER].copy_from_slice(&[0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            packet[1] |= u8::from(index + 1 == PACKETS) << 7;
            packet
        })
        .collect()
}

/// A plain packet of any length.
fn payload() -> Vec<u8> {
    let mut packet = vec![0x5a; 1500];
    packet[..HEADER].copy_from_slice(&[0x80, 111, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78]);
    packet
}

/// A different, fixed key for every destination: the figures do not depend on its value.
fn key(profile: SrtpProfile, index: usize) -> Result<KeyingMaterial, SrtpError> {
    let byte = |offset: usize| (index * 31 + offset * 7 + 11) as u8;
    let key: Vec<u8> = (0..profile.key_len()).map(byte).collect();
    let salt: Vec<u8> = (100..100 + profile.salt_len()).map(byte).collect();
    KeyingMaterial::new(profile, &key, &salt)
}
