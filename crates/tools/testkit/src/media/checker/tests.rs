//! Streams of every codec and mode as they were sent, with layers left out rightly, and with every fault.

use std::time::{Duration, Instant};

use plenum_codec::{dependency_descriptor, vp8};
use plenum_rtp::RtpHeader;

use super::*;
use crate::media::{ExtensionIds, RtpSource, RtpSourceConfig, SvcConfig, SvcMode, SvcSource};

mod faults;
mod layers_left_out;

const DESCRIPTOR: u8 = 12;

const STALL: Duration = Duration::from_millis(200);

/// Every codec with the modes that it can have.
fn streams() -> Vec<(VideoFormat, SvcMode)> {
    let modes = |format, names: &[&str]| {
        let modes = names.iter().map(|name| name.parse().expect("a mode"));
        modes.map(|mode| (format, mode)).collect::<Vec<_>>()
    };
    let temporal = ["L1T1", "L1T2", "L1T3"];
    let spatial = ["L2T1", "L2T2", "L2T3", "L3T1", "L3T2", "L3T3"];
    let key = ["L2T1_KEY", "L2T3_KEY", "L3T1_KEY", "L3T2_KEY", "L3T3_KEY"];
    let svc = [&temporal[..], &spatial, &key].concat();
    [
        modes(VideoFormat::Vp8, &temporal),
        modes(VideoFormat::H264, &temporal),
        modes(VideoFormat::Vp9, &svc),
        modes(VideoFormat::Av1, &[&svc[..], &["S2T1", "S3T3"]].concat()),
    ]
    .concat()
}

fn config(format: VideoFormat, mode: SvcMode, number: u16) -> SvcConfig {
    SvcConfig {
        format,
        mode,
        source: number,
        bitrates: vec![150_000, 500_000, 1_500_000],
        first_number: 0x7fe0,
        dependency_descriptor: (format == VideoFormat::Av1).then_some(DESCRIPTOR),
        long_pattern: format == VideoFormat::Vp8,
        flexible: false,
        seed: 1,
    }
}

fn source_of(config: SvcConfig) -> SvcSource {
    let rtp = RtpSourceConfig {
        ssrc: 0x1234,
        payload_type: 96,
        clock_rate: 90_000,
        first_sequence_number: 65_500,
        first_timestamp: u32::MAX - 100_000,
        extensions: ExtensionIds::default(),
    };
    SvcSource::new(RtpSource::new(rtp), config)
}

fn source(format: VideoFormat, mode: SvcMode, number: u16) -> SvcSource {
    source_of(config(format, mode, number))
}

fn mode(name: &str) -> SvcMode {
    name.parse().expect("a mode")
}

fn checker(format: VideoFormat) -> PictureChecker {
    let id = (format == VideoFormat::Av1).then_some(DESCRIPTOR);
    PictureChecker::new(format, id, STALL)
}

/// Pictures of a stream, each as its packets, with a key picture every 40.
fn pictures(mut source: SvcSource, count: u32) -> Vec<Vec<Vec<u8>>> {
    (0..count)
        .map(|number| source.picture(SvcSource::PICTURE_TIME * number, number % 40 == 0))
        .collect()
}

/// What a receiver of these pictures finds, when they come in time.
fn check(checker: &mut PictureChecker, pictures: &[Vec<Vec<u8>>]) -> Vec<Violation> {
    let start = Instant::now();
    for (number, packets) in (0u32..).zip(pictures) {
        let now = start + SvcSource::PICTURE_TIME * number;
        for packet in packets {
            checker.handle_packet(now, packet);
        }
    }
    checker.violations().to_vec()
}

/// Closes the gaps in sequence numbers.
fn renumber(pictures: &mut [Vec<Vec<u8>>]) {
    for (number, packet) in (0u16..).zip(pictures.iter_mut().flatten()) {
        packet[2..4].copy_from_slice(&number.to_be_bytes());
    }
}

/// What a packet tells of its frame's layer.
fn layer(
    format: VideoFormat,
    packet: &[u8],
    structure: &mut Option<TemplateStructure>,
) -> (u8, u8) {
    let id = (format == VideoFormat::Av1).then_some(DESCRIPTOR);
    let packet = Packet::parse(packet, format, id, structure);
    let packet = packet.expect("well-formed").expect("not empty");
    (packet.spatial.unwrap_or(0), packet.temporal.unwrap_or(0))
}

#[test]
fn streams_as_they_were_sent_are_accepted() {
    for (format, mode) in streams() {
        let variants = match format {
            VideoFormat::Vp9 => 0..4,
            VideoFormat::Av1 | VideoFormat::Vp8 => 0..2,
            _ => 0..1,
        };
        for variant in variants {
            let config = SvcConfig {
                long_pattern: variant & 1 == 1,
                flexible: variant & 2 == 2,
                ..config(format, mode, 3)
            };
            let source = source_of(config);
            let mut checker = checker(format);
            let violations = check(&mut checker, &pictures(source, 100));
            assert_eq!(violations, [], "{format:?} {mode:?}");
            assert_eq!((checker.picture_count(), checker.is_stuck()), (100, false));
            assert!(checker.stalls().is_empty());
            let seen: Vec<Picture> = std::iter::from_fn(|| checker.poll_picture()).collect();
            assert!(
                seen.iter()
                    .all(|picture| picture.spatial + 1 == mode.spatial)
            );
            let highest = seen.iter().map(|picture| picture.temporal).max();
            assert_eq!(highest, Some(mode.temporal - 1));
            let keys: Vec<u32> = seen
                .iter()
                .filter(|one| one.is_key)
                .map(|one| one.number)
                .collect();
            assert_eq!(keys, [0, 40, 80], "{format:?} {mode:?}");
        }
    }
}

#[test]
fn spatial_layers_come_and_go_at_the_sender() {
    for (format, mode) in streams().into_iter().filter(|(_, mode)| mode.spatial > 1) {
        let mut source = source(format, mode, 3);
        let mut pictures = Vec::new();
        for number in 0..90u32 {
            if number % 15 == 7 {
                source.set_spatial_layers([1, 3, 2][number as usize / 15 % 3]);
            }
            pictures.push(source.picture(SvcSource::PICTURE_TIME * number, false));
        }
        let mut checker = checker(format);
        assert_eq!(check(&mut checker, &pictures), [], "{format:?} {mode:?}");
        let seen = std::iter::from_fn(|| checker.poll_picture());
        let lowest = seen.map(|picture| picture.spatial).min();
        assert_eq!((checker.picture_count(), lowest), (90, Some(0)));
    }
}

#[test]
fn sizes_follow_the_bitrate() {
    for (format, mode) in streams() {
        let pictures = pictures(source(format, mode, 3), 300);
        let payload = |packet: &Vec<u8>| {
            let header = RtpHeader::parse(packet).expect("well-formed");
            header.payload(packet).expect("well-formed").len()
        };
        let bytes: usize = pictures.iter().flatten().map(payload).sum();
        let asked = [150_000, 500_000, 1_500_000][..usize::from(mode.spatial)].iter();
        let asked = asked.sum::<usize>() * 10 / 8;
        let ratio = bytes * 100 / asked;
        assert!((95..130).contains(&ratio), "{format:?} {mode:?}: {ratio} %");
        assert!(pictures.iter().flatten().all(|packet| packet.len() < 1330));
    }
}
