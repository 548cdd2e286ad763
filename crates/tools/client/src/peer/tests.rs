//! A transport and a small ICE-lite server, without sockets and in virtual time.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use plenum_dtls::{Certificate, DtlsEndpoint, DtlsEvent, DtlsRole};
use plenum_ice::{IceCredentials, IceLite, IceLiteConfig};
use plenum_params::media::MediaKind;
use plenum_rtp::{
    HeaderFields, PacketKind, RtpHeader, RtpWriter, classify,
    rtcp::{RtcpPacket, RtcpPackets, RtcpWriter},
};
use plenum_srtp::{InboundStream, Opener, Sealer, SrtpKeys, SrtpProfile};

use super::*;
use crate::stats::TransportState;

const SERVER: &str = "192.0.2.1:5000";
const CLIENT: &str = "192.0.2.2:6000";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// What answers.
struct Server {
    ice: IceLite,
    certificate: Certificate,
    dtls: DtlsEndpoint,
    keys: Option<(SrtpProfile, Sealer, Opener)>,
    inbound: std::collections::HashMap<u32, InboundStream>,
    outgoing: Vec<Vec<u8>>,
    /// SSRC, sequence number and payload of what came.
    received: Vec<(u32, u16, Vec<u8>)>,
    nacked: BTreeSet<u16>,
    key_frames_asked: u32,
    feedback: u32,
    reports: u32,
}

impl Server {
    fn new(now: Instant) -> Self {
        let certificate = Certificate::generate().expect("randomness");
        Self {
            ice: IceLite::new(
                IceLiteConfig {
                    credentials: credentials(),
                    consent_timeout: Duration::from_secs(30),
                },
                now,
            ),
            dtls: DtlsEndpoint::new(DtlsRole::Server, &certificate, now).expect("starts"),
            certificate,
            keys: None,
            inbound: std::collections::HashMap::new(),
            outgoing: Vec::new(),
            received: Vec::new(),
            nacked: BTreeSet::new(),
            key_frames_asked: 0,
            feedback: 0,
            reports: 0,
        }
    }

    fn take(&mut self, now: Instant, datagram: &[u8]) {
        match classify(datagram) {
            PacketKind::Stun => {
                let mut out = [0; 512];
                self.ice
                    .handle_binding_request(now, address(CLIENT), 0, datagram, &mut out);
                let len = 20 + usize::from(u16::from_be_bytes([out[2], out[3]]));
                self.outgoing.push(out[..len].to_vec());
            }
            PacketKind::Dtls => {
                self.dtls.handle_datagram(now, datagram).expect("handshake");
                self.drive();
            }
            PacketKind::Rtp => {
                let mut packet = datagram.to_vec();
                let header = RtpHeader::parse(&packet).expect("RTP");
                let (_, _, opener) = self.keys.as_mut().expect("connected");
                let stream = self.inbound.entry(header.ssrc).or_default();
                let opened = opener.open_rtp(stream, &mut packet, header.header_len);
                let len = opened.expect("protected").len;
                let payload = packet[header.header_len..len].to_vec();
                self.received
                    .push((header.ssrc, header.sequence_number, payload));
            }
            PacketKind::Rtcp => self.take_rtcp(datagram),
            PacketKind::Unknown => panic!("{datagram:?}"),
        }
    }

    fn take_rtcp(&mut self, datagram: &[u8]) {
        let mut packet = datagram.to_vec();
        let (_, _, opener) = self.keys.as_mut().expect("connected");
        let len = opener.open_rtcp(&mut packet).expect("protected");
        for packet in RtcpPackets::new(&packet[..len]) {
            match packet.expect("well-formed") {
                RtcpPacket::Nack(nack) => self.nacked.extend(nack.lost()),
                RtcpPacket::Pli(_) => self.key_frames_asked += 1,
                RtcpPacket::TransportFeedback(_) => self.feedback += 1,
                RtcpPacket::ReceiverReport(_) | RtcpPacket::SenderReport(_) => self.reports += 1,
                _ => {}
            }
        }
    }

    fn drive(&mut self) {
        let mut buffer = [0; plenum_dtls::MAX_DATAGRAM];
        while let Some(len) = self.dtls.poll_transmit(&mut buffer) {
            self.outgoing.push(buffer[..len].to_vec());
        }
        while let Some(event) = self.dtls.poll_event() {
            if let DtlsEvent::Connected {
                profile, keying, ..
            } = event
            {
                let profile = SrtpProfile::from_iana_id(profile.iana_id()).expect("ours");
                let keys = SrtpKeys::from_exporter(profile, keying.as_bytes());
                let (client, server) = keys.expect("long enough");
                let sealer = Sealer::new(profile, &server).expect("keys");
                let opener = Opener::new(profile, &client).expect("keys");
                self.keys = Some((profile, sealer, opener));
            }
        }
    }

    /// A protected packet with a transport-wide number.
    fn rtp(&mut self, ssrc: u32, sequence_number: u16, number: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 1500];
        let fields = HeaderFields {
            marker: true,
            payload_type: 96,
            sequence_number,
            timestamp: u32::from(sequence_number) * 3000,
            ssrc,
            padding: false,
        };
        let mut writer = RtpWriter::begin(&mut packet, fields).expect("room");
        let written = writer.push_extension(3, &number.to_be_bytes());
        written.expect("room");
        let header_len = writer.finish();
        let len = header_len + payload.len();
        packet[header_len..len].copy_from_slice(payload);
        let (_, sealer, _) = self.keys.as_mut().expect("connected");
        let index = u64::from(sequence_number);
        let sealed = sealer.seal_rtp(index, &mut packet, header_len, len);
        packet.truncate(sealed.expect("sealed"));
        packet
    }

    fn rtcp(&mut self, write: impl FnOnce(&mut RtcpWriter<'_>)) -> Vec<u8> {
        let mut packet = vec![0; 1500];
        let mut writer = RtcpWriter::new(&mut packet[..1000]);
        write(&mut writer);
        let plain = writer.len();
        let (_, sealer, _) = self.keys.as_mut().expect("connected");
        let len = sealer.seal_rtcp(&mut packet, plain).expect("sealed");
        packet.truncate(len);
        packet
    }
}

fn credentials() -> IceCredentials {
    IceCredentials {
        username_fragment: "server".to_owned(),
        password: "a-password-of-the-server".to_owned(),
    }
}

/// A server and a transport that knows it.
struct Pair {
    now: Instant,
    server: Server,
    transport: Transport,
    out: Datagrams,
    /// Numbers of what the transport has handed on.
    heard: Vec<u64>,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let server = Server::new(now);
        let fingerprint = server.certificate.fingerprint();
        Self::with(now, server, fingerprint)
    }

    fn with(now: Instant, server: Server, fingerprint: plenum_dtls::Fingerprint) -> Self {
        let credentials = credentials();
        let config = TransportConfig {
            username_fragment: credentials.username_fragment,
            password: credentials.password,
            addresses: vec![address("192.0.2.9:9"), address(SERVER)],
            fingerprints: vec![fingerprint],
            holds_dtls: false,
            seed: [5; 32],
            wall_clock: (now, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)),
            cname: "test".to_owned(),
        };
        let certificate = Certificate::generate().expect("randomness");
        let transport = Transport::new(now, certificate, config).expect("has candidates");
        Self {
            now,
            server,
            transport,
            out: Datagrams::new(),
            heard: Vec::new(),
        }
    }

    /// Carries everything to and fro, a millisecond at a time. What goes to another address than the server's is lost.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.transport.handle_timeout(self.now, &mut self.out);
            for datagram in self.out.iter().filter(|it| it.to == address(SERVER)) {
                self.server.take(self.now, datagram.data);
            }
            self.out.clear();
            for mut datagram in std::mem::take(&mut self.server.outgoing) {
                self.deliver(&mut datagram);
            }
        }
    }

    fn deliver(&mut self, datagram: &mut [u8]) {
        let heard = &mut self.heard;
        let mut take =
            |_: StreamKey, packet: &crate::sink::ReceivedPacket<'_>| heard.push(packet.sequence);
        self.transport
            .handle_datagram(self.now, datagram, &mut self.out, &mut take);
    }
}

fn receive_stream() -> ReceiveStream {
    ReceiveStream {
        kind: MediaKind::Video,
        ssrc: 11,
        rtx_ssrc: Some(12),
        payload_type: 96,
        clock_rate: 90_000,
        codec: Some(crate::Codec::Vp8),
        nack: true,
        pli: true,
        transport_cc: Some(3),
        abs_capture_time: None,
    }
}

#[test]
fn what_is_lost_on_the_way_here_is_asked_for() {
    let mut pair = Pair::new();
    pair.run(Duration::from_millis(300));
    assert_eq!(pair.transport.state(), TransportState::Connected);
    let key = pair.transport.add_stream(pair.now, receive_stream());
    for number in 0..100_u16 {
        let mut packet = pair.server.rtp(11, number, number, &[0x10, 0x10, 0]);
        if number % 10 != 5 {
            pair.deliver(&mut packet);
        }
        pair.run(Duration::from_millis(5));
    }
    let lost: BTreeSet<u16> = (0..100).filter(|number| number % 10 == 5).collect();
    assert_eq!(pair.server.nacked, lost);
    for (index, number) in lost.iter().enumerate() {
        let payload = [&number.to_be_bytes()[..], &[0x10, 0x10, 0]].concat();
        let mut packet = pair
            .server
            .rtp(12, index as u16, 100 + index as u16, &payload);
        pair.deliver(&mut packet);
    }
    pair.heard.sort_unstable();
    assert_eq!(pair.heard.len(), 100);
    assert!(pair.heard.windows(2).all(|two| two[1] == two[0] + 1));
    let (received, _) = pair.transport.stream_received(key).expect("still there");
    assert_eq!(
        (received.packets, received.missed, received.recovered),
        (100, 10, 10)
    );
    pair.run(Duration::from_secs(1));
    assert!(pair.server.feedback > 3 && pair.server.reports > 0);
}

#[test]
fn what_is_given_up_costs_a_key_frame_and_early_packets_cost_nothing() {
    let mut pair = Pair::new();
    pair.run(Duration::from_millis(300));
    for number in [0, 1, 5] {
        let mut packet = pair.server.rtp(11, number, number, &[0x10, 0x10, 0]);
        pair.deliver(&mut packet);
    }
    assert!(pair.heard.is_empty());
    pair.transport.add_stream(pair.now, receive_stream());
    let heard = &mut pair.heard;
    pair.transport.take_early(pair.now, &mut |_, packet| {
        heard.push(packet.sequence & 0xffff);
    });
    assert_eq!(pair.heard, [0, 1, 5]);
    pair.run(Duration::from_secs(3));
    assert_eq!(pair.transport.received().lost, 3);
    assert!(pair.server.key_frames_asked > 0);
}

#[test]
fn what_is_lost_on_the_way_there_is_sent_again() {
    let mut pair = Pair::new();
    pair.run(Duration::from_millis(300));
    let key = pair.transport.add_sender(SendStream {
        kind: MediaKind::Video,
        ssrc: 21,
        rtx: Some((22, 97)),
        payload_type: 96,
        clock_rate: 90_000,
        extensions: ExtensionIds {
            mid: Some(1),
            transport_cc: Some(3),
            abs_capture_time: None,
            ..ExtensionIds::default()
        },
        mid: "0".to_owned(),
        rid: None,
        first_sequence_number: 65_530,
        first_timestamp: 0,
    });
    for number in 0..20_u8 {
        let packet = Packet {
            time: Duration::from_millis(33) * number.into(),
            payload: [&[number], b"picture"],
            ..Packet::default()
        };
        assert!(pair.transport.send(pair.now, key, &packet, &mut pair.out));
        pair.run(Duration::from_millis(2));
    }
    assert_eq!(pair.server.received.len(), 20);
    let mut packet = pair.server.rtcp(|writer| {
        writer.nack(1, 21, [65_535, 3]).expect("room");
        writer.pli(1, 21).expect("room");
    });
    pair.deliver(&mut packet);
    pair.run(Duration::from_millis(2));
    let again: Vec<_> = pair.server.received[20..].iter().collect();
    assert_eq!(again[0].2, [&[0xff, 0xff, 5][..], b"picture"].concat());
    assert_eq!(again[1].2, [&[0, 3, 9][..], b"picture"].concat());
    assert!(again.iter().all(|(ssrc, ..)| *ssrc == 22));
    let events: Vec<_> = std::iter::from_fn(|| pair.transport.poll_event()).collect();
    assert!(
        events.contains(&TransportEvent::KeyFrameRequested(key)),
        "{events:?}"
    );
    let (sent, ..) = pair.transport.stream_sent(key).expect("still there");
    assert_eq!((sent.packets, sent.retransmitted, sent.nacks), (20, 2, 2));
}

#[test]
fn somebody_else_is_not_spoken_with() {
    let now = Instant::now();
    let other = Certificate::generate().expect("randomness").fingerprint();
    let mut pair = Pair::with(now, Server::new(now), other);
    pair.run(Duration::from_millis(300));
    assert_eq!(pair.transport.state(), TransportState::Closed);
    let events: Vec<_> = std::iter::from_fn(|| pair.transport.poll_event()).collect();
    assert!(
        events.contains(&TransportEvent::WrongCertificate),
        "{events:?}"
    );
}

#[test]
fn a_server_that_falls_silent_is_missed_and_found_again() {
    let mut pair = Pair::new();
    pair.run(Duration::from_millis(300));
    while pair.transport.poll_event().is_some() {}
    for _ in 0..400 {
        pair.now += Duration::from_millis(100);
        pair.transport.handle_timeout(pair.now, &mut pair.out);
        pair.out.clear();
    }
    assert_eq!(pair.transport.poll_event(), Some(TransportEvent::IceLost));
    pair.run(Duration::from_secs(2));
    let found = pair.transport.poll_event();
    assert!(
        matches!(found, Some(TransportEvent::IceConnected { .. })),
        "{found:?}"
    );
    assert_eq!(pair.transport.state(), TransportState::Connected);
}
