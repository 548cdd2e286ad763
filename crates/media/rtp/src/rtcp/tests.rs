//! Compound packets written and read.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ntp::NtpTime;

pub(super) fn write(
    compose: impl FnOnce(&mut RtcpWriter<'_>) -> Result<(), RtcpWriteError>,
) -> Vec<u8> {
    let mut buf = vec![0xaa; 4096];
    let mut writer = RtcpWriter::new(&mut buf);
    compose(&mut writer).expect("room for the packet");
    let written = writer.written().to_vec();
    assert_eq!(written.len() % 4, 0);
    written
}

fn only(compound: &[u8]) -> RtcpPacket<'_> {
    let mut packets = RtcpPackets::new(compound);
    let packet = packets.next().expect("a packet").expect("a valid one");
    assert!(packets.next().is_none());
    packet
}

/// The packet of a variant, or a failed test.
macro_rules! read {
    ($compound:expr, $variant:ident) => {
        match only($compound) {
            RtcpPacket::$variant(packet) => packet,
            other => panic!("read as {other:?}"),
        }
    };
}

pub(super) fn any_block() -> impl Strategy<Value = ReportBlock> {
    let numbers = any::<(u32, u8, u32, u32, u32, u32)>();
    (numbers, -0x0080_0000..0x0080_0000i32).prop_map(|(numbers, cumulative_lost)| ReportBlock {
        ssrc: numbers.0,
        fraction_lost: numbers.1,
        cumulative_lost,
        highest_sequence_number: numbers.2,
        jitter: numbers.3,
        last_sr: numbers.4,
        delay_since_last_sr: numbers.5,
    })
}

pub(super) fn any_info() -> impl Strategy<Value = SenderInfo> {
    any::<(u32, u64, u32, u32, u32)>().prop_map(|numbers| SenderInfo {
        ssrc: numbers.0,
        ntp: NtpTime::from_u64(numbers.1),
        rtp_timestamp: numbers.2,
        packet_count: numbers.3,
        octet_count: numbers.4,
    })
}

/// Arrivals in ticks of 250 µs: runs of lost, evenly spaced, disordered and distant packets.
pub(super) fn any_arrivals() -> impl Strategy<Value = Vec<Option<i64>>> {
    let step = prop_oneof![
        5 => Just(vec![None; 1]),
        1 => (1usize..40).prop_map(|count| vec![None; count]),
        10 => (0i64..256).prop_map(|delta| vec![Some(delta)]),
        2 => (1usize..40).prop_map(|count| vec![Some(4); count]),
        3 => (-300i64..3000).prop_map(|delta| vec![Some(delta)]),
    ];
    (100_000i64..1 << 40, prop::collection::vec(step, 0..60)).prop_map(|(start, steps)| {
        let mut now = start;
        let mut arrivals = vec![Some(start)];
        for delta in steps.into_iter().flatten() {
            now += delta.unwrap_or(0);
            arrivals.push(delta.map(|_| now));
        }
        arrivals
    })
}

pub(super) fn instants(ticks: &[Option<i64>]) -> impl Iterator<Item = Option<Duration>> + Clone {
    ticks
        .iter()
        .map(|arrival| arrival.map(|ticks| Duration::from_micros(ticks.cast_unsigned() * 250)))
}

const HEAD: TwccHead = TwccHead {
    sender_ssrc: 1,
    media_ssrc: 2,
    base_sequence_number: 0xfff0,
    feedback_count: 3,
};

fn feedback_on(ticks: &[Option<i64>]) -> Vec<u8> {
    write(|writer| {
        let count = writer.transport_feedback(HEAD, instants(ticks))?;
        assert_eq!(usize::from(count), ticks.len());
        Ok(())
    })
}

#[test]
fn compound_packets_are_walked_in_order() {
    let compound = write(|writer| {
        assert!(writer.is_empty());
        writer.receiver_report(7, [])?;
        writer.sdes_cname(7, "name")?;
        writer.pli(7, 9)?;
        writer.bye([7, 8], Some("gone"))
    });
    let packets: Vec<_> = RtcpPackets::new(&compound)
        .map(|packet| packet.expect("valid"))
        .collect();
    let [
        RtcpPacket::ReceiverReport(report),
        RtcpPacket::Sdes(sdes),
        RtcpPacket::Pli(pli),
        RtcpPacket::Bye(bye),
    ] = &packets[..]
    else {
        panic!("read as {packets:?}")
    };
    assert_eq!((report.ssrc, report.reports().count()), (7, 0));
    assert_eq!(sdes.cnames().collect::<Vec<_>>(), [(7, &b"name"[..])]);
    assert_eq!(
        *pli,
        Pli {
            sender_ssrc: 7,
            media_ssrc: 9
        }
    );
    assert_eq!(
        (bye.ssrcs().collect(), bye.reason),
        (vec![7, 8], Some(&b"gone"[..]))
    );
}

#[test]
fn broken_framing_ends_the_walk_and_broken_content_does_not() {
    let mut compound = write(|writer| {
        writer.pli(1, 2)?;
        writer.pli(3, 4)
    });
    // One report block is announced where there is none.
    compound[..2].copy_from_slice(&[0x81, 201]);
    let results: Vec<_> = RtcpPackets::new(&compound).collect();
    assert!(matches!(
        results[0],
        Err(RtcpError::Malformed { packet_type: 201 })
    ));
    assert!(matches!(results[1], Ok(RtcpPacket::Pli(_))));
    assert_eq!(results.len(), 2);

    for (at, value, error) in [(0, 0x01, RtcpError::Version), (3, 200, RtcpError::TooShort)] {
        let mut broken = compound.clone();
        broken[at] = value;
        let results: Vec<_> = RtcpPackets::new(&broken).map(Result::err).collect();
        assert_eq!(results, [Some(error)]);
    }
}

#[test]
fn padding_is_removed() {
    let padded = [0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
    assert_eq!(
        read!(&padded, Pli),
        Pli {
            sender_ssrc: 1,
            media_ssrc: 2
        }
    );
    for padding in [0, 13] {
        let mut broken = padded;
        broken[15] = padding;
        assert_eq!(
            RtcpPackets::new(&broken).next().map(Result::err),
            Some(Some(RtcpError::Padding))
        );
    }
}

#[test]
fn sdes_lists_end_in_zeros() {
    let missing = [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, b'a', b'b'];
    assert_eq!(read!(&missing, Sdes).cnames().next(), Some((1, &b"ab"[..])));
    let cut_off = [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, b'a', b'b'];
    assert!(RtcpPackets::new(&cut_off).all(|packet| packet.is_err()));
    let two = [
        0x82, 202, 0, 6, 0, 0, 0, 1, 1, 1, b'a', 0, 0, 0, 0, 2, 6, 1, b'x', 1, 1, b'b', 0, 0, 0, 0,
        0, 0,
    ];
    let names: Vec<_> = read!(&two, Sdes).cnames().collect();
    assert_eq!(names, [(1, &b"a"[..]), (2, &b"b"[..])]);
}

#[test]
fn lost_packets_are_packed_over_the_wrap() {
    let lost = [0xfffe, 0xffff, 0, 14, 15, 40];
    let compound = write(|writer| writer.nack(1, 2, lost));
    assert_eq!(compound.len(), 4 + 8 + 3 * 4);
    assert_eq!(compound[12..16], [0xff, 0xfe, 0x80, 0x03]);
    assert_eq!(read!(&compound, Nack).lost().collect::<Vec<_>>(), lost);
    assert!(write(|writer| writer.nack(1, 2, [])).is_empty());
}

#[test]
fn remb_rounds_down_to_18_bits() {
    for (bitrate, expected) in [
        (0, 0),
        (262_143, 262_143),
        (262_145, 262_144),
        (5_000_001, 5_000_000),
    ] {
        let compound = write(|writer| writer.remb(1, bitrate, &[5, 6]));
        let remb = read!(&compound, Remb);
        assert_eq!((remb.sender_ssrc, remb.bitrate), (1, expected));
        assert_eq!(remb.ssrcs().collect::<Vec<_>>(), [5, 6]);
    }
    let mut compound = write(|writer| writer.remb(1, u64::MAX, &[]));
    assert_eq!(read!(&compound, Remb).bitrate, 0x3_ffff << 46);
    compound[17] = 0xff;
    assert_eq!(read!(&compound, Remb).bitrate, u64::MAX);
}

#[test]
fn other_application_feedback_is_unknown() {
    let compound = [
        0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, b'A', b'B', b'C', b'D',
    ];
    let unknown = read!(&compound, Unknown);
    assert_eq!(
        (unknown.packet_type, unknown.count, unknown.body),
        (206, 15, &compound[4..])
    );
}

#[test]
fn full_intra_requests_name_their_streams() {
    let entries = [
        FirEntry {
            ssrc: 5,
            sequence_number: 9,
        },
        FirEntry {
            ssrc: 6,
            sequence_number: 255,
        },
    ];
    let compound = write(|writer| writer.fir(1, entries));
    assert_eq!(read!(&compound, Fir).entries().collect::<Vec<_>>(), entries);
}

#[test]
fn extended_reports_carry_clocks() {
    let answers = [
        DlrrBlock {
            ssrc: 5,
            last_rr: 6,
            delay_since_last_rr: 7,
        },
        DlrrBlock::default(),
    ];
    let compound = write(|writer| writer.receiver_reference_time(1, NtpTime::from_u64(77)));
    let report = read!(&compound, ExtendedReport);
    let blocks: Vec<_> = report.blocks().collect();
    assert!(matches!(blocks[..], [XrBlock::ReceiverReferenceTime(time)] if time.as_u64() == 77));
    let compound = write(|writer| writer.dlrr(1, &answers));
    let report = read!(&compound, ExtendedReport);
    let Some(XrBlock::Dlrr(blocks)) = report.blocks().next() else {
        panic!("read as {report:?}")
    };
    assert_eq!(blocks.collect::<Vec<_>>(), answers);
    let mut broken = compound;
    broken[11] = 9;
    assert!(RtcpPackets::new(&broken).all(|packet| packet.is_err()));
}

#[test]
fn what_does_not_fit_leaves_no_trace() {
    let mut buf = [0; 20];
    let mut writer = RtcpWriter::new(&mut buf);
    writer.pli(1, 2).expect("room");
    assert_eq!(writer.sdes_cname(1, "x"), Err(RtcpWriteError::NoSpace));
    assert_eq!(
        writer.receiver_report(1, [ReportBlock::default()]),
        Err(RtcpWriteError::NoSpace)
    );
    let feedback = writer.transport_feedback(HEAD, [Some(Duration::ZERO)]);
    assert_eq!(feedback, Err(RtcpWriteError::NoSpace));
    assert_eq!((writer.len(), writer.remaining()), (12, 8));
    writer.receiver_report(1, []).expect("room");
    assert_eq!(RtcpPackets::new(writer.written()).flatten().count(), 2);
}

#[test]
fn counts_and_texts_have_bounds() {
    let mut buf = [0; 2000];
    let mut writer = RtcpWriter::new(&mut buf);
    let blocks = [ReportBlock::default(); MAX_COUNT + 1];
    assert_eq!(
        writer.receiver_report(1, blocks),
        Err(RtcpWriteError::TooManyEntries)
    );
    assert_eq!(writer.bye(0..32, None), Err(RtcpWriteError::TooManyEntries));
    assert_eq!(
        writer.sdes_cname(1, &"x".repeat(256)),
        Err(RtcpWriteError::TextTooLong)
    );
    assert_eq!(
        writer.remb(1, 1, &[0; 256]),
        Err(RtcpWriteError::TooManyEntries)
    );
    assert!(writer.is_empty());
    writer
        .receiver_report(1, blocks.into_iter().take(MAX_COUNT))
        .expect("as many as fit");
}

/// Each form of chunk, byte by byte.
#[test]
fn transport_feedback_has_the_drafts_layout() {
    // Reference time 2 is tick 512; small deltas 1 and 2, two lost, large delta −3.
    let compound = feedback_on(&[Some(513), Some(515), None, None, Some(512)]);
    let expected = [
        0x8f,
        205,
        0,
        6,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        2, // header, SSRCs
        0xff,
        0xf0,
        0,
        5,
        0,
        0,
        2,
        3, // base, count, reference time, feedback count
        0b1101_0100,
        0b0010_0000, // two-bit vector 1 1 0 0 2
        1,
        2,
        0xff,
        0xfd,
        0,
        0, // deltas, padding
    ];
    assert_eq!(compound, expected);
    // A run of 20 lost packets after one: a one-bit vector would hold 14.
    let mut ticks = vec![Some(256); 30];
    ticks.extend([None; 3]);
    let compound = feedback_on(&ticks);
    assert_eq!(compound[20..24], [0x20, 30, 0x00, 3]);
    let compound = feedback_on(&[
        Some(256),
        None,
        Some(256),
        None,
        None,
        None,
        None,
        None,
        Some(256),
    ]);
    assert_eq!(compound[20..22], [0b1010_1000, 0b0010_0000]);
}

#[test]
fn feedback_stops_where_a_delta_does_not_fit() {
    let mut buf = [0; 200];
    let mut writer = RtcpWriter::new(&mut buf);
    let ticks = [Some(0), None, Some(32_767), Some(65_536), Some(65_537)];
    assert_eq!(writer.transport_feedback(HEAD, instants(&ticks)), Ok(3));
    assert_eq!(
        writer.transport_feedback(HEAD, instants(&ticks[3..])),
        Ok(2)
    );
    let nothing = writer.transport_feedback(HEAD, [None, None]);
    assert_eq!(nothing, Err(RtcpWriteError::NothingReceived));
}

#[test]
fn feedback_fills_the_space_it_has() {
    for space in 28..300 {
        let mut buf = vec![0; space];
        let mut writer = RtcpWriter::new(&mut buf);
        // Alternating large deltas and losses are the costliest pattern.
        let ticks: Vec<_> = (0..200)
            .map(|index| (index % 2 == 0).then_some(index * 300))
            .collect();
        let count = writer
            .transport_feedback(HEAD, instants(&ticks))
            .expect("at least one");
        assert_eq!(
            read!(writer.written(), TransportFeedback).status_count,
            count
        );
    }
}

#[test]
fn reserved_symbols_are_malformed() {
    let mut compound = feedback_on(&[Some(0), Some(1)]);
    compound[20] = 0x60;
    assert!(RtcpPackets::new(&compound).all(|packet| packet.is_err()));
}

proptest! {
    #[test]
    fn reports_are_read_back(info in any_info(), blocks in prop::collection::vec(any_block(), 0..32)) {
        let compound = write(|writer| writer.sender_report(info, blocks.iter().copied()));
        let report = read!(&compound, SenderReport);
        let read = SenderInfo {
            ssrc: report.ssrc,
            ntp: report.ntp,
            rtp_timestamp: report.rtp_timestamp,
            packet_count: report.packet_count,
            octet_count: report.octet_count,
        };
        prop_assert_eq!(read, info);
        prop_assert!(report.reports().eq(blocks.iter().copied()));
        let compound = write(|writer| writer.receiver_report(info.ssrc, blocks.iter().copied()));
        prop_assert!(read!(&compound, ReceiverReport).reports().eq(blocks));
    }

    #[test]
    fn lost_packets_are_read_back(lost in prop::collection::btree_set(any::<u16>(), 1..300)) {
        let compound = write(|writer| writer.nack(1, 2, lost.iter().copied()));
        prop_assert!(read!(&compound, Nack).lost().eq(lost));
    }

    #[test]
    fn bitrates_lose_at_most_one_part_in_131072(bitrate: u64) {
        let compound = write(|writer| writer.remb(1, bitrate, &[]));
        let read = read!(&compound, Remb).bitrate;
        prop_assert!(read <= bitrate && bitrate - read <= bitrate >> 17);
    }

    #[test]
    fn arrivals_are_read_back(ticks in any_arrivals()) {
        let compound = feedback_on(&ticks);
        let feedback = read!(&compound, TransportFeedback);
        prop_assert_eq!(feedback.head, HEAD);
        // The reference time wraps after 2^24 · 64 ms.
        let cycle = (1i64 << 24) * 256;
        let first = ticks[0].expect("begins with an arrival");
        let origin = first - first % cycle;
        let expected = ticks.iter().enumerate().map(|(index, arrival)| {
            let sequence_number = HEAD.base_sequence_number.wrapping_add(index as u16);
            (sequence_number, arrival.map(|ticks| (ticks - origin) * 250))
        });
        prop_assert!(feedback.arrivals().eq(expected));
    }

    #[test]
    fn any_bytes_are_survived(data in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::fuzz_rtcp(&data);
    }

    #[test]
    fn any_body_of_any_type_is_survived(kind in 200u8..208, count in 0u8..32, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let words = body.len() / 4;
        let mut data = vec![0x80 | count, kind, 0, words as u8];
        data.extend(&body[..words * 4]);
        crate::fuzzing::fuzz_rtcp(&data);
        if kind == 206 && words > 2 {
            data[0] = 0x8f;
            data[12..16].copy_from_slice(b"REMB");
            crate::fuzzing::fuzz_rtcp(&data);
        }
        data[0] = if kind == 205 { 0x8f } else { data[0] | 0x20 };
        crate::fuzzing::fuzz_rtcp(&data);
    }
}
