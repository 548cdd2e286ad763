//! Two str0m clients with an engine between them, and the media that they exchange.

use std::{collections::BTreeMap, time::Duration};

use plenum_params::{
    event::Event,
    media::{
        CodecKind, ExtensionId, Feedback, HeaderExtension, MediaKind, ReceiveCodec,
        ReceiveEncoding, ReceiveParameters, SendCodec, SendParameters,
    },
    transport::{IceState, WebRtcTransportOptions},
};
use plenum_rtp::{PacketKind, RtpHeader, classify};
use str0m::{
    bwe::Bitrate,
    media::{ExtensionValues, MediaKind as Str0mKind},
    rtp::{RtpPacket, RtpWrite},
};

use crate::world::{
    ROUTER, STEP, Vp8Packet, World, address, encoding, transport, vp8, vp8_receiver,
};

use super::str0m_peer::{Dialect, Loss, RECEIVER, SENDER, Str0mPeer};

pub(crate) const VIDEO: u32 = 1000;
pub(crate) const AUDIO: u32 = 3000;
pub(crate) const VIDEO_OUT: u32 = 5000;
pub(crate) const AUDIO_OUT: u32 = 6000;

/// First sequence numbers: 16 bits roll over within the first frames.
pub(crate) const FIRST_VIDEO: u64 = 65_500;
pub(crate) const FIRST_AUDIO: u64 = 65_530;

pub(crate) const PACKETS_PER_FRAME: u64 = 8;
/// In frames; the first frame of a stream is one.
pub(crate) const KEY_FRAME_INTERVAL: u64 = 50;

const FRAME: Duration = Duration::from_millis(33);

/// An engine with str0m clients; client and transport have the same number.
pub(crate) struct Foreign {
    pub(crate) world: World,
    pub(crate) peers: Vec<Str0mPeer>,
}

impl Foreign {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world,
            peers: Vec::new(),
        }
    }

    /// Adds a client and waits until both sides call it connected.
    pub(crate) fn add(
        &mut self,
        dialect: &Dialect,
        active: bool,
        bandwidth_estimate: Option<Bitrate>,
    ) -> usize {
        // Media comes faster here than in life.
        let options = WebRtcTransportOptions {
            initial_outgoing_bitrate: Some(100_000_000),
            ..WebRtcTransportOptions::default()
        };
        self.add_with(dialect, active, bandwidth_estimate, &options)
    }

    /// Like [`Self::add`], with these options of its transport.
    pub(crate) fn add_with(
        &mut self,
        dialect: &Dialect,
        active: bool,
        bandwidth_estimate: Option<Bitrate>,
        options: &WebRtcTransportOptions,
    ) -> usize {
        let index = self.peers.len();
        let created = self.world.engine.create_webrtc_transport(
            self.world.now,
            ROUTER,
            transport(index),
            options,
        );
        let info = created.expect("router exists");
        let from = address(30_000 + index as u16);
        let mut peer = Str0mPeer::new(
            from,
            &info,
            dialect,
            active,
            bandwidth_estimate,
            self.world.now,
        );
        let parameters = peer.dtls_parameters(active);
        self.peers.push(peer);
        let connected = self.world.engine.connect_webrtc_transport(
            self.world.now,
            transport(index),
            &parameters,
        );
        connected.expect("first connect");
        let through = |call: &Self| {
            let stats = call
                .world
                .engine
                .transport_stats(call.world.now, transport(index))
                .expect("exists");
            call.peers[index].connected && stats.srtp_profile.is_some()
        };
        assert!(
            self.run_until(Duration::from_secs(5), through),
            "never connected"
        );
        index
    }

    /// One client sends VP8 and Opus, another receives them.
    pub(crate) fn call(world: World, bandwidth_estimate: Option<Bitrate>) -> Self {
        let mut call = Self::new(world);
        call.add(&SENDER, true, bandwidth_estimate);
        call.add(&RECEIVER, true, None);
        call.publish(vec![encoding(VIDEO)]);
        call
    }

    pub(crate) fn publish(&mut self, encodings: Vec<ReceiveEncoding>) {
        let Self { world, peers } = self;
        peers[0].declare_sender("1", Str0mKind::Video, VIDEO, Some(VIDEO + 1));
        peers[0].declare_sender("2", Str0mKind::Audio, AUDIO, None);
        peers[1].declare_receiver("0", Str0mKind::Video, VIDEO_OUT, Some(VIDEO_OUT + 1));
        peers[1].declare_receiver("3", Str0mKind::Audio, AUDIO_OUT, None);
        let video = world.produce(0, 10, vp8(encodings));
        let audio = world.produce(0, 11, opus());
        world.consume(1, 20, video, vp8_receiver(VIDEO_OUT));
        world.consume(1, 21, audio, opus_receiver());
    }

    pub(crate) fn step(&mut self) {
        self.world.now += STEP;
        let mut arriving = Vec::new();
        for peer in &mut self.peers {
            let from = peer.address;
            arriving.extend(peer.poll(self.world.now).map(|datagram| (from, datagram)));
        }
        self.world.deliver(&mut arriving);
        for (to, datagram) in std::mem::take(&mut self.world.elsewhere) {
            let peer = self
                .peers
                .iter_mut()
                .find(|peer| peer.address == to)
                .expect("nobody else was there");
            peer.handle_datagram(self.world.now, &datagram);
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.step();
        }
    }

    pub(crate) fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let end = self.world.now + limit;
        while self.world.now < end && !condition(self) {
            self.step();
        }
        condition(self)
    }

    /// Sends frames of video with a packet of audio each, at 30 frames a second.
    pub(crate) fn send_frames(&mut self, frames: std::ops::Range<u64>) {
        for frame in frames {
            for packet in frame * PACKETS_PER_FRAME..(frame + 1) * PACKETS_PER_FRAME {
                let (header, payload) = video(packet);
                let write = RtpWrite::new(
                    96.into(),
                    (FIRST_VIDEO + packet).into(),
                    header.timestamp,
                    self.world.now,
                    payload,
                );
                self.peers[0].send(VIDEO, write.marker(header.marker).nackable(true));
            }
            let extensions = ExtensionValues {
                audio_level: Some(-42),
                voice_activity: Some(true),
                ..ExtensionValues::default()
            };
            let number = (FIRST_AUDIO + frame).into();
            let write = RtpWrite::new(
                111.into(),
                number,
                960 * frame as u32,
                self.world.now,
                audio(frame),
            );
            self.peers[0].send(AUDIO, write.ext_vals(extensions));
            self.run(FRAME);
        }
    }

    /// Checks that the receiver has every packet of the first `frames` frames once and unchanged, in whatever order.
    pub(crate) fn assert_video_complete(&self, frames: u64) {
        let expected = frames * PACKETS_PER_FRAME;
        let received = by_sequence(&self.peers[1], VIDEO_OUT);
        let numbers: Vec<u64> = received.keys().copied().collect();
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "gaps in {numbers:?}"
        );
        assert_eq!(received.len() as u64, expected);
        for (number, packet) in received.values().enumerate() {
            let (header, payload) = video(number as u64);
            assert_eq!(&packet.payload[..], &payload[..], "packet {number}");
            assert_eq!(packet.header.marker, header.marker);
            assert_eq!(*packet.header.payload_type, 101);
        }
    }

    pub(crate) fn ice_states(&self, index: usize) -> Vec<IceState> {
        let states = self.world.events.iter().filter_map(|event| match event {
            Event::IceState {
                transport: id,
                state,
                ..
            } if *id == transport(index) => Some(*state),
            _ => None,
        });
        states.collect()
    }

    pub(crate) fn discarded(&self, index: usize) -> u64 {
        self.world
            .engine
            .transport_stats(self.world.now, transport(index))
            .expect("exists")
            .discarded
    }
}

/// Header and payload of a packet of video.
fn video(number: u64) -> (RtpHeader, Vec<u8>) {
    let frame = number / PACKETS_PER_FRAME;
    let packet = Vp8Packet {
        ssrc: VIDEO,
        sequence_number: number as u16,
        timestamp: frame as u32 * 3000,
        picture_id: frame as u16,
        key_frame: frame.is_multiple_of(KEY_FRAME_INTERVAL),
        first: number.is_multiple_of(PACKETS_PER_FRAME),
        marker: number % PACKETS_PER_FRAME == PACKETS_PER_FRAME - 1,
        len: 1000 + (number % 3) as usize,
        rid: None,
        transport_sequence: None,
    };
    let bytes = packet.write();
    let header = RtpHeader::parse(&bytes).expect("written by us");
    let payload = bytes[header.header_len..].to_vec();
    (header, payload)
}

pub(crate) fn audio(frame: u64) -> Vec<u8> {
    vec![frame as u8; 80 + (frame % 7) as usize]
}

/// Opus as a browser sends it.
fn opus() -> ReceiveParameters {
    ReceiveParameters {
        kind: MediaKind::Audio,
        mid: Some("2".into()),
        codecs: vec![ReceiveCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: 111,
            mapped_payload_type: 100,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: AUDIO_FEEDBACK,
        }],
        extensions: [
            (HeaderExtension::Mid, 4),
            (HeaderExtension::TransportWideCc, 3),
            (HeaderExtension::AudioLevel, 1),
        ]
        .map(|(extension, id)| ExtensionId { extension, id })
        .to_vec(),
        encodings: vec![ReceiveEncoding {
            rtx_ssrc: None,
            ..encoding(AUDIO)
        }],
        cname: "sender".into(),
    }
}

const AUDIO_FEEDBACK: Feedback = Feedback {
    nack: false,
    pli: false,
    fir: false,
    remb: false,
    transport_cc: true,
};

fn opus_receiver() -> SendParameters {
    SendParameters {
        kind: MediaKind::Audio,
        mid: Some("3".into()),
        codecs: vec![SendCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: 100,
            own_payload_type: None,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: AUDIO_FEEDBACK,
        }],
        extensions: [
            (HeaderExtension::Mid, 1),
            (HeaderExtension::AbsSendTime, 4),
            (HeaderExtension::TransportWideCc, 5),
            (HeaderExtension::AudioLevel, 10),
        ]
        .map(|(extension, id)| ExtensionId { extension, id })
        .to_vec(),
        ssrc: AUDIO_OUT,
        rtx_ssrc: None,
        cname: "sender".into(),
    }
}

/// What str0m handed out of one stream, by extended sequence number. No number comes twice.
pub(crate) fn by_sequence(peer: &Str0mPeer, ssrc: u32) -> BTreeMap<u64, &RtpPacket> {
    let mut packets = BTreeMap::new();
    for packet in peer
        .packets
        .iter()
        .filter(|packet| *packet.header.ssrc == ssrc)
    {
        assert!(
            packets.insert(*packet.seq_no, packet).is_none(),
            "{} twice",
            *packet.seq_no
        );
    }
    packets
}

/// Loses RTP packets of these payload types: every `period`th, not beginning with the first.
pub(crate) fn lose_every(period: u32, payload_types: &'static [u8]) -> Loss {
    let mut count = 0;
    Box::new(move |datagram| {
        if classify(datagram) != PacketKind::Rtp || !payload_types.contains(&(datagram[1] & 0x7f)) {
            return false;
        }
        count += 1;
        count % period == 0
    })
}
