//! What becomes of channels when something closes.

use super::*;

fn is_clean(world: &World) {
    let dump = world.engine.dump();
    assert_eq!((dump.orphans, dump.waiting), (0, 0), "{dump:?}");
}

#[test]
fn closing_a_data_consumer_closes_its_channel_alone() {
    let (mut world, _, consumers) = channel(2);
    world.send_message(0, &OUT, ppid::BINARY, numbered(1, 4));
    world.run(300 * MS);
    let now = world.now;
    world.engine.close_data_consumer(now, consumers[0]);
    world.engine.close_data_consumer(now, consumers[0]);
    world.drain();
    world.send_message(0, &OUT, ppid::BINARY, numbered(2, 4));
    world.run(1000 * MS);
    assert_eq!(world.peers[1].closed_channels(), [7]);
    assert_eq!(numbers(&mut world, 1), [1]);
    assert_eq!(numbers(&mut world, 2), [1, 2]);
    is_clean(&world);
}

#[test]
fn closing_a_data_producer_closes_its_data_consumers() {
    let (mut world, producer, consumers) = channel(2);
    world.send_message(0, &OUT, ppid::BINARY, numbered(1, 4));
    world.run(300 * MS);
    let now = world.now;
    world.engine.close_data_producer(now, producer);
    world.drain();
    let stats = world.engine.data_consumer_stats(consumers[0]);
    assert_eq!(stats, Err(EngineError::DataConsumerNotFound(consumers[0])));
    world.run(1000 * MS);
    for peer in 0..3 {
        assert_eq!(world.peers[peer].closed_channels().len(), 1, "{peer}");
    }
    is_clean(&world);
    // The stream can be used again.
    let producer = world.produce_data(0, 2, OUT);
    world.consume_data(1, 20, producer, IN);
    world.send_message(0, &OUT, ppid::BINARY, numbered(5, 4));
    world.run(1000 * MS);
    assert_eq!(numbers(&mut world, 1), [1, 5]);
}

#[test]
fn a_reader_who_closes_the_channel_gets_nothing_more() {
    let (mut world, _, consumers) = channel(1);
    world.send_message(0, &OUT, ppid::BINARY, numbered(1, 4));
    world.run(300 * MS);
    let now = world.now;
    world.peers[1].close_channel(now, 7);
    world.run(1000 * MS);
    world.send_message(0, &OUT, ppid::BINARY, numbered(2, 4));
    world.run(500 * MS);
    assert_eq!(numbers(&mut world, 1), [1]);
    let stats = world.engine.data_consumer_stats(consumers[0]);
    assert_eq!(stats.expect("there").messages_dropped, 1);
}

#[test]
fn closing_transports_in_any_order_leaves_nothing() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let (mut world, ..) = channel(2);
        for number in 0..50 {
            world.send_message(0, &OUT, ppid::BINARY, numbered(number, 10_000));
        }
        for peer in order {
            world.run(3 * MS);
            let now = world.now;
            world.engine.close_transport(now, transport(peer));
            let told = world.events.len();
            world.drain();
            let late = world.events[told..].iter().any(|event| {
                matches!(event, Event::SctpState { transport: id, .. } if *id == transport(peer))
            });
            assert!(!late, "an event after the close");
            is_clean(&world);
        }
        let dump = world.engine.dump();
        assert!(dump.data_producers.is_empty() && dump.data_consumers.is_empty());
    }
}

#[test]
fn closing_the_router_takes_everything_along() {
    let (mut world, ..) = channel(2);
    let now = world.now;
    world.engine.close_router(now, ROUTER);
    world.drain();
    let dump = world.engine.dump();
    assert!(dump.data_producers.is_empty() && dump.data_consumers.is_empty());
    is_clean(&world);
}
