//! What transports and streams tell of themselves.

use plenum_engine::SocketConfig;
use plenum_harness::{
    Network, ROUTER, TRUNK, TrunkLine, Vp8Packet, World, address,
    parameters::{encoding, vp8, vp8_receiver},
    transport,
};
use plenum_ids::TransportId;
use plenum_params::{
    stats::{TransportKind, TransportStats},
    transport::{PlainRemote, PlainTransportOptions},
};
use plenum_testkit::{netem::NetemConfig, peer::SendStream};

use crate::layers::stage::MS;

const SSRC: u32 = 1000;
const OTHER: TransportId = TransportId::from_u128(1000);

fn stats(world: &World, id: TransportId) -> TransportStats {
    let stats = world.engine.transport_stats(world.now, id);
    stats.expect("it is there")
}

fn picture(number: u16) -> Vec<u8> {
    Vp8Packet {
        ssrc: SSRC,
        sequence_number: number,
        timestamp: u32::from(number) * 1800,
        picture_id: number,
        key_frame: true,
        first: true,
        marker: true,
        len: 500,
        rid: None,
        transport_sequence: Some(number),
    }
    .write()
}

#[test]
fn each_transport_says_of_what_kind_it_is() {
    let (mut near, mut far) = (World::new(), TrunkLine::far_world());
    near.add_connected_peer();
    assert_eq!(stats(&near, transport(0)).kind, TransportKind::WebRtc);
    let perfect = NetemConfig::default();
    TrunkLine::lay(&mut near, &mut far, Network::new(perfect, perfect, 1));
    let pipe = stats(&near, TRUNK);
    assert_eq!(pipe.kind, TransportKind::Pipe);
    assert!(pipe.selected_tuple.is_some());
    let made = near.engine.create_direct_transport(near.now, ROUTER, OTHER);
    made.expect("the router is there");
    let direct = stats(&near, OTHER);
    assert_eq!(
        (direct.kind, direct.selected_tuple),
        (TransportKind::Direct, None)
    );
}

#[test]
fn a_plain_transport_tells_of_its_addresses() {
    let mut world = World::new();
    let mut add = |port| {
        let added = world.engine.add_socket(SocketConfig::new(address(port)));
        added.expect("there is room")
    };
    let own = [add(40_000), add(40_001)];
    let options = PlainTransportOptions {
        rtcp_mux: false,
        ..PlainTransportOptions::default()
    };
    let engine = &mut world.engine;
    let made = engine.create_plain_transport(world.now, ROUTER, OTHER, &options, &own);
    made.expect("the router is there");
    let remote = PlainRemote {
        rtp: address(30_000),
        rtcp: Some(address(30_001)),
    };
    let connected = engine.connect_plain_transport(world.now, OTHER, Some(remote), None);
    connected.expect("the first time");
    let stats = stats(&world, OTHER);
    let kind = TransportKind::Plain {
        rtcp_mux: false,
        comedia: false,
    };
    assert_eq!(stats.kind, kind);
    let ports = |tuple: Option<plenum_params::transport::Tuple>| {
        tuple.map(|tuple| (tuple.local.port(), tuple.remote.port()))
    };
    assert_eq!(ports(stats.selected_tuple), Some((40_000, 30_000)));
    assert_eq!(ports(stats.rtcp_tuple), Some((40_001, 30_001)));
}

#[test]
fn loss_of_what_comes_useless_repairs_and_groups_are_counted() {
    let mut world = World::new();
    world.add_connected_peer();
    world.add_connected_peer();
    let stream = SendStream::new(SSRC, Some((SSRC + 1, 97)));
    world.peers[0].add_sender(stream);
    let producer = world.produce(0, 1, vp8(vec![encoding(SSRC)]));
    world.consume(1, 2, producer, vp8_receiver(5000));
    assert_eq!(stats(&world, transport(0)).packet_loss_received, None);
    for number in 0..200 {
        let packet = picture(number);
        // One in ten is lost, and comes again when it is asked for.
        if number % 10 == 9 {
            world.peers[0].forget_on_the_way(&packet);
        } else {
            world.peers[0].send_rtp(&packet);
        }
        world.run(20 * MS);
    }
    let sender = stats(&world, transport(0));
    let lost = sender.packet_loss_received.expect("there were reports");
    assert!((0.06..0.14).contains(&lost), "{lost}");
    let receiver = stats(&world, transport(1));
    assert!(receiver.group_sizes.iter().sum::<u64>() >= 190);
    let streams = world.engine.producer_stats(world.now, producer);
    let streams = streams.expect("it is there");
    assert_eq!(streams[0].rtx_packets_discarded, Some(0));
    assert!(streams[0].packets_repaired > 10);
    assert_eq!(streams[0].packets_discarded, 0);
    let consumer = plenum_ids::ConsumerId::from_u128(2);
    let sent = world.engine.consumer_stats(world.now, consumer);
    let outbound = sent.expect("it is there").outbound;
    assert_eq!(outbound.rtx_packets_discarded, None);
}
