//! Streams that nobody announced, and packets that were here before.

use std::time::Duration;

use plenum_ids::{ConsumerId, ProducerId};
use plenum_rtp::RtpHeader;
use plenum_srtp::Sealer;

use super::{Call, RECEIVER, SENDER, packet, stranger};
use crate::world::{Vp8Packet, World, encoding, transport, vp8, vp8_receiver};

/// SSRCs that are made up.
const SPOOFED: u32 = 100_000;

/// Of these a batch is made.
const BATCH: u32 = 100;

/// Sends made-up datagrams beside a call and asserts that the engine is no larger in the end than halfway.
fn flood(call: &mut Call, mut datagrams: impl FnMut(u32) -> (std::net::SocketAddr, Vec<u8>)) {
    // The call's own ring has its final size after two seconds.
    call.talk(500);
    let mut halfway = None;
    for first in (0..SPOOFED).step_by(BATCH as usize) {
        let mut batch: Vec<_> = (first..first + BATCH).map(&mut datagrams).collect();
        call.world.deliver(&mut batch);
        call.talk(1);
        if first == SPOOFED / 2 {
            call.world.events.clear();
            halfway = Some(call.world.engine.footprint());
        }
    }
    call.talk(20);
    let (before, after) = (halfway.expect("reached"), call.world.engine.footprint());
    assert_eq!(after.addresses, before.addresses);
    assert_eq!(after.ssrcs, before.ssrcs);
    assert_eq!(after.rtcp_senders, before.rtcp_senders);
    assert_eq!(after.ring_bytes, before.ring_bytes);
    assert_eq!(after.control_bytes, before.control_bytes);
    assert!(after.timers <= before.timers + 8, "{before:?} {after:?}");
    assert!(after.missing_packets <= before.missing_packets);
    assert_eq!((after.retransmissions, after.events), (0, 0));
    assert!(call.world.events.len() < 100, "{:?}", call.world.events);
}

/// A participant of the call who hands over its keys.
fn participant(call: &mut Call) -> (std::net::SocketAddr, Sealer) {
    let index = call.world.add_connected_peer();
    let mut parameters = vp8(vec![encoding(7000)]);
    parameters.mid = Some("9".into());
    let producer = call.world.produce(index, 30, parameters);
    call.world
        .consume(RECEIVER, 40, producer, vp8_receiver(6000));
    let peer = call.world.peers.remove(index);
    let address = peer.address;
    let (sealer, _) = peer.into_keys().expect("connected");
    (address, sealer)
}

fn seal(sealer: &mut Sealer, mut packet: Vec<u8>) -> Vec<u8> {
    let header = RtpHeader::parse(&packet).expect("well-formed");
    let len = packet.len();
    packet.resize(len + sealer.profile().rtp_overhead(), 0);
    let sealed = sealer.seal_rtp(
        u64::from(header.sequence_number),
        &mut packet,
        header.header_len,
        len,
    );
    packet.truncate(sealed.expect("room"));
    packet
}

fn spoofed(ssrc: u32) -> Vp8Packet {
    Vp8Packet {
        ssrc,
        len: 100,
        transport_sequence: None,
        ..packet(0)
    }
}

#[test]
fn a_hundred_thousand_ssrcs_without_keys_leave_nothing_behind() {
    let mut call = Call::new();
    let from = call.world.peers[SENDER].address;
    flood(&mut call, |number| {
        let mut packet = spoofed(0x1000_0000 + number).write();
        packet.extend([0x5a; 16]);
        let from = if number % 2 == 0 { from } else { stranger(1) };
        (from, packet)
    });
    let stats = call
        .world
        .engine
        .transport_stats(call.world.now, transport(SENDER));
    assert_eq!(stats.expect("exists").discarded, u64::from(SPOOFED) / 2);
    call.assert_unharmed();
}

#[test]
fn a_hundred_thousand_ssrcs_with_good_keys_leave_nothing_behind() {
    // By payload type alone, as streams of the participant's own producer, and of types that nobody announced.
    for (rid, payload_type) in [(None, 96), (Some("x"), 96), (None, 97), (None, 55)] {
        let mut call = Call::new();
        let (from, mut sealer) = participant(&mut call);
        flood(&mut call, |number| {
            let mut spoofed = spoofed(0x1000_0000 + number);
            spoofed.rid = rid;
            let mut packet = spoofed.write();
            packet[1] = packet[1] & 0x80 | payload_type;
            (from, seal(&mut sealer, packet))
        });
        let ssrcs = call.world.engine.footprint().ssrcs;
        assert_eq!(ssrcs, 4, "media and retransmissions of two producers");
        call.assert_unharmed();
    }
}

#[test]
fn a_hundred_thousand_streams_that_name_their_producer_leave_nothing_behind() {
    let mut call = Call::new();
    let (from, mut sealer) = participant(&mut call);
    flood(&mut call, |number| {
        // MID "9" in extension 4: the stream may take its producer over, time and again.
        let plain = spoofed(0x1000_0000 + number).write();
        let mut packet = vec![0x90, plain[1]];
        packet.extend(&plain[2..12]);
        packet.extend([0xbe, 0xde, 0, 1, 0x40, b'9', 0, 0]);
        packet.extend(&plain[12..]);
        (from, seal(&mut sealer, packet))
    });
    assert!(call.world.engine.footprint().ssrcs <= 4);
    call.assert_unharmed();
}

#[test]
fn a_hundred_thousand_rtcp_senders_leave_nothing_behind() {
    let mut call = Call::new();
    let (from, mut sealer) = participant(&mut call);
    flood(&mut call, |number| {
        // An empty receiver report.
        let mut packet = vec![0x80, 201, 0, 1];
        packet.extend((0x1000_0000 + number).to_be_bytes());
        let len = packet.len();
        packet.resize(len + sealer.profile().rtcp_overhead(), 0);
        let sealed = sealer.seal_rtcp(&mut packet, len).expect("room");
        packet.truncate(sealed);
        (from, packet)
    });
    let senders = call.world.engine.footprint().rtcp_senders;
    assert!(senders <= 2 + 64, "{senders}");
    call.assert_unharmed();
}

/// All counts that a replay could make grow, of the producer's stream and of the consumer's.
fn counts(world: &World) -> [[u64; 6]; 2] {
    let producer = world
        .engine
        .producer_stats(world.now, ProducerId::from_u128(10))
        .expect("exists")
        .remove(0);
    let consumer = world
        .engine
        .consumer_stats(world.now, ConsumerId::from_u128(20))
        .expect("exists")
        .outbound;
    [producer, consumer].map(|stats| {
        [
            stats.packet_count,
            stats.packets_retransmitted,
            stats.packets_repaired,
            stats.nack_count,
            stats.pli_count,
            stats.packets_lost,
        ]
    })
}

#[test]
fn replays_of_media_rtcp_and_retransmissions_are_dropped() {
    let mut call = Call::new();
    call.world.arrived = Some(Vec::new());
    // Media, a packet that comes by retransmission only, and requests in both directions.
    for round in 0..50 {
        if round == 20 {
            let lost = packet(call.sent).write();
            call.world.peers[SENDER].forget_on_the_way(&lost);
            call.sent += 1;
        }
        if round % 10 == 0 {
            call.world.peers[RECEIVER].send_pli(5000);
            let asked = [round + 1, round + 2];
            call.world.peers[RECEIVER].send_rtcp(|writer| writer.nack(1, 5000, asked).is_ok());
        }
        call.talk(1);
    }
    call.world.run(Duration::from_millis(1500));
    let arrived = call.world.arrived.take().expect("recorded");
    let is = |class: std::ops::RangeInclusive<u8>, bytes: &[u8]| {
        class.contains(&bytes[0]) && bytes.len() > 1
    };
    let mut replays: Vec<_> = arrived
        .into_iter()
        .filter(|(_, bytes)| is(128..=191, bytes))
        .collect();
    let has = |types: std::ops::RangeInclusive<u8>| {
        replays
            .iter()
            .any(|(_, bytes)| types.contains(&(bytes[1] & 0x7f)))
    };
    assert!(has(96..=96) && has(97..=97), "media and a retransmission");
    assert!(has(73..=78), "RTCP");
    let before = counts(&call.world);
    assert!(before[0][2] >= 1, "one was repaired: {before:?}");
    let sent = call.world.peers[SENDER].key_frame_requests.clone();
    call.received();
    let received = call.received.len();
    let discarded = call.world.engine.stats().datagrams_discarded;

    let count = replays.len();
    let originals = replays.clone();
    for _ in 0..3 {
        call.world.deliver(&mut originals.clone());
    }
    for (from, _) in &mut replays {
        *from = stranger(1);
    }
    call.world.deliver(&mut replays);
    assert_eq!(counts(&call.world), before);
    let dropped = call.world.engine.stats().datagrams_discarded - discarded;
    assert_eq!(dropped, 4 * count as u64, "each of them");
    call.world.run(Duration::from_millis(300));
    assert_eq!(call.received().len(), received, "nothing arrives twice");
    assert_eq!(call.world.peers[SENDER].key_frame_requests, sent);
    assert_eq!(call.world.elsewhere, []);
    call.received.sort_unstable();
    call.assert_unharmed();
}
