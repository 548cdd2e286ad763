//! Sound through a trunk, alone and in step with a picture.

use plenum_params::media::{CodecKind, ReceiveCodec, SendCodec};
use plenum_rtp::{NtpTime, PacketKind, RtpHeader, classify};
use plenum_testkit::{
    media::{ExtensionIds, OpusSource, RtpSource, RtpSourceConfig},
    netem::Loss,
};

use super::*;

const SENT_SSRC: u32 = 1000;
const PICTURE_SSRC: u32 = 2000;
const RECEIVED_SSRC: u32 = 5000;
const RECEIVED_PICTURE_SSRC: u32 = 6000;

fn source(ssrc: u32) -> OpusSource {
    OpusSource::new(RtpSource::new(RtpSourceConfig {
        ssrc,
        payload_type: 111,
        clock_rate: 48_000,
        first_sequence_number: 65_500,
        first_timestamp: 12_345,
        extensions: ExtensionIds::default(),
    }))
}

/// When the media clock of a picture is told to be, by a sender's report.
fn ntp(elapsed: Duration) -> NtpTime {
    NtpTime::from_unix(Duration::from_hours(400_000) + elapsed)
}

#[test]
fn every_packet_of_a_lossy_trunk_arrives_as_it_was() {
    let mut scene = Scene::new();
    let pipe = scene.pipe(1, &opus(SENT_SSRC));
    scene
        .far
        .consume(0, 20, pipe.producer, opus_receiver(RECEIVED_SSRC));
    let mut source = source(SENT_SSRC);
    scene.near.peers[0].add_sender(SendStream::new(SENT_SSRC, None));
    let mut sent = Vec::new();
    for number in 0..400u32 {
        if number == 5 {
            scene.line.network.up.configure(NetemConfig {
                loss: Loss::Random(0.05),
                delay: 3 * MS,
                ..NetemConfig::default()
            });
        }
        let packet = source.speech(20 * MS * number, 80, 30);
        let header = RtpHeader::parse(&packet).expect("well-formed");
        sent.push(packet[header.header_len..].to_vec());
        scene.near.peers[0].send_rtp(&packet);
        scene.run(20 * MS);
    }
    let perfect = NetemConfig::default();
    scene.line.network.up.configure(perfect);
    scene.run(1000 * MS);
    let mut received: Vec<(u32, Vec<u8>)> = Vec::new();
    for packet in scene.far.received(0) {
        let header = RtpHeader::parse(&packet).expect("well-formed");
        assert_eq!(header.ssrc, RECEIVED_SSRC);
        received.push((header.timestamp, packet[header.header_len..].to_vec()));
    }
    received.sort();
    received.dedup();
    let lost = scene.line.network.up.counters().lost;
    assert!(lost > 5, "{lost}");
    // Who only misses the very last one has nothing to notice it by.
    assert!(received.len() + 1 >= sent.len(), "{}", received.len());
    for ((_, received), sent) in received.iter().zip(&sent) {
        assert!(received == sent);
    }
}

#[test]
fn sound_and_picture_stay_in_step() {
    let mut scene = Scene::new();
    let sound = scene.pipe(1, &opus(SENT_SSRC));
    let picture_pipe = scene.pipe(2, &vp8(vec![encoding(PICTURE_SSRC)]));
    scene.near.peers[0].add_sender(SendStream::new(SENT_SSRC, None));
    scene.near.peers[0].add_sender(SendStream::new(PICTURE_SSRC, Some((PICTURE_SSRC + 1, 97))));
    let receiver = ReceiveStream::new(RECEIVED_SSRC, None, 111);
    scene.far.peers[0].add_receiver(receiver);
    scene
        .far
        .consume(0, 20, sound.producer, opus_receiver(RECEIVED_SSRC));
    scene.watch(21, picture_pipe.producer, RECEIVED_PICTURE_SSRC);
    let slow = NetemConfig {
        delay: 30 * MS,
        ..NetemConfig::default()
    };
    scene.line.network = Network::new(slow, slow, 3);
    let mut source = source(SENT_SSRC);
    for number in 0..250u16 {
        let elapsed = 20 * MS * u32::from(number);
        let packet = source.speech(elapsed, 80, 30);
        scene.near.peers[0].send_rtp(&packet);
        scene.near.peers[0].send_rtp(&picture(PICTURE_SSRC, number));
        if number % 50 == 10 {
            let at = ntp(elapsed);
            let timestamp = source.rtp().timestamp(elapsed);
            scene.near.peers[0].send_sender_report(SENT_SSRC, at, timestamp);
            let timestamp = u32::from(number) * 1800;
            scene.near.peers[0].send_sender_report(PICTURE_SSRC, at, timestamp);
        }
        scene.run(20 * MS);
    }
    // When each stream's clock showed zero, by the reports that the viewer got.
    let began = |ssrc: u32, first_timestamp: u32, clock_rate: u32| {
        let stream = scene.far.peers[0].receiver(ssrc).expect("it is received");
        let (ntp, timestamp) = stream.sender_report.expect("it was reported");
        let passed = f64::from(timestamp.wrapping_sub(first_timestamp)) / f64::from(clock_rate);
        ntp.to_unix().as_secs_f64() - passed
    };
    let sound = began(
        RECEIVED_SSRC,
        source.rtp().timestamp(Duration::ZERO),
        48_000,
    );
    let picture = began(RECEIVED_PICTURE_SSRC, 0, 90_000);
    let expected = ntp(Duration::ZERO).to_unix().as_secs_f64();
    for began in [sound, picture] {
        assert!((began - expected).abs() < 0.002, "{began} {expected}");
    }
}

#[test]
fn redundant_sound_is_unpacked_for_each_receiver_behind_the_trunk() {
    let mut parameters = opus(SENT_SSRC);
    parameters.codecs.push(ReceiveCodec {
        codec: CodecKind::Red,
        mime_type: "audio/red".into(),
        payload_type: 63,
        mapped_payload_type: 112,
        ..parameters.codecs[0].clone()
    });
    let mut scene = Scene::new();
    let pipe = scene.pipe(1, &parameters);
    scene.near.peers[0].add_sender(SendStream::new(SENT_SSRC, None));
    let mut whole = opus_receiver(RECEIVED_SSRC);
    whole.codecs.push(SendCodec {
        codec: CodecKind::Red,
        mime_type: "audio/red".into(),
        payload_type: 112,
        ..whole.codecs[0].clone()
    });
    let unpacked = opus_receiver(RECEIVED_PICTURE_SSRC);
    scene.far.consume(0, 20, pipe.producer, whole);
    scene.far.consume(0, 21, pipe.producer, unpacked);
    // Nothing that is repeated, and one block that is new.
    let payload = [&[111][..], &[7; 50]].concat();
    for number in 0..10_u16 {
        let mut packet = vec![0x80, 63];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * 960).to_be_bytes());
        packet.extend(SENT_SSRC.to_be_bytes());
        packet.extend(&payload);
        scene.near.peers[0].send_rtp(&packet);
        scene.run(20 * MS);
    }
    let mut counts = [0; 2];
    for packet in scene.far.received(0) {
        let header = RtpHeader::parse(&packet).expect("well-formed");
        let body = &packet[header.payload(&packet).expect("well-formed")];
        if header.ssrc == RECEIVED_SSRC {
            assert_eq!((header.payload_type, body), (112, &payload[..]));
            counts[0] += 1;
        } else {
            assert_eq!((header.payload_type, body), (111, &payload[1..]));
            counts[1] += 1;
        }
    }
    assert_eq!(counts, [10, 10]);
}

#[test]
fn reports_of_many_streams_are_spread() {
    const SENDERS: usize = 10;
    const EACH: u32 = 32;
    let mut scene = Scene::new();
    for _ in 1..SENDERS {
        scene.near.add_connected_peer();
    }
    let now = scene.near.now.max(scene.far.now);
    (scene.near.now, scene.far.now) = (now, now);
    let mut pipes = Vec::new();
    let mut ssrcs = Vec::new();
    for sender in 0..SENDERS {
        for stream in 0..EACH {
            let ssrc = 10_000 + 100 * sender as u32 + stream;
            let parameters = opus(ssrc);
            let id = u128::from(ssrc);
            let producer = scene.near.produce(sender, id, parameters.clone());
            let (near, far) = (&mut scene.near, &mut scene.far);
            pipes.push(scene.line.pipe(near, far, producer, &parameters));
            scene.near.peers[sender].add_sender(SendStream::new(ssrc, None));
            ssrcs.push((sender, ssrc));
        }
    }
    let mut sources: Vec<OpusSource> = ssrcs.iter().map(|&(_, ssrc)| source(ssrc)).collect();
    let mut most = 0;
    for number in 0..130u32 {
        for (&(sender, ssrc), source) in ssrcs.iter().zip(&mut sources) {
            let peer = &mut scene.near.peers[sender];
            peer.send_rtp(&source.speech(20 * MS * number, 40, 30));
            if number == 5 {
                let elapsed = 20 * MS * number;
                let timestamp = source.rtp().timestamp(elapsed);
                peer.send_sender_report(ssrc, ntp(elapsed), timestamp);
            }
        }
        for _ in 0..20 {
            scene.line.carried = Some(Vec::new());
            scene.run(MS);
            let carried = scene.line.carried.take().unwrap_or_default();
            let reports = carried
                .iter()
                .filter(|datagram| classify(datagram) == PacketKind::Rtcp);
            assert!(reports.clone().all(|datagram| datagram.len() <= 1200));
            most = most.max(reports.count());
        }
    }
    assert!(most <= 2, "{most} at once");
    for pipe in &pipes {
        let stats = scene
            .near
            .engine
            .consumer_stats(scene.near.now, pipe.consumers[0]);
        let outbound = stats.expect("it is there").outbound;
        assert!(outbound.round_trip_time_ms.is_some(), "reported both ways");
    }
    let footprint = scene.far.engine.footprint();
    assert!(footprint.rtcp_senders <= 4, "{footprint:?}");
}
