//! What is counted.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use plenum_codec::vp8;
use plenum_engine::measuring::{Gaps, Groups, Ring, Sequences};
use plenum_rtp::{
    HeaderFields, NtpTime, RtpHeader, RtpWriter, classify,
    rtcp::{ReportBlock, RtcpPacket, RtcpPackets, RtcpWriter, SenderInfo, TwccHead},
};
use plenum_srtp::{InboundStream, KeyingMaterial, Opener, Sealer, SrtpProfile};

use super::call::{Call, FRAME_TIME, PACKETS};

/// Something that is done again and again.
#[expect(clippy::exhaustive_structs, reason = "a row of the table below")]
pub struct Operation {
    /// Its name in the committed table.
    pub name: &'static str,
    /// How often it is done under callgrind.
    pub count: usize,
    /// Makes everything ready for so many times.
    pub prepare: fn(usize) -> Result<Prepared>,
}

/// Does an operation once; the argument counts from zero.
pub type Prepared = Box<dyn FnMut(usize)>;

/// Plain bytes of a packet.
const PACKET: usize = 1200;

/// Receivers of a forwarded frame.
const RECEIVERS: usize = 50;

/// Everything that is counted.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "rtp-parse",
        count: 2000,
        prepare: rtp_parse,
    },
    Operation {
        name: "rtcp-parse",
        count: 1000,
        prepare: rtcp_parse,
    },
    Operation {
        name: "vp8-descriptor",
        count: 2000,
        prepare: vp8_descriptor,
    },
    Operation {
        name: "srtp-seal-gcm",
        count: 300,
        prepare: |_| seal(SrtpProfile::AeadAes128Gcm),
    },
    Operation {
        name: "srtp-seal-cm",
        count: 300,
        prepare: |_| seal(SrtpProfile::AesCm128HmacSha1_80),
    },
    Operation {
        name: "srtp-open-gcm",
        count: 300,
        prepare: |count| open(SrtpProfile::AeadAes128Gcm, count),
    },
    Operation {
        name: "srtp-open-cm",
        count: 300,
        prepare: |count| open(SrtpProfile::AesCm128HmacSha1_80, count),
    },
    Operation {
        name: "sequence-map",
        count: 2000,
        prepare: |_| Ok(sequence_map()),
    },
    Operation {
        name: "packet-ring",
        count: 2000,
        prepare: |_| Ok(packet_ring()),
    },
    Operation {
        name: "group-plan",
        count: 500,
        prepare: |_| Ok(group_plan()),
    },
    Operation {
        name: "nack-generator",
        count: 500,
        prepare: |_| Ok(nack_generator()),
    },
    Operation {
        name: "stun-request",
        count: 300,
        prepare: stun_request,
    },
    Operation {
        name: "receive-frame",
        count: 200,
        prepare: |count| frames(0, count),
    },
    Operation {
        name: "forward-frame-to-50",
        count: 60,
        prepare: |count| frames(RECEIVERS, count),
    },
    Operation {
        name: "feedback-frame-to-50",
        count: 60,
        prepare: feedback,
    },
    Operation {
        name: "switching-frame-to-50",
        count: 60,
        prepare: switching,
    },
    Operation {
        name: "repair-4-packets",
        count: 200,
        prepare: repair,
    },
];

/// Header of a browser's video packet, its four extensions and where its payload lies.
fn rtp_parse(_: usize) -> Result<Prepared> {
    let mut packet = vec![0; PACKET];
    let fields = HeaderFields {
        marker: true,
        payload_type: 96,
        sequence_number: 4711,
        timestamp: 90_000,
        ssrc: 1000,
        padding: false,
    };
    let mut writer = RtpWriter::begin(&mut packet, fields)?;
    for (id, value) in [(1, &b"12"[..]), (2, &[1, 2, 3]), (3, &[4, 5]), (10, b"r0")] {
        writer.push_extension(id, value)?;
    }
    writer.finish();
    Ok(Box::new(move |_| {
        let packet = black_box(&packet[..]);
        black_box(classify(packet));
        if let Ok(header) = RtpHeader::parse(packet) {
            for (id, value) in header.extensions(packet) {
                black_box((id, value.len()));
            }
            let _ = black_box(header.payload(packet));
        }
    }))
}

/// A browser's report: SR, SDES, NACK and transport-wide feedback on twenty packets.
fn rtcp_parse(_: usize) -> Result<Prepared> {
    let mut buffer = vec![0; PACKET];
    let mut writer = RtcpWriter::new(&mut buffer);
    let info = SenderInfo {
        ssrc: 1,
        ntp: NtpTime::from_u64(1 << 40),
        rtp_timestamp: 2,
        packet_count: 3,
        octet_count: 4,
    };
    let block = ReportBlock {
        ssrc: 5,
        fraction_lost: 6,
        cumulative_lost: 7,
        highest_sequence_number: 8,
        jitter: 9,
        last_sr: 10,
        delay_since_last_sr: 11,
    };
    writer.sender_report(info, [block; 2])?;
    writer.sdes_cname(1, "a-name-of-sixteen")?;
    writer.nack(1, 5, [10, 12, 13, 40, 90])?;
    let head = TwccHead {
        sender_ssrc: 1,
        media_ssrc: 5,
        base_sequence_number: 100,
        feedback_count: 1,
    };
    let arrivals =
        (0..20).map(|index| (index % 5 != 3).then(|| Duration::from_millis(1000 + index * 3)));
    writer.transport_feedback(head, arrivals)?;
    let len = writer.written().len();
    buffer.truncate(len);
    Ok(Box::new(move |_| {
        for packet in RtcpPackets::new(black_box(&buffer)).flatten() {
            let count = match packet {
                RtcpPacket::SenderReport(report) => report.reports().count(),
                RtcpPacket::Nack(nack) => nack.lost().count(),
                RtcpPacket::TransportFeedback(feedback) => feedback.arrivals().count(),
                _ => 1,
            };
            black_box(count);
        }
    }))
}

/// Reading a VP8 payload descriptor and renumbering it.
#[expect(clippy::unnecessary_wraps, reason = "like its neighbours in the table")]
fn vp8_descriptor(_: usize) -> Result<Prepared> {
    let mut payload = vec![
        0x90, 0xe0, 0x80, 0x01, 7, 0x20, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01,
    ];
    Ok(Box::new(move |index| {
        if let Ok(descriptor) = vp8::Descriptor::parse(black_box(&payload)) {
            descriptor.rewrite(&mut payload, index as u16 & 0x7fff, index as u8);
        }
    }))
}

fn material(profile: SrtpProfile) -> Result<KeyingMaterial> {
    let (key, salt) = (vec![3; profile.key_len()], vec![4; profile.salt_len()]);
    Ok(KeyingMaterial::new(profile, &key, &salt)?)
}

fn plain_packet(index: usize, overhead: usize) -> Vec<u8> {
    let mut packet = vec![0x5a; PACKET + overhead];
    packet[..12].copy_from_slice(&[0x80, 96, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
    packet
}

fn seal(profile: SrtpProfile) -> Result<Prepared> {
    let mut sealer = Sealer::new(profile, &material(profile)?)?;
    let mut packet = plain_packet(0, profile.rtp_overhead());
    Ok(Box::new(move |index| {
        packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        let _ = black_box(sealer.seal_rtp(index as u64, black_box(&mut packet), 12, PACKET));
    }))
}

fn open(profile: SrtpProfile, count: usize) -> Result<Prepared> {
    let material = material(profile)?;
    let mut sealer = Sealer::new(profile, &material)?;
    let mut opener = Opener::new(profile, &material)?;
    let mut packets = Vec::with_capacity(count);
    for index in 0..count {
        let mut packet = plain_packet(index, profile.rtp_overhead());
        sealer.seal_rtp(index as u64, &mut packet, 12, PACKET)?;
        packets.push(packet);
    }
    let mut stream = InboundStream::new();
    Ok(Box::new(move |index| {
        let opened = opener.open_rtp(&mut stream, black_box(&mut packets[index]), 12);
        assert!(opened.is_ok(), "sealed above");
    }))
}

/// Six packets forwarded and looked up again, two left out, as with a temporal layer that is dropped.
fn sequence_map() -> Prepared {
    let mut map = Sequences::new(0);
    Box::new(move |index| {
        let first = index as u64 * 8;
        for sequence in first..first + 8 {
            if sequence % 4 == 3 {
                map.skip(sequence);
            } else {
                black_box(map.forward(sequence));
            }
        }
    })
}

fn packet_ring() -> Prepared {
    let mut ring = Ring::new();
    let payload = vec![0x5a; PACKET];
    let start = Instant::now();
    Box::new(move |index| {
        let now = start + Duration::from_millis(index as u64 * 4);
        black_box(ring.insert_and_get(now, index as u64, black_box(&payload), 20));
    })
}

/// Sixty-four packets: frames of equal packets with short ends, some a byte apart.
fn group_plan() -> Prepared {
    let sizes: Vec<u16> = (0..64)
        .map(|index| match index % 16 {
            7 => 300,
            15 => 80,
            8..15 => 1139 + index % 2,
            _ => 1200,
        })
        .collect();
    let mut groups = Groups::default();
    Box::new(move |_| {
        black_box(groups.plan(black_box(&sizes)));
    })
}

/// Thirty packets of which two are lost, asked for and sent again.
fn nack_generator() -> Prepared {
    let mut gaps = Gaps::default();
    let mut lost = Vec::with_capacity(64);
    let start = Instant::now();
    Box::new(move |index| {
        let now = start + FRAME_TIME * index as u32;
        let first = index as u64 * 30;
        for sequence in (first..first + 30).filter(|sequence| sequence % 15 != 7) {
            black_box(gaps.arrived(now, sequence, false));
        }
        lost.clear();
        black_box(gaps.poll(now + Duration::from_millis(10), &mut lost));
        for sequence in [first + 7, first + 22] {
            black_box(gaps.arrived(now + Duration::from_millis(20), sequence, true));
        }
    })
}

/// A connectivity check of a connected peer, answered.
fn stun_request(count: usize) -> Result<Prepared> {
    let mut call = Call::connect(0)?;
    let mut requests = (0..count)
        .map(|index| call.binding_request(index))
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        call.exchange(&mut [call.binding_request(count)?]).datagrams == 1,
        "the check was not answered"
    );
    Ok(Box::new(move |index| {
        black_box(call.exchange(&mut requests[index..=index]));
    }))
}

/// A frame received, decrypted, kept, and forwarded to so many receivers.
fn frames(receivers: usize, count: usize) -> Result<Prepared> {
    let mut call = Call::connect(receivers)?;
    let mut frames = (0..count)
        .map(|index| call.frame(index))
        .collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |index| {
        call.now += FRAME_TIME;
        let sent = call.exchange(&mut frames[index]);
        assert_eq!(
            sent.datagrams,
            receivers * PACKETS,
            "every receiver gets every packet"
        );
        assert_eq!(sent.messages, receivers, "in one message");
    }))
}

/// A frame forwarded to all receivers, of whom half report on the last two frames.
fn feedback(count: usize) -> Result<Prepared> {
    const FRAMES: usize = 2;
    let mut call = Call::connect(RECEIVERS)?;
    let first = call.first_transport_numbers()?;
    let mut exchanges = Vec::with_capacity(count);
    for index in 1..=count {
        let frame = call.frame(index)?;
        let mut reports = Vec::new();
        for (receiver, first) in first.iter().enumerate() {
            if (receiver + index).is_multiple_of(FRAMES) {
                let past = (index + 1).saturating_sub(FRAMES) * PACKETS;
                let first = first.wrapping_add(past as u16);
                reports.push(call.report(receiver, first, (FRAMES * PACKETS) as u8)?);
            }
        }
        exchanges.push((frame, reports));
    }
    Ok(Box::new(move |index| {
        call.pass(FRAME_TIME / 2);
        let (frame, reports) = &mut exchanges[index];
        let sent = call.exchange(frame);
        assert!(
            sent.datagrams >= RECEIVERS * PACKETS,
            "every receiver gets every packet"
        );
        call.pass(FRAME_TIME / 2);
        black_box(call.exchange(reports));
    }))
}

/// A frame of each of three streams, of which every receiver gets one, and another one every ten frames.
fn switching(count: usize) -> Result<Prepared> {
    const STREAMS: usize = 3;
    const EVERY: usize = 10;
    let mut call = Call::connect_streams(RECEIVERS, STREAMS)?;
    let mut frames = (0..count)
        .map(|index| call.frame(index))
        .collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |index| {
        call.pass(FRAME_TIME);
        for receiver in (index % EVERY..RECEIVERS).step_by(EVERY) {
            let stream = (receiver + index / EVERY) % STREAMS;
            assert!(call.prefer(receiver, stream as u8).is_ok(), "it exists");
        }
        let sent = call.exchange(&mut frames[index]);
        assert!(
            sent.datagrams >= RECEIVERS * PACKETS,
            "every receiver gets a frame"
        );
    }))
}

/// A frame forwarded to one receiver, which asks for four packets of it again and gets them.
fn repair(count: usize) -> Result<Prepared> {
    const BEHIND: [u16; 4] = [1, 3, 4, 7];
    let mut call = Call::connect(1)?;
    let first = call.first_number()?;
    let mut exchanges = Vec::with_capacity(count);
    for index in 1..=count {
        exchanges.push((call.frame(index)?, call.nack(first, index, &BEHIND)?));
    }
    Ok(Box::new(move |index| {
        call.now += FRAME_TIME;
        let (frame, nack) = &mut exchanges[index];
        assert_eq!(call.exchange(frame).datagrams, PACKETS);
        call.now += Duration::from_millis(1);
        assert_eq!(
            call.exchange(std::slice::from_mut(nack)).datagrams,
            BEHIND.len(),
            "the rest of what was lost"
        );
    }))
}
