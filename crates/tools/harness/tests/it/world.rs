//! The world itself.

use std::time::Duration;

use plenum_harness::{
    Network, Vp8Packet, World,
    parameters::{encoding, vp8, vp8_receiver},
};
use plenum_testkit::{
    netem::NetemConfig,
    peer::{ReceiveStream, SendStream},
};

const MS: Duration = Duration::from_millis(1);

fn call(world: &mut World) {
    let producer = world.produce(0, 10, vp8(vec![encoding(1000)]));
    world.consume(1, 20, producer, vp8_receiver(5000));
    world.peers[0].add_sender(SendStream::new(1000, None));
    world.peers[1].add_receiver(ReceiveStream::new(5000, Some(5001), 101));
}

fn send(world: &mut World) {
    let packet = Vp8Packet {
        ssrc: 1000,
        sequence_number: 1,
        timestamp: 1,
        picture_id: 1,
        key_frame: true,
        first: true,
        marker: true,
        len: 100,
        rid: None,
        transport_sequence: None,
    };
    world.peers[0].send_rtp(&packet.write());
}

#[test]
fn peers_connect_while_time_stands_still() {
    let mut world = World::new();
    let start = world.now;
    for _ in 0..2 {
        let index = world.add_peer();
        world.connect_at_once(index);
    }
    assert_eq!(world.now, start);
    call(&mut world);
    send(&mut world);
    world.exchange();
    assert_eq!(world.received(1).len(), 1);
}

#[test]
fn networks_take_their_time_and_the_clock_stops_at_each_arrival() {
    let mut world = World::new();
    let delayed = |delay| NetemConfig {
        delay,
        ..NetemConfig::default()
    };
    for index in 0..2 {
        assert_eq!(world.add_peer(), index);
        world.connect_at_once(index);
        let (up, down) = (delayed(20 * MS), delayed(30 * MS));
        world.set_network(index, Network::new(up, down, 1));
    }
    call(&mut world);
    send(&mut world);
    let start = world.now;
    world.exchange();
    let mut received = Vec::new();
    while received.is_empty() && world.now < start + 1000 * MS {
        world.advance(start + 1000 * MS);
        received = world.received(1);
    }
    assert_eq!(received.len(), 1);
    assert_eq!(world.now - start, 50 * MS);
}
