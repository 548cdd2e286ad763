//! Direct transports: packets that the node hands in and takes out.

use plenum_engine::{DirectPacket, EngineError, NODE_SOCKET, SendBatch};
use plenum_harness::{
    ROUTER, Vp8Packet, World,
    parameters::{encoding, vp8, vp8_receiver},
};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_rtp::{RtpHeader, rtcp::RtcpWriter};
use plenum_testkit::peer::{ReceiveStream, SendStream};

use crate::layers::stage::MS;

const DIRECT: TransportId = TransportId::from_u128(1000);
const PRODUCER: ProducerId = ProducerId::from_u128(10);
const CONSUMER: ConsumerId = ConsumerId::from_u128(20);

fn world() -> World {
    let mut world = World::new();
    let made = world
        .engine
        .create_direct_transport(world.now, ROUTER, DIRECT);
    made.expect("the router is there");
    world
}

fn picture(number: u16) -> Vec<u8> {
    Vp8Packet {
        ssrc: 1000,
        sequence_number: number,
        timestamp: u32::from(number) * 3000,
        picture_id: number,
        key_frame: true,
        first: true,
        marker: true,
        len: 300,
        rid: None,
        transport_sequence: None,
    }
    .write()
}

/// What the engine has for the node now. What is for peers goes astray.
fn taken(world: &mut World) -> Vec<(DirectPacket, Vec<u8>)> {
    let mut batch = SendBatch::new();
    let mut taken = Vec::new();
    loop {
        let more = world.engine.poll_transmit(world.now, &mut batch);
        let transmits = batch.transmits();
        for transmit in transmits.filter(|transmit| transmit.socket == NODE_SOCKET) {
            for packet in transmit.data.chunks(transmit.segment_size.into()) {
                let what = world.engine.direct_packet(transmit.to, packet);
                taken.push((what.expect("it is there"), packet.to_vec()));
            }
        }
        batch.clear();
        if !more {
            return taken;
        }
    }
}

#[test]
fn what_the_node_sends_reaches_a_peer() {
    let mut world = world();
    let peer = world.add_connected_peer();
    let parameters = vp8(vec![encoding(1000)]);
    let engine = &mut world.engine;
    let made = engine.produce(DIRECT, PRODUCER, parameters, false);
    made.expect("the transport is there");
    world.peers[peer].add_receiver(ReceiveStream::new(5000, Some(5001), 101));
    world.consume(peer, 20, PRODUCER, vp8_receiver(5000));
    for numbers in [0..3_u16, 3..4, 4..20] {
        for number in numbers {
            let now = world.now;
            let used = world
                .engine
                .handle_direct_rtp(now, PRODUCER, &mut picture(number));
            assert!(used);
        }
        world.engine.handle_direct_end();
        world.drain();
        world.run(20 * MS);
    }
    assert_eq!(world.received(peer).len(), 20);
    let now = world.now;
    let unknown = ProducerId::from_u128(99);
    let engine = &mut world.engine;
    assert!(!engine.handle_direct_rtp(now, unknown, &mut picture(30)));
    assert!(!engine.handle_direct_rtp(now, PRODUCER, &mut [0x80; 5]));
    assert!(!engine.handle_direct_rtp(now, PRODUCER, &mut []));
    // Twice the same.
    assert!(!engine.handle_direct_rtp(now, PRODUCER, &mut picture(19)));
    engine.handle_direct_end();
    let stats = engine.transport_stats(now, DIRECT).expect("it is there");
    assert_eq!((stats.received.packets, stats.discarded), (20, 2));
    assert_eq!((stats.srtp_profile, stats.selected_tuple), (None, None));
}

#[test]
fn a_peers_transport_takes_nothing_from_the_node() {
    let mut world = world();
    let peer = world.add_connected_peer();
    let producer = world.produce(peer, 10, vp8(vec![encoding(1000)]));
    let now = world.now;
    let used = world
        .engine
        .handle_direct_rtp(now, producer, &mut picture(0));
    assert!(!used);
    let transport = plenum_harness::transport(peer);
    assert!(
        !world
            .engine
            .handle_direct_rtcp(now, transport, &mut report())
    );
}

fn report() -> Vec<u8> {
    let mut buffer = vec![0; 100];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.receiver_report(77, []).expect("there is room");
    let len = writer.len();
    buffer.truncate(len);
    buffer
}

#[test]
fn what_a_peer_sends_reaches_the_node_which_can_ask_for_key_frames() {
    let mut world = world();
    let peer = world.add_connected_peer();
    world.produce(peer, 10, vp8(vec![encoding(1000)]));
    world.peers[peer].add_sender(SendStream::new(1000, Some((1001, 97))));
    let now = world.now;
    let made = world
        .engine
        .consume(now, DIRECT, CONSUMER, PRODUCER, vp8_receiver(5000), false);
    made.expect("both are there");
    let mut numbers = Vec::new();
    for number in 0..20 {
        world.peers[peer].send_rtp(&picture(number));
        let datagram = world.peers[peer].poll_transmit().expect("it was sent");
        let from = world.peers[peer].address;
        let mut data = datagram;
        let datagram = plenum_engine::Datagram {
            socket: 0,
            from,
            data: &mut data,
        };
        world.engine.handle_datagrams(world.now, [datagram]);
        for (what, packet) in taken(&mut world) {
            if what == DirectPacket::Rtp(CONSUMER) {
                let header = RtpHeader::parse(&packet).expect("well-formed");
                assert_eq!(header.ssrc, 5000);
                numbers.push(header.sequence_number);
            }
        }
    }
    assert_eq!(numbers.len(), 20);
    assert!(numbers.is_sorted());

    world.run(1000 * MS);
    let asked = |world: &World| {
        let requests = &world.peers[peer].key_frame_requests;
        requests.get(&1000).copied().unwrap_or(0)
    };
    let before = asked(&world);
    let mut pli = vec![0; 100];
    let mut writer = RtcpWriter::new(&mut pli);
    writer.pli(77, 5000).expect("there is room");
    let len = writer.len();
    let now = world.now;
    assert!(
        world
            .engine
            .handle_direct_rtcp(now, DIRECT, &mut pli[..len])
    );
    world.engine.handle_direct_end();
    world.drain();
    world.run(200 * MS);
    assert!(asked(&world) > before);
}

#[test]
fn the_node_is_told_by_rtcp_what_is_missing() {
    let mut world = world();
    let parameters = vp8(vec![encoding(1000)]);
    let engine = &mut world.engine;
    let made = engine.produce(DIRECT, PRODUCER, parameters, false);
    made.expect("the transport is there");
    for number in [0, 3] {
        engine.handle_direct_rtp(world.now, PRODUCER, &mut picture(number));
    }
    engine.handle_direct_end();
    world.now += 1200 * MS;
    world.engine.handle_timeout(world.now);
    let taken = taken(&mut world);
    assert!(!taken.is_empty());
    let is_rtcp = |what: &DirectPacket| *what == DirectPacket::Rtcp(DIRECT);
    assert!(taken.iter().all(|(what, _)| is_rtcp(what)));
}

#[test]
fn it_is_made_once_and_leaves_nothing() {
    let mut world = world();
    let now = world.now;
    let engine = &mut world.engine;
    let again = engine.create_direct_transport(now, ROUTER, DIRECT);
    assert!(matches!(again, Err(EngineError::AlreadyExists(_))));
    let nowhere = RouterId::from_u128(9);
    let other = TransportId::from_u128(1001);
    assert_eq!(
        engine.create_direct_transport(now, nowhere, other),
        Err(EngineError::RouterNotFound(nowhere))
    );
    let parameters = vp8(vec![encoding(1000)]);
    let made = engine.produce(DIRECT, PRODUCER, parameters, false);
    made.expect("the transport is there");
    engine.handle_direct_rtp(now, PRODUCER, &mut picture(0));
    engine.close_transport(now, DIRECT);
    engine.handle_direct_end();
    assert!(!engine.handle_direct_rtp(now, PRODUCER, &mut picture(1)));
    assert_eq!(engine.dump().orphans, 0);
    assert_eq!(engine.footprint().ssrcs, 0);
    assert_eq!(taken(&mut world), []);
}
