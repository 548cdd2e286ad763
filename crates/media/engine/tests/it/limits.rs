//! What clients and nodes cannot make grow. The list is in `docs/limits.md`.

use plenum_engine::{Datagram, EngineError};
use plenum_harness::{
    ROUTER, Vp8Packet, World,
    parameters::{encoding, opus, vp8, vp8_receiver},
    transport,
};
use plenum_ids::{DataConsumerId, DataProducerId, ProducerId, TransportId};
use plenum_params::{data::ppid, data_message::DataMessage};
use plenum_testkit::peer::SendStream;

use crate::layers::stage::MS;

const SSRC: u32 = 1000;
const RECEIVED: u32 = 5000;

fn picture(number: u16) -> Vec<u8> {
    Vp8Packet {
        ssrc: SSRC,
        sequence_number: number,
        timestamp: u32::from(number) * 900,
        picture_id: number,
        key_frame: number == 0,
        first: true,
        marker: true,
        len: 500,
        rid: None,
        transport_sequence: Some(number),
    }
    .write()
}

#[test]
fn a_transport_has_a_bounded_number_of_producers() {
    let mut world = World::new();
    world.add_connected_peer();
    let results: Vec<_> = (0..40)
        .map(|number| {
            let id = ProducerId::from_u128(number.into());
            let parameters = opus(SSRC + number);
            world.engine.produce(transport(0), id, parameters, false)
        })
        .collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 32);
    assert!(matches!(results[32], Err(EngineError::Limit(_))));
    world.engine.close_producer(ProducerId::from_u128(5));
    let id = ProducerId::from_u128(100);
    let again = world.engine.produce(transport(0), id, opus(9000), false);
    again.expect("there is room again");
}

#[test]
fn what_a_peer_says_before_its_certificate_is_known_is_kept_for_then() {
    let mut world = World::new();
    let peer = world.add_peer();
    // The path is found, and DTLS has begun at its other end, which says it again only after 100 ms.
    world.run(20 * MS);
    assert_eq!(world.engine.footprint().early_dtls, 1);
    world.connect(peer);
    assert_eq!(world.engine.footprint().early_dtls, 0);
    assert!(world.run_until(20 * MS, |world| world.peers[0].is_connected()));

    // Signalling takes so long that it has said it several times.
    let peer = world.add_peer();
    world.run(400 * MS);
    assert!(world.engine.footprint().early_dtls > 1);
    world.connect(peer);
    assert!(world.run_until(20 * MS, |world| world.peers[1].is_connected()));

    let peer = world.add_peer();
    world.run(20 * MS);
    let (socket, from) = (0, world.peers[peer].address);
    for number in 0..100u8 {
        // A handshake record of DTLS 1.2 with something in it.
        let mut data = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, number];
        let datagram = Datagram {
            socket,
            from,
            data: &mut data,
        };
        world.engine.handle_datagrams(world.now, [datagram]);
    }
    assert_eq!(world.engine.footprint().early_dtls, 4);
}

/// One shows a picture, another one sees it.
fn watching() -> World {
    let mut world = World::new();
    world.add_connected_peer();
    world.add_connected_peer();
    world.peers[0].add_sender(SendStream::new(SSRC, Some((SSRC + 1, 97))));
    let producer = world.produce(0, 1, vp8(vec![encoding(SSRC)]));
    world.consume(1, 2, producer, vp8_receiver(RECEIVED));
    world
}

#[test]
fn requests_for_everything_at_once_repeat_a_bounded_number_of_packets() {
    let mut world = watching();
    for number in 0..500 {
        world.peers[0].send_rtp(&picture(number));
        world.run(5 * MS);
    }
    let mut received = world.received(1).into_iter().rev();
    let newest = received.next().expect("it came");
    let newest = u16::from_be_bytes([newest[2], newest[3]]);
    let before = world.engine.stats().media.retransmissions_sent;
    for _ in 0..50 {
        let lost = (0..400).map(|back| newest.wrapping_sub(399 - back));
        world.peers[1].send_rtcp(|writer| writer.nack(1, RECEIVED, lost.clone()).is_ok());
    }
    world.step();
    assert_eq!(world.engine.footprint().retransmissions, 0);
    world.run(20 * MS);
    let again = world.engine.stats().media.retransmissions_sent - before;
    assert!((1..=64).contains(&again), "{again} of {}", 50 * 400);
}

#[test]
fn requests_for_key_frames_by_the_thousand_reach_the_sender_as_one() {
    let mut world = watching();
    for number in 0..100 {
        world.peers[0].send_rtp(&picture(number));
        world.run(20 * MS);
    }
    let before = world.engine.stats().media;
    for _ in 0..1000 {
        world.peers[1].send_pli(RECEIVED);
    }
    world.run(50 * MS);
    let after = world.engine.stats().media;
    let asked = after.key_frame_requests_received - before.key_frame_requests_received;
    let passed_on = after.key_frame_requests_sent - before.key_frame_requests_sent;
    assert_eq!((asked, passed_on), (1000, 1));
}

#[test]
fn messages_for_a_node_that_takes_none_are_bounded() {
    const DIRECT: TransportId = TransportId::from_u128(0xd1);
    let mut world = World::new();
    let now = world.now;
    let engine = &mut world.engine;
    let made = engine.create_direct_transport(now, ROUTER, DIRECT);
    made.expect("the router is there");
    let (from, to) = (DataProducerId::from_u128(1), DataConsumerId::from_u128(2));
    let made = engine.produce_data(DIRECT, from, None, false);
    made.expect("it is direct");
    let made = engine.consume_data(DIRECT, to, from, None, Vec::new(), false);
    made.expect("it is direct");
    let mut bytes = Vec::new();
    DataMessage::write_header(ppid::BINARY, None, [], &mut bytes);
    bytes.resize(bytes.len() + (64 << 10), 7);
    for _ in 0..1000 {
        let message = DataMessage::parse(&bytes).expect("well formed");
        assert!(engine.handle_message(now, from, &message));
    }
    let mut waiting = 0;
    while let Some(message) = engine.poll_message() {
        waiting += message.data.len();
    }
    assert_eq!(waiting, 4 << 20);
    assert_eq!(engine.stats().media.messages_dropped, 1000 - 64);
}
