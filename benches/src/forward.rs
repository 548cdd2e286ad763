//! One producer, many consumers, through the engine and real loopback sockets.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use plenum_dtls::{Certificate, SrtpProfileId};
use plenum_engine::{Datagram, Engine, EngineConfig, SendBatch, SocketConfig};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    media::{
        CodecKind, Feedback, MediaKind, ReceiveCodec, ReceiveEncoding, ReceiveParameters,
        SendCodec, SendParameters,
    },
    transport::WebRtcTransportOptions,
};
use plenum_srtp::{Opener, Sealer};
use plenum_testkit::peer::TestPeer;
use plenum_udp::{BindOptions, Message, RecvBatch, Sender, UdpSocket, thread_cpu_time};

/// Fixed RTP header; this benchmark negotiates no header extensions.
pub const HEADER: usize = 12;

const ROUTER: RouterId = RouterId::from_u128(1);
const PRODUCER: ProducerId = ProducerId::from_u128(1);
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
        let now = Instant::now();
        let config = EngineConfig {
            node: 0,
            worker: 0,
            seed: [7; 32],
            certificate: Certificate::generate()?,
            sockets: vec![SocketConfig {
                local: socket.local_addr(),
                announced: None,
                gso: socket.supports_gso(),
            }],
            consent_timeout: Duration::from_hours(1),
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH)?,
            srtp_profiles: vec![profile],
        };
        let mut engine = Engine::new(config, now);
        engine.create_router(ROUTER)?;
        let sender_peer = connect_peer(
            &mut engine,
            publisher.local_addr(),
            TransportId::from_u128(0),
        )?;
        engine.produce(
            TransportId::from_u128(0),
            PRODUCER,
            receive_parameters(),
            false,
        )?;
        let mut openers = Vec::with_capacity(receivers.len());
        for (index, &address) in receivers.iter().enumerate() {
            let id = index as u128 + 1;
            let peer = connect_peer(&mut engine, address, TransportId::from_u128(id))?;
            let consumer = ConsumerId::from_u128(id);
            engine.consume(
                now,
                TransportId::from_u128(id),
                consumer,
                PRODUCER,
                send_parameters(index),
                false,
            )?;
            openers.push(peer.into_keys().context("the receiver is connected")?.1);
        }
        let overhead = sender_peer
            .profile()
            .context("the sender is connected")?
            .rtp_overhead();
        let (sealer, _) = sender_peer.into_keys().context("the sender is connected")?;
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

/// Runs ICE and DTLS of one peer in memory.
fn connect_peer(engine: &mut Engine, address: SocketAddr, id: TransportId) -> Result<TestPeer> {
    let now = Instant::now();
    let info =
        engine.create_webrtc_transport(now, ROUTER, id, &WebRtcTransportOptions::default())?;
    let mut peer = TestPeer::new(address, &info, now)?;
    engine.connect_webrtc_transport(now, id, &peer.dtls_parameters())?;
    let mut batch = SendBatch::new();
    for _ in 0..20 {
        peer.handle_timeout(now);
        while let Some(mut datagram) = peer.poll_transmit() {
            engine.handle_datagrams(
                now,
                [Datagram {
                    socket: 0,
                    from: address,
                    data: &mut datagram,
                }],
            );
        }
        while engine.poll_transmit(now, &mut batch) || !batch.is_empty() {
            for transmit in batch.transmits() {
                for datagram in transmit.data.chunks(usize::from(transmit.segment_size)) {
                    peer.handle_datagram(now, datagram);
                }
            }
            batch.clear();
        }
        while engine.poll_event().is_some() {}
        if peer.is_connected() {
            return Ok(peer);
        }
    }
    anyhow::bail!("the handshake did not finish")
}

fn receive_parameters() -> ReceiveParameters {
    ReceiveParameters {
        kind: MediaKind::Audio,
        mid: None,
        codecs: vec![ReceiveCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: PAYLOAD_TYPE,
            mapped_payload_type: PAYLOAD_TYPE,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: Feedback {
                nack: true,
                ..Feedback::default()
            },
        }],
        extensions: Vec::new(),
        encodings: vec![ReceiveEncoding {
            ssrc: Some(PRODUCER_SSRC),
            spatial_layers: 1,
            temporal_layers: 1,
            ..ReceiveEncoding::default()
        }],
        cname: "publisher".into(),
    }
}

fn send_parameters(index: usize) -> SendParameters {
    SendParameters {
        kind: MediaKind::Audio,
        mid: None,
        codecs: vec![SendCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: PAYLOAD_TYPE,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: Feedback {
                nack: true,
                ..Feedback::default()
            },
        }],
        extensions: Vec::new(),
        ssrc: 10_000 + index as u32,
        rtx_ssrc: None,
        cname: "publisher".into(),
    }
}
