//! One peer sends, another receives: the whole path without a network.

use std::time::Duration;

use plenum_dtls::SrtpProfileId;
use plenum_params::{
    event::Event,
    transport::{DtlsState, IceState},
};
use plenum_rtp::RtpHeader;
use plenum_srtp::SrtpProfile;
use plenum_testkit::peer::{ReceiveStream, SendStream};

use crate::world::{Vp8Packet, World, encoding, simulcast, transport, vp8, vp8_receiver};

/// Two peers, one stream, one consumer of it.
fn call(world: &mut World) {
    let sender = world.add_connected_peer();
    let receiver = world.add_connected_peer();
    let producer = world.produce(sender, 10, vp8(vec![encoding(1000)]));
    world.consume(receiver, 20, producer, vp8_receiver(5000));
    world.peers[sender].add_sender(SendStream::new(1000, Some((1001, 97))));
    world.peers[receiver].add_receiver(ReceiveStream::new(5000, Some(5001), 101));
}

fn packet(sequence_number: u16) -> Vp8Packet {
    let frame = sequence_number / 8;
    Vp8Packet {
        ssrc: 1000,
        sequence_number,
        timestamp: u32::from(frame) * 3000,
        picture_id: frame,
        key_frame: frame == 0,
        first: sequence_number.is_multiple_of(8),
        marker: sequence_number % 8 == 7,
        len: 1000,
        rid: None,
        transport_sequence: Some(sequence_number),
    }
}

#[test]
fn a_call_connects_and_reports_its_states() {
    let mut world = World::new();
    world.add_connected_peer();
    let states: Vec<_> = world
        .events
        .iter()
        .map(|event| match event {
            Event::IceState { state, tuple, .. } => {
                assert!(tuple.is_some());
                format!("{state:?}")
            }
            Event::DtlsState { state, .. } => format!("{state:?}"),
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(states.first().map(String::as_str), Some("Connecting"));
    assert!(states.contains(&format!("{:?}", IceState::Completed)));
    assert_eq!(states.last(), Some(&format!("{:?}", DtlsState::Connected)));
    let stats = world
        .engine
        .transport_stats(world.now, transport(0))
        .expect("exists");
    assert_eq!(stats.srtp_profile.as_deref(), Some("AEAD_AES_256_GCM"));
}

#[test]
fn frames_arrive_as_they_were_sent_with_every_srtp_profile() {
    for (id, profile) in [
        (SrtpProfileId::AeadAes256Gcm, SrtpProfile::AeadAes256Gcm),
        (SrtpProfileId::AeadAes128Gcm, SrtpProfile::AeadAes128Gcm),
        (
            SrtpProfileId::Aes128CmSha1_80,
            SrtpProfile::AesCm128HmacSha1_80,
        ),
    ] {
        let mut world = World::with_profiles(vec![id]);
        call(&mut world);
        assert_eq!(world.peers[1].profile(), Some(profile));
        for frame in 0..10 {
            for index in 0..8 {
                world.peers[0].send_rtp(&packet(frame * 8 + index).write());
            }
            world.run(Duration::from_millis(33));
        }
        let received = world.received(1);
        assert_eq!(received.len(), 80, "{profile:?}");
        let mut last: Option<RtpHeader> = None;
        for (index, bytes) in received.iter().enumerate() {
            let header = RtpHeader::parse(bytes).expect("sent by us");
            assert_eq!((header.ssrc, header.payload_type), (5000, 101));
            assert_eq!(header.marker, index % 8 == 7);
            let payload = &bytes[header.payload(bytes).expect("well-formed")];
            let original = packet(index as u16).write();
            let sent = RtpHeader::parse(&original).expect("well-formed");
            assert_eq!(payload, &original[sent.header_len..]);
            if let Some(last) = last {
                assert_eq!(header.sequence_number, last.sequence_number.wrapping_add(1));
            }
            last = Some(header);
        }
        assert_eq!(world.peers[1].failures, 0);
    }
}

#[test]
fn a_frame_leaves_as_one_segmented_message() {
    let mut world = World::new();
    call(&mut world);
    for frame in 0..5 {
        world.groups.clear();
        for index in 0..8 {
            world.peers[0].send_rtp(&packet(frame * 8 + index).write());
        }
        world.step();
        assert!(
            world.groups.iter().any(|(segments, _)| *segments == 8),
            "{:?}",
            world.groups
        );
    }
}

#[test]
fn sizes_one_byte_apart_are_padded_into_one_message_and_arrive_unpadded() {
    let mut world = World::new();
    call(&mut world);
    world.groups.clear();
    for index in 0..8 {
        let mut packet = packet(index);
        packet.len = if index < 3 { 1000 } else { 999 };
        world.peers[0].send_rtp(&packet.write());
    }
    world.step();
    assert!(
        world.groups.iter().any(|(segments, _)| *segments == 8),
        "{:?}",
        world.groups
    );
    let sizes: Vec<_> = world
        .received(1)
        .iter()
        .map(|bytes| {
            RtpHeader::parse(bytes)
                .expect("well-formed")
                .payload(bytes)
                .expect("well-formed")
                .len()
        })
        .collect();
    assert_eq!(sizes, [1005, 1005, 1005, 1004, 1004, 1004, 1004, 1004]);
}

#[test]
fn a_consumer_starts_at_a_key_frame_and_asks_for_one() {
    let mut world = World::new();
    call(&mut world);
    for sequence_number in 8..16 {
        world.peers[0].send_rtp(&packet(sequence_number).write());
    }
    world.run(Duration::from_millis(50));
    assert!(world.received(1).is_empty(), "delta frames are of no use");
    assert_eq!(world.peers[0].key_frame_requests.get(&1000), Some(&1));
    let mut key = packet(16);
    key.key_frame = true;
    world.peers[0].send_rtp(&key.write());
    world.run(Duration::from_millis(5));
    assert_eq!(world.received(1).len(), 1);
}

#[test]
fn a_lost_packet_is_asked_for_and_repaired_before_the_receiver_notices() {
    let mut world = World::new();
    call(&mut world);
    for sequence_number in (0..40).filter(|number| *number != 13) {
        world.peers[0].send_rtp(&packet(sequence_number).write());
        if sequence_number == 14 {
            // What was dropped on the way is in the sender's history.
            let lost = packet(13).write();
            world.peers[0].forget_on_the_way(&lost);
        }
    }
    world.run(Duration::from_millis(200));
    assert_eq!(world.received(1).len(), 40);
    let stats = world
        .engine
        .producer_stats(world.now, plenum_ids::ProducerId::from_u128(10))
        .expect("exists");
    assert_eq!((stats[0].packets_repaired, stats[0].nack_count), (1, 1));
    let all = world.engine.stats().media;
    assert_eq!((all.rtp_received, all.rtp_sent), (40, 40));
    assert_eq!((all.nacks_sent, all.retransmissions_received), (1, 1));
    assert_eq!((all.dtls_connected, all.dtls_failed), (2, 0));
}

#[test]
fn the_sender_hears_reports_and_transport_wide_feedback() {
    let mut world = World::new();
    call(&mut world);
    for frame in 0..60u16 {
        for index in 0..8 {
            world.peers[0].send_rtp(&packet(frame * 8 + index).write());
        }
        world.run(Duration::from_millis(33));
    }
    let seen = &world.peers[0].rtcp_seen;
    assert!(
        seen.get("twcc").is_some_and(|count| *count >= 15),
        "{seen:?}"
    );
    assert!(seen.get("rr").is_some_and(|count| *count >= 1), "{seen:?}");
}

#[test]
fn the_highest_live_simulcast_stream_is_forwarded() {
    let mut world = World::new();
    let sender = world.add_connected_peer();
    let receiver = world.add_connected_peer();
    let producer = world.produce(sender, 10, vp8(vec![simulcast("r0"), simulcast("r1")]));
    world.consume(receiver, 20, producer, vp8_receiver(5000));
    for ssrc in [300, 400] {
        world.peers[sender].add_sender(SendStream::new(ssrc, None));
    }
    let send = |world: &mut World, ssrc: u32, rid, number: u16, key_frame| {
        let packet = Vp8Packet {
            ssrc,
            sequence_number: number,
            timestamp: u32::from(number) * 3000 + ssrc * 1_000_000,
            picture_id: number + ssrc as u16,
            key_frame,
            first: true,
            marker: true,
            len: if ssrc == 300 { 100 } else { 900 },
            rid: Some(rid),
            transport_sequence: None,
        };
        world.peers[0].send_rtp(&packet.write());
    };
    for number in 0..30 {
        send(&mut world, 300, "r0", number, number == 0);
        if number >= 10 {
            send(&mut world, 400, "r1", number, number == 15);
        }
        world.run(Duration::from_millis(33));
    }
    let received = world.received(1);
    let headers: Vec<_> = received
        .iter()
        .map(|bytes| RtpHeader::parse(bytes).expect("well-formed"))
        .collect();
    let small = received.iter().filter(|bytes| bytes.len() < 500).count();
    assert_eq!(
        (small, received.len()),
        (16, 31),
        "r0 up to the key frame of r1, then r1"
    );
    for pair in headers.windows(2) {
        assert_eq!(
            pair[1].sequence_number,
            pair[0].sequence_number.wrapping_add(1)
        );
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((1..=4000).contains(&step), "timestamps go on: {step}");
    }
    let ids: Vec<_> = received
        .iter()
        .zip(&headers)
        .map(|(bytes, header)| {
            u16::from_be_bytes([bytes[header.header_len + 2], bytes[header.header_len + 3]])
                & 0x7fff
        })
        .collect();
    assert!(
        ids.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "picture ids go on: {ids:?}"
    );
}

#[test]
fn without_rtx_a_lost_packet_is_repeated_to_the_byte() {
    let mut world = World::new();
    let sender = world.add_connected_peer();
    let receiver = world.add_connected_peer();
    let producer = world.produce(sender, 10, vp8(vec![encoding(1000)]));
    let mut parameters = vp8_receiver(5000);
    parameters.rtx_ssrc = None;
    world.consume(receiver, 20, producer, parameters);
    world.peers[sender].add_sender(SendStream::new(1000, Some((1001, 97))));
    world.datagrams = Some(Vec::new());
    world.peers[sender].send_rtp(&packet(0).write());
    world.run(Duration::from_millis(20));
    let received = world.received(receiver);
    let lost = RtpHeader::parse(&received[0])
        .expect("well-formed")
        .sequence_number;
    world.peers[receiver].send_rtcp(|writer| writer.nack(1, 5000, [lost]).is_ok());
    world.run(Duration::from_millis(20));
    let sent = world.datagrams.take().expect("recorded");
    let media: Vec<_> = sent
        .iter()
        .filter(|data| data[0] >> 6 == 2 && data[1] & 0x7f == 101)
        .collect();
    assert_eq!(media.len(), 2, "once and once again");
    assert_eq!(
        media[0], media[1],
        "another packet under the same nonce would give the key away"
    );
}

#[test]
fn a_consumer_of_a_stream_that_is_not_there_yet_costs_nothing() {
    let mut world = World::new();
    call(&mut world);
    world.run(Duration::from_millis(500));
    let mut wake_ups = 0;
    let end = world.now + Duration::from_secs(1);
    while let Some(due) = world.engine.poll_timeout().filter(|due| *due < end) {
        world.now = world.now.max(due);
        world.engine.handle_timeout(world.now);
        world.drain();
        wake_ups += 1;
    }
    assert!(wake_ups < 20, "{wake_ups} wake-ups in a silent second");
}

#[test]
fn a_stream_that_changes_its_ssrc_goes_on_at_its_next_key_frame() {
    let mut world = World::new();
    let sender = world.add_connected_peer();
    let receiver = world.add_connected_peer();
    let producer = world.produce(sender, 10, vp8(vec![simulcast("r0")]));
    world.consume(receiver, 20, producer, vp8_receiver(5000));
    for ssrc in [300, 301] {
        world.peers[sender].add_sender(SendStream::new(ssrc, None));
        for number in 0..10 {
            let key_frame = number == 0;
            let packet = Vp8Packet {
                ssrc,
                rid: Some("r0"),
                key_frame,
                first: true,
                ..packet(number)
            };
            world.peers[sender].send_rtp(&packet.write());
            world.run(Duration::from_millis(33));
        }
    }
    let numbers: Vec<_> = world
        .received(receiver)
        .iter()
        .map(|bytes| {
            RtpHeader::parse(bytes)
                .expect("well-formed")
                .sequence_number
        })
        .collect();
    assert_eq!(numbers.len(), 20);
    assert!(
        numbers
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1)),
        "{numbers:?}"
    );
}

#[test]
fn a_stream_that_changes_its_ssrc_is_asked_for_a_key_frame() {
    let mut world = World::new();
    let sender = world.add_connected_peer();
    let receiver = world.add_connected_peer();
    let producer = world.produce(sender, 10, vp8(vec![simulcast("r0")]));
    world.consume(receiver, 20, producer, vp8_receiver(5000));
    let asked = |world: &World| world.peers[sender].key_frame_requests.get(&301).copied();
    for ssrc in [300, 301] {
        world.peers[sender].add_sender(SendStream::new(ssrc, None));
        for number in 0..30 {
            let packet = Vp8Packet {
                ssrc,
                rid: Some("r0"),
                // The encoder does not know that somebody has to begin anew, until it is told.
                key_frame: number == 0 && ssrc == 300,
                first: true,
                ..packet(number)
            };
            world.peers[sender].send_rtp(&packet.write());
            world.run(Duration::from_millis(33));
        }
    }
    assert!(asked(&world).is_some_and(|asked| asked > 0));
}
