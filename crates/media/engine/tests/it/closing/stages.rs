//! One object closed at one stage.

use super::*;

/// What is closed.
#[derive(Clone, Copy, Debug)]
enum Closing {
    Consumer,
    Producer,
    Transport,
    Router,
}

const CLOSINGS: [Closing; 4] = [
    Closing::Consumer,
    Closing::Producer,
    Closing::Transport,
    Closing::Router,
];

const PRODUCER: ProducerId = ProducerId::from_u128(10);
const CONSUMER: ConsumerId = ConsumerId::from_u128(20);

/// Two transports: 0 with a producer, 1 with a consumer of it. The transport that is closed is the sender's.
fn scene(connected: bool) -> World {
    let mut world = World::new();
    for _ in 0..2 {
        if connected {
            world.add_connected_peer();
        } else {
            world.add_peer();
        }
    }
    world.produce(0, 10, vp8(vec![encoding(1000)]));
    world.consume(1, 20, PRODUCER, vp8_receiver(5000));
    world.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
    world.peers[1].add_receiver(ReceiveStream::new(5000, Some(5001), 101));
    world
}

fn close(world: &mut World, closing: Closing) {
    match closing {
        Closing::Consumer => world.engine.close_consumer(CONSUMER),
        Closing::Producer => world.engine.close_producer(PRODUCER),
        Closing::Transport => world.engine.close_transport(world.now, transport(0)),
        Closing::Router => world.engine.close_router(world.now, ROUTER),
    }
}

/// Transports, producers and consumers that outlive it.
fn survivors(closing: Closing) -> (u32, u32, u32) {
    match closing {
        Closing::Consumer => (2, 1, 0),
        Closing::Producer => (2, 0, 0),
        Closing::Transport => (1, 0, 0),
        Closing::Router => (0, 0, 0),
    }
}

fn is_gone(closing: Closing, object: Object) -> bool {
    match object {
        Object::Consumer(_) => true,
        Object::Producer(_) => !matches!(closing, Closing::Consumer),
        Object::Transport(id) => match closing {
            Closing::Router => true,
            Closing::Transport => id == transport(0),
            _ => false,
        },
    }
}

/// Closes, twice, and lets the peers go on as if nothing had happened; then closes the rest.
fn close_and_check(world: &mut World, closing: Closing, stage: &str) {
    world.events.clear();
    close(world, closing);
    let counts = |world: &World| {
        let stats = world.engine.stats();
        (stats.transports, stats.producers, stats.consumers)
    };
    assert_eq!(counts(world), survivors(closing), "{closing:?} {stage}");
    assert_eq!(world.engine.dump().orphans, 0, "{closing:?} {stage}");
    close(world, closing);
    assert_eq!(counts(world), survivors(closing), "{closing:?} {stage}");
    world.drain();
    for sequence_number in 200..230 {
        world.peers[0].send_rtp(&packet(1000, sequence_number, 7));
        world.peers[1].send_pli(5000);
        world.step();
    }
    world.run(Duration::from_secs(3));
    for event in &world.events {
        let gone = is_gone(closing, object(event));
        assert!(!gone, "{closing:?} {stage}: {event:?}");
    }
    assert_eq!(world.engine.dump().orphans, 0, "{closing:?} {stage}");
    for closing in CLOSINGS {
        close(world, closing);
    }
    world.drain();
    assert_empty(world, 0);
}

#[test]
fn before_anybody_connects() {
    for closing in CLOSINGS {
        close_and_check(&mut scene(false), closing, "new");
    }
}

#[test]
fn right_after_connect_was_asked_for() {
    for closing in CLOSINGS {
        let mut world = scene(false);
        world.connect(0);
        world.connect(1);
        close_and_check(&mut world, closing, "connecting");
    }
}

#[test]
fn while_media_flows() {
    for closing in CLOSINGS {
        let mut world = scene(true);
        for sequence_number in 100..150 {
            world.peers[0].send_rtp(&packet(1000, sequence_number, 7));
            world.step();
        }
        assert!(!world.received(1).is_empty());
        close_and_check(&mut world, closing, "flowing");
    }
}

/// Everything that a peer sends, sealed and not delivered.
fn outgoing(peer: &mut TestPeer) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| peer.poll_transmit()).collect()
}

#[test]
fn while_packets_wait_to_be_sent() {
    for closing in CLOSINGS {
        let mut world = scene(true);
        world.run(Duration::from_millis(50));
        for sequence_number in 100..120 {
            world.peers[0].send_rtp(&packet(1000, sequence_number, 7));
        }
        let mut packets = outgoing(&mut world.peers[0]);
        let datagrams = packets.iter_mut().map(|data| Datagram {
            socket: 0,
            from: address(20_000),
            data,
        });
        world.engine.handle_datagrams(world.now, datagrams);
        assert!(world.engine.dump().waiting > 0);
        // Nothing was taken out yet: the packets are in the queue, and so are the events of the new stream.
        assert!(world.engine.dump().events > 0);
        close_and_check(&mut world, closing, "queued");
    }
}

#[test]
fn while_packets_wait_to_be_sent_again() {
    for closing in CLOSINGS {
        let mut world = scene(true);
        for sequence_number in 100..120 {
            world.peers[0].send_rtp(&packet(1000, sequence_number, 7));
            world.step();
        }
        let last = world.received(1).pop().expect("flows");
        let last = u16::from_be_bytes([last[2], last[3]]);
        world.peers[1].send_rtcp(|writer| writer.nack(1, 5000, [last - 2, last - 1]).is_ok());
        let mut packets = outgoing(&mut world.peers[1]);
        let datagrams = packets.iter_mut().map(|data| Datagram {
            socket: 0,
            from: address(20_001),
            data,
        });
        world.engine.handle_datagrams(world.now, datagrams);
        assert!(world.engine.dump().waiting > 0);
        close_and_check(&mut world, closing, "repeating");
    }
}

#[test]
fn between_two_batches_of_one_burst_the_rest_never_goes_to_an_old_address() {
    let mut world = scene(true);
    world.run(Duration::from_millis(50));
    for sequence_number in 100..500 {
        let mut packet = packet(1000, sequence_number, 7);
        packet.extend(vec![7; usize::from(sequence_number % 2) * 70]);
        world.peers[0].send_rtp(&packet);
    }
    let mut packets = outgoing(&mut world.peers[0]);
    let datagrams = packets.iter_mut().map(|data| Datagram {
        socket: 0,
        from: address(20_000),
        data,
    });
    world.engine.handle_datagrams(world.now, datagrams);
    let mut batch = SendBatch::new();
    // Equal packets leave in groups, and unequal ones one by one: more than a batch takes.
    assert!(world.engine.poll_transmit(world.now, &mut batch));
    world.engine.close_transport(world.now, transport(1));
    let (old, mut new) = (address(20_001), Vec::new());
    batch.clear();
    while world.engine.poll_transmit(world.now, &mut batch) {
        new.extend(batch.transmits().map(|transmit| transmit.to));
        batch.clear();
    }
    assert!(new.iter().all(|to| *to != old), "{new:?}");
    assert_eq!(world.engine.dump().orphans, 0);
}
