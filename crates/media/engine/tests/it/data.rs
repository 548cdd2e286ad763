//! Data channels: messages between peers, to the node and back, over trunks, and what harms none of them.

use std::time::Duration;

use plenum_engine::{EngineError, NodeMessage};
use plenum_harness::{Network, transport};
use plenum_ids::{DataConsumerId, DataProducerId};
use plenum_params::{
    data::{SctpOptions, SctpState, SctpStreamParameters, ppid},
    data_message::DataMessage,
    event::Event,
};
use plenum_testkit::netem::{Loss, NetemConfig};

use crate::world::{ROUTER, World};

mod attacks;
mod buffers;
mod closing;
mod loss;
mod node;
mod trunks;

const MS: Duration = Duration::from_millis(1);

/// The stream that data producers are on.
const OUT: SctpStreamParameters = SctpStreamParameters::reliable(0);

/// The stream that data consumers are on.
const IN: SctpStreamParameters = SctpStreamParameters::reliable(7);

/// A peer that writes to a channel, and others that read it.
fn channel(readers: usize) -> (World, DataProducerId, Vec<DataConsumerId>) {
    let mut world = World::new();
    let writer = world.add_connected_data_peer(SctpOptions::default());
    let producer = world.produce_data(writer, 1, OUT);
    let consumers = (0..readers).map(|reader| {
        let peer = world.add_connected_data_peer(SctpOptions::default());
        world.consume_data(peer, 10 + reader as u128, producer, IN)
    });
    let consumers = consumers.collect();
    (world, producer, consumers)
}

fn numbered(number: u32, length: usize) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.resize(length.max(4), number as u8);
    message
}

/// Takes what a peer has got and reads the numbers of it.
fn numbers(world: &mut World, peer: usize) -> Vec<u32> {
    let number =
        |data: &[u8]| u32::from_be_bytes(*data.first_chunk().expect("messages have numbers"));
    let messages = world.messages(peer);
    messages.iter().map(|it| number(&it.data)).collect()
}

fn states(world: &World, peer: usize) -> Vec<SctpState> {
    let of = |event: &Event| match event {
        Event::SctpState {
            transport: id,
            state,
        } if *id == transport(peer) => Some(*state),
        _ => None,
    };
    world.events.iter().filter_map(of).collect()
}

#[test]
fn a_message_reaches_everybody_as_it_was_sent() {
    let (mut world, producer, consumers) = channel(3);
    assert_eq!(
        states(&world, 0),
        [SctpState::Connecting, SctpState::Connected]
    );
    let info = world.infos[0].sctp_parameters.expect("it was asked for");
    assert_eq!((info.port, info.max_message_size), (5000, 262_144));
    let sent: [(u32, &[u8]); 4] = [
        (ppid::STRING, "Grüße".as_bytes()),
        (ppid::BINARY, &[0, 255]),
        (ppid::EMPTY_STRING, &[0]),
        (ppid::EMPTY_BINARY, &[0]),
    ];
    for (ppid, data) in sent {
        world.send_message(0, &OUT, ppid, data);
    }
    world.run(500 * MS);
    for reader in 1..=3 {
        let messages = world.messages(reader);
        assert_eq!(messages.len(), sent.len());
        for (message, (ppid, data)) in messages.iter().zip(sent) {
            assert_eq!((message.stream, message.ppid), (7, ppid));
            assert_eq!(&message.data[..], data);
        }
    }
    assert!(world.messages(0).is_empty(), "not back to the sender");
    let bytes = sent.iter().map(|(_, data)| data.len() as u64).sum::<u64>();
    let stats = world.engine.data_producer_stats(producer).expect("there");
    assert_eq!((stats.messages_received, stats.bytes_received), (4, bytes));
    let stats = world.engine.data_consumer_stats(consumers[0]);
    let stats = stats.expect("there");
    assert_eq!((stats.messages_sent, stats.bytes_sent), (4, bytes));
    assert_eq!((stats.buffered_amount, stats.messages_dropped), (0, 0));
    let total = world.engine.stats().media;
    assert_eq!((total.messages_received, total.messages_sent), (4, 12));
    let stats = world.engine.transport_stats(world.now, transport(0));
    assert_eq!(stats.expect("there").sctp_state, Some(SctpState::Connected));
}

#[test]
fn one_peer_can_write_and_read_and_several_channels_stay_apart() {
    let mut world = World::new();
    for peer in 0..2 {
        assert_eq!(world.add_connected_data_peer(SctpOptions::default()), peer);
    }
    for peer in 0..2_usize {
        for channel in 0..3_u16 {
            let id = (peer * 10 + usize::from(channel) + 1) as u128;
            let producer = world.produce_data(peer, id, SctpStreamParameters::reliable(channel));
            // Numbers of the other direction are the same ones.
            let stream = SctpStreamParameters::reliable(channel);
            world.consume_data(1 - peer, 100 + id, producer, stream);
        }
    }
    for number in 0..300 {
        for peer in 0..2 {
            let stream = SctpStreamParameters::reliable((number % 3) as u16);
            let message = numbered(number, 100);
            world.send_message(peer, &stream, ppid::BINARY, message);
        }
    }
    world.run(2000 * MS);
    for peer in 0..2 {
        let messages = world.messages(peer);
        assert_eq!(messages.len(), 300);
        for message in messages {
            let number = u32::from_be_bytes(*message.data.first_chunk().expect("it has"));
            assert_eq!(number % 3, u32::from(message.stream));
        }
    }
}

#[test]
fn whoever_is_paused_misses_what_is_said_meanwhile() {
    let (mut world, producer, consumers) = channel(2);
    let say = |world: &mut World, number| {
        world.send_message(0, &OUT, ppid::BINARY, numbered(number, 4));
        world.run(300 * MS);
    };
    say(&mut world, 1);
    world
        .engine
        .pause_data_consumer(consumers[0])
        .expect("there");
    say(&mut world, 2);
    world.engine.pause_data_producer(producer).expect("there");
    say(&mut world, 3);
    world.engine.resume_data_producer(producer).expect("there");
    say(&mut world, 4);
    world
        .engine
        .resume_data_consumer(consumers[0])
        .expect("there");
    say(&mut world, 5);
    assert_eq!(numbers(&mut world, 1), [1, 5]);
    assert_eq!(numbers(&mut world, 2), [1, 2, 4, 5]);
    let stats = world.engine.data_producer_stats(producer).expect("there");
    assert_eq!((stats.messages_received, stats.messages_discarded), (5, 1));
}

#[test]
fn who_is_not_connected_costs_nothing_and_nobody_waits() {
    let mut world = World::new();
    world.add_connected_data_peer(SctpOptions::default());
    world.add_connected_data_peer(SctpOptions::default());
    let late = world.add_peer_with(&plenum_params::transport::WebRtcTransportOptions {
        sctp: Some(SctpOptions::default()),
        ..Default::default()
    });
    let producer = world.produce_data(0, 1, OUT);
    world.consume_data(1, 10, producer, IN);
    let missing = world.consume_data(late, 11, producer, IN);
    world.send_message(0, &OUT, ppid::BINARY, numbered(1, 4));
    world.run(300 * MS);
    assert_eq!(numbers(&mut world, 1), [1]);
    let stats = world.engine.data_consumer_stats(missing).expect("there");
    assert_eq!((stats.messages_sent, stats.messages_dropped), (0, 1));
    let full = |event: &Event| matches!(event, Event::DataConsumerBufferFull { .. });
    assert!(!world.events.iter().any(full), "nothing is full");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (mut world, producer, _) = channel(1);
    let plain = world.add_connected_peer();
    let before = world.engine.dump();
    let engine = &mut world.engine;
    let id = DataProducerId::from_u128(50);
    let stream = |stream_id| Some(SctpStreamParameters::reliable(stream_id));
    let invalid = |result| matches!(result, Err(EngineError::Invalid(_)));
    let taken = |result| matches!(result, Err(EngineError::AlreadyExists(_)));
    let limited = SctpStreamParameters {
        ordered: false,
        max_retransmits: Some(1),
        max_packet_life_time: Some(1),
        ..SctpStreamParameters::reliable(3)
    };
    assert!(invalid(engine.produce_data(transport(0), id, None, false)));
    assert!(invalid(engine.produce_data(
        transport(0),
        id,
        stream(1024),
        false
    )));
    assert!(invalid(engine.produce_data(
        transport(0),
        id,
        Some(limited),
        false
    )));
    assert!(invalid(engine.produce_data(
        transport(plain),
        id,
        stream(3),
        false
    )));
    assert!(taken(engine.produce_data(
        transport(0),
        id,
        stream(0),
        false
    )));
    assert!(taken(engine.produce_data(
        transport(0),
        producer,
        stream(3),
        false
    )));
    let id = DataConsumerId::from_u128(50);
    let at = transport(1);
    let consume = |engine: &mut plenum_engine::Engine, stream, subchannels| {
        engine.consume_data(at, id, producer, stream, subchannels, false)
    };
    assert!(taken(consume(engine, stream(7), Vec::new())));
    assert!(invalid(consume(engine, None, Vec::new())));
    let many = consume(engine, stream(8), (0..65).collect());
    assert!(matches!(many, Err(EngineError::Limit(_))));
    let nobody = DataProducerId::from_u128(99);
    let missing = engine.consume_data(at, id, nobody, stream(8), Vec::new(), false);
    assert_eq!(missing, Err(EngineError::DataProducerNotFound(nobody)));
    assert_eq!(world.engine.dump(), before);
}
