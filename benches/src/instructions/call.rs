//! A VP8 call in memory: one sender, any number of receivers, no sockets.

use std::{
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use plenum_dtls::Certificate;
use plenum_engine::{Datagram, Engine, EngineConfig, SendBatch, SocketConfig};
use plenum_ice::controlling::BindingRequest;
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    media::{
        CodecKind, ExtensionId, Feedback, HeaderExtension, MediaKind, ReceiveCodec,
        ReceiveEncoding, ReceiveParameters, SendCodec, SendParameters,
    },
    transport::{WebRtcTransportInfo, WebRtcTransportOptions},
};
use plenum_rtp::{HeaderFields, RtpWriter, rtcp::RtcpWriter};
use plenum_srtp::Sealer;
use plenum_testkit::peer::TestPeer;

/// Packets of a frame.
pub(super) const PACKETS: usize = 8;

/// Payload bytes of a packet, VP8 descriptor included.
const PAYLOAD: usize = 1200;

/// Time from frame to frame. Above the interval within which a packet is not sent again twice.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(33);

const ROUTER: RouterId = RouterId::from_u128(1);
const PRODUCER: ProducerId = ProducerId::from_u128(1);
const SENDER_SSRC: u32 = 1000;
const RECEIVER_SSRC: u32 = 5000;

/// The tag of both AEAD profiles.
const TAG: usize = 16;

const FEEDBACK: Feedback = Feedback {
    nack: true,
    pli: true,
    fir: true,
    remb: true,
    transport_cc: true,
};

/// An engine with everybody connected to it.
pub(super) struct Call {
    engine: Engine,
    pub(super) now: Instant,
    batch: SendBatch,
    sender: (SocketAddr, Sealer),
    receivers: Vec<(SocketAddr, Sealer)>,
    sender_info: WebRtcTransportInfo,
}

/// One datagram to come.
#[derive(Clone, Debug)]
pub(super) struct Arriving {
    from: SocketAddr,
    data: Vec<u8>,
}

/// What the engine sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) messages: usize,
    pub(super) datagrams: usize,
}

impl Call {
    /// Connects a sender and this many receivers.
    pub(super) fn connect(receivers: usize) -> Result<Self> {
        let now = Instant::now();
        let config = EngineConfig {
            node: 0,
            worker: 0,
            seed: [7; 32],
            certificate: Certificate::generate()?,
            sockets: vec![SocketConfig {
                local: address(9000),
                announced: None,
                gso: true,
            }],
            consent_timeout: Duration::from_hours(1),
            unix_time: Duration::from_secs(1_800_000_001),
            srtp_profiles: vec![plenum_dtls::SrtpProfileId::AeadAes128Gcm],
        };
        let mut engine = Engine::new(config, now);
        engine.create_router(ROUTER)?;
        let (sender_info, sender) = connect_peer(&mut engine, now, 0)?;
        engine.produce(
            TransportId::from_u128(0),
            PRODUCER,
            receive_parameters(),
            false,
        )?;
        let mut sealers = Vec::with_capacity(receivers);
        for index in 1..=receivers {
            let (_, sealer) = connect_peer(&mut engine, now, index)?;
            let (transport, consumer) = (
                TransportId::from_u128(index as u128),
                ConsumerId::from_u128(index as u128),
            );
            engine.consume(now, transport, consumer, PRODUCER, send_parameters(), false)?;
            sealers.push((address(10_000 + index as u16), sealer));
        }
        let sender = (address(10_000), sender);
        Ok(Self {
            engine,
            now,
            batch: SendBatch::new(),
            sender,
            receivers: sealers,
            sender_info,
        })
    }

    /// Protected packets of one frame; the first frame is a key frame.
    pub(super) fn frame(&mut self, number: usize) -> Result<Vec<Arriving>> {
        (0..PACKETS)
            .map(|index| self.packet(number, index))
            .collect()
    }

    fn packet(&mut self, frame: usize, index: usize) -> Result<Arriving> {
        let sequence = (frame * PACKETS + index) as u64;
        let mut data = vec![0; 64];
        let fields = HeaderFields {
            marker: index + 1 == PACKETS,
            payload_type: 96,
            sequence_number: sequence as u16,
            timestamp: frame as u32 * 2970,
            ssrc: SENDER_SSRC,
            padding: false,
        };
        let mut writer = RtpWriter::begin(&mut data, fields)?;
        writer.push_extension(4, b"1")?;
        writer.push_extension(3, &(sequence as u16).to_be_bytes())?;
        let header = writer.finish();
        data.truncate(header);
        let [high, low] = (0x8000 | frame as u16).to_be_bytes();
        data.extend([
            0x80 | u8::from(index == 0) << 4,
            0x80,
            high,
            low,
            u8::from(frame > 0),
        ]);
        data.resize(header + PAYLOAD, 0x5a);
        let plain = data.len();
        data.resize(plain + TAG, 0);
        let (from, sealer) = &mut self.sender;
        sealer.seal_rtp(sequence, &mut data, header, plain)?;
        Ok(Arriving { from: *from, data })
    }

    /// A receiver's request for these packets of its stream, by distance from the last one of frame `number`.
    pub(super) fn nack(&mut self, first: u16, number: usize, behind: &[u16]) -> Result<Arriving> {
        let last = first.wrapping_add((number * PACKETS + PACKETS - 1) as u16);
        let lost = behind.iter().map(|distance| last.wrapping_sub(*distance));
        let (from, sealer) = self.receivers.first_mut().context("no receiver")?;
        let mut data = vec![0; 256];
        let mut writer = RtcpWriter::new(&mut data);
        writer.receiver_report(1, [])?;
        writer.nack(1, RECEIVER_SSRC, lost)?;
        let plain = writer.written().len();
        let len = sealer.seal_rtcp(&mut data, plain)?;
        data.truncate(len);
        Ok(Arriving { from: *from, data })
    }

    /// A connectivity check of the sender, which is connected already.
    pub(super) fn binding_request(&self, number: usize) -> Result<Arriving> {
        let mut transaction_id = [9; 12];
        transaction_id[..8].copy_from_slice(&number.to_be_bytes());
        let ice = &self.sender_info.ice_parameters;
        let request = BindingRequest {
            remote_username_fragment: &ice.username_fragment,
            local_username_fragment: "peer10000",
            transaction_id,
            priority: 1,
            tie_breaker: 1,
            use_candidate: true,
            nomination: None,
        };
        let mut data = vec![0; 256];
        let len = request.write(&ice.password, &mut data)?;
        data.truncate(len);
        Ok(Arriving {
            from: self.sender.0,
            data,
        })
    }

    /// Gives the engine what arrives and takes what it sends.
    pub(super) fn exchange(&mut self, arriving: &mut [Arriving]) -> Sent {
        let datagrams = arriving.iter_mut().map(|one| Datagram {
            socket: 0,
            from: one.from,
            data: &mut one.data,
        });
        self.engine.handle_datagrams(self.now, datagrams);
        let mut sent = Sent::default();
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            for transmit in self.batch.transmits() {
                sent.messages += 1;
                sent.datagrams += transmit
                    .data
                    .len()
                    .div_ceil(usize::from(transmit.segment_size));
            }
            black_box(self.batch.transmits().count());
            self.batch.clear();
            if !more {
                return sent;
            }
        }
    }

    /// Forwards the first frame and returns the number that its first packet got towards the first receiver. Without
    /// keys for that direction it is read from the header, which SRTP leaves readable.
    pub(super) fn first_number(&mut self) -> Result<u16> {
        let mut frame = self.frame(0)?;
        let to = self.receivers.first().context("no receiver")?.0;
        let datagrams = frame.iter_mut().map(|one| Datagram {
            socket: 0,
            from: one.from,
            data: &mut one.data,
        });
        self.engine.handle_datagrams(self.now, datagrams);
        let mut first = None;
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            for transmit in self.batch.transmits().filter(|transmit| transmit.to == to) {
                if transmit.data[1] & 0x7f == 101 {
                    let number = u16::from_be_bytes([transmit.data[2], transmit.data[3]]);
                    first = first.or(Some(number));
                }
            }
            self.batch.clear();
            if !more {
                return first.context("the first frame was not forwarded");
            }
        }
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Runs ICE and DTLS of one peer.
fn connect_peer(
    engine: &mut Engine,
    now: Instant,
    index: usize,
) -> Result<(WebRtcTransportInfo, Sealer)> {
    let (id, address) = (
        TransportId::from_u128(index as u128),
        address(10_000 + index as u16),
    );
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
            let overhead = peer.profile().context("connected")?.rtp_overhead();
            ensure!(overhead == TAG, "another profile than asked for");
            return Ok((info, peer.into_keys().context("connected")?.0));
        }
    }
    bail!("the handshake did not finish")
}

fn receive_parameters() -> ReceiveParameters {
    ReceiveParameters {
        kind: MediaKind::Video,
        mid: Some("1".into()),
        codecs: vec![ReceiveCodec {
            codec: CodecKind::Vp8,
            mime_type: "video/VP8".into(),
            payload_type: 96,
            mapped_payload_type: 101,
            clock_rate: 90_000,
            rtx_payload_type: Some(97),
            feedback: FEEDBACK,
        }],
        extensions: extensions([
            (HeaderExtension::Mid, 4),
            (HeaderExtension::TransportWideCc, 3),
        ]),
        encodings: vec![ReceiveEncoding {
            ssrc: Some(SENDER_SSRC),
            rtx_ssrc: Some(SENDER_SSRC + 1),
            spatial_layers: 1,
            temporal_layers: 1,
            ..ReceiveEncoding::default()
        }],
        cname: "sender".into(),
    }
}

fn send_parameters() -> SendParameters {
    SendParameters {
        kind: MediaKind::Video,
        mid: Some("0".into()),
        codecs: vec![SendCodec {
            codec: CodecKind::Vp8,
            mime_type: "video/VP8".into(),
            payload_type: 101,
            clock_rate: 90_000,
            rtx_payload_type: Some(102),
            feedback: FEEDBACK,
        }],
        extensions: extensions([
            (HeaderExtension::Mid, 1),
            (HeaderExtension::AbsSendTime, 4),
            (HeaderExtension::TransportWideCc, 5),
        ]),
        ssrc: RECEIVER_SSRC,
        rtx_ssrc: Some(RECEIVER_SSRC + 1),
        cname: "sender".into(),
    }
}

fn extensions<const N: usize>(ids: [(HeaderExtension, u8); N]) -> Vec<ExtensionId> {
    ids.map(|(extension, id)| ExtensionId { extension, id })
        .to_vec()
}
