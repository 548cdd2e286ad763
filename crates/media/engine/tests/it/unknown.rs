//! Payloads that the engine cannot read: codecs it does not know, and codecs it knows under end-to-end encryption.

use std::time::Duration;

use plenum_codec::vp8;
use plenum_params::media::{CodecKind, MediaKind, ReceiveParameters, SendParameters};
use plenum_rtp::{HeaderFields, RtpHeader, RtpWriter};
use plenum_testkit::peer::{ReceiveStream, SendStream};
use proptest::prelude::*;

use crate::world::{Vp8Packet, World, encoding, simulcast, vp8, vp8_receiver};

const SSRC: u32 = 1000;
const CONSUMER_SSRC: u32 = 5000;

/// What a video frame leaves readable under encryption, so that its receivers' decoders can be chosen: the frame tag and,
/// on key frames, start code and size (RFC 6386 §9.1).
const CLEAR_OF_KEY_FRAME: usize = 10;
const CLEAR_OF_DELTA_FRAME: usize = 3;

/// One sender of a codec that only its name tells something about, and one receiver.
fn call(kind: MediaKind) -> World {
    let (sending, receiving) = unknown(kind);
    let mut world = World::new();
    let sender = world.add_connected_peer();
    let receiver = world.add_connected_peer();
    let producer = world.produce(sender, 10, sending);
    world.consume(receiver, 20, producer, receiving);
    world.peers[sender].add_sender(SendStream::new(SSRC, Some((SSRC + 1, 97))));
    world.peers[receiver].add_receiver(ReceiveStream::new(
        CONSUMER_SSRC,
        Some(CONSUMER_SSRC + 1),
        101,
    ));
    world
}

fn unknown(kind: MediaKind) -> (ReceiveParameters, SendParameters) {
    let (mut sending, mut receiving) = (vp8(vec![encoding(SSRC)]), vp8_receiver(CONSUMER_SSRC));
    let mime_type = format!("{}/X-NEW", kind.as_str());
    (sending.kind, receiving.kind) = (kind, kind);
    sending.codecs[0].codec = CodecKind::Other;
    sending.codecs[0].mime_type.clone_from(&mime_type);
    receiving.codecs[0].codec = CodecKind::Other;
    receiving.codecs[0].mime_type = mime_type;
    (sending, receiving)
}

fn packet(sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 64];
    let fields = HeaderFields {
        marker: false,
        payload_type: 96,
        sequence_number,
        timestamp: u32::from(sequence_number) * 960,
        ssrc: SSRC,
        padding: false,
    };
    let len = RtpWriter::begin(&mut buffer, fields)
        .expect("room")
        .finish();
    buffer.truncate(len);
    buffer.extend_from_slice(payload);
    buffer
}

/// Payloads of what arrived, in order.
fn payloads(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let payload = |bytes: &Vec<u8>| {
        let header = RtpHeader::parse(bytes).expect("sent by us");
        bytes[header.payload(bytes).expect("well-formed")].to_vec()
    };
    packets.iter().map(payload).collect()
}

/// Bytes that look like nothing: a fixed stream cipher over them, its own inverse.
fn scramble(bytes: &mut [u8], key: u64) {
    let mut state = key | 1;
    for byte in bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *byte ^= (state >> 56) as u8;
    }
}

#[test]
fn unknown_codecs_are_forwarded_from_the_first_packet() {
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let mut world = call(kind);
        let mut sent = Vec::new();
        for number in 0..200u16 {
            let mut payload = vec![0; 1 + usize::from(number) * 5 % 1100];
            scramble(&mut payload, u64::from(number) + 99);
            world.peers[0].send_rtp(&packet(number, &payload));
            sent.push(payload);
            world.run(Duration::from_millis(5));
        }
        let received = world.received(1);
        assert_eq!(payloads(&received), sent, "{kind:?}");
        let numbers: Vec<_> = received
            .iter()
            .map(|bytes| {
                RtpHeader::parse(bytes)
                    .expect("well-formed")
                    .sequence_number
            })
            .collect();
        assert!(
            numbers
                .windows(2)
                .all(|pair| pair[1] == pair[0].wrapping_add(1))
        );
        assert_eq!(
            world.peers[0].key_frame_requests.get(&SSRC),
            None,
            "nobody waits for a key frame"
        );
    }
}

#[test]
fn lost_packets_of_unknown_codecs_are_repaired() {
    let mut world = call(MediaKind::Video);
    for number in (0..40).filter(|number| *number != 13) {
        world.peers[0].send_rtp(&packet(number, &[number as u8; 300]));
        if number == 14 {
            let lost = packet(13, &[13; 300]);
            world.peers[0].forget_on_the_way(&lost);
        }
    }
    world.run(Duration::from_millis(200));
    let mut received: Vec<u8> = payloads(&world.received(1))
        .iter()
        .map(|payload| payload[0])
        .collect();
    received.sort_unstable();
    assert_eq!(received, (0..40).collect::<Vec<_>>());
}

#[test]
fn each_wish_for_a_key_frame_of_an_unknown_codec_is_passed_on_once() {
    let mut world = call(MediaKind::Video);
    let mut number = 0;
    let talk = |world: &mut World, number: &mut u16, steps: u32| {
        for _ in 0..steps {
            world.peers[0].send_rtp(&packet(*number, &[7; 100]));
            *number += 1;
            world.run(Duration::from_millis(10));
        }
    };
    talk(&mut world, &mut number, 10);
    for wishes in 1..=3 {
        world.peers[1].send_pli(CONSUMER_SSRC);
        // Which packet is the answer cannot be told, so that nobody but the receiver can ask again.
        talk(&mut world, &mut number, 200);
        assert_eq!(
            world.peers[0].key_frame_requests.get(&SSRC),
            Some(&wishes),
            "in two seconds"
        );
    }
}

#[test]
fn a_wish_is_repeated_while_nothing_comes() {
    let mut world = call(MediaKind::Video);
    world.peers[0].send_rtp(&packet(0, &[7; 100]));
    world.run(Duration::from_millis(20));
    world.peers[1].send_pli(CONSUMER_SSRC);
    world.run(Duration::from_secs(3));
    let asked = world.peers[0].key_frame_requests.get(&SSRC).copied();
    assert!(asked.is_some_and(|count| count >= 2), "{asked:?}");
}

/// How much of a payload is encrypted.
#[derive(Clone, Copy, Debug)]
enum Cover {
    /// All but what senders leave for the packetiser.
    Body,
    /// Everything behind the payload descriptor.
    All,
}

/// Encrypts or decrypts a one-packet frame behind its descriptor.
fn cover(packet: &mut [u8], cover: Cover, key_frame: bool) {
    let header = RtpHeader::parse(packet).expect("our own");
    let payload = header.payload(packet).expect("our own");
    let payload = &mut packet[payload];
    let descriptor = vp8::Descriptor::parse(payload).expect("our own").header_len;
    let clear = match (cover, key_frame) {
        (Cover::All, _) => 0,
        (Cover::Body, true) => CLEAR_OF_KEY_FRAME,
        (Cover::Body, false) => CLEAR_OF_DELTA_FRAME,
    };
    scramble(
        &mut payload[descriptor + clear..],
        u64::from(header.timestamp) << 8 | u64::from(header.ssrc),
    );
}

fn frame(ssrc: u32, rid: Option<&'static str>, number: u16, key_frame: bool) -> Vec<u8> {
    Vp8Packet {
        ssrc,
        sequence_number: number,
        timestamp: u32::from(number) * 3000,
        picture_id: number + 1,
        key_frame,
        first: true,
        marker: true,
        len: if ssrc == SSRC { 300 } else { 900 },
        rid,
        transport_sequence: None,
    }
    .write()
}

/// Two simulcast streams under encryption, of which the higher one starts later. Returns what arrived.
fn encrypted_simulcast(how: Cover) -> Vec<Vec<u8>> {
    const HIGH: u32 = SSRC + 500;
    let mut world = World::new();
    let sender = world.add_connected_peer();
    let receiver = world.add_connected_peer();
    let producer = world.produce(sender, 10, vp8(vec![simulcast("r0"), simulcast("r1")]));
    world.consume(receiver, 20, producer, vp8_receiver(CONSUMER_SSRC));
    for ssrc in [SSRC, HIGH] {
        world.peers[sender].add_sender(SendStream::new(ssrc, None));
    }
    for number in 0..120u16 {
        let key_frame = number.is_multiple_of(30);
        for (ssrc, rid, first) in [(SSRC, "r0", 0), (HIGH, "r1", 30)] {
            if number >= first {
                let mut packet = frame(ssrc, Some(rid), number, key_frame);
                cover(&mut packet, how, key_frame);
                world.peers[sender].send_rtp(&packet);
            }
        }
        world.run(Duration::from_millis(33));
    }
    world.received(receiver)
}

/// Numbers and picture ids go on, whatever lies behind them; returns at which packet the higher stream begins.
fn check_continuity(received: &[Vec<u8>]) -> usize {
    let mut ids = Vec::new();
    for pair in received.windows(2) {
        let [a, b] = [0, 1].map(|index| RtpHeader::parse(&pair[index]).expect("well-formed"));
        assert_eq!(b.sequence_number, a.sequence_number.wrapping_add(1));
        assert!(b.timestamp.wrapping_sub(a.timestamp).cast_signed() > 0);
    }
    for payload in payloads(received) {
        let descriptor = vp8::Descriptor::parse(&payload).expect("the descriptor is readable");
        ids.push(descriptor.picture_id.expect("we send one"));
    }
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    let switch = received.iter().position(|bytes| bytes.len() > 800);
    switch.expect("the higher stream is reached")
}

#[test]
fn encrypted_vp8_is_forwarded_and_switched_at_key_frames() {
    let received = encrypted_simulcast(Cover::Body);
    let switch = check_continuity(&received);
    assert_eq!(
        switch, 31,
        "frame 30 of the lower stream went before the key frame of the higher one"
    );
    assert_eq!(received.len(), 121);
    // What was encrypted arrives as it was: decrypted it is the body that the sender wrote.
    for (index, bytes) in received.iter().enumerate() {
        let number = if index < switch { index } else { index - 1 } as u16;
        let ssrc = if index < switch { SSRC } else { SSRC + 500 };
        let key_frame = number.is_multiple_of(30);
        let mut expected = frame(ssrc, None, number, key_frame);
        cover(&mut expected, Cover::Body, key_frame);
        let [sent, arrived] =
            [&expected, bytes].map(|packet| payloads(std::slice::from_ref(packet)).remove(0));
        // Descriptor: flags, extension flags, picture id of two bytes.
        assert_eq!(sent[4..], arrived[4..], "packet {index}");
    }
}

#[test]
fn vp8_encrypted_to_the_last_bit_is_forwarded_and_switched() {
    // The bit that marks key frames is as good as random here: some packet soon looks like one. What a receiver misses
    // then it asks for itself.
    let received = encrypted_simulcast(Cover::All);
    let switch = check_continuity(&received);
    assert!(switch < 45, "switched at packet {switch}");
    assert!(received.len() > 110, "{} packets", received.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_payload_under_any_codec_name_is_forwarded_or_left_out_whole(
        codec in prop::sample::select(vec![
            CodecKind::Av1, CodecKind::H264, CodecKind::H265, CodecKind::Opus, CodecKind::Other,
            CodecKind::Vp8, CodecKind::Vp9,
        ]),
        sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..60),
    ) {
        let (mut sending, mut receiving) = unknown(MediaKind::Video);
        sending.codecs[0].codec = codec;
        receiving.codecs[0].codec = codec;
        let mut world = World::new();
        let sender = world.add_connected_peer();
        let receiver = world.add_connected_peer();
        let producer = world.produce(sender, 10, sending);
        world.consume(receiver, 20, producer, receiving);
        world.peers[sender].add_sender(SendStream::new(SSRC, Some((SSRC + 1, 97))));
        for (number, payload) in (0..).zip(&sent) {
            world.peers[sender].send_rtp(&packet(number, payload));
        }
        world.run(Duration::from_millis(20));
        let received = payloads(&world.received(receiver));
        if matches!(codec, CodecKind::Other | CodecKind::Opus) {
            prop_assert_eq!(&received, &sent);
        }
        // Nothing in front of the sync point, everything behind it; VP8's picture ids never change without a switch.
        prop_assert!(sent.ends_with(&received));
    }
}
