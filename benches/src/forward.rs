//! One producer, many consumers, through the engine and real loopback sockets.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use plenum_dtls::SrtpProfileId;
use plenum_engine::{Datagram, Engine, SendBatch, SocketConfig};
use plenum_harness::{
    World, WorldConfig,
    parameters::{opus, opus_receiver},
};
use plenum_params::transport::WebRtcTransportOptions;
use plenum_srtp::{Opener, Sealer};
use plenum_udp::{BindOptions, Message, RecvBatch, Sender, UdpSocket, thread_cpu_time};

/// Fixed RTP header; this benchmark negotiates no header extensions.
pub const HEADER: usize = 12;

const PRODUCER_SSRC: u32 = 1000;

/// Opus: every packet is a point to start from, so that nothing but forwarding is measured.
const PAYLOAD_TYPE: u8 = 111;

/// An engine with one sender and connected receivers.
pub struct Forwarding {
    engine: Engine,
    socket: UdpSocket,
    publisher: UdpSocket,
    sealer: Sealer,
    overhead: usize,
    next_index: u64,
    receive: RecvBatch,
    batch: SendBatch,
    sender: Sender,
}

/// What one frame cost.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "two plain figures")]
pub struct FrameCost {
    /// Datagrams sent to receivers.
    pub datagrams: u64,
    /// CPU time of the forwarding thread, reception included.
    pub cpu: Duration,
}

impl Forwarding {
    /// Connects one publisher and a receiver per address, without sockets; returns also what the receivers decrypt with.
    pub fn connect(
        profile: SrtpProfileId,
        receivers: &[SocketAddr],
    ) -> Result<(Self, Vec<Opener>)> {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let options = BindOptions {
            recv_buffer: Some(4 << 20),
            send_buffer: Some(4 << 20),
            ..BindOptions::default()
        };
        let socket = UdpSocket::bind(any, &options)?;
        let publisher = UdpSocket::bind(any, &options)?;
        let mut world = World::with_config(WorldConfig {
            srtp_profiles: vec![profile],
            socket: SocketConfig {
                local: socket.local_addr(),
                announced: None,
                gso: socket.supports_gso(),
            },
            consent_timeout: Duration::from_hours(1),
        });
        for address in std::iter::once(&publisher.local_addr()).chain(receivers) {
            let index = world.add_peer_at(*address, &WebRtcTransportOptions::default());
            world.connect_at_once(index);
        }
        let mut sent = opus(PRODUCER_SSRC);
        (sent.mid, sent.extensions) = (None, Vec::new());
        sent.codecs[0].feedback.transport_cc = false;
        let producer = world.produce(0, 1, sent);
        for index in 1..=receivers.len() {
            let mut received = opus_receiver(10_000 + index as u32 - 1);
            (received.mid, received.extensions) = (None, Vec::new());
            received.codecs[0].feedback.transport_cc = false;
            world.consume(index, index as u128, producer, received);
        }
        let World {
            engine, mut peers, ..
        } = world;
        let openers = peers.split_off(1).into_iter().map(|peer| {
            let keys = peer.into_keys().context("the receiver is connected");
            keys.map(|(_, opener)| opener)
        });
        let openers = openers.collect::<Result<_>>()?;
        let sender = peers.pop().context("the sender")?;
        let overhead = sender
            .profile()
            .context("the sender is connected")?
            .rtp_overhead();
        let (sealer, _) = sender.into_keys().context("the sender is connected")?;
        let forwarding = Self {
            engine,
            socket,
            publisher,
            sealer,
            overhead,
            next_index: 1000,
            receive: RecvBatch::new(),
            batch: SendBatch::new(),
            sender: Sender::new(),
        };
        Ok((forwarding, openers))
    }

    /// Sends one frame to the engine's socket and forwards it.
    pub fn forward_frame(&mut self, packets: &[Vec<u8>]) -> Result<FrameCost> {
        self.publish(packets)?;
        let start = thread_cpu_time();
        let mut datagrams = 0;
        let mut arrived = 0;
        let deadline = Instant::now() + Duration::from_secs(1);
        while arrived < packets.len() {
            self.socket.recv(&mut self.receive)?;
            let now = Instant::now();
            ensure!(now < deadline, "a published packet was lost on loopback");
            let received = self.receive.datagrams_mut().map(|received| {
                arrived += 1;
                Datagram {
                    socket: 0,
                    from: received.from,
                    data: received.data,
                }
            });
            self.engine.handle_datagrams(now, received);
            loop {
                let more = self.engine.poll_transmit(now, &mut self.batch);
                let messages = self.batch.transmits().map(|transmit| Message {
                    to: transmit.to,
                    data: transmit.data,
                    segment_size: transmit.segment_size,
                });
                datagrams += self.sender.send(&self.socket, messages).datagrams;
                self.batch.clear();
                if !more {
                    break;
                }
            }
        }
        Ok(FrameCost {
            datagrams,
            cpu: thread_cpu_time().saturating_sub(start),
        })
    }

    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 segments so far.
    pub fn group_sizes(&self) -> [u64; 6] {
        self.engine.stats().group_sizes
    }

    fn publish(&mut self, packets: &[Vec<u8>]) -> Result<()> {
        let mut frame = Vec::new();
        let mut size = 0;
        for (index, packet) in (self.next_index..).zip(packets) {
            let mut buffer = packet.clone();
            buffer[1] = PAYLOAD_TYPE;
            buffer[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            buffer[8..12].copy_from_slice(&PRODUCER_SSRC.to_be_bytes());
            buffer.resize(packet.len() + self.overhead, 0);
            self.sealer
                .seal_rtp(index, &mut buffer, HEADER, packet.len())?;
            size = buffer.len();
            frame.extend(buffer);
        }
        self.next_index += packets.len() as u64;
        let message = Message {
            to: self.socket.local_addr(),
            data: &frame,
            segment_size: size as u16,
        };
        let report = self.sender.send(&self.publisher, std::iter::once(message));
        ensure!(
            report.datagrams == packets.len() as u64,
            "publishing failed"
        );
        Ok(())
    }
}
