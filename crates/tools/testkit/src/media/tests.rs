use std::time::{Duration, Instant};

use plenum_rtp::{
    RtpHeader,
    ext::{AbsSendTime, AudioLevel},
};

use super::*;
use crate::{
    clock::Clock,
    netem::{Loss, Netem, NetemConfig},
    trace::{Trace, TracePacket},
};

const MS: Duration = Duration::from_millis(1);

const FRAME_TIME: Duration = Duration::from_millis(33);

fn ids() -> ExtensionIds {
    ExtensionIds {
        mid: Some((1, "0".into())),
        rid: Some((2, "hi".into())),
        audio_level: Some(3),
        abs_send_time: Some(4),
        transport_cc: Some(5),
    }
}

fn video(format: VideoFormat) -> VideoSource {
    let config = RtpSourceConfig {
        ssrc: 0x1234,
        payload_type: 96,
        clock_rate: 90_000,
        first_sequence_number: 65_530,
        first_timestamp: u32::MAX - 1000,
        extensions: ids(),
    };
    VideoSource::new(RtpSource::new(config), format, 0x7ffe)
}

fn payload(packet: &[u8]) -> &[u8] {
    let header = RtpHeader::parse(packet).expect("well-formed");
    &packet[header.payload(packet).expect("well-formed")]
}

/// A key frame of three packets and a delta frame of two.
fn two_frames(format: VideoFormat) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut source = video(format);
    let key = source.frame(Duration::ZERO, true, 3000);
    let delta = source.frame(FRAME_TIME, false, 2000);
    (key, delta)
}

#[test]
fn packets_of_a_frame_have_one_timestamp_and_equal_sizes() {
    let (key, delta) = two_frames(VideoFormat::Vp8);
    let headers: Vec<RtpHeader> = key
        .iter()
        .chain(&delta)
        .map(|packet| RtpHeader::parse(packet).expect("well-formed"))
        .collect();
    let numbers: Vec<u16> = headers
        .iter()
        .map(|header| header.sequence_number)
        .collect();
    assert_eq!(numbers, [65_530, 65_531, 65_532, 65_533, 65_534]);
    let markers: Vec<bool> = headers.iter().map(|header| header.marker).collect();
    assert_eq!(markers, [false, false, true, false, true]);
    assert_eq!(headers[0].timestamp, headers[2].timestamp);
    assert_eq!(
        headers[3].timestamp.wrapping_sub(headers[0].timestamp),
        2970
    );
    assert!(
        key.iter()
            .all(|packet| packet.len().abs_diff(key[0].len()) <= 1)
    );
    assert!(key.iter().all(|packet| packet.len() < 1230));
}

#[test]
fn extensions_are_stamped_in_place() {
    let mut source = OpusSource::new(RtpSource::new(RtpSourceConfig {
        clock_rate: 48_000,
        extensions: ids(),
        ..RtpSourceConfig::default()
    }));
    let mut stamper = Stamper {
        next_transport_sequence: 0xffff,
    };
    let mut packet = source.speech(Duration::ZERO, 80, 30);
    assert_eq!(payload(&packet).len(), 80);
    let mut second = source.silence(20 * MS);
    stamper.stamp(&ids(), &mut packet, Duration::from_secs(3));
    stamper.stamp(&ids(), &mut second, Duration::from_secs(3));
    let values = |packet: &[u8]| {
        let header = RtpHeader::parse(packet).expect("well-formed");
        assert_eq!(header.marker, header.sequence_number == 0);
        header
            .extensions(packet)
            .map(|(id, value)| (id, value.to_vec()))
            .collect::<Vec<_>>()
    };
    let time = AbsSendTime::from_duration(Duration::from_secs(3))
        .to_bytes()
        .to_vec();
    let expected = |level: AudioLevel, transport: u16| {
        vec![
            (1, b"0".to_vec()),
            (2, b"hi".to_vec()),
            (3, level.to_bytes().to_vec()),
            (4, time.clone()),
            (5, transport.to_be_bytes().to_vec()),
        ]
    };
    assert_eq!(
        values(&packet),
        expected(
            AudioLevel {
                voice: true,
                level: 30
            },
            0xffff
        )
    );
    assert_eq!(
        values(&second),
        expected(
            AudioLevel {
                voice: false,
                level: 127
            },
            0
        )
    );
}

#[test]
fn vp9_descriptors_tell_key_frames_and_bounds() {
    let (key, delta) = two_frames(VideoFormat::Vp9);
    let flags = |packets: &[Vec<u8>]| {
        packets
            .iter()
            .map(|packet| payload(packet)[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(flags(&key), [0x8a, 0x80, 0x84]);
    assert_eq!(flags(&delta), [0xc8, 0xc4]);
    assert_eq!(payload(&key[0])[1..8], [0xff, 0xfe, 0x10, 5, 0, 2, 208]);
    assert_eq!(payload(&delta[0])[1..4], [0xff, 0xff, 0x86]);
}

#[test]
fn h264_key_frames_have_parameter_sets_and_fragments() {
    let (key, delta) = two_frames(VideoFormat::H264);
    let heads = |packets: &[Vec<u8>]| {
        packets
            .iter()
            .map(|packet| [payload(packet)[0], payload(packet)[1]])
            .collect::<Vec<_>>()
    };
    assert_eq!(
        heads(&key),
        [[0x78, 0], [0x7c, 0x85], [0x7c, 0x05], [0x7c, 0x45]]
    );
    assert_eq!(heads(&delta), [[0x5c, 0x81], [0x5c, 0x41]]);
    let small = video(VideoFormat::H264).frame(Duration::ZERO, false, 100);
    assert_eq!(payload(&small[0])[0], 0x41);
}

#[test]
fn av1_aggregation_headers_tell_new_sequences_and_fragments() {
    let (key, delta) = two_frames(VideoFormat::Av1);
    let heads = |packets: &[Vec<u8>]| {
        packets
            .iter()
            .map(|packet| payload(packet)[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(heads(&key), [0x68, 0xd0, 0x90]);
    assert_eq!(heads(&delta), [0x50, 0x90]);
    // The sequence header with its length, then the frame's OBU.
    assert_eq!(
        (
            payload(&key[0])[1],
            payload(&key[0])[2],
            payload(&key[0])[10]
        ),
        (8, 0x08, 0x30)
    );
}

#[test]
fn a_stream_over_a_perfect_network_has_every_frame() {
    let mut clock = Clock::new();
    let mut source = video(VideoFormat::Vp8);
    let mut assembler = FrameAssembler::new(100 * MS);
    for number in 0..100u32 {
        for packet in source.frame(
            clock.elapsed(),
            number % 50 == 0,
            200 + 97 * number as usize,
        ) {
            assembler.handle_packet(clock.now(), &packet);
        }
        let frame = assembler.poll_frame().expect("whole");
        assert_eq!(
            (frame.number, frame.is_key, frame.at),
            (number, number % 50 == 0, clock.now())
        );
        clock.advance(FRAME_TIME);
    }
    let stats = assembler.stats(clock.now());
    assert_eq!(
        (stats.frames, stats.key_frames, stats.stalls, stats.errors),
        (100, 2, 0, 0)
    );
    assert_eq!(stats.longest_gap, FRAME_TIME);
    clock.advance(200 * MS);
    assert_eq!(assembler.stats(clock.now()).stalled, 100 * MS + FRAME_TIME);
}

#[test]
fn a_lost_packet_stops_the_picture_until_it_or_a_key_frame_comes() {
    let now = Instant::now();
    let mut source = video(VideoFormat::Vp8);
    let mut frames: Vec<Vec<Vec<u8>>> = (0..5u32)
        .map(|number| source.frame(FRAME_TIME * number, number % 4 == 0, 3000))
        .collect();
    let mut assembler = FrameAssembler::new(Duration::MAX);
    let lost = frames[1].remove(1);
    let take = |frame: &[Vec<u8>], assembler: &mut FrameAssembler| {
        for packet in frame {
            assembler.handle_packet(now, packet);
        }
        std::iter::from_fn(|| assembler.poll_frame())
            .map(|frame| frame.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(take(&frames[0], &mut assembler), [0]);
    assert_eq!(take(&frames[1], &mut assembler), [0u32; 0]);
    assert_eq!(take(&frames[2], &mut assembler), [0u32; 0]);
    assert!(assembler.is_stuck());
    assert_eq!(take(std::slice::from_ref(&lost), &mut assembler), [1, 2]);
    assert_eq!(take(&[lost], &mut assembler), [0u32; 0]);
    assert!(!assembler.is_stuck());
    assert_eq!(take(&frames[3][1..], &mut assembler), [0u32; 0]);
    assert_eq!(take(&frames[4], &mut assembler), [4]);
    let stats = assembler.stats(now);
    assert_eq!(
        (stats.skipped_packets, stats.duplicates, stats.errors),
        (3, 1, 0)
    );
}

#[test]
fn faults_of_a_forwarder_are_noticed() {
    let now = Instant::now();
    let damage = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut source = video(VideoFormat::Vp8);
        let mut packets: Vec<Vec<u8>> = (0..3u32)
            .flat_map(|number| source.frame(FRAME_TIME * number, number == 0, 2000))
            .collect();
        change(&mut packets);
        let mut assembler = FrameAssembler::new(Duration::MAX);
        for packet in &packets {
            assembler.handle_packet(now, packet);
        }
        assembler.errors().to_vec()
    };
    // Two packets a frame. The header has 12 + 4 + 20 bytes.
    assert_eq!(damage(|_| {}), []);
    assert_eq!(
        damage(|packets| *packets[3].last_mut().expect("long") ^= 1),
        [FrameError::Body(BodyError::Content)]
    );
    let mixed = damage(|packets| packets[2][4] ^= 1);
    assert!(
        matches!(
            mixed[..],
            [FrameError::MixedFrame(_), FrameError::PictureId { .. }]
        ),
        "{mixed:?}"
    );
    assert!(matches!(
        damage(|packets| packets.push(vec![0x80; 5]))[..],
        [FrameError::Malformed]
    ));
    let gap = damage(|packets| {
        packets.drain(2..4);
        // Sequence numbers closed up over a frame that was left out.
        for (index, packet) in packets.iter_mut().enumerate() {
            packet[2..4].copy_from_slice(&(100 + index as u16).to_be_bytes());
        }
    });
    assert_eq!(
        gap,
        [FrameError::PictureId {
            expected: 0x7fff,
            found: 0
        }]
    );
}

#[test]
fn repair_over_a_bad_network_is_complete() {
    let config = NetemConfig {
        loss: Loss::Burst {
            to_bad: 0.02,
            to_good: 0.3,
            good: 0.0,
            bad: 0.7,
        },
        delay: 20 * MS,
        jitter: 15 * MS,
        reorder: 0.03,
        reorder_delay: 10 * MS,
        duplicate: 0.02,
        bottleneck: None,
    };
    let mut netem = Netem::new(config, 11);
    let mut clock = Clock::new();
    let mut source = video(VideoFormat::Vp8);
    let mut assembler = FrameAssembler::new(Duration::MAX);
    let mut packets = Vec::new();
    for number in 0..300 {
        for packet in source.frame(clock.elapsed(), number == 0, 5000) {
            netem.handle_packet(clock.now(), packet.clone(), ());
            packets.push(packet);
        }
        clock.advance(FRAME_TIME);
        while let Some(((), packet)) = netem.poll(clock.now()) {
            assembler.handle_packet(clock.now(), &packet);
        }
    }
    assert!(assembler.is_stuck());
    assert!(assembler.stats(clock.now()).frames < 300);
    // Everything once more, as if all of it had been asked for.
    for packet in &packets {
        assembler.handle_packet(clock.now(), packet);
    }
    let stats = assembler.stats(clock.now());
    assert_eq!(
        (stats.frames, stats.errors, assembler.is_stuck()),
        (300, 0, false)
    );
    assert!(stats.longest_gap > FRAME_TIME);
}

#[test]
fn a_trace_is_played_with_its_sizes() {
    let trace = Trace::vp8_350k();
    let mut source = video(VideoFormat::Vp8);
    let mut assembler = FrameAssembler::new(Duration::MAX);
    let start = Instant::now();
    for (index, frame) in trace.frames().enumerate() {
        let packets = source.traced_frame(frame[0].at, index == 0, frame);
        let lens: Vec<usize> = packets.iter().map(Vec::len).collect();
        let recorded: Vec<usize> = frame.iter().map(TracePacket::rtp_len).collect();
        assert_eq!(lens, recorded, "frame {index}");
        for packet in &packets {
            assembler.handle_packet(start + frame[0].at, packet);
        }
    }
    let stats = assembler.stats(start + trace.duration());
    assert_eq!(
        (stats.frames, stats.errors),
        (trace.frames().count() as u64, 0)
    );
}
