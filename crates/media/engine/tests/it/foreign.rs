//! The engine between two clients made of str0m, a WebRTC stack with its own ICE, SRTP, RTP and RTCP.

use std::{collections::BTreeMap, time::Duration};

use plenum_dtls::SrtpProfileId;
use plenum_ids::{ConsumerId, ProducerId};
use plenum_params::{
    event::Event,
    media::{
        CodecKind, ExtensionId, Feedback, HeaderExtension, MediaKind, ReceiveCodec,
        ReceiveEncoding, ReceiveParameters, SendCodec, SendParameters,
    },
    transport::{DtlsState, IceState, WebRtcTransportOptions},
};
use plenum_rtp::{PacketKind, RtpHeader, classify};
use str0m::{
    IceConnectionState,
    bwe::Bitrate,
    ice::IceCreds,
    media::{ExtensionValues, KeyframeRequestKind, MediaKind as Str0mKind},
    rtp::{RtpPacket, RtpWrite},
};

use crate::world::{
    ROUTER, STEP, Vp8Packet, World, address, encoding, transport, vp8, vp8_receiver,
};

use str0m_peer::{Dialect, RECEIVER, SENDER, Str0mPeer};

mod str0m_peer;

const VIDEO: u32 = 1000;
const AUDIO: u32 = 3000;
const VIDEO_OUT: u32 = 5000;
const AUDIO_OUT: u32 = 6000;

/// First sequence numbers: 16 bits roll over within the first frames.
const FIRST_VIDEO: u64 = 65_500;
const FIRST_AUDIO: u64 = 65_530;

const PACKETS_PER_FRAME: u64 = 8;
/// In frames; the first frame of a stream is one.
const KEY_FRAME_INTERVAL: u64 = 50;

const FRAME: Duration = Duration::from_millis(33);

/// An engine with str0m clients; client and transport have the same number.
struct Foreign {
    world: World,
    peers: Vec<Str0mPeer>,
}

impl Foreign {
    fn new(world: World) -> Self {
        Self {
            world,
            peers: Vec::new(),
        }
    }

    /// Adds a client and waits until both sides call it connected.
    fn add(
        &mut self,
        dialect: &Dialect,
        active: bool,
        bandwidth_estimate: Option<Bitrate>,
    ) -> usize {
        let index = self.peers.len();
        let options = WebRtcTransportOptions::default();
        let created = self.world.engine.create_webrtc_transport(
            self.world.now,
            ROUTER,
            transport(index),
            &options,
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
    fn call(world: World, bandwidth_estimate: Option<Bitrate>) -> Self {
        let mut call = Self::new(world);
        call.add(&SENDER, true, bandwidth_estimate);
        call.add(&RECEIVER, true, None);
        call.publish(vec![encoding(VIDEO)]);
        call
    }

    fn publish(&mut self, encodings: Vec<ReceiveEncoding>) {
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

    fn step(&mut self) {
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

    fn run(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.step();
        }
    }

    fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let end = self.world.now + limit;
        while self.world.now < end && !condition(self) {
            self.step();
        }
        condition(self)
    }

    /// Sends frames of video with a packet of audio each, at 30 frames a second.
    fn send_frames(&mut self, frames: std::ops::Range<u64>) {
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
    fn assert_video_complete(&self, frames: u64) {
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

    fn ice_states(&self, index: usize) -> Vec<IceState> {
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

    fn discarded(&self, index: usize) -> u64 {
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

fn audio(frame: u64) -> Vec<u8> {
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
fn by_sequence(peer: &Str0mPeer, ssrc: u32) -> BTreeMap<u64, &RtpPacket> {
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
fn lose_every(period: u32, payload_types: &'static [u8]) -> Box<dyn FnMut(&[u8]) -> bool> {
    let mut count = 0;
    Box::new(move |datagram| {
        if classify(datagram) != PacketKind::Rtp || !payload_types.contains(&(datagram[1] & 0x7f)) {
            return false;
        }
        count += 1;
        count % period == 0
    })
}

#[test]
fn media_arrives_unchanged_with_every_srtp_profile() {
    for (profile, name) in [
        (SrtpProfileId::AeadAes256Gcm, "AEAD_AES_256_GCM"),
        (SrtpProfileId::AeadAes128Gcm, "AEAD_AES_128_GCM"),
        (SrtpProfileId::Aes128CmSha1_80, "AES_CM_128_HMAC_SHA1_80"),
    ] {
        let mut call = Foreign::call(World::with_profiles(vec![profile]), None);
        let stats = call
            .world
            .engine
            .transport_stats(call.world.now, transport(0))
            .expect("exists");
        assert_eq!(stats.srtp_profile.as_deref(), Some(name));
        call.send_frames(0..20);
        let order: Vec<u64> = call.peers[1]
            .packets
            .iter()
            .filter(|packet| *packet.header.ssrc == VIDEO_OUT)
            .map(|p| *p.seq_no)
            .collect();
        assert!(order.is_sorted(), "nothing was lost, so nothing is late");
        call.assert_video_complete(20);
        let heard = by_sequence(&call.peers[1], AUDIO_OUT);
        assert_eq!(heard.len(), 20);
        for (frame, (number, packet)) in heard.iter().enumerate() {
            assert_eq!(
                *number,
                heard.keys().next().expect("not empty") + frame as u64
            );
            assert_eq!(&packet.payload[..], audio(frame as u64));
            assert_eq!(packet.header.ext_vals.audio_level, Some(-42));
            assert_eq!(packet.header.ext_vals.voice_activity, Some(true));
            assert!(packet.header.ext_vals.abs_send_time.is_some());
        }
        assert_eq!((call.discarded(0), call.discarded(1)), (0, 0));
        assert_eq!(call.peers[0].rtcp.nacked_packets, 0, "nothing to ask for");
    }
}

#[test]
fn the_engine_can_be_the_dtls_client() {
    let mut call = Foreign::new(World::new());
    call.add(&SENDER, false, None);
    call.add(&RECEIVER, false, None);
    call.publish(vec![encoding(VIDEO)]);
    call.send_frames(0..5);
    call.assert_video_complete(5);
}

#[test]
fn a_stream_without_signalled_ssrc_is_found_by_its_mid() {
    let mut call = Foreign::new(World::new());
    call.add(&SENDER, true, None);
    call.add(&RECEIVER, true, None);
    call.publish(vec![ReceiveEncoding {
        ssrc: None,
        rtx_ssrc: None,
        ..encoding(VIDEO)
    }]);
    call.peers[0].lose_outgoing = Some(lose_every(19, &[96]));
    call.send_frames(0..30);
    call.run(Duration::from_secs(1));
    call.assert_video_complete(30);
}

#[test]
fn key_frame_requests_of_the_receiver_reach_the_sender() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..40);
    assert!(
        call.peers[0].key_frame_requests.is_empty(),
        "the stream began with a key frame"
    );
    for (round, kind) in (1..).zip([KeyframeRequestKind::Pli, KeyframeRequestKind::Fir]) {
        call.peers[1].request_key_frame(VIDEO_OUT, kind);
        let asked = |call: &Foreign| !call.peers[0].key_frame_requests.is_empty();
        assert!(
            call.run_until(Duration::from_millis(500), asked),
            "{kind:?} did not get through"
        );
        let request = call.peers[0].key_frame_requests.remove(0);
        assert_eq!(request.mid.to_string(), "1");
        let next = round * KEY_FRAME_INTERVAL;
        call.send_frames(next - 10..next + 40);
        assert!(!asked(&call), "once is enough");
    }
    let stats = call
        .world
        .engine
        .consumer_stats(call.world.now, ConsumerId::from_u128(20))
        .expect("exists");
    assert_eq!((stats.outbound.pli_count, stats.outbound.fir_count), (1, 1));
}

#[test]
fn losses_towards_the_receiver_are_repaired_by_retransmission() {
    let mut call = Foreign::call(World::new(), None);
    call.peers[1].lose_incoming = Some(lose_every(17, &[101]));
    call.send_frames(0..60);
    call.run(Duration::from_secs(1));
    call.assert_video_complete(60);
    let lost = 60 * PACKETS_PER_FRAME / 17;
    assert_eq!(u64::from(call.peers[1].rtx_received), lost);
    let stats = call
        .world
        .engine
        .consumer_stats(call.world.now, ConsumerId::from_u128(20))
        .expect("exists");
    assert_eq!(stats.outbound.packets_retransmitted, lost);
    assert_eq!(
        call.peers[0].rtcp.nacked_packets, 0,
        "the sender is not bothered"
    );
}

#[test]
fn losses_from_the_sender_are_repaired_by_its_retransmission() {
    let mut call = Foreign::call(World::new(), None);
    call.peers[0].lose_outgoing = Some(lose_every(17, &[96]));
    call.send_frames(0..60);
    call.run(Duration::from_secs(1));
    call.assert_video_complete(60);
    let lost = 60 * PACKETS_PER_FRAME / 17;
    assert_eq!(u64::from(call.peers[0].rtcp.nacked_packets), lost);
    let stats = call
        .world
        .engine
        .producer_stats(call.world.now, ProducerId::from_u128(10))
        .expect("exists");
    assert_eq!(stats[0].packets_repaired, lost);
}

#[test]
fn losses_everywhere_are_repaired() {
    let mut call = Foreign::call(World::new(), None);
    call.peers[0].lose_outgoing = Some(lose_every(23, &[96, 97]));
    call.peers[1].lose_incoming = Some(lose_every(29, &[101, 102]));
    call.send_frames(0..150);
    call.run(Duration::from_secs(2));
    call.assert_video_complete(150);
}

#[test]
fn str0m_estimates_its_bandwidth_from_our_feedback() {
    let initial = Bitrate::kbps(3000);
    let mut call = Foreign::call(World::new(), Some(initial));
    call.peers[0]
        .rtc
        .bwe()
        .set_bitrate(Bitrate::ZERO, Bitrate::kbps(6000));
    call.send_frames(0..180);
    call.run(Duration::from_secs(1));
    let sender = &call.peers[0];
    // Six seconds of media with feedback every 50 to 250 ms.
    assert!(sender.rtcp.transport_feedback >= 24, "{:?}", sender.rtcp);
    let last = sender
        .estimates
        .last()
        .copied()
        .expect("str0m has an opinion");
    assert!(
        last > initial,
        "an empty network looks faster than {initial}: {last}"
    );
    let stats = sender.peer_stats.as_ref().expect("statistics every second");
    assert_eq!(
        stats.egress_loss_fraction,
        Some(0.0),
        "every packet was acknowledged"
    );
    // Padding and probes are not media and not errors.
    call.assert_video_complete(180);
    assert_eq!(call.discarded(0), 0);
}

#[test]
fn reports_say_the_same_on_both_sides() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..150);
    // str0m works out a loss when the highest sequence number has moved between two reports.
    assert_eq!(
        call.peers[0].egress.get("1").and_then(|egress| egress.loss),
        Some(0.0)
    );
    call.run(Duration::from_secs(3));
    let [sender, receiver] = &call.peers[..] else {
        panic!("two peers")
    };
    assert!(sender.rtcp.receiver_reports >= 3 && receiver.rtcp.sender_reports >= 3);
    let egress = sender.egress.get("1").expect("statistics of video");
    assert!(
        egress.rtt.is_some(),
        "our receiver reports echo str0m's sender reports"
    );
    let remote = egress.remote.as_ref().expect("from our receiver reports");
    assert_eq!(remote.packets_lost, 0);
    let sent = FIRST_VIDEO + 150 * PACKETS_PER_FRAME - 1;
    assert_eq!(*remote.maximum_sequence_number as u16, sent as u16);
    let ingress = receiver.ingress.get("0").expect("statistics of video");
    let remote = ingress.remote.as_ref().expect("from our sender reports");
    assert_eq!(remote.packets, 150 * PACKETS_PER_FRAME);
    let stats = call
        .world
        .engine
        .consumer_stats(call.world.now, ConsumerId::from_u128(20))
        .expect("exists");
    assert!(
        stats.outbound.round_trip_time_ms.is_some(),
        "str0m's receiver reports echo our sender reports"
    );
    assert_eq!(stats.outbound.packets_lost, 0);
}

#[test]
fn consent_holds_as_long_as_str0m_checks_and_no_longer() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..1);
    call.run(Duration::from_secs(60));
    for index in 0..2 {
        assert!(!call.ice_states(index).contains(&IceState::Disconnected));
        assert!(
            !call.peers[index]
                .ice_states
                .contains(&IceConnectionState::Disconnected)
        );
    }
    call.send_frames(1..3);
    call.assert_video_complete(3);
    call.peers[1].lose_outgoing = Some(Box::new(|_| true));
    let gone = |call: &Foreign| call.ice_states(1).last() == Some(&IceState::Disconnected);
    assert!(
        call.run_until(Duration::from_secs(25), gone),
        "a silent peer has withdrawn its consent"
    );
    assert!(
        !call.ice_states(0).contains(&IceState::Disconnected),
        "the other peer is not concerned"
    );
}

#[test]
fn media_flows_on_through_an_ice_restart() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..10);
    let before = call.peers[1].packets.len();
    for index in 0..2 {
        let parameters = call
            .world
            .engine
            .restart_ice(transport(index))
            .expect("exists");
        let local = IceCreds {
            ufrag: format!("again{index}"),
            pass: "another-password-of-the-peer".into(),
        };
        call.peers[index].restart_ice(local, &parameters);
        let username = format!("{}:again{index}", parameters.username_fragment);
        call.peers[index].lose_outgoing = Some(Box::new(move |datagram| {
            let names = |name: &str| {
                datagram
                    .windows(name.len())
                    .any(|part| part == name.as_bytes())
            };
            classify(datagram) == PacketKind::Stun && !names(&username)
        }));
    }
    call.send_frames(10..20);
    assert!(call.peers[1].packets.len() > before);
    // Longer than consent lasts: only checks with the new credentials can have kept it.
    call.run(Duration::from_secs(30));
    for index in 0..2 {
        assert!(
            !call.ice_states(index).contains(&IceState::Disconnected),
            "{:?}",
            call.ice_states(index)
        );
        assert!(
            !call.peers[index]
                .ice_states
                .contains(&IceConnectionState::Disconnected)
        );
    }
    call.send_frames(20..30);
    call.assert_video_complete(30);
}

#[test]
fn a_client_with_another_certificate_than_announced_gets_nowhere() {
    let mut call = Foreign::new(World::new());
    let options = WebRtcTransportOptions::default();
    let created =
        call.world
            .engine
            .create_webrtc_transport(call.world.now, ROUTER, transport(0), &options);
    let info = created.expect("router exists");
    let new_peer = |port| Str0mPeer::new(address(port), &info, &SENDER, true, None, call.world.now);
    let mut announced = new_peer(30_001);
    call.peers.push(new_peer(30_000));
    let parameters = announced.dtls_parameters(true);
    call.world
        .engine
        .connect_webrtc_transport(call.world.now, transport(0), &parameters)
        .expect("first connect");
    let failed = |call: &Foreign| {
        call.world.events.iter().any(|event| {
            matches!(
                event,
                Event::DtlsState {
                    state: DtlsState::Failed,
                    ..
                }
            )
        })
    };
    assert!(call.run_until(Duration::from_secs(5), failed));
    let stats = call
        .world
        .engine
        .transport_stats(call.world.now, transport(0))
        .expect("exists");
    assert_eq!(stats.srtp_profile, None);
}
