//! Readers who do not read.

use super::*;

/// Bytes that may wait for one reader here.
const BUFFER: u32 = 50_000;

/// A writer and two readers, the first of whom has stopped to answer.
fn stopped_reader() -> (World, [DataConsumerId; 2]) {
    let mut world = World::new();
    let options = SctpOptions {
        send_buffer: BUFFER,
        ..SctpOptions::default()
    };
    for _ in 0..3 {
        world.add_connected_data_peer(options);
    }
    let producer = world.produce_data(0, 1, OUT);
    let stopped = world.consume_data(1, 10, producer, IN);
    let other = world.consume_data(2, 11, producer, IN);
    let silence = NetemConfig {
        loss: Loss::Random(1.0),
        ..NetemConfig::default()
    };
    let network = Network::new(silence, NetemConfig::default(), 1);
    world.set_network(1, network);
    (world, [stopped, other])
}

fn full_events(world: &World) -> usize {
    let full = |event: &&Event| matches!(event, Event::DataConsumerBufferFull { .. });
    world.events.iter().filter(full).count()
}

#[test]
fn a_reader_who_stops_costs_its_buffer_and_nobody_else() {
    let (mut world, [stopped, other]) = stopped_reader();
    for number in 0..500 {
        world.send_message(0, &OUT, ppid::BINARY, numbered(number, 1000));
        world.run(5 * MS);
    }
    assert!(numbers(&mut world, 2).into_iter().eq(0..500));
    let stats = world.engine.data_consumer_stats(stopped).expect("there");
    assert!(stats.buffered_amount <= BUFFER, "{stats:?}");
    assert!(stats.buffered_amount > BUFFER - 2000, "{stats:?}");
    assert_eq!(stats.messages_sent + stats.messages_dropped, 500);
    assert_eq!(full_events(&world), 1, "told once");
    let stats = world.engine.data_consumer_stats(other).expect("there");
    assert_eq!((stats.messages_sent, stats.messages_dropped), (500, 0));
}

#[test]
fn a_reader_who_reads_again_gets_what_had_room_and_what_comes() {
    let (mut world, [stopped, _]) = stopped_reader();
    for number in 0..100 {
        world.send_message(0, &OUT, ppid::BINARY, numbered(number, 1000));
        world.run(5 * MS);
    }
    world
        .engine
        .set_buffered_amount_low_threshold(stopped, 10_000)
        .expect("there");
    let lost = world.engine.data_consumer_stats(stopped).expect("there");
    world.network(1).up.configure(NetemConfig::default());
    let low = |world: &World| {
        let is_low = |event: &Event| {
            matches!(event, Event::DataConsumerBufferedAmountLow { data_consumer, amount }
                if *data_consumer == stopped && *amount <= 10_000)
        };
        world.events.iter().any(is_low)
    };
    assert!(world.run_until(15_000 * MS, low), "never told");
    world.run(2000 * MS);
    world.send_message(0, &OUT, ppid::BINARY, numbered(1000, 1000));
    world.run(1000 * MS);
    let kept = 100 - lost.messages_dropped as u32;
    let got = numbers(&mut world, 1);
    assert!(got.iter().copied().eq((0..kept).chain([1000])), "{got:?}");
}

#[test]
fn a_message_larger_than_the_buffer_passes_when_nothing_waits() {
    let (mut world, [_, other]) = stopped_reader();
    world.send_message(0, &OUT, ppid::BINARY, numbered(1, 3 * BUFFER as usize));
    let arrived = world.run_until(5000 * MS, |world| world.peers[2].messages() == 1);
    assert!(arrived);
    let stats = world.engine.data_consumer_stats(other).expect("there");
    assert_eq!(stats.messages_dropped, 0);
}
