//! One engine and its peers under a virtual clock. Datagrams arrive in the step after the one in which they were sent.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use plenum_dtls::Certificate;
use plenum_engine::{Datagram, Engine, EngineConfig, SendBatch, SocketConfig};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    event::Event,
    media::{
        CodecKind, ExtensionId, Feedback, HeaderExtension, MediaKind, ReceiveCodec,
        ReceiveEncoding, ReceiveParameters, SendCodec, SendParameters,
    },
    transport::WebRtcTransportOptions,
};
use plenum_testkit::peer::TestPeer;

/// Length of one step.
pub(crate) const STEP: Duration = Duration::from_millis(1);

pub(crate) const ROUTER: RouterId = RouterId::from_u128(1);

/// Everything in one place.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) peers: Vec<TestPeer>,
    pub(crate) events: Vec<Event>,
    /// Messages sent, as (segments, bytes).
    pub(crate) groups: Vec<(usize, usize)>,
    /// Every datagram that the engine sends, when somebody wants to see them.
    pub(crate) datagrams: Option<Vec<Vec<u8>>>,
    /// Every datagram that the peers send, when somebody wants to see them.
    pub(crate) arrived: Option<Vec<(SocketAddr, Vec<u8>)>>,
    /// Datagrams for addresses that none of `peers` has.
    pub(crate) elsewhere: Vec<(SocketAddr, Vec<u8>)>,
    batch: SendBatch,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_profiles(Vec::new())
    }

    pub(crate) fn with_profiles(srtp_profiles: Vec<plenum_dtls::SrtpProfileId>) -> Self {
        let now = Instant::now();
        let config = EngineConfig {
            node: 1,
            worker: 2,
            seed: [42; 32],
            certificate: Certificate::generate().expect("key generation works"),
            sockets: vec![SocketConfig {
                local: address(10_000),
                announced: None,
                gso: true,
            }],
            consent_timeout: Duration::from_secs(20),
            unix_time: Duration::from_hours(500_000),
            srtp_profiles,
        };
        let mut engine = Engine::new(config, now);
        engine.create_router(ROUTER).expect("first router");
        Self {
            engine,
            now,
            peers: Vec::new(),
            events: Vec::new(),
            groups: Vec::new(),
            datagrams: None,
            arrived: None,
            elsewhere: Vec::new(),
            batch: SendBatch::new(),
        }
    }

    /// Adds a peer with one transport, numbered like the peer, and waits until it is connected.
    pub(crate) fn add_connected_peer(&mut self) -> usize {
        let index = self.add_peer();
        self.connect(index);
        assert!(
            self.run_until(Duration::from_secs(5), |world| world.peers[index]
                .is_connected()),
            "never connected"
        );
        index
    }

    /// Adds a peer with a transport that was not told the peer's certificate yet.
    pub(crate) fn add_peer(&mut self) -> usize {
        let index = self.peers.len();
        let options = WebRtcTransportOptions::default();
        let info = self
            .engine
            .create_webrtc_transport(self.now, ROUTER, transport(index), &options)
            .expect("router exists");
        let peer =
            TestPeer::new(address(20_000 + index as u16), &info, self.now).expect("DTLS starts");
        self.peers.push(peer);
        index
    }

    pub(crate) fn connect(&mut self, index: usize) {
        let parameters = self.peers[index].dtls_parameters();
        self.engine
            .connect_webrtc_transport(self.now, transport(index), &parameters)
            .expect("first connect");
    }

    /// Moves time on by one step.
    pub(crate) fn step(&mut self) {
        self.now += STEP;
        let mut arriving = Vec::new();
        for peer in &mut self.peers {
            if peer.poll_timeout().is_some_and(|due| due <= self.now) {
                peer.handle_timeout(self.now);
            }
            while let Some(datagram) = peer.poll_transmit() {
                arriving.push((peer.address, datagram));
            }
        }
        if let Some(arrived) = &mut self.arrived {
            arrived.extend(arriving.iter().cloned());
        }
        self.deliver(&mut arriving);
    }

    /// Gives the engine datagrams as one batch and delivers its answers at once.
    pub(crate) fn deliver(&mut self, arriving: &mut [(SocketAddr, Vec<u8>)]) {
        let datagrams = arriving.iter_mut().map(|(from, data)| Datagram {
            socket: 0,
            from: *from,
            data,
        });
        self.engine.handle_datagrams(self.now, datagrams);
        self.drain();
        if self
            .engine
            .poll_timeout()
            .is_some_and(|due| due <= self.now)
        {
            self.engine.handle_timeout(self.now);
        }
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            for transmit in self.batch.transmits() {
                self.groups.push((
                    transmit
                        .data
                        .len()
                        .div_ceil(usize::from(transmit.segment_size)),
                    transmit.data.len(),
                ));
                for datagram in transmit.data.chunks(usize::from(transmit.segment_size)) {
                    if let Some(datagrams) = &mut self.datagrams {
                        datagrams.push(datagram.to_vec());
                    }
                    if let Some(peer) = self
                        .peers
                        .iter_mut()
                        .find(|peer| peer.address == transmit.to)
                    {
                        peer.handle_datagram(self.now, datagram);
                    } else {
                        self.elsewhere.push((transmit.to, datagram.to_vec()));
                    }
                }
            }
            self.batch.clear();
            if !more {
                break;
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push(event);
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    pub(crate) fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while self.now < end {
            if condition(self) {
                return true;
            }
            self.step();
        }
        condition(self)
    }

    pub(crate) fn produce(
        &mut self,
        peer: usize,
        id: u128,
        parameters: ReceiveParameters,
    ) -> ProducerId {
        let id = ProducerId::from_u128(id);
        self.engine
            .produce(transport(peer), id, parameters, false)
            .expect("transport exists");
        id
    }

    pub(crate) fn consume(
        &mut self,
        peer: usize,
        id: u128,
        producer: ProducerId,
        parameters: SendParameters,
    ) -> ConsumerId {
        let id = ConsumerId::from_u128(id);
        let done = self
            .engine
            .consume(self.now, transport(peer), id, producer, parameters, false);
        done.expect("transport and producer exist");
        id
    }

    /// Everything that a peer has received so far.
    pub(crate) fn received(&mut self, peer: usize) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.peers[peer].poll_received()).collect()
    }
}

pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub(crate) fn transport(index: usize) -> TransportId {
    TransportId::from_u128(index as u128)
}

const FEEDBACK: Feedback = Feedback {
    nack: true,
    pli: true,
    fir: true,
    remb: true,
    transport_cc: true,
};

/// VP8 as a browser sends it: payload type 96, retransmissions 97, these encodings.
pub(crate) fn vp8(encodings: Vec<ReceiveEncoding>) -> ReceiveParameters {
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
        extensions: [
            (HeaderExtension::Mid, 4),
            (HeaderExtension::Rid, 10),
            (HeaderExtension::RepairedRid, 11),
            (HeaderExtension::TransportWideCc, 3),
            (HeaderExtension::VideoOrientation, 13),
        ]
        .map(|(extension, id)| ExtensionId { extension, id })
        .to_vec(),
        encodings,
        cname: "sender".into(),
    }
}

/// One encoding with signalled SSRCs.
pub(crate) fn encoding(ssrc: u32) -> ReceiveEncoding {
    ReceiveEncoding {
        ssrc: Some(ssrc),
        rtx_ssrc: Some(ssrc + 1),
        spatial_layers: 1,
        temporal_layers: 1,
        ..ReceiveEncoding::default()
    }
}

/// One simulcast encoding, known by its RID only.
pub(crate) fn simulcast(rid: &str) -> ReceiveEncoding {
    ReceiveEncoding {
        rid: Some(rid.into()),
        spatial_layers: 1,
        temporal_layers: 1,
        ..ReceiveEncoding::default()
    }
}

/// What a receiver of [`vp8`] is told.
pub(crate) fn vp8_receiver(ssrc: u32) -> SendParameters {
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
        extensions: [
            (HeaderExtension::Mid, 1),
            (HeaderExtension::AbsSendTime, 4),
            (HeaderExtension::TransportWideCc, 5),
        ]
        .map(|(extension, id)| ExtensionId { extension, id })
        .to_vec(),
        ssrc,
        rtx_ssrc: Some(ssrc + 1),
        cname: "sender".into(),
    }
}

/// A plain VP8 packet of a browser.
pub(crate) struct Vp8Packet {
    pub(crate) ssrc: u32,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) picture_id: u16,
    pub(crate) key_frame: bool,
    pub(crate) first: bool,
    pub(crate) marker: bool,
    pub(crate) len: usize,
    /// RID to name in a header extension.
    pub(crate) rid: Option<&'static str>,
    pub(crate) transport_sequence: Option<u16>,
}

impl Vp8Packet {
    pub(crate) fn write(&self) -> Vec<u8> {
        use plenum_rtp::{HeaderFields, RtpWriter};
        let mut buffer = vec![0; 64];
        let fields = HeaderFields {
            marker: self.marker,
            payload_type: 96,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            padding: false,
        };
        let mut writer = RtpWriter::begin(&mut buffer, fields).expect("room");
        if let Some(rid) = self.rid {
            writer.push_extension(4, b"1").expect("room");
            writer.push_extension(10, rid.as_bytes()).expect("room");
        }
        if let Some(sequence) = self.transport_sequence {
            writer
                .push_extension(3, &sequence.to_be_bytes())
                .expect("room");
        }
        let len = writer.finish();
        buffer.truncate(len);
        let [high, low] = (0x8000 | self.picture_id).to_be_bytes();
        buffer.extend([0x80 | u8::from(self.first) << 4, 0x80, high, low]);
        // The first bit of the frame tag is 0 on key frames (RFC 6386 §9.1).
        buffer.push(u8::from(!self.key_frame));
        buffer.extend(std::iter::repeat_n(self.picture_id as u8, self.len));
        buffer
    }
}
